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

/// Terms that are summed side by side.
const LANES: usize = 16;

/// Sums `term` over pairs in sixteen lanes, which the compiler turns into the machine's widest vector code. The order of
/// the sum, and so its bits, are the same on every machine.
fn folded(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    assert_eq!(a.len(), b.len(), "rows of different length");
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut lanes = [0f64; LANES];
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
            for (x, y) in a.iter().zip(b) {
                for lane in 0..LANES {
                    lanes[lane] += term(x[lane].into(), y[lane].into());
                }
            }
            let tail: f64 = a_rest.iter().zip(b_rest).map(|(&x, &y)| term(x.into(), y.into())).sum();
            lanes.iter().sum::<f64>() + tail
        },
    )
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
