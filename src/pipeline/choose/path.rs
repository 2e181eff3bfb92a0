//! One fit after the other for rising numbers of clusters, each from where the one before ended.

use crate::cluster::{Algorithm, ClusterError, Clustering, Init, KMeansParams, Metric};
use crate::distance::squared_euclidean;
use crate::progress::Reporter;
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Up to so many clusters, and at every fourth number beyond, a fresh start is tried too, lest all descend from one
/// unlucky beginning.
const FRESH_TO: usize = 12;

/// Whether rows count by direction alone.
pub fn is_spherical(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::KMeans(params) if params.metric() == Metric::Cosine)
}

/// A fit for each of `numbers`, rising; ends early where there are too few distinct rows.
///
/// k-means begins with the centroids it had plus rows drawn as greedy k-means++ draws them; often it tries a fresh
/// start too and keeps the better. The inertias are near those of ten restarts each, at a fraction of their time.
pub fn path(
    x: ArrayView2<'_, f32>,
    algorithm: &Algorithm,
    numbers: &[usize],
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<Clustering>, ClusterError> {
    // Two stand for k-means where rows are many, but here they are few; the others are trained too long for a sweep.
    let stand_in = matches!(algorithm, Algorithm::MiniBatch(_) | Algorithm::Hierarchical(_)) || algorithm.trains();
    let algorithm = if stand_in { &Algorithm::KMeans(KMeansParams::new(1)) } else { algorithm };
    let mut fits: Vec<Clustering> = Vec::with_capacity(numbers.len());
    for (at, &k) in numbers.iter().enumerate().take_while(|(_, k)| **k <= x.nrows().max(1)) {
        let fit = match algorithm {
            Algorithm::KMeans(params) => {
                let params = params.clone().n_clusters(k).seed(seed.wrapping_add(k as u64));
                let warm = fits
                    .last()
                    .and_then(|fit| grown(x, fit, k, seed))
                    .map(|start| params.clone().init(Init::Given(start)));
                let fresh = (warm.is_none() || k <= FRESH_TO || at.is_multiple_of(4)).then(|| params.n_restarts(1));
                let fit = |params: KMeansParams| Algorithm::KMeans(params).fit(x, reporter);
                let tried = warm.into_iter().chain(fresh).map(fit).collect::<Result<Vec<_>, _>>()?;
                tried.into_iter().reduce(|a, b| if b.inertia < a.inertia { b } else { a })
            }
            _ => Some(algorithm.with_n_clusters(k).fit(x, reporter)?),
        };
        let Some(fit) = fit.filter(|fit| fit.n_clusters() >= k || fits.is_empty()) else { break };
        fits.push(fit);
        reporter.advance(1);
    }
    Ok(fits)
}

/// The centroids of `fit` and rows that join them, `k` in all; `None` if fewer rows than that are apart from a centroid.
fn grown(x: ArrayView2<'_, f32>, fit: &Clustering, k: usize, seed: u64) -> Option<Array2<f32>> {
    let centroids = fit.assigner.centers()?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(k as u64);
    let x = x.as_standard_layout();
    let row = |i: usize| x.row(i).to_slice().expect("standard layout");
    let centroids = centroids.as_standard_layout();
    let own = |i: usize| fit.labels[i].map(|c| centroids.row(c).to_slice().expect("standard layout"));
    let mut nearest: Vec<f64> = (0..x.nrows()).map(|i| own(i).map_or(0.0, |c| squared_euclidean(row(i), c))).collect();
    let trials = 2 + (k as f64).ln() as usize;
    let mut joining = Vec::new();
    while centroids.nrows() + joining.len() < k {
        let total: f64 = nearest.iter().sum();
        if total <= 0.0 {
            return None;
        }
        let mut draw = || {
            let mut left = rng.random::<f64>() * total;
            let drawn = nearest.iter().position(|&d| {
                left -= d;
                d > 0.0 && left < 0.0
            });
            drawn.or_else(|| nearest.iter().rposition(|&d| d > 0.0))
        };
        let drawn: Vec<usize> = (0..trials).filter_map(|_| draw()).collect();
        let with = |c: usize| -> Vec<f64> {
            nearest
                .iter()
                .enumerate()
                .map(|(i, &d)| if d > 0.0 { d.min(squared_euclidean(row(i), row(c))) } else { 0.0 })
                .collect()
        };
        let sum = |d: &Vec<f64>| d.iter().sum::<f64>();
        let (to, best) =
            drawn.into_iter().map(|c| (with(c), c)).reduce(|a, b| if sum(&b.0) < sum(&a.0) { b } else { a })?;
        nearest = to;
        joining.push(best);
    }
    Some(concatenate![Axis(0), centroids, x.select(Axis(0), &joining)])
}

/// Four fifths of the rows, in their order.
pub fn subsample(x: ArrayView2<'_, f32>, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = rand::seq::index::sample(&mut rng, x.nrows(), (x.nrows() * 4).div_ceil(5)).into_vec();
    rows.sort_unstable();
    x.select(Axis(0), &rows)
}
