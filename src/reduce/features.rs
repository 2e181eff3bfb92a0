//! What reducers ask of rows, dense or sparse.

use super::ReduceError;
use crate::collection::{Csr, Features, sparse_row};
use crate::distance::{BLOCK_ROWS, product, sparse::Panels, squared_norm};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView2, Axis, Slice};
use rayon::prelude::*;

/// The products of the rows of `x` with `vectors`, shape (n_vectors, n_features).
pub(super) fn times(x: &Features<'_>, vectors: ArrayView2<'_, f32>) -> Array2<f32> {
    match x {
        Features::Dense(x) => product(x.view(), vectors.t()),
        Features::Sparse(x) => sparse_times(x, &Panels::new(vectors), 0..x.rows(), vectors.nrows()),
    }
}

/// The products of some rows of `x` with the first `n_vectors` of some vectors, in blocks of rows.
pub(super) fn sparse_times(x: &Csr, panels: &Panels, rows: std::ops::Range<usize>, n_vectors: usize) -> Array2<f32> {
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
        Features::Dense(x) => {
            let rows: Vec<_> = x.outer_iter().collect();
            rows.par_iter().map(|row| row.iter().map(|&v| f64::from(v).powi(2)).sum()).collect()
        }
        Features::Sparse(x) => (0..x.rows()).into_par_iter().map(|row| squared_norm(sparse_row(x, row).1)).collect(),
    }
}

/// Whether all values are finite.
///
/// # Errors
/// The first row with one that isn't.
pub(super) fn check_finite(x: &Features<'_>) -> Result<(), ReduceError> {
    let finite = |row: usize| match x {
        Features::Dense(x) => x.row(row).iter().all(|v| v.is_finite()),
        Features::Sparse(x) => sparse_row(x, row).1.iter().all(|v| v.is_finite()),
    };
    match (0..x.dim().0).find(|&row| !finite(row)) {
        Some(row) => Err(ReduceError::NotFinite { row }),
        None => Ok(()),
    }
}

/// The rows in blocks of at most `size`.
///
/// # Errors
/// An interruption.
pub(super) fn blocks(
    x: &Features<'_>,
    size: usize,
    reporter: &dyn Reporter,
    mut visit: impl FnMut(Features<'_>),
) -> Result<(), Interrupted> {
    let n = x.dim().0;
    for start in (0..n).step_by(size) {
        reporter.check()?;
        let end = (start + size).min(n);
        match x {
            Features::Dense(x) => visit(x.slice_axis(Axis(0), Slice::from(start..end)).into()),
            Features::Sparse(x) => visit(x.slice_outer(start..end).to_owned().into()),
        }
    }
    Ok(())
}
