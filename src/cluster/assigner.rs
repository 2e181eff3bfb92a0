//! How new rows find their cluster.

use super::images::Images;
use super::rows::Rows;
use super::search::Search;
use super::{Classifier, Density, Mixture, Neighbors, Tree, raster, sparse};
use crate::collection::{ClusterId, Features};
use crate::distance::Metric;
use crate::raster::LabelMap;
use ndarray::{Array2, ArrayView2};

/// What a fit leaves behind to assign rows by, the rows of the fit to their own clusters.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigner {
    /// The nearest centroid's cluster.
    Centroids(Centroids),
    /// The cluster above the nearest of many centroids.
    Tree(Tree),
    /// The most probable Gaussian's.
    Mixture(Mixture),
    /// The nearest core point's, if that is near enough.
    Density(Density),
    /// The nearest row's of the fit, if that is near enough.
    Neighbors(Neighbors),
    /// That of the row's cell.
    Raster(LabelMap),
    /// The most probable cluster, by networks.
    Classifier(Classifier),
}

impl Assigner {
    /// The cluster, distance and confidence of each row of `x`, shape (n_samples, n_features). Only centroids take
    /// sparse rows as they are; for the others they are made dense.
    ///
    /// # Panics
    /// If the number of features is another than in the fit.
    pub fn assign<'a>(&self, x: impl Into<Features<'a>>) -> Vec<Assignment> {
        let x = x.into();
        match self {
            Self::Centroids(centroids) => centroids.assign(x),
            Self::Tree(tree) => tree.assign(x.to_dense().view()),
            Self::Mixture(mixture) => mixture.assign(x.to_dense().view()),
            Self::Density(density) => density.assign(x.to_dense().view()),
            Self::Neighbors(neighbors) => neighbors.assign(x.to_dense().view()),
            Self::Raster(map) => raster::assign(map, x.to_dense().view()),
            Self::Classifier(classifier) => classifier.assign(x.to_dense().view()),
        }
    }

    /// How the fit compared rows.
    pub fn metric(&self) -> Metric {
        match self {
            Self::Centroids(centroids) => centroids.metric,
            Self::Neighbors(neighbors) => neighbors.metric,
            _ => Metric::Euclidean,
        }
    }

    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        match self {
            Self::Centroids(centroids) => centroids.centroids.nrows(),
            Self::Tree(tree) => tree.clusters().nrows(),
            Self::Mixture(mixture) => mixture.means.nrows(),
            Self::Density(density) => density.n_clusters(),
            Self::Neighbors(neighbors) => neighbors.reach.len(),
            Self::Raster(map) => map.n_clusters(),
            Self::Classifier(classifier) => classifier.n_clusters(),
        }
    }

    /// Number of features of a row.
    pub fn n_features(&self) -> usize {
        match self {
            Self::Centroids(centroids) => centroids.centroids.ncols(),
            Self::Tree(tree) => tree.clusters().ncols(),
            Self::Mixture(mixture) => mixture.means.ncols(),
            Self::Density(density) => density.core.ncols(),
            Self::Neighbors(neighbors) => neighbors.rows.ncols(),
            Self::Raster(map) => map.transform.n_axes(),
            Self::Classifier(classifier) => classifier.n_features(),
        }
    }

    /// The centroids, of those that go by the nearest one.
    pub fn centroids(&self) -> Option<&Centroids> {
        match self {
            Self::Centroids(centroids) => Some(centroids),
            _ => None,
        }
    }

    /// The middle of each cluster, shape (n_clusters, n_features), where it has one.
    pub fn centers(&self) -> Option<ArrayView2<'_, f32>> {
        match self {
            Self::Centroids(centroids) => Some(centroids.centroids.view()),
            Self::Tree(tree) => Some(tree.clusters()),
            Self::Mixture(mixture) => Some(mixture.means.view()),
            Self::Density(_) | Self::Neighbors(_) | Self::Raster(_) | Self::Classifier(_) => None,
        }
    }
}

/// Centroids as an assigner.
#[derive(Clone, Debug, PartialEq)]
pub struct Centroids {
    /// How distance is measured.
    pub metric: Metric,
    /// Shape (n_clusters, n_features).
    pub centroids: Array2<f32>,
    /// Cosine only: the cluster of rows without a direction (zeros, or next to it), if the fit met any.
    pub blank: Option<ClusterId>,
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// The cluster; `None` for a row that fits none (a blank row, by cosine).
    pub cluster: Option<ClusterId>,
    /// Distance to its centroid: euclidean, or 1 - cosine; of a tree, to the nearest centroid of its finest level; of a
    /// mixture, Mahalanobis distance to its mean; of densities, to the nearest core point; of neighbours, to the nearest
    /// row of the fit; of a raster, to the nearest cell of a cluster; of a classifier, what the cluster's probability lacks
    /// to 1. At least 0.
    pub distance: f64,
    /// (b - a) / b, with a the distance to the own and b to the next nearest centroid: 0 on the border, 1 on the
    /// centroid (the simplified silhouette; Hruschka et al. 2004). `None` if there is no other centroid. The others say
    /// themselves what it is.
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
        two_nearest(x.view(), &self.centroids, self.metric).into_iter().map(|found| self.assignment(found)).collect()
    }

    /// What the nearest and the next nearest centroid and their squared distances say of a row.
    pub(super) fn assignment(&self, [nearest, next]: TwoNearest) -> Assignment {
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

/// The nearest and the next nearest centroid of a row, if there are any, with their squared distances (by cosine twice
/// 1 - cos).
pub(super) type TwoNearest = [Option<(f64, ClusterId)>; 2];

/// Those of each row of `x`, shape (n_samples, n_features).
pub(super) fn two_nearest(x: ArrayView2<'_, f32>, centroids: &Array2<f32>, metric: Metric) -> Vec<TwoNearest> {
    let x = x.as_standard_layout();
    let x = x.view();
    let rows = Rows::new(&x, metric);
    Search::new(&rows, &Images::identity(&rows), centroids).two_nearest()
}

/// The nearest of some points to each row of `x`, and its distance.
///
/// # Panics
/// If there are no points.
pub(super) fn nearest(x: ArrayView2<'_, f32>, points: &Array2<f32>) -> impl Iterator<Item = (f64, usize)> {
    let found = two_nearest(x, points, Metric::Euclidean).into_iter();
    found.map(|[nearest, _]| nearest.map(|(squared, point)| (squared.sqrt(), point)).expect("there are points"))
}
