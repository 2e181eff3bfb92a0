//! All distances between points, a block of rows at a time, without ever holding the n x n matrix.
//!
//! |x - y|^2 = |x|^2 + |y|^2 - 2 x.y turns most of the work into matrix products. The difference cancels digits, so
//! the points are centred first and everything is done in f64: tight clusters far apart stay exact. Sparse points are
//! taken as they are, for centred they would be dense, and their products are f32.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayViewMut2, Axis, Slice};
use rayon::prelude::*;

use crate::collection::{Csr, Features, sparse_row};
use crate::distance::sparse::{PANEL, Panels};

/// A tile of distances fills about half an L2 cache.
const ROWS: usize = 64;
const COLUMNS: usize = 512;
/// Squared distances below this share of the norms are rounding: f32 input doesn't resolve them either.
const ROUNDING: f64 = 1e-14;

/// The same for products in f32.
const ROUNDING_F32: f64 = 1e-6;

/// Points with their squared norms.
pub(super) struct Points<'a> {
    data: Data<'a>,
    norms: Array1<f64>,
}

enum Data<'a> {
    /// Centred.
    Dense(Array2<f64>),
    Sparse(&'a Csr),
}

impl<'a> Points<'a> {
    /// From the rows of `data`, shape (n_samples, n_features).
    pub fn new(data: &'a Features<'_>) -> Self {
        match data {
            Features::Dense(data) => Self::centred(data.mapv(f64::from)),
            Features::Sparse(x) => {
                let norm = |i| sparse_row(x, i).1.iter().map(|&v| f64::from(v).powi(2)).sum();
                Self { data: Data::Sparse(x), norms: (0..x.rows()).map(norm).collect() }
            }
        }
    }

    /// From f64.
    pub fn centred(mut data: Array2<f64>) -> Self {
        if let Some(mean) = data.mean_axis(Axis(0)) {
            data -= &mean;
        }
        let norms = data.outer_iter().map(|row| row.dot(&row)).collect();
        Self { data: Data::Dense(data), norms }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// For every block of rows, the caller's own fold over all points: `start` makes its state, `step` is told point
    /// by point the distances to the block's rows, `finish` draws the result. Blocks run in parallel and come back
    /// in order; what happens within one doesn't depend on the number of threads.
    ///
    /// O(n^2 n_features), 256 kB a thread besides the state; for sparse points O(n) for each of their values, and 128
    /// bytes a feature.
    pub fn fold_blocks<A, B: Send>(
        &self,
        start: impl Fn(Range<usize>) -> A + Sync,
        step: impl Fn(&mut A, usize, &[f64]) + Sync,
        finish: impl Fn(A) -> B + Sync,
    ) -> Vec<B> {
        let n = self.len();
        let size = if matches!(self.data, Data::Sparse(_)) { PANEL } else { ROWS };
        let blocks = (0..n.div_ceil(size)).into_par_iter().map(|block| {
            let rows = block * size..n.min((block + 1) * size);
            let panels = match self.data {
                Data::Sparse(x) => Some(Panels::of_rows(x, rows.clone())),
                Data::Dense(_) => None,
            };
            let mut state = start(rows.clone());
            let mut tile = Array2::zeros((COLUMNS, rows.len()));
            for first in (0..n).step_by(COLUMNS) {
                let columns = first..n.min(first + COLUMNS);
                let mut tile = tile.slice_axis_mut(Axis(0), Slice::from(..columns.len()));
                match (&self.data, &panels) {
                    (Data::Dense(data), _) => multiply(data, rows.clone(), columns.clone(), &mut tile),
                    (Data::Sparse(x), panels) => {
                        let panels = panels.as_ref().expect("made above");
                        let mut products = vec![0.0; columns.len() * panels.width()];
                        panels.products(x, &columns.clone().collect::<Vec<_>>(), &mut products);
                        for (mut tile, products) in tile.outer_iter_mut().zip(products.chunks_exact(panels.width())) {
                            tile.iter_mut().zip(products).for_each(|(to, &product)| *to = -2.0 * f64::from(product));
                        }
                    }
                }
                self.distances(rows.clone(), columns.clone(), &mut tile);
                for (point, distances) in columns.zip(tile.outer_iter()) {
                    step(&mut state, point, distances.to_slice().expect("rows of a tile are contiguous"));
                }
            }
            finish(state)
        });
        blocks.collect()
    }

    /// Turns -2 times the products of `columns` (the tile's rows) with `rows` (its columns) into distances.
    fn distances(&self, rows: Range<usize>, columns: Range<usize>, tile: &mut ArrayViewMut2<'_, f64>) {
        let rounding = if matches!(self.data, Data::Sparse(_)) { ROUNDING_F32 } else { ROUNDING };
        let norms = self.norms.slice_axis(Axis(0), Slice::from(rows));
        for (point, mut distances) in columns.zip(tile.outer_iter_mut()) {
            let norm = self.norms[point];
            distances.zip_mut_with(&norms, |value, other| {
                let sum = norm + other;
                let squared = *value + sum;
                *value = if squared > rounding * sum { squared.sqrt() } else { 0.0 };
            });
        }
    }
}

/// Fills `tile` with -2 times the products of `columns` (its rows) with `rows` (its columns).
fn multiply(data: &Array2<f64>, rows: Range<usize>, columns: Range<usize>, tile: &mut ArrayViewMut2<'_, f64>) {
    let part = |range: Range<usize>| data.slice_axis(Axis(0), Slice::from(range));
    general_mat_mul(-2.0, &part(columns), &part(rows).t(), 0.0, tile);
}
