//! t-distributed stochastic neighbour embedding (van der Maaten, Hinton 2008) in two dimensions.
//!
//! Gradient descent with momentum and a gain for each coordinate; at first the pull of neighbours is exaggerated (van der
//! Maaten 2014), and the steps are as long as the number of rows allows (Belkina et al. 2019). The push among all places
//! is that of [`Grid`].

use super::repulsion::Grid;
use crate::collection::{Csr, sparse_row};
use crate::neighbors::{KnnGraph, symmetric};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Neighbours for each that counts in full.
const NEIGHBORS_PER_PERPLEXITY: f64 = 3.0;
/// Halvings of the interval of the width.
const HALVINGS: usize = 64;
/// How near the entropy must come.
const TOLERANCE: f64 = 1e-5;
/// Rounds with exaggeration, and without.
const EARLY: usize = 250;
const LATE: usize = 500;
const EXAGGERATION: f32 = 12.0;
/// Momentum of both.
const EARLY_MOMENTUM: f32 = 0.5;
const MOMENTUM: f32 = 0.8;
/// The least length of the steps.
const LEAST_RATE: f32 = 200.0;
/// The least gain.
const LEAST_GAIN: f32 = 0.01;
/// The longest step.
const LONGEST: f32 = 5.0;
/// Rows a task takes at a time.
const BLOCK: usize = 256;

/// How much of its attention each row gives to its neighbours at these distances, the nearest first: Gaussian, of such a
/// width that a third as many count. Shapes (n, n_neighbors).
pub(super) fn attention(distances: ArrayView2<'_, f32>) -> Array2<f32> {
    let target = (distances.ncols() as f64 / NEIGHBORS_PER_PERPLEXITY).max(1.0).ln();
    let mut weights = distances.to_owned();
    weights.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut row| {
        let squares: Vec<f64> = row.iter().map(|&d| f64::from(d.min(f32::MAX)).powi(2)).collect();
        let nearest = squares.first().copied().unwrap_or(0.0);
        let beyond: Vec<f64> = squares.iter().map(|square| square - nearest).collect();
        let (mut low, mut high, mut beta) = (0.0, f64::INFINITY, 1.0);
        let mut found = vec![0.0; beyond.len()];
        for _ in 0..HALVINGS {
            found.iter_mut().zip(&beyond).for_each(|(weight, beyond)| *weight = (-beta * beyond).exp());
            let sum: f64 = found.iter().sum();
            let mean = found.iter().zip(&beyond).map(|(weight, beyond)| weight * beyond).sum::<f64>() / sum;
            found.iter_mut().for_each(|weight| *weight /= sum);
            let entropy = sum.ln() + beta * mean;
            if (entropy - target).abs() < TOLERANCE {
                break;
            }
            if entropy > target {
                low = beta
            } else {
                high = beta
            }
            beta = if high.is_finite() { (low + high) / 2.0 } else { 2.0 * beta };
        }
        row.iter_mut().zip(found).for_each(|(to, weight)| *to = weight as f32);
    });
    weights
}

/// The share of each pair of rows in all attention; symmetric, sums to 1.
pub(super) fn affinities(graph: &KnnGraph) -> Csr {
    let half = 0.5 / graph.n_samples().max(1) as f32;
    symmetric(graph.indices(), attention(graph.distances()).view(), |a, b| half * (a + b))
}

/// Moves places to where the affinities want them.
pub(super) fn arrange(
    affinities: &Csr,
    mut places: Vec<[f32; 2]>,
    reporter: &dyn Reporter,
) -> Result<Vec<[f32; 2]>, Interrupted> {
    let rate = (places.len() as f32 / EXAGGERATION).max(LEAST_RATE);
    let mut moves = vec![[0.0f32; 2]; places.len()];
    let mut gains = vec![[1.0f32; 2]; places.len()];
    let mut grid = None;
    reporter.begin("layout", Some((EARLY + LATE) as u64));
    for round in 0..EARLY + LATE {
        reporter.check()?;
        let (exaggeration, momentum) = if round < EARLY { (EXAGGERATION, EARLY_MOMENTUM) } else { (1.0, MOMENTUM) };
        let around = Grid::around(&places, grid.take());
        let push = around.push(&places);
        grid = Some(around);
        let total = push.total.max(1e-30) as f32;
        moves.par_chunks_mut(BLOCK).zip(gains.par_chunks_mut(BLOCK)).enumerate().for_each(|(block, (moves, gains))| {
            for (i, (step, gain)) in moves.iter_mut().zip(gains).enumerate() {
                let row = block * BLOCK + i;
                let pull = pull(affinities, row, &places);
                for d in 0..2 {
                    let slope = exaggeration * pull[d] - push.forces[row][d] / total;
                    gain[d] = if slope * step[d] < 0.0 { gain[d] + 0.2 } else { (gain[d] * 0.8).max(LEAST_GAIN) };
                    step[d] = (momentum * step[d] - rate * gain[d] * slope).clamp(-LONGEST, LONGEST);
                }
            }
        });
        places.iter_mut().zip(&moves).for_each(|(place, step)| (0..2).for_each(|d| place[d] += step[d]));
        reporter.advance(1);
    }
    reporter.end();
    Ok(places)
}

fn pull(affinities: &Csr, row: usize, places: &[[f32; 2]]) -> [f32; 2] {
    let (to, weights) = sparse_row(affinities, row);
    let place = places[row];
    let mut sum = [0.0; 2];
    for (&to, &weight) in to.iter().zip(weights) {
        let other = places[to as usize];
        let (x, y) = (place[0] - other[0], place[1] - other[1]);
        let factor = weight / (1.0 + x * x + y * y);
        sum[0] += factor * x;
        sum[1] += factor * y;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;

    #[test]
    fn a_third_as_many_neighbours_count_and_all_attention_is_shared() {
        let distances = Array2::from_shape_fn((40, 9), |(row, place)| (row + 1) as f32 * (1.0 + place as f32).sqrt());
        let attention = attention(distances.view());
        for row in attention.outer_iter() {
            let entropy: f64 = row.iter().map(|&share| -f64::from(share) * f64::from(share).ln()).sum();
            assert!((entropy.exp() - 3.0).abs() < 1e-3 && (row.sum() - 1.0).abs() < 1e-6, "{row}");
        }
        let near = Array2::from_shape_fn((40, 9), |(row, place)| ((row + 1 + place) % 40) as u32);
        let affinities = affinities(&KnnGraph::new(Metric::Euclidean, near, distances));
        assert!((affinities.data().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(affinities.transpose_view().to_csr(), affinities);
    }
}
