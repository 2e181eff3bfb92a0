//! Which rows lie within a radius of which: every row against every other, in blocks.

use crate::distance::{squared_euclidean, squared_norm};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that a task takes at a time, and rows that they are compared with at a time.
const ROWS: usize = 64;
const PANEL: usize = 1024;

/// Rows ready to be compared.
pub(super) struct Within<'a> {
    rows: ArrayView2<'a, f32>,
    /// The rows less their mean, in f32: shorter, so that products round less.
    centred: Array2<f32>,
    norms: Vec<f64>,
}

impl<'a> Within<'a> {
    /// `rows` in standard layout.
    pub fn new(rows: ArrayView2<'a, f32>) -> Self {
        let mut mean = vec![0.0; rows.ncols()];
        rows.outer_iter().for_each(|row| mean.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v)));
        mean.iter_mut().for_each(|sum| *sum /= rows.nrows() as f64);
        let centred = Array2::from_shape_fn(rows.dim(), |(i, j)| (f64::from(rows[[i, j]]) - mean[j]) as f32);
        let norms = centred.outer_iter().map(|row| squared_norm(row.to_slice().expect("contiguous"))).collect();
        Self { rows, centred, norms }
    }

    /// Distance of two rows, in f64.
    fn distance(&self, i: usize, j: usize) -> f64 {
        let row = |i: usize| self.rows.row(i).to_slice().expect("rows are in standard layout");
        squared_euclidean(row(i), row(j)).sqrt()
    }

    /// Calls `found(i, j)`, from several threads, for all rows i and j that are wanted and no farther apart than
    /// `radius`; if `half`, for i < j alone. f32 products decide where their rounding leaves no doubt, f64 elsewhere.
    /// O(n^2 d).
    ///
    /// # Errors
    /// An interruption.
    pub fn each(
        &self,
        radius: f64,
        half: bool,
        wanted: impl Fn(usize) -> bool + Sync,
        found: impl Fn(usize, usize) + Sync,
        reporter: &dyn Reporter,
    ) -> Result<(), Interrupted> {
        let (n, d) = self.rows.dim();
        // The rounding of d products and of the rows' own centring, twice over; and of what f32 can't hold.
        let slack = 4.0 * (d + 8) as f64 * f64::from(f32::EPSILON);
        let least = d as f64 * f64::from(f32::MIN_POSITIVE);
        let squared = radius * radius;
        (0..n.div_ceil(ROWS)).into_par_iter().try_for_each(|block| {
            reporter.check()?;
            let rows = block * ROWS..n.min((block + 1) * ROWS);
            let mut products = Array2::<f32>::zeros((rows.len(), PANEL));
            let from = if half { rows.start } else { 0 };
            for start in (from..n).step_by(PANEL) {
                let panel = start..n.min(start + PANEL);
                let mut products = products.slice_axis_mut(Axis(1), (..panel.len()).into());
                let of = |rows: &Range<usize>| self.centred.slice_axis(Axis(0), rows.clone().into());
                let (a, b) = (of(&rows), of(&panel));
                ndarray::linalg::general_mat_mul(1.0, &a, &b.t(), 0.0, &mut products);
                for (i, products) in rows.clone().zip(products.axis_iter(Axis(0))).filter(|(i, _)| wanted(*i)) {
                    let own = self.norms[i];
                    for (j, &product) in panel.clone().zip(products) {
                        if half && j <= i {
                            continue;
                        }
                        let sum = own + self.norms[j];
                        let approximate = sum - 2.0 * f64::from(product);
                        let error = slack * sum + least;
                        let near = if !product.is_finite() || (approximate - squared).abs() <= error {
                            self.distance(i, j) <= radius
                        } else {
                            approximate < squared
                        };
                        if near && wanted(j) {
                            found(i, j);
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// For each of some rows the distance to its `nth` nearest row, itself counted, from 1. O(n d) a row.
    ///
    /// # Errors
    /// An interruption.
    pub fn nth_nearest(&self, some: &[usize], nth: usize, reporter: &dyn Reporter) -> Result<Vec<f64>, Interrupted> {
        let one = |&i: &usize| {
            reporter.check()?;
            let mut distances: Vec<f64> = (0..self.rows.nrows()).map(|j| self.distance(i, j)).collect();
            Ok(*distances.select_nth_unstable_by(nth - 1, f64::total_cmp).1)
        };
        some.par_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::sync::Mutex;

    #[test]
    fn rows_at_the_radius_are_within_it_whatever_products_say() {
        // Without one corner the mean is no number of f32, so that centred rows and their products are rounded.
        let x = Array2::from_shape_fn((398, 2), |(i, j)| 1e6 + if j == 0 { i / 20 } else { i % 20 } as f32);
        let within = Within::new(x.view());
        let found = Mutex::new(Vec::new());
        within.each(5.0, false, |_| true, |i, j| found.lock().unwrap().push((i, j)), &Silent).unwrap();
        let mut found = found.into_inner().unwrap();
        found.sort_unstable();
        let pairs = (0..398).flat_map(|i| (0..398).map(move |j| (i, j)));
        let is_near = |&(i, j): &(usize, usize)| (&x.row(i) - &x.row(j)).mapv(|v| v * v).sum() <= 25.0;
        assert_eq!(found, pairs.filter(is_near).collect::<Vec<_>>());
    }
}
