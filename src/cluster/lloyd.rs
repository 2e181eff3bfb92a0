//! Lloyd's iteration, for both metrics: assign every row to its nearest centroid, move every centroid to its rows' mean
//! (cosine: the mean direction), until no label changes.
//!
//! S. Lloyd, Least squares quantization in PCM, 1982. I. Dhillon and D. Modha, Concept decompositions for large sparse
//! text data using clustering, 2001.

use super::assigner::{Centroids, Metric, nearest};
use super::{ClusterError, Clustering, Init, KMeansValidParams, seeding};
use crate::collection::ClusterId;
use crate::distance::{dot, squared_euclidean, squared_norms};
use crate::progress::Reporter;
use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Sums are taken over at most this many stripes of rows, each in order, then the stripes in order: the same bits at any
/// thread count, in bounded memory.
const STRIPES: usize = 16;

/// The rows and what is known of them.
struct Rows<'a> {
    x: ArrayView2<'a, f32>,
    norms: Vec<f64>,
    /// Cosine: 1 / norm, or 0 for a blank row.
    weights: Option<Vec<f32>>,
}

impl Rows<'_> {
    fn weight(&self, i: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[i].into())
    }

    /// Misfit of row `i` to a centroid: squared distance, or 1 - cosine.
    fn misfit(&self, i: usize, centroid: &[f32]) -> f64 {
        let row = self.x.row(i);
        let row = row.as_slice().expect("rows are contiguous");
        match &self.weights {
            None => squared_euclidean(row, centroid),
            Some(_) if self.norms[i] == 0.0 => 0.0,
            Some(_) => (1.0 - dot(row, centroid) / self.norms[i].sqrt()).max(0.0),
        }
    }
}

struct Run {
    labels: Vec<ClusterId>,
    centroids: Array2<f32>,
    inertia: f64,
    n_iterations: usize,
    converged: bool,
}

/// The best of the restarts, its empty clusters dropped and the others numbered by falling size.
pub(super) fn fit(
    x: ArrayView2<'_, f32>,
    settings: &KMeansValidParams,
    reporter: &dyn Reporter,
) -> Result<Clustering, ClusterError> {
    if let Some(row) = x.outer_iter().position(|r| r.iter().any(|v| !v.is_finite())) {
        return Err(ClusterError::NotFinite { row });
    }
    let x = x.as_standard_layout();
    let norms = squared_norms(x.view());
    let weights = (settings.metric == Metric::Cosine)
        .then(|| norms.iter().map(|&s| if s > 0.0 { (1.0 / s.sqrt()) as f32 } else { 0.0 }).collect::<Vec<_>>());
    let rows = Rows { x: x.view(), norms, weights };
    let usable = (0..x.nrows()).filter(|&i| rows.weight(i) > 0.0).count();
    if settings.n_clusters > x.nrows() || x.nrows() == 0 {
        return Err(ClusterError::TooFewSamples { n_clusters: settings.n_clusters, n_samples: x.nrows() });
    }
    let n_clusters = settings.n_clusters.min(usable);
    let n_restarts = if matches!(settings.init, Init::Given(_)) { 1 } else { settings.n_restarts };
    let mut best: Option<Run> = None;
    for restart in 0..n_restarts {
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        rng.set_stream(restart as u64);
        let run = iterate(&rows, start(&rows, settings, n_clusters, &mut rng)?, settings, reporter)?;
        if best.as_ref().is_none_or(|b| run.inertia < b.inertia) {
            best = Some(run);
        }
    }
    Ok(by_size(&rows, best.expect("at least one restart"), settings.metric))
}

fn start(
    rows: &Rows<'_>,
    settings: &KMeansValidParams,
    n_clusters: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Array2<f32>, ClusterError> {
    let mut centroids = match &settings.init {
        Init::Given(given) if given.dim() != (settings.n_clusters, rows.x.ncols()) => {
            let expected = (settings.n_clusters, rows.x.ncols());
            return Err(ClusterError::InitShape { found: given.dim(), expected });
        }
        Init::Given(given) => given.as_standard_layout().into_owned(),
        Init::Random => seeding::random(rows.x, n_clusters, rng),
        Init::KMeansPlusPlus => seeding::plus_plus(rows.x, rows.weights.as_deref(), n_clusters, rng),
    };
    if settings.metric == Metric::Cosine {
        centroids.outer_iter_mut().for_each(|mut c| {
            let norm = c.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                c.mapv_inplace(|v| (f64::from(v) / norm) as f32);
            }
        });
    }
    Ok(centroids)
}

fn iterate(
    rows: &Rows<'_>,
    mut centroids: Array2<f32>,
    settings: &KMeansValidParams,
    reporter: &dyn Reporter,
) -> Result<Run, ClusterError> {
    let mut labels: Vec<ClusterId> = Vec::new();
    let (mut n_iterations, mut converged) = (0, false);
    let enough = settings.tolerance * if settings.tolerance > 0.0 { mean_variance(rows) } else { 0.0 };
    while n_iterations < settings.max_iterations {
        reporter.check()?;
        n_iterations += 1;
        let assigned = nearest(rows.x, &rows.norms, settings.metric, centroids.view(), None);
        if assigned == labels {
            converged = true;
            break;
        }
        labels = assigned;
        let moved = means(rows, &labels, &centroids);
        let shift: f64 = centroids.iter().zip(&moved).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
        centroids = moved;
        if settings.tolerance > 0.0 && shift <= enough {
            converged = true;
            break;
        }
    }
    // Centroids may have moved after the last assignment.
    let labels = nearest(rows.x, &rows.norms, settings.metric, centroids.view(), None);
    let inertia = misfits(rows, &labels, &centroids).iter().sum();
    Ok(Run { labels, centroids, inertia, n_iterations, converged })
}

/// How badly each row fits its centroid.
fn misfits(rows: &Rows<'_>, labels: &[ClusterId], centroids: &Array2<f32>) -> Vec<f64> {
    let centroid = |c: ClusterId| centroids.row(c).to_slice().expect("centroids are contiguous");
    labels.par_iter().enumerate().map(|(i, &c)| rows.misfit(i, centroid(c))).collect()
}

/// The mean (cosine: mean direction) of each cluster's rows. A cluster without rows takes the row that fits its own
/// cluster worst, which leaves that cluster.
fn means(rows: &Rows<'_>, labels: &[ClusterId], old: &Array2<f32>) -> Array2<f32> {
    let (mut sums, mut counts) = sums(rows, labels, old.nrows());
    let empty: Vec<ClusterId> = (0..old.nrows()).filter(|&c| counts[c] == 0).collect();
    if !empty.is_empty() {
        let misfits = misfits(rows, labels, old);
        let mut worst: Vec<usize> = (0..labels.len()).filter(|&i| misfits[i] > 0.0).collect();
        worst.sort_by(|&a, &b| misfits[b].total_cmp(&misfits[a]).then(a.cmp(&b)));
        let mut worst = worst.into_iter();
        for cluster in empty {
            // A row alone in its cluster stays: to take it would only empty another one.
            let Some(row) = worst.find(|&i| counts[labels[i]] > 1) else { break };
            let from = labels[row];
            for (feature, &value) in rows.x.row(row).iter().enumerate() {
                let value = f64::from(value) * rows.weight(row);
                sums[[from, feature]] -= value;
                sums[[cluster, feature]] += value;
            }
            (counts[from], counts[cluster]) = (counts[from] - 1, 1);
        }
    }
    let mut means = old.clone();
    for (c, mut mean) in means.outer_iter_mut().enumerate().filter(|(c, _)| counts[*c] > 0) {
        let sum = sums.row(c);
        let scale = match rows.weights {
            None => counts[c] as f64,
            Some(_) => sum.iter().map(|v| v * v).sum::<f64>().sqrt(),
        };
        if scale > 0.0 {
            mean.iter_mut().zip(sum).for_each(|(m, &s)| *m = (s / scale) as f32);
        }
    }
    means
}

/// Sum and number of each cluster's rows; rows of weight 0 don't count.
fn sums(rows: &Rows<'_>, labels: &[ClusterId], n_clusters: usize) -> (Array2<f64>, Vec<usize>) {
    let n = labels.len();
    let stripe = n.div_ceil(STRIPES).max(4096);
    let stripes: Vec<_> = (0..n.div_ceil(stripe))
        .into_par_iter()
        .map(|s| {
            let mut sums = Array2::<f64>::zeros((n_clusters, rows.x.ncols()));
            let mut counts = vec![0usize; n_clusters];
            for i in s * stripe..n.min((s + 1) * stripe) {
                let weight = rows.weight(i);
                if weight > 0.0 {
                    counts[labels[i]] += 1;
                    let sum = sums.row_mut(labels[i]).into_slice().expect("sums are contiguous");
                    let row = rows.x.row(i).to_slice().expect("rows are contiguous");
                    sum.iter_mut().zip(row).for_each(|(s, &v)| *s += f64::from(v) * weight);
                }
            }
            (sums, counts)
        })
        .collect();
    stripes
        .into_iter()
        .reduce(|(mut sums, mut counts), (more, most)| {
            sums += &more;
            counts.iter_mut().zip(most).for_each(|(a, b)| *a += b);
            (sums, counts)
        })
        .expect("at least one row")
}

/// The features' mean variance, which makes the tolerance independent of scale.
fn mean_variance(rows: &Rows<'_>) -> f64 {
    let (sum, counts) = sums(rows, &vec![0; rows.x.nrows()], 1);
    let n = counts[0].max(1) as f64;
    let total: f64 = match rows.weights {
        None => rows.norms.iter().sum(),
        Some(_) => n,
    };
    (total / n - sum.iter().map(|s| (s / n).powi(2)).sum::<f64>()).max(0.0) / rows.x.ncols().max(1) as f64
}

fn by_size(rows: &Rows<'_>, run: Run, metric: Metric) -> Clustering {
    let k = run.centroids.nrows();
    // One more than the centroids: blank rows, which have no direction.
    let group = |i: usize| if rows.weight(i) > 0.0 { run.labels[i] } else { k };
    let (mut sizes, mut first) = (vec![0usize; k + 1], vec![usize::MAX; k + 1]);
    for i in 0..run.labels.len() {
        sizes[group(i)] += 1;
        first[group(i)] = first[group(i)].min(i);
    }
    let mut order: Vec<usize> = (0..=k).filter(|&c| sizes[c] > 0).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(sizes[c]), first[c]));
    let mut place = vec![None; k + 1];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = Some(new));
    let mut centroids = Array2::zeros((order.len(), rows.x.ncols()));
    for (mut row, &old) in centroids.axis_iter_mut(Axis(0)).zip(&order).filter(|(_, old)| **old < k) {
        row.assign(&run.centroids.row(old));
    }
    Clustering {
        labels: (0..run.labels.len()).map(|i| place[group(i)]).collect(),
        assigner: Centroids { metric, centroids, blank: place[k] },
        inertia: run.inertia,
        n_iterations: run.n_iterations,
        converged: run.converged,
    }
}
