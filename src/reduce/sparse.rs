//! Moments and products of sparse rows for subspace iteration, without a dense copy of them.

use super::ReduceError;
use super::features::{check, sparse_times};
use super::moments::Moments;
use super::subspace::{self, BY_PASSES, Leading};
use crate::collection::{Csr, sparse_row};
use crate::distance::sparse::{PANEL, Panels};
use crate::progress::Reporter;
use ndarray::{Array1, Array2, Axis};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Rows between two checks for an interruption, whose products are summed in f32.
const BLOCK: usize = 8192;
/// Features that all rows of a block pass before the next: their sums stay in the cache meanwhile.
const FEATURES: usize = 8192;

/// The `count` leading eigenvectors of X'X for sparse rows X, or of the same for centred rows. Every round passes over
/// the rows once; memory beyond them some 5 w d f64 for w directions and d features.
pub(super) fn leading(
    x: &Csr,
    centred: bool,
    count: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Leading, ReduceError> {
    check(&x.into())?;
    let moments = moments(x);
    let means = centred.then(|| Array1::from(moments.means.clone()));
    let times = |q: &Array2<f64>| gram_times(x, means.as_ref(), q, reporter);
    let (values, vectors) = subspace::iterate(times, x.cols(), count, seed, &BY_PASSES, reporter)?;
    Ok(Leading { vectors, values, moments })
}

/// Of the columns, zeros counted.
fn moments(x: &Csr) -> Moments {
    let n = x.rows() as f64;
    let (mut sums, mut squares) = (vec![0f64; x.cols()], vec![0f64; x.cols()]);
    for row in 0..x.rows() {
        let (columns, values) = sparse_row(x, row);
        for (&column, &value) in columns.iter().zip(values) {
            let value = f64::from(value);
            sums[column as usize] += value;
            squares[column as usize] += value * value;
        }
    }
    let squares = squares.iter().zip(&sums).map(|(square, sum)| (square - sum * sum / n).max(0.0)).collect();
    Moments { means: sums.iter().map(|sum| sum / n).collect(), squares }
}

/// (X q')' X for q of shape (m, d), X less its means if there are any.
fn gram_times(
    x: &Csr,
    means: Option<&Array1<f64>>,
    q: &Array2<f64>,
    reporter: &dyn Reporter,
) -> Result<Array2<f64>, ReduceError> {
    let (m, d) = q.dim();
    let panels = Panels::new(q.mapv(|v| v as f32).view());
    // (X - 1 m') q = X q - 1 (m'q): what is summed below is no larger than the spread, which keeps its digits.
    let shift = means.map(|means| q.dot(means).mapv(|v| v as f32));
    let mut total = Array1::<f64>::zeros(m);
    let mut out = Array2::<f64>::zeros((m, d));
    let mut sums: Vec<Vec<[f32; PANEL]>> = (0..m.div_ceil(PANEL)).map(|_| vec![[0.0; PANEL]; d]).collect();
    for first in (0..x.rows()).step_by(BLOCK) {
        reporter.check()?;
        let rows = first..(first + BLOCK).min(x.rows());
        let mut projected = sparse_times(x, &panels, rows.clone(), m);
        if let Some(shift) = &shift {
            projected -= shift;
            projected.outer_iter().for_each(|row| total.zip_mut_with(&row, |sum, &v| *sum += f64::from(v)));
        }
        let parts = out.axis_chunks_iter_mut(Axis(0), PANEL).into_par_iter();
        let projections = projected.axis_chunks_iter(Axis(1), PANEL).into_par_iter();
        parts.zip(projections).zip(&mut sums).for_each(|((mut out, projected), sums)| {
            let mut factors = vec![[0.0; PANEL]; rows.len()];
            for (to, row) in factors.iter_mut().zip(projected.outer_iter()) {
                to.iter_mut().zip(row).for_each(|(to, &value)| *to = value);
            }
            pulp::Arch::new().dispatch(AddRows { x, first, factors: &factors, sums });
            for (sums, mut out) in sums.chunks(64).zip(out.axis_chunks_iter_mut(Axis(1), 64)) {
                for (c, mut out) in out.outer_iter_mut().enumerate() {
                    out.iter_mut().zip(sums).for_each(|(out, sums)| *out += f64::from(sums[c]));
                }
            }
            sums.fill([0.0; PANEL]);
        });
    }
    if let Some(means) = means {
        for (mut out, total) in out.outer_iter_mut().zip(total) {
            out.scaled_add(-total, means);
        }
    }
    Ok(out)
}

/// Adds to `sums`, by column, the values of rows of `x` from `first`, each times its row's factors.
struct AddRows<'a> {
    x: &'a Csr,
    first: usize,
    factors: &'a [[f32; PANEL]],
    sums: &'a mut [[f32; PANEL]],
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, first, factors, sums } = self;
        let mut starts = vec![0; factors.len()];
        for limit in (FEATURES..sums.len() + FEATURES).step_by(FEATURES) {
            for (i, factors) in factors.iter().enumerate() {
                let factors = S::as_simd_f32s(factors).0;
                let (columns, values) = sparse_row(x, first + i);
                let (columns, values) = (&columns[starts[i]..], &values[starts[i]..]);
                let mut at = 0;
                for v in (0..factors.len()).step_by(2) {
                    let (left, right) = (factors[v], factors[v + 1]);
                    at = 0;
                    while at < columns.len() && (columns[at] as usize) < limit {
                        let value = simd.splat_f32s(values[at]);
                        let sums = S::as_mut_simd_f32s(&mut sums[columns[at] as usize]).0;
                        sums[v] = simd.mul_add_e_f32s(value, left, sums[v]);
                        sums[v + 1] = simd.mul_add_e_f32s(value, right, sums[v + 1]);
                        at += 1;
                    }
                }
                starts[i] += at;
            }
        }
    }
}
