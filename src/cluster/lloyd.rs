//! Lloyd's iteration, for both metrics: assign every row to its nearest centroid, move every centroid to its rows' mean
//! (cosine: the mean direction), until no label changes.
//!
//! S. Lloyd, Least squares quantization in PCM, 1982. I. Dhillon and D. Modha, Concept decompositions for large sparse
//! text data using clustering, 2001.

use super::bounds::{Bounds, Found};
use super::device::DeviceSearch;
use super::images::Images;
use super::means::{Sums, grain, squares};
use super::rows::{Points, Rows};
use super::search::Search;
use super::summary::{FitSeconds, Summary, Work, timed};
use super::{
    Assigner, Centroids, ClusterError, Clustering, Init, KMeansValidParams, Metric, Strategy, seeding, settle,
};
use crate::collection::ClusterId;
use crate::distance::squared_euclidean;
use crate::progress::Reporter;
use ndarray::{Array2, ArrayView2, Axis};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::time::Instant;

/// Up to so many values, restarts run side by side: there is too little to share within one. Each takes up to 6 times
/// the memory of the rows, which is bounded so.
const SMALL: usize = 1 << 18;

/// What one start has come to.
struct Run {
    labels: Vec<u32>,
    /// Rows with several nearest centroids.
    tied: Vec<u32>,
    centroids: Array2<f32>,
    inertia: f64,
    n_iterations: usize,
    converged: bool,
    summary: Summary,
}

/// How rows are compared with centroids: what Lloyd's iteration can't do in the same way for all.
pub(super) trait Compare {
    /// Brings labels and bounds up to date with `centroids`, of which `counts` tells how many rows each had (0 for all
    /// if not known).
    fn assign(
        &mut self,
        centroids: &Array2<f32>,
        counts: &[usize],
        bounds: &mut Bounds,
        seconds: &mut FitSeconds,
        reporter: &dyn Reporter,
    ) -> Result<Found, ClusterError>;

    /// How far each centroid moved, and by how much bounds must be widened.
    fn shifts(&self, old: &Array2<f32>, new: &Array2<f32>) -> Vec<(f64, f64)>;

    /// The squared distance of a row and a centroid; by cosine twice 1 - cos.
    fn squared<'c>(&'c self, centroids: &'c Array2<f32>) -> impl Fn(usize, usize) -> f64 + Sync + 'c;

    /// What the last round did.
    fn strategy(&self) -> Strategy;
}

/// Dense rows, compared on the CPU or on a device.
struct Dense<'a> {
    rows: &'a Rows<'a>,
    images: Images<'a>,
    n_distances: u64,
    device: Option<DeviceSearch<'a>>,
}

impl<'a> Dense<'a> {
    fn new(rows: &'a Rows<'a>, n_clusters: usize, settings: &'a KMeansValidParams) -> Self {
        // A start takes some ten rounds before most of its rows rest.
        let flops = 20.0 * (rows.view().len() * n_clusters) as f64;
        let device = settings.device.for_work(flops).map(|device| DeviceSearch::new(rows, device, n_clusters));
        Self { rows, images: Images::identity(rows), n_distances: 0, device }
    }
}

impl Compare for Dense<'_> {
    fn assign(
        &mut self,
        centroids: &Array2<f32>,
        counts: &[usize],
        bounds: &mut Bounds,
        seconds: &mut FitSeconds,
        reporter: &dyn Reporter,
    ) -> Result<Found, ClusterError> {
        let Self { rows, images, n_distances, device } = self;
        if let Some(device) = device {
            return timed(&mut seconds.assign, || device.update(centroids, &mut bounds.labels, reporter));
        }
        timed(&mut seconds.map, || images.renew(centroids.view(), counts, *n_distances, reporter))?;
        let found = timed(&mut seconds.assign, || Search::new(rows, images, centroids).update(bounds));
        *n_distances = found.work.distances;
        Ok(found)
    }

    /// A centroid without a direction (by cosine) was no centroid before.
    fn shifts(&self, old: &Array2<f32>, new: &Array2<f32>) -> Vec<(f64, f64)> {
        let pairs: Vec<_> = old.outer_iter().zip(new.outer_iter()).collect();
        let shift = |(old, new): &(ndarray::ArrayView1<'_, f32>, ndarray::ArrayView1<'_, f32>)| {
            let (old, new) = (old.to_slice().expect("contiguous"), new.to_slice().expect("contiguous"));
            let is_zero = |centroid: &[f32]| centroid.iter().all(|v| *v == 0.0);
            let born = self.rows.metric() == Metric::Cosine && is_zero(old) && !is_zero(new);
            let shift = if born { f64::INFINITY } else { squared_euclidean(old, new).sqrt() };
            (shift, shift)
        };
        pairs.par_iter().with_min_len(grain(old.ncols())).map(shift).collect()
    }

    fn squared<'c>(&'c self, centroids: &'c Array2<f32>) -> impl Fn(usize, usize) -> f64 + Sync + 'c {
        |i, c| self.rows.squared(i, centroids.row(c).to_slice().expect("centroids are contiguous"))
    }

    fn strategy(&self) -> Strategy {
        if self.device.is_some() { Strategy::Device } else { self.images.strategy() }
    }
}

/// How badly each row fits its centroid: the squared distance, by cosine 1 - cos.
fn misfits(rows: &impl Points, labels: &[u32], squared: impl Fn(usize, usize) -> f64 + Sync) -> Vec<f64> {
    let scale = if rows.metric() == Metric::Cosine { 0.5 } else { 1.0 };
    let misfit = |(i, &c): (usize, &u32)| if rows.is_blank(i) { 0.0 } else { scale * squared(i, c as usize) };
    labels.par_iter().enumerate().map(misfit).collect()
}

/// Fits dense rows.
pub(super) fn fit(
    x: ArrayView2<'_, f32>,
    settings: &KMeansValidParams,
    reporter: &dyn Reporter,
) -> Result<Clustering, ClusterError> {
    let x = x.as_standard_layout();
    let x = x.view();
    let rows = Rows::new(&x, settings.metric);
    rows.check(settings.n_clusters)?;
    let mut seconds = FitSeconds::default();
    let images = || seeding::images(&rows, settings.n_clusters, &settings.init, reporter);
    let images = timed(&mut seconds.start, images)?;
    let start =
        |rng: &mut ChaCha8Rng| seeding::start(&rows, &images, settings.n_clusters, &settings.init, rng, reporter);
    best(&rows, settings, x.len(), seconds, start, |n_clusters| Dense::new(&rows, n_clusters, settings), reporter)
}

/// The best of the restarts, its empty clusters dropped and the others numbered by falling size. All of them have cost
/// the `seconds` that are over, and look at `n_values` values a round.
pub(super) fn best<C: Compare>(
    rows: &impl Points,
    settings: &KMeansValidParams,
    n_values: usize,
    seconds: FitSeconds,
    start: impl Fn(&mut ChaCha8Rng) -> Result<Array2<f32>, ClusterError> + Sync,
    compare: impl Fn(usize) -> C + Sync,
    reporter: &dyn Reporter,
) -> Result<Clustering, ClusterError> {
    let n_restarts = if matches!(settings.init, Init::Given(_)) { 1 } else { settings.n_restarts };
    let start_again = |restart| {
        let (mut rng, mut seconds) = (seeding::generator(settings.seed, restart), seconds);
        let centroids = timed(&mut seconds.start, || start(&mut rng))?;
        iterate(rows, compare(centroids.nrows()), centroids, settings, seconds, reporter)
    };
    let better = |a: Run, b: Run| Ok(if b.inertia < a.inertia { b } else { a });
    let best: Result<Option<Run>, ClusterError> = if n_values <= SMALL {
        (0..n_restarts).into_par_iter().map(start_again).try_reduce_with(better).transpose()
    } else {
        (0..n_restarts).map(start_again).reduce(|a, b| better(a?, b?)).transpose()
    };
    Ok(by_size(rows, best?.expect("at least one restart"), compare))
}

fn iterate(
    rows: &impl Points,
    mut compare: impl Compare,
    mut centroids: Array2<f32>,
    settings: &KMeansValidParams,
    mut seconds: FitSeconds,
    reporter: &dyn Reporter,
) -> Result<Run, ClusterError> {
    let mut bounds = Bounds::new(rows.len());
    let mut sums = Sums::new(centroids.dim());
    let (mut work, mut inertia) = (Work::default(), Vec::new());
    let (mut n_iterations, mut converged) = (0, false);
    let (mut enough, squares) = (None, squares(rows));
    let tied = loop {
        reporter.check()?;
        let found = compare.assign(&centroids, &sums.counts, &mut bounds, &mut seconds, reporter)?;
        work += found.work;
        work.pairs += (rows.len() * centroids.nrows()) as u64;
        // Centroids may have moved after the last assignment: there is one more of them than rounds.
        if converged || n_iterations == settings.max_iterations {
            break found.tied;
        }
        n_iterations += 1;
        converged = found.moves.is_empty();
        if converged {
            break found.tied;
        }
        let started = Instant::now();
        sums.update(rows, &found.moves, &bounds.labels);
        inertia.push(sums.inertia(rows, squares));
        let misfits = || misfits(rows, &bounds.labels, compare.squared(&centroids));
        let moved = sums.means(rows, &bounds.labels, &centroids, misfits);
        let shifts = compare.shifts(&centroids, &moved);
        bounds.widen(&shifts.iter().map(|(_, bound)| *bound).collect::<Vec<_>>());
        centroids = moved;
        if settings.tolerance > 0.0 {
            let enough = *enough.get_or_insert_with(|| settings.tolerance * sums.mean_variance(rows, squares));
            converged = shifts.iter().map(|(moved, _)| moved * moved).sum::<f64>() <= enough;
        }
        seconds.update += started.elapsed().as_secs_f64();
    };
    let misfits = timed(&mut seconds.assign, || misfits(rows, &bounds.labels, compare.squared(&centroids)));
    let summary = Summary { strategy: compare.strategy(), work, inertia, seconds };
    Ok(Run { labels: bounds.labels, tied, centroids, inertia: misfits.iter().sum(), n_iterations, converged, summary })
}

/// Drops empty clusters and numbers the others by falling size, ties by first member; blank rows are one of them.
fn by_size<C: Compare>(rows: &impl Points, run: Run, compare: impl Fn(usize) -> C) -> Clustering {
    let (k, n_features) = run.centroids.dim();
    // One more than the centroids: blank rows, which have no direction.
    let group = |(i, &label): (usize, &u32)| Some(if rows.is_blank(i) { k } else { label as usize });
    let mut labels: Vec<Option<ClusterId>> = run.labels.iter().enumerate().map(group).collect();
    let mut centroids = ndarray::concatenate![Axis(0), run.centroids, Array2::zeros((1, n_features))];
    let mut blank = Some(k);
    while let Some(order) = settle::out_of_order(&labels, centroids.nrows()) {
        settle::renumber(&mut labels, &order);
        centroids = centroids.select(Axis(0), &order);
        blank = blank.and_then(|blank| order.iter().position(|&old| old == blank));
        // Of equally near centroids the lowest number counts, which may be another one now.
        if !run.tied.is_empty() {
            renew(&mut labels, &run.tied, &centroids, blank, &compare(k));
        }
    }
    let assigner = Assigner::Centroids(Centroids { metric: rows.metric(), centroids, blank });
    Clustering {
        inertia: Some(run.inertia),
        n_iterations: run.n_iterations,
        converged: run.converged,
        summary: Some(run.summary),
        ..Clustering::new(labels, assigner)
    }
}

/// Gives rows the label of the first nearest centroid.
fn renew(
    labels: &mut [Option<ClusterId>],
    tied: &[u32],
    centroids: &Array2<f32>,
    blank: Option<ClusterId>,
    compare: &impl Compare,
) {
    let squared = compare.squared(centroids);
    for &row in tied {
        let others = (0..centroids.nrows()).filter(|c| Some(*c) != blank);
        let by_distance = |a: &usize, b: &usize| squared(row as usize, *a).total_cmp(&squared(row as usize, *b));
        labels[row as usize] = others.min_by(by_distance);
    }
}
