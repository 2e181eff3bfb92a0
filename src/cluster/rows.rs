//! The rows that are clustered, as the metric sees them.

use super::guard::enough;
use super::{ClusterError, Metric};
use crate::distance::{dot, squared_euclidean, squared_norms};
use ndarray::ArrayView2;

/// Rows, dense or sparse, as the metric sees them: by cosine they stand for the unit vectors of their directions.
pub(super) trait Points: Sync {
    fn metric(&self) -> Metric;
    fn n_features(&self) -> usize;
    /// The squared length of each row.
    fn norms(&self) -> &[f64];
    /// Adds the row's features from `first` on, weighted, `sign` times.
    fn add_to(&self, sum: &mut [f64], first: usize, i: usize, sign: f64);

    fn len(&self) -> usize {
        self.norms().len()
    }

    /// What the row's values count: 1, or by cosine 1 / length; 0 for a row without a direction.
    fn weight(&self, i: usize) -> f64 {
        match self.metric() {
            Metric::Euclidean => 1.0,
            Metric::Cosine if self.is_blank(i) => 0.0,
            Metric::Cosine => 1.0 / self.norms()[i].sqrt(),
        }
    }

    /// Squared length, weighted: by cosine 1.
    fn squared_length(&self, i: usize) -> f64 {
        if self.metric() == Metric::Euclidean { self.norms()[i] } else { 1.0 }
    }

    /// Whether the row has no direction, which matters by cosine alone: it is shorter than f32 can bring to unit length.
    fn is_blank(&self, i: usize) -> bool {
        self.metric() == Metric::Cosine && self.norms()[i] < f64::from(f32::MIN_POSITIVE).powi(2)
    }

    /// The rows that can be centroids: those that have a direction.
    fn eligible(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|&i| !self.is_blank(i))
    }

    /// Refuses values that are not finite, which show in the squared lengths, rows without features, and fewer rows than
    /// clusters.
    fn check(&self, n_clusters: usize) -> Result<(), ClusterError> {
        match self.norms().iter().position(|norm| !norm.is_finite()) {
            Some(row) => Err(ClusterError::NotFinite { row }),
            None => enough((self.len(), self.n_features()), n_clusters),
        }
    }
}

/// Dense rows.
pub(super) struct Rows<'a> {
    values: &'a [f32],
    n_features: usize,
    /// Squared lengths.
    norms: Vec<f64>,
    metric: Metric,
}

impl<'a> Rows<'a> {
    /// `x`, shape (n_samples, n_features), in standard layout.
    pub fn new(x: &'a ArrayView2<'_, f32>, metric: Metric) -> Self {
        let values = x.as_slice().expect("rows are contiguous");
        Self { values, n_features: x.ncols(), norms: squared_norms(*x), metric }
    }

    pub fn view(&self) -> ArrayView2<'a, f32> {
        ArrayView2::from_shape((self.len(), self.n_features), self.values).expect("rows of one length")
    }

    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.n_features..][..self.n_features]
    }

    /// Squared distance to a centroid; by cosine twice 1 - cos.
    pub fn squared(&self, i: usize, centroid: &[f32]) -> f64 {
        match self.metric {
            Metric::Euclidean => squared_euclidean(self.row(i), centroid),
            Metric::Cosine => (2.0 - 2.0 * dot(self.row(i), centroid) * self.weight(i)).max(0.0),
        }
    }
}

impl Points for Rows<'_> {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn norms(&self) -> &[f64] {
        &self.norms
    }

    fn add_to(&self, sum: &mut [f64], first: usize, i: usize, sign: f64) {
        let values = &self.row(i)[first..first + sum.len()];
        pulp::Arch::new().dispatch(Add { sum, values, weight: sign * self.weight(i) });
    }
}

/// Adds values, weighted.
struct Add<'a> {
    sum: &'a mut [f64],
    values: &'a [f32],
    weight: f64,
}

impl pulp::WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (sum, &value) in self.sum.iter_mut().zip(self.values) {
            *sum += value as f64 * self.weight;
        }
    }
}
