//! Sums over windows from the cells that count: where few do, or few change, that is far less work than all windows.

use rayon::prelude::*;

use super::rows::window_rows;
use super::{Boundary, Weighting};
use crate::nn::vectorised;

/// A cell's weight in the sums of one plane changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::raster) struct Change {
    pub cell: usize,
    pub plane: usize,
    pub amount: f64,
}

/// Adds to the sums of all windows what the changes make of them. `sums` holds, for each row of a raster, the cells of
/// one plane after the other; the changes are in order of their cells. O(changes (2 window + 1)^d).
pub(in crate::raster) fn scatter(
    sums: &mut [f64],
    shape: &[usize],
    changes: &[Change],
    weighting: Weighting,
    window: usize,
    boundary: Boundary,
) {
    let (&side, leading) = shape.split_last().expect("an axis");
    let n_rows: usize = leading.iter().product();
    let n_planes = sums.len() / (n_rows * side);
    let window = boundary.reach(window, shape.iter().copied().max().unwrap_or(0));
    let by_distance = weighting.by_distance(window, shape.len());
    let places = boundary.places(window, side);
    let columns: Vec<usize> = changes.iter().map(|change| change.plane * places.len() + change.cell % side).collect();
    let starts: Vec<usize> =
        (0..=n_rows).map(|row| changes.partition_point(|change| change.cell < row * side)).collect();
    let rows = sums.par_chunks_mut(n_planes * side).enumerate();
    rows.for_each_init(Vec::new, |wide, (row, sums)| {
        wide.clear();
        wide.resize(n_planes * places.len(), 0.0);
        let mut weights = vec![0.0; 2 * window + 1];
        for (from, squared) in window_rows(leading, row, window, boundary) {
            for (step, weight) in weights.iter_mut().enumerate() {
                *weight = by_distance[squared + step.abs_diff(window).pow(2)];
            }
            let row = starts[from]..starts[from + 1];
            vectorised(
                #[inline(always)]
                || {
                    for (change, &column) in changes[row.clone()].iter().zip(&columns[row]) {
                        let reached = &mut wide[column..][..weights.len()];
                        reached.iter_mut().zip(&weights).for_each(|(sum, weight)| *sum += change.amount * weight);
                    }
                },
            );
        }
        for (sums, wide) in sums.chunks_mut(side).zip(wide.chunks(places.len())) {
            for (value, at) in wide.iter().zip(&places) {
                if let Some(at) = *at {
                    sums[at] += value;
                }
            }
        }
    });
}
