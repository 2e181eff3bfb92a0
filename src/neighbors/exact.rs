//! All pairs, a tile of 64 by 64 at a time: products in f32 tell which pairs may be near, and only those are measured.

use super::lists::{Lists, arrays, distance_of, index_of, key};
use super::rows::Rows;
use crate::distance::{Gram, Metric, TILE};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView2, Axis, Slice};
use rayon::prelude::*;
use std::ops::Range;

/// Rows laid out for products at a time.
const SPAN: usize = 128 * TILE;
/// Blocks of columns that all blocks of rows meet before the next: they stay in the shared cache.
const CHUNK: usize = 16;

/// The share of the rows' squared lengths that their mean may have and stay.
const MOST_IN_MEAN: f64 = 0.75;

/// The `k` nearest of `columns` to each of `rows`, and their distances; where no columns are given, the nearest other rows.
/// There must be `k`, 1 or more.
///
/// # Errors
/// An interruption.
pub(super) fn search(
    rows: &Rows<'_>,
    columns: Option<&Rows<'_>>,
    k: usize,
    reporter: &dyn Reporter,
) -> Result<(Array2<u32>, Array2<f32>), Interrupted> {
    let sweep = Sweep::new(rows, columns, k);
    let is_half = columns.is_none();
    let blocks = |rows: &Rows<'_>| rows.len().div_ceil(TILE) as u64;
    let total = if is_half { blocks(rows) * (blocks(rows) + 1) / 2 } else { blocks(rows) * blocks(sweep.columns) };
    reporter.begin("neighbours", Some(total));
    for first in (0..rows.len()).step_by(SPAN) {
        let span = sweep.span(rows, first);
        for other in (if is_half { first } else { 0 }..sweep.columns.len()).step_by(SPAN) {
            if is_half && other == first {
                sweep.meet(&span, &span, reporter)?;
            } else {
                sweep.meet(&span, &sweep.span(sweep.columns, other), reporter)?;
            }
        }
    }
    reporter.end();
    Ok(arrays(&sweep.lists.into_keys(), k))
}

struct Sweep<'a> {
    rows: &'a Rows<'a>,
    columns: &'a Rows<'a>,
    /// Whether the columns are the rows, and one tile serves both sides.
    is_half: bool,
    /// What is taken off all rows before they are multiplied by the scale, a power of two.
    mean: Vec<f64>,
    scale: f64,
    /// The share of two rows' squared lengths by which their squared distance may be larger than it is, plus 1.
    share: f64,
    lists: Lists,
}

/// Some blocks of rows, ready to be multiplied.
struct Span {
    /// Number of the first block among all.
    first: usize,
    gram: Gram,
    /// Of each row what is added to get a lower bound of its squared distances.
    norms: Vec<f32>,
}

impl Span {
    fn n_blocks(&self) -> usize {
        self.norms.len().div_ceil(TILE)
    }

    fn norms(&self, block: usize) -> &[f32] {
        &self.norms[block * TILE..self.norms.len().min((block + 1) * TILE)]
    }
}

impl<'a> Sweep<'a> {
    fn new(rows: &'a Rows<'a>, columns: Option<&'a Rows<'a>>, k: usize) -> Self {
        let lists = Lists::new(rows.len(), k);
        let is_half = columns.is_none();
        let columns = columns.unwrap_or(rows);
        let mean = origin(columns);
        let largest = |x: ArrayView2<'_, f32>| x.iter().fold(0f32, |most, v| most.max(v.abs()));
        let largest = f64::from(largest(rows.view()).max(largest(columns.view())));
        let scale = if largest > 0.0 { (-(2.0 * largest).log2().ceil()).exp2() } else { 1.0 };
        let share = 1.0 - Gram::rounding(mean.len()) - 16.0 * f64::from(f32::EPSILON);
        Self { rows, columns, is_half, mean, scale, share, lists }
    }

    fn span(&self, rows: &Rows<'_>, first: usize) -> Span {
        let end = rows.len().min(first + SPAN);
        let values = rows.view();
        let (gram, norms) = Gram::scaled(values.slice_axis(Axis(0), Slice::from(first..end)), &self.mean, self.scale);
        // What f32 can't hold.
        let least = self.mean.len() as f64 * f64::from(f32::MIN_POSITIVE);
        let bound = |(row, &norm): (usize, &f64)| {
            let norm = if rows.is_lost(row) { self.scale * self.scale } else { norm };
            (norm * self.share - least) as f32
        };
        Span { first: first / TILE, norms: (first..).zip(&norms).map(bound).collect(), gram }
    }

    /// All rows of one span with all of another.
    fn meet(&self, span: &Span, others: &Span, reporter: &dyn Reporter) -> Result<(), Interrupted> {
        for first in (0..others.n_blocks()).step_by(CHUNK) {
            let chunk = first..others.n_blocks().min(first + CHUNK);
            (0..span.n_blocks()).into_par_iter().try_for_each_init(Tile::default, |tile, block| {
                reporter.check()?;
                let least = if self.is_half && span.first == others.first { block } else { 0 };
                let chunk = chunk.start.max(least).min(chunk.end)..chunk.end;
                // Not all begin with the same columns, whose lists they would wait for.
                for other in rotated(chunk.clone(), block) {
                    span.gram.tile(block, &others.gram, other, &mut tile.values);
                    self.take(tile, (span, block), (others, other));
                }
                reporter.advance(chunk.len() as u64);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Looks through a tile of products for neighbours.
    fn take(&self, tile: &mut Tile, (span, block): (&Span, usize), (others, other): (&Span, usize)) {
        let (own, theirs) = (span.norms(block), others.norms(other));
        tile.bounds(own, theirs);
        let (row, column) = ((span.first + block) * TILE, (others.first + other) * TILE);
        let is_diagonal = self.is_half && row == column;
        for r in 0..own.len() {
            let bounds = &tile.values[r * TILE..][..theirs.len()];
            let (row, skipped) = (row + r, is_diagonal.then_some(r));
            self.look(self.rows, row, tile.row_least[r], column, bounds.iter().copied(), skipped);
        }
        if self.is_half && !is_diagonal {
            for c in 0..theirs.len() {
                let bounds = tile.values[c..].iter().step_by(TILE).take(own.len());
                self.look(self.columns, column + c, tile.column_least[c], row, bounds.copied(), None);
            }
        }
    }

    /// Looks for neighbours of one row among those from `first` on, by the lower bounds of their squared distances.
    fn look(
        &self,
        rows: &Rows<'_>,
        row: usize,
        least: f32,
        first: usize,
        bounds: impl Iterator<Item = f32>,
        skipped: Option<usize>,
    ) {
        let mut reach = self.reach(row, first);
        if least > reach {
            return;
        }
        for (other, bound) in bounds.enumerate() {
            if bound <= reach && skipped != Some(other) {
                let distance = rows.distance(row, self.columns, first + other);
                self.lists.offer(row, key(distance, first + other), |_| false);
                reach = self.reach(row, first);
            }
        }
    }

    /// The most that the lower bound of a neighbour's squared distance may be, whose number is `first` or more.
    fn reach(&self, row: usize, first: usize) -> f32 {
        let Some(last) = self.lists.last(row) else { return f32::INFINITY };
        let distance = distance_of(last);
        // Everything between two numbers of f32 is rounded to the nearer.
        let other = if index_of(last) < first { distance.next_down() } else { distance.next_up() };
        if other < 0.0 {
            return f32::NEG_INFINITY;
        }
        let middle = (f64::from(distance) + f64::from(other)) / 2.0;
        ((self.rows.squared(middle) * self.scale * self.scale) as f32).next_up()
    }
}

/// What is worth taking off all rows: their mean, where without it products would drown in its square; otherwise nothing,
/// so that zeros stay zeros, which cost nothing.
fn origin(rows: &Rows<'_>) -> Vec<f64> {
    let mut mean = vec![0.0; rows.n_features()];
    // Unit rows have no need of it, and those without direction stay apart from all others.
    if rows.metric() == Metric::Euclidean {
        let mut total = 0.0;
        for row in rows.view().outer_iter() {
            for (sum, &value) in mean.iter_mut().zip(row) {
                *sum += f64::from(value);
                total += f64::from(value) * f64::from(value);
            }
        }
        let n = rows.len() as f64;
        mean.iter_mut().for_each(|sum| *sum /= n);
        let of_mean = n * mean.iter().map(|value| value * value).sum::<f64>();
        if of_mean < MOST_IN_MEAN * total {
            mean.fill(0.0);
        }
    }
    mean
}

/// The numbers of a range, from another start.
fn rotated(range: Range<usize>, by: usize) -> impl Iterator<Item = usize> {
    let Range { start, end } = range;
    let middle = start + by % (end - start).max(1);
    (middle..end).chain(start..middle)
}

/// Products of rows with columns, then lower bounds of their squared distances.
struct Tile {
    values: Vec<f32>,
    row_least: [f32; TILE],
    column_least: [f32; TILE],
}

impl Default for Tile {
    fn default() -> Self {
        Self { values: vec![0.0; TILE * TILE], row_least: [0.0; TILE], column_least: [0.0; TILE] }
    }
}

impl Tile {
    /// From products to bounds, and the least of each row and column.
    fn bounds(&mut self, rows: &[f32], columns: &[f32]) {
        let mut padded = [f32::INFINITY; TILE];
        padded[..columns.len()].copy_from_slice(columns);
        pulp::Arch::new().dispatch(Bounds { tile: self, rows, columns: &padded });
    }
}

struct Bounds<'a> {
    tile: &'a mut Tile,
    rows: &'a [f32],
    columns: &'a [f32; TILE],
}

impl pulp::WithSimd for Bounds<'_> {
    type Output = ();

    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { tile, rows, columns } = self;
        let mut column_least = [f32::INFINITY; TILE];
        let values = tile.values.as_chunks_mut::<TILE>().0;
        for r in 0..rows.len() {
            let mut least = [f32::INFINITY; 16];
            let (row, values) = (rows[r], &mut values[r]);
            for start in (0..TILE).step_by(16) {
                for lane in 0..16 {
                    let c = start + lane;
                    let bound = row + columns[c] - 2.0 * values[c];
                    values[c] = bound;
                    least[lane] = if bound < least[lane] { bound } else { least[lane] };
                    column_least[c] = if bound < column_least[c] { bound } else { column_least[c] };
                }
            }
            let mut all = least[0];
            for lane in 1..16 {
                all = if least[lane] < all { least[lane] } else { all };
            }
            tile.row_least[r] = all;
        }
        tile.column_least = column_least;
    }
}
