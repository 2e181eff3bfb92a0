//! Rows between which distances are asked for, whatever the metric.

use crate::distance::{Metric, as_seen, squared_euclidean};
use ndarray::ArrayView2;
use rayon::prelude::*;
use std::borrow::Cow;

/// Rows one after the other; for cosine distance brought to unit length, so that it is half the squared distance.
pub(super) struct Rows<'a> {
    metric: Metric,
    shape: (usize, usize),
    values: Cow<'a, [f32]>,
    /// By cosine distance, which rows have no direction.
    lost: Vec<bool>,
}

impl<'a> Rows<'a> {
    pub fn new(x: ArrayView2<'a, f32>, metric: Metric) -> Self {
        let seen = as_seen(x, metric);
        let values = match x.to_slice().filter(|_| seen.is_view()) {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(seen.into_owned().into_raw_vec_and_offset().0),
        };
        let d = x.ncols();
        let is_lost = |row: usize| metric == Metric::Cosine && values[row * d..][..d].iter().all(|&value| value == 0.0);
        let lost = (0..x.nrows()).into_par_iter().map(is_lost).collect();
        Self { metric, shape: x.dim(), values, lost }
    }

    /// Some of the rows, as they are held.
    pub fn select(&self, some: &[usize]) -> Rows<'static> {
        let values = some.iter().flat_map(|&row| self.row(row)).copied().collect();
        let lost = some.iter().map(|&row| self.lost[row]).collect();
        Rows { metric: self.metric, shape: (some.len(), self.n_features()), values, lost }
    }

    pub fn metric(&self) -> Metric {
        self.metric
    }

    pub fn view(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape(self.shape, &self.values).expect("rows one after the other")
    }

    pub fn len(&self) -> usize {
        self.shape.0
    }

    pub fn n_features(&self) -> usize {
        self.shape.1
    }

    #[inline]
    pub fn row(&self, row: usize) -> &[f32] {
        let d = self.n_features();
        &self.values[row * d..(row + 1) * d]
    }

    /// Whether a row has no direction: its cosine distance to every other is 1.
    pub fn is_lost(&self, row: usize) -> bool {
        self.lost[row]
    }

    /// Distance of a row to one of `others`, of the same metric, rounded once.
    pub fn distance(&self, row: usize, others: &Rows<'_>, other: usize) -> f32 {
        if self.is_lost(row) || others.is_lost(other) {
            return 1.0;
        }
        self.metric_of(squared_euclidean(self.row(row), others.row(other))).min(f64::from(f32::MAX)) as f32
    }

    /// The distance whose square, between the rows as held, is `squared`.
    fn metric_of(&self, squared: f64) -> f64 {
        match self.metric {
            Metric::Euclidean => squared.sqrt(),
            Metric::Cosine => squared / 2.0,
        }
    }

    /// The squared distance between the rows as held of which `distance` is made.
    pub fn squared(&self, distance: f64) -> f64 {
        match self.metric {
            Metric::Euclidean => distance * distance,
            Metric::Cosine => 2.0 * distance,
        }
    }
}
