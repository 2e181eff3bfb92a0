//! Leiden: communities of the graph of nearest neighbours, denser inside than chance would have it.
//!
//! V. Traag, L. Waltman, N. J. van Eck, From Louvain to Leiden: guaranteeing well-connected communities, 2019. Modularity:
//! M. Newman, M. Girvan, 2004, with the resolution of J. Reichardt, S. Bornholdt, 2006; the constant Potts model: V. Traag,
//! P. Van Dooren, Y. Nesterov, 2011. As in the authors' package, a node joins the part with which it gains the most, where
//! the paper draws one of those with which it gains.

mod find;
mod join;
mod moves;
mod network;
#[cfg(test)]
mod tests;

use super::attach::{Found, reach, share};
use super::guard::{at_least_one, check_rows, linfa_params, not_negative};
use super::levels::levels;
use super::{ClusterError, Clustering, Metric};
use crate::collection::{ClusterId, Csr, n_clusters};
use crate::neighbors::{NeighborsParams, fuzzy_simplicial_set, nearest};
use crate::progress::{Interrupted, Reporter};
use find::{Wanted, divide, quality};
use join::joins;
use ndarray::ArrayView2;
use network::Network;

/// What communities are to have much of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quality {
    /// Weight inside, less what would be there if each node had its weight but led anywhere, times the resolution. Small
    /// communities that hardly anything joins come together in large graphs.
    #[default]
    Modularity,
    /// The constant Potts model: weight inside, less the resolution for each pair of nodes. Two communities are apart if
    /// the mean weight between their nodes is less than the resolution, whatever the rest of the graph is.
    Cpm,
}

/// Parameters of Leiden, not checked yet.
///
/// Rows and their nearest neighbours, the nearer the heavier, make a graph. Of its divisions into communities the one is
/// looked for that has the most modularity: nodes move between communities, those are divided into parts that are well
/// connected, and the parts are the nodes of the next, coarser graph; from what comes of it all begins anew, until nothing
/// is gained. Each cluster is connected. One of fewer than `min_cluster_size` rows joins the one to which most of its
/// weight leads; if none does, it is noise. The strength of a row is the share of its weight that leads to its cluster.
///
/// For embeddings, and for clusters of like size in a scale that is known: the higher the resolution, the more there are,
/// and heaps without structure are divided as well. O(n log n) for a fixed number of neighbours, on one core, beside what
/// [`nearest`] costs; up to 30 times as much where a number of clusters is asked for. The assigner keeps all rows.
///
/// ```
/// use alike::cluster::LeidenParams;
/// use linfa::prelude::*;
/// use alike::synth::{BlobsParams, blobs, random_centers};
/// let heaps = BlobsParams { n_samples: 600, centers: random_centers(3, 32, (-10.0, 10.0), 0), ..Default::default() };
/// let x = blobs(&heaps)?.data.mapv(|value| value as f32);
/// let clustering = LeidenParams::new().resolution(0.3).fit(&DatasetBase::from(x))?;
/// assert_eq!(clustering.sizes(), [200, 200, 200]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LeidenParams(LeidenValidParams);

/// Checked parameters of Leiden.
#[derive(Clone, Debug, PartialEq)]
pub struct LeidenValidParams {
    n_neighbors: usize,
    metric: Metric,
    quality: Quality,
    attach_noise: bool,
    wanted: Wanted,
}

linfa_params!(LeidenParams, LeidenValidParams);

impl Default for LeidenParams {
    fn default() -> Self {
        Self::new()
    }
}

impl LeidenParams {
    /// The most modularity at a resolution of 1, by the cosine of 15 neighbours, in clusters of 5 rows or more.
    pub fn new() -> Self {
        let wanted = Wanted { n_clusters: None, resolution: 1.0, min_cluster_size: 5, max_iterations: 100, seed: 0 };
        Self(LeidenValidParams {
            n_neighbors: 15,
            metric: Metric::Cosine,
            quality: Quality::Modularity,
            attach_noise: false,
            wanted,
        })
    }

    fn wanted(self, change: impl FnOnce(&mut Wanted)) -> Self {
        let mut valid = self.0;
        change(&mut valid.wanted);
        Self(valid)
    }

    /// What a community is charged for its size; at least 0. The more, the more clusters there are.
    pub fn resolution(self, resolution: f64) -> Self {
        self.wanted(|wanted| wanted.resolution = resolution)
    }

    /// The resolution at which there are so many clusters, or the nearest number to it that is met; at least 1. No fewer
    /// than the parts of the graph that nothing joins, if they have `min_cluster_size` rows.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        self.wanted(|wanted| wanted.n_clusters = Some(n_clusters))
    }

    /// Fewest rows of a cluster; at least 1.
    pub fn min_cluster_size(self, min_cluster_size: usize) -> Self {
        self.wanted(|wanted| wanted.min_cluster_size = min_cluster_size)
    }

    /// Most rounds, each from what the one before found; at least 1.
    pub fn max_iterations(self, max_iterations: usize) -> Self {
        self.wanted(|wanted| wanted.max_iterations = max_iterations)
    }

    /// Modularity, or the constant Potts model.
    pub fn quality(self, quality: Quality) -> Self {
        Self(LeidenValidParams { quality, ..self.0 })
    }

    /// Whether noise goes to the cluster of the nearest row that has one, and new rows join one however far they are.
    pub fn attach_noise(self, attach_noise: bool) -> Self {
        Self(LeidenValidParams { attach_noise, ..self.0 })
    }

    /// Neighbours of each row; at least 1. More of them make clusters coarser.
    pub fn n_neighbors(self, n_neighbors: usize) -> Self {
        Self(LeidenValidParams { n_neighbors, ..self.0 })
    }

    /// How rows are compared.
    pub fn metric(self, metric: Metric) -> Self {
        Self(LeidenValidParams { metric, ..self.0 })
    }

    /// Seed of the order of the nodes, and of the search for neighbours.
    pub fn seed(self, seed: u64) -> Self {
        self.wanted(|wanted| wanted.seed = seed)
    }
}

/// The communities of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Communities {
    /// That of each node; `None` where no edge leads to others from too few nodes.
    pub labels: Vec<Option<ClusterId>>,
    /// The share of each node's weight that leads to its community, 0 to 1; 0 for noise.
    pub strengths: Vec<f64>,
    /// Newman's modularity, at a resolution of 1; at most 1. 0 of a graph without edges.
    pub modularity: f64,
    /// At which they were found.
    pub resolution: f64,
    /// Rounds.
    pub n_iterations: usize,
    /// Whether the last of them gained nothing.
    pub converged: bool,
}

impl Communities {
    /// Number of communities.
    pub fn n_clusters(&self) -> usize {
        n_clusters(&self.labels)
    }
}

impl LeidenValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least_one(&[
            ("number of neighbours", self.n_neighbors),
            ("smallest cluster", self.wanted.min_cluster_size),
            ("limit of iterations", self.wanted.max_iterations),
            ("number of clusters", self.wanted.n_clusters.unwrap_or(1)),
        ])?;
        not_negative("resolution", self.wanted.resolution)
    }

    /// The communities of any symmetric graph, shape (n_nodes, n_nodes), of weights: those that are not above 0 are no
    /// edges. The same for the same seed. O(edges) for each level of each round.
    ///
    /// # Errors
    /// An interruption.
    ///
    /// # Panics
    /// If the graph isn't square.
    ///
    /// ```
    /// use alike::cluster::LeidenParams;
    /// use alike::{collection::Csr, progress::Silent};
    /// use linfa::ParamGuard;
    /// // Two pairs, joined by a weak edge.
    /// let (to, weights) = (vec![1, 0, 2, 1, 3, 2], vec![1.0, 1.0, 0.1, 0.1, 1.0, 1.0]);
    /// let graph = Csr::new((4, 4), vec![0, 1, 3, 5, 6], to, weights);
    /// let communities = LeidenParams::new().min_cluster_size(2).check()?.communities(&graph, &Silent)?;
    /// assert_eq!(communities.labels, [Some(0), Some(0), Some(1), Some(1)]);
    /// assert_eq!(communities.strengths[0], 1.0);
    /// # Ok::<(), alike::cluster::ClusterError>(())
    /// ```
    pub fn communities(&self, graph: &Csr, reporter: &dyn Reporter) -> Result<Communities, Interrupted> {
        let network = Network::new(graph, self.quality);
        let rate = |resolution: f64| match self.quality {
            // Of a graph without weight, nothing moves.
            Quality::Modularity if network.total == 0.0 => 0.0,
            Quality::Modularity => resolution / network.total,
            Quality::Cpm => resolution,
        };
        let found = divide(&network, rate, &self.wanted, reporter)?;
        let mut next = 0;
        let number = |&size: &usize| {
            let kept = size >= self.wanted.min_cluster_size;
            next += usize::from(kept);
            kept.then(|| next - 1)
        };
        let numbers: Vec<Option<ClusterId>> = found.sizes.iter().map(number).collect();
        let labels: Vec<Option<ClusterId>> = found.parts.of.iter().map(|&part| numbers[part as usize]).collect();
        let newman = Network::new(graph, Quality::Modularity);
        Ok(Communities {
            strengths: (0..labels.len()).map(|node| share(graph, &labels, node, labels[node])).collect(),
            labels,
            modularity: quality(&newman, &found.parts, 1.0 / newman.total),
            resolution: found.resolution,
            n_iterations: found.n_iterations,
            converged: found.converged,
        })
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). There is no inertia.
    ///
    /// # Errors
    /// No cluster, no rows, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        check_rows(x, 1)?;
        let (n_neighbors, metric) = (self.n_neighbors, self.metric);
        let params = NeighborsParams { n_neighbors, metric, seed: self.wanted.seed, ..Default::default() };
        let graph = nearest(x, &params, reporter)?;
        let weights = fuzzy_simplicial_set(&graph);
        let found = self.communities(&weights, reporter)?;
        let n_clusters = found.n_clusters();
        if n_clusters == 0 {
            return Err(ClusterError::NoClusters { min_cluster_size: self.wanted.min_cluster_size });
        }
        reporter.detail(&format!(
            "Leiden: {n_clusters} clusters at a resolution of {:.4}, modularity {:.3}, {} rounds",
            found.resolution, found.modularity, found.n_iterations
        ));
        let Communities { labels, strengths, n_iterations, converged, .. } = found;
        let reach = reach(&graph, &labels, n_clusters);
        let levels = levels(&labels, joins(&Network::new(&weights, self.quality), &labels));
        let found = Found { labels, strengths, reach }.clustering(x, metric);
        let mut clustering = Clustering { n_iterations, converged, levels, neighbors: Some(graph), ..found };
        if self.attach_noise {
            super::attach_noise(&mut clustering);
        }
        Ok(clustering)
    }
}
