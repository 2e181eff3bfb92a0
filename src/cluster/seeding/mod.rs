//! Where k-means starts.

mod draws;
mod parallel;
pub(super) mod plus_plus;
mod potential;
mod products;
mod sieve;
#[cfg(test)]
mod tests;

pub(super) use draws::Draws;
pub(super) use sieve::Sieve;

use super::guard::at_least_one;
use super::images::Images;
use super::rows::{Points, Rows};
use super::{ClusterError, Metric};
use crate::progress::Reporter;
use draws::Dense;
use ndarray::{Array2, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// How the starting centroids are found. All but given ones are rows; by cosine their directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Init {
    /// Greedy k-means++ up to 256 clusters, k-means|| beyond.
    #[default]
    Auto,
    /// Distinct rows, drawn uniformly. O(k); rounds of k-means must make up for it.
    Random,
    /// Greedy k-means++: each next row is drawn with a chance in proportion to its squared distance to the nearest
    /// chosen one, the best of 2 + ln k draws kept. O(n k d log k) at worst (Arthur and Vassilvitskii, SODA 2007).
    KMeansPlusPlus,
    /// k-means||: rows are drawn like that, but about 2k at a time and independently of each other; of these, each
    /// counting the rows nearest to it, greedy k-means++ keeps k. For many clusters: the rows are passed over a few
    /// times, not k times (Bahmani et al., VLDB 2012).
    KMeansParallel,
    /// Given, shape (n_clusters, n_features).
    Given(Array2<f32>),
}

/// Up to so many clusters [`Init::Auto`] is greedy k-means++.
const MANY: usize = 256;

impl Init {
    /// What [`Auto`](Init::Auto) stands for where `n_clusters` are asked for; itself otherwise.
    pub fn resolve(&self, n_clusters: usize) -> &Self {
        match self {
            Self::Auto if n_clusters > MANY => &Self::KMeansParallel,
            Self::Auto => &Self::KMeansPlusPlus,
            other => other,
        }
    }
}

/// Starting centroids for k-means of the rows of `x`, shape (n_samples, n_features): those of the first start of a fit
/// with the same seed. The result has shape (n_clusters, n_features); by cosine its rows are unit vectors, and there
/// are no more of them than rows that have a direction.
///
/// The draws are those of exact distances, whatever the number of threads. Memory beyond `x`: 20 bytes a row, 50 by
/// k-means||, and for rows of 256 features and more often another 268 (their images).
///
/// # Errors
/// No clusters, more clusters than rows, rows without features, values that are not finite, a given start of the wrong
/// shape or without any direction, or an interruption.
///
/// ```
/// use alike::cluster::{Init, Metric, seed};
/// use alike::progress::Silent;
/// let x = ndarray::array![[0.0f32, 0.0], [0.1, 0.0], [9.0, 9.0]];
/// let start = seed(x.view(), Metric::Euclidean, 2, &Init::KMeansPlusPlus, 0, &Silent)?;
/// assert_eq!(start.dim(), (2, 2));
/// assert!((start[[0, 0]] - start[[1, 0]]).abs() > 8.0); // The far row, and one of the others.
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
pub fn seed(
    x: ArrayView2<'_, f32>,
    metric: Metric,
    n_clusters: usize,
    init: &Init,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Array2<f32>, ClusterError> {
    at_least_one(&[("number of clusters", n_clusters)])?;
    let x = x.as_standard_layout();
    let x = x.view();
    let rows = Rows::new(&x, metric);
    rows.check(n_clusters)?;
    let images = images(&rows, n_clusters, init, reporter)?;
    start(&rows, &images, n_clusters, init, &mut generator(seed, 0), reporter)
}

/// Images for the draws of [`start`], where it needs any.
pub(super) fn images<'a>(
    rows: &'a Rows<'a>,
    n_clusters: usize,
    init: &Init,
    reporter: &dyn Reporter,
) -> Result<Images<'a>, ClusterError> {
    match init.resolve(n_clusters) {
        Init::Random | Init::Given(_) => Ok(Images::identity(rows)),
        _ => Images::new(rows, reporter),
    }
}

/// The generator of a restart.
pub(super) fn generator(seed: u64, restart: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(restart as u64);
    rng
}

/// Starting centroids of dense rows.
pub(super) fn start(
    rows: &Rows<'_>,
    images: &Images<'_>,
    n_clusters: usize,
    init: &Init,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<Array2<f32>, ClusterError> {
    draw(&Dense { rows, images }, n_clusters, init, rng, reporter)
}

/// Starting centroids; by cosine unit vectors, and no more than there are rows with a direction.
pub(super) fn draw(
    draws: &impl Draws,
    n_clusters: usize,
    init: &Init,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<Array2<f32>, ClusterError> {
    let rows = draws.rows();
    let k = n_clusters.min(rows.eligible().count());
    let chosen = match init.resolve(n_clusters) {
        Init::Given(centroids) => return given(centroids, (n_clusters, rows.n_features()), rows.metric()),
        Init::Random => random(rows, k, rng),
        Init::KMeansParallel => parallel::choose(draws, k, rng, reporter)?,
        Init::Auto | Init::KMeansPlusPlus => plus_plus::choose(draws, None, k, rng, reporter)?,
    };
    Ok(directed(draws.vectors(&chosen), rows.metric()))
}

/// Given centroids, which must be of the `expected` shape, brought to unit length by cosine.
pub(super) fn given(
    centroids: &Array2<f32>,
    expected: (usize, usize),
    metric: Metric,
) -> Result<Array2<f32>, ClusterError> {
    if centroids.dim() != expected {
        return Err(ClusterError::InitShape { found: centroids.dim(), expected });
    }
    if centroids.iter().any(|v| !v.is_finite()) {
        return Err(ClusterError::InitNotFinite);
    }
    if metric == Metric::Cosine && centroids.iter().all(|v| *v == 0.0) {
        return Err(ClusterError::InitBlank);
    }
    Ok(directed(centroids.as_standard_layout().into_owned(), metric))
}

/// Different rows that have a direction, uniformly.
fn random(rows: &impl Points, n_clusters: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let eligible: Vec<usize> = rows.eligible().collect();
    rand::seq::index::sample(rng, eligible.len(), n_clusters).into_iter().map(|at| eligible[at]).collect()
}

/// By cosine, vectors brought to unit length, those that have a direction.
fn directed(mut vectors: Array2<f32>, metric: Metric) -> Array2<f32> {
    if metric == Metric::Cosine {
        for mut vector in vectors.outer_iter_mut() {
            let norm = vector.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                vector.mapv_inplace(|v| (f64::from(v) / norm) as f32);
            }
        }
    }
    vectors
}
