//! The product of two matrices.

use super::kernel::{BUNDLE, Bundles, Element, Multiply, PANEL, STRETCH};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};
use rayon::prelude::*;

/// Rows a task takes at a time.
const ROWS: usize = 64;

/// The product of shapes (n, d) and (d, m), in parallel over blocks of rows or of columns; every thread count gives the
/// same bits, and a row gives the same bits alone as among others. Features that are zero in four rows at a time cost
/// nothing. All values must be finite. O(n d m); memory beyond the result that of the second matrix.
///
/// ```
/// let (a, b) = (ndarray::array![[1.0f32, 2.0]], ndarray::array![[3.0f32], [4.0]]);
/// assert_eq!(alike::distance::product(a.view(), b.view()), ndarray::array![[11.0]]);
/// ```
///
/// # Panics
/// If the inner lengths differ.
pub fn product<F: Element>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>) -> Array2<F> {
    Packed::new(b).product(a)
}

/// The second matrix of a product, laid out for the kernel.
pub(crate) struct Packed<F> {
    shape: (usize, usize),
    panels: Vec<Vec<[F; PANEL]>>,
}

impl<F: Element> Packed<F> {
    pub fn new(b: ArrayView2<'_, F>) -> Self {
        let panels: Vec<_> = b.axis_chunks_iter(Axis(1), PANEL).collect();
        Self { shape: b.dim(), panels: panels.into_par_iter().map(pack).collect() }
    }

    /// The product with the first matrix.
    pub fn product(&self, a: ArrayView2<'_, F>) -> Array2<F> {
        let (n, m) = (a.nrows(), self.shape.1);
        assert_eq!(a.ncols(), self.shape.0, "matrices of shapes {:?} and {:?}", a.dim(), self.shape);
        let mut out = Array2::zeros((n, m));
        if a.is_empty() || m == 0 {
            return out;
        }
        // A few rows are shared out by columns.
        let group = if n.div_ceil(ROWS) < self.panels.len() { 1 } else { self.panels.len() };
        let mut tasks = Vec::new();
        for (mut out, a) in out.axis_chunks_iter_mut(Axis(0), ROWS).zip(a.axis_chunks_iter(Axis(0), ROWS)) {
            for panels in self.panels.chunks(group) {
                let width = (group * PANEL).min(out.ncols());
                let (to, rest) = out.split_at(Axis(1), width);
                tasks.push((a, panels, to));
                out = rest;
            }
        }
        tasks
            .into_par_iter()
            .for_each_init(Scratch::default, |scratch, (a, panels, out)| block(a, panels, out, scratch));
        out
    }
}

/// At most 64 columns as the rows of a panel, filled up with zeros.
fn pack<F: Element>(columns: ArrayView2<'_, F>) -> Vec<[F; PANEL]> {
    let mut panel = vec![[F::zero(); PANEL]; columns.nrows()];
    for (to, row) in panel.iter_mut().zip(columns.outer_iter()) {
        to.iter_mut().zip(row).for_each(|(to, &value)| *to = value);
    }
    panel
}

#[derive(Default)]
struct Scratch<F> {
    bundles: Bundles<F>,
    sums: Vec<F>,
}

/// The product of a block of rows with some panels.
fn block<F: Element>(
    a: ArrayView2<'_, F>,
    panels: &[Vec<[F; PANEL]>],
    mut out: ArrayViewMut2<'_, F>,
    scratch: &mut Scratch<F>,
) {
    let arch = pulp::Arch::new();
    let (n, d) = a.dim();
    scratch.sums.resize(BUNDLE * PANEL, F::zero());
    for start in (0..d).step_by(STRETCH) {
        let end = (start + STRETCH).min(d);
        let stretch = a.slice_axis(Axis(1), Slice::from(start..end));
        scratch.bundles.clear(n.div_ceil(BUNDLE), end - start);
        for (b, rows) in stretch.axis_chunks_iter(Axis(0), BUNDLE).enumerate() {
            gather(rows, &mut scratch.bundles, b);
        }
        for (mut out, panel) in out.axis_chunks_iter_mut(Axis(1), PANEL).zip(panels) {
            let n_columns = out.ncols();
            for (b, mut out) in out.axis_chunks_iter_mut(Axis(0), BUNDLE).enumerate() {
                scratch.sums.fill(F::zero());
                let bundle = scratch.bundles.get(b);
                arch.dispatch(Multiply { bundle, panel: &panel[start..end], n_columns, sums: &mut scratch.sums });
                for (out, sums) in out.outer_iter_mut().zip(scratch.sums.chunks(PANEL)) {
                    out.into_iter().zip(sums).for_each(|(out, &sum)| *out += sum);
                }
            }
        }
    }
}

/// At most four rows as a bundle.
fn gather<F: Element>(rows: ArrayView2<'_, F>, bundles: &mut Bundles<F>, bundle: usize) {
    let slice = |r: usize| rows.index_axis(Axis(0), r).to_slice();
    match (0..rows.nrows()).map(slice).collect::<Option<Vec<&[F]>>>().as_deref() {
        Some(&[a, b, c, d]) => bundles.fill(bundle, |j| [a[j], b[j], c[j], d[j]]),
        // The last rows, or those of a transposed matrix.
        _ => bundles.fill(bundle, |j| {
            let column = rows.index_axis(Axis(1), j);
            std::array::from_fn(|r| column.get(r).copied().unwrap_or(F::zero()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_equal_plain_ones_whatever_the_layout() {
        for (n, d, m) in [(1, 1, 1), (3, 70, 5), (259, 1100, 65), (4, 0, 2), (0, 3, 2)] {
            let a = Array2::from_shape_fn((n, d), |(i, j)| ((i * 7 + j * 13) % 23) as f32 / 23.0 - 0.5);
            let b = Array2::from_shape_fn((d, m), |(i, j)| ((i * 5 + j * 3) % 17) as f32 / 17.0 - 0.3);
            let (exact_a, exact_b) = (a.mapv(f64::from), b.mapv(f64::from));
            let exact = exact_a.dot(&exact_b);
            let in_f64 = product(exact_a.view(), exact_b.view());
            assert!(in_f64.iter().zip(&exact).all(|(f, e)| (f - e).abs() < 1e-12));
            let columns = a.t().as_standard_layout().into_owned();
            let rows = b.t().as_standard_layout().into_owned();
            let plain = product(a.view(), b.view());
            for found in [&plain, &product(columns.t(), b.view()), &product(a.view(), rows.t())] {
                assert_eq!(found, plain);
                assert!(found.iter().zip(&exact).all(|(f, e)| (f64::from(*f) - e).abs() < 1e-4));
            }
            for (i, row) in a.outer_iter().enumerate() {
                assert_eq!(product(row.insert_axis(Axis(0)), b.view()).row(0), plain.row(i), "alone as among others");
            }
        }
    }
}
