//! Clusters that the neighbours of their rows don't tell apart.

use super::votes::RESOLUTION;
use crate::collection::{ClusterId, Csr, sparse_row};
use std::collections::BTreeMap;

/// Two clusters are parts of one if such a share of the weight of the lighter leads to the other. Pieces of a heap without
/// structure have more, the more its dimensions.
const TORN: f64 = 0.05;

/// Joins clusters into which a cluster was torn, first those of which the greatest share of the weight leads to the other:
/// as long as that is much, modularity rises, no more than `most` rows come together, and more than `least` clusters are
/// left. O(edges) and, for each that is joined, O(pairs of clusters that edges join).
pub(super) fn join(graph: &Csr, labels: &mut [Option<ClusterId>], least: usize, most: usize) {
    let mut parts = Parts::new(graph, labels);
    let mut into: Vec<ClusterId> = (0..parts.sizes.len()).collect();
    let mut left = parts.sizes.iter().filter(|&&size| size > 0).count();
    while left > least {
        let Some((a, b)) = parts.torn(most) else { break };
        parts.join(a, b);
        into.iter_mut().filter(|to| **to == b).for_each(|to| *to = a);
        left -= 1;
    }
    labels.iter_mut().flatten().for_each(|label| *label = into[*label]);
}

/// Clusters and the weight of the edges between them.
struct Parts {
    sizes: Vec<usize>,
    /// Of all edges of each cluster.
    weights: Vec<f64>,
    total: f64,
    /// Of each cluster to those that edges join it to.
    between: Vec<BTreeMap<ClusterId, f64>>,
}

impl Parts {
    fn new(graph: &Csr, labels: &[Option<ClusterId>]) -> Self {
        let n_clusters = labels.iter().flatten().max().map_or(0, |most| most + 1);
        let (mut sizes, mut weights) = (vec![0; n_clusters], vec![0.0; n_clusters]);
        let mut between = vec![BTreeMap::new(); n_clusters];
        let mut total = 0.0;
        for (row, &label) in labels.iter().enumerate() {
            let (to, values) = sparse_row(graph, row);
            let sum: f64 = values.iter().map(|&weight| f64::from(weight)).sum();
            total += sum;
            let Some(cluster) = label else { continue };
            sizes[cluster] += 1;
            weights[cluster] += sum;
            for (&to, &weight) in to.iter().zip(values) {
                if let Some(other) = labels[to as usize].filter(|&other| other != cluster) {
                    *between[cluster].entry(other).or_default() += f64::from(weight);
                }
            }
        }
        Self { sizes, weights, total, between }
    }

    /// The two to join next, the lower number first.
    fn torn(&self, most: usize) -> Option<(ClusterId, ClusterId)> {
        let mut torn = None;
        let mut greatest = TORN;
        for (a, others) in self.between.iter().enumerate() {
            for (&b, &weight) in others.range(a + 1..) {
                let share = weight / self.weights[a].min(self.weights[b]);
                let rises = weight * self.total > RESOLUTION * self.weights[a] * self.weights[b];
                if share > greatest && rises && self.sizes[a] + self.sizes[b] <= most {
                    (torn, greatest) = (Some((a, b)), share);
                }
            }
        }
        torn
    }

    /// Makes `b` part of `a`.
    fn join(&mut self, a: ClusterId, b: ClusterId) {
        self.sizes[a] += std::mem::take(&mut self.sizes[b]);
        self.weights[a] += std::mem::take(&mut self.weights[b]);
        for (other, weight) in std::mem::take(&mut self.between[b]) {
            self.between[other].remove(&b);
            if other != a {
                *self.between[a].entry(other).or_default() += weight;
                *self.between[other].entry(a).or_default() += weight;
            }
        }
    }
}
