//! The layers of a condensed tree: at which least cluster sizes its clusters are worth telling apart.
//!
//! D. M. Bot, L. McInnes, J. Aerts, Persistent multiscale density-based clustering, 2025 (PLSCAN).

use crate::cluster::density_tree::CondensedTree;
use std::collections::BTreeSet;

/// Most layers.
const LAYERS: usize = 10;
/// Two layers have at most this share of their clusters in common.
const ALIKE: f64 = 0.2;

/// A least cluster size and what it leaves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    /// Clusters of the tree, rising.
    pub(super) clusters: Vec<usize>,
    /// The least cluster size.
    pub(super) size: usize,
    /// The sum over its clusters of the range of sizes in which each is one, the weight of a split falling with the
    /// distance at which it happens.
    pub(super) persistence: f64,
}

/// The range of least cluster sizes in which a cluster is one that splits no further: above `birth`, up to `death`.
struct Bar {
    birth: usize,
    death: usize,
    weight: f64,
}

/// The bars of a tree's clusters.
pub(super) struct Bars {
    /// The first stands for all rows and counts for nothing.
    bars: Vec<Bar>,
    /// The least sizes at which a cluster is born, rising.
    sizes: Vec<usize>,
}

impl Bars {
    /// Those of a tree whose clusters have at least `least` rows.
    pub(super) fn new(tree: &CondensedTree, least: usize) -> Self {
        let weight = |density: f64| if density > 0.0 { (-1.0 / density).exp() } else { 0.0 };
        let bar = |birth: f64| Bar { birth: least, death: 0, weight: weight(birth) };
        let mut bars: Vec<Bar> = tree.clusters.iter().map(|cluster| bar(cluster.birth)).collect();
        // A cluster comes after the one it splits from, so that what its parts are is known.
        for (cluster, children) in tree.children().iter().enumerate().rev().filter(|(_, parts)| !parts.is_empty()) {
            let mut sizes: Vec<usize> = children.iter().map(|&child| tree.clusters[child].size).collect();
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            // With fewer than two parts left there is no split.
            children.iter().for_each(|&child| bars[child].death = tree.clusters[child].size.min(sizes[1]));
            let births = children.iter().map(|&child| bars[child].birth);
            bars[cluster].birth = births.max().unwrap_or(least).max(sizes[1]);
        }
        let sizes = bars[1..].iter().map(|bar| bar.birth).collect::<BTreeSet<_>>().into_iter().collect();
        Self { bars, sizes }
    }

    /// Over the sizes, the sum of what the bars are worth there.
    fn totals(&self, worth: impl Fn(&Bar) -> f64) -> Vec<f64> {
        let mut changes = vec![0.0; self.sizes.len() + 1];
        for bar in self.bars[1..].iter().filter(|bar| bar.death > bar.birth) {
            changes[self.sizes.partition_point(|&size| size < bar.birth)] += worth(bar);
            changes[self.sizes.partition_point(|&size| size < bar.death)] -= worth(bar);
        }
        changes.pop();
        let sum = |sum: &mut f64, change: f64| {
            *sum += change;
            Some(*sum)
        };
        changes.into_iter().scan(0.0, sum).collect()
    }

    fn persistences(&self) -> Vec<f64> {
        self.totals(|bar| (bar.death - bar.birth) as f64 * bar.weight)
    }

    fn layer(&self, at: usize, persistence: f64) -> Layer {
        let size = self.sizes[at];
        let lives = |cluster: &usize| self.bars[*cluster].birth <= size && self.bars[*cluster].death > size;
        Layer { clusters: (1..self.bars.len()).filter(lives).collect(), size, persistence }
    }

    /// The layers, the finest first: the local maxima of total persistence over least cluster sizes, the greatest first as
    /// long as they differ. At least one, if the tree splits at all.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let totals = self.persistences();
        let mut peaks = peaks(&totals);
        peaks.sort_by(|&a, &b| totals[b].total_cmp(&totals[a]).then(a.cmp(&b)));
        let mut layers: Vec<Layer> = Vec::new();
        for peak in peaks {
            let layer = self.layer(peak, totals[peak]);
            let differs = layers.iter().all(|other| jaccard(&other.clusters, &layer.clusters) <= ALIKE);
            if differs && layers.len() < LAYERS {
                layers.push(layer);
            }
        }
        layers.sort_by_key(|layer| layer.size);
        layers
    }

    /// Of all least cluster sizes that with the number of clusters nearest to `n_clusters`, of equal ones the most
    /// persistent; `None` if the tree doesn't split.
    pub(super) fn nearest(&self, n_clusters: usize) -> Option<Layer> {
        let (counts, totals) = (self.totals(|_| 1.0), self.persistences());
        let far = |at: usize| (counts[at] - n_clusters as f64).abs();
        let nearest =
            (0..self.sizes.len()).min_by(|&a, &b| far(a).total_cmp(&far(b)).then(totals[b].total_cmp(&totals[a])));
        nearest.map(|at| self.layer(at, totals[at])).filter(|layer| !layer.clusters.is_empty())
    }
}

/// Where values are greater than before and after; of a plateau its middle.
fn peaks(values: &[f64]) -> Vec<usize> {
    let mut peaks = Vec::new();
    let mut start = 0;
    while start < values.len() {
        let end = start + values[start..].iter().take_while(|&&value| value == values[start]).count();
        let rises = start == 0 || values[start - 1] < values[start];
        let falls = end == values.len() || values[end] < values[start];
        if rises && falls && values[start] > 0.0 {
            peaks.push((start + end - 1) / 2);
        }
        start = end;
    }
    peaks
}

/// What two rising lists have in common, of all that is in either.
fn jaccard(a: &[usize], b: &[usize]) -> f64 {
    let common = a.iter().filter(|c| b.binary_search(c).is_ok()).count();
    common as f64 / (a.len() + b.len() - common).max(1) as f64
}
