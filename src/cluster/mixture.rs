//! A mixture of Gaussians with full covariances, by expectation and maximisation.
//!
//! A. Dempster, N. Laird and D. Rubin, Maximum likelihood from incomplete data via the EM algorithm, 1977.

use super::gaussians::{Component, log_sum};
use super::guard::{check_rows, iterated, linfa_params};
use super::settle::out_of_order;
use super::{Assigner, ClusterError, Clustering, KMeansParams, Mixture};
use crate::distance::product;
use crate::progress::Reporter;
use linfa::ParamGuard;
use linfa_linalg::cholesky::Cholesky;
use linfa_linalg::triangular::{SolveTriangular, UPLO};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows that are summed one after the other. Fixed, so that sums don't depend on the number of threads.
const STRIPE: usize = 1024;
/// Stripes whose sums are held at a time, and how many values these may have.
const WAVE: usize = 16;
const HELD: usize = 1 << 26;
/// More features make covariances that neither the rows can tell nor memory holds with ease.
const MAX_FEATURES: usize = 500;
/// What is added to each variance, as a share of the features' mean variance, so that no cluster collapses.
const FLOOR: f64 = 1e-6;
/// A row whose posterior is less tells nothing of a cluster.
const NEGLIGIBLE: f64 = 1e-12;

/// Parameters of a mixture of Gaussians, not checked yet.
///
/// For clusters of different size, spread and tilt, and for how sure each assignment is: the confidence is the margin of
/// the posterior. Each cluster has d (d + 3) / 2 free values, so reduce the features to some tens first, and not for
/// clusters with fewer rows than that. A round costs O(n k d^2). In f64; a millionth of the mean variance is added to
/// every variance. Memory: 4 n_clusters n_features^2 numbers of 8 bytes, and up to 512 MiB.
///
/// ```
/// use alike::cluster::MixtureParams;
/// use linfa::{DatasetBase, traits::Fit};
/// let x = ndarray::Array2::from_shape_fn((60, 1), |(i, _)| (i % 2 * 10) as f32 + i as f32 / 60.0);
/// let clustering = MixtureParams::new(2).fit(&DatasetBase::from(x))?;
/// assert_eq!(clustering.sizes(), [30, 30]);
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MixtureParams(MixtureValidParams);

/// Checked parameters of a mixture of Gaussians.
#[derive(Clone, Debug, PartialEq)]
pub struct MixtureValidParams {
    n_clusters: usize,
    n_restarts: usize,
    max_iterations: usize,
    tolerance: f64,
    seed: u64,
}

linfa_params!(MixtureParams, MixtureValidParams);

impl MixtureParams {
    /// `n_clusters` clusters, from 1 to the number of rows: begins with the best of 10 starts of k-means, at most 300
    /// rounds, tolerance 1e-4, seed 0.
    pub fn new(n_clusters: usize) -> Self {
        Self(MixtureValidParams { n_clusters, n_restarts: 10, max_iterations: 300, tolerance: 1e-4, seed: 0 })
    }

    /// Number of clusters.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        Self(MixtureValidParams { n_clusters, ..self.0 })
    }

    /// Starts of the k-means to begin with; at least 1.
    pub fn n_restarts(self, n_restarts: usize) -> Self {
        Self(MixtureValidParams { n_restarts, ..self.0 })
    }

    /// Most rounds; at least 1.
    pub fn max_iterations(self, max_iterations: usize) -> Self {
        Self(MixtureValidParams { max_iterations, ..self.0 })
    }

    /// It has converged when a round raises the mean logarithm of the rows' density by no more than this.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self(MixtureValidParams { tolerance, ..self.0 })
    }

    /// Seed of the random draws.
    pub fn seed(self, seed: u64) -> Self {
        Self(MixtureValidParams { seed, ..self.0 })
    }
}

impl MixtureValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        iterated(self.n_clusters, self.n_restarts, self.max_iterations, self.tolerance)
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). Clusters that no row most probably comes from are left out.
    /// There is no inertia.
    ///
    /// # Errors
    /// More clusters than rows, more than 500 features, values that are not finite, covariances beyond repair, or an
    /// interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        check_rows(x, self.n_clusters)?;
        let (n_samples, n_features) = x.dim();
        if n_features > MAX_FEATURES {
            return Err(ClusterError::TooManyFeatures { found: n_features, most: MAX_FEATURES });
        }
        if n_samples < self.n_clusters * (n_features + 1) {
            reporter.warn(&format!(
                "{n_samples} images can't tell {} covariances of {n_features} features: fewer features (--reduce pca:10) or \
                 clusters are surer",
                self.n_clusters
            ));
        }
        let kmeans = KMeansParams::new(self.n_clusters).n_restarts(self.n_restarts).seed(self.seed);
        let start = kmeans.check()?.fit_rows(x, reporter)?;
        let centroids = start.assigner.centers().expect("k-means has centroids");
        let floor = variance(x) * FLOOR;
        let floor = if floor > 0.0 { floor } else { FLOOR };
        let mut components: Vec<Component> =
            centroids.outer_iter().map(|c| Component::new(1.0, c.mapv(f64::from), Array2::eye(n_features))).collect();
        let labels: Vec<usize> = start.labels.iter().map(|label| label.expect("k-means leaves none out")).collect();
        components = refit(&components, &moments(x, &components, Some(&labels)).1, floor, n_samples)?;
        let (mut n_iterations, mut converged, mut last) = (0, false, f64::NEG_INFINITY);
        while n_iterations < self.max_iterations && !converged {
            reporter.check()?;
            n_iterations += 1;
            let (log_density, moments) = moments(x, &components, None);
            let mean = log_density / n_samples as f64;
            components = refit(&components, &moments, floor, n_samples)?;
            converged = mean - last <= self.tolerance;
            last = mean;
        }
        let mut mixture = mixture(&components);
        let assign = |mixture: &Mixture| mixture.assign(x).iter().map(|found| found.cluster).collect::<Vec<_>>();
        let mut labels = assign(&mixture);
        while let Some(order) = out_of_order(&labels, mixture.weights.len()) {
            mixture = mixture.select(&order);
            // Of equally probable clusters the lowest number counts, which may be another one now.
            labels = assign(&mixture);
        }
        let assigner = Assigner::Mixture(mixture);
        Ok(Clustering { n_iterations, converged, ..Clustering::new(labels, assigner) })
    }
}

/// The components as they are kept.
fn mixture(components: &[Component]) -> Mixture {
    let d = components[0].mean.len();
    let mut mixture = Mixture {
        weights: components.iter().map(|c| (c.weight as f32).max(f32::MIN_POSITIVE)).collect(),
        means: Array2::zeros((components.len(), d)),
        whitening: Array2::zeros((components.len() * d, d)),
    };
    for (c, component) in components.iter().enumerate() {
        mixture.means.row_mut(c).assign(&component.mean.mapv(|v| v as f32));
        let mut whitening = mixture.whitening.slice_axis_mut(Axis(0), (c * d..(c + 1) * d).into());
        whitening.assign(&component.whitening.mapv(|v| v as f32));
    }
    mixture
}

/// The features' mean variance.
fn variance(x: ArrayView2<'_, f32>) -> f64 {
    let n = x.nrows() as f64;
    let of_column = |column: ArrayView1<'_, f32>| {
        let mean = column.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        column.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n
    };
    x.axis_iter(Axis(1)).map(of_column).sum::<f64>() / x.ncols().max(1) as f64
}

/// What the rows say of a component, with moments about its mean as it was.
#[derive(Clone)]
struct Moments {
    /// The sum of the rows' posteriors, of these times their differences, and of these times the differences' products.
    share: f64,
    first: Array1<f64>,
    second: Array2<f64>,
}

/// The sum of the logarithms of the rows' densities, and the moments of each component, by the rows' posteriors or by
/// their labels.
fn moments(x: ArrayView2<'_, f32>, components: &[Component], labels: Option<&[usize]>) -> (f64, Vec<Moments>) {
    let d = x.ncols();
    let none = Moments { share: 0.0, first: Array1::zeros(d), second: Array2::zeros((d, d)) };
    let (mut log_density, mut total) = (0.0, vec![none; components.len()]);
    let stripes: Vec<_> = x.axis_chunks_iter(Axis(0), STRIPE).enumerate().collect();
    for wave in stripes.chunks((HELD / (components.len() * d * d)).clamp(1, WAVE)) {
        let of_stripe = |&(stripe, rows): &(usize, ArrayView2<'_, f32>)| {
            of_stripe(rows, components, labels.map(|labels| &labels[stripe * STRIPE..]))
        };
        let found: Vec<_> = wave.par_iter().map(of_stripe).collect();
        for (density, moments) in found {
            log_density += density;
            for (sum, one) in total.iter_mut().zip(moments) {
                sum.share += one.share;
                sum.first += &one.first;
                sum.second += &one.second;
            }
        }
    }
    (log_density, total)
}

fn of_stripe(rows: ArrayView2<'_, f32>, components: &[Component], labels: Option<&[usize]>) -> (f64, Vec<Moments>) {
    let mut log_density = 0.0;
    let mut shares = Array2::zeros((components.len(), rows.nrows()));
    if let Some(labels) = labels {
        (0..rows.nrows()).for_each(|row| shares[[labels[row], row]] = 1.0);
    } else {
        for (mut logs, component) in shares.outer_iter_mut().zip(components) {
            let squared = component.squared(rows);
            logs.iter_mut().zip(squared).for_each(|(log, squared)| *log = component.log_density(squared));
        }
        for mut logs in shares.axis_iter_mut(Axis(1)) {
            let density = log_sum(logs.iter().copied());
            log_density += density;
            logs.mapv_inplace(|log| (log - density).exp());
        }
    }
    let of_component = |(shares, component): (ArrayView1<'_, f64>, &Component)| {
        let near: Vec<usize> = (0..shares.len()).filter(|&row| shares[row] >= NEGLIGIBLE).collect();
        let shares = shares.select(Axis(0), &near).insert_axis(Axis(1));
        let differences = component.differences(rows.select(Axis(0), &near).view());
        let weighted = &differences * &shares;
        let second = product(weighted.t(), differences.view());
        Moments { share: shares.sum(), first: weighted.sum_axis(Axis(0)), second }
    };
    (log_density, shares.outer_iter().zip(components).map(of_component).collect())
}

/// The components that fit best; those without rows stay as they were, with no weight to speak of.
fn refit(old: &[Component], moments: &[Moments], floor: f64, n_samples: usize) -> Result<Vec<Component>, ClusterError> {
    let component = |(cluster, (old, Moments { share, first, second })): (usize, (&Component, &Moments))| {
        if *share < NEGLIGIBLE {
            return Ok(Component::new(f64::MIN_POSITIVE, old.mean.clone(), old.whitening.clone()));
        }
        let shift = first / *share;
        let covariance = Array2::from_shape_fn(second.dim(), |(i, j)| {
            let (i, j) = (i.max(j), i.min(j));
            let own = if i == j { floor } else { 0.0 };
            second[[i, j]] / share - shift[i] * shift[j] + own
        });
        let eye = Array2::eye(shift.len());
        let whitening = covariance.cholesky().and_then(|l| l.solve_triangular(&eye, UPLO::Lower)).ok();
        let whitening = whitening
            .filter(|whitening| whitening.iter().all(|&v| (v as f32).is_finite()))
            .ok_or(ClusterError::Singular { cluster, share: share.round() as usize })?;
        Ok(Component::new(share / n_samples as f64, &old.mean + &shift, whitening))
    };
    old.par_iter().zip(moments).enumerate().map(component).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn spreads_beyond_f32_are_an_error() {
        let x = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (7 + j)) % 11) as f32 * 1e-40);
        let found = MixtureParams::new(2).check().unwrap().fit_rows(x.view(), &Silent);
        assert!(matches!(found, Err(ClusterError::Singular { .. })), "{found:?}");
    }
}
