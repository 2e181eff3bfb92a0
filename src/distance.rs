//! Distances and norms of f32 rows, summed in f64 in a fixed order, and the product of blocks of rows.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows a task takes at a time. Fixed, so that sums don't depend on the number of threads.
pub const BLOCK_ROWS: usize = 256;

/// Squared euclidean distance; O(n_features).
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// assert_eq!(alike::distance::squared_euclidean(&[0.0, 3.0], &[4.0, 0.0]), 25.0);
/// ```
pub fn squared_euclidean(a: &[f32], b: &[f32]) -> f64 {
    folded(a, b, |x, y| (x - y) * (x - y))
}

/// Inner product; O(n_features).
///
/// # Panics
/// If the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    folded(a, b, |x, y| x * y)
}

/// Squared euclidean norm of a row.
pub fn squared_norm(a: &[f32]) -> f64 {
    dot(a, a)
}

/// Sums `term` over pairs in eight lanes, which the compiler turns into vector code.
fn folded(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    assert_eq!(a.len(), b.len(), "rows of different length");
    let mut lanes = [0f64; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(&x, &y)| term(x.into(), y.into())).sum();
    for (x, y) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += term(x[lane].into(), y[lane].into());
        }
    }
    lanes.iter().sum::<f64>() + tail
}

/// The squared norm of every row.
pub fn squared_norms(rows: ArrayView2<'_, f32>) -> Vec<f64> {
    let rows: Vec<_> = rows.outer_iter().collect();
    rows.par_iter().map(|r| squared_norm(r.as_slice().expect("rows are contiguous"))).collect()
}

/// The product of shapes (n, d) and (d, m), in parallel over blocks of rows; every thread count gives the same bits.
pub fn product<F: ndarray::LinalgScalar + Send + Sync>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>) -> Array2<F> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    out.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS)
        .into_par_iter()
        .zip(a.axis_chunks_iter(Axis(0), BLOCK_ROWS).into_par_iter())
        .for_each(|(mut out, a)| ndarray::linalg::general_mat_mul(F::one(), &a, &b, F::zero(), &mut out));
    out
}
