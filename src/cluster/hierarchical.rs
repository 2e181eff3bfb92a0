//! Hierarchical k-means: clusters, clusters of their centroids, and so on upwards.
//!
//! H. Vo et al., Automatic data curation for self-supervised learning: a clustering-based approach, 2024
//! (arXiv 2405.15613).

use super::guard::{at_least_one, check_rows, iterated, linfa_params};
use super::{Assigner, Centroids, ClusterError, Clustering, KMeansParams, Metric, Tree};
use crate::collection::ClusterId;
use crate::progress::Reporter;
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2, Axis};

/// Clusters of a level for each of the level above, where the levels are left open.
const FAN: usize = 10;
/// Rows for each cluster of the finest level, at least, where the levels are left open.
const ROWS_PER_LEAF: usize = 20;

/// Parameters of hierarchical k-means, not checked yet.
///
/// k-means puts most centroids where most rows are. Here the rows are clustered finely first, then the centroids found,
/// which count alike however many rows they stand for, and so on to the number of clusters asked for: so clusters cover
/// the kinds of images rather than their number. At each level k-means is run again on the rows nearest to each centroid
/// for some rounds, which evens the centroids out further.
///
/// For curating a large collection whose kinds differ much in frequency. Not for the least inertia. Costs `rounds` + 1
/// runs of k-means at the finest level, O(n k d) each round of it.
///
/// ```
/// use alike::cluster::{Assigner, HierarchicalParams};
/// use linfa::{DatasetBase, traits::Fit};
/// let x = ndarray::Array2::from_shape_fn((60, 1), |(i, _)| (i % 6) as f32 + (i % 6 / 3) as f32 * 20.0);
/// let clustering = HierarchicalParams::new(2).levels(vec![6]).fit(&DatasetBase::from(x.clone()))?;
/// let Assigner::Tree(tree) = &clustering.assigner else { panic!("a tree") };
/// assert_eq!((tree.levels[0].nrows(), clustering.n_clusters()), (6, 2));
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HierarchicalParams(HierarchicalValidParams);

/// Checked parameters of hierarchical k-means.
#[derive(Clone, Debug, PartialEq)]
pub struct HierarchicalValidParams {
    n_clusters: usize,
    levels: Option<Vec<usize>>,
    rounds: usize,
    nearest: Option<usize>,
    n_restarts: usize,
    max_iterations: usize,
    tolerance: f64,
    seed: u64,
}

linfa_params!(HierarchicalParams, HierarchicalValidParams);

impl HierarchicalParams {
    /// `n_clusters` clusters, from 1 to the number of rows. Levels below it have ten times as many clusters each, the
    /// finest at most one for 20 rows; 10 rounds of resampling, 10 starts of at most 300 iterations, tolerance 1e-4,
    /// seed 0.
    pub fn new(n_clusters: usize) -> Self {
        Self(HierarchicalValidParams {
            n_clusters,
            levels: None,
            rounds: 10,
            nearest: None,
            n_restarts: 10,
            max_iterations: 300,
            tolerance: 1e-4,
            seed: 0,
        })
    }

    /// Number of clusters; levels that don't have more are left out.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        let finer = |levels: Vec<usize>| levels.into_iter().take_while(|&level| level > n_clusters).collect();
        Self(HierarchicalValidParams { n_clusters, levels: self.0.levels.map(finer), ..self.0 })
    }

    /// Clusters of the levels below, falling, the finest first: 1000, 100 for 10 clusters.
    pub fn levels(self, levels: Vec<usize>) -> Self {
        Self(HierarchicalValidParams { levels: Some(levels), ..self.0 })
    }

    /// Rounds of resampling at each level; 0 for none.
    pub fn rounds(self, rounds: usize) -> Self {
        Self(HierarchicalValidParams { rounds, ..self.0 })
    }

    /// Rows nearest to each centroid that a round keeps; at least 1. Left open, half of a cluster's mean size.
    pub fn nearest(self, nearest: usize) -> Self {
        Self(HierarchicalValidParams { nearest: Some(nearest), ..self.0 })
    }

    /// Starts of the first k-means of each level, of which the best is kept; at least 1.
    pub fn n_restarts(self, n_restarts: usize) -> Self {
        Self(HierarchicalValidParams { n_restarts, ..self.0 })
    }

    /// Most rounds of a start; at least 1.
    pub fn max_iterations(self, max_iterations: usize) -> Self {
        Self(HierarchicalValidParams { max_iterations, ..self.0 })
    }

    /// When a start has converged, as in [`KMeansParams::tolerance`].
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self(HierarchicalValidParams { tolerance, ..self.0 })
    }

    /// Seed of the random draws.
    pub fn seed(self, seed: u64) -> Self {
        Self(HierarchicalValidParams { seed, ..self.0 })
    }
}

impl HierarchicalValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        iterated(self.n_clusters, self.n_restarts, self.max_iterations, self.tolerance)?;
        at_least_one(&[("number of rows kept by a round of resampling", self.nearest.unwrap_or(1))])?;
        let levels: Vec<usize> = self.levels.iter().flatten().copied().chain([self.n_clusters]).collect();
        if !levels.is_sorted_by(|finer, coarser| finer > coarser) {
            let found = format!("{levels:?}");
            return Err(ClusterError::Parameter { name: "levels of clusters", found, expected: "falling" });
        }
        Ok(())
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). The inertia is that of the finest level, `n_iterations` the
    /// rounds of all runs of k-means. Levels of equal rows have fewer clusters than asked for.
    ///
    /// # Errors
    /// More clusters than rows at any level, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        let sizes = self.sizes(x.nrows());
        check_rows(x, sizes[0])?;
        let (mut n_iterations, mut converged) = (0, true);
        let mut labels: Vec<Vec<ClusterId>> = Vec::new();
        let mut levels: Vec<Array2<f32>> = Vec::new();
        for size in sizes {
            let below = levels.last().map_or(x.view(), |level| level.view());
            let (centroids, of) = self.level(below, size, &mut n_iterations, &mut converged, reporter)?;
            levels.push(centroids);
            labels.push(of);
        }
        let mut labels = labels.into_iter();
        let leaves = labels.next().expect("at least one level");
        let mut tree = Tree { levels, parents: labels.collect() };
        let leaves = tree.settle(x, leaves);
        let paths: Vec<Vec<ClusterId>> = (0..tree.levels[0].nrows()).map(|leaf| tree.path(leaf)).collect();
        let level = |level: usize| leaves.iter().map(|&leaf| Some(paths[leaf][level])).collect();
        let levels = (0..tree.parents.len()).map(level).collect();
        let found = tree.assign(x);
        let labels = found.iter().map(|assignment| assignment.cluster).collect();
        let inertia = Some(found.iter().map(|assignment| assignment.distance * assignment.distance).sum());
        let assigner = Assigner::Tree(tree);
        Ok(Clustering { levels, inertia, n_iterations, converged, ..Clustering::new(labels, assigner) })
    }

    /// Clusters of each level, the finest first.
    fn sizes(&self, n_samples: usize) -> Vec<usize> {
        let mut sizes = self.levels.clone().unwrap_or_else(|| {
            let finer = std::iter::successors(Some(self.n_clusters), |&size| size.checked_mul(FAN)).skip(1);
            let mut sizes: Vec<usize> = finer.take_while(|&size| size <= n_samples / ROWS_PER_LEAF).collect();
            sizes.reverse();
            sizes
        });
        sizes.push(self.n_clusters);
        sizes
    }

    /// At most so many clusters of `rows`: their centroids, evened out, and the nearest one of each row.
    fn level(
        &self,
        rows: ArrayView2<'_, f32>,
        n_clusters: usize,
        n_iterations: &mut usize,
        converged: &mut bool,
        reporter: &dyn Reporter,
    ) -> Result<(Array2<f32>, Vec<ClusterId>), ClusterError> {
        let n_clusters = n_clusters.min(rows.nrows());
        let nearest = self.nearest.unwrap_or_else(|| (rows.nrows() / n_clusters / 2).max(1));
        let mut kmeans = |rows: ArrayView2<'_, f32>, round: usize| -> Result<Centroids, ClusterError> {
            let restarts = if round == 0 { self.n_restarts } else { 1 };
            let params = KMeansParams::new(n_clusters).n_restarts(restarts).seed(self.seed.wrapping_add(round as u64));
            let params = params.max_iterations(self.max_iterations).tolerance(self.tolerance);
            let found = params.check()?.fit_rows(rows, reporter)?;
            *n_iterations += found.n_iterations;
            *converged &= found.converged;
            let centroids = found.assigner.centers().expect("k-means has centroids").to_owned();
            Ok(Centroids { metric: Metric::Euclidean, centroids, blank: None })
        };
        let mut centroids = kmeans(rows, 0)?;
        let mut found = centroids.assign(rows);
        for round in 1..=self.rounds {
            let mut members = vec![Vec::new(); centroids.centroids.nrows()];
            for (row, assignment) in found.iter().enumerate() {
                members[assignment.cluster.expect("there are centroids")].push(row);
            }
            for members in &mut members {
                members.sort_by(|&a, &b| found[a].distance.total_cmp(&found[b].distance).then(a.cmp(&b)));
                members.truncate(nearest);
            }
            let mut kept = members.concat();
            kept.sort_unstable();
            if kept.len() == rows.nrows() || kept.len() < n_clusters {
                break;
            }
            centroids = kmeans(rows.select(Axis(0), &kept).view(), round)?;
            found = centroids.assign(rows);
        }
        let labels = found.iter().map(|assignment| assignment.cluster.expect("there are centroids")).collect();
        Ok((centroids.centroids, labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn levels_left_open_have_ten_times_as_many_clusters_each() {
        assert_eq!(HierarchicalParams::new(2).0.sizes(4000), [200, 20, 2]);
        assert_eq!(HierarchicalParams::new(2).0.sizes(399), [2]);
    }

    #[test]
    fn levels_are_the_clusters_that_lie_in_the_next() {
        let x = Array2::from_shape_fn((300, 2), |(i, j)| ((i * 31 + j * 17 + i * j) % 101) as f32);
        let params = HierarchicalParams::new(3).levels(vec![24, 8]).check().unwrap();
        let found = params.fit_rows(x.view(), &Silent).unwrap();
        let Assigner::Tree(tree) = &found.assigner else { panic!("a tree") };
        assert_eq!(found.levels.len(), 2);
        for row in 0..300 {
            let path = [found.levels[0][row], found.levels[1][row], found.labels[row]].map(Option::unwrap);
            assert_eq!(tree.path(path[0]), path);
        }
    }

    #[test]
    fn resampling_gives_few_rows_as_many_centroids() {
        let x =
            Array2::from_shape_fn(
                (1000, 1),
                |(i, _)| {
                    if i < 900 { i as f32 / 900.0 } else { 1.0 + (i - 900) as f32 / 100.0 }
                },
            );
        let beyond = |rounds| {
            let params = HierarchicalParams::new(1).levels(vec![30]).rounds(rounds).check().unwrap();
            let Assigner::Tree(tree) = params.fit_rows(x.view(), &Silent).unwrap().assigner else { panic!("a tree") };
            tree.levels[0].iter().filter(|&&leaf| leaf > 1.0).count()
        };
        let (before, after) = (beyond(0), beyond(10));
        assert!(after > before, "{before} leaves, {after} after resampling");
    }
}
