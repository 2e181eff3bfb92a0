//! How far every row is from the nearest chosen one: what k-means++ and k-means|| draw by.
//!
//! Distances are those of f64, and sums run over blocks of fixed size, in order.

use super::super::rows::Points;
use super::{Draws, Sieve};
use crate::distance::BLOCK_ROWS;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// The squared distance of every row to the nearest chosen one.
pub(super) struct Potential<'a, D> {
    pub draws: &'a D,
    /// How often each row counts; `None`: once.
    masses: Option<&'a [f64]>,
    /// 0 for rows without a direction.
    squared: Vec<f64>,
    /// Sums of squares times masses, by block.
    sums: Vec<f64>,
}

/// Candidates for the next row.
pub(super) struct Candidates {
    rows: Vec<usize>,
    /// By how much each would lower the potential.
    gains: Vec<f64>,
    /// Of each row, bit t: whether candidate t is nearer than what was chosen before.
    nearer: Vec<u32>,
}

impl<'a, D: Draws> Potential<'a, D> {
    /// Nothing is chosen yet: all rows that have a direction are equally far.
    pub fn new(draws: &'a D, masses: Option<&'a [f64]>) -> Self {
        let n = draws.rows().len();
        let mut new = Self { draws, masses, squared: vec![0.0; n], sums: vec![0.0; n.div_ceil(BLOCK_ROWS)] };
        new.update(|i, _| if draws.rows().is_blank(i) { 0.0 } else { 1.0 });
        new
    }

    /// The sum over all rows.
    pub fn total(&self) -> f64 {
        self.sums.iter().sum()
    }

    pub fn squared(&self) -> &[f64] {
        &self.squared
    }

    /// Replaces the squared distance of every row by number.
    pub fn update(&mut self, new: impl Fn(usize, f64) -> f64 + Sync) {
        let masses = self.masses;
        let blocks = self.squared.par_chunks_mut(BLOCK_ROWS).zip(&mut self.sums).enumerate();
        blocks.for_each(|(block, (squared, sum))| {
            *sum = 0.0;
            for (i, squared) in (block * BLOCK_ROWS..).zip(squared) {
                *squared = new(i, *squared);
                *sum += *squared * masses.map_or(1.0, |masses| masses[i]);
            }
        });
    }

    /// A row, with a chance in proportion to its squared distance times its mass; `None` if no row is away from all
    /// that are chosen.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Option<usize> {
        // What rounding leaves over goes to the last block, and in it to the last row.
        let last = self.sums.iter().rposition(|&sum| sum > 0.0)?;
        let mut left = rng.random::<f64>() * self.total();
        let mut block = 0;
        while block < last && left >= self.sums[block] {
            left -= self.sums[block];
            block += 1;
        }
        let mut drawn = None;
        let squared = &self.squared[block * BLOCK_ROWS..];
        for (i, squared) in (block * BLOCK_ROWS..).zip(squared).take(BLOCK_ROWS).filter(|(_, s)| **s > 0.0) {
            drawn = Some(i);
            left -= squared * self.masses.map_or(1.0, |masses| masses[i]);
            if left < 0.0 {
                break;
            }
        }
        drawn
    }

    /// The first row is chosen.
    pub fn begin(&mut self, first: usize) {
        let draws = self.draws;
        self.update(|i, _| draws.between(i, first));
    }

    /// Finds to which rows each of up to 32 candidates is nearer than what was chosen before.
    pub fn compare(&self, candidates: &[usize]) -> Candidates {
        let sieve = self.draws.sieve(candidates);
        let n = candidates.len();
        let (mut gains, mut nearer) = (vec![0.0; self.sums.len() * n], vec![0; self.squared.len()]);
        let blocks = gains.par_chunks_exact_mut(n).zip(nearer.par_chunks_mut(BLOCK_ROWS)).enumerate();
        blocks.for_each_init(Vec::new, |products, (block, (gains, nearer))| {
            let first = block * BLOCK_ROWS;
            let rows = first..first + nearer.len();
            sieve.each(rows.clone(), &self.squared[rows], products, |i, t| {
                let (squared, between) = (self.squared[i], self.draws.between(i, candidates[t]));
                if between < squared {
                    nearer[i - first] |= 1 << t;
                    gains[t] += (squared - between) * self.masses.map_or(1.0, |masses| masses[i]);
                }
            });
        });
        let gains = (0..n).map(|t| gains.iter().skip(t).step_by(n).sum()).collect();
        Candidates { rows: candidates.to_vec(), gains, nearer }
    }

    /// The candidate that lowers the potential most is chosen, the first of equals.
    pub fn choose_best(&mut self, candidates: &Candidates) -> usize {
        let Candidates { rows: drawn, gains, nearer } = candidates;
        let best = (1..gains.len()).fold(0, |best, t| if gains[t] > gains[best] { t } else { best });
        let (draws, chosen) = (self.draws, drawn[best]);
        self.update(|i, squared| if nearer[i] >> best & 1 == 1 { draws.between(i, chosen) } else { squared });
        chosen
    }
}
