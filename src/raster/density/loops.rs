//! The density that a filter of several loops adds up.

use ndarray::{ArrayD, ArrayViewD};

use super::super::filter::{Boundary, Weighting, box_sum, inverse_distance};

/// The sum over loops, each counting a tenth of the one before, of the weights of the labelled cells in the window around
/// each cell; a loop labels all whose window holds a labelled cell (Granville, *Fast Classification and Clustering via
/// Image Convolution Filters*, 2022). Counts don't matter, only which cells hold points. O(cells log cells) a loop.
///
/// ```
/// use alike::raster::{by_loops, filter::{Boundary, Weighting}};
/// let counts = ndarray::array![[3u32, 0, 0, 0, 0]].into_dyn();
/// let density = by_loops(counts.view(), 1, 2, Weighting::Equal, Boundary::Plain);
/// assert_eq!(density.iter().map(|v| (v * 10.0).round() as u32).collect::<Vec<_>>(), [12, 12, 1, 0, 0]);
/// ```
pub fn by_loops(
    counts: ArrayViewD<'_, u32>,
    window: usize,
    n_loops: usize,
    weighting: Weighting,
    boundary: Boundary,
) -> ArrayD<f64> {
    let mut labelled = counts.mapv(|count| f64::from(u8::from(count > 0)));
    let mut density = ArrayD::zeros(counts.raw_dim());
    for step in 0..n_loops {
        let held = box_sum(labelled.view(), window, boundary);
        let sums = match weighting {
            Weighting::Equal => held.clone(),
            Weighting::InverseDistance => inverse_distance(labelled.view(), window, boundary),
        };
        density.scaled_add(0.1f64.powi(step as i32), &sums);
        labelled = held.mapv(|held| f64::from(u8::from(held > 0.5)));
    }
    density
}
