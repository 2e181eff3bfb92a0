//! Distances and norms of f32 rows, summed in f64 in a fixed order, and products of matrices.

mod directions;
mod gram;
mod kernel;
mod product;
mod scatter;
pub mod sparse;

pub(crate) use directions::as_seen;
pub(crate) use gram::{Gram, TILE};
pub use kernel::Element;
pub(crate) use product::Packed;
pub use product::product;
pub(crate) use scatter::{Scatter, scatter};

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

/// How far rows are from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Straight-line distance.
    Euclidean,
    /// 1 - cosine similarity.
    Cosine,
}

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
    fold::<SQUARES>(a, b)
}

/// Inner product; O(n_features).
///
/// # Panics
/// If the lengths differ.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    fold::<PRODUCTS>(a, b)
}

/// Squared euclidean norm of a row.
pub fn squared_norm(a: &[f32]) -> f64 {
    dot(a, a)
}

/// Terms that are summed side by side.
const LANES: usize = 16;
/// The terms of a [`Fold`].
const SQUARES: bool = true;
const PRODUCTS: bool = false;

fn fold<const TERMS: bool>(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "rows of different length");
    pulp::Arch::new().dispatch(Fold::<TERMS>(a, b))
}

/// The sum of squared differences or of products, in sixteen lanes, which the compiler turns into the machine's widest
/// vector code. The order of the sum, and so its bits, are the same on every machine.
struct Fold<'a, const TERMS: bool>(&'a [f32], &'a [f32]);

impl<const TERMS: bool> pulp::WithSimd for Fold<'_, TERMS> {
    type Output = f64;

    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        let Self(a, b) = self;
        let mut lanes = [0f64; LANES];
        let whole = a.len() / LANES * LANES;
        let mut at = 0;
        while at < whole {
            let (x, y) = (&a[at..at + LANES], &b[at..at + LANES]);
            for lane in 0..LANES {
                let (x, y) = (x[lane] as f64, y[lane] as f64);
                lanes[lane] += if TERMS { (x - y) * (x - y) } else { x * y };
            }
            at += LANES;
        }
        let mut sum = 0.0;
        for i in whole..a.len() {
            let (x, y) = (a[i] as f64, b[i] as f64);
            sum += if TERMS { (x - y) * (x - y) } else { x * y };
        }
        for lane in 0..LANES {
            sum += lanes[lane];
        }
        sum
    }
}

/// The squared norm of every row.
pub fn squared_norms(rows: ArrayView2<'_, f32>) -> Vec<f64> {
    let rows = rows.axis_iter(Axis(0)).into_par_iter();
    rows.map(|row| squared_norm(row.as_slice().expect("rows are contiguous"))).collect()
}
