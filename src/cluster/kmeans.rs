//! k-means and spherical k-means as linfa sees them: unchecked parameters and checked ones.

use super::guard::{iterated, linfa_params};
use super::{ClusterError, Clustering, Init, Metric, lloyd, sparse};
use crate::collection::Csr;
use crate::device::Device;
use crate::progress::Reporter;
use ndarray::ArrayView2;

/// Parameters of k-means, not checked yet.
///
/// Not for clusters of very different size or of winding shape, nor where their number can't be guessed. One round
/// costs O(n k d).
///
/// ```
/// use alike::cluster::KMeansParams;
/// use linfa::{DatasetBase, traits::{Fit, Predict}};
/// let x = ndarray::array![[0.0f32, 0.0], [0.1, 0.0], [9.0, 9.0]];
/// let model = KMeansParams::new(2).seed(7).fit(&DatasetBase::from(x.clone()))?;
/// assert_eq!(model.predict(&x).to_vec(), [Some(0), Some(0), Some(1)]);
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansParams(KMeansValidParams);

/// Checked parameters of k-means.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansValidParams {
    pub(super) metric: Metric,
    pub(super) n_clusters: usize,
    pub(super) init: Init,
    pub(super) n_restarts: usize,
    pub(super) max_iterations: usize,
    pub(super) tolerance: f64,
    pub(super) seed: u64,
    pub(super) device: Device,
}

impl KMeansParams {
    /// k-means into `n_clusters` clusters, from 1 to the number of rows: [`Init::Auto`], 10 restarts, at most 300
    /// iterations, tolerance 1e-4, seed 0.
    pub fn new(n_clusters: usize) -> Self {
        Self(KMeansValidParams {
            metric: Metric::Euclidean,
            n_clusters,
            init: Init::default(),
            n_restarts: 10,
            max_iterations: 300,
            tolerance: 1e-4,
            seed: 0,
            device: Device::Cpu,
        })
    }

    /// Spherical k-means with the same defaults: rows count by direction alone, and rows of zeros (or shorter than f32
    /// can bring to unit length), which have none, form a cluster of their own. For pictures whose brightness or amount
    /// of ink should not matter.
    pub fn spherical(n_clusters: usize) -> Self {
        Self(KMeansValidParams { metric: Metric::Cosine, ..Self::new(n_clusters).0 })
    }

    /// How distance is measured.
    pub fn metric(&self) -> Metric {
        self.0.metric
    }

    /// Number of clusters.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        Self(KMeansValidParams { n_clusters, ..self.0 })
    }

    /// Where to start.
    pub fn init(self, init: Init) -> Self {
        Self(KMeansValidParams { init, ..self.0 })
    }

    /// Starts, of which the one with the least inertia is kept; at least 1. A given start is used once.
    pub fn n_restarts(self, n_restarts: usize) -> Self {
        Self(KMeansValidParams { n_restarts, ..self.0 })
    }

    /// Most rounds of a start; at least 1.
    pub fn max_iterations(self, max_iterations: usize) -> Self {
        Self(KMeansValidParams { max_iterations, ..self.0 })
    }

    /// A start has converged when the squared moves of its centroids sum to no more than this share of the features'
    /// mean variance; 0: when no label changes.
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self(KMeansValidParams { tolerance, ..self.0 })
    }

    /// Seed of the random draws.
    pub fn seed(self, seed: u64) -> Self {
        Self(KMeansValidParams { seed, ..self.0 })
    }

    /// Where the nearest centroids are found; the result is the same everywhere.
    pub fn device(self, device: Device) -> Self {
        Self(KMeansValidParams { device, ..self.0 })
    }
}

impl KMeansValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        iterated(self.n_clusters, self.n_restarts, self.max_iterations, self.tolerance)
    }

    /// Fits the rows of `x`, shape (n_samples, n_features).
    ///
    /// # Errors
    /// More clusters than rows, a start of the wrong shape, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        lloyd::fit(x, self, reporter)
    }

    /// Fits sparse rows, without ever making them dense: a round costs O(k) for each of their values. Memory beyond the
    /// rows: 24 bytes for each value of a centroid (of 32 at least), and 50 a row.
    ///
    /// # Errors
    /// As [`fit_rows`](Self::fit_rows).
    ///
    /// ```
    /// use alike::{cluster::KMeansParams, collection::Csr, progress::Silent};
    /// use linfa::ParamGuard;
    /// let x = Csr::new((3, 900), vec![0, 1, 2, 4], vec![7, 7, 5, 800], vec![1.0, 2.0, 1.0, 1.0]);
    /// let fitted = KMeansParams::spherical(2).check()?.fit_sparse(&x, &Silent)?;
    /// assert_eq!(fitted.labels, [Some(0), Some(0), Some(1)]);
    /// # Ok::<(), alike::cluster::ClusterError>(())
    /// ```
    pub fn fit_sparse(&self, x: &Csr, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        sparse::fit(x, self, reporter)
    }
}

linfa_params!(KMeansParams, KMeansValidParams);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Centroids;
    use crate::distance::{dot, squared_euclidean, squared_norm};
    use crate::progress::Silent;
    use linfa::ParamGuard;
    use ndarray::{Array2, array};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn fit(params: KMeansParams, x: &Array2<f32>) -> Result<Clustering, ClusterError> {
        params.check()?.fit_rows(x.view(), &Silent)
    }

    fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_simple_fn((n, d), || rng.random::<f32>())
    }

    /// Plain Lloyd in f64 loops, without relocation: labels and centroids at convergence.
    fn plain_lloyd(x: &Array2<f32>, mut centroids: Array2<f32>) -> Vec<usize> {
        let mut labels = vec![];
        loop {
            let distance = |i: usize, c: usize| {
                squared_euclidean(x.row(i).to_slice().unwrap(), centroids.row(c).to_slice().unwrap())
            };
            let nearest =
                |i| (0..centroids.nrows()).fold(0, |b, c| if distance(i, c) < distance(i, b) { c } else { b });
            let new: Vec<usize> = (0..x.nrows()).map(nearest).collect();
            if new == labels {
                return labels;
            }
            labels = new;
            for c in 0..centroids.nrows() {
                let members: Vec<usize> = (0..x.nrows()).filter(|&i| labels[i] == c).collect();
                for j in 0..x.ncols() {
                    let sum: f64 = members.iter().map(|&i| f64::from(x[[i, j]])).sum();
                    centroids[[c, j]] = (sum / members.len() as f64) as f32;
                }
            }
        }
    }

    /// Rows of many kinds, some of them meant to make rounding tell: problem number `seed`.
    fn problem(seed: u64) -> (Array2<f32>, usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (n, d) = (rng.random_range(1..600), rng.random_range(1..80));
        let k = match seed % 5 {
            0 => n,
            1 => rng.random_range(1..=n.min(5)),
            _ => rng.random_range(1..=n.min(130)),
        };
        let mut x = random(n, d, seed + 1000);
        match seed % 11 {
            0 => x.mapv_inplace(|v| (v * 3.0).round()), // ties and equal rows
            1 => x.mapv_inplace(|v| v + 1e6),
            2 => x.column_mut(0).fill(7.0),
            3 => (0..n / 2).for_each(|i| {
                let row = x.row(n - 1 - i).to_owned();
                x.row_mut(i).assign(&row);
            }),
            4 => x.mapv_inplace(|v| v * 1e-18),
            5 => x.mapv_inplace(|v| v * 1e25),  // beyond f32 when squared
            6 => x.mapv_inplace(|v| v * 1e-22), // and below
            7 => x.mapv_inplace(|v| if v < 0.8 { 0.0 } else { v }),
            8 => x.mapv_inplace(|v| v * 1e-40),
            // Heaps of rows, one after the other, far enough apart for bounds to rule others out.
            _ => (0..n).for_each(|i| {
                let heap = random(1, d, (i * 20 / n) as u64);
                x.row_mut(i).zip_mut_with(&heap.row(0), |x, h| *x = 0.5 * *x + 3.0 * h);
            }),
        }
        (x, k)
    }

    /// Every label is that of a plain loop over the centroids in f64, ties to the lowest, after any number of rounds.
    fn assert_nearest(x: &Array2<f32>, params: KMeansParams, what: &str) {
        for rounds in [1, 2, 4, 40] {
            let fitted = fit(params.clone().n_restarts(1).tolerance(0.0).max_iterations(rounds), x).unwrap();
            let Centroids { metric, centroids, blank } = fitted.assigner.centroids().unwrap();
            for (i, row) in x.outer_iter().enumerate() {
                let row = row.to_slice().unwrap();
                if *metric == Metric::Cosine && squared_norm(row).sqrt() < f64::from(f32::MIN_POSITIVE) {
                    assert_eq!(fitted.labels[i], *blank);
                    continue;
                }
                let distance = |c: usize| match metric {
                    Metric::Euclidean => squared_euclidean(row, centroids.row(c).to_slice().unwrap()),
                    Metric::Cosine => -dot(row, centroids.row(c).to_slice().unwrap()),
                };
                let own = distance(fitted.labels[i].unwrap());
                for c in (0..centroids.nrows()).filter(|c| Some(*c) != *blank) {
                    let close = if *metric == Metric::Cosine { 1e-12 * own.abs() } else { 0.0 };
                    assert!(own <= distance(c) + close, "{what}: row {i} after {rounds} rounds");
                }
            }
        }
    }

    #[test]
    fn every_label_is_the_nearest_centroids() {
        for seed in 0..200 {
            let (x, k) = problem(seed);
            let params = KMeansParams::new(k).init(if seed % 2 == 0 { Init::Random } else { Init::KMeansPlusPlus });
            assert_nearest(&x, params, &format!("problem {seed}"));
            assert_nearest(&x, KMeansParams::spherical(k).init(Init::Random), &format!("spherical problem {seed}"));
        }
    }

    /// Enough rows of enough features for their images to be compared first.
    #[test]
    fn labels_are_exact_where_images_are_sieved() {
        for (d, offset, noise, scale, n_clusters) in [
            (260, 0.0, 0.2, 1.0, &[3, 40, 150][..]),
            (260, 1000.0, 0.2, 1.0, &[3, 40]),
            (260, 0.0, 0.0, 1.0, &[3, 150]),
            (260, 0.0, 0.2, 1e25, &[3]), // beyond f32 when squared
            (520, 0.0, 0.2, 1.0, &[3, 150]),
        ] {
            let (factors, mut x) = (random(4200, 12, 5), random(4200, d, 6));
            let directions = random(12, d, 7);
            x.zip_mut_with(&factors.dot(&directions), |x, &v| *x = (*x * noise + v + offset) * scale);
            for &k in n_clusters {
                let what = format!("{d} features, offset {offset}, noise {noise}, scale {scale}, k {k}");
                assert_nearest(&x, KMeansParams::new(k).init(Init::Random), &what);
                let spherical = KMeansParams::spherical(k).init(Init::Random);
                assert_nearest(&x, spherical, &format!("spherical, {what}"));
            }
        }
    }

    /// Whether two labellings are the same up to the clusters' names.
    fn same_partition(a: &[Option<usize>], b: &[usize]) -> bool {
        let mut name = std::collections::BTreeMap::new();
        a.iter().zip(b).all(|(a, b)| *name.entry(*b).or_insert(*a) == *a)
    }

    #[test]
    fn labels_are_those_of_plain_lloyd() {
        for seed in 0..40 {
            let (n, d, k) = (60 + 7 * seed as usize, 1 + (seed as usize * 5) % 33, 2 + seed as usize % 6);
            let mut x = random(n, d, seed);
            if seed % 4 == 0 {
                x.mapv_inplace(|v| (v * 4.0).round() / 4.0 + 1000.0); // ties and an offset
            }
            let init = x.select(ndarray::Axis(0), &(0..k).map(|c| c * 7).collect::<Vec<_>>());
            let expected = plain_lloyd(&x, init.clone());
            let ours = fit(KMeansParams::new(k).init(Init::Given(init)).tolerance(0.0), &x).unwrap();
            if ours.n_clusters() == k {
                assert!(same_partition(&ours.labels, &expected), "seed {seed}");
            }
            assert!(ours.converged);
        }
    }

    #[test]
    fn every_thread_count_gives_the_same_bytes() {
        let x = random(9000, 20, 3);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(KMeansParams::new(7).n_restarts(2), &x).unwrap())
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(4));
    }

    #[test]
    fn an_empty_cluster_takes_the_worst_fitting_row() {
        let x = array![[0.0f32], [1.0], [2.0], [100.0]];
        let init = Init::Given(array![[0.0f32], [1000.0]]);
        let clustering = fit(KMeansParams::new(2).init(init).tolerance(0.0), &x).unwrap();
        assert_eq!(clustering.labels, [Some(0), Some(0), Some(0), Some(1)]);
    }

    #[test]
    fn identical_rows_are_one_cluster() {
        for params in [KMeansParams::new(3), KMeansParams::spherical(3)] {
            let clustering = fit(params, &Array2::from_elem((5, 2), 0.5)).unwrap();
            assert_eq!(clustering.n_clusters(), 1);
            assert!(clustering.inertia.unwrap() < 1e-6);
        }
    }

    #[test]
    fn every_row_its_own_cluster() {
        let x = random(12, 3, 1);
        let clustering = fit(KMeansParams::new(12), &x).unwrap();
        assert_eq!((clustering.n_clusters(), clustering.inertia), (12, Some(0.0)));
    }

    #[test]
    fn clusters_are_numbered_by_falling_size() {
        let x = array![[5.0f32], [0.0], [0.1], [5.1], [5.2]];
        let clustering = fit(KMeansParams::new(2), &x).unwrap();
        assert_eq!(clustering.sizes(), [3, 2]);
        assert_eq!(clustering.labels[0], Some(0));
    }

    #[test]
    fn spherical_goes_by_direction_and_keeps_blank_rows_apart() {
        let x = array![[1.0f32, 0.0], [100.0, 1.0], [0.0, 2.0], [0.1, 50.0], [0.0, 0.0], [3.0, 0.0]];
        let clustering = fit(KMeansParams::spherical(2), &x).unwrap();
        assert_eq!(clustering.labels, [Some(0), Some(0), Some(1), Some(1), Some(2), Some(0)]);
        assert_eq!(clustering.assigner.centroids().unwrap().blank, Some(2));
        let assigned = clustering.assigner.assign(x.view());
        assert!(assigned.iter().zip(&clustering.labels).all(|(a, l)| a.cluster == *l));
    }

    #[test]
    fn the_spherical_objective_never_falls() {
        let x = random(400, 12, 9).mapv(|v| v - 0.5);
        let after = |rounds| {
            let params = KMeansParams::spherical(6).n_restarts(1).tolerance(0.0).max_iterations(rounds);
            fit(params, &x).unwrap().inertia.unwrap()
        };
        let inertias: Vec<f64> = (1..20).map(after).collect();
        assert!(inertias.windows(2).all(|w| w[1] <= w[0] + 1e-9), "{inertias:?}");
        assert!(inertias[18] < inertias[0]);
    }

    #[test]
    fn the_assigner_repeats_the_labels_of_the_fit() {
        let x = random(500, 8, 4);
        let clustering = fit(KMeansParams::new(9), &x).unwrap();
        let assigned = clustering.assigner.assign(x.view());
        assert!(assigned.iter().zip(&clustering.labels).all(|(a, l)| a.cluster == *l));
        let inertia: f64 = assigned.iter().map(|a| a.distance * a.distance).sum();
        assert!((inertia - clustering.inertia.unwrap()).abs() < 1e-9 * inertia);
        assert!(assigned.iter().all(|a| (0.0..=1.0).contains(&a.confidence.unwrap())));
    }

    #[test]
    fn rows_between_two_clusters_are_numbered_as_they_will_be_assigned() {
        let column = |runs: &[(f32, usize)]| -> Array2<f32> {
            let values: Vec<f32> = runs.iter().flat_map(|&(value, n)| vec![value; n]).collect();
            Array2::from_shape_vec((values.len(), 1), values).unwrap()
        };
        let x = column(&[(100.0, 10), (8.0, 10), (0.0, 3), (5.0, 2)]);
        let params = KMeansParams::new(3).init(Init::Given(array![[2.0], [8.0], [100.0]])).tolerance(0.0);
        let params = params.check().unwrap();
        let sparse = Csr::csr_from_dense(x.view(), 0.0);
        for clustering in [params.fit_rows(x.view(), &Silent), params.fit_sparse(&sparse, &Silent)] {
            let clustering = clustering.unwrap();
            let assigned: Vec<_> = clustering.assigner.assign(x.view()).iter().map(|a| a.cluster).collect();
            assert_eq!(clustering.labels, assigned);
            let sizes = [0, 1, 2].map(|c| assigned.iter().filter(|label| **label == Some(c)).count());
            assert_eq!(sizes, [12, 10, 3], "by falling size");
        }
    }

    #[test]
    fn a_huge_row_that_leaves_takes_nothing_with_it() {
        let x = Array2::from_shape_fn((1002, 1), |(i, _)| [1e30, 1.9e30].get(i).copied().unwrap_or(1.0f32));
        let init = Init::Given(array![[0.0f32], [2.5e30]]);
        let clustering = fit(KMeansParams::new(2).init(init).tolerance(0.0), &x).unwrap();
        assert_eq!(clustering.assigner.centers().unwrap().column(0).to_vec(), [1.0, 1.45e30]);
    }

    #[test]
    fn bad_parameters_and_input_are_errors() {
        let x = array![[0.0f32], [1.0]];
        assert!(matches!(fit(KMeansParams::new(0), &x), Err(ClusterError::Parameter { .. })));
        assert!(matches!(fit(KMeansParams::new(1).tolerance(-1.0), &x), Err(ClusterError::Parameter { .. })));
        assert!(matches!(fit(KMeansParams::new(3), &x), Err(ClusterError::TooFewSamples { .. })));
        assert!(matches!(fit(KMeansParams::new(1), &Array2::zeros((0, 1))), Err(ClusterError::TooFewSamples { .. })));
        let init = Init::Given(array![[0.0f32, 1.0]]);
        assert!(matches!(fit(KMeansParams::new(1).init(init), &x), Err(ClusterError::InitShape { .. })));
        assert!(matches!(fit(KMeansParams::new(1), &array![[f32::NAN]]), Err(ClusterError::NotFinite { row: 0 })));
    }
}
