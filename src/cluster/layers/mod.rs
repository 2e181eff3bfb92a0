//! Layered clustering of embeddings, as EVoC does it: clusters of every granularity that lasts, and the one that fits
//! best.
//!
//! The graph of nearest neighbours is laid out in a few dimensions, whose condensed tree of density is read at the least
//! cluster sizes at which the most persists. L. McInnes, EVoC: Embedding vector oriented clustering, 2025 (the published
//! package `evoc` is the reference); D. M. Bot, L. McInnes, J. Aerts, Persistent multiscale density-based clustering, 2025.

mod barcode;
mod embedding;
mod find;
mod heap;
mod join;
mod partition;
mod start;
#[cfg(test)]
mod tests;
mod votes;

pub use find::ClusterLayer;

use super::attach::{Found, reach};
use super::guard::{at_least, check_rows, linfa_params};
use super::levels::level;
use super::{ClusterError, Clustering, Metric};
use crate::neighbors::{Growth, KnnGraph, NeighborsParams, nearest};
use crate::progress::Reporter;
use find::{Neighborhood, Wanted};
use ndarray::ArrayView2;

/// Most features of rows that are compared by euclidean distance, if nothing else is asked for: points, not embeddings.
const FEW: usize = 10;

/// Parameters of layered clustering, not checked yet.
///
/// For embeddings of many dimensions, when the number of clusters isn't known. Rows and their nearest neighbours, the
/// nearer the heavier, make a graph; its nodes are laid out in four dimensions, near what they are joined to; there the
/// densest regions are clusters at every scale. Layers are the scales at which the most persists. In each layer rows between
/// clusters go where most of their neighbours are, and so do members whose neighbours are elsewhere; clusters that the
/// layout tore and the graph doesn't are joined again. Of all layers of some starts the one of the greatest modularity
/// counts, of those that are about as modular the coarsest. Rows of whose weight no more than half leads to one cluster are
/// noise, if the density says so too.
///
/// A start is O(n log n) for a fixed number of neighbours, beside what [`nearest`] costs; memory of some 30 edges a row, and
/// of as many more for each start under way. The assigner keeps all rows. Of few rows (less than about a hundred) it mostly
/// makes one cluster; rings and crescents in two or three dimensions are for [`HdbscanParams`](super::HdbscanParams).
///
/// ```
/// use alike::cluster::LayersParams;
/// use linfa::{DatasetBase, traits::Fit};
/// use alike::synth::{BlobsParams, blobs, random_centers};
/// let heaps = BlobsParams { n_samples: 600, centers: random_centers(3, 32, (-10.0, 10.0), 0), ..Default::default() };
/// let x = blobs(&heaps)?.data.mapv(|value| value as f32);
/// let clustering = LayersParams::new().fit(&DatasetBase::from(x))?;
/// assert_eq!(clustering.sizes(), [200, 200, 200]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LayersParams(LayersValidParams);

/// Checked parameters of layered clustering.
#[derive(Clone, Debug, PartialEq)]
pub struct LayersValidParams {
    n_neighbors: usize,
    metric: Option<Metric>,
    wanted: Wanted,
}

linfa_params!(LayersParams, LayersValidParams);

impl Default for LayersParams {
    fn default() -> Self {
        Self::new()
    }
}

impl LayersParams {
    /// Clusters of 5 rows or more, by 15 neighbours; the best of 3 starts. Rows of more than 10 features are compared by
    /// cosine, others by euclidean distance.
    pub fn new() -> Self {
        let wanted = Wanted {
            n_clusters: None,
            min_cluster_size: 5,
            max_cluster_size: None,
            attach_noise: false,
            n_starts: 3,
            seed: 0,
        };
        Self(LayersValidParams { n_neighbors: 15, metric: None, wanted })
    }

    fn wanted(self, change: impl FnOnce(&mut Wanted)) -> Self {
        let mut valid = self.0;
        change(&mut valid.wanted);
        Self(valid)
    }

    /// So many clusters, or as near to it as the tree comes; at least 1.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        self.wanted(|wanted| wanted.n_clusters = Some(n_clusters))
    }

    /// Fewest rows of a cluster; at least 2.
    pub fn min_cluster_size(self, min_cluster_size: usize) -> Self {
        self.wanted(|wanted| wanted.min_cluster_size = min_cluster_size)
    }

    /// Most rows of a cluster, no less than the fewest: larger ones give way to those they split into, and of one that
    /// doesn't split the least firm rows are noise.
    pub fn max_cluster_size(self, max_cluster_size: usize) -> Self {
        self.wanted(|wanted| wanted.max_cluster_size = Some(max_cluster_size))
    }

    /// Whether rows join a cluster even if their neighbours disagree, and new ones however far they are.
    pub fn attach_noise(self, attach_noise: bool) -> Self {
        self.wanted(|wanted| wanted.attach_noise = attach_noise)
    }

    /// Neighbours of each row; at least 2. More of them make clusters coarser.
    pub fn n_neighbors(self, n_neighbors: usize) -> Self {
        Self(LayersValidParams { n_neighbors, ..self.0 })
    }

    /// How rows are compared.
    pub fn metric(self, metric: Metric) -> Self {
        Self(LayersValidParams { metric: Some(metric), ..self.0 })
    }

    /// Layouts of which the best counts; at least 1.
    pub fn n_starts(self, n_starts: usize) -> Self {
        self.wanted(|wanted| wanted.n_starts = n_starts)
    }

    /// Seed of the starts, and of the search for neighbours.
    pub fn seed(self, seed: u64) -> Self {
        self.wanted(|wanted| wanted.seed = seed)
    }
}

/// Clusters of every granularity that lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers {
    /// The finest first; at most 10. One cluster of all rows, if nothing splits.
    pub layers: Vec<ClusterLayer>,
    /// The place of the one that fits the graph best.
    pub chosen: usize,
}

impl LayersValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least("number of neighbours", self.n_neighbors, 2, "at least 2")?;
        at_least("smallest cluster", self.wanted.min_cluster_size, 2, "at least 2")?;
        let most = self.wanted.max_cluster_size.unwrap_or(usize::MAX);
        at_least("largest cluster", most, self.wanted.min_cluster_size, "no less than the smallest")?;
        at_least("number of starts", self.wanted.n_starts, 1, "at least 1")?;
        at_least("number of clusters", self.wanted.n_clusters.unwrap_or(1), 1, "at least 1")
    }

    /// The layers of rows `x`, shape (n_samples, n_features), whose graph of nearest neighbours is known.
    ///
    /// # Errors
    /// An interruption.
    ///
    /// # Panics
    /// If the graph is of another number of rows.
    pub fn layers(
        &self,
        graph: &KnnGraph,
        x: ArrayView2<'_, f32>,
        reporter: &dyn Reporter,
    ) -> Result<Layers, ClusterError> {
        assert_eq!(graph.n_samples(), x.nrows(), "the graph of these rows");
        let neighbors = Neighborhood::new(graph);
        if let Some(dimension) = neighbors.growths.iter().copied().sum::<Growth>().dimension() {
            reporter.detail(&format!("intrinsic dimension {dimension:.1}"));
        }
        let (mut layers, chosen) = match self.wanted.n_clusters {
            Some(1) => Default::default(),
            _ => find::layers(&neighbors, x, &self.wanted, reporter)?,
        };
        if layers.is_empty() {
            layers.push(ClusterLayer::whole(x.nrows(), self.wanted.max_cluster_size));
        }
        for (place, layer) in layers.iter().enumerate() {
            let noise = layer.labels.iter().filter(|label| label.is_none()).count();
            let mark = if place == chosen { ", chosen" } else { "" };
            reporter.detail(&format!(
                "layer {place}: {} clusters, {noise} rows of noise, modularity {:.3}{mark}",
                layer.n_clusters(),
                layer.modularity
            ));
        }
        Ok(Layers { layers, chosen })
    }

    /// Fits the rows of `x`, shape (n_samples, n_features): the layer that [`layers`](Self::layers) chooses. There is no
    /// inertia.
    ///
    /// # Errors
    /// No rows, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        check_rows(x, 1)?;
        let usual = if x.ncols() > FEW { Metric::Cosine } else { Metric::Euclidean };
        let (n_neighbors, metric) = (self.n_neighbors, self.metric.unwrap_or(usual));
        let params = NeighborsParams { n_neighbors, metric, seed: self.wanted.seed, ..Default::default() };
        let graph = nearest(x, &params, reporter)?;
        let Layers { mut layers, chosen } = self.layers(&graph, x, reporter)?;
        let layer = layers.remove(chosen);
        let reach = match self.wanted.attach_noise {
            true => vec![f64::MAX; layer.n_clusters()],
            false => reach(&graph, &layer.labels, layer.n_clusters()),
        };
        let found = Found { labels: layer.labels, strengths: layer.strengths, reach };
        let mut levels: Vec<_> = layers.into_iter().map(|layer| level(layer.labels)).collect();
        levels.dedup();
        let found = found.clustering(x, metric);
        levels.retain(|level| *level != found.labels);
        Ok(Clustering { levels, neighbors: Some(graph), ..found })
    }
}
