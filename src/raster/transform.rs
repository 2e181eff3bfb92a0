//! Where points lie on a raster.

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{RasterError, require};
use crate::nn::vectorised;

/// Rows that quantiles are taken of.
const SAMPLE: usize = 1 << 15;
/// Share of the rows beyond either quantile.
const TAIL: f64 = 0.005;
/// Rows from which one at either end may be far out.
const MANY: usize = 20;
/// How far beyond the quantiles, in their distances, points are drawn still.
const REACH: f64 = 1.0;
/// Rows of a task.
const BLOCK: usize = 1 << 14;

/// How the axes' lengths compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Aspect {
    /// A unit is as long on every axis.
    #[default]
    Keep,
    /// Every axis fills the raster.
    Stretch,
}

/// How points are laid on a raster.
#[derive(Clone, Debug, PartialEq)]
pub struct GridParams {
    /// Cells along each axis, 8 or more.
    pub side: usize,
    /// How the axes' lengths compare.
    pub aspect: Aspect,
    /// Empty cells along each border, 1 or more, and less than half of `side`.
    pub margin: usize,
}

impl Default for GridParams {
    fn default() -> Self {
        Self { side: 256, aspect: Aspect::Keep, margin: 8 }
    }
}

impl GridParams {
    fn check(&self) -> Result<(), RasterError> {
        let &Self { side, margin, .. } = self;
        require((8..=1 << 14).contains(&side), "side", side, "from 8 to 16384")?;
        require(margin >= 1 && 2 * margin < side, "margin", margin, "at least 1, and less than half of the side")
    }
}

/// From coordinates to cells and back.
///
/// Cells are numbered with the last axis fastest. The cell of a value v along an axis is floor((v - origin) scale).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// The coordinate where the cells begin, of each axis.
    pub origin: Vec<f64>,
    /// Cells a unit, of each axis.
    pub scale: Vec<f64>,
    /// Number of cells of each axis.
    pub shape: Vec<usize>,
    /// Only what is left of a coordinate without its whole units is drawn, so that the raster is a torus.
    pub folded: bool,
}

impl Transform {
    /// Most cells of a raster.
    pub const MAX_CELLS: usize = 1 << 26;
    /// Most axes of a raster.
    pub const MAX_AXES: usize = 4;
    /// Where a point lies that has no cell: beyond all of them.
    pub const OUTSIDE: u32 = u32::MAX;

    /// A transform that shows the points of `x`, shape (n_samples, n_axes), f32 or f64.
    ///
    /// The bulk of the points decides: one axis reaches from the .5 % to the 99.5 % quantile, of 20 points or more at least
    /// from the second to the last but one, and on to the last point within once that distance on either side. Points
    /// farther out have no cell. Where most values are one and the same, all points count; an axis without any extent is
    /// drawn in the middle. O(n d).
    ///
    /// # Errors
    /// A parameter out of its range, no points, values that are not finite, more than 4 axes or 2^26 cells.
    ///
    /// ```
    /// use alike::raster::{GridParams, Transform};
    /// let x = ndarray::array![[0.0, 0.0], [10.0, 5.0]];
    /// let transform = Transform::fit(x.view(), &GridParams { side: 22, margin: 1, ..Default::default() })?;
    /// assert_eq!(transform.shape, [22, 22]);
    /// let cell = transform.cell(x.row(1)).unwrap();
    /// assert!((transform.center(cell)[0] - 10.0).abs() <= 0.5);
    /// # Ok::<(), alike::raster::RasterError>(())
    /// ```
    pub fn fit<T: Copy + Sync + Into<f64>>(x: ArrayView2<'_, T>, params: &GridParams) -> Result<Self, RasterError> {
        params.check()?;
        let (side, found) = (params.side, x.ncols());
        let most =
            (1..=Self::MAX_AXES).rev().find(|&axes| side.saturating_pow(axes as u32) <= Self::MAX_CELLS).unwrap_or(1);
        if found > most {
            return Err(RasterError::TooManyDimensions { found, side, most });
        }
        Self::fit_any(x, params)
    }

    /// [`fit`](Self::fit), for so many axes that all cells can't be held or numbered.
    pub(super) fn fit_any<T: Copy + Sync + Into<f64>>(
        x: ArrayView2<'_, T>,
        params: &GridParams,
    ) -> Result<Self, RasterError> {
        params.check()?;
        let &GridParams { side, aspect, margin } = params;
        let (n, n_axes) = x.dim();
        if n == 0 || n_axes == 0 {
            return Err(RasterError::Empty);
        }
        let rows = x.as_standard_layout();
        let values = rows.as_slice().expect("standard layout");
        let ranges = ranges(values, n_axes)?;
        let used = (side - 2 * margin) as f64;
        let longest = ranges.iter().map(|[low, high]| high - low).fold(0.0, f64::max);
        let scale = |[low, high]: [f64; 2]| {
            let extent = if aspect == Aspect::Keep { longest } else { high - low };
            // What is too short to be told apart is drawn as one point.
            let scale = used / extent;
            if scale.is_finite() && scale > 0.0 { scale } else { 1.0 }
        };
        let scale: Vec<f64> = ranges.iter().map(|&range| scale(range)).collect();
        let middle = side as f64 / 2.0;
        let origin = ranges.iter().zip(&scale).map(|([low, high], scale)| low + (high - low) / 2.0 - middle / scale);
        Ok(Self { origin: origin.collect(), scale, shape: vec![side; n_axes], folded: false })
    }

    /// The plane as a torus: coordinates without their whole units, from -1 to 1, on `side` cells along both axes.
    pub fn folded(side: usize) -> Self {
        Self { origin: vec![-1.0; 2], scale: vec![side as f64 / 2.0; 2], shape: vec![side; 2], folded: true }
    }

    /// Number of axes.
    pub fn n_axes(&self) -> usize {
        self.shape.len()
    }

    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        self.shape.iter().product()
    }

    /// The cell of a point; `None` if it lies outside of the raster.
    pub fn cell<T: Copy + Into<f64>>(&self, point: ArrayView1<'_, T>) -> Option<usize> {
        self.holding(point.iter())
    }

    fn holding<'a, T: Copy + Into<f64> + 'a>(&self, point: impl Iterator<Item = &'a T>) -> Option<usize> {
        let mut cell = 0;
        for (axis, value) in point.enumerate() {
            let along = self.place(axis, (*value).into());
            if !(along >= 0.0 && along < self.shape[axis] as f64) {
                return None;
            }
            cell = cell * self.shape[axis] + along as usize;
        }
        Some(cell)
    }

    /// How many cells along an axis a value lies, outside of the raster too.
    pub(super) fn along(&self, axis: usize, value: f64) -> f64 {
        self.place(axis, value).floor()
    }

    /// How far along an axis a value lies, in cells.
    fn place(&self, axis: usize, value: f64) -> f64 {
        let value = if self.folded { value.fract() } else { value };
        (value - self.origin[axis]) * self.scale[axis]
    }

    /// The cell of each row of `x`, shape (n_samples, n_axes); [`OUTSIDE`](Self::OUTSIDE) of the raster. O(n d).
    ///
    /// # Panics
    /// If the number of axes is another.
    pub fn cells<T: Copy + Sync + Into<f64>>(&self, x: ArrayView2<'_, T>) -> Vec<u32> {
        assert_eq!(x.ncols(), self.n_axes(), "points have the raster's axes");
        let rows = x.as_standard_layout();
        let rows = rows.as_slice().expect("standard layout").par_chunks(BLOCK * self.n_axes());
        let mut cells = vec![0; x.nrows()];
        cells.par_chunks_mut(BLOCK).zip(rows).for_each(|(cells, rows)| self.write_cells(rows, cells));
        cells
    }

    /// Writes the cell of each of the rows that follow one another in `rows`.
    pub(super) fn write_cells<T: Copy + Into<f64>>(&self, rows: &[T], cells: &mut [u32]) {
        let (&[height, width], false) = (&self.shape[..], self.folded) else {
            for (cell, row) in cells.iter_mut().zip(rows.chunks_exact(self.n_axes())) {
                *cell = self.holding(row.iter()).map_or(Self::OUTSIDE, |cell| cell as u32);
            }
            return;
        };
        // The same without a branch, so that many rows are placed at a time.
        let (&[x0, y0], &[across, along]) = (&self.origin[..], &self.scale[..]) else { unreachable!("two axes") };
        vectorised(
            #[inline(always)]
            || {
                for (cell, row) in cells.iter_mut().zip(rows.chunks_exact(2)) {
                    let (x, y) = ((row[0].into() - x0) * across, (row[1].into() - y0) * along);
                    let inside = (x >= 0.0) & (x < height as f64) & (y >= 0.0) & (y < width as f64);
                    let at = (x as i32).wrapping_mul(width as i32).wrapping_add(y as i32);
                    *cell = if inside { at as u32 } else { Self::OUTSIDE };
                }
            },
        );
    }

    /// The coordinates of the middle of a cell.
    pub fn center(&self, mut cell: usize) -> Vec<f64> {
        let mut center = vec![0.0; self.n_axes()];
        for axis in (0..self.n_axes()).rev() {
            center[axis] = self.origin[axis] + ((cell % self.shape[axis]) as f64 + 0.5) / self.scale[axis];
            cell /= self.shape[axis];
        }
        center
    }
}

/// From the first to the last of the points along each axis, but for those far out.
fn ranges<T: Copy + Sync + Into<f64>>(values: &[T], n_axes: usize) -> Result<Vec<[f64; 2]>, RasterError> {
    let bulks: Vec<[f64; 2]> = (0..n_axes).into_par_iter().map(|axis| bulk(values, axis, n_axes)).collect();
    let blocks = values.par_chunks(BLOCK * n_axes).enumerate();
    let ends = blocks.map(|(block, rows)| {
        widened(&bulks, rows).ok_or_else(|| {
            let odd = rows.iter().position(|&value| !value.into().is_finite()).expect("a value that is not finite");
            block * BLOCK + odd / n_axes
        })
    });
    let wider = |a: Vec<[f64; 2]>, b: Vec<[f64; 2]>| {
        a.iter().zip(b).map(|([low, high], [lower, higher])| [low.min(lower), high.max(higher)]).collect()
    };
    let ends = ends.reduce(
        || Ok(bulks.clone()),
        |a, b| match (a, b) {
            (Ok(a), Ok(b)) => Ok(wider(a, b)),
            (Err(row), Ok(_)) | (Ok(_), Err(row)) => Err(row),
            (Err(a), Err(b)) => Err(a.min(b)),
        },
    );
    ends.map_err(|row| RasterError::NotFinite { row })
}

/// Where the bulk of an axis's values lies, told from some of them.
fn bulk<T: Copy + Into<f64>>(values: &[T], axis: usize, n_axes: usize) -> [f64; 2] {
    let step = n_axes * (values.len() / n_axes).div_ceil(SAMPLE);
    let mut some: Vec<f64> = values[axis..].iter().step_by(step).map(|&value| value.into()).collect();
    let last = some.len() - 1;
    let end = ((TAIL * last as f64).round() as usize).max(usize::from(last + 1 >= MANY));
    let mut ranked = |rank: usize| *some.select_nth_unstable_by(rank, f64::total_cmp).1;
    [ranked(end), ranked(last - end)]
}

/// How far beyond its bulk an axis is drawn.
fn reach([low, high]: &[f64; 2]) -> f64 {
    if low < high { REACH * (high - low) } else { f64::INFINITY }
}

/// Each axis's bulk, widened to the values that are not far from it; `None` if a value is not finite.
fn widened<T: Copy + Into<f64>>(bulks: &[[f64; 2]], rows: &[T]) -> Option<Vec<[f64; 2]>> {
    /// Rows that are looked at together.
    const LANES: usize = 16;
    let each = |of: fn(&[f64; 2]) -> f64| bulks.iter().map(of).collect::<Vec<_>>().repeat(LANES);
    let (from, to) = (each(|bulk| bulk[0] - reach(bulk)), each(|bulk| bulk[1] + reach(bulk)));
    let (mut least, mut most) = (each(|bulk| bulk[0]), each(|bulk| bulk[1]));
    // Ones where a value is not finite.
    let mut odd = vec![0.0; from.len()];
    vectorised(
        #[inline(always)]
        || {
            for rows in rows.chunks(from.len()) {
                let ends = least.iter_mut().zip(&mut most).zip(&mut odd);
                for (((least, most), odd), ((&value, from), to)) in ends.zip(rows.iter().zip(&from).zip(&to)) {
                    let value = value.into();
                    *odd = if value.is_finite() { *odd } else { 1.0 };
                    let near = (value >= *from) & (value <= *to);
                    *least = if near & (value < *least) { value } else { *least };
                    *most = if near & (value > *most) { value } else { *most };
                }
            }
        },
    );
    odd.iter().all(|&odd| odd < 1.0).then(|| {
        let n_axes = bulks.len();
        let of = |ends: &[f64], axis: usize, wider: fn(f64, f64) -> f64| {
            ends[axis..].iter().step_by(n_axes).copied().fold(ends[axis], wider)
        };
        (0..n_axes).map(|axis| [of(&least, axis, f64::min), of(&most, axis, f64::max)]).collect()
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn fit(x: &Array2<f64>) -> Transform {
        Transform::fit(x.view(), &GridParams { side: 64, margin: 4, ..Default::default() }).unwrap()
    }

    fn square(n: usize) -> Array2<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        Array2::from_shape_simple_fn((n, 2), || rng.random_range(-3.0..5.0))
    }

    /// The place along both axes of each row.
    fn places(transform: &Transform, x: &Array2<f64>) -> Vec<Option<[usize; 2]>> {
        x.outer_iter().map(|row| transform.cell(row).map(|cell| [cell / 64, cell % 64])).collect()
    }

    /// Whether each is at its place: what lies on the border of two cells may be in either.
    fn near(places: &[Option<[usize; 2]>], expected: &[[usize; 2]]) -> bool {
        let near = |(place, expected): (&Option<[usize; 2]>, &[usize; 2])| {
            place.is_some_and(|place| (0..2).all(|axis| [0, 1].contains(&(expected[axis] - place[axis]))))
        };
        places.len() == expected.len() && places.iter().zip(expected).all(near)
    }

    /// The published program ends with an index out of range here, and leaves points at a maximum without a label.
    #[test]
    fn a_point_may_be_the_maximum_of_both_axes() {
        let mut x = square(500);
        x.row_mut(77).fill(5.0);
        x.row_mut(78).fill(-3.0);
        let places = places(&fit(&x), &x);
        let used = |place: &Option<[usize; 2]>| place.is_some_and(|place| place.iter().all(|at| (3..=60).contains(at)));
        assert!(places.iter().all(used), "{places:?}");
        assert!(near(&places[77..79], &[[60, 60], [4, 4]]), "{places:?}");
    }

    /// The published program divides by zero here.
    #[test]
    fn a_constant_column_is_drawn_in_the_middle() {
        for value in [0.0, 7.5, -1e9] {
            let mut x = square(100);
            x.column_mut(1).fill(value);
            for aspect in [Aspect::Keep, Aspect::Stretch] {
                let params = GridParams { side: 64, margin: 4, aspect };
                let places = places(&Transform::fit(x.view(), &params).unwrap(), &x);
                let middle = |place: &Option<[usize; 2]>| place.is_some_and(|[_, y]| [31, 32].contains(&y));
                assert!(places.iter().all(middle), "{value} {aspect:?}: {places:?}");
            }
        }
    }

    #[test]
    fn one_far_outlier_squashes_nothing_and_has_no_cell() {
        for n in [20, 60, 100, 101, 102, 1000, 100_000] {
            for far in [1e3, -1e12] {
                let mut x = square(n);
                let alone = fit(&x);
                x.row_mut(5).fill(far);
                let transform = fit(&x);
                assert!((transform.scale[0] / alone.scale[0]).ln().abs() < 0.3, "{n}: {transform:?} {alone:?}");
                let places = places(&transform, &x);
                assert_eq!(places.iter().filter(|place| place.is_none()).count(), 1, "{n} {far}");
                assert_eq!(places[5], None);
            }
        }
    }

    /// What is rare beside a value that most rows share is no outlier.
    #[test]
    fn most_rows_may_be_equal() {
        let mut x = Array2::zeros((3000, 2));
        x.row_mut(9).fill(1.0);
        let places = places(&fit(&x), &x);
        assert!(near(&places[8..10], &[[4, 4], [60, 60]]), "{places:?}");
    }

    #[test]
    fn aspect() {
        let x = array![[0.0, 0.0], [8.0, 2.0]];
        let kept = fit(&x);
        assert_eq!(kept.scale, [7.0, 7.0]);
        assert!(near(&places(&kept, &x), &[[4, 25], [60, 39]]));
        let params = GridParams { side: 64, margin: 4, aspect: Aspect::Stretch };
        let stretched = Transform::fit(x.view(), &params).unwrap();
        assert_eq!(stretched.scale, [7.0, 28.0]);
        assert!(near(&places(&stretched, &x), &[[4, 4], [60, 60]]));
    }

    #[test]
    fn one_point_two_points_equal_points() {
        let one = array![[3.0, -4.0]];
        assert!(near(&places(&fit(&one), &one), &[[32, 32]]));
        let two = array![[0.0, 0.0], [1.0, 1.0]];
        assert!(near(&places(&fit(&two), &two), &[[4, 4], [60, 60]]));
        let equal = Array2::from_elem((30, 2), 1e-3);
        assert!(near(&places(&fit(&equal), &equal), &[[32, 32]; 30]));
    }

    #[test]
    fn values_that_are_not_finite_are_named() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut x = square(40_000);
            x[[33_333, 1]] = value;
            let refused = Transform::fit(x.view(), &GridParams::default());
            assert!(matches!(refused, Err(RasterError::NotFinite { row: 33_333 })), "{refused:?}");
            // A new point only has no cell.
            assert_eq!(fit(&square(9)).cell(array![0.0, value].view()), None);
        }
        let vast = array![[-1e308, 0.0], [1e308, 1.0]];
        let _ = places(&fit(&vast), &vast);
    }

    #[test]
    fn cells_and_centers_are_inverse() {
        let transform = fit(&square(50));
        for cell in [0, 1, 63, 64, 2000, 4095] {
            assert_eq!(transform.cell(ndarray::ArrayView1::from(&transform.center(cell))), Some(cell));
        }
        let folded = Transform::folded(8);
        assert_eq!(
            [-3.999, -0.1, 0.0, 0.3, 7.99].map(|x| folded.cell(array![x, 0.0].view()).unwrap() / 8),
            [0, 3, 4, 5, 7]
        );
    }

    /// Many at a time are placed without branches.
    #[test]
    fn the_cells_of_rows_are_those_of_points() {
        let mut x = square(40_000) * 1.7;
        for (row, value) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, -0.0].into_iter().enumerate() {
            x[[7 * row, row % 2]] = value;
        }
        let transform = fit(&square(500));
        let one_by_one = x.outer_iter().map(|row| transform.cell(row).map_or(Transform::OUTSIDE, |cell| cell as u32));
        let one_by_one: Vec<u32> = one_by_one.collect();
        assert_eq!(transform.cells(x.view()), one_by_one);
        let outside = one_by_one.iter().filter(|&&cell| cell == Transform::OUTSIDE).count();
        assert!((1_000..39_000).contains(&outside), "{outside}");
    }

    #[test]
    fn refuses_parameters_out_of_range() {
        let x = square(10);
        for (side, margin) in [(7, 1), (1 << 15, 1), (64, 0), (64, 32)] {
            let params = GridParams { side, margin, ..Default::default() };
            assert!(matches!(Transform::fit(x.view(), &params), Err(RasterError::Parameter { .. })), "{params:?}");
        }
        let none = Transform::fit(Array2::<f64>::zeros((0, 2)).view(), &GridParams::default());
        assert!(matches!(none, Err(RasterError::Empty)));
        for (side, n_axes, most) in [(256, 4, 3), (32, 5, 4), (1 << 14, 2, 1)] {
            let params = GridParams { side, ..Default::default() };
            let refused = Transform::fit(Array2::<f64>::zeros((3, n_axes)).view(), &params);
            assert!(matches!(refused, Err(RasterError::TooManyDimensions { most: m, .. }) if m == most), "{refused:?}");
        }
    }
}
