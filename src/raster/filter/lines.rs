//! One axis after the other: after each, the raster is turned so that the next axis is contiguous.

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use rayon::prelude::*;

use super::Boundary;

/// Side of the squares that are turned at a time, so that both ends stay in the cache.
const TILE: usize = 16;
/// Cells of a task, so that it is worth handing out.
const TASK: usize = 1 << 12;

/// Replaces every line along every axis by what `filter` writes for it, given a buffer of its own: a separable filter.
pub(super) fn along_each_axis<T>(x: ArrayViewD<'_, T>, filter: impl Fn(&mut Vec<T>, &[T], &mut [T]) + Sync) -> ArrayD<T>
where
    T: Copy + Default + Send + Sync,
{
    let shape = x.shape().to_vec();
    let mut cells: Vec<T> = x.iter().copied().collect();
    if !cells.is_empty() {
        let mut filtered = vec![T::default(); cells.len()];
        for &side in shape.iter().rev() {
            let lines = filtered.par_chunks_mut(side).zip(cells.par_chunks(side)).with_min_len(TASK.div_ceil(side));
            lines.for_each_init(Vec::new, |buffer, (filtered, line)| filter(buffer, line, filtered));
            turn(&filtered, side, &mut cells);
        }
    }
    ArrayD::from_shape_vec(IxDyn(&shape), cells).expect("as many cells as before")
}

/// Writes the transpose of a matrix of so many columns.
pub(super) fn turn<T: Copy + Send + Sync>(x: &[T], n_columns: usize, turned: &mut [T]) {
    let n_rows = x.len() / n_columns;
    let tiles = turned.par_chunks_mut(TILE * n_rows).with_min_len(TASK.div_ceil(TILE * n_rows));
    tiles.enumerate().for_each(|(tile, turned)| {
        for start in (0..n_rows).step_by(TILE) {
            let rows = start..n_rows.min(start + TILE);
            for (column, turned) in turned.chunks_mut(n_rows).enumerate() {
                let from = x[rows.start * n_columns + tile * TILE + column..].iter().step_by(n_columns);
                turned[rows.clone()].iter_mut().zip(from).for_each(|(turned, &value)| *turned = value);
            }
        }
    });
}

/// A line with what the windows of its ends reach, `outside` where there is nothing.
pub(super) fn widen(wide: &mut Vec<f64>, line: &[f64], window: usize, boundary: Boundary, outside: f64) {
    let side = line.len();
    wide.clear();
    match boundary {
        Boundary::Plain => {
            wide.resize(window, outside);
            wide.extend_from_slice(line);
            wide.resize(side + 2 * window, outside);
        }
        Boundary::Torus => wide.extend(line.iter().cycle().skip((side - window % side) % side).take(side + 2 * window)),
    }
}
