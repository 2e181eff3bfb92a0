//! Clusters that a row and its neighbours agree on, by heads that learn from slower copies of themselves.
//!
//! N. Adaloglou, F. Michels, H. Kalisch and M. Kollmann, Exploring the limits of deep image clustering using pretrained
//! models (TEMI), 2023.

mod head;

use super::classifier::Classifier;
use super::guard::{at_least_one, check_rows, linfa_params};
use super::standard::Standard;
use super::{ClusterError, Clustering};
use crate::distance::Metric;
use crate::neighbors::{KnnGraph, NeighborsParams, nearest};
use crate::nn::exp;
use crate::progress::{Interrupted, Reporter};
use head::{Network, Pass, exponentials_of};
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// The exponent that spreads rows over the clusters.
const BETA: f32 = 0.6;
/// Units of the hidden layer, and dimensions of the sphere.
const HIDDEN: usize = 128;
const SPHERE: usize = 64;
/// Learning rate at its height, after this share of the steps.
const RATE: f32 = 0.01;
const WARM_UP: f32 = 0.2;
/// What stays of the clusters' mean probabilities, and of the teacher, after a step.
const SIZES: f32 = 0.9;
const TEACHER: f32 = 0.95;

/// Parameters of TEMI, not checked yet.
///
/// For embeddings of networks whose nearest neighbours mostly are of one kind, when the number of clusters is known: it
/// trains small networks to put a row and its neighbours, by cosine, into one cluster, all clusters filled. Bends around
/// clusters that no straight line separates. A row's confidence is its cluster's probability. Of several heads that of
/// the lowest loss is kept, so that no labels are needed. Not for fewer than some tens of rows a cluster.
///
/// The published settings (16 heads of 512 and 256 units, 100 passes over the rows) are some hundred times the work of
/// these. Costs those of the [neighbours](crate::neighbors::nearest) and O(heads * steps * batch * (128 d + 8192)) for the
/// training. Memory: a copy of the rows, and the neighbours.
///
/// ```
/// use alike::cluster::TemiParams;
/// use linfa::traits::Fit;
/// let x = ndarray::Array2::from_shape_fn((60, 2), |(i, j)| if i % 2 == j { 10.0 } else { (i % 7) as f32 / 7.0 });
/// let clustering = TemiParams::new(2).fit(&linfa::DatasetBase::from(x))?;
/// assert_eq!(clustering.sizes(), [30, 30]);
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TemiParams(TemiValidParams);

/// Checked parameters of TEMI.
#[derive(Clone, Debug, PartialEq)]
pub struct TemiValidParams {
    n_clusters: usize,
    n_heads: usize,
    n_neighbors: usize,
    n_steps: usize,
    batch: usize,
    seed: u64,
}

linfa_params!(TemiParams, TemiValidParams);

impl TemiParams {
    /// `n_clusters` clusters, from 1 to the number of rows: 4 heads, 50 neighbours, 800 steps of 256 pairs, seed 0.
    pub fn new(n_clusters: usize) -> Self {
        Self(TemiValidParams { n_clusters, n_heads: 4, n_neighbors: 50, n_steps: 800, batch: 256, seed: 0 })
    }

    /// Number of clusters.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        Self(TemiValidParams { n_clusters, ..self.0 })
    }

    /// Heads, of which that of the lowest loss is kept; at least 1.
    pub fn n_heads(self, n_heads: usize) -> Self {
        Self(TemiValidParams { n_heads, ..self.0 })
    }

    /// Neighbours that a row is paired with; at least 1. At most half the rows of a mean cluster are taken.
    pub fn n_neighbors(self, n_neighbors: usize) -> Self {
        Self(TemiValidParams { n_neighbors, ..self.0 })
    }

    /// Steps of the training; at least 1.
    pub fn n_steps(self, n_steps: usize) -> Self {
        Self(TemiValidParams { n_steps, ..self.0 })
    }

    /// Pairs of a step; at least 1.
    pub fn batch(self, batch: usize) -> Self {
        Self(TemiValidParams { batch, ..self.0 })
    }

    /// Seed of the random draws.
    pub fn seed(self, seed: u64) -> Self {
        Self(TemiValidParams { seed, ..self.0 })
    }
}

impl TemiValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least_one(&[
            ("number of clusters", self.n_clusters),
            ("number of heads", self.n_heads),
            ("number of neighbours", self.n_neighbors),
            ("number of steps", self.n_steps),
            ("batch", self.batch),
        ])
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). Clusters that no row most probably belongs to are left out.
    /// There is no inertia.
    ///
    /// # Errors
    /// More clusters than rows, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        check_rows(x, self.n_clusters)?;
        let n_neighbors = self.n_neighbors.min(x.nrows() / (2 * self.n_clusters)).max(1);
        let params = NeighborsParams { n_neighbors, metric: Metric::Cosine, seed: self.seed, ..Default::default() };
        let graph = nearest(x, &params, reporter)?;
        let standard = Standard::of(x);
        let heads = self.train(standard.apply(x).view(), &graph, reporter)?;
        let best = heads.iter().reduce(|best, head| if head.loss < best.loss { head } else { best });
        let best = best.expect("at least one head");
        let classifier = Classifier { heads: vec![best.teacher.head(&standard)] };
        Ok(Clustering { neighbors: Some(graph), ..classifier.settle(x, self.n_steps) })
    }

    fn train(
        &self,
        rows: ArrayView2<'_, f32>,
        graph: &KnnGraph,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Twins>, Interrupted> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let shape = [rows.ncols(), HIDDEN, SPHERE, self.n_clusters];
        let mut heads: Vec<Twins> = (0..self.n_heads).map(|_| Twins::new(Network::random(shape, &mut rng))).collect();
        let mut order: Vec<usize> = (0..rows.nrows()).collect();
        let batch = self.batch.min(order.len());
        let mut next = order.len();
        reporter.begin("train", Some(self.n_steps as u64));
        for step in 1..=self.n_steps {
            reporter.check()?;
            if next + batch > order.len() {
                order.shuffle(&mut rng);
                next = 0;
            }
            let chosen = &order[next..next + batch];
            next += batch;
            let partners: Vec<usize> = chosen.iter().map(|&row| partner(graph, row, &mut rng)).collect();
            let pairs = rows.select(Axis(0), &[chosen, &partners].concat());
            learn(&mut heads, pairs.view(), rate(step as f32 / self.n_steps as f32));
            reporter.advance(1);
        }
        reporter.end();
        for (at, head) in heads.iter().enumerate() {
            reporter.detail(&format!("head {}: loss {:.4}", at + 1, head.loss));
        }
        Ok(heads)
    }
}

/// The learning rate after a share of the steps: up in a line, down in half a cosine.
fn rate(done: f32) -> f32 {
    RATE * (done / WARM_UP).min(1.0) * (1.0 + (std::f32::consts::PI * done).cos()) / 2.0
}

/// A neighbour of a row, or the row itself if it has none.
fn partner(graph: &KnnGraph, row: usize, rng: &mut ChaCha8Rng) -> usize {
    match graph.n_neighbors() {
        0 => row,
        n => graph.indices()[[row, rng.random_range(0..n)]] as usize,
    }
}

/// A head that learns, and the slower copy that it learns from.
struct Twins {
    student: Network,
    teacher: Network,
    /// The clusters' mean probabilities by the teacher.
    sizes: Option<Array1<f32>>,
    /// The running mean of the student's.
    loss: f64,
}

impl Twins {
    fn new(student: Network) -> Self {
        Self { teacher: student.clone(), student, sizes: None, loss: 0.0 }
    }

    /// A step towards what the teacher says of each row's partner.
    fn learn(&mut self, rows: ArrayView2<'_, f32>, taught: &Array2<f32>, weights: &[f32], rate: f32) {
        let pass = self.student.forward(rows);
        let sizes = self.sizes.as_ref().expect("the teacher was asked before");
        let (slopes, loss) = slopes(&pass.logs, taught, weights, sizes);
        // A mean over some tens of steps, the last ones counting most.
        self.loss += 0.02 * (loss - self.loss);
        self.student.step(rows, pass, slopes, rate);
        self.teacher.follow(&self.student, 1.0 - TEACHER);
    }
}

/// A step of all heads with pairs of rows: the first with that in the middle, and so on.
fn learn(heads: &mut [Twins], pairs: ArrayView2<'_, f32>, rate: f32) {
    let ask = |head: &mut Twins| {
        let Pass { logs, .. } = head.teacher.forward(pairs);
        let mut probabilities = logs.clone();
        exponentials_of(&mut probabilities);
        let mean = probabilities.mean_axis(Axis(0)).expect("a batch has rows");
        head.sizes = Some(head.sizes.take().map_or(mean.clone(), |sizes| sizes * SIZES + mean * (1.0 - SIZES)));
        (logs, probabilities)
    };
    let taught: Vec<_> = heads.par_iter_mut().map(ask).collect();
    let half = pairs.nrows() / 2;
    let mut weights = vec![0.0; half];
    for (_, probabilities) in &taught {
        let (a, b) = probabilities.view().split_at(Axis(0), half);
        for ((weight, a), b) in weights.iter_mut().zip(a.outer_iter()).zip(b.outer_iter()) {
            *weight += a.dot(&b) / taught.len() as f32;
        }
    }
    heads.par_iter_mut().zip(&taught).for_each(|(head, (logs, _))| head.learn(pairs, logs, &weights, rate));
}

/// The gradient of the softmax's arguments and the loss: the mean over both directions of all pairs.
fn slopes(logs: &Array2<f32>, taught: &Array2<f32>, weights: &[f32], sizes: &Array1<f32>) -> (Array2<f32>, f64) {
    let n = logs.nrows();
    let sizes = sizes.mapv(|size| size.max(f32::MIN_POSITIVE).ln());
    let (mut shares, mut loss) = (Array2::<f32>::zeros(logs.dim()), 0.0);
    for (row, mut shares) in shares.outer_iter_mut().enumerate() {
        let partner = taught.row((row + weights.len()) % n);
        let shares = Zip::from(&mut shares).and(logs.row(row)).and(partner).and(&sizes);
        shares.for_each(|share, own, partner, size| *share = BETA * (own + partner) - size);
    }
    exponentials_of(&mut shares);
    for ((row, mut share), own) in shares.outer_iter_mut().enumerate().zip(logs.outer_iter()) {
        let (sum, weight) = (share.sum(), weights[row % weights.len()]);
        loss -= f64::from(weight * sum.ln()) / n as f64;
        let scale = weight * BETA / n as f32;
        share.zip_mut_with(&own, |share, own| *share = scale * (exp(*own) - *share / sum));
    }
    (shares, loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let logits = Array2::from_shape_simple_fn((6, 3), || 2.0 * rng.random::<f32>());
        let taught = Array2::from_shape_simple_fn((6, 3), || -rng.random::<f32>());
        let (weights, sizes) = ([0.3, 1.0, 0.6], ndarray::array![0.2f32, 0.5, 0.3]);
        let of = |logits: &Array2<f32>| {
            let sums = logits.mapv(f32::exp).sum_axis(Axis(1)).mapv(f32::ln).insert_axis(Axis(1));
            slopes(&(logits - &sums), &taught, &weights, &sizes)
        };
        let (found, loss) = of(&logits);
        for (place, &found) in found.indexed_iter() {
            let moved = |by: f32| {
                let mut logits = logits.clone();
                logits[place] += by;
                of(&logits).1
            };
            let expected = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((f64::from(found) - expected).abs() < 1e-4, "{place:?}: {found} {expected}");
        }
        let by_hand: f64 = (0..6)
            .map(|row| {
                let own = logits.row(row).mapv(|v| f64::from(v).exp());
                let term = |c: usize| {
                    let (own, taught) = (own[c] / own.sum(), f64::from(taught[[(row + 3) % 6, c]]).exp());
                    (own * taught).powf(0.6) / f64::from(sizes[c])
                };
                -f64::from(weights[row % 3]) * (0..3).map(term).sum::<f64>().ln() / 6.0
            })
            .sum();
        assert!((loss - by_hand).abs() < 1e-5, "{loss} {by_hand}");
    }
}
