//! Where k-means on sparse rows starts.

use super::rows::Rows;
use crate::cluster::rows::Points;
use crate::cluster::{ClusterError, Init, seeding};
use crate::distance::sparse::Panels;
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows that a task takes at a time.
const BLOCK: usize = 512;

/// Starting centroids, as [`seeding::start`] finds them; a blank row if no row has a direction.
pub(super) fn start(
    rows: &Rows<'_>,
    n_clusters: usize,
    init: &Init,
    rng: &mut ChaCha8Rng,
) -> Result<Array2<f32>, ClusterError> {
    let eligible = rows.eligible();
    let k = n_clusters.min(eligible.len());
    let chosen = match init {
        Init::Given(centroids) => return seeding::given(centroids, rows, n_clusters),
        _ if eligible.is_empty() => vec![0],
        Init::Random => seeding::random(&eligible, k, rng),
        Init::Auto | Init::KMeansPlusPlus | Init::KMeansParallel => plus_plus(rows, k, rng),
    };
    let mut vectors = Array2::zeros((chosen.len(), rows.n_features()));
    for (mut vector, &i) in vectors.outer_iter_mut().zip(&chosen) {
        rows.dense(i, vector.as_slice_mut().expect("in standard layout"));
    }
    Ok(seeding::directed(vectors, rows.metric()))
}

/// Greedy k-means++, with the draws that dense rows would get; some row must have a direction.
fn plus_plus(rows: &Rows<'_>, n_clusters: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let n = rows.len();
    let trials = 2 + (n_clusters as f64).ln() as usize;
    let equal: Vec<f64> = (0..n).map(|i| if rows.is_blank(i) { 0.0 } else { 1.0 }).collect();
    let mut chosen = Vec::from_iter(draw(&equal, rng));
    let mut nearest = to_candidates(rows, &chosen, &vec![f64::INFINITY; n]).swap_remove(0);
    while chosen.len() < n_clusters {
        let drawn: Vec<usize> = (0..trials).map_while(|_| draw(&nearest, rng)).collect();
        if drawn.is_empty() {
            break;
        }
        let best = to_candidates(rows, &drawn, &nearest)
            .into_iter()
            .zip(drawn)
            .map(|(to, row)| (to.iter().sum::<f64>(), to, row))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .expect("at least two trials");
        nearest = best.1;
        chosen.push(best.2);
    }
    // Every row that is left equals one that is chosen.
    let mut taken = vec![false; n];
    chosen.iter().for_each(|&row| taken[row] = true);
    let missing = n_clusters - chosen.len();
    chosen.extend((0..n).filter(|&i| !taken[i] && !rows.is_blank(i)).take(missing));
    chosen
}

/// A row, with a chance in proportion to its weight; `None` if all weights are 0.
fn draw(weights: &[f64], rng: &mut ChaCha8Rng) -> Option<usize> {
    let last = weights.iter().rposition(|&w| w > 0.0)?;
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let drawn = weights.iter().position(|&w| {
        left -= w;
        w > 0.0 && left < 0.0
    });
    // What rounding leaves over goes to the last.
    Some(drawn.unwrap_or(last))
}

/// For each candidate the squared distance of every row to the nearest chosen one if the candidate joins them.
fn to_candidates(rows: &Rows<'_>, candidates: &[usize], nearest: &[f64]) -> Vec<Vec<f64>> {
    let panels = Panels::of_rows(rows.x, candidates.iter().copied());
    let width = panels.width();
    let numbers: Vec<usize> = (0..rows.len()).collect();
    let mut products = vec![0.0; numbers.len() * width];
    let blocks = products.par_chunks_mut(BLOCK * width).zip(numbers.par_chunks(BLOCK));
    blocks.for_each(|(products, numbers)| panels.products(rows.x, numbers, products));
    let squared = |i: usize, t: usize, c: usize| {
        let inner = f64::from(products[i * width + t]) * rows.weight(i) * rows.weight(c);
        let both = rows.squared_length(i) + rows.squared_length(c);
        if i == c || rows.weight(i) == 0.0 { 0.0 } else { (both - 2.0 * inner).max(0.0) }
    };
    let to = |(t, &c): (usize, &usize)| (0..rows.len()).map(|i| squared(i, t, c).min(nearest[i])).collect();
    candidates.iter().enumerate().map(to).collect()
}
