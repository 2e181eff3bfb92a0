//! Which clusters of a condensed tree count, and whose members rows are.

use super::CondensedTree;
use crate::collection::ClusterId;

/// Which clusters of the condensed tree count.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Excess of mass: those of the largest total stability of which none contains another.
    #[default]
    Excess,
    /// Those that split no further: more clusters, smaller and more alike.
    Leaf,
}

/// How clusters are read off a condensed tree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cut {
    /// Which count.
    pub selection: Selection,
    /// Larger clusters give way to those they split into; of one that doesn't split the densest rows count.
    pub max_cluster_size: Option<usize>,
    /// Clusters that split off at a smaller distance than this give way to the one they come from (C. Malzer, M. Baum, A
    /// hybrid approach to hierarchical density-based cluster selection, 2020).
    pub epsilon: f64,
    /// Whether all rows can be the one cluster.
    pub allow_single_cluster: bool,
}

/// The clusters that count, and their members.
pub struct Members {
    /// Places in the tree's clusters, rising.
    pub clusters: Vec<usize>,
    /// Of each row the place in those.
    pub labels: Vec<Option<ClusterId>>,
    /// How firmly each row is in its cluster, 0 to 1: the density at which it leaves over the highest at which the cluster
    /// is one; 0 for noise.
    pub strengths: Vec<f64>,
}

impl CondensedTree {
    /// The clusters that count and their members.
    pub fn cut(&self, cut: &Cut) -> Members {
        let children = self.children();
        let mut clusters = match cut.selection {
            Selection::Excess => self.excess_of_mass(&children, cut),
            Selection::Leaf => self.leaves(&children, cut),
        };
        if cut.epsilon > 0.0 {
            clusters = self.widened(&clusters, cut);
        }
        self.members(clusters, cut.max_cluster_size.unwrap_or(usize::MAX))
    }

    fn leaves(&self, children: &[Vec<usize>], cut: &Cut) -> Vec<usize> {
        let first = usize::from(!cut.allow_single_cluster);
        (first..self.clusters.len()).filter(|&cluster| children[cluster].is_empty()).collect()
    }

    fn excess_of_mass(&self, children: &[Vec<usize>], cut: &Cut) -> Vec<usize> {
        let n = self.clusters.len();
        let (mut best, mut counts) = (self.stabilities(), vec![false; n]);
        for cluster in (usize::from(!cut.allow_single_cluster)..n).rev() {
            let below: f64 = children[cluster].iter().map(|&child| best[child]).sum();
            counts[cluster] = children[cluster].is_empty() || (below <= best[cluster] && self.fits(cluster, cut));
            best[cluster] = if counts[cluster] { best[cluster] } else { below };
        }
        // Those inside of one that counts don't.
        let mut covered = vec![false; n];
        for cluster in 1..n {
            let parent = self.clusters[cluster].parent.expect("only the first has none");
            covered[cluster] = covered[parent] || counts[parent];
        }
        (0..n).filter(|&cluster| counts[cluster] && !covered[cluster]).collect()
    }

    fn fits(&self, cluster: usize, cut: &Cut) -> bool {
        cut.max_cluster_size.is_none_or(|most| self.clusters[cluster].size <= most)
    }

    /// Each cluster or the nearest above it that splits off at more than epsilon.
    fn widened(&self, clusters: &[usize], cut: &Cut) -> Vec<usize> {
        let is_close = |cluster: usize| self.clusters[cluster].birth * cut.epsilon > 1.0;
        let allowed = |cluster: &usize| (*cluster > 0 || cut.allow_single_cluster) && self.fits(*cluster, cut);
        let wide = clusters.iter().map(|&cluster| {
            let mut at = cluster;
            while let Some(parent) = self.clusters[at].parent.filter(|parent| is_close(at) && allowed(parent)) {
                at = parent;
            }
            at
        });
        let mut wide: Vec<usize> = wide.collect();
        wide.sort_unstable();
        wide.dedup();
        // One may have been widened to where it contains another.
        let inside = |cluster: usize| self.above(cluster).skip(1).any(|above| wide.binary_search(&above).is_ok());
        wide.iter().copied().filter(|&cluster| !inside(cluster)).collect()
    }

    /// Which of some clusters, rising and none within another, the tree joins, the densest splits first: of each the pairs
    /// of their places.
    pub(in crate::cluster) fn joins(&self, clusters: &[usize]) -> Vec<Vec<(ClusterId, ClusterId)>> {
        let children = self.children();
        // One of those within each cluster.
        let mut within = vec![None; self.clusters.len()];
        clusters.iter().enumerate().for_each(|(place, &cluster)| within[cluster] = Some(place));
        let mut splits: Vec<usize> =
            (0..self.clusters.len()).filter(|&cluster| !children[cluster].is_empty()).collect();
        let density = |split: usize| self.clusters[split].death;
        // Of equally dense ones that within the other first.
        splits.sort_by(|&a, &b| density(b).total_cmp(&density(a)).then(b.cmp(&a)));
        let joins = splits.into_iter().map(|split| {
            let mut pairs = Vec::new();
            for &child in &children[split] {
                match (within[split], within[child]) {
                    (Some(a), Some(b)) => pairs.push((a, b)),
                    (None, found) => within[split] = found,
                    (Some(_), None) => {}
                }
            }
            pairs
        });
        joins.collect()
    }

    /// A cluster and all that it comes from.
    fn above(&self, cluster: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(cluster), |&cluster| self.clusters[cluster].parent)
    }

    /// The members of these clusters, rising and none within another, at most so many of each.
    pub(in crate::cluster) fn members(&self, clusters: Vec<usize>, most: usize) -> Members {
        let mut label_of: Vec<Option<ClusterId>> = vec![None; self.clusters.len()];
        for cluster in 0..self.clusters.len() {
            let inherited = self.clusters[cluster].parent.and_then(|parent| label_of[parent]);
            label_of[cluster] = clusters.binary_search(&cluster).ok().or(inherited);
        }
        let mut labels: Vec<_> = self.leaving.iter().map(|&(cluster, _)| label_of[cluster]).collect();
        let mut members = vec![Vec::new(); clusters.len()];
        labels.iter().enumerate().for_each(|(row, label)| label.iter().for_each(|&label| members[label].push(row)));
        for rows in members.iter_mut().filter(|rows| rows.len() > most) {
            rows.sort_by(|&a, &b| self.leaving[b].1.total_cmp(&self.leaving[a].1).then(a.cmp(&b)));
            rows[most..].iter().for_each(|&row| labels[row] = None);
        }
        let strength = |(&(_, density), label): (&(usize, f64), &Option<ClusterId>)| {
            label.map_or(0.0, |label| (density / self.clusters[clusters[label]].death).min(1.0))
        };
        let strengths = self.leaving.iter().zip(&labels).map(strength).collect();
        Members { clusters, labels, strengths }
    }
}
