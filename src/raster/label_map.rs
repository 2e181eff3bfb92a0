//! The label of each cell: what is left of a raster once it is clustered, and what new points are assigned by.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::segment::Neighbours;
use super::{Connectivity, Transform};
use crate::collection::ClusterId;

/// The label of each cell of a raster.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMap {
    /// Where the cells are.
    pub transform: Transform,
    /// Of each cell, the last axis fastest.
    pub cells: Vec<CellLabel>,
}

/// What a cell says of the points in it.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct CellLabel {
    /// The cluster; `None` is noise.
    pub cluster: Option<ClusterId>,
    /// How sure that is, from 0 to 1.
    pub confidence: f32,
}

impl LabelMap {
    /// Draws the points of `x`, shape (n_samples, n_axes), whose classes are known: a cell has that of the last point in
    /// it. O(n d).
    ///
    /// # Panics
    /// If the number of axes is another than the transform's, or there are more or fewer classes than rows.
    ///
    /// ```
    /// use alike::raster::{LabelMap, Transform};
    /// let x = ndarray::array![[0.1, 0.1], [0.12, 0.1], [0.6, 0.6]];
    /// let map = LabelMap::draw(Transform::folded(8), x.view(), &[Some(1), Some(0), None]);
    /// assert_eq!(map.assign(x.view())[0].cluster, Some(0));
    /// assert_eq!(map.cells.iter().filter(|cell| cell.cluster.is_some()).count(), 1);
    /// ```
    pub fn draw<T: Copy + Sync + Into<f64>>(
        transform: Transform,
        x: ArrayView2<'_, T>,
        classes: &[Option<ClusterId>],
    ) -> Self {
        assert_eq!(x.nrows(), classes.len(), "rows have a class each");
        let mut cells = vec![CellLabel::default(); transform.n_cells()];
        for (cell, class) in transform.cells(x).into_iter().zip(classes) {
            if let (Some(cell), Some(class)) = (cells.get_mut(cell as usize), class) {
                *cell = CellLabel { cluster: Some(*class), confidence: 1.0 };
            }
        }
        Self { transform, cells }
    }

    /// What the cell of each row of `x` says, shape (n_samples, n_axes). Points outside of the raster are noise. O(n d).
    ///
    /// # Panics
    /// If the number of axes is another than the raster's.
    pub fn assign<T: Copy + Sync + Into<f64>>(&self, x: ArrayView2<'_, T>) -> Vec<CellLabel> {
        let cells = self.transform.cells(x).into_par_iter();
        cells.map(|cell| self.cells.get(cell as usize).copied().unwrap_or_default()).collect()
    }

    /// The cells that belong to a cluster and lie at the raster's end or beside a cell that belongs to none.
    pub(crate) fn border(&self) -> Vec<usize> {
        let neighbours = Neighbours::new(&self.transform.shape, Connectivity::Faces);
        let is_border = |cell: &usize| {
            let (mut n_neighbours, mut open) = (0, false);
            neighbours.visit(*cell, |other| {
                n_neighbours += 1;
                open |= self.cells[other].cluster.is_none();
            });
            self.cells[*cell].cluster.is_some() && (open || n_neighbours < 2 * self.transform.n_axes())
        };
        (0..self.cells.len()).filter(is_border).collect()
    }

    /// Number of clusters: one more than the highest.
    pub fn n_clusters(&self) -> usize {
        self.cells.iter().filter_map(|cell| cell.cluster).max().map_or(0, |most| most + 1)
    }

    /// The same map with clusters numbered by their place in `order`; cells of others are noise.
    pub fn renumbered(mut self, order: &[ClusterId]) -> Self {
        let mut places = vec![None; self.n_clusters()];
        order.iter().enumerate().for_each(|(new, &old)| places[old] = Some(new));
        for cell in &mut self.cells {
            *cell = match cell.cluster.and_then(|cluster| places[cluster]) {
                Some(cluster) => CellLabel { cluster: Some(cluster), ..*cell },
                None => CellLabel::default(),
            };
        }
        self
    }
}
