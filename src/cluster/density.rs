//! Core points as an assigner.

use super::Assignment;
use super::assigner::nearest;
use crate::collection::ClusterId;
use ndarray::{Array2, ArrayView2};

/// Core points: a row belongs to the cluster of the nearest one, if that is near enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    /// A row farther than this from every core point belongs to no cluster.
    pub eps: f64,
    /// The core points, shape (core points, n_features).
    pub core: Array2<f32>,
    /// The cluster of each.
    pub clusters: Vec<ClusterId>,
}

impl Density {
    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        self.clusters.iter().max().map_or(0, |most| most + 1)
    }

    /// The cluster of the nearest core point and the distance to it; the confidence is 1 at a core point and 0 at the
    /// distance `eps`. O(n m d) for m core points.
    ///
    /// # Panics
    /// If the number of features differs from the core points'.
    pub fn assign(&self, x: ArrayView2<'_, f32>) -> Vec<Assignment> {
        let assignment = |(distance, core): (f64, usize)| {
            let is_near = distance <= self.eps;
            let confidence = if self.eps > 0.0 { 1.0 - distance / self.eps } else { 1.0 };
            Assignment {
                cluster: is_near.then(|| self.clusters[core]),
                distance,
                confidence: is_near.then_some(confidence),
            }
        };
        nearest(x, &self.core).map(assignment).collect()
    }
}
