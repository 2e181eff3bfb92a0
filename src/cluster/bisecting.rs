//! Bisecting k-means: split one cluster in two until there are enough.
//!
//! M. Steinbach, G. Karypis and V. Kumar, A comparison of document clustering techniques, 2000.

use super::guard::{check_rows, iterated, linfa_params};
use super::settle::settle;
use super::{ClusterError, Clustering, Init, KMeansParams};
use crate::distance::squared_euclidean;
use crate::progress::Reporter;
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2, Axis, CowArray};

/// Which cluster is split next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// The one whose rows lie farthest from its centroid: the largest inertia.
    #[default]
    Inertia,
    /// The one with the most rows: clusters of more equal size.
    Size,
}

/// Parameters of bisecting k-means, not checked yet.
///
/// Splits one cluster after the other by 2-means; at the end every row goes to the nearest of the centroids found,
/// wherever the splits had put it, so that an assigner needs the centroids alone and the inertia is the lower. Each
/// split looks at one cluster's rows only: O(n d log k) where clusters halve, so it is for many clusters. Its inertia
/// is mostly a little above that of k-means. Memory: a copy of the rows of the cluster that is split.
///
/// ```
/// use alike::cluster::BisectingParams;
/// use linfa::{DatasetBase, traits::Fit};
/// let x = ndarray::array![[0.0f32], [0.1], [5.0], [9.0]];
/// let clustering = BisectingParams::new(3).fit(&DatasetBase::from(x))?;
/// assert_eq!(clustering.labels, [Some(0), Some(0), Some(1), Some(2)]);
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BisectingParams(BisectingValidParams);

/// Checked parameters of bisecting k-means.
#[derive(Clone, Debug, PartialEq)]
pub struct BisectingValidParams {
    n_clusters: usize,
    split: Split,
    n_restarts: usize,
    max_iterations: usize,
    tolerance: f64,
    seed: u64,
}

linfa_params!(BisectingParams, BisectingValidParams);

impl BisectingParams {
    /// `n_clusters` clusters, from 1 to the number of rows: the cluster of the largest inertia is split, by the best of
    /// 10 starts of at most 300 iterations, tolerance 1e-4, seed 0.
    pub fn new(n_clusters: usize) -> Self {
        Self(BisectingValidParams {
            n_clusters,
            split: Split::default(),
            n_restarts: 10,
            max_iterations: 300,
            tolerance: 1e-4,
            seed: 0,
        })
    }

    /// Number of clusters.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        Self(BisectingValidParams { n_clusters, ..self.0 })
    }

    /// Which cluster is split next.
    pub fn split(self, split: Split) -> Self {
        Self(BisectingValidParams { split, ..self.0 })
    }

    /// Starts of each split, of which the best is kept; at least 1.
    pub fn n_restarts(self, n_restarts: usize) -> Self {
        Self(BisectingValidParams { n_restarts, ..self.0 })
    }

    /// Most rounds of a start; at least 1.
    pub fn max_iterations(self, max_iterations: usize) -> Self {
        Self(BisectingValidParams { max_iterations, ..self.0 })
    }

    /// When a start has converged, as in [`KMeansParams::tolerance`].
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self(BisectingValidParams { tolerance, ..self.0 })
    }

    /// Seed of the random draws.
    pub fn seed(self, seed: u64) -> Self {
        Self(BisectingValidParams { seed, ..self.0 })
    }
}

/// A cluster that may be split.
struct Part {
    rows: Vec<usize>,
    centroid: Vec<f32>,
    inertia: f64,
}

impl BisectingValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        iterated(self.n_clusters, self.n_restarts, self.max_iterations, self.tolerance)
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). Clusters of equal rows are not split, so there may be fewer
    /// than asked for.
    ///
    /// # Errors
    /// More clusters than rows, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        check_rows(x, self.n_clusters)?;
        let x = x.as_standard_layout();
        let x = x.view();
        let (mut n_iterations, mut converged) = (0, true);
        let mut split = |rows: &[usize], n: usize| -> Result<Vec<Part>, ClusterError> {
            let values = match rows.len() == x.nrows() {
                true => CowArray::from(x),
                false => CowArray::from(x.select(Axis(0), rows)),
            };
            let seed = self.seed.wrapping_add(n_iterations as u64);
            let n_restarts = if n == 1 { 1 } else { self.n_restarts };
            let params = KMeansParams::new(n).init(Init::KMeansPlusPlus).n_restarts(n_restarts).seed(seed);
            let params = params.max_iterations(self.max_iterations).tolerance(self.tolerance);
            let found = params.check()?.fit_rows(values.view(), reporter)?;
            n_iterations += found.n_iterations;
            converged &= found.converged;
            Ok(parts(rows, &found, values.view()))
        };
        let mut clusters = split(&(0..x.nrows()).collect::<Vec<_>>(), 1)?;
        while clusters.len() < self.n_clusters {
            let weight = |part: &Part| match self.split {
                Split::Inertia => part.inertia,
                Split::Size => part.rows.len() as f64,
            };
            let next = (0..clusters.len()).filter(|&c| clusters[c].inertia > 0.0);
            let Some(next) = next.max_by(|&a, &b| weight(&clusters[a]).total_cmp(&weight(&clusters[b]))) else { break };
            let mut halves = split(&clusters[next].rows, 2)?;
            if halves.len() < 2 {
                // Rows that differ by less than rounding.
                clusters[next].inertia = 0.0;
                continue;
            }
            clusters.push(halves.remove(1));
            clusters[next] = halves.remove(0);
        }
        let centroids: Vec<f32> = clusters.iter().flat_map(|part| part.centroid.iter().copied()).collect();
        let centroids =
            Array2::from_shape_vec((clusters.len(), x.ncols()), centroids).expect("centroids of one length");
        Ok(Clustering { n_iterations, converged, ..settle(&mut { x }, centroids, reporter)? })
    }
}

/// The clusters that k-means found in some rows.
fn parts(rows: &[usize], found: &Clustering, values: ArrayView2<'_, f32>) -> Vec<Part> {
    let centroids = found.assigner.centers().expect("k-means has centroids");
    let centroid = |c: usize| centroids.row(c).to_vec();
    let mut parts: Vec<Part> =
        (0..found.n_clusters()).map(|c| Part { rows: Vec::new(), centroid: centroid(c), inertia: 0.0 }).collect();
    for (at, &row) in rows.iter().enumerate() {
        let Some(cluster) = found.labels[at] else { continue };
        let part = &mut parts[cluster];
        part.rows.push(row);
        part.inertia += squared_euclidean(values.row(at).to_slice().expect("rows are contiguous"), &part.centroid);
    }
    parts
}
