//! Scores from the clusters' means: inertia, Calinski-Harabasz, Davies-Bouldin. Linear in the rows, so never sampled.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::grouping::Grouping;
use super::{EvaluateError, Scores};
use crate::collection::{ClusterId, Features, sparse_row};
use crate::distance::{BLOCK_ROWS, Packed};

/// Squared distances between means below this share of their squared lengths are rounding.
const ROUNDING: f64 = 1e-14;

/// Sum of squared distances of the rows to the mean of their cluster; noise is left out.
///
/// In squared units of `data`, shape (n_samples, n_features). It falls as clusters are added. `None` without
/// clustered rows. O(n n_features).
///
/// # Errors
/// If `data` and `clusters` differ in length.
pub fn inertia(data: ArrayView2<'_, f32>, clusters: &[Option<ClusterId>]) -> Result<Option<f64>, EvaluateError> {
    Ok(Dispersion::of(&data.into(), &Grouping::checked(data.nrows(), clusters)?).inertia())
}

/// Calinski-Harabasz index: variance between the clusters over variance within, each by its degrees of freedom; from
/// 0, higher is better; noise is left out.
///
/// `None` with fewer than two clusters, when every row is a cluster of its own, or when every cluster's rows are
/// equal. O(n n_features). Calinski and Harabasz, "A dendrite method for cluster analysis" (1974).
///
/// # Errors
/// If `data` and `clusters` differ in length.
pub fn calinski_harabasz(
    data: ArrayView2<'_, f32>,
    clusters: &[Option<ClusterId>],
) -> Result<Option<f64>, EvaluateError> {
    let grouping = Grouping::checked(data.nrows(), clusters)?;
    Ok(Dispersion::of(&data.into(), &grouping).calinski_harabasz(&grouping))
}

/// Davies-Bouldin index: for each cluster the worst ratio of spread to separation, averaged; from 0, lower is
/// better; noise is left out.
///
/// Spread is the mean distance to the cluster's mean. `None` with fewer than two clusters, when every row is a
/// cluster of its own, or when two clusters have the same mean. O(n n_features + K^2 n_features).
/// Davies and Bouldin, "A cluster separation measure", IEEE TPAMI 1 (1979).
///
/// # Errors
/// If `data` and `clusters` differ in length.
pub fn davies_bouldin(data: ArrayView2<'_, f32>, clusters: &[Option<ClusterId>]) -> Result<Option<f64>, EvaluateError> {
    let grouping = Grouping::checked(data.nrows(), clusters)?;
    Ok(Dispersion::of(&data.into(), &grouping).davies_bouldin(&grouping))
}

/// Each cluster's mean and how its rows lie around it.
pub(super) struct Dispersion {
    /// Shape (n_clusters, n_features).
    means: Array2<f64>,
    squared: Vec<f64>,
    /// Mean distance of each cluster's rows to its mean.
    pub mean_distances: Vec<f64>,
}

impl Dispersion {
    /// Clusters in parallel, the rows of each in order: the same bits for any number of threads.
    pub fn of(data: &Features<'_>, grouping: &Grouping) -> Self {
        let mut members: Vec<Vec<usize>> = grouping.sizes.iter().map(|&size| Vec::with_capacity(size)).collect();
        for (row, group) in grouping.group.iter().enumerate() {
            if let Some(group) = group {
                members[*group].push(row);
            }
        }
        let mut means = Array2::zeros((members.len(), data.dim().1));
        let spreads = means.axis_iter_mut(Axis(0)).into_par_iter().zip(&members).map(|(mut mean, members)| {
            let n = members.len() as f64;
            for &row in members {
                match data {
                    Features::Dense(x) => mean.zip_mut_with(&x.row(row), |sum, &value| *sum += f64::from(value)),
                    Features::Sparse(x) => {
                        let (columns, values) = sparse_row(x, row);
                        columns.iter().zip(values).for_each(|(&j, &value)| mean[j as usize] += f64::from(value));
                    }
                }
            }
            mean /= n;
            let squares: Vec<f64> = match data {
                Features::Dense(x) => {
                    let square =
                        |row| x.row(row).iter().zip(&mean).map(|(&v, mean)| (f64::from(v) - mean).powi(2)).sum();
                    members.iter().map(|&row| square(row)).collect()
                }
                Features::Sparse(x) => {
                    let of_mean = mean.dot(&mean);
                    let square = |row| {
                        let (columns, values) = sparse_row(x, row);
                        let values = columns.iter().zip(values).map(|(&j, &v)| (f64::from(v), mean[j as usize]));
                        (of_mean + values.map(|(v, mean)| v * (v - 2.0 * mean)).sum::<f64>()).max(0.0)
                    };
                    members.iter().map(|&row| square(row)).collect()
                }
            };
            (squares.iter().sum::<f64>(), squares.iter().map(|square| square.sqrt()).sum::<f64>() / n)
        });
        let (squared, mean_distances) = spreads.unzip();
        Self { means, squared, mean_distances }
    }

    pub fn inertia(&self) -> Option<f64> {
        (!self.squared.is_empty()).then(|| self.squared.iter().sum())
    }

    pub fn calinski_harabasz(&self, grouping: &Grouping) -> Option<f64> {
        let within = self.inertia()?;
        if !grouping.is_comparable() || within == 0.0 {
            return None;
        }
        let n: usize = grouping.sizes.iter().sum();
        let weights: Array1<f64> = grouping.sizes.iter().map(|&size| size as f64).collect();
        let centre = weights.dot(&self.means) / n as f64;
        let offsets = &self.means - &centre;
        let between: f64 =
            offsets.outer_iter().zip(&weights).map(|(offset, weight)| weight * offset.dot(&offset)).sum();
        let k = grouping.ids.len();
        Some(between * (n - k) as f64 / (within * (k - 1) as f64))
    }

    pub fn davies_bouldin(&self, grouping: &Grouping) -> Option<f64> {
        if !grouping.is_comparable() {
            return None;
        }
        // About their middle, where the products cancel least.
        let means = &self.means - &self.means.mean_axis(Axis(0))?;
        let norms: Vec<f64> = means.outer_iter().map(|mean| mean.dot(&mean)).collect();
        let spread = &self.mean_distances;
        let worst = |cluster: usize, products: ArrayView1<'_, f64>| {
            let ratio = |other: usize| {
                let sum = norms[cluster] + norms[other];
                let squared = sum - 2.0 * products[other];
                match squared > ROUNDING * sum {
                    true => (spread[cluster] + spread[other]) / squared.sqrt(),
                    false => f64::INFINITY,
                }
            };
            (0..norms.len()).filter(|&other| other != cluster).map(ratio).fold(0.0, f64::max)
        };
        let packed = Packed::new(means.t());
        let mut sum = 0.0;
        for (block, some) in means.axis_chunks_iter(Axis(0), BLOCK_ROWS).enumerate() {
            let products = packed.product(some);
            let rows = products.axis_iter(Axis(0)).into_par_iter().enumerate();
            let worst: Vec<f64> = rows.map(|(i, row)| worst(block * BLOCK_ROWS + i, row)).collect();
            sum += worst.iter().sum::<f64>();
        }
        Some(sum / norms.len() as f64).filter(|mean| mean.is_finite())
    }

    /// All of them.
    pub fn scores(&self, grouping: &Grouping) -> Scores {
        Scores {
            inertia: self.inertia(),
            calinski_harabasz: self.calinski_harabasz(grouping),
            davies_bouldin: self.davies_bouldin(grouping),
            ..Scores::default()
        }
    }
}
