//! UMAP: uniform manifold approximation and projection (McInnes, Healy, Melville 2018).
//!
//! Places start as the first principal components, spread along the graph of neighbours, and are moved by stochastic
//! gradient descent with negative sampling. A row moves only its own place, from where the others of its block stood
//! before the block began, so that any number of threads gives the same. Of an edge both rows are pulled twice, once for
//! each direction, with the other pulls of the row in between.

use super::curve::{self, Table};
use super::mean;
use crate::collection::{Csr, sparse_row};
use crate::progress::{Interrupted, Reporter};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows that move at a time.
const BLOCK: usize = 2048;
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

    /// One epoch of a row at `place`: pulled to all of `near`, and pushed off rows drawn from all `places`.
    #[inline(always)]
    fn visit<const D: usize>(
        &self,
        place: &mut [f32; D],
        near: &[u32],
        places: &[[f32; D]],
        step: f32,
        rng: &mut ChaCha8Rng,
    ) {
        let half = near.len() / 2;
        for (i, &to) in near.iter().enumerate() {
            shift(place, &force(place, &places[to as usize], &self.pull), step);
            let mut push = [0.0; D];
            for _ in 0..NEGATIVES {
                let other = (u64::from(rng.next_u32()) * places.len() as u64) >> 32;
                let term = force(place, &places[other as usize], &self.push);
                push.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
            }
            shift(place, &push, step);
            let to = near[(i + half) % near.len()];
            shift(place, &force(place, &places[to as usize], &self.pull), step);
        }
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

/// Whether an edge pulls in this epoch: evenly, in as large a share of them as it is sure.
fn pulls(epoch: usize, weight: f32) -> bool {
    ((epoch + 1) as f32 * weight) as u32 != (epoch as f32 * weight) as u32
}

/// Moves places to where `set` wants them.
pub(super) fn arrange<const D: usize>(
    set: &Csr,
    mut places: Vec<[f32; D]>,
    forces: &Forces,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<[f32; D]>, Interrupted> {
    let n = places.len();
    let largest = set.data().iter().copied().fold(0.0, f32::max);
    let n_epochs = if n > FEW { EPOCHS } else { EPOCHS_OF_FEW };
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut moved = vec![[0.0; D]; BLOCK.min(n)];
    reporter.begin("layout", Some(n_epochs as u64));
    for epoch in 0..n_epochs {
        reporter.check()?;
        let step = 1.0 - epoch as f32 / n_epochs as f32;
        for first in (0..n).step_by(BLOCK) {
            let moved = &mut moved[..BLOCK.min(n - first)];
            moved.par_chunks_mut(TASK).enumerate().for_each(|(task, moved)| {
                let first = first + task * TASK;
                let mut rng = rng.clone();
                rng.set_stream((epoch * n + first) as u64);
                let mut near = Vec::new();
                for (row, moved) in moved.iter_mut().enumerate().map(|(i, moved)| (first + i, moved)) {
                    let (to, weights) = sparse_row(set, row);
                    near.clear();
                    near.extend(to.iter().zip(weights).filter(|&(_, w)| pulls(epoch, w / largest)).map(|(&to, _)| to));
                    *moved = places[row];
                    forces.visit(moved, &near, &places, step, &mut rng);
                }
            });
            places[first..first + moved.len()].copy_from_slice(moved);
        }
        reporter.advance(1);
    }
    reporter.end();
    Ok(places)
}

/// The place of a new row among those of its neighbours, which it sees with some weights: each new row alone, so that it
/// gets the same one whatever the others.
pub(super) fn place<const D: usize>(near: &[u32], weights: &[f32], places: &[[f32; D]], forces: &Forces) -> [f32; D] {
    let mut place = mean(near, weights, places);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut some = Vec::new();
    for epoch in 0..PLACING_EPOCHS {
        let step = PLACING_STEP * (1.0 - epoch as f32 / PLACING_EPOCHS as f32);
        some.clear();
        some.extend(near.iter().zip(weights).filter(|&(_, &weight)| pulls(epoch, weight)).map(|(&to, _)| to));
        forces.visit(&mut place, &some, places, step, &mut rng);
    }
    place
}
