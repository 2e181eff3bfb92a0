//! What reducers ask of rows, dense or sparse.

use super::ReduceError;
use crate::collection::{Csr, Features, sparse_row};
use crate::distance::{self, BLOCK_ROWS, product, sparse::Panels, squared_norm};
use ndarray::{Array2, ArrayView2, Axis, Slice};
use rayon::prelude::*;
use std::ops::Range;

/// The products of the rows of `x` with `vectors`, shape (n_vectors, n_features).
pub(super) fn times(x: &Features<'_>, vectors: ArrayView2<'_, f32>) -> Array2<f32> {
    match x {
        Features::Dense(x) => product(x.view(), vectors.t()),
        Features::Sparse(x) => sparse_times(x, &Panels::new(vectors), 0..x.rows(), vectors.nrows()),
    }
}

/// The products of some rows of `x` with the first `n_vectors` of some vectors, in blocks of rows.
pub(super) fn sparse_times(x: &Csr, panels: &Panels, rows: Range<usize>, n_vectors: usize) -> Array2<f32> {
    let mut out = Array2::zeros((rows.len(), n_vectors));
    out.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).into_par_iter().enumerate().for_each(|(block, mut out)| {
        let first = rows.start + block * BLOCK_ROWS;
        let rows: Vec<usize> = (first..first + out.nrows()).collect();
        let mut wide = Array2::zeros((rows.len(), panels.width()));
        panels.products(x, &rows, wide.as_slice_mut().expect("a new matrix"));
        out.assign(&wide.slice_axis(Axis(1), Slice::from(..n_vectors)));
    });
    out
}

/// The squared length of each row.
pub(super) fn squared_norms(x: &Features<'_>) -> Vec<f64> {
    match x {
        Features::Dense(x) => distance::squared_norms(x.as_standard_layout().view()),
        Features::Sparse(x) => (0..x.rows()).into_par_iter().map(|row| squared_norm(sparse_row(x, row).1)).collect(),
    }
}

/// Longer rows have products that overflow f32.
pub(super) const LONGEST: f64 = 1e17;

/// Whether products of the rows in f32 stay finite.
///
/// # Errors
/// The first row that isn't finite, or that is too long.
pub(super) fn check(x: &Features<'_>) -> Result<(), ReduceError> {
    match squared_norms(x).into_iter().enumerate().find(|(_, norm)| norm.is_nan() || *norm > LONGEST * LONGEST) {
        Some((row, norm)) if norm.is_finite() => Err(ReduceError::TooLarge { row }),
        Some((row, _)) => Err(ReduceError::NotFinite { row }),
        None => Ok(()),
    }
}

/// The rows in blocks of at most `size`, each with its place.
pub(super) fn blocks<'a>(x: &'a Features<'_>, size: usize) -> impl Iterator<Item = (Range<usize>, Features<'a>)> {
    let n = x.dim().0;
    (0..n).step_by(size).map(move |start| {
        let rows = start..(start + size).min(n);
        let block = match x {
            Features::Dense(x) => x.slice_axis(Axis(0), rows.clone().into()).into(),
            Features::Sparse(x) => x.slice_outer(rows.clone()).to_owned().into(),
        };
        (rows, block)
    })
}
