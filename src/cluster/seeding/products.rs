//! Inner products of rows with a few vectors, in f32: what the sieve of k-means++ spends its time in.
//!
//! Unlike the products of the [`kernel`](super::super::kernel) these need no rearranged copy of the rows, which for
//! five or ten vectors would cost more than the products.

use pulp::{Simd, WithSimd};

/// Vectors multiplied at a time: their sums stay in registers.
const GROUP: usize = 4;

/// The products of each of `rows` with each of `vectors`.
pub(super) struct Products<'a> {
    pub rows: &'a [&'a [f32]],
    /// Shape (n_vectors, n_features).
    pub vectors: &'a [f32],
    pub n_features: usize,
    /// Shape (n_rows, n_vectors).
    pub products: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, vectors, n_features, products } = self;
        let n_vectors = vectors.len() / n_features;
        for (row, products) in rows.iter().zip(products.chunks_exact_mut(n_vectors)) {
            for (vectors, products) in vectors.chunks(GROUP * n_features).zip(products.chunks_mut(GROUP)) {
                match products.len() {
                    1 => group::<S, 1>(simd, row, vectors, products),
                    2 => group::<S, 2>(simd, row, vectors, products),
                    3 => group::<S, 3>(simd, row, vectors, products),
                    _ => group::<S, GROUP>(simd, row, vectors, products),
                }
            }
        }
    }
}

// Plain loops: sums that an iterator hands out don't stay in registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn group<S: Simd, const N: usize>(simd: S, row: &[f32], vectors: &[f32], products: &mut [f32]) {
    let n_features = row.len();
    let (whole, rest) = S::as_simd_f32s(row);
    let mut vectors_whole: [&[S::f32s]; N] = [&[]; N];
    let mut vectors_rest: [&[f32]; N] = [&[]; N];
    for v in 0..N {
        let (whole_of, rest_of) = S::as_simd_f32s(&vectors[v * n_features..][..n_features]);
        (vectors_whole[v], vectors_rest[v]) = (&whole_of[..whole.len()], &rest_of[..rest.len()]);
    }
    let mut sums = [simd.splat_f32s(0.0); N];
    for j in 0..whole.len() {
        for v in 0..N {
            sums[v] = simd.mul_add_e_f32s(whole[j], vectors_whole[v][j], sums[v]);
        }
    }
    for v in 0..N {
        let mut sum = simd.reduce_sum_f32s(sums[v]);
        for j in 0..rest.len() {
            sum += rest[j] * vectors_rest[v][j];
        }
        products[v] = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_a_plain_loop_with_any_instructions() {
        for (n_rows, n_vectors, n_features) in [(1, 1, 1), (5, 7, 64), (3, 4, 50), (2, 10, 33), (4, 3, 7)] {
            let value = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f32 / 8.0 - 1.0;
            let rows: Vec<Vec<f32>> = (0..n_rows).map(|i| (0..n_features).map(|j| value(i, j)).collect()).collect();
            let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
            let vectors: Vec<f32> = (0..n_vectors * n_features).map(|at| value(at, at / 3)).collect();
            let run = |wide: bool| {
                let mut products = vec![0.0; n_rows * n_vectors];
                let work = Products { rows: &rows, vectors: &vectors, n_features, products: &mut products };
                if wide {
                    pulp::Arch::new().dispatch(work)
                } else {
                    work.with_simd(pulp::Scalar)
                }
                products
            };
            for products in [run(true), run(false)] {
                for (at, product) in products.into_iter().enumerate() {
                    let vector = &vectors[at % n_vectors * n_features..][..n_features];
                    let expected: f32 = rows[at / n_vectors].iter().zip(vector).map(|(a, b)| a * b).sum();
                    assert!((product - expected).abs() < 1e-4, "{product} {expected}");
                }
            }
        }
    }
}
