//! The silhouette: how much nearer each row is to its own cluster than to the next one.

use std::ops::Range;

use ndarray::ArrayView2;
use rand::SeedableRng;
use serde::{Deserialize, Serialize};

use super::EvaluateError;
use super::grouping::Grouping;
use super::separation::compare;
use crate::collection::ClusterId;

/// How many rows the scores over all pairs of rows look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// All rows up to this many; beyond, a sample of this size. Of sparse rows [`evaluate`](super::evaluate()) takes 2,000
    /// at most.
    pub max_samples: usize,
    /// Seed of the sample.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { max_samples: 10_000, seed: 0 }
    }
}

/// The rows to look at, rising; `None` if there are few enough to take all.
///
/// Every row is equally likely, whatever its cluster, so that one sample serves many labellings; a cluster much
/// smaller than n / max_samples may be missed.
pub fn sample_rows(n_samples: usize, sampling: Sampling) -> Option<Vec<usize>> {
    (n_samples > sampling.max_samples).then(|| {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(sampling.seed);
        let mut rows = rand::seq::index::sample(&mut rng, n_samples, sampling.max_samples).into_vec();
        rows.sort_unstable();
        rows
    })
}

/// Silhouettes of rows, clusters, and of the whole, each in [-1, 1].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silhouette {
    /// Mean over the clustered rows; `None` if nothing can be compared.
    pub mean: Option<f64>,
    /// By row; `None` for noise, or if nothing can be compared.
    pub values: Vec<Option<f64>>,
    /// Mean of each cluster that has rows, rising by cluster; empty if nothing can be compared.
    pub clusters: Vec<(ClusterId, f64)>,
}

/// The silhouette of every row against all the others.
///
/// With a the mean distance to the rest of the row's cluster and b the least mean distance to another cluster:
/// (b - a) / max(a, b), 0 for the only row of a cluster. Noise is left out. Euclidean, from products in f32, so that values
/// are off by up to some 1e-6; `data` has the shape (n_samples, n_features) and must be finite. Nothing can be compared with fewer than two clusters or when every
/// row is a cluster of its own. O(n^2 n_features): give a sample ([`sample_rows`]) above some 20,000 rows.
/// Rousseeuw, "Silhouettes", Journal of Computational and Applied Mathematics 20 (1987).
///
/// # Errors
/// If `data` and `clusters` differ in length.
///
/// ```
/// use alike::evaluate::silhouette;
/// let data = ndarray::array![[0.0], [1.0], [10.0], [11.0]];
/// let s = silhouette(data.view(), &[Some(0), Some(0), Some(1), Some(1)])?;
/// assert!((s.values[0].unwrap() - (10.5 - 1.0) / 10.5).abs() < 1e-12);
/// # Ok::<(), alike::evaluate::EvaluateError>(())
/// ```
pub fn silhouette(data: ArrayView2<'_, f32>, clusters: &[Option<ClusterId>]) -> Result<Silhouette, EvaluateError> {
    let grouping = Grouping::checked(data.nrows(), clusters)?;
    let (silhouette, _) = compare(&data.into(), std::slice::from_ref(&grouping)).remove(0);
    Ok(silhouette)
}

/// A block of rows: the summed distances of each to every cluster.
pub(super) struct ClusterSums<'a> {
    grouping: &'a Grouping,
    rows: Range<usize>,
    /// One run of `rows.len()` a cluster, so that a point's distances are added to neighbours in memory.
    sums: Vec<f64>,
}

impl<'a> ClusterSums<'a> {
    pub fn new(grouping: &'a Grouping, rows: Range<usize>) -> Self {
        Self { grouping, sums: vec![0.0; grouping.ids.len() * rows.len()], rows }
    }

    pub fn add(&mut self, point: usize, distances: &[f64]) {
        if let Some(group) = self.grouping.group[point] {
            let sums = &mut self.sums[group * distances.len()..][..distances.len()];
            for (sum, distance) in sums.iter_mut().zip(distances) {
                *sum += distance;
            }
        }
    }

    /// The silhouettes of the block's rows.
    pub fn silhouettes(&self) -> Vec<Option<f64>> {
        let sizes = &self.grouping.sizes;
        let one = |(place, row): (usize, usize)| {
            let own = self.grouping.group[row]?;
            if sizes[own] == 1 {
                return Some(0.0);
            }
            let sum = |group: usize| self.sums[group * self.rows.len() + place];
            let a = sum(own) / (sizes[own] - 1) as f64;
            let others = (0..sizes.len()).filter(|&group| group != own);
            let b = others.map(|group| sum(group) / sizes[group] as f64).fold(f64::INFINITY, f64::min);
            let larger = a.max(b);
            Some(if larger > 0.0 { (b - a) / larger } else { 0.0 })
        };
        self.rows.clone().enumerate().map(one).collect()
    }
}

/// Means over all rows and over each cluster.
pub(super) fn summarise(grouping: &Grouping, values: impl IntoIterator<Item = Option<f64>>) -> Silhouette {
    if !grouping.is_comparable() {
        return Silhouette { values: vec![None; grouping.group.len()], ..Silhouette::default() };
    }
    let values: Vec<Option<f64>> = values.into_iter().collect();
    let mut sums = vec![0.0; grouping.ids.len()];
    for (value, group) in values.iter().zip(&grouping.group) {
        if let (Some(value), Some(group)) = (value, group) {
            sums[*group] += value;
        }
    }
    let mean = sums.iter().sum::<f64>() / grouping.sizes.iter().sum::<usize>() as f64;
    let means = sums.iter().zip(&grouping.sizes).map(|(sum, &size)| sum / size as f64);
    Silhouette { mean: Some(mean), clusters: grouping.ids.iter().copied().zip(means).collect(), values }
}
