//! The largest value of each window.

use ndarray::{ArrayD, ArrayViewD};

use super::Boundary;
use super::lines::{along_each_axis, widen};

/// The largest of `x` over the cells at most `window` away along each axis. O(n d), whatever the window (van Herk, *A
/// fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels*, 1992).
///
/// ```
/// use alike::raster::filter::{Boundary, maximum};
/// let x = ndarray::array![[7.0, 0.0, 0.0, 2.0]].into_dyn();
/// assert_eq!(maximum(x.view(), 1, Boundary::Plain), ndarray::array![[7.0, 7.0, 2.0, 2.0]].into_dyn());
/// assert_eq!(maximum(x.view(), 1, Boundary::Torus), ndarray::array![[7.0, 7.0, 2.0, 7.0]].into_dyn());
/// ```
pub fn maximum(x: ArrayViewD<'_, f64>, window: usize, boundary: Boundary) -> ArrayD<f64> {
    along_each_axis(x, |wide, line, largest| {
        let side = line.len();
        let window = window.min(if boundary == Boundary::Plain { side - 1 } else { side / 2 });
        widen(wide, line, window, boundary, f64::NEG_INFINITY);
        // A window lies in two blocks of its width: the largest from its start to the end of the first, and from the
        // start of the second to its end.
        let width = 2 * window + 1;
        let mut to_here = wide.clone();
        for block in to_here.chunks_mut(width) {
            (1..block.len()).for_each(|at| block[at] = block[at].max(block[at - 1]));
        }
        for block in wide.chunks_mut(width) {
            (1..block.len()).rev().for_each(|at| block[at - 1] = block[at - 1].max(block[at]));
        }
        for ((largest, from_start), to_end) in largest.iter_mut().zip(&*wide).zip(&to_here[width - 1..]) {
            *largest = from_start.max(*to_end);
        }
    })
}
