//! Classification in more dimensions than a raster can be held in: a map of the cells that hold points.

use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::boxes::{self, Boxes};
use crate::collection::ClusterId;
use crate::raster::{Aspect, CellLabel, GridParams, RasterError, Transform, require};

/// Parameters of [`SparseMap::fit`].
#[derive(Clone, Debug, PartialEq)]
pub struct SparseParams {
    /// Cells along the longest axis, 8 to 16384.
    pub side: usize,
    /// How the axes' lengths compare.
    pub aspect: Aspect,
    /// As far as this in cells, all points of the nearest window that holds any have a say; beyond, the nearest cell.
    pub window: usize,
}

impl Default for SparseParams {
    fn default() -> Self {
        Self { side: 32, aspect: Aspect::Keep, window: 4 }
    }
}

/// The classes of the points in each cell that holds any, in any number of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseMap {
    transform: Transform,
    window: usize,
    /// In rising order of their places.
    cells: Vec<(Vec<i32>, Votes)>,
    boxes: Boxes,
}

/// How many points of each class, by class.
type Votes = Vec<(ClusterId, f64)>;

impl SparseMap {
    /// Draws the points of `x`, shape (n_samples, n_axes), whose classes are known. O(n d log n).
    ///
    /// # Errors
    /// A parameter out of its range, no points or none with a class, values that are not finite.
    ///
    /// # Panics
    /// If there are more or fewer classes than rows.
    ///
    /// ```
    /// use alike::raster::{SparseMap, SparseParams};
    /// let x = ndarray::array![[0., 0., 0., 0., 0.], [9., 9., 9., 9., 9.]];
    /// let map = SparseMap::fit(x.view(), &[Some(0), Some(1)], &SparseParams::default())?;
    /// assert_eq!(map.assign(ndarray::array![[7., 9., 8., 9., 6.]].view())[0].cluster, Some(1));
    /// # Ok::<(), alike::raster::RasterError>(())
    /// ```
    pub fn fit<T: Copy + Sync + Into<f64>>(
        x: ArrayView2<'_, T>,
        classes: &[Option<ClusterId>],
        params: &SparseParams,
    ) -> Result<Self, RasterError> {
        assert_eq!(x.nrows(), classes.len(), "rows have a class each");
        let grid = GridParams { side: params.side, aspect: params.aspect, margin: 1 };
        let transform = Transform::fit_any(x, &grid)?;
        let points = x.outer_iter().zip(classes);
        let mut points: Vec<(Vec<i32>, ClusterId)> =
            points.filter_map(|(row, class)| Some((place(&transform, row)?, (*class)?))).collect();
        require(!points.is_empty(), "labelled points", 0, "at least 1")?;
        points.par_sort_unstable();
        let mut cells: Vec<(Vec<i32>, Votes)> = Vec::new();
        for (place, class) in points {
            match cells.last_mut().filter(|(last, _)| *last == place) {
                None => cells.push((place, vec![(class, 1.0)])),
                Some((_, votes)) => match votes.last_mut().filter(|(last, _)| *last == class) {
                    None => votes.push((class, 1.0)),
                    Some((_, points)) => *points += 1.0,
                },
            }
        }
        Ok(Self::of(transform, params.window, cells))
    }

    /// Number of cells that hold a point.
    pub fn n_cells(&self) -> usize {
        self.cells.len()
    }

    /// The class of each row of `x`, shape (n_samples, n_axes): that of most points in its cell; where there are none, of
    /// the nearest window that holds any, each weighing 1 / sqrt(1 + r^2) at a distance of r cells; beyond the largest
    /// window, in the nearest cell. The lowest of equal ones. Only values that are not finite have no class.
    ///
    /// O(d log m) for a row in one of the m cells; for others as well where they lie near some of few dimensions, and at
    /// worst O(m d).
    ///
    /// # Panics
    /// If the number of axes is another.
    pub fn assign<T: Copy + Sync + Into<f64>>(&self, x: ArrayView2<'_, T>) -> Vec<CellLabel> {
        assert_eq!(x.ncols(), self.transform.n_axes(), "points have the map's axes");
        x.axis_iter(Axis(0)).into_par_iter().map(|row| self.label(row)).collect()
    }

    fn label<T: Copy + Into<f64>>(&self, row: ArrayView1<'_, T>) -> CellLabel {
        let Some(place) = place(&self.transform, row) else { return CellLabel::default() };
        if let Ok(at) = self.cells.binary_search_by(|(other, _)| other.cmp(&place)) {
            return winner(self.cells[at].1.clone());
        }
        let away = |other: usize| {
            let along = place.iter().zip(&self.cells[other].0);
            boxes::distance(along.map(|(&a, &b)| (i64::from(a) - i64::from(b)).abs()))
        };
        // Nothing lies in a smaller window than the nearest, so its votes are all on its surface.
        let found = self.boxes.nearest(away, &place, self.window);
        if found.window.is_empty() {
            return winner(self.cells[found.cell].1.clone());
        }
        let votes = found.window.iter().flat_map(|&other| {
            let weight = 1.0 / (1.0 + away(other).1).sqrt();
            self.cells[other].1.iter().map(move |(class, points)| (*class, points * weight))
        });
        winner(votes.collect())
    }

    fn of(transform: Transform, window: usize, cells: Vec<(Vec<i32>, Votes)>) -> Self {
        let boxes = Boxes::new(&cells.iter().map(|(place, _)| place.as_slice()).collect::<Vec<_>>());
        Self { transform, window, cells, boxes }
    }
}

/// Where a point lies, beyond the first cells too; `None` if that is nowhere.
fn place<T: Copy + Into<f64>>(transform: &Transform, row: ArrayView1<'_, T>) -> Option<Vec<i32>> {
    let along = row.iter().enumerate().map(|(axis, &value)| transform.along(axis, value.into()));
    along.map(|along| along.is_finite().then_some(along as i32)).collect()
}

/// The class of most votes.
fn winner(mut votes: Votes) -> CellLabel {
    votes.sort_by_key(|(class, _)| *class);
    let total: f64 = votes.iter().map(|(_, votes)| votes).sum();
    let groups = votes.chunk_by(|a, b| a.0 == b.0).map(|group| (group[0].0, group.iter().map(|vote| vote.1).sum()));
    let most = groups.reduce(|best: (ClusterId, f64), next| if next.1 > best.1 { next } else { best });
    most.map_or_else(CellLabel::default, |(class, most)| CellLabel {
        cluster: Some(class),
        confidence: (most / total) as f32,
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Cells of unit size, their corners at whole numbers.
    fn unit_cells(points: &[([f64; 5], usize)], window: usize) -> SparseMap {
        let transform = Transform { origin: vec![0.0; 5], scale: vec![1.0; 5], shape: vec![10; 5], folded: false };
        let mut cells: Vec<(Vec<i32>, Votes)> = Vec::new();
        for (point, class) in points {
            cells.push((point.map(|value| value.floor() as i32).to_vec(), vec![(*class, 1.0)]));
        }
        cells.sort_by(|a, b| a.0.cmp(&b.0));
        SparseMap::of(transform, window, cells)
    }

    #[test]
    fn a_query_reads_its_cell_then_the_window_then_the_nearest() {
        let map = unit_cells(
            &[([0.; 5], 3), ([2., 0., 0., 0., 0.], 1), ([1., 1., 0., 0., 0.], 1), ([9., 9., 9., 9., 9.], 2)],
            2,
        );
        let label = |x: [f64; 5]| map.label(ArrayView1::from(&x));
        assert_eq!(label([0.5, 0.5, 0.9, 0.2, 0.1]), CellLabel { cluster: Some(3), confidence: 1.0 });
        // Two neighbours of class 1 and one of class 3, all in the window of one cell.
        let near = label([1.5, 0.5, 0.5, 0.5, 0.5]);
        assert_eq!(near.cluster, Some(1));
        let [side, corner] = [0.5_f64.sqrt(), 0.5_f64.sqrt()];
        assert!((f64::from(near.confidence) - (side + corner) / (2.0 * side + corner)).abs() < 1e-6);
        // The window of one cell holds two, so that of two cells is not asked.
        assert_eq!(label([2.5, 1.5, 0.5, 0.5, 0.5]), CellLabel { cluster: Some(1), confidence: 1.0 });
        // Beyond every window.
        assert_eq!(label([40.0; 5]), CellLabel { cluster: Some(2), confidence: 1.0 });
        assert_eq!(label([-1e30; 5]).cluster, Some(3));
        assert_eq!(label([f64::NAN; 5]), CellLabel::default());
    }

    #[test]
    fn equal_votes_go_to_the_lowest_class() {
        assert_eq!(
            winner(vec![(4, 1.0), (2, 1.0), (4, 1.0), (2, 1.0)]),
            CellLabel { cluster: Some(2), confidence: 0.5 }
        );
    }

    #[test]
    fn blobs_in_ten_dimensions_are_told_apart() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let classes: Vec<usize> = (0..600).map(|row| row % 3).collect();
        let x = Array2::from_shape_fn((600, 10), |(row, axis)| {
            f64::from(u8::from(axis % 3 == classes[row])) * 4.0 + rng.random_range(-1.0..1.0)
        });
        let known: Vec<Option<usize>> = classes.iter().map(|&class| Some(class)).collect();
        let (train, new) = x.view().split_at(Axis(0), 300);
        let map = SparseMap::fit(train, &known[..300], &SparseParams::default()).unwrap();
        let found = map.assign(new);
        let right = found.iter().zip(&known[300..]).filter(|(found, known)| found.cluster == **known).count();
        assert_eq!(right, 300);
        assert!(map.n_cells() > 200);
    }

    #[test]
    fn refuses_what_it_can_not_draw() {
        let params = SparseParams::default();
        let x = array![[0.0, f64::INFINITY]];
        assert!(matches!(SparseMap::fit(x.view(), &[Some(0)], &params), Err(RasterError::NotFinite { row: 0 })));
        let x = array![[0.0, 1.0]];
        assert!(matches!(SparseMap::fit(x.view(), &[None], &params), Err(RasterError::Parameter { .. })));
        assert!(matches!(SparseMap::fit(Array2::<f64>::zeros((0, 7)).view(), &[], &params), Err(RasterError::Empty)));
    }
}
