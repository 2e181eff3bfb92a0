//! Sums over windows whose near cells count more.

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use super::rows::window_rows;
use super::{Boundary, Convolver, Weighting};

/// The sum of `x` over the cells at most `window` away along each axis, each counting 1 / sqrt(1 + r^2) at a distance of
/// r cells (Granville, *Fast Classification and Clustering via Image Convolution Filters*, 2022).
///
/// Small windows are summed as they are, O(n (2 window + 1)^d); others by Fourier transforms, O(n d log n), which leaves
/// relative errors of 1e-14 or so of the largest value. On a torus, cells that a wide window reaches several times count
/// as often, each time at its distance.
///
/// ```
/// use alike::raster::filter::{Boundary, inverse_distance};
/// let x = ndarray::array![[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]].into_dyn();
/// let sums = inverse_distance(x.view(), 1, Boundary::Plain);
/// assert!((sums[[1, 1]] - 1.0 / 3.0_f64.sqrt()).abs() < 1e-12 && sums[[0, 2]].abs() < 1e-12);
/// ```
pub fn inverse_distance(x: ArrayViewD<'_, f64>, window: usize, boundary: Boundary) -> ArrayD<f64> {
    let window = boundary.reach(window, x.shape().iter().copied().max().unwrap_or(0));
    if x.is_empty() || x.ndim() == 0 || direct_pays(x.shape(), window) {
        return direct(x, window, boundary);
    }
    let convolver = Convolver::new(x.shape(), window, boundary);
    let x = x.as_standard_layout();
    let x = x.as_slice().expect("standard layout");
    let sums = convolver.sums(|cell| Complex::new(x[cell], 0.0));
    let sums = sums.into_iter().map(|sum| sum.re).collect();
    ArrayD::from_shape_vec(IxDyn(convolver.shape()), sums).expect("a sum for each cell")
}

/// Whether summing a window costs less than transforms, as measured.
fn direct_pays(shape: &[usize], window: usize) -> bool {
    let n_cells: usize = shape.iter().product();
    let transform = TRANSFORM * (n_cells as f64).log2();
    ((2 * window + 1) as f64).powi(shape.len() as i32) < transform
}

/// Additions in the time that a transform there and back takes for a cell, by the logarithm of their number.
const TRANSFORM: f64 = 8.0;

/// As it is defined.
pub(super) fn direct(x: ArrayViewD<'_, f64>, window: usize, boundary: Boundary) -> ArrayD<f64> {
    let mut sums = ArrayD::zeros(x.raw_dim());
    let Some((&side, leading)) = x.shape().split_last().filter(|_| !x.is_empty()) else { return sums };
    let x = x.as_standard_layout();
    let x = x.as_slice().expect("standard layout");
    let places = boundary.places(window, side);
    let wide: Vec<f64> =
        x.par_chunks(side).flat_map_iter(|row| places.iter().map(|at| at.map_or(0.0, |at| row[at]))).collect();
    let by_distance = Weighting::InverseDistance.by_distance(window, leading.len() + 1);
    let rows = sums.as_slice_mut().expect("standard layout").par_chunks_mut(side);
    rows.enumerate().for_each(|(row, sums)| {
        for (from, squared) in window_rows(leading, row, window, boundary) {
            let wide = &wide[from * places.len()..][..places.len()];
            for (step, values) in wide.windows(side).enumerate() {
                let weight = by_distance[squared + step.abs_diff(window).pow(2)];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
            }
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_chosen_by_the_window() {
        assert!(direct_pays(&[400, 400], 2) && !direct_pays(&[400, 400], 20));
        assert!(direct_pays(&[1000], 20) && !direct_pays(&[20, 20, 20, 20], 3));
    }
}
