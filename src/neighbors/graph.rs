//! The k nearest neighbours of every row.

use crate::distance::Metric;
use ndarray::{Array2, ArrayView2};

/// The nearest neighbours of each of n rows: other rows, the nearest first, of equal ones that of the lower number.
#[derive(Clone, Debug, PartialEq)]
pub struct KnnGraph {
    metric: Metric,
    indices: Array2<u32>,
    distances: Array2<f32>,
}

impl KnnGraph {
    /// From the neighbours' rows and distances, both of shape (n_samples, n_neighbors).
    ///
    /// # Panics
    /// If the shapes differ, or a row is its own neighbour, has a neighbour that is no row, one of an earlier place that
    /// is farther, or a distance that is not a number of 0 or more.
    pub fn new(metric: Metric, indices: Array2<u32>, distances: Array2<f32>) -> Self {
        Self::checked(metric, indices, distances).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// The same, or what is wrong.
    pub(super) fn checked(metric: Metric, indices: Array2<u32>, distances: Array2<f32>) -> Result<Self, String> {
        if indices.dim() != distances.dim() {
            return Err(format!("neighbours of shape {:?}, distances of {:?}", indices.dim(), distances.dim()));
        }
        let n_samples = indices.nrows();
        for (row, (indices, distances)) in indices.outer_iter().zip(distances.outer_iter()).enumerate() {
            let mut last = None;
            for (&to, &distance) in indices.iter().zip(distances) {
                if to as usize >= n_samples || to as usize == row {
                    return Err(format!("row {row} has the neighbour {to}"));
                }
                let is_next = last.is_none_or(|last| (distance, to) > last);
                if !is_next || !(0.0..f32::INFINITY).contains(&distance) {
                    return Err(format!("row {row}: neighbours out of order"));
                }
                last = Some((distance, to));
            }
        }
        Ok(Self { metric, indices, distances })
    }

    /// How distance is measured: euclidean, not squared, or 1 - cosine.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Number of rows.
    pub fn n_samples(&self) -> usize {
        self.indices.nrows()
    }

    /// Neighbours of each row: as many as asked for, or all other rows where there are fewer.
    pub fn n_neighbors(&self) -> usize {
        self.indices.ncols()
    }

    /// The neighbours' rows, shape (n_samples, n_neighbors).
    pub fn indices(&self) -> ArrayView2<'_, u32> {
        self.indices.view()
    }

    /// Their distances, of the same shape.
    pub fn distances(&self) -> ArrayView2<'_, f32> {
        self.distances.view()
    }

    /// The neighbours of a row with their distances, the nearest first.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn neighbors(&self, row: usize) -> impl ExactSizeIterator<Item = (usize, f32)> + '_ {
        self.indices.row(row).into_iter().zip(self.distances.row(row)).map(|(&to, &distance)| (to as usize, distance))
    }
}
