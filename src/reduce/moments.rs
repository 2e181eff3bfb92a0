//! Mean and spread of each column of some rows.

use super::ReduceError;
use super::features::{LONGEST, check};
use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows summed at a stretch. Fixed, so that sums don't depend on the number of threads.
const STRIPE: usize = 2048;

/// Of each column.
pub(super) struct Moments {
    pub means: Vec<f64>,
    /// Sums of squared deviations.
    pub squares: Vec<f64>,
}

impl Moments {
    /// In one pass over `x`, around the first row, which costs no digits.
    ///
    /// # Errors
    /// As [`check`].
    pub fn of(x: ArrayView2<'_, f32>) -> Result<Self, ReduceError> {
        let n = x.nrows();
        let first: Vec<f32> = x.row(0).to_vec();
        let stripes: Vec<_> = x.axis_chunks_iter(Axis(0), STRIPE).collect();
        let sums: Vec<Sums> = stripes
            .into_par_iter()
            .map(|rows| {
                let mut sums = Sums::new(x.ncols());
                let rows = rows.as_standard_layout();
                for row in rows.outer_iter() {
                    let row = row.to_slice().expect("rows are contiguous");
                    pulp::Arch::new().dispatch(Add { row, first: &first, sums: &mut sums });
                }
                sums
            })
            .collect();
        let mut total = Sums::new(x.ncols());
        for sums in sums {
            total.values.iter_mut().zip(sums.values).for_each(|(a, b)| *a += b);
            total.squares.iter_mut().zip(sums.squares).for_each(|(a, b)| *a += b);
        }
        let mean = |(sum, &first): (&f64, &f32)| f64::from(first) + sum / n as f64;
        let means = total.values.iter().zip(&first).map(mean).collect();
        let square = |(square, sum): (&f64, &f64)| (square - sum * sum / n as f64).max(0.0);
        let squares = total.squares.iter().zip(&total.values).map(square).collect();
        let moments = Self { means, squares };
        // Products in f32 are safe as long as every square is far below their limit.
        if !moments.second(n).all(|m| m < LONGEST * LONGEST) {
            check(&x.into())?;
        }
        Ok(moments)
    }

    /// From the diagonal of a scatter matrix of `x`.
    ///
    /// # Errors
    /// If the matrix is not finite: what is wrong with `x`.
    pub fn from_scatter(
        x: ArrayView2<'_, f32>,
        means: Vec<f64>,
        diagonal: ArrayView1<'_, f64>,
        centred: bool,
    ) -> Result<Self, ReduceError> {
        if diagonal.iter().any(|v| !v.is_finite()) {
            check(&x.into())?;
        }
        let n = x.nrows() as f64;
        let square = |(square, mean): (&f64, &f64)| if centred { *square } else { square - n * mean * mean }.max(0.0);
        let squares = diagonal.iter().zip(&means).map(square).collect();
        Ok(Self { means, squares })
    }

    /// The sum of squares of each column.
    fn second(&self, n: usize) -> impl Iterator<Item = f64> {
        self.means.iter().zip(&self.squares).map(move |(mean, squares)| squares + n as f64 * mean * mean)
    }
}

struct Sums {
    values: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    fn new(n: usize) -> Self {
        Self { values: vec![0.0; n], squares: vec![0.0; n] }
    }
}

struct Add<'a> {
    row: &'a [f32],
    first: &'a [f32],
    sums: &'a mut Sums,
}

impl pulp::WithSimd for Add<'_> {
    type Output = ();

    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let n = self.row.len();
        let (first, values, squares) = (&self.first[..n], &mut self.sums.values[..n], &mut self.sums.squares[..n]);
        for j in 0..n {
            let deviation = self.row[j] as f64 - first[j] as f64;
            values[j] += deviation;
            squares[j] += deviation * deviation;
        }
    }
}
