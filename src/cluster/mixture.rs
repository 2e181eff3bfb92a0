//! A mixture of Gaussians with full covariances, by expectation and maximisation.
//!
//! A. Dempster, N. Laird and D. Rubin, Maximum likelihood from incomplete data via the EM algorithm, 1977.

use super::gaussians::{Component, log_sum};
use super::guard::{check_rows, iterated, linfa_params};
use super::settle::{by_size, renumber};
use super::{Assigner, ClusterError, Clustering, KMeansParams, Mixture};
use crate::progress::Reporter;
use linfa::ParamGuard;
use linfa_linalg::cholesky::Cholesky;
use linfa_linalg::triangular::{SolveTriangular, UPLO};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows that are summed one after the other. Fixed, so that sums don't depend on the number of threads.
const STRIPE: usize = 1024;
/// Stripes whose sums are held at a time.
const WAVE: usize = 16;
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
/// every variance. Memory: 16 n_clusters n_features^2 numbers of 8 bytes.
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
        let mut components: Vec<Component> = centroids
            .outer_iter()
            .map(|c| Component::new(1.0, c.iter().map(|&v| f64::from(v)).collect(), Array2::eye(n_features)))
            .collect();
        let labels: Vec<usize> = start.labels.iter().map(|label| label.expect("k-means leaves none out")).collect();
        components = moments(x, &components, Some(&labels)).components(&components, floor, n_samples)?;
        let (mut n_iterations, mut converged, mut last) = (0, false, f64::NEG_INFINITY);
        while n_iterations < self.max_iterations && !converged {
            reporter.check()?;
            n_iterations += 1;
            let moments = moments(x, &components, None);
            let mean = moments.log_density / n_samples as f64;
            components = moments.components(&components, floor, n_samples)?;
            converged = mean - last <= self.tolerance;
            last = mean;
        }
        let found = mixture(&components);
        let assigned = found.assign(x);
        let mut labels: Vec<_> = assigned.iter().map(|assignment| assignment.cluster).collect();
        let order = by_size(&labels, components.len());
        renumber(&mut labels, &order);
        let mixture = found.select(&order);
        // Of equally probable clusters the lowest number counts, which may be another one now.
        labels.iter_mut().zip(mixture.assign(x)).for_each(|(label, assignment)| *label = assignment.cluster);
        Ok(Clustering {
            labels,
            assigner: Assigner::Mixture(mixture),
            inertia: None,
            n_iterations,
            converged,
            summary: None,
        })
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
        mixture.means.row_mut(c).iter_mut().zip(&component.mean).for_each(|(to, &mean)| *to = mean as f32);
        mixture
            .whitening
            .slice_axis_mut(Axis(0), (c * d..(c + 1) * d).into())
            .assign(&component.whitening().mapv(|v| v as f32));
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

/// What the rows say of each component, with moments about its mean as it was.
struct Moments {
    log_density: f64,
    shares: Vec<f64>,
    /// Sums of differences, n_features a component.
    firsts: Vec<f64>,
    /// Sums of their products: lower triangles of n_features x n_features a component.
    seconds: Vec<f64>,
}

/// The moments of the rows, by their posteriors or by their labels.
fn moments(x: ArrayView2<'_, f32>, components: &[Component], labels: Option<&[usize]>) -> Moments {
    let n_stripes = x.nrows().div_ceil(STRIPE);
    let mut total = Moments::new(components.len(), x.ncols());
    for wave in (0..n_stripes).step_by(WAVE) {
        let stripes: Vec<Moments> = (wave..n_stripes.min(wave + WAVE))
            .into_par_iter()
            .map(|stripe| {
                let mut moments = Moments::new(components.len(), x.ncols());
                for row in stripe * STRIPE..x.nrows().min((stripe + 1) * STRIPE) {
                    moments.add(x.row(row), components, labels.map(|labels| labels[row]));
                }
                moments
            })
            .collect();
        stripes.iter().for_each(|stripe| total.join(stripe));
    }
    total
}

impl Moments {
    fn new(k: usize, d: usize) -> Self {
        Self { log_density: 0.0, shares: vec![0.0; k], firsts: vec![0.0; k * d], seconds: vec![0.0; k * d * d] }
    }

    fn add(&mut self, row: ArrayView1<'_, f32>, components: &[Component], label: Option<usize>) {
        let d = row.len();
        let mut differences = vec![0.0; d];
        let logs: Vec<f64> = components.iter().map(|c| c.log_density(row, &mut differences).0).collect();
        let density = log_sum(logs.iter().copied());
        self.log_density += density;
        for (c, component) in components.iter().enumerate() {
            let share = label.map_or_else(|| (logs[c] - density).exp(), |label| f64::from(u8::from(label == c)));
            if share < NEGLIGIBLE {
                continue;
            }
            component.log_density(row, &mut differences);
            self.shares[c] += share;
            self.firsts[c * d..][..d].iter_mut().zip(&differences).for_each(|(sum, v)| *sum += share * v);
            for (i, &v) in differences.iter().enumerate() {
                let weighted = share * v;
                let sums = &mut self.seconds[(c * d + i) * d..][..=i];
                sums.iter_mut().zip(&differences).for_each(|(sum, other)| *sum += weighted * other);
            }
        }
    }

    fn join(&mut self, other: &Self) {
        self.log_density += other.log_density;
        let add = |sums: &mut [f64], others: &[f64]| sums.iter_mut().zip(others).for_each(|(sum, v)| *sum += v);
        add(&mut self.shares, &other.shares);
        add(&mut self.firsts, &other.firsts);
        add(&mut self.seconds, &other.seconds);
    }

    /// The components that fit best; those without rows stay as they were, with no weight to speak of.
    fn components(&self, old: &[Component], floor: f64, n_samples: usize) -> Result<Vec<Component>, ClusterError> {
        let d = old[0].mean.len();
        let component = |(c, old): (usize, &Component)| {
            let share = self.shares[c];
            if share < NEGLIGIBLE {
                return Ok(Component::new(f64::MIN_POSITIVE, old.mean.clone(), old.whitening()));
            }
            let shift: Vec<f64> = self.firsts[c * d..][..d].iter().map(|v| v / share).collect();
            let covariance = Array2::from_shape_fn((d, d), |(i, j)| {
                let (i, j) = (i.max(j), i.min(j));
                let own = if i == j { floor } else { 0.0 };
                self.seconds[(c * d + i) * d + j] / share - shift[i] * shift[j] + own
            });
            let whitening = covariance.cholesky().and_then(|l| l.solve_triangular(&Array2::eye(d), UPLO::Lower));
            let whitening =
                whitening.map_err(|_| ClusterError::Singular { cluster: c, share: share.round() as usize })?;
            let mean = old.mean.iter().zip(&shift).map(|(mean, shift)| mean + shift).collect();
            Ok(Component::new(share / n_samples as f64, mean, whitening))
        };
        old.par_iter().enumerate().map(component).collect()
    }
}
