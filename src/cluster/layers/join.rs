//! Clusters that a layout tore: the neighbours across tell them apart no better than chance does.

use super::find::Neighborhood;
use super::heap::Heap;
use crate::collection::{ClusterId, Csr, n_clusters, sparse_row};
use crate::neighbors::Growth;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Add;

/// Two clusters that share a smaller part of a facet only touch.
const FACET: f64 = 0.25;
/// Standard deviations by which an edge is surely shallower than in a heap.
const SURE: f64 = 3.0;

/// Joins clusters that are parts of one, round by round those of which the greatest share of the weight leads across: two
/// that meet as broadly as the halves of a [`Heap`] of their dimension and not surely thinner, as long as no more than `most`
/// rows come together and more than `least` clusters are left. O(edges), then O(rows) for each round, of which there are few.
pub(super) fn join(neighbors: &Neighborhood, labels: &mut [Option<ClusterId>], least: usize, most: usize) {
    let mut borders = Borders::new(neighbors, labels);
    let mut left = borders.clusters.iter().filter(|cluster| cluster.size > 0).count();
    loop {
        let mut pairs = borders.firsts(most);
        pairs.truncate(left.saturating_sub(least));
        if pairs.is_empty() {
            return;
        }
        left -= pairs.len();
        let into = borders.join(pairs);
        labels.iter_mut().flatten().for_each(|label| *label = into[*label]);
    }
}

/// Clusters and where they meet.
pub(super) struct Borders {
    clusters: Vec<Cluster>,
    n_neighbors: usize,
    /// Of each two that edges join, the lower number first.
    between: BTreeMap<(ClusterId, ClusterId), Border>,
}

#[derive(Default)]
struct Cluster {
    size: usize,
    /// Of all edges.
    weight: f64,
    /// Of the rows' neighbours.
    growth: Growth,
    /// Those of which edges lead to other clusters.
    rows: Vec<Row>,
}

/// How much of the weight of a row's edges leads to each cluster but its own.
struct Row {
    total: f64,
    across: Vec<(ClusterId, f64)>,
}

impl Row {
    fn new(graph: &Csr, labels: &[Option<ClusterId>], row: usize) -> Self {
        let (to, weights) = sparse_row(graph, row);
        let (own, total) = (labels[row], weights.iter().map(|&weight| f64::from(weight)).sum());
        let mut row = Self { total, across: Vec::new() };
        for (&to, &weight) in to.iter().zip(weights) {
            match labels[to as usize] {
                Some(other) if own != Some(other) => row.add(other, weight.into()),
                _ => {}
            }
        }
        row
    }

    /// Adds weight that leads to another cluster.
    fn add(&mut self, other: ClusterId, weight: f64) {
        match self.across.iter_mut().find(|(known, _)| *known == other) {
            Some((_, sum)) => *sum += weight,
            None => self.across.push((other, weight)),
        }
    }

    /// Now that clusters went `into` others, this row into `own`.
    fn join(&mut self, into: &[ClusterId], own: ClusterId) {
        if self.across.iter().any(|&(other, _)| into[other] != other || other == own) {
            for (other, weight) in std::mem::take(&mut self.across) {
                if into[other] != own {
                    self.add(into[other], weight);
                }
            }
        }
    }
}

/// The edges between two clusters, seen from either end.
#[derive(Clone, Copy, Default)]
struct Border {
    /// The weight of an edge counts twice.
    weight: f64,
    /// The sum over rows of the share of their weight that leads across.
    crossing: f64,
    /// The same, each share times itself or what is left of the weight, whichever is less.
    deep: f64,
}

impl Add for Border {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weight: self.weight + other.weight,
            crossing: self.crossing + other.crossing,
            deep: self.deep + other.deep,
        }
    }
}

impl Cluster {
    /// Where it ends, by the number of the other cluster.
    fn borders(&self) -> BTreeMap<ClusterId, Border> {
        let mut borders = BTreeMap::<_, Border>::new();
        for Row { total, across } in &self.rows {
            for &(other, weight) in across {
                let crossing = weight / total;
                let deep = crossing * crossing.min(1.0 - crossing);
                let border = borders.entry(other).or_default();
                *border = *border + Border { weight, crossing, deep };
            }
        }
        borders
    }
}

impl Borders {
    pub(super) fn new(neighbors: &Neighborhood, labels: &[Option<ClusterId>]) -> Self {
        let row = |row| Row::new(&neighbors.graph, labels, row);
        let rows: Vec<Row> = (0..labels.len()).into_par_iter().map(row).collect();
        let mut clusters: Vec<Cluster> = (0..n_clusters(labels)).map(|_| Cluster::default()).collect();
        for ((row, label), &growth) in rows.into_iter().zip(labels).zip(&neighbors.growths) {
            let Some(cluster) = label.map(|cluster| &mut clusters[cluster]) else { continue };
            cluster.size += 1;
            cluster.weight += row.total;
            cluster.growth = cluster.growth + growth;
            cluster.rows.extend(Some(row).filter(|row| !row.across.is_empty()));
        }
        let mut borders = Self { clusters, n_neighbors: neighbors.n_neighbors, between: BTreeMap::new() };
        borders.meet();
        borders
    }

    /// Gives the rows of the second of each pair to the first; where each cluster went.
    pub(super) fn join(&mut self, pairs: Vec<(ClusterId, ClusterId)>) -> Vec<ClusterId> {
        let mut into: Vec<ClusterId> = (0..self.clusters.len()).collect();
        for (a, b) in pairs {
            into[b] = a;
            let Cluster { size, weight, growth, rows } = std::mem::take(&mut self.clusters[b]);
            let joined = &mut self.clusters[a];
            joined.size += size;
            joined.weight += weight;
            joined.growth = joined.growth + growth;
            joined.rows.extend(rows);
        }
        self.clusters.par_iter_mut().enumerate().for_each(|(own, cluster)| {
            cluster.rows.retain_mut(|row| {
                row.join(&into, own);
                !row.across.is_empty()
            });
        });
        self.meet();
        into
    }

    /// Looks where clusters meet.
    fn meet(&mut self) {
        let borders: Vec<_> = self.clusters.par_iter().map(Cluster::borders).collect();
        self.between.clear();
        for (cluster, borders) in borders.into_iter().enumerate() {
            for (other, border) in borders {
                let between = self.between.entry((cluster.min(other), cluster.max(other))).or_default();
                *between = *between + border;
            }
        }
    }

    /// Which part of the weight of the lighter of two leads to the other.
    pub(super) fn share(&self, pair: (ClusterId, ClusterId)) -> f64 {
        self.between[&pair].weight / 2.0 / self.clusters[pair.0].weight.min(self.clusters[pair.1].weight)
    }

    /// How deep the edges between two lead, as [`Heap::depth`] is defined.
    pub(super) fn depth(&self, pair: (ClusterId, ClusterId)) -> f64 {
        self.between[&pair].deep / self.between[&pair].crossing
    }

    /// What the two would be if they were one without structure.
    pub(super) fn heap(&self, (a, b): (ClusterId, ClusterId)) -> Heap {
        let dimension = (self.clusters[a].growth + self.clusters[b].growth).dimension();
        Heap::new(dimension.unwrap_or(f64::INFINITY), self.n_neighbors)
    }

    /// Whether two meet as parts of a heap do: as broadly, and not less deeply by more than chance.
    fn is_torn(&self, pair: (ClusterId, ClusterId)) -> bool {
        let heap = self.heap(pair);
        let smaller = self.clusters[pair.0].size.min(self.clusters[pair.1].size);
        let error = Heap::SPREAD / self.between[&pair].crossing.sqrt();
        self.share(pair) > FACET * heap.facet(smaller) && self.depth(pair) > heap.depth() - SURE * error
    }

    /// Those to join that have no better to be joined with, the best first, each with the lower number first.
    fn firsts(&self, most: usize) -> Vec<(ClusterId, ClusterId)> {
        let small = |&(a, b): &(ClusterId, ClusterId)| self.clusters[a].size + self.clusters[b].size <= most;
        let torn = self.between.keys().copied().filter(|pair| small(pair) && self.is_torn(*pair));
        let mut torn: Vec<_> = torn.map(|pair| (self.share(pair), pair)).collect();
        torn.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut seen = vec![false; self.clusters.len()];
        let mut is_first = |&(a, b): &(ClusterId, ClusterId)| {
            let first = !seen[a] && !seen[b];
            (seen[a], seen[b]) = (true, true);
            first
        };
        torn.into_iter().map(|(_, pair)| pair).filter(|pair| is_first(pair)).collect()
    }
}
