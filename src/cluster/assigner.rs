//! Centroids as an assigner of new rows.

use super::images::Images;
use super::rows::Rows;
use super::search::Search;
use super::sparse;
use crate::collection::{ClusterId, Features};
use ndarray::Array2;

/// How near a row is to a centroid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Straight-line distance.
    Euclidean,
    /// 1 - cosine similarity; centroids are unit vectors.
    Cosine,
}

/// Centroids as an assigner.
#[derive(Clone, Debug, PartialEq)]
pub struct Centroids {
    /// How distance is measured.
    pub metric: Metric,
    /// Shape (n_clusters, n_features).
    pub centroids: Array2<f32>,
    /// Cosine only: the cluster of rows without a direction (all zero), if the fit met any.
    pub blank: Option<ClusterId>,
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// The cluster; `None` for a row that fits none (a blank row, by cosine).
    pub cluster: Option<ClusterId>,
    /// Distance to its centroid: euclidean, or 1 - cosine. At least 0.
    pub distance: f64,
    /// (b - a) / b, with a the distance to the own and b to the next nearest centroid: 0 on the border, 1 on the
    /// centroid (the simplified silhouette; Hruschka et al. 2004). `None` if there is no other centroid.
    pub confidence: Option<f64>,
}

impl Centroids {
    /// The cluster, distance and confidence of each row of `x`, shape (n_samples, n_features), dense or sparse. O(n k d),
    /// or O(k) for each value of sparse rows.
    ///
    /// # Panics
    /// If the number of features differs from the centroids'.
    ///
    /// ```
    /// use alike::cluster::{Centroids, Metric};
    /// let c = Centroids { metric: Metric::Euclidean, centroids: ndarray::array![[0.0f32], [10.0]], blank: None };
    /// let a = &c.assign(ndarray::array![[2.0f32]].view())[0];
    /// assert_eq!((a.cluster, a.distance, a.confidence), (Some(0), 2.0, Some(0.75)));
    /// ```
    pub fn assign<'a>(&self, x: impl Into<Features<'a>>) -> Vec<Assignment> {
        let x = match x.into() {
            Features::Sparse(x) => return sparse::assign(&x, self),
            Features::Dense(x) => x,
        };
        let x = x.as_standard_layout();
        let x = x.view();
        let rows = Rows::new(&x, self.metric);
        let images = Images::identity(&rows);
        let found = Search::new(&rows, &images, &self.centroids).two_nearest();
        found.into_iter().map(|found| self.assignment(found)).collect()
    }

    /// What the nearest and the next nearest centroid and their squared distances say of a row.
    pub(super) fn assignment(&self, [nearest, next]: [Option<(f64, ClusterId)>; 2]) -> Assignment {
        let distance = |squared: f64| match self.metric {
            Metric::Euclidean => squared.sqrt(),
            Metric::Cosine => squared / 2.0,
        };
        match nearest {
            None => Assignment { cluster: self.blank, distance: 0.0, confidence: None },
            Some((squared, cluster)) => {
                let (own, next) = (distance(squared), next.map(|(squared, _)| distance(squared)));
                let confidence = next.map(|next| if next > 0.0 { (next - own) / next } else { 0.0 });
                Assignment { cluster: Some(cluster), distance: own, confidence }
            }
        }
    }
}
