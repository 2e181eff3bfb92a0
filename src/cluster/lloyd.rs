//! Lloyd's iteration, for both metrics: assign every row to its nearest centroid, move every centroid to its rows' mean
//! (cosine: the mean direction), until no label changes.
//!
//! S. Lloyd, Least squares quantization in PCM, 1982. I. Dhillon and D. Modha, Concept decompositions for large sparse
//! text data using clustering, 2001.

use super::images::Images;
use super::rows::Rows;
use super::search::{Bounds, Move, Search, Work};
use super::{Assigner, Centroids, ClusterError, Clustering, Init, KMeansValidParams, Metric, seeding};
use crate::collection::ClusterId;
use crate::distance::squared_euclidean;
use crate::progress::Reporter;
use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Rows that are summed one after the other. Fixed, so that sums don't depend on the number of threads.
const STRIPE: usize = 4096;

/// What one start has come to.
pub(super) struct Run {
    pub labels: Vec<u32>,
    pub centroids: Array2<f32>,
    pub inertia: f64,
    pub n_iterations: usize,
    pub converged: bool,
    pub work: Work,
}

/// The best of the restarts, its empty clusters dropped and the others numbered by falling size.
pub(super) fn fit(
    x: ArrayView2<'_, f32>,
    settings: &KMeansValidParams,
    reporter: &dyn Reporter,
) -> Result<Clustering, ClusterError> {
    let x = x.as_standard_layout();
    let x = x.view();
    let rows = Rows::new(&x, settings.metric);
    if let Some(row) = rows.not_finite() {
        return Err(ClusterError::NotFinite { row });
    }
    if settings.n_clusters > rows.len() || rows.len() == 0 {
        return Err(ClusterError::TooFewSamples { n_clusters: settings.n_clusters, n_samples: rows.len() });
    }
    let n_clusters = settings.n_clusters.min((0..rows.len()).filter(|&i| !rows.is_blank(i)).count());
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
    Ok(by_size(settings.metric, |i| rows.is_blank(i), best.expect("at least one restart")))
}

fn start(
    rows: &Rows<'_>,
    settings: &KMeansValidParams,
    n_clusters: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Array2<f32>, ClusterError> {
    let mut centroids = match &settings.init {
        Init::Given(given) if given.dim() != (settings.n_clusters, rows.n_features()) => {
            let expected = (settings.n_clusters, rows.n_features());
            return Err(ClusterError::InitShape { found: given.dim(), expected });
        }
        Init::Given(given) => given.as_standard_layout().into_owned(),
        Init::Random => seeding::random(rows.view(), n_clusters, rng),
        Init::KMeansPlusPlus => seeding::plus_plus(rows, n_clusters, rng),
    };
    if settings.metric == Metric::Cosine {
        normalise(&mut centroids);
    }
    Ok(centroids)
}

/// Gives every row that has a direction unit length.
pub(super) fn normalise(centroids: &mut Array2<f32>) {
    centroids.outer_iter_mut().for_each(|mut c| {
        let norm = c.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        if norm > 0.0 {
            c.mapv_inplace(|v| (f64::from(v) / norm) as f32);
        }
    });
}

fn iterate(
    rows: &Rows<'_>,
    mut centroids: Array2<f32>,
    settings: &KMeansValidParams,
    reporter: &dyn Reporter,
) -> Result<Run, ClusterError> {
    let mut bounds = Bounds::new(rows.len());
    let mut sums = Sums::new(centroids.dim());
    let mut work = Work::default();
    let mut images = Images::identity(rows);
    let mut n_distances = 0;
    let mut assign = |bounds: &mut Bounds, centroids: &Array2<f32>, counts: &[usize]| {
        images.renew(centroids.view(), counts, n_distances, reporter)?;
        let (moves, more) = Search::new(rows, &images, centroids).update(bounds);
        work += more;
        n_distances = more.distances;
        Ok::<_, ClusterError>(moves)
    };
    let (mut n_iterations, mut converged) = (0, false);
    let enough = settings.tolerance * if settings.tolerance > 0.0 { mean_variance(rows) } else { 0.0 };
    while n_iterations < settings.max_iterations {
        reporter.check()?;
        n_iterations += 1;
        let moves = assign(&mut bounds, &centroids, if n_iterations == 1 { &[] } else { &sums.counts })?;
        if moves.is_empty() {
            converged = true;
            break;
        }
        sums.update(rows, &moves, &bounds.labels);
        let moved = sums.means(rows, &bounds.labels, &centroids);
        let shifts = shifts(&centroids, &moved, settings.metric);
        let shift: f64 = shifts.iter().map(|s| s * s).sum();
        bounds.widen(&shifts);
        centroids = moved;
        if settings.tolerance > 0.0 && shift <= enough {
            converged = true;
            break;
        }
    }
    // Centroids may have moved after the last assignment.
    assign(&mut bounds, &centroids, &sums.counts)?;
    let inertia = misfits(rows, &bounds.labels, &centroids).iter().sum();
    Ok(Run { labels: bounds.labels, centroids, inertia, n_iterations, converged, work })
}

/// How many clusters a task takes if each costs `n_values`: waking a thread costs some thousands.
fn grain(n_values: usize) -> usize {
    (1 << 15) / n_values.clamp(1, 1 << 15)
}

/// How far each centroid moved. A centroid without a direction (by cosine) was no centroid before.
fn shifts(old: &Array2<f32>, new: &Array2<f32>, metric: Metric) -> Vec<f64> {
    let pairs: Vec<_> = old.outer_iter().zip(new.outer_iter()).collect();
    let shift = |(old, new): &(ndarray::ArrayView1<'_, f32>, ndarray::ArrayView1<'_, f32>)| {
        let (old, new) = (old.to_slice().expect("contiguous"), new.to_slice().expect("contiguous"));
        let born = metric == Metric::Cosine && old.iter().all(|v| *v == 0.0) && new.iter().any(|v| *v != 0.0);
        if born { f64::INFINITY } else { squared_euclidean(old, new).sqrt() }
    };
    pairs.par_iter().with_min_len(grain(old.ncols())).map(shift).collect()
}

/// How badly each row fits its centroid: the squared distance, by cosine 1 - cos.
fn misfits(rows: &Rows<'_>, labels: &[u32], centroids: &Array2<f32>) -> Vec<f64> {
    let centroid = |c: u32| centroids.row(c as usize).to_slice().expect("centroids are contiguous");
    let scale = if rows.metric() == Metric::Cosine { 0.5 } else { 1.0 };
    let misfit = |(i, &c): (usize, &u32)| if rows.is_blank(i) { 0.0 } else { scale * rows.squared(i, centroid(c)) };
    labels.par_iter().enumerate().map(misfit).collect()
}

/// Sum and number of each cluster's rows, kept up to date with their moves.
struct Sums {
    sums: Array2<f64>,
    counts: Vec<usize>,
}

impl Sums {
    fn new((n_clusters, n_features): (usize, usize)) -> Self {
        Self { sums: Array2::zeros((n_clusters, n_features)), counts: vec![0; n_clusters] }
    }

    /// Rows leave and join clusters in their order, one task a cluster, so that threads make no difference.
    fn update(&mut self, rows: &Rows<'_>, moves: &[Move], labels: &[u32]) {
        let n_clusters = self.counts.len();
        let mut changes: Vec<Vec<(u32, f64)>> = vec![Vec::new(); n_clusters];
        for &Move { row, from } in moves {
            if let Some(left) = changes.get_mut(from as usize) {
                left.push((row, -1.0));
                self.counts[from as usize] -= 1;
            }
            let to = labels[row as usize] as usize;
            changes[to].push((row, 1.0));
            self.counts[to] += 1;
        }
        let grain = grain(rows.n_features() * moves.len() / n_clusters);
        self.sums.axis_iter_mut(Axis(0)).into_par_iter().zip(changes).with_min_len(grain).for_each(|(sum, changes)| {
            let sum = sum.into_slice().expect("sums are contiguous");
            for (row, sign) in changes {
                add(sum, rows, row as usize, sign);
            }
        });
    }

    /// The mean (cosine: mean direction) of each cluster's rows. A cluster without rows takes the row that fits its own
    /// cluster worst, which leaves that cluster.
    fn means(&self, rows: &Rows<'_>, labels: &[u32], old: &Array2<f32>) -> Array2<f32> {
        let sum = |c: ClusterId| self.sums.row(c).to_slice().expect("sums are contiguous");
        let mut changed: BTreeMap<ClusterId, (Vec<f64>, usize)> = BTreeMap::new();
        let empty: Vec<ClusterId> = (0..self.counts.len()).filter(|&c| self.counts[c] == 0).collect();
        if !empty.is_empty() {
            let misfits = misfits(rows, labels, old);
            let mut worst: Vec<usize> = (0..labels.len()).filter(|&i| misfits[i] > 0.0).collect();
            worst.sort_by(|&a, &b| misfits[b].total_cmp(&misfits[a]).then(a.cmp(&b)));
            let mut worst = worst.into_iter();
            for cluster in empty {
                // A row alone in its cluster stays: to take it would only empty another one.
                let from = |i: usize| labels[i] as usize;
                let left = |c: ClusterId| changed.get(&c).map_or(self.counts[c], |(_, count)| *count);
                let Some(row) = worst.find(|&i| left(from(i)) > 1) else { break };
                let (rest, count) =
                    changed.entry(from(row)).or_insert_with(|| (sum(from(row)).to_vec(), self.counts[from(row)]));
                add(rest, rows, row, -1.0);
                *count -= 1;
                let mut alone = vec![0.0; rows.n_features()];
                add(&mut alone, rows, row, 1.0);
                changed.insert(cluster, (alone, 1));
            }
        }
        let mut means = old.clone();
        let grain = grain(rows.n_features());
        means.axis_iter_mut(Axis(0)).into_par_iter().enumerate().with_min_len(grain).for_each(|(c, mut mean)| {
            let (sum, count) = changed.get(&c).map_or((sum(c), self.counts[c]), |(sum, count)| (sum, *count));
            let scale = match rows.metric() {
                Metric::Euclidean => count as f64,
                Metric::Cosine if count == 0 => 0.0,
                Metric::Cosine => sum.iter().map(|v| v * v).sum::<f64>().sqrt(),
            };
            if scale > 0.0 {
                mean.iter_mut().zip(sum).for_each(|(m, &s)| *m = (s / scale) as f32);
            }
        });
        means
    }
}

/// Adds a row, weighted, `sign` times.
fn add(sum: &mut [f64], rows: &Rows<'_>, row: usize, sign: f64) {
    let (values, weight) = (rows.row(row), sign * rows.weight(row));
    // Dispatched for the machine's widest instructions.
    pulp::Arch::new().dispatch(|| {
        for (sum, &value) in sum.iter_mut().zip(values) {
            *sum += value as f64 * weight;
        }
    });
}

/// The features' mean variance, which makes the tolerance independent of scale.
fn mean_variance(rows: &Rows<'_>) -> f64 {
    let n = (0..rows.len()).filter(|&i| !rows.is_blank(i)).count().max(1) as f64;
    let stripes: Vec<Vec<f64>> = (0..rows.len().div_ceil(STRIPE))
        .into_par_iter()
        .map(|stripe| {
            let mut sum = vec![0.0; rows.n_features()];
            let stripe = stripe * STRIPE..rows.len().min((stripe + 1) * STRIPE);
            stripe.for_each(|i| add(&mut sum, rows, i, 1.0));
            sum
        })
        .collect();
    let total = |j: usize| stripes.iter().map(|s| s[j]).sum::<f64>();
    let of_mean: f64 = (0..rows.n_features()).map(|j| (total(j) / n).powi(2)).sum();
    let squares: f64 = (0..rows.len()).filter(|&i| !rows.is_blank(i)).map(|i| rows.squared_length(i)).sum();
    (squares / n - of_mean).max(0.0) / rows.n_features().max(1) as f64
}

/// Drops empty clusters and numbers the others by falling size, ties by first member; blank rows are one of them.
pub(super) fn by_size(metric: Metric, is_blank: impl Fn(usize) -> bool, run: Run) -> Clustering {
    let (k, n_features) = run.centroids.dim();
    // One more than the centroids: blank rows, which have no direction.
    let group = |i: usize| if is_blank(i) { k } else { run.labels[i] as usize };
    let (mut sizes, mut first) = (vec![0usize; k + 1], vec![usize::MAX; k + 1]);
    for i in 0..run.labels.len() {
        sizes[group(i)] += 1;
        first[group(i)] = first[group(i)].min(i);
    }
    let mut order: Vec<usize> = (0..=k).filter(|&c| sizes[c] > 0).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(sizes[c]), first[c]));
    let mut place = vec![None; k + 1];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = Some(new));
    let mut centroids = Array2::zeros((order.len(), n_features));
    for (mut row, &old) in centroids.axis_iter_mut(Axis(0)).zip(&order).filter(|(_, old)| **old < k) {
        row.assign(&run.centroids.row(old));
    }
    Clustering {
        labels: (0..run.labels.len()).map(|i| place[group(i)]).collect(),
        assigner: Assigner::Centroids(Centroids { metric, centroids, blank: place[k] }),
        inertia: Some(run.inertia),
        n_iterations: run.n_iterations,
        converged: run.converged,
        work: run.work,
    }
}
