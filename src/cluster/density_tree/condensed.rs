//! From a spanning tree to the condensed tree of clusters.

use super::spanning::{Edge, Forest};

/// The clusters of at least `min_cluster_size` rows at every density, and where each row leaves them.
///
/// Densities are 1 / distance, from 0, at which all rows are one cluster, upwards; rows at distance 0 from one another part
/// at that of the least distance above 0. Edges of equal length are cut at once, so that the tree follows from the
/// distances alone, whatever the order of the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct CondensedTree {
    /// The first is all rows; a cluster comes after the one it splits from.
    pub clusters: Vec<CondensedCluster>,
    /// Of each row the last cluster it is in, and the density at which it leaves it.
    pub leaving: Vec<(usize, f64)>,
}

/// A cluster over the densities at which it is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CondensedCluster {
    /// What it splits from; `None` for all rows.
    pub parent: Option<usize>,
    /// Its rows at birth.
    pub size: usize,
    /// The density at which it splits off; 0 for all rows.
    pub birth: f64,
    /// The density at which it splits, or loses the last row.
    pub death: f64,
}

/// Two rows or merges that one distance makes one: rows are numbered first, then merges in their order.
struct Merge {
    parts: [usize; 2],
    distance: f64,
    size: usize,
}

/// The single-linkage tree of a spanning tree's edges by rising distance.
fn single_linkage(n_samples: usize, edges: &[Edge]) -> Vec<Merge> {
    let mut forest = Forest::new(n_samples);
    let mut node: Vec<usize> = (0..n_samples).collect();
    let mut merges: Vec<Merge> = Vec::with_capacity(edges.len());
    for edge in edges {
        let roots = [edge.low, edge.high].map(|row| forest.root(row as usize));
        let parts = roots.map(|root| node[root]);
        let size = parts.iter().map(|&part| size_of(&merges, n_samples, part)).sum();
        forest.join(roots[0], roots[1]);
        node[roots[0].min(roots[1])] = n_samples + merges.len();
        merges.push(Merge { parts, distance: edge.distance, size });
    }
    merges
}

fn size_of(merges: &[Merge], n_samples: usize, node: usize) -> usize {
    node.checked_sub(n_samples).map_or(1, |merge| merges[merge].size)
}

impl CondensedTree {
    /// Of the edges of a spanning tree of `n_samples` rows, by rising distance. O(n).
    ///
    /// # Panics
    /// If there are no rows, or not as many edges as a tree has.
    pub fn new(n_samples: usize, edges: &[Edge], min_cluster_size: usize) -> Self {
        assert_eq!(edges.len() + 1, n_samples, "edges of one tree");
        let merges = single_linkage(n_samples, edges);
        let least = edges.iter().map(|edge| edge.distance).find(|&distance| distance > 0.0).unwrap_or(1.0);
        let root = CondensedCluster { parent: None, size: n_samples, birth: 0.0, death: 1.0 / least };
        let mut tree = Self { clusters: vec![root], leaving: vec![(0, 1.0 / least); n_samples] };
        let mut open = vec![(0, n_samples + merges.len() - 1)];
        while let Some((cluster, mut node)) = open.pop() {
            // The cluster goes on as one part of at least `min_cluster_size` rows, if just one is that large.
            while let Some(merge) = node.checked_sub(n_samples) {
                let distance = merges[merge].distance;
                let density = 1.0 / distance.max(least);
                tree.clusters[cluster].death = density;
                let (large, small): (Vec<_>, Vec<_>) = parts(&merges, n_samples, node)
                    .into_iter()
                    .partition(|&part| size_of(&merges, n_samples, part) >= min_cluster_size.max(2));
                for row in small.iter().flat_map(|&part| rows(&merges, n_samples, part)) {
                    tree.leaving[row] = (cluster, density);
                }
                match large[..] {
                    [] => break,
                    [part] => node = part,
                    _ => {
                        for part in large {
                            open.push((tree.clusters.len(), part));
                            let size = size_of(&merges, n_samples, part);
                            let child =
                                CondensedCluster { parent: Some(cluster), size, birth: density, death: density };
                            tree.clusters.push(child);
                        }
                        break;
                    }
                }
            }
        }
        tree
    }

    /// The clusters that each splits into.
    pub fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.clusters.len()];
        for (cluster, parent) in self.clusters.iter().enumerate().filter_map(|(c, of)| Some((c, of.parent?))) {
            children[parent].push(cluster);
        }
        children
    }

    /// The stability of each cluster: over its rows, the sum of the densities through which they are in it. At least 0.
    pub fn stabilities(&self) -> Vec<f64> {
        let mut stabilities = vec![0.0; self.clusters.len()];
        for &(cluster, density) in &self.leaving {
            stabilities[cluster] += density - self.clusters[cluster].birth;
        }
        for child in &self.clusters[1..] {
            let parent = child.parent.expect("only the first has none");
            stabilities[parent] += child.size as f64 * (child.birth - self.clusters[parent].birth);
        }
        stabilities
    }

    /// The distance at which a cluster splits off; for all rows that at which they are one.
    pub fn reach(&self, cluster: usize) -> f64 {
        let first_loss = || {
            let left = self.leaving.iter().filter(|(cluster, _)| *cluster == 0).map(|&(_, density)| density);
            left.fold(self.clusters[0].death, f64::min)
        };
        let birth = self.clusters[cluster].birth;
        1.0 / if birth > 0.0 { birth } else { first_loss() }
    }

    /// How far each row stands out from the cluster it leaves last, 0 to 1: GLOSH, 1 - the density at which it leaves over
    /// the highest at which any of that cluster is left (Campello et al. 2015).
    pub fn outlier_scores(&self) -> Vec<f64> {
        let mut highest: Vec<f64> = self.clusters.iter().map(|cluster| cluster.death).collect();
        for (cluster, of) in self.clusters.iter().enumerate().skip(1).rev() {
            let parent = of.parent.expect("only the first has none");
            highest[parent] = highest[parent].max(highest[cluster]);
        }
        self.leaving.iter().map(|&(cluster, density)| (1.0 - density / highest[cluster]).max(0.0)).collect()
    }
}

/// What is left of a node when all edges of its length are cut.
fn parts(merges: &[Merge], n_samples: usize, node: usize) -> Vec<usize> {
    let distance = |node: usize| node.checked_sub(n_samples).map(|merge| merges[merge].distance);
    let (mut parts, mut open) = (Vec::new(), vec![node]);
    while let Some(next) = open.pop() {
        match distance(next) == distance(node) {
            true => open.extend(merges[next - n_samples].parts),
            false => parts.push(next),
        }
    }
    parts
}

/// The rows of a node.
fn rows(merges: &[Merge], n_samples: usize, node: usize) -> Vec<usize> {
    let (mut rows, mut open) = (Vec::new(), vec![node]);
    while let Some(node) = open.pop() {
        match node.checked_sub(n_samples) {
            Some(merge) => open.extend(merges[merge].parts),
            None => rows.push(node),
        }
    }
    rows
}
