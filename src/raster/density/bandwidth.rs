//! How far to smooth.

use ndarray::{ArrayD, Axis};

/// Bandwidth in those that Scott's rule gives, which is for one normal cluster and blurs several.
const NARROW: f64 = 0.6;

/// The bandwidth for the counts of a raster, in cells and at least 1: 0.6 of Scott's, s n^(-1 / (d + 4)) for n points in d
/// dimensions (Scott 1992), with s the mean over the axes of their standard deviation. O(cells).
///
/// ```
/// let counts = ndarray::ArrayD::from_shape_fn(vec![100, 100], |_| 1.0);
/// assert!((alike::raster::bandwidth(&counts) - 0.6 * 28.87 / 100f64.powf(1.0 / 3.0)).abs() < 1e-3);
/// ```
pub fn bandwidth(counts: &ArrayD<f64>) -> f64 {
    let (n, n_axes) = (counts.sum(), counts.ndim());
    let deviation = |axis: usize| {
        let slices: Vec<f64> = counts.axis_iter(Axis(axis)).map(|slice| slice.sum()).collect();
        let mean = slices.iter().enumerate().map(|(at, sum)| at as f64 * sum).sum::<f64>() / n;
        let squares = slices.iter().enumerate().map(|(at, sum)| (at as f64 - mean).powi(2) * sum).sum::<f64>();
        (squares / n).sqrt()
    };
    let spread = (0..n_axes).map(deviation).sum::<f64>() / n_axes as f64;
    let bandwidth = NARROW * spread * n.powf(-1.0 / (n_axes as f64 + 4.0));
    if bandwidth > 1.0 { bandwidth } else { 1.0 }
}
