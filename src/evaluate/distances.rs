//! All distances between points, a block of rows at a time, without ever holding the n x n matrix.
//!
//! |x - y|^2 = |x|^2 + |y|^2 - 2 x.y turns most of the work into matrix products. The difference cancels digits, so
//! the points are centred first and everything is done in f64: tight clusters far apart stay exact.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, Slice};
use rayon::prelude::*;

/// A tile of distances fills about half an L2 cache.
const ROWS: usize = 64;
const COLUMNS: usize = 512;
/// Squared distances below this share of the norms are rounding: f32 input doesn't resolve them either.
const ROUNDING: f64 = 1e-14;

/// Centred points with their squared norms.
pub(super) struct Points {
    data: Array2<f64>,
    norms: Array1<f64>,
}

impl Points {
    /// From the rows of `data`, shape (n_samples, n_features).
    pub fn new(data: ArrayView2<'_, f32>) -> Self {
        Self::centred(data.mapv(f64::from))
    }

    /// The same, from f64.
    pub fn centred(mut data: Array2<f64>) -> Self {
        if let Some(mean) = data.mean_axis(Axis(0)) {
            data -= &mean;
        }
        let norms = data.outer_iter().map(|row| row.dot(&row)).collect();
        Self { data, norms }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.data.nrows()
    }

    /// For every block of rows, the caller's own fold over all points: `start` makes its state, `step` is told point
    /// by point the distances to the block's rows, `finish` draws the result. Blocks run in parallel and come back
    /// in order; what happens within one doesn't depend on the number of threads.
    ///
    /// O(n^2 n_features), 256 kB a thread besides the state.
    pub fn fold_blocks<A, B: Send>(
        &self,
        start: impl Fn(Range<usize>) -> A + Sync,
        step: impl Fn(&mut A, usize, &[f64]) + Sync,
        finish: impl Fn(A) -> B + Sync,
    ) -> Vec<B> {
        let n = self.len();
        let blocks = (0..n.div_ceil(ROWS)).into_par_iter().map(|block| {
            let rows = block * ROWS..n.min((block + 1) * ROWS);
            let mut state = start(rows.clone());
            let mut tile = Array2::zeros((COLUMNS, rows.len()));
            for first in (0..n).step_by(COLUMNS) {
                let columns = first..n.min(first + COLUMNS);
                let mut tile = tile.slice_axis_mut(Axis(0), Slice::from(..columns.len()));
                self.distances(rows.clone(), columns.clone(), &mut tile);
                for (point, distances) in columns.zip(tile.outer_iter()) {
                    step(&mut state, point, distances.to_slice().expect("rows of a tile are contiguous"));
                }
            }
            finish(state)
        });
        blocks.collect()
    }

    /// Fills `tile` with the distances from `columns` (its rows) to `rows` (its columns).
    fn distances(&self, rows: Range<usize>, columns: Range<usize>, tile: &mut ArrayViewMut2<'_, f64>) {
        let part = |range: &Range<usize>| self.data.slice_axis(Axis(0), Slice::from(range.clone()));
        general_mat_mul(-2.0, &part(&columns), &part(&rows).t(), 0.0, tile);
        let norms = self.norms.slice_axis(Axis(0), Slice::from(rows));
        for (point, mut distances) in columns.zip(tile.outer_iter_mut()) {
            let norm = self.norms[point];
            distances.zip_mut_with(&norms, |value, other| {
                let sum = norm + other;
                let squared = *value + sum;
                *value = if squared > ROUNDING * sum { squared.sqrt() } else { 0.0 };
            });
        }
    }
}
