//! Sums over square windows.

use ndarray::{ArrayD, ArrayViewD};

use super::Boundary;
use super::lines::along_each_axis;

/// The sum of `x` over the cells at most `window` away along each axis.
///
/// A difference of two running sums along one axis after the other, so that the cost does not depend on the window: O(n d).
/// Whole numbers up to 2^53 are summed exactly. On a torus, cells that a wide window reaches several times count as often.
///
/// ```
/// use alike::raster::filter::{Boundary, box_sum};
/// let x = ndarray::array![[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 4.0]].into_dyn();
/// assert_eq!(box_sum(x.view(), 1, Boundary::Plain)[[0, 0]], 1.0);
/// assert_eq!(box_sum(x.view(), 1, Boundary::Torus)[[0, 0]], 5.0);
/// ```
pub fn box_sum(x: ArrayViewD<'_, f64>, window: usize, boundary: Boundary) -> ArrayD<f64> {
    along_each_axis(x, |sums, line, summed| {
        let side = line.len();
        sums.clear();
        sums.push(0.0);
        let mut sum = 0.0;
        sums.extend(line.iter().map(|value| {
            sum += value;
            sum
        }));
        match boundary {
            Boundary::Plain => {
                for (at, summed) in summed.iter_mut().enumerate() {
                    *summed = sums[side.min(at.saturating_add(window + 1))] - sums[at.saturating_sub(window)];
                }
            }
            Boundary::Torus => {
                let (turns, rest) = ((2 * window + 1) / side, (2 * window + 1) % side);
                let whole = turns as f64 * sum;
                let first = (side - window % side) % side;
                for (summed, start) in summed.iter_mut().zip((first..side).chain(0..first)) {
                    let end = start + rest;
                    let part = if end <= side { sums[end] } else { sum + sums[end - side] };
                    *summed = whole + (part - sums[start]);
                }
            }
        }
    })
}
