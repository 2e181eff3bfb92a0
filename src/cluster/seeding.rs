//! Where k-means starts.

use super::rows::{Points, Rows};
use crate::distance::product;
use ndarray::{Array2, ArrayView2, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// How the starting centroids are found.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Init {
    /// Distinct rows, drawn uniformly.
    Random,
    /// Greedy k-means++: each next row is drawn with a chance in proportion to its squared distance to the nearest
    /// chosen one, the best of 2 + ln k draws kept (Arthur and Vassilvitskii 2007).
    #[default]
    KMeansPlusPlus,
    /// Given, shape (n_clusters, n_features).
    Given(Array2<f32>),
}

/// `n_clusters` different rows of `x`, uniformly.
pub(super) fn random(x: ArrayView2<'_, f32>, n_clusters: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let rows = rand::seq::index::sample(rng, x.nrows(), n_clusters);
    x.select(Axis(0), &rows.into_vec())
}

/// Greedy k-means++. By cosine the rows' directions count; rows without one are never chosen while others remain.
pub(super) fn plus_plus(rows: &Rows<'_>, n_clusters: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let (x, n) = (rows.view(), rows.len());
    let weight = |i: usize| rows.weight(i);
    let norms: Vec<f64> = (0..n).map(|i| rows.squared_length(i)).collect();
    let trials = 2 + (n_clusters as f64).ln() as usize;
    // Distance of every row to the nearest chosen one if candidate `c` joins them, and the sum.
    let squared = |candidates: &[usize]| -> Vec<Vec<f64>> {
        let chosen = x.select(Axis(0), candidates);
        let products = product(x, chosen.t());
        let squared = |i: usize, t: usize, c: usize| {
            let inner = f64::from(products[[i, t]]) * weight(i) * weight(c);
            if i == c || weight(i) == 0.0 { 0.0 } else { (norms[i] + norms[c] - 2.0 * inner).max(0.0) }
        };
        candidates.iter().enumerate().map(|(t, &c)| (0..n).map(|i| squared(i, t, c)).collect()).collect()
    };
    let candidates: Vec<usize> = (0..n).filter(|&i| weight(i) > 0.0).collect();
    let first = if candidates.is_empty() { 0 } else { candidates[rng.random_range(0..candidates.len())] };
    let mut chosen = vec![first];
    let mut nearest = squared(&[first]).swap_remove(0);
    while chosen.len() < n_clusters {
        let drawn: Vec<usize> = (0..trials).map(|_| draw(&nearest, rng)).collect();
        let best = squared(&drawn)
            .into_iter()
            .zip(drawn)
            .map(|(mut to, row)| {
                to.iter_mut().zip(&nearest).for_each(|(new, &old)| *new = new.min(old));
                (to.iter().sum::<f64>(), to, row)
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .expect("at least two trials");
        nearest = best.1;
        chosen.push(best.2);
    }
    x.select(Axis(0), &chosen)
}

/// A row, with a chance in proportion to its weight; uniform if all weights are 0.
pub(super) fn draw(weights: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return rng.random_range(0..weights.len());
    }
    let mut left = rng.random::<f64>() * total;
    let mut last = 0;
    for (i, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        last = i;
        left -= w;
        if left < 0.0 {
            break;
        }
    }
    last
}
