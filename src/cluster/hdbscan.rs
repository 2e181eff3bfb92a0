//! HDBSCAN*: clusters that last while the density rises, each at its own; the rest is noise.
//!
//! R. Campello, D. Moulavi, J. Sander, Density-based clustering based on hierarchical density estimates, 2013; L. McInnes,
//! J. Healy, Accelerated hierarchical density based clustering, 2017.

use super::attach::Found;
use super::density_tree::{CondensedTree, Cut, Edge, Selection, exact_spanning_tree, graph_spanning_tree};
use super::guard::{at_least, check_rows, linfa_params, not_negative};
use super::levels::levels;
use super::{ClusterError, Clustering, Metric};
use crate::neighbors::{KnnGraph, NeighborsParams, nearest};
use crate::progress::{Interrupted, Reporter};
use ndarray::ArrayView2;

/// Most features, and most rows of more, whose spanning tree is found exactly.
const EXACT_FEATURES: usize = 10;
const EXACT_SAMPLES: usize = 2000;
/// Fewest neighbours of which a graph is made: with fewer it falls apart where rows don't.
const MIN_NEIGHBORS: usize = 15;
/// Most rows by which a density goes where none are asked for: more make one cluster of what lies close in a large layout.
const MOST_SAMPLES: usize = 20;

/// Parameters of HDBSCAN*, not checked yet.
///
/// A cluster is a set of at least `min_cluster_size` rows that hang together at some density; of all those at all
/// densities the ones that last are taken. Rows that hang together with none are noise. The number of clusters follows
/// from the rows, and doesn't depend on their order.
///
/// For clusters of any shape, and of different density, among noise. In few features the result is exact; beyond ten (and
/// 2,000 rows), and by cosine, it goes by the graph of nearest neighbours, and the reporter is told. In hundreds of
/// features distances are so much alike that most rows are noise: reduce to some tens, or lay them out, first. O(n log^2
/// n) in few dimensions; else what [`nearest`] costs. The assigner keeps all rows.
///
/// ```
/// use alike::cluster::HdbscanParams;
/// use linfa::prelude::*;
///
/// let x = ndarray::Array2::from_shape_fn((61, 2), |(i, j)| match i {
///     60 => 400.0,
///     _ => (i / 30 * 50 + (i * (j + 3)) % 7) as f32,
/// });
/// let clusters = HdbscanParams::new().min_cluster_size(10).fit(&DatasetBase::from(x))?;
/// assert_eq!(clusters.sizes(), [30, 30]);
/// assert_eq!(clusters.labels[60], None);
/// # Ok::<_, alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HdbscanParams(HdbscanValidParams);

/// Checked parameters of HDBSCAN*.
#[derive(Clone, Debug, PartialEq)]
pub struct HdbscanValidParams {
    min_cluster_size: Option<usize>,
    min_samples: Option<usize>,
    cut: Cut,
    metric: Metric,
    attach_noise: bool,
    seed: u64,
}

linfa_params!(HdbscanParams, HdbscanValidParams);

impl Default for HdbscanParams {
    fn default() -> Self {
        Self::new()
    }
}

impl HdbscanParams {
    /// Clusters by excess of mass and euclidean distance.
    pub fn new() -> Self {
        Self(HdbscanValidParams {
            min_cluster_size: None,
            min_samples: None,
            cut: Cut::default(),
            metric: Metric::Euclidean,
            attach_noise: false,
            seed: 0,
        })
    }

    /// Fewest rows of a cluster; at least 2. Where it isn't set, half the square root of the number of rows, but no less than
    /// 5 and no more than a quarter of the most.
    pub fn min_cluster_size(self, min_cluster_size: usize) -> Self {
        Self(HdbscanValidParams { min_cluster_size: Some(min_cluster_size), ..self.0 })
    }

    /// The density at a row goes by the distance to its nearest of so many rows, itself the first; at least 1. Where it isn't
    /// set, as many as make a cluster; no more than 20, if those aren't set either. The more, the more is noise, and the
    /// smoother are the clusters.
    pub fn min_samples(self, min_samples: usize) -> Self {
        Self(HdbscanValidParams { min_samples: Some(min_samples), ..self.0 })
    }

    /// Which clusters of the tree count, how large they can be, and how close.
    pub fn cut(self, cut: Cut) -> Self {
        Self(HdbscanValidParams { cut, ..self.0 })
    }

    /// Excess of mass, or leaves.
    pub fn selection(self, selection: Selection) -> Self {
        let cut = Cut { selection, ..self.0.cut };
        self.cut(cut)
    }

    /// Most rows of a cluster; no fewer than the fewest. Without noise attached.
    pub fn max_cluster_size(self, max_cluster_size: usize) -> Self {
        let cut = Cut { max_cluster_size: Some(max_cluster_size), ..self.0.cut };
        self.cut(cut)
    }

    /// How rows are compared.
    pub fn metric(self, metric: Metric) -> Self {
        Self(HdbscanValidParams { metric, ..self.0 })
    }

    /// Whether noise goes to the cluster of the nearest row that has one.
    pub fn attach_noise(self, attach_noise: bool) -> Self {
        Self(HdbscanValidParams { attach_noise, ..self.0 })
    }

    /// Seed of the search for neighbours.
    pub fn seed(self, seed: u64) -> Self {
        Self(HdbscanValidParams { seed, ..self.0 })
    }
}

impl HdbscanValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        let least = self.min_cluster_size.unwrap_or(2);
        at_least("smallest cluster", least, 2, "at least 2")?;
        at_least("number of samples", self.min_samples.unwrap_or(1), 1, "at least 1")?;
        let most = self.cut.max_cluster_size.unwrap_or(usize::MAX);
        at_least("largest cluster", most, least, "no less than the smallest")?;
        not_negative("epsilon", self.cut.epsilon)
    }

    /// Fewest of so many rows that make a cluster.
    fn least(&self, n_samples: usize) -> usize {
        let most = self.cut.max_cluster_size.unwrap_or(usize::MAX);
        let usual = ((n_samples as f64).sqrt() / 2.0).round() as usize;
        self.min_cluster_size.unwrap_or(usual.min(most / 4).max(5).min(most))
    }

    /// The density at each of so many rows goes by the distance to its nearest of that many.
    fn samples(&self, n_samples: usize) -> usize {
        let usual = self.min_cluster_size.unwrap_or(self.least(n_samples).min(MOST_SAMPLES));
        self.min_samples.unwrap_or(usual)
    }

    /// The condensed tree of the rows of `x`, shape (n_samples, n_features), which clusters are read off: at every cut
    /// anew, and with outlier scores.
    ///
    /// # Errors
    /// No rows, values that are not finite, or an interruption.
    pub fn tree(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<CondensedTree, ClusterError> {
        Ok(self.condensed(x, reporter)?.0)
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). There is no inertia.
    ///
    /// # Errors
    /// No cluster, no rows, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        let (tree, neighbors) = self.condensed(x, reporter)?;
        let members = tree.cut(&self.cut);
        if members.clusters.is_empty() {
            return Err(ClusterError::NoClusters { min_cluster_size: self.least(x.nrows()) });
        }
        let reach = members.clusters.iter().map(|&cluster| tree.reach(cluster)).collect();
        let levels = levels(&members.labels, tree.joins(&members.clusters));
        let found = Found { labels: members.labels, strengths: members.strengths, reach };
        let mut clustering = Clustering { levels, neighbors, ..found.clustering(x, self.metric) };
        if self.attach_noise {
            super::attach_noise(&mut clustering);
        }
        Ok(clustering)
    }

    /// The condensed tree, and the graph it was found on, if it was on one.
    fn condensed(
        &self,
        x: ArrayView2<'_, f32>,
        reporter: &dyn Reporter,
    ) -> Result<(CondensedTree, Option<KnnGraph>), ClusterError> {
        check_rows(x, 1)?;
        let (edges, graph) = self.spanning_tree(x, reporter)?;
        Ok((CondensedTree::new(x.nrows(), &edges, self.least(x.nrows())), graph))
    }

    fn spanning_tree(
        &self,
        x: ArrayView2<'_, f32>,
        reporter: &dyn Reporter,
    ) -> Result<(Vec<Edge>, Option<KnnGraph>), Interrupted> {
        let (n_samples, n_features) = x.dim();
        let min_samples = self.samples(n_samples);
        let few = n_features <= EXACT_FEATURES || n_samples <= EXACT_SAMPLES;
        if few && self.metric == Metric::Euclidean {
            return Ok((exact_spanning_tree(x, min_samples, reporter)?, None));
        }
        let n_neighbors = min_samples.max(MIN_NEIGHBORS);
        let way = format!("{n_features} features: HDBSCAN goes by the graph of the {n_neighbors} nearest neighbours");
        reporter.detail(&way);
        let params = NeighborsParams { n_neighbors, metric: self.metric, seed: self.seed, ..Default::default() };
        let graph = nearest(x, &params, reporter)?;
        Ok((graph_spanning_tree(&graph, x, min_samples, reporter)?, Some(graph)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Assigner;
    use crate::progress::Silent;
    use linfa::ParamGuard;
    use ndarray::Array2;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn params(value: &Value) -> HdbscanParams {
        let number = |name: &str| value[name].as_u64().map(|number| number as usize);
        let selection = if value["cluster_selection_method"] == "leaf" { Selection::Leaf } else { Selection::Excess };
        let params = HdbscanParams::new().selection(selection);
        let params = params.min_cluster_size(number("min_cluster_size").unwrap_or(5));
        number("min_samples").map_or(params.clone(), |n| params.min_samples(n))
    }

    /// `tests/data/hdbscan.py` has the version and the recipe. Rows that the very edges join which split a cluster are in
    /// either part, as it happens, to scikit-learn, and in none to us.
    #[test]
    fn clusters_noise_and_strengths_are_those_of_scikit_learn() {
        let sets: Vec<Value> = serde_json::from_str(include_str!("../../tests/data/hdbscan.json")).unwrap();
        assert_eq!(sets.len(), 20);
        for (set, value) in sets.iter().enumerate() {
            let rows: Vec<Vec<f32>> = serde_json::from_value(value["rows"].clone()).unwrap();
            let x = Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap();
            let params = params(&value["params"]).check().unwrap();
            let found = params.fit_rows(x.view(), &Silent).unwrap();
            let Assigner::Neighbors(neighbors) = &found.assigner else { panic!("rows") };
            let tree = params.tree(x.view(), &Silent).unwrap();
            let is_tied = |row: usize| {
                let (cluster, density) = tree.leaving[row];
                found.labels[row].is_none() && density == tree.clusters[cluster].death
            };
            let labels: Vec<i64> = serde_json::from_value(value["labels"].clone()).unwrap();
            let strengths: Vec<f32> = serde_json::from_value(value["probabilities"].clone()).unwrap();
            let theirs: Vec<Option<i64>> = labels.into_iter().map(|label| (label >= 0).then_some(label)).collect();
            let compared: Vec<usize> = (0..rows.len()).filter(|&row| !is_tied(row)).collect();
            assert!(compared.len() * 10 > rows.len() * 9, "{set}");
            let pairs: BTreeSet<_> = compared.iter().map(|&row| (found.labels[row], theirs[row])).collect();
            let (ours, others): (BTreeSet<_>, BTreeSet<_>) = pairs.iter().copied().unzip();
            assert!(pairs.len() == ours.len() && pairs.len() == others.len(), "{set}: {pairs:?}");
            assert!(pairs.iter().all(|(ours, theirs)| ours.is_none() == theirs.is_none()), "{set}: {pairs:?}");
            for row in compared {
                let (ours, theirs) = (neighbors.strengths[row], strengths[row]);
                assert!((ours - theirs).abs() < 1e-4, "{set}, row {row}: {ours}, {theirs}");
            }
        }
    }

    /// Four heaps of 600 rows in many features, and 40 rows around them all.
    fn heaps(n_features: usize) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        Array2::from_shape_fn((2440, n_features), |(row, feature)| {
            let spread = if row < 2400 { 1.0 } else { 30.0 };
            spread * (rng.random::<f32>() - 0.5) + if feature == row % 4 { 8.0 } else { 0.0 }
        })
    }

    #[test]
    fn many_features_go_by_the_graph_and_a_few_do_not() {
        for (n_features, metric) in [(30, Metric::Euclidean), (4, Metric::Cosine), (4, Metric::Euclidean)] {
            let x = heaps(n_features);
            let params = HdbscanParams::new().min_cluster_size(100).min_samples(10).metric(metric).check().unwrap();
            let found = params.fit_rows(x.view(), &Silent).unwrap();
            assert_eq!(found.n_clusters(), 4, "{n_features} {metric:?}");
            let inside = (0..2400).filter(|&row| found.labels[row] == found.labels[row % 4]).count();
            assert!(inside > 2390, "{inside}, {n_features} {metric:?}");
            let noise = found.labels[2400..].iter().filter(|label| label.is_none()).count();
            assert!(noise > 20 || metric == Metric::Cosine, "{noise}");
        }
    }

    #[test]
    fn what_clusters_split_from_are_levels() {
        // Two groups of heaps, three and two.
        let middles = [0.0, 20.0, 40.0, 400.0, 420.0];
        let x = Array2::from_shape_fn((500, 1), |(row, _)| middles[row / 100] + (row % 100) as f32 / 50.0);
        let params = HdbscanParams::new().min_cluster_size(10).selection(Selection::Leaf).check().unwrap();
        let found = params.fit_rows(x.view(), &Silent).unwrap();
        assert_eq!(found.sizes(), [100; 5]);
        let groups: Vec<_> = (0..500).map(|row| Some(row / 300)).collect();
        let mut attached = found.clone();
        crate::cluster::attach_noise(&mut attached);
        for clustering in [found, attached] {
            assert_eq!(clustering.levels, std::slice::from_ref(&groups));
        }
    }

    #[test]
    fn both_ways_find_the_same() {
        let x = heaps(4);
        let params = HdbscanParams::new().min_cluster_size(50).min_samples(10).check().unwrap();
        let neighbors = NeighborsParams { n_neighbors: 15, ..NeighborsParams::default() };
        let graph = nearest(x.view(), &neighbors, &Silent).unwrap();
        let edges = graph_spanning_tree(&graph, x.view(), 10, &Silent).unwrap();
        let by_graph = CondensedTree::new(x.nrows(), &edges, 50).cut(&Cut::default()).labels;
        let exact = params.fit_rows(x.view(), &Silent).unwrap().labels;
        let differ = exact.iter().zip(&by_graph).filter(|(a, b)| a.is_none() != b.is_none()).count();
        assert!(differ < 25, "{differ}");
    }

    #[test]
    fn the_fewest_of_a_cluster_grow_with_the_rows() {
        let least = |params: HdbscanParams| params.check().unwrap().least(10_000);
        assert_eq!(least(HdbscanParams::new()), 50);
        assert_eq!(least(HdbscanParams::new().min_cluster_size(7)), 7);
        assert_eq!(least(HdbscanParams::new().max_cluster_size(40)), 10);
        assert_eq!(least(HdbscanParams::new().max_cluster_size(8)), 5);
        assert_eq!(least(HdbscanParams::new().max_cluster_size(3)), 3);
        assert_eq!(HdbscanParams::new().check().unwrap().least(100), 5);
        let samples = |params: HdbscanParams, n| params.check().unwrap().samples(n);
        assert_eq!([100, 1000, 70_000].map(|n| samples(HdbscanParams::new(), n)), [5, 16, 20]);
        assert_eq!(samples(HdbscanParams::new().min_cluster_size(100), 1000), 100);
        assert_eq!(samples(HdbscanParams::new().min_samples(30), 1000), 30);
    }

    #[test]
    fn parameters_and_rows_of_no_use_are_errors() {
        assert!(HdbscanParams::new().min_cluster_size(1).check().is_err());
        assert!(HdbscanParams::new().min_samples(0).check().is_err());
        assert!(HdbscanParams::new().min_cluster_size(9).max_cluster_size(8).check().is_err());
        assert!(HdbscanParams::new().cut(Cut { epsilon: f64::NAN, ..Cut::default() }).check().is_err());
        let fit = |n| HdbscanParams::new().check().unwrap().fit_rows(Array2::zeros((n, 2)).view(), &Silent);
        for n in [1, 3, 40] {
            assert!(matches!(fit(n).unwrap_err(), ClusterError::NoClusters { min_cluster_size: 5 }));
        }
        assert!(matches!(fit(0).unwrap_err(), ClusterError::TooFewSamples { n_samples: 0, .. }));
    }
}
