//! The k nearest neighbours of every row.

use crate::distance::Metric;
use ndarray::{Array2, ArrayView2};
use std::iter::Sum;
use std::ops::Add;

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

    /// The dimension that the rows seem to have near every one of them: how fast the number of neighbours grows with their
    /// distance. E. Levina, P. J. Bickel, Maximum likelihood estimation of intrinsic dimension, 2004, the inverses averaged
    /// as D. J. C. MacKay and Z. Ghahramani propose. Too low for few rows of many dimensions, where much is rim. `None`
    /// where no distances differ, or with fewer than three neighbours. O(n_samples n_neighbors).
    ///
    /// ```
    /// use alike::neighbors::{NeighborsParams, nearest};
    ///
    /// // A line in three dimensions.
    /// let x = ndarray::Array2::from_shape_fn((200, 3), |(row, _)| row as f32);
    /// let graph = nearest(x.view(), &NeighborsParams::default(), &alike::progress::Silent)?;
    /// assert!((0.8..1.2).contains(&graph.intrinsic_dimension().unwrap()));
    /// # Ok::<(), alike::progress::Interrupted>(())
    /// ```
    pub fn intrinsic_dimension(&self) -> Option<f64> {
        (0..self.n_samples()).map(|row| self.growth(row)).sum::<Growth>().dimension()
    }

    /// What a row says of the [`intrinsic_dimension`](Self::intrinsic_dimension) of those about it.
    pub(crate) fn growth(&self, row: usize) -> Growth {
        let distances = self.distances.row(row);
        let farthest = distances.last().map_or(0.0, |&distance| f64::from(distance));
        let apart = distances.iter().filter(|distance| **distance > 0.0);
        let n = apart.clone().count();
        if n < 3 {
            return Growth::default();
        }
        let squared = if self.metric == Metric::Cosine { 2.0 } else { 1.0 };
        let logarithms = apart.map(|&distance| (farthest / f64::from(distance)).ln()).sum();
        Growth { neighbors: squared * (n - 2) as f64, logarithms }
    }
}

/// How the number of neighbours grows with their distance, summed over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Growth {
    neighbors: f64,
    logarithms: f64,
}

impl Growth {
    /// The dimension in which it grows so; `None` where no distances differ.
    pub(crate) fn dimension(self) -> Option<f64> {
        (self.logarithms > 0.0).then(|| self.neighbors / self.logarithms)
    }
}

impl Add for Growth {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { neighbors: self.neighbors + other.neighbors, logarithms: self.logarithms + other.logarithms }
    }
}

impl Sum for Growth {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::add)
    }
}
