//! Lloyd's iteration, for both metrics: assign every row to its nearest centroid, move every centroid to its rows' mean
//! (cosine: the mean direction), until no label changes.
//!
//! S. Lloyd, Least squares quantization in PCM, 1982. I. Dhillon and D. Modha, Concept decompositions for large sparse
//! text data using clustering, 2001.

use super::device::DeviceSearch;
use super::images::Images;
use super::means::{Sums, grain, squares};
use super::rows::{Points, Rows};
use super::search::{Bounds, Search};
use super::summary::{Summary, timed};
use super::{Assigner, Centroids, ClusterError, Clustering, Init, KMeansValidParams, Metric, Strategy, seeding};
use crate::distance::squared_euclidean;
use crate::progress::Reporter;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use std::time::Instant;

/// Up to so many values, restarts run side by side: there is too little to share within one. Each takes up to 6 times
/// the memory of the rows, which is bounded so.
const SMALL: usize = 1 << 18;

/// What one start has come to.
pub(super) struct Run {
    pub labels: Vec<u32>,
    pub centroids: Array2<f32>,
    pub inertia: f64,
    pub n_iterations: usize,
    pub converged: bool,
    pub summary: Summary,
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
    rows.check(settings.n_clusters)?;
    let n_restarts = if matches!(settings.init, Init::Given(_)) { 1 } else { settings.n_restarts };
    let start_again = |restart| {
        let (mut rng, mut seconds) = (seeding::generator(settings.seed, restart), 0.0);
        let start = || seeding::start(&rows, settings.n_clusters, &settings.init, &mut rng, reporter);
        let start = timed(&mut seconds, start)?;
        let mut run = iterate(&rows, start, settings, reporter)?;
        run.summary.seconds.start = seconds;
        Ok(run)
    };
    let better = |a: Run, b: Run| Ok(if b.inertia < a.inertia { b } else { a });
    let best: Result<Option<Run>, ClusterError> = if x.len() <= SMALL {
        (0..n_restarts).into_par_iter().map(start_again).try_reduce_with(better).transpose()
    } else {
        (0..n_restarts).map(start_again).reduce(|a, b| better(a?, b?)).transpose()
    };
    Ok(by_size(settings.metric, |i| rows.is_blank(i), best?.expect("at least one restart")))
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
    let mut images = Images::identity(rows);
    // A start takes some ten rounds before most of its rows rest.
    let flops = 20.0 * (rows.view().len() * centroids.nrows()) as f64;
    let device = settings.device.for_work(flops);
    let mut device = device.map(|device| DeviceSearch::new(rows, device, centroids.nrows()));
    let Summary { mut work, mut inertia, mut seconds, .. } = Summary::default();
    let (mut n_iterations, mut converged, mut n_distances) = (0, false, 0);
    let (mut enough, squares) = (None, squares(rows));
    loop {
        reporter.check()?;
        let (moves, more) = match &mut device {
            Some(device) => timed(&mut seconds.assign, || device.update(&centroids, &mut bounds.labels, reporter))?,
            None => {
                timed(&mut seconds.map, || images.renew(centroids.view(), &sums.counts, n_distances, reporter))?;
                timed(&mut seconds.assign, || Search::new(rows, &images, &centroids).update(&mut bounds))
            }
        };
        work += more;
        n_distances = more.distances;
        // Centroids may have moved after the last assignment: there is one more of them than rounds.
        if converged || n_iterations == settings.max_iterations {
            break;
        }
        n_iterations += 1;
        converged = moves.is_empty();
        if converged {
            break;
        }
        let started = Instant::now();
        sums.update(rows, &moves, &bounds.labels);
        inertia.push(sums.inertia(rows, squares));
        let moved = sums.means(rows, &bounds.labels, &centroids, || misfits(rows, &bounds.labels, &centroids));
        let shifts = shifts(&centroids, &moved, settings.metric);
        bounds.widen(&shifts);
        centroids = moved;
        if settings.tolerance > 0.0 {
            let enough = *enough.get_or_insert_with(|| settings.tolerance * sums.mean_variance(rows, squares));
            converged = shifts.iter().map(|s| s * s).sum::<f64>() <= enough;
        }
        seconds.update += started.elapsed().as_secs_f64();
    }
    let strategy = if device.is_some() { Strategy::Device } else { images.strategy() };
    drop(images);
    let inertia_of_all = timed(&mut seconds.assign, || misfits(rows, &bounds.labels, &centroids).iter().sum());
    let summary = Summary { strategy, work, inertia, seconds };
    Ok(Run { labels: bounds.labels, centroids, inertia: inertia_of_all, n_iterations, converged, summary })
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
        summary: Some(run.summary),
    }
}
