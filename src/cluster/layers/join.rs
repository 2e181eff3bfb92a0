//! Clusters that a layout tore: the neighbours across tell them apart no better than chance does.

use super::find::Neighborhood;
use super::heap::Heap;
use crate::collection::{ClusterId, n_clusters, sparse_row};
use crate::neighbors::Growth;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Add;

/// Two clusters that share a smaller part of a facet only touch.
const FACET: f64 = 0.25;
/// Standard deviations by which an edge is surely shallower than in a heap.
const SURE: f64 = 3.0;

/// Joins clusters that are parts of one, round by round those of which the greatest share of the weight leads across: two
/// that meet, from either side, as broadly as the halves of a [`Heap`] of their dimension and not surely thinner, as long as no more than `most`
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

/// What leads from a row to other clusters.
struct Row {
    /// The weight of all its edges.
    total: f64,
    across: Vec<Across>,
}

/// What leads from a row to one other cluster.
struct Across {
    to: ClusterId,
    weight: f64,
    /// Those of the row's neighbours that are there.
    nearest: usize,
}

impl Row {
    fn new(neighbors: &Neighborhood, labels: &[Option<ClusterId>], row: usize) -> Self {
        let other = |to: u32| labels[to as usize].filter(|&other| labels[row] != Some(other));
        let (to, weights) = sparse_row(&neighbors.graph, row);
        let mut found = Self { total: weights.iter().map(|&weight| f64::from(weight)).sum(), across: Vec::new() };
        for (&to, &weight) in to.iter().zip(weights) {
            other(to).iter().for_each(|&to| found.add(Across { to, weight: weight.into(), nearest: 0 }));
        }
        for &to in neighbors.nearest.row(row) {
            other(to).iter().for_each(|&to| found.add(Across { to, weight: 0.0, nearest: 1 }));
        }
        found
    }

    fn add(&mut self, more: Across) {
        match self.across.iter_mut().find(|known| known.to == more.to) {
            Some(known) => {
                known.weight += more.weight;
                known.nearest += more.nearest;
            }
            None => self.across.push(more),
        }
    }

    /// Now that clusters went `into` others, this row into `own`.
    fn join(&mut self, into: &[ClusterId], own: ClusterId) {
        if self.across.iter().any(|across| into[across.to] != across.to || across.to == own) {
            for across in std::mem::take(&mut self.across) {
                let to = into[across.to];
                if to != own {
                    self.add(Across { to, ..across });
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
    /// Neighbours of rows of the cluster of the lower number that are in the other, and the other way.
    nearest: [usize; 2],
}

impl Add for Border {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weight: self.weight + other.weight,
            crossing: self.crossing + other.crossing,
            deep: self.deep + other.deep,
            nearest: [0, 1].map(|side| self.nearest[side] + other.nearest[side]),
        }
    }
}

impl Cluster {
    /// Where it ends, by the number of the other cluster; `own` is its own.
    fn borders(&self, own: ClusterId) -> BTreeMap<ClusterId, Border> {
        let mut borders = BTreeMap::<_, Border>::new();
        for Row { total, across } in &self.rows {
            for &Across { to, weight, nearest } in across {
                let crossing = weight / total;
                let deep = crossing * crossing.min(1.0 - crossing);
                let nearest = if own < to { [nearest, 0] } else { [0, nearest] };
                let border = borders.entry(to).or_default();
                *border = *border + Border { weight, crossing, deep, nearest };
            }
        }
        borders
    }
}

impl Borders {
    pub(super) fn new(neighbors: &Neighborhood, labels: &[Option<ClusterId>]) -> Self {
        let row = |row| Row::new(neighbors, labels, row);
        let rows: Vec<Row> = (0..labels.len()).into_par_iter().map(row).collect();
        let mut clusters: Vec<Cluster> = (0..n_clusters(labels)).map(|_| Cluster::default()).collect();
        for ((row, label), &growth) in rows.into_iter().zip(labels).zip(&neighbors.growths) {
            let Some(cluster) = label.map(|cluster| &mut clusters[cluster]) else { continue };
            cluster.size += 1;
            cluster.weight += row.total;
            cluster.growth = cluster.growth + growth;
            cluster.rows.extend(Some(row).filter(|row| !row.across.is_empty()));
        }
        let mut borders = Self { clusters, n_neighbors: neighbors.nearest.ncols(), between: BTreeMap::new() };
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
        let borders: Vec<_> = self.clusters.par_iter().enumerate().map(|(own, cluster)| cluster.borders(own)).collect();
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

    /// The neighbours of rows of either that are in the other, on the side where those are fewer, over all that the rows of
    /// the smaller have.
    pub(super) fn mutual(&self, pair: (ClusterId, ClusterId)) -> f64 {
        let [there, back] = self.between[&pair].nearest;
        there.min(back) as f64 / (self.n_neighbors * self.smaller(pair)) as f64
    }

    fn smaller(&self, (a, b): (ClusterId, ClusterId)) -> usize {
        self.clusters[a].size.min(self.clusters[b].size)
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

    /// Whether two meet as parts of a heap do: as broadly from either side, for what lies beside something denser has
    /// neighbours there that have none here, and not less deeply by more than chance.
    fn is_torn(&self, pair: (ClusterId, ClusterId)) -> bool {
        let heap = self.heap(pair);
        let error = Heap::SPREAD / self.between[&pair].crossing.sqrt();
        let broad = self.share(pair).min(self.mutual(pair));
        broad > FACET * heap.facet(self.smaller(pair)) && self.depth(pair) > heap.depth() - SURE * error
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
