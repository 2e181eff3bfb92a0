//! What is known of each row from one round of Lloyd's iteration to the next.

use super::Work;
use rayon::prelude::*;

/// Rows that a task takes at a time.
const BLOCK: usize = 4096;
/// More than what rounding to f32 takes of a value, or adds.
const ROUNDING: f64 = f32::EPSILON as f64;
/// The least f32 above 0: what rounding does to the smallest values.
pub(super) const LEAST: f64 = f32::from_bits(1) as f64;

/// An f32 that is no less, and hardly more.
#[inline(always)]
pub(super) fn up(value: f64) -> f32 {
    (value + value.abs() * ROUNDING + LEAST) as f32
}

/// An f32 that is no more, and hardly less.
#[inline(always)]
pub(super) fn down(value: f64) -> f32 {
    (value - value.abs() * ROUNDING - LEAST) as f32
}

/// What is known of each row from one round to the next.
pub(super) struct Bounds {
    /// The nearest centroid.
    pub labels: Vec<u32>,
    /// At least the distance to it.
    pub upper: Vec<f32>,
    /// At most the distance to any other.
    pub lower: Vec<f32>,
}

impl Bounds {
    /// Nothing known yet.
    pub fn new(n_rows: usize) -> Self {
        Self { labels: vec![u32::MAX; n_rows], upper: vec![f32::INFINITY; n_rows], lower: vec![0.0; n_rows] }
    }

    /// Widens the bounds by how far the centroid of each cluster has moved, at least.
    pub fn widen(&mut self, shifts: &[f64]) {
        let shifts: Vec<f32> = shifts.iter().map(|&shift| up(shift)).collect();
        // The cluster that moved farthest, how far, and how far the others at most.
        let farthest = shifts.iter().enumerate().fold((0, 0.0, 0.0), |(most, first, second), (c, &shift)| {
            if shift > first { (c, shift, first) } else { (most, first, shift.max(second)) }
        });
        let (most, first, second) = farthest;
        let rows = self.upper.par_iter_mut().zip(&mut self.lower).zip(&self.labels).with_min_len(BLOCK);
        rows.for_each(|((upper, lower), &label)| {
            let shift = shifts.get(label as usize).copied().unwrap_or(0.0);
            *upper = (*upper + shift).next_up();
            *lower = (*lower - if most == label as usize { second } else { first }).next_down();
        });
    }
}

/// A row that changed its cluster; `from` is `u32::MAX` if it had none.
#[derive(Clone, Copy)]
pub(super) struct Move {
    pub row: u32,
    pub from: u32,
}

/// What a round has found.
#[derive(Default)]
pub(super) struct Found {
    /// In the rows' order.
    pub moves: Vec<Move>,
    /// Rows with several nearest centroids.
    pub tied: Vec<u32>,
    pub work: Work,
}

impl std::iter::Sum for Found {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |mut all, part| {
            all.moves.extend(part.moves);
            all.tied.extend(part.tied);
            all.work += part.work;
            all
        })
    }
}
