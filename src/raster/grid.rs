//! Points drawn on a raster.

use ndarray::{ArrayD, ArrayView2, IxDyn};
use rayon::prelude::*;

use super::Transform;

/// Rows whose cells are found, and then counted while they are at hand.
const BLOCK: usize = 1 << 11;

/// How many points fell into each cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Where the cells are.
    pub transform: Transform,
    /// Of the shape of the transform. In the plane, the first index runs along x and the second along y, upwards.
    pub counts: ArrayD<u32>,
    /// The cell of each point, counted with the last axis fastest; [`Transform::OUTSIDE`] of the raster.
    pub cells: Vec<u32>,
}

impl Grid {
    /// Draws the points of `x`, shape (n_samples, n_axes). O(n d) and four bytes a cell.
    ///
    /// # Panics
    /// If the number of axes is another than the transform's.
    ///
    /// ```
    /// use alike::raster::{Grid, GridParams, Transform};
    /// let x = ndarray::array![[0.0f32, 0.0], [9.0, 3.0], [9.0, 3.0]];
    /// let grid = Grid::draw(Transform::fit(x.view(), &GridParams::default())?, x.view());
    /// assert_eq!((grid.counts.shape(), grid.counts.sum()), (&[256, 256][..], 3));
    /// assert_eq!(grid.counts.iter().max(), Some(&2));
    /// # Ok::<(), alike::raster::RasterError>(())
    /// ```
    pub fn draw<T: Copy + Sync + Into<f64>>(transform: Transform, x: ArrayView2<'_, T>) -> Self {
        assert_eq!(x.ncols(), transform.n_axes(), "points have the raster's axes");
        let (n_axes, n_cells) = (transform.n_axes(), transform.n_cells());
        let rows = x.as_standard_layout();
        let rows = rows.as_slice().expect("standard layout");
        let mut cells = vec![0; x.nrows()];
        // Each thread counts for itself, if that is less than to add up.
        let share = x.nrows().div_ceil(rayon::current_num_threads()).max(n_cells);
        let counted = cells.par_chunks_mut(share).zip(rows.par_chunks(share * n_axes)).map(|(cells, rows)| {
            let mut counts = vec![0; n_cells];
            for (cells, rows) in cells.chunks_mut(BLOCK).zip(rows.chunks(BLOCK * n_axes)) {
                transform.write_cells(rows, cells);
                for &cell in &*cells {
                    // Outside is beyond all cells.
                    if let Some(count) = counts.get_mut(cell as usize) {
                        *count += 1;
                    }
                }
            }
            counts
        });
        let counts = counted.reduce_with(|mut counts: Vec<u32>, more| {
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
            counts
        });
        let counts = counts.unwrap_or_else(|| vec![0; n_cells]);
        let counts = ArrayD::from_shape_vec(IxDyn(&transform.shape), counts).expect("a count for each cell");
        Self { transform, counts, cells }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::raster::GridParams;

    /// An occupied cell says how often: the published raster knows only that it is.
    #[test]
    fn a_million_equal_points_are_counted() {
        let x = Array2::from_elem((1_000_000, 2), 2.5_f32);
        let grid = Grid::draw(Transform::fit(x.view(), &GridParams::default()).unwrap(), x.view());
        assert_eq!((grid.counts.sum(), grid.counts[[128, 128]]), (1_000_000, 1_000_000));
        assert!(grid.cells.iter().all(|cell| *cell == 128 * 256 + 128));
    }

    #[test]
    fn the_last_axis_runs_fastest_and_what_lies_outside_is_not_counted() {
        let transform = Transform { origin: vec![0.0; 3], scale: vec![1.0; 3], shape: vec![2, 3, 4], folded: false };
        let x = ndarray::array![[1.5, 0.5, 2.5], [1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [0.0, -0.1, 0.0]];
        let before = x.clone();
        let grid = Grid::draw(transform, x.view());
        assert_eq!(grid.cells, [14, 14, Transform::OUTSIDE, Transform::OUTSIDE]);
        assert_eq!((grid.counts[[1, 0, 2]], grid.counts.sum()), (2, 2));
        assert_eq!(x, before);
    }
}
