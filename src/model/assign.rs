//! New rows into known clusters.

use super::Model;
use crate::cluster::Assignment;
use crate::collection::{ClusterId, Features};

/// What the model says of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The cluster; `None` if the image fits none.
    pub cluster: Option<ClusterId>,
    /// Distance to the cluster's centroid.
    pub distance: f64,
    /// 0 on the border to the next cluster, 1 on the centroid; `None` if there is no other cluster.
    pub confidence: Option<f64>,
    /// Farther from the centroid than 99 % of the cluster's own members.
    pub outlier: bool,
}

impl Model {
    /// Assigns rows of features, shape (n_samples, n_features) as the extractor gives them, dense or sparse whichever the
    /// model was fitted to. O(n d (c + k)).
    ///
    /// # Errors
    /// If the number of features is not the model's: the two numbers (expected, found).
    pub fn assign<'a>(&self, features: impl Into<Features<'a>>) -> Result<Vec<Verdict>, super::ModelError> {
        let features = features.into();
        let (expected, found) = (self.n_features(), features.dim().1);
        if found != expected {
            return Err(super::ModelError::Features { expected, found });
        }
        let assigned = match &self.reducer {
            Some(reducer) => self.assigner.assign(reducer.transform_features(features).view()),
            None => self.assigner.assign(features),
        };
        Ok(assigned.into_iter().map(|a| self.verdict(&a)).collect())
    }

    /// Number of features a row needs.
    pub fn n_features(&self) -> usize {
        self.reducer.as_ref().map_or(self.assigner.n_features(), |r| r.n_features())
    }

    /// Adds to an assignment whether it is an outlier.
    pub fn verdict(&self, assignment: &Assignment) -> Verdict {
        let Assignment { cluster, distance, confidence } = *assignment;
        let outlier = cluster.is_none_or(|c| distance > self.clusters[c].reach);
        Verdict { cluster, distance, confidence, outlier }
    }
}
