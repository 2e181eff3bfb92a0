//! k-means and spherical k-means on rows that are mostly zero, which are never made dense: the contract of
//! [`lloyd`](super::lloyd), at a price in proportion to the values that there are.
//!
//! Labels are those of a plain f64 loop over a row's values and the centroids, ties going to the lowest cluster.

mod means;
mod rows;
mod search;
mod seeding;

use super::lloyd::{Run, by_size};
use super::search::{Bounds, Work};
use super::{Assignment, ClusterError, Clustering, Init, KMeansValidParams, Metric};
use crate::collection::Csr;
use crate::progress::Reporter;
use means::{Sums, misfits};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rows::{Centroids, Rows};
use search::Search;

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
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        rng.set_stream(restart as u64);
        let run = iterate(&rows, start(&rows, settings, n_clusters, &mut rng)?, settings, reporter)?;
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
        Init::KMeansPlusPlus => seeding::plus_plus(rows, n_clusters, rng),
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
    let mut work = Work::default();
    let (mut n_iterations, mut converged) = (0, false);
    let mut enough = None;
    while n_iterations < settings.max_iterations && !converged {
        reporter.check()?;
        n_iterations += 1;
        let old = Centroids::new(&centroids, settings.metric);
        let (moves, more) = Search::new(rows, &old).update(&mut bounds);
        work += more;
        converged = moves.is_empty();
        if converged {
            break;
        }
        sums.update(rows, &moves, &bounds.labels);
        let moved = sums.means(rows, &bounds.labels, &old);
        let shifts = search::shifts(&old, &Centroids::new(&moved, settings.metric), settings.metric);
        bounds.widen(&shifts.iter().map(|(_, bound)| *bound).collect::<Vec<_>>());
        if settings.tolerance > 0.0 {
            let enough = *enough.get_or_insert_with(|| settings.tolerance * sums.mean_variance(rows));
            converged = shifts.iter().map(|(moved, _)| moved * moved).sum::<f64>() <= enough;
        }
        centroids = moved;
    }
    // Centroids may have moved after the last assignment.
    let last = Centroids::new(&centroids, settings.metric);
    work += Search::new(rows, &last).update(&mut bounds).1;
    let inertia = misfits(rows, &bounds.labels, &last).iter().sum();
    Ok(Run { labels: bounds.labels, centroids, inertia, n_iterations, converged, work })
}

#[cfg(test)]
mod tests;
