//! Clusters of clusters as an assigner.

use super::Assignment;
use super::assigner::nearest;
use super::settle::{by_size, renumber};
use crate::collection::ClusterId;
use ndarray::{Array2, ArrayView2, Axis};

/// A tree of centroids: a row belongs to the nearest of the lowest level, and to all that lie above it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The centroids of each level, the finest first, the clusters last; shape (clusters of the level, n_features).
    pub levels: Vec<Array2<f32>>,
    /// For each level but the last, the cluster of the next level that each of its clusters belongs to.
    pub parents: Vec<Vec<ClusterId>>,
}

impl Tree {
    /// The clusters of a cluster of the finest level, level by level, itself first.
    pub fn path(&self, leaf: ClusterId) -> Vec<ClusterId> {
        let mut path = vec![leaf];
        self.parents.iter().for_each(|parents| path.push(parents[path[path.len() - 1]]));
        path
    }

    /// The centroids of the clusters, shape (n_clusters, n_features).
    pub fn clusters(&self) -> ArrayView2<'_, f32> {
        self.levels[self.levels.len() - 1].view()
    }

    /// The cluster of the last level; the distance to the nearest centroid of the finest level, and the confidence by
    /// the nearest of those that belong to another cluster. O(n k d).
    ///
    /// # Panics
    /// If the number of features differs from the centroids'.
    pub fn assign(&self, x: ArrayView2<'_, f32>) -> Vec<Assignment> {
        let tops: Vec<ClusterId> =
            (0..self.levels[0].nrows()).map(|leaf| *self.path(leaf).last().expect("itself")).collect();
        let of_leaf = |(distance, leaf)| Assignment { cluster: Some(tops[leaf]), distance, confidence: None };
        let mut found: Vec<Assignment> = nearest(x, &self.levels[0]).map(of_leaf).collect();
        for cluster in 0..self.clusters().nrows() {
            let rows: Vec<usize> = (0..found.len()).filter(|&row| found[row].cluster == Some(cluster)).collect();
            let others: Vec<ClusterId> = (0..tops.len()).filter(|&leaf| tops[leaf] != cluster).collect();
            if rows.is_empty() || others.is_empty() {
                continue;
            }
            let others = self.levels[0].select(Axis(0), &others);
            for (row, (next, _)) in rows.iter().zip(nearest(x.select(Axis(0), &rows).view(), &others)) {
                let share = if next > 0.0 { (next - found[*row].distance) / next } else { 0.0 };
                found[*row].confidence = Some(share);
            }
        }
        found
    }

    /// Drops clusters without rows and numbers those of each level by falling size, given each row's cluster of the
    /// finest level; the same by the new numbers.
    pub(super) fn settle(&mut self, x: ArrayView2<'_, f32>, mut leaves: Vec<ClusterId>) -> Vec<ClusterId> {
        loop {
            let sorted = self.sort(leaves);
            leaves = nearest(x, &self.levels[0]).map(|(_, leaf)| leaf).collect();
            // Of equally near centroids the lowest number counts, which may be another one now.
            if leaves == sorted {
                return leaves;
            }
        }
    }

    /// The same once; the rows' new numbers.
    fn sort(&mut self, leaves: Vec<ClusterId>) -> Vec<ClusterId> {
        let mut labels: Vec<Option<ClusterId>> = leaves.into_iter().map(Some).collect();
        let mut sorted = Vec::new();
        for level in 0..self.levels.len() {
            let order = by_size(&labels, self.levels[level].nrows());
            renumber(&mut labels, &order);
            self.levels[level] = self.levels[level].select(Axis(0), &order);
            if level == 0 {
                sorted = labels.iter().copied().flatten().collect();
            } else {
                let mut above: Vec<Option<ClusterId>> = self.parents[level - 1].iter().copied().map(Some).collect();
                renumber(&mut above, &order);
                self.parents[level - 1] = above.into_iter().flatten().collect();
            }
            if let Some(parents) = self.parents.get_mut(level) {
                *parents = order.iter().map(|&cluster| parents[cluster]).collect();
                labels.iter_mut().flatten().for_each(|label| *label = parents[*label]);
            }
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn leaves_are_sorted_until_ties_are_settled() {
        // The rows at 5 are as near to 2 as to 8, and make that the largest once it comes before.
        let rows: Vec<f32> = [(100.0, 10), (8.0, 10), (0.0, 3), (5.0, 2)].map(|(value, n)| vec![value; n]).concat();
        let leaves = rows.iter().map(|&row| if row < 6.0 { 0 } else { 1 + usize::from(row > 50.0) }).collect();
        let mut tree = Tree { levels: vec![array![[2.0f32], [8.0], [100.0]]], parents: vec![] };
        tree.settle(Array2::from_shape_vec((25, 1), rows).unwrap().view(), leaves);
        assert_eq!(tree.levels[0], array![[8.0f32], [100.0], [2.0]]);
    }
}
