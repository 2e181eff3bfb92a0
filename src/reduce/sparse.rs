//! Moments and products of sparse rows for subspace iteration, without a dense copy of them.

use super::ReduceError;
use super::features::sparse_times;
use super::moments::Moments;
use super::subspace::{self, BY_PASSES, Leading};
use crate::collection::{Csr, sparse_row};
use crate::distance::sparse::{PANEL, Panels};
use crate::progress::Reporter;
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

/// Rows between two checks for an interruption, whose products are summed in f32.
const BLOCK: usize = 8192;

/// The `count` leading eigenvectors of X'X for sparse rows X, or of the same for centred rows. Every round passes over
/// the rows once; memory beyond them some 5 w d f64 for w directions and d features.
pub(super) fn leading(
    x: &Csr,
    centred: bool,
    count: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Leading, ReduceError> {
    let moments = moments(x)?;
    let means = centred.then(|| Array1::from(moments.means.clone()));
    let d = x.cols();
    let start = subspace::start(d, subspace::width(count).min(d), seed);
    let found = subspace::iterate(|q| gram_times(x, means.as_ref(), q, reporter), start, count, &BY_PASSES, reporter)?;
    let (values, vectors) = subspace::leading_of(found, count);
    Ok(Leading { vectors, values, moments })
}

/// Of the columns, zeros counted.
fn moments(x: &Csr) -> Result<Moments, ReduceError> {
    let n = x.rows() as f64;
    let (mut sums, mut squares) = (vec![0f64; x.cols()], vec![0f64; x.cols()]);
    for row in 0..x.rows() {
        let (columns, values) = sparse_row(x, row);
        for (&column, &value) in columns.iter().zip(values) {
            let value = f64::from(value);
            if !value.is_finite() {
                return Err(ReduceError::NotFinite { row });
            }
            sums[column as usize] += value;
            squares[column as usize] += value * value;
        }
    }
    let squares = squares.iter().zip(&sums).map(|(square, sum)| (square - sum * sum / n).max(0.0)).collect();
    Ok(Moments { means: sums.iter().map(|sum| sum / n).collect(), squares })
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
    let mut out = Array2::<f64>::zeros((m, d));
    let mut sums: Vec<Vec<[f32; PANEL]>> = (0..m.div_ceil(PANEL)).map(|_| vec![[0.0; PANEL]; d]).collect();
    for first in (0..x.rows()).step_by(BLOCK) {
        reporter.check()?;
        let rows = first..(first + BLOCK).min(x.rows());
        let projected = sparse_times(x, &panels, rows.clone(), m);
        let parts = out.axis_chunks_iter_mut(Axis(0), PANEL).into_par_iter();
        let projections = projected.axis_chunks_iter(Axis(1), PANEL).into_par_iter();
        parts.zip(projections).zip(&mut sums).for_each(|((mut out, projected), sums)| {
            for (row, projected) in rows.clone().zip(projected.outer_iter()) {
                let mut factors = [0.0; PANEL];
                factors.iter_mut().zip(projected).for_each(|(to, &value)| *to = value);
                let (columns, values) = sparse_row(x, row);
                pulp::Arch::new().dispatch(AddRow { columns, values, factors: &factors, sums });
            }
            for (c, mut out) in out.outer_iter_mut().enumerate() {
                out.iter_mut().zip(&*sums).for_each(|(out, sums)| *out += f64::from(sums[c]));
            }
            sums.fill([0.0; PANEL]);
        });
    }
    if let Some(means) = means {
        for (mut out, q) in out.outer_iter_mut().zip(q.outer_iter()) {
            out.scaled_add(-(x.rows() as f64) * q.dot(means), means);
        }
    }
    Ok(out)
}

/// Adds to `sums` each value of a row times the factors.
struct AddRow<'a> {
    columns: &'a [u32],
    values: &'a [f32],
    factors: &'a [f32; PANEL],
    sums: &'a mut [[f32; PANEL]],
}

impl pulp::WithSimd for AddRow<'_> {
    type Output = ();

    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let factors = *self.factors;
        let values = &self.values[..self.columns.len()];
        for i in 0..self.columns.len() {
            let sums = &mut self.sums[self.columns[i] as usize];
            for l in 0..PANEL {
                sums[l] += values[i] * factors[l];
            }
        }
    }
}
