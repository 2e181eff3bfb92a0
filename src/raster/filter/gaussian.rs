//! Smoothing by a normal density.

use ndarray::{ArrayD, ArrayViewD};

use super::Boundary;
use super::lines::{along_each_axis, widen};

/// Where the density is cut off, in standard deviations.
const REACH: f64 = 4.0;

/// The mean of `x` around each cell, weighted by a normal density of standard deviation `sigma` in cells, cut off at 4 of
/// them; outside of a plain raster x is 0. O(n d sigma).
///
/// # Panics
/// If `sigma` is negative or not finite.
///
/// ```
/// use alike::raster::filter::{Boundary, gaussian};
/// let mut x = ndarray::ArrayD::zeros(vec![21, 21]);
/// x[[10, 10]] = 1.0;
/// let density = gaussian(x.view(), 1.5, Boundary::Plain);
/// assert!((density.sum() - 1.0).abs() < 1e-12 && density[[10, 10]] > density[[10, 11]]);
/// ```
pub fn gaussian(x: ArrayViewD<'_, f64>, sigma: f64, boundary: Boundary) -> ArrayD<f64> {
    assert!(sigma >= 0.0 && sigma.is_finite(), "sigma is {sigma}: it must be finite and not negative");
    let reach = (REACH * sigma + 0.5) as usize;
    let density = |offset: usize| if offset == 0 { 1.0 } else { (-0.5 * (offset as f64 / sigma).powi(2)).exp() };
    let mut weights: Vec<f64> = (0..=2 * reach).map(|step| density(step.abs_diff(reach))).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    along_each_axis(x, |wide, line, smoothed| {
        widen(wide, line, reach, boundary, 0.0);
        smoothed.fill(0.0);
        for (weight, values) in weights.iter().zip(wide.windows(line.len())) {
            smoothed.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
    })
}
