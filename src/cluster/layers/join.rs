//! Clusters that a layout tore: the neighbours across tell them apart no better than chance does.

use super::find::Neighborhood;
use super::heap::Heap;
use crate::collection::{ClusterId, n_clusters, sparse_row};
use crate::neighbors::Growth;
use std::collections::BTreeMap;

/// Two clusters that share a smaller part of a facet only touch.
const FACET: f64 = 0.25;
/// Standard deviations by which an edge is surely shallower than in a heap.
const SURE: f64 = 3.0;

/// Joins clusters that are parts of one, round by round those of which the greatest share of the weight leads across: two
/// that meet as broadly as the halves of a [`Heap`] of their dimension and not surely thinner, as long as no more than `most`
/// rows come together and more than `least` clusters are left. O(edges) for each round, of which there are few.
pub(super) fn join(neighbors: &Neighborhood, labels: &mut [Option<ClusterId>], least: usize, most: usize) {
    loop {
        let borders = Borders::new(neighbors, labels);
        let left = borders.sizes.iter().filter(|&&size| size > 0).count();
        let mut pairs = borders.firsts(most);
        pairs.truncate(left.saturating_sub(least));
        if pairs.is_empty() {
            return;
        }
        let mut into: Vec<ClusterId> = (0..borders.sizes.len()).collect();
        pairs.into_iter().for_each(|(a, b)| into[b] = a);
        labels.iter_mut().flatten().for_each(|label| *label = into[*label]);
    }
}

/// Clusters and where they meet.
pub(super) struct Borders {
    sizes: Vec<usize>,
    /// Of all edges of each cluster.
    weights: Vec<f64>,
    /// Of the neighbours of each cluster's rows.
    growths: Vec<Growth>,
    n_neighbors: usize,
    /// Of each two that edges join, the lower number first.
    between: BTreeMap<(ClusterId, ClusterId), Border>,
}

/// The edges between two clusters, seen from either end.
#[derive(Default)]
struct Border {
    /// The weight of an edge counts twice.
    weight: f64,
    /// The sum over rows of the share of their weight that leads across.
    crossing: f64,
    /// The same, each share times itself or what is left of the weight, whichever is less.
    deep: f64,
}

impl Borders {
    pub(super) fn new(neighbors: &Neighborhood, labels: &[Option<ClusterId>]) -> Self {
        let n_clusters = n_clusters(labels);
        let (mut sizes, mut weights) = (vec![0; n_clusters], vec![0.0; n_clusters]);
        let mut growths = vec![Growth::default(); n_clusters];
        let mut between: BTreeMap<_, Border> = BTreeMap::new();
        let mut across: BTreeMap<ClusterId, f64> = BTreeMap::new();
        for (row, &label) in labels.iter().enumerate() {
            let Some(cluster) = label else { continue };
            let (to, values) = sparse_row(&neighbors.graph, row);
            let total: f64 = values.iter().map(|&weight| f64::from(weight)).sum();
            sizes[cluster] += 1;
            weights[cluster] += total;
            growths[cluster] = growths[cluster] + neighbors.growths[row];
            across.clear();
            for (&to, &weight) in to.iter().zip(values) {
                if let Some(other) = labels[to as usize].filter(|&other| other != cluster) {
                    *across.entry(other).or_default() += f64::from(weight);
                }
            }
            for (&other, &weight) in &across {
                let border = between.entry((cluster.min(other), cluster.max(other))).or_default();
                let share = weight / total;
                border.weight += weight;
                border.crossing += share;
                border.deep += share * share.min(1.0 - share);
            }
        }
        Self { sizes, weights, growths, n_neighbors: neighbors.n_neighbors, between }
    }

    /// Which part of the weight of the lighter of two leads to the other.
    pub(super) fn share(&self, pair: (ClusterId, ClusterId)) -> f64 {
        self.between[&pair].weight / 2.0 / self.weights[pair.0].min(self.weights[pair.1])
    }

    /// How deep the edges between two lead, as [`Heap::depth`] is defined.
    pub(super) fn depth(&self, pair: (ClusterId, ClusterId)) -> f64 {
        self.between[&pair].deep / self.between[&pair].crossing
    }

    /// What the two would be if they were one without structure.
    pub(super) fn heap(&self, (a, b): (ClusterId, ClusterId)) -> Heap {
        let dimension = (self.growths[a] + self.growths[b]).dimension();
        Heap::new(dimension.unwrap_or(f64::INFINITY), self.n_neighbors)
    }

    /// Whether two meet as parts of a heap do: as broadly, and not less deeply by more than chance.
    fn is_torn(&self, pair: (ClusterId, ClusterId)) -> bool {
        let heap = self.heap(pair);
        let smaller = self.sizes[pair.0].min(self.sizes[pair.1]);
        let error = Heap::SPREAD / self.between[&pair].crossing.sqrt();
        self.share(pair) > FACET * heap.facet(smaller) && self.depth(pair) > heap.depth() - SURE * error
    }

    /// Those to join that have no better to be joined with, the best first, each with the lower number first.
    fn firsts(&self, most: usize) -> Vec<(ClusterId, ClusterId)> {
        let small = |&(a, b): &(ClusterId, ClusterId)| self.sizes[a] + self.sizes[b] <= most;
        let torn = self.between.keys().copied().filter(|pair| small(pair) && self.is_torn(*pair));
        let mut torn: Vec<_> = torn.map(|pair| (self.share(pair), pair)).collect();
        torn.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut seen = vec![false; self.sizes.len()];
        let mut is_first = |&(a, b): &(ClusterId, ClusterId)| {
            let first = !seen[a] && !seen[b];
            (seen[a], seen[b]) = (true, true);
            first
        };
        torn.into_iter().map(|(_, pair)| pair).filter(|pair| is_first(pair)).collect()
    }
}
