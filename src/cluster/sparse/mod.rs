//! k-means and spherical k-means on rows that are mostly zero, which are never made dense: the contract of
//! [`lloyd`](super::lloyd), at a price in proportion to the values that there are.
//!
//! Labels are those of a plain f64 loop over a row's values and the centroids, ties going to the lowest cluster.

mod rows;
mod search;
mod seeding;

use super::lloyd::{Run, by_size};
use super::means::{Sums, squares};
use super::rows::Points;
use super::search::Bounds;
use super::summary::{Summary, timed};
use super::{Assignment, ClusterError, Clustering, Init, KMeansValidParams, Metric, Strategy};
use crate::collection::Csr;
use crate::progress::Reporter;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rows::{Centroids, Rows};
use search::Search;
use std::time::Instant;

/// The best of the restarts, its empty clusters dropped and the others numbered by falling size.
pub(super) fn fit(x: &Csr, settings: &KMeansValidParams, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
    if let Some(at) = x.data().iter().position(|v| !v.is_finite()) {
        let row = x.proper_indptr().partition_point(|&start| start <= at) - 1;
        return Err(ClusterError::NotFinite { row });
    }
    let rows = Rows::new(x, settings.metric);
    if settings.n_clusters > rows.len() || rows.len() == 0 {
        return Err(ClusterError::TooFewSamples { n_clusters: settings.n_clusters, n_samples: rows.len() });
    }
    let n_clusters = settings.n_clusters.min((0..rows.len()).filter(|&i| !rows.is_blank(i)).count());
    let n_restarts = if matches!(settings.init, Init::Given(_)) { 1 } else { settings.n_restarts };
    let mut best: Option<Run> = None;
    for restart in 0..n_restarts {
        let mut rng = super::seeding::generator(settings.seed, restart);
        let mut seconds = 0.0;
        let centroids = timed(&mut seconds, || start(&rows, settings, n_clusters, &mut rng))?;
        let mut run = iterate(&rows, centroids, settings, reporter)?;
        run.summary.seconds.start = seconds;
        if best.as_ref().is_none_or(|b| run.inertia < b.inertia) {
            best = Some(run);
        }
    }
    Ok(by_size(settings.metric, |i| rows.is_blank(i), best.expect("at least one restart")))
}

/// As [`assign`](super::Centroids::assign) of dense rows.
pub(super) fn assign(x: &Csr, assigner: &super::Centroids) -> Vec<Assignment> {
    assert_eq!(x.cols(), assigner.centroids.ncols(), "rows of the centroids' features");
    let rows = Rows::new(x, assigner.metric);
    let centroids = Centroids::new(&assigner.centroids, assigner.metric);
    Search::new(&rows, &centroids).two_nearest().into_iter().map(|found| assigner.assignment(found)).collect()
}

fn start(
    rows: &Rows<'_>,
    settings: &KMeansValidParams,
    n_clusters: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Array2<f32>, ClusterError> {
    let expected = (settings.n_clusters, rows.n_features());
    let mut centroids = match &settings.init {
        Init::Given(given) if given.dim() != expected => {
            return Err(ClusterError::InitShape { found: given.dim(), expected });
        }
        Init::Given(given) => given.as_standard_layout().into_owned(),
        Init::Random => seeding::random(rows, n_clusters, rng),
        Init::Auto | Init::KMeansPlusPlus | Init::KMeansParallel => seeding::plus_plus(rows, n_clusters, rng),
    };
    if settings.metric == Metric::Cosine {
        super::lloyd::normalise(&mut centroids);
    }
    Ok(centroids)
}

fn iterate(
    rows: &Rows<'_>,
    mut centroids: Array2<f32>,
    settings: &KMeansValidParams,
    reporter: &dyn Reporter,
) -> Result<Run, ClusterError> {
    let mut bounds = Bounds::new(rows.len());
    let mut sums = Sums::new(centroids.dim());
    let Summary { mut work, mut inertia, mut seconds, .. } = Summary::default();
    let (mut n_iterations, mut converged) = (0, false);
    let (mut enough, squares) = (None, squares(rows));
    loop {
        reporter.check()?;
        let started = Instant::now();
        let old = Centroids::new(&centroids, settings.metric);
        let (moves, more) = Search::new(rows, &old).update(&mut bounds);
        work += more;
        seconds.assign += started.elapsed().as_secs_f64();
        // Centroids may have moved after the last assignment: there is one more of them than rounds.
        if converged || n_iterations == settings.max_iterations {
            let misfits = timed(&mut seconds.assign, || misfits(rows, &bounds.labels, &old));
            let summary = Summary { strategy: Strategy::Sparse, work, inertia, seconds };
            let inertia = misfits.iter().sum();
            return Ok(Run { labels: bounds.labels, centroids, inertia, n_iterations, converged, summary });
        }
        n_iterations += 1;
        converged = moves.is_empty();
        if converged {
            continue;
        }
        let started = Instant::now();
        sums.update(rows, &moves, &bounds.labels);
        inertia.push(sums.inertia(rows, squares));
        let moved = sums.means(rows, &bounds.labels, &centroids, || misfits(rows, &bounds.labels, &old));
        let shifts = search::shifts(&old, &Centroids::new(&moved, settings.metric), settings.metric);
        bounds.widen(&shifts.iter().map(|(_, bound)| *bound).collect::<Vec<_>>());
        if settings.tolerance > 0.0 {
            let enough = *enough.get_or_insert_with(|| settings.tolerance * sums.mean_variance(rows, squares));
            converged = shifts.iter().map(|(moved, _)| moved * moved).sum::<f64>() <= enough;
        }
        centroids = moved;
        seconds.update += started.elapsed().as_secs_f64();
    }
}

/// How badly each row fits its centroid: the squared distance, by cosine 1 - cos.
fn misfits(rows: &Rows<'_>, labels: &[u32], centroids: &Centroids<'_>) -> Vec<f64> {
    let scale = if rows.metric == Metric::Cosine { 0.5 } else { 1.0 };
    let misfit = |(i, &c): (usize, &u32)| match rows.is_blank(i) {
        true => 0.0,
        false => scale * centroids.squared(rows, i, c as usize),
    };
    labels.par_iter().enumerate().map(misfit).collect()
}

#[cfg(test)]
mod tests;
