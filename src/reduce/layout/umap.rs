//! UMAP: uniform manifold approximation and projection (McInnes, Healy, Melville 2018).
//!
//! Places start as the eigenvectors of [`spectral`](super::spectral), and are moved by stochastic gradient descent with
//! negative sampling. Rows are visited in a shuffled order, one block after another. In a block each row moves its own
//! place, from where all others stood before the block began, and notes how it pulls its neighbours in turn; they are moved
//! once the block is done, in order. So any number of threads gives the same, and as every pull has its counter-pull,
//! neighbours that are pushed away from the rest go there together, as they do one edge after another.

use super::curve::{self, Table};
use super::mean;
use crate::collection::Csr;
use crate::neighbors::{Schedule, shuffled};
use crate::progress::{Interrupted, Reporter};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows that move at a time, and how many such blocks there are at least: so only few of a row's neighbours move with it.
const BLOCK: usize = 2048;
const BLOCKS: usize = 16;
/// Those that one thread moves.
const TASK: usize = 128;
/// Rows drawn to be pushed off, for each pull.
const NEGATIVES: usize = 5;
/// The largest step in a coordinate.
const LONGEST: f32 = 4.0;
/// Epochs of a fit, and up to so many rows those of few.
const EPOCHS: usize = 200;
const EPOCHS_OF_FEW: usize = 500;
const FEW: usize = 10_000;
/// Epochs in which a new row finds its place, and its first step.
const PLACING_EPOCHS: usize = 30;
const PLACING_STEP: f32 = 0.25;

/// What pulls rows together and pushes them apart, by their squared distance: factors of the difference of their places.
pub(super) struct Forces {
    pull: Table,
    push: Table,
}

impl Forces {
    pub fn new(min_dist: f64) -> Self {
        let (a, b) = curve::fit(min_dist, 1.0);
        Self {
            pull: Table::new(|d2| -2.0 * a * b * d2.powf(b - 1.0) / (1.0 + a * d2.powf(b))),
            push: Table::new(|d2| 2.0 * b / ((0.001 + d2) * (1.0 + a * d2.powf(b)))),
        }
    }

    /// One edge of a row at `place`: pulled to the row `to`, then pushed off rows drawn from all `places`. Returns the pull.
    #[inline(always)]
    fn visit<const D: usize>(
        &self,
        place: &mut [f32; D],
        to: u32,
        places: &[[f32; D]],
        step: f32,
        rng: &mut ChaCha8Rng,
    ) -> [f32; D] {
        let pull = force(place, &places[to as usize], &self.pull);
        shift(place, &pull, step);
        let mut push = [0.0; D];
        for _ in 0..NEGATIVES {
            let other = (u64::from(rng.next_u32()) * places.len() as u64) >> 32;
            let term = force(place, &places[other as usize], &self.push);
            push.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
        }
        shift(place, &push, step);
        pull
    }
}

#[inline(always)]
fn force<const D: usize>(place: &[f32; D], other: &[f32; D], factor: &Table) -> [f32; D] {
    let mut difference: [f32; D] = std::array::from_fn(|d| place[d] - other[d]);
    let squared = difference.iter().fold(0.0, |sum, v| sum + v * v);
    let factor = factor.at(squared);
    difference.iter_mut().for_each(|v| *v = (*v * factor).clamp(-LONGEST, LONGEST));
    difference
}

#[inline(always)]
fn shift<const D: usize>(place: &mut [f32; D], by: &[f32; D], step: f32) {
    place.iter_mut().zip(by).for_each(|(place, by)| *place += step * by);
}

/// What the visits to some rows have found.
#[derive(Default)]
struct Visits<const D: usize> {
    /// Room for the edges of a row.
    due: Vec<usize>,
    moved: Vec<[f32; D]>,
    /// Neighbours, and how the visited row was pulled to each.
    pulls: Vec<(u32, [f32; D])>,
}

/// Moves places to where `set` wants them.
pub(super) fn arrange<const D: usize>(
    set: &Csr,
    start: Vec<[f32; D]>,
    forces: &Forces,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<[f32; D]>, Interrupted> {
    let n = start.len();
    let n_epochs = if n > FEW { EPOCHS } else { EPOCHS_OF_FEW };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (set, order) = shuffled(set, &mut rng);
    let mut places: Vec<[f32; D]> = order.iter().map(|&row| start[row as usize]).collect();
    let largest = set.data().iter().copied().fold(0.0, f32::max);
    // In as large a share of the epochs as it is sure.
    let schedule = Schedule::new(set.data().iter().map(|weight| weight / largest));
    let rows: Vec<usize> = (0..n).collect();
    let block_len = n.div_ceil(BLOCKS).clamp(1, BLOCK);
    let mut visits: Vec<Visits<D>> = (0..block_len.div_ceil(TASK)).map(|_| Visits::default()).collect();
    reporter.begin("layout", Some(n_epochs as u64));
    for epoch in 0..n_epochs {
        reporter.check()?;
        let step = 1.0 - epoch as f32 / n_epochs as f32;
        for (block, rows) in rows.chunks(block_len).enumerate() {
            rows.par_chunks(TASK).zip(&mut visits).enumerate().for_each(|(task, (rows, visits))| {
                let mut rng = rng.clone();
                rng.set_stream((epoch * n + block * block_len + task * TASK) as u64);
                visits.moved.clear();
                visits.pulls.clear();
                for &row in rows {
                    let mut place = places[row];
                    for &edge in schedule.due(set.indptr().outer_inds_sz(row), epoch, &mut visits.due) {
                        let to = set.indices()[edge];
                        visits.pulls.push((to, forces.visit(&mut place, to, &places, step, &mut rng)));
                    }
                    visits.moved.push(place);
                }
            });
            for (rows, visits) in rows.chunks(TASK).zip(&visits) {
                rows.iter().zip(&visits.moved).for_each(|(&row, &moved)| places[row] = moved);
            }
            for (to, pull) in visits.iter().take(rows.len().div_ceil(TASK)).flat_map(|visits| &visits.pulls) {
                shift(&mut places[*to as usize], pull, -step);
            }
        }
        reporter.advance(1);
    }
    reporter.end();
    let mut arranged = start;
    order.into_iter().zip(places).for_each(|(row, place)| arranged[row as usize] = place);
    Ok(arranged)
}

/// The place of a new row among those of its neighbours, which it sees with some weights: each new row alone, so that it
/// gets the same one whatever the others.
pub(super) fn place<const D: usize>(near: &[u32], weights: &[f32], places: &[[f32; D]], forces: &Forces) -> [f32; D] {
    let mut place = mean(near, weights, places);
    let (mut rng, mut due) = (ChaCha8Rng::seed_from_u64(0), Vec::new());
    let schedule = Schedule::new(weights.iter().copied());
    for epoch in 0..PLACING_EPOCHS {
        let step = PLACING_STEP * (1.0 - epoch as f32 / PLACING_EPOCHS as f32);
        for &edge in schedule.due(0..near.len(), epoch, &mut due) {
            forces.visit(&mut place, near[edge], places, step, &mut rng);
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use rand::Rng;

    /// Without pushes nothing moves the whole.
    #[test]
    fn every_pull_has_its_counter_pull() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let n = 3000;
        let start: Vec<[f32; 2]> = (0..n).map(|_| std::array::from_fn(|_| 10.0 * rng.random::<f32>())).collect();
        let near = ndarray::Array2::from_shape_fn((n, 2), |(row, i)| ((row + i * i + 1) % n) as u32);
        let set = crate::neighbors::symmetric(near.view(), ndarray::Array2::ones((n, 2)).view(), f32::max);
        let forces = Forces { push: Table::new(|_| 0.0), ..Forces::new(0.0) };
        let found = arrange(&set, start.clone(), &forces, 0, &Silent).unwrap();
        let mean = |places: &[[f32; 2]], d: usize| places.iter().map(|p| f64::from(p[d])).sum::<f64>() / n as f64;
        let spread = |places: &[[f32; 2]]| places.iter().map(|p| (p[0] - 5.0).abs()).sum::<f32>() / n as f32;
        assert!((0..2).all(|d| (mean(&start, d) - mean(&found, d)).abs() < 1e-3));
        assert!(spread(&found) < 0.5 * spread(&start), "{} {}", spread(&found), spread(&start));
    }
}
