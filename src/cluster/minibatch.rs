//! Mini-batch k-means: centroids that learn from a few rows at a time.
//!
//! D. Sculley, Web-scale k-means clustering, 2010.

use super::guard::{at_least_one, enough, linfa_params};
use super::settle::settle;
use super::{Centroids, ClusterError, Clustering, Init, KMeansParams, Metric, seeding};
use crate::collection::{Blocks, HELD};
use crate::progress::Reporter;
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::{SliceRandom, index::sample_weighted};
use rand_chacha::ChaCha8Rng;

/// A centroid with less than this share of the most rows that any has learnt from is set anew.
const STARVED: f64 = 0.01;
/// Rows for each centroid between two looks for starved ones.
const PATIENCE_PER_CLUSTER: usize = 10;

/// Parameters of mini-batch k-means, not checked yet.
///
/// A batch's rows go to their nearest centroids, and each centroid becomes the mean of all rows it has ever had: a
/// learning rate of one over their number. Batches are drawn without replacement from 16 MiB of rows, those from blocks
/// of the input in random order, so that the order of the rows matters little and the input need not be in memory: see
/// [`fit_blocks`](MiniBatchValidParams::fit_blocks). A centroid that has learnt from less than a hundredth of the rows
/// of the busiest one starts anew at a row of the batch that fits badly.
///
/// **Stops** when the batches' mean squared distance to the centroids, averaged with weights that fade by a share of
/// 2 batch / (n + 1) a batch, has found no new least for `patience` batches, counted from half a pass on; at the latest
/// after `max_epochs` passes.
///
/// For more rows than fit in memory, or when a few percent of inertia matter less than time; else
/// [`KMeansParams`] is the better and hardly slower. O(k d) a row seen.
///
/// ```
/// use alike::cluster::MiniBatchParams;
/// use linfa::{DatasetBase, traits::Fit};
/// let x = ndarray::Array2::from_shape_fn((3000, 2), |(i, j)| (i % 3 * 10 + j) as f32 + i as f32 / 3000.0);
/// let clustering = MiniBatchParams::new(3).fit(&DatasetBase::from(x))?;
/// assert_eq!(clustering.sizes(), [1000; 3]);
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MiniBatchParams(MiniBatchValidParams);

/// Checked parameters of mini-batch k-means.
#[derive(Clone, Debug, PartialEq)]
pub struct MiniBatchValidParams {
    n_clusters: usize,
    init: Init,
    n_restarts: usize,
    batch: usize,
    patience: usize,
    max_epochs: usize,
    seed: u64,
}

linfa_params!(MiniBatchParams, MiniBatchValidParams);

impl MiniBatchParams {
    /// `n_clusters` clusters, from 1 to the number of rows: batches of 1024 rows, the best of 3 starts by
    /// [`Init::Auto`], patience of 10 batches, at most 100 epochs, seed 0.
    pub fn new(n_clusters: usize) -> Self {
        Self(MiniBatchValidParams {
            n_clusters,
            init: Init::default(),
            n_restarts: 3,
            batch: 1024,
            patience: 10,
            max_epochs: 100,
            seed: 0,
        })
    }

    /// Number of clusters.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        Self(MiniBatchValidParams { n_clusters, ..self.0 })
    }

    /// Where to start: found on a sample of 3 batches, or 3 rows a cluster where that is more.
    pub fn init(self, init: Init) -> Self {
        Self(MiniBatchValidParams { init, ..self.0 })
    }

    /// Starts on that sample, of which the one with the least inertia there is kept; at least 1.
    pub fn n_restarts(self, n_restarts: usize) -> Self {
        Self(MiniBatchValidParams { n_restarts, ..self.0 })
    }

    /// Rows of a batch; at least 1.
    pub fn batch(self, batch: usize) -> Self {
        Self(MiniBatchValidParams { batch, ..self.0 })
    }

    /// Batches without progress before it stops; at least 1.
    pub fn patience(self, patience: usize) -> Self {
        Self(MiniBatchValidParams { patience, ..self.0 })
    }

    /// Most passes over the rows; at least 1.
    pub fn max_epochs(self, max_epochs: usize) -> Self {
        Self(MiniBatchValidParams { max_epochs, ..self.0 })
    }

    /// Seed of the random draws.
    pub fn seed(self, seed: u64) -> Self {
        Self(MiniBatchValidParams { seed, ..self.0 })
    }
}

impl MiniBatchValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least_one(&[
            ("number of clusters", self.n_clusters),
            ("number of restarts", self.n_restarts),
            ("rows of a batch", self.batch),
            ("patience", self.patience),
            ("limit of epochs", self.max_epochs),
        ])
    }

    /// Fits the rows of `x`, shape (n_samples, n_features).
    ///
    /// # Errors
    /// As [`fit_blocks`](Self::fit_blocks).
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        self.fit_blocks(&mut { x }, reporter)
    }

    /// Fits rows that need not be in memory. Beside the labels it holds 16 MiB of rows (more only where two blocks, three
    /// batches or three rows a cluster are more) and the centroids. `n_iterations` of the result counts batches; `converged`
    /// tells whether progress had ended before the last epoch had.
    ///
    /// # Errors
    /// More clusters than rows, a start of the wrong shape, rows that can't be read, have no features or are not finite,
    /// or an interruption.
    pub fn fit_blocks(&self, rows: &mut dyn Blocks, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        let (n_samples, n_features) = rows.dim();
        enough((n_samples, n_features), self.n_clusters)?;
        let sample = (3 * self.batch).max(3 * self.n_clusters);
        // At least two blocks: the last one may be short.
        let held = (HELD / n_features).max(sample).div_ceil(rows.block_rows()).max(2);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut blocks: Vec<usize> = (0..rows.n_blocks()).collect();
        let mut learner: Option<Learner> = None;
        let (mut trend, mut converged) = (Trend::new(self.batch, n_samples), false);
        let mut some = Array2::zeros((0, n_features));
        let mut order = Vec::new();
        'epochs: for _ in 0..self.max_epochs {
            blocks.shuffle(&mut rng);
            for group in blocks.chunks(held) {
                // What is held whole is read once.
                if held < blocks.len() || order.is_empty() {
                    let mut group = group.to_vec();
                    group.sort_unstable();
                    some = rows.load(&group)?;
                    order = (0..some.nrows()).collect();
                }
                order.shuffle(&mut rng);
                let learner = match &mut learner {
                    Some(learner) => learner,
                    none => {
                        let sample = some.select(Axis(0), &order[..sample.min(order.len())]);
                        none.insert(Learner::new(self.start(&sample, reporter)?))
                    }
                };
                for batch in order.chunks(self.batch) {
                    reporter.check()?;
                    let misfit = learner.learn(some.select(Axis(0), batch).view(), &mut rng);
                    if trend.stalled_for(misfit) >= self.patience {
                        converged = true;
                        break 'epochs;
                    }
                }
            }
        }
        drop(some);
        let centroids = learner.expect("there are rows").centroids.centroids;
        Ok(Clustering { n_iterations: trend.n_batches, converged, ..settle(rows, centroids, reporter)? })
    }

    /// The centroids to begin with.
    fn start(&self, sample: &Array2<f32>, reporter: &dyn Reporter) -> Result<Array2<f32>, ClusterError> {
        if let Init::Given(centroids) = &self.init {
            return seeding::given(centroids, (self.n_clusters, sample.ncols()), Metric::Euclidean);
        }
        let params = KMeansParams::new(self.n_clusters).init(self.init.clone()).n_restarts(self.n_restarts);
        let found = params.max_iterations(1).seed(self.seed).check()?.fit_rows(sample.view(), reporter)?;
        Ok(found.assigner.centers().expect("k-means has centroids").to_owned())
    }
}

/// Centroids on their way, and what they have learnt from.
struct Learner {
    centroids: Centroids,
    /// Sum and number of the rows that each centroid has had.
    sums: Array2<f64>,
    counts: Vec<f64>,
    /// Rows since the last look for starved centroids.
    since: usize,
}

impl Learner {
    fn new(centroids: Array2<f32>) -> Self {
        let (sums, counts) = (Array2::zeros(centroids.dim()), vec![0.0; centroids.nrows()]);
        Self { centroids: Centroids { metric: Metric::Euclidean, centroids, blank: None }, sums, counts, since: 0 }
    }

    /// Learns from a batch; the mean squared distance of its rows to the centroids as they were.
    fn learn(&mut self, batch: ArrayView2<'_, f32>, rng: &mut ChaCha8Rng) -> f64 {
        let found = self.centroids.assign(batch);
        let mut changed = vec![false; self.counts.len()];
        let mut misfits = Vec::with_capacity(found.len());
        for (row, assignment) in batch.outer_iter().zip(&found) {
            let cluster = assignment.cluster.expect("every row has a nearest centroid");
            self.sums.row_mut(cluster).zip_mut_with(&row, |sum, &v| *sum += f64::from(v));
            self.counts[cluster] += 1.0;
            changed[cluster] = true;
            misfits.push(assignment.distance * assignment.distance);
        }
        let mean = misfits.iter().sum::<f64>() / misfits.len() as f64;
        self.since += batch.nrows();
        if self.since >= PATIENCE_PER_CLUSTER * self.counts.len() {
            self.since = 0;
            self.feed(batch, &misfits, &mut changed, rng);
        }
        for cluster in (0..changed.len()).filter(|&c| changed[c]) {
            let count = self.counts[cluster];
            let mut centroid = self.centroids.centroids.row_mut(cluster);
            centroid.zip_mut_with(&self.sums.row(cluster), |c, sum| *c = (sum / count) as f32);
        }
        mean
    }

    /// Sets starved centroids, of at most half as many as the batch has rows, to rows drawn by their squared distances,
    /// as if these had been seen as often as the least of the other centroids' rows.
    fn feed(&mut self, batch: ArrayView2<'_, f32>, misfits: &[f64], changed: &mut [bool], rng: &mut ChaCha8Rng) {
        let enough = STARVED * self.counts.iter().copied().fold(0.0, f64::max);
        let (mut starved, fed): (Vec<usize>, Vec<usize>) =
            (0..self.counts.len()).partition(|&c| self.counts[c] < enough);
        starved.sort_by(|&a, &b| self.counts[a].total_cmp(&self.counts[b]));
        let least = fed.iter().map(|&c| self.counts[c]).fold(f64::INFINITY, f64::min);
        // A row that fits exactly is no place for another centroid.
        let n_misfits = misfits.iter().filter(|misfit| **misfit > 0.0).count();
        starved.truncate(n_misfits.min(batch.nrows() / 2));
        let Ok(drawn) = sample_weighted(rng, misfits.len(), |row| misfits[row], starved.len()) else { return };
        for (cluster, row) in starved.into_iter().zip(drawn) {
            self.counts[cluster] = least;
            self.sums.row_mut(cluster).zip_mut_with(&batch.row(row), |sum, &v| *sum = f64::from(v) * least);
            changed[cluster] = true;
        }
    }
}

/// The fading average of the batches' misfits.
struct Trend {
    /// Share of a new batch.
    share: f64,
    average: Option<f64>,
    least: f64,
    stalled: usize,
    n_batches: usize,
}

impl Trend {
    fn new(batch: usize, n_samples: usize) -> Self {
        let share = (2.0 * batch as f64 / (n_samples as f64 + 1.0)).min(1.0);
        Self { share, average: None, least: f64::INFINITY, stalled: 0, n_batches: 0 }
    }

    /// Adds a batch's misfit; for how many batches the average has found no new least.
    fn stalled_for(&mut self, misfit: f64) -> usize {
        self.n_batches += 1;
        // The first batch meets centroids that have learnt nothing yet.
        if self.n_batches > 1 {
            let average = self.average.map_or(misfit, |average| average + self.share * (misfit - average));
            self.average = Some(average);
            // A lucky batch means little before the average has seen some.
            let early = (self.n_batches as f64) * self.share < 1.0;
            self.stalled = if early || average < self.least { 0 } else { self.stalled + 1 };
            self.least = self.least.min(average);
        }
        self.stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use ndarray::{ShapeBuilder, array};

    fn fit(params: MiniBatchParams, x: &Array2<f32>) -> Result<Clustering, ClusterError> {
        params.check()?.fit_rows(x.view(), &Silent)
    }

    #[test]
    fn a_short_block_alone_is_no_sample() {
        // More features than 64 rows of them could be held, the last row in a block of its own.
        let x = Array2::from_shape_fn((65, 1 << 17), |(i, j)| if j == i % 5 { 1.0 } else { 0.0 });
        for seed in 0..4 {
            let found = fit(MiniBatchParams::new(5).batch(10).max_epochs(1).seed(seed), &x).unwrap();
            assert_eq!(found.labels.len(), 65);
        }
    }

    #[test]
    fn starved_centroids_start_anew() {
        // Heaps of 80, 90, 100 and 110 rows, in turn as long as there are any.
        let heap = |i: usize| (0..4).filter(|h| i / 4 < 80 + 10 * h).nth(i % 4);
        let rows: Vec<usize> = (0..440).filter_map(heap).collect();
        let x = Array2::from_shape_fn((rows.len(), 2), |(i, j)| {
            let place = if j == 0 { rows[i] % 2 } else { rows[i] / 2 };
            30.0 * place as f32 + (i * (7 + j) % 13) as f32 / 13.0
        });
        let start = Init::Given(array![[0.5f32, 0.5], [30.5, 0.5], [0.5, 30.5], [1e3, 1e3]]);
        assert_eq!(fit(MiniBatchParams::new(4).batch(30).init(start), &x).unwrap().sizes(), [110, 100, 90, 80]);
    }

    #[test]
    fn a_given_start_is_taken_in_any_layout_if_it_is_finite() {
        let x = Array2::from_shape_fn((40, 2), |(i, j)| (i % 2 * 10 + j) as f32);
        let start = |values| Init::Given(Array2::from_shape_vec((2, 2).f(), values).unwrap());
        let found = fit(MiniBatchParams::new(2).init(start(vec![0.0, 9.0, 0.0, 9.0])), &x).unwrap();
        assert_eq!(found.sizes(), [20, 20]);
        let found = fit(MiniBatchParams::new(2).init(start(vec![0.0, 9.0, f32::NAN, 9.0])), &x);
        assert!(matches!(found, Err(ClusterError::InitNotFinite)));
    }
}
