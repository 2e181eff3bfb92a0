//! Products of sparse rows with dense vectors, 32 vectors at a time.
//!
//! The vectors lie feature by feature, so that a value of a row meets 32 of them in one load, and the values that a row
//! doesn't have cost nothing. `pulp` picks the widest instructions of the machine at run time.

use crate::collection::{Csr, sparse_row};
use ndarray::ArrayView2;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Vectors of a panel.
pub const PANEL: usize = 32;
/// Features that are laid out at a time.
const FEATURES: usize = 512;
/// Features that all rows pass before the next: 1 MiB of a panel, which stay in the cache meanwhile.
const STRETCH: usize = 8192;
/// Values of a row that are summed before their sum joins the row's, and how many sums that is spread over.
const BLOCK: usize = 64;
const SUMS: usize = 4;
/// Half a unit in the last place of 1, and the least f32 above 0.
const HALF_ULP: f64 = (f32::EPSILON / 2.0) as f64;
const LEAST: f64 = f32::from_bits(1) as f64;

/// Vectors laid out to be multiplied with sparse rows; the last panel is filled up with zeros.
pub struct Panels {
    /// Of panel p, feature j: the values of its 32 vectors from (p * n_features + j) * 32.
    values: Vec<f32>,
    n_features: usize,
    n_panels: usize,
}

impl Panels {
    /// Lays out `vectors`, shape (n_vectors, n_features).
    pub fn new(vectors: ArrayView2<'_, f32>) -> Self {
        let (n_vectors, n_features) = vectors.dim();
        let mut panels = Self::zeros(n_vectors, n_features);
        let values = panels.values.par_chunks_mut((n_features * PANEL).max(1)).enumerate();
        values.for_each(|(p, panel)| {
            let first = p * PANEL;
            panel.par_chunks_mut(FEATURES * PANEL).enumerate().for_each(|(at, block)| {
                for c in first..n_vectors.min(first + PANEL) {
                    let vector = vectors.row(c);
                    let part = vector.iter().skip(at * FEATURES);
                    block.iter_mut().skip(c - first).step_by(PANEL).zip(part).for_each(|(to, &value)| *to = value);
                }
            });
        });
        panels
    }

    /// Lays out the rows of `x` with these numbers.
    pub fn of_rows(x: &Csr, rows: impl ExactSizeIterator<Item = usize>) -> Self {
        let mut panels = Self::zeros(rows.len(), x.cols());
        for (slot, row) in rows.enumerate() {
            let panel = &mut panels.values[slot / PANEL * PANEL * x.cols()..];
            let (columns, values) = sparse_row(x, row);
            for (&column, &value) in columns.iter().zip(values) {
                panel[column as usize * PANEL + slot % PANEL] = value;
            }
        }
        panels
    }

    fn zeros(n_vectors: usize, n_features: usize) -> Self {
        let n_panels = n_vectors.div_ceil(PANEL);
        Self { values: vec![0.0; n_panels * PANEL * n_features], n_features, n_panels }
    }

    /// Products that a row has: the number of vectors, filled up to whole panels.
    pub fn width(&self) -> usize {
        self.n_panels * PANEL
    }

    /// The products of `rows` of `x` with all vectors, in f32, to `out`, shape (rows, [`width`](Self::width)). O(values
    /// of the rows x width). Best for some hundred rows at a time, which share what the cache holds of the vectors.
    ///
    /// # Panics
    /// If `out` is of another size, or a row has a column beyond the vectors' features.
    pub fn products(&self, x: &Csr, rows: &[usize], out: &mut [f32]) {
        assert_eq!(out.len(), rows.len() * self.width(), "room for each product");
        assert_eq!(x.cols(), self.n_features, "vectors of the rows' features");
        pulp::Arch::new().dispatch(Products { panels: self, x, rows, out });
    }

    /// How far such a product may be from the exact one: of a row with `n_values` and length `row` with a vector of length
    /// `vector` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 4.2).
    pub fn rounding(&self, n_values: usize, row: f64, vector: f64) -> f64 {
        let blocks = n_values.div_ceil(BLOCK) + n_values.min(self.n_features.div_ceil(STRETCH));
        let additions = BLOCK / SUMS + 2 * SUMS + blocks;
        1.001 * additions as f64 * HALF_ULP * row * vector + n_values as f64 * LEAST
    }
}

struct Products<'a> {
    panels: &'a Panels,
    x: &'a Csr,
    rows: &'a [usize],
    out: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { panels, x, rows, out } = self;
        let width = panels.width();
        let size = PANEL * panels.n_features;
        out.fill(0.0);
        let mut starts = vec![0; rows.len()];
        for p in 0..panels.n_panels {
            let panel = S::as_simd_f32s(&panels.values[p * size..][..size]).0;
            starts.fill(0);
            for stretch in (0..panels.n_features).step_by(STRETCH) {
                for (i, &row) in rows.iter().enumerate() {
                    let (columns, values) = sparse_row(x, row);
                    let out = S::as_mut_simd_f32s(&mut out[i * width + p * PANEL..][..PANEL]).0;
                    let end = u32::try_from(stretch + STRETCH).unwrap_or(u32::MAX);
                    let (columns, values) = (&columns[starts[i]..], &values[starts[i]..]);
                    starts[i] += add(simd, columns, values, end, panel, out);
                }
            }
        }
    }
}

/// Adds the products of a row's values in columns before `limit` with the vectors of a panel; the number of them.
// Plain loops: sums that an iterator hands out don't stay in registers.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn add<S: Simd>(simd: S, columns: &[u32], values: &[f32], limit: u32, panel: &[S::f32s], out: &mut [S::f32s]) -> usize {
    let lanes = out.len();
    let mut at = 0;
    for v in (0..lanes).step_by(2) {
        let mut total = [out[v], out[v + 1]];
        at = 0;
        while at < columns.len() && columns[at] < limit {
            let mut end = columns.len().min(at + BLOCK);
            while columns[end - 1] >= limit {
                end -= 1;
            }
            let (columns, values) = (&columns[at..end], &values[at..end]);
            let mut sums = [[simd.splat_f32s(0.0); 2]; SUMS];
            let (fours, rest) = columns.as_chunks::<SUMS>();
            let (by_four, others) = values.as_chunks::<SUMS>();
            for t in 0..by_four.len() {
                for s in 0..SUMS {
                    let value = simd.splat_f32s(by_four[t][s]);
                    let from = fours[t][s] as usize * lanes + v;
                    let vectors = &panel[from..from + 2];
                    sums[s][0] = simd.mul_add_e_f32s(value, vectors[0], sums[s][0]);
                    sums[s][1] = simd.mul_add_e_f32s(value, vectors[1], sums[s][1]);
                }
            }
            for t in 0..others.len() {
                let value = simd.splat_f32s(others[t]);
                let from = rest[t] as usize * lanes + v;
                let vectors = &panel[from..from + 2];
                sums[0][0] = simd.mul_add_e_f32s(value, vectors[0], sums[0][0]);
                sums[0][1] = simd.mul_add_e_f32s(value, vectors[1], sums[0][1]);
            }
            for half in 0..2 {
                let left = simd.add_f32s(sums[0][half], sums[1][half]);
                let right = simd.add_f32s(sums[2][half], sums[3][half]);
                total[half] = simd.add_f32s(total[half], simd.add_f32s(left, right));
            }
            at = end;
        }
        (out[v], out[v + 1]) = (total[0], total[1]);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn products_are_those_of_a_plain_loop_within_their_rounding() {
        for (n_rows, n_vectors, n_features, every) in
            [(1, 1, 1, 1), (5, 33, 700, 2), (7, 64, 15_000, 5), (3, 2, 90, 97)]
        {
            let value = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f32 / 8.0 - 1.1;
            let dense = Array2::from_shape_fn((n_rows, n_features), |(i, j)| {
                if (i + j).is_multiple_of(every) { value(i, j) } else { 0.0 }
            });
            let vectors = Array2::from_shape_fn((n_vectors, n_features), |(i, j)| value(i + 7, 2 * j));
            let x = Csr::csr_from_dense(dense.view(), 0.0);
            let panels = Panels::new(vectors.view());
            let rows: Vec<usize> = (0..n_rows).collect();
            let run = |wide: bool| {
                let mut out = vec![f32::NAN; n_rows * panels.width()];
                match wide {
                    true => panels.products(&x, &rows, &mut out),
                    false => Products { panels: &panels, x: &x, rows: &rows, out: &mut out }.with_simd(pulp::Scalar),
                }
                out
            };
            let length = |row: ndarray::ArrayView1<'_, f32>| crate::distance::squared_norm(&row.to_vec()).sqrt();
            for out in [run(true), run(false)] {
                for (i, row) in dense.outer_iter().enumerate() {
                    for (c, vector) in vectors.outer_iter().enumerate() {
                        let exact: f64 = row.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                        let bound = panels.rounding(sparse_row(&x, i).0.len(), length(row), length(vector));
                        assert!((f64::from(out[i * panels.width() + c]) - exact).abs() <= bound);
                    }
                }
            }
            let of_rows = Panels::of_rows(&x, rows.iter().copied());
            assert_eq!(of_rows.values, Panels::new(dense.view()).values);
        }
    }
}
