//! ToMATo: the peaks of the density, merged where the saddle between them is high.
//!
//! F. Chazal, L. Guibas, S. Oudot, P. Skraba, Persistence-based clustering in Riemannian manifolds, 2013.

use super::attach::Found;
use super::density_tree::{Edge, joining_edges};
use super::guard::{at_least_one, check_rows, linfa_params};
use super::levels::level;
use super::modes::Modes;
use super::{ClusterError, Clustering, Metric};
use crate::neighbors::{KnnGraph, NeighborsParams, nearest};
use crate::progress::Reporter;
use ndarray::ArrayView2;

/// Parameters of ToMATo, not checked yet.
///
/// The density at a row is 1 / d^2, d being the distance to its last of `n_neighbors` neighbours; clusters are its peaks
/// on the graph of neighbours that stand out from the saddles around them by the most: those above the largest gap of
/// their prominences, by the logarithm, or as many as are asked for. The square stands for the power of the number of
/// features, which no floating point bears. Nothing is noise but what is in clusters of fewer than `min_cluster_size`
/// rows.
///
/// For clusters of any shape where there is no noise. What [`nearest`] costs, and O(n k log n). The assigner keeps all
/// rows.
///
/// ```
/// use alike::cluster::TomatoParams;
/// use linfa::prelude::*;
///
/// let x = ndarray::Array2::from_shape_fn((90, 2), |(i, j)| (i / 30 * 50 + (i * (j + 3)) % 11) as f32);
/// let clusters = TomatoParams::new().fit(&DatasetBase::from(x))?;
/// assert_eq!(clusters.sizes(), [30, 30, 30]);
/// # Ok::<_, alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TomatoParams(TomatoValidParams);

/// Checked parameters of ToMATo.
#[derive(Clone, Debug, PartialEq)]
pub struct TomatoValidParams {
    n_clusters: Option<usize>,
    n_neighbors: usize,
    min_cluster_size: usize,
    metric: Metric,
    seed: u64,
}

linfa_params!(TomatoParams, TomatoValidParams);

impl Default for TomatoParams {
    fn default() -> Self {
        Self::new()
    }
}

impl TomatoParams {
    /// As many clusters as stand out, of 15 neighbours by euclidean distance, and of 5 rows or more.
    pub fn new() -> Self {
        Self(TomatoValidParams {
            n_clusters: None,
            n_neighbors: 15,
            min_cluster_size: 5,
            metric: Metric::Euclidean,
            seed: 0,
        })
    }

    /// That many clusters, if there are as many peaks; at least 1.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        Self(TomatoValidParams { n_clusters: Some(n_clusters), ..self.0 })
    }

    /// Neighbours of a row; at least 1. The more, the smoother is the density.
    pub fn n_neighbors(self, n_neighbors: usize) -> Self {
        Self(TomatoValidParams { n_neighbors, ..self.0 })
    }

    /// Fewest rows of a cluster; at least 1.
    pub fn min_cluster_size(self, min_cluster_size: usize) -> Self {
        Self(TomatoValidParams { min_cluster_size, ..self.0 })
    }

    /// How rows are compared.
    pub fn metric(self, metric: Metric) -> Self {
        Self(TomatoValidParams { metric, ..self.0 })
    }

    /// Seed of the search for neighbours.
    pub fn seed(self, seed: u64) -> Self {
        Self(TomatoValidParams { seed, ..self.0 })
    }
}

impl TomatoValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least_one(&[
            ("number of clusters", self.n_clusters.unwrap_or(1)),
            ("number of neighbours", self.n_neighbors),
            ("smallest cluster", self.min_cluster_size),
        ])
    }

    /// The peaks of the logarithm of the density, with their persistence, in the rows of `x`, shape (n_samples,
    /// n_features), and the graph they were found on.
    ///
    /// # Errors
    /// No rows, values that are not finite, or an interruption.
    pub fn modes(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<(Modes, KnnGraph), ClusterError> {
        check_rows(x, 1)?;
        let params = NeighborsParams {
            n_neighbors: self.n_neighbors,
            metric: self.metric,
            seed: self.seed,
            ..Default::default()
        };
        let graph = nearest(x, &params, reporter)?;
        let last = farthest(&graph);
        let least = last.iter().copied().filter(|&distance| distance > 0.0).fold(f64::INFINITY, f64::min);
        let least = if least.is_finite() { least } else { 1.0 };
        let log_density = |distance: f64| -2.0 * distance.max(least).ln();
        let density: Vec<f64> = last.into_iter().map(log_density).collect();
        let link = |edge: Edge| (edge.low as usize, edge.high as usize, log_density(edge.distance));
        let links: Vec<_> = joining_edges(&graph, x, reporter)?.into_iter().map(link).collect();
        Ok((Modes::new(&graph, &density, &links).without_small(self.min_cluster_size), graph))
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). There is no inertia.
    ///
    /// # Errors
    /// No cluster, no rows, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        let (modes, graph) = self.modes(x, reporter)?;
        let n_clusters = self.n_clusters.unwrap_or_else(|| modes.n_clusters_above_gap());
        let (labels, peaks) = modes.labels(n_clusters);
        let mut sizes = vec![0; peaks.len()];
        labels.iter().for_each(|&label| sizes[label] += 1);
        if sizes.iter().all(|&size| size < self.min_cluster_size) {
            return Err(ClusterError::NoClusters { min_cluster_size: self.min_cluster_size });
        }
        let last = farthest(&graph);
        let mut reach = vec![0f64; peaks.len()];
        labels.iter().zip(&last).for_each(|(&label, &distance)| reach[label] = reach[label].max(distance));
        let strength = |(&label, &distance): (&usize, &f64)| {
            // The density over the peak's.
            if distance > 0.0 { (last[peaks[label]] / distance).powi(2) } else { 1.0 }
        };
        let strengths = labels.iter().zip(&last).map(strength).collect();
        let labels = labels.into_iter().map(|label| (sizes[label] >= self.min_cluster_size).then_some(label)).collect();
        let found = Found { labels, strengths, reach };
        // Half as many peaks, half of those, and so on: what is noise stays it.
        let halves =
            std::iter::successors(Some(n_clusters.min(peaks.len()) / 2), |n| Some(n / 2)).take_while(|&n| n > 1);
        let coarser = |n| {
            let labels = modes.labels(n).0.into_iter().zip(&found.labels);
            level(labels.map(|(coarse, label)| label.map(|_| coarse)).collect())
        };
        let levels = halves.map(coarser).collect();
        Ok(Clustering { levels, neighbors: Some(graph), ..found.clustering(x, self.metric) })
    }
}

/// The distance of each row to the last of its neighbours; 0 where it has none.
fn farthest(graph: &KnnGraph) -> Vec<f64> {
    graph.distances().outer_iter().map(|distances| distances.last().map_or(0.0, |&last| f64::from(last))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use linfa::ParamGuard;
    use ndarray::Array2;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::collections::BTreeSet;

    /// Heaps of 100, 80 and 60 rows, denser towards their middles, at 0, 6 and 60, and four rows at 1000.
    fn heaps() -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let at = |middle: f32| middle + (0..6).map(|_| rng.random::<f32>() - 0.5).sum::<f32>();
        let middles = [(0.0, 100), (6.0, 80), (60.0, 60), (1000.0, 4)];
        let rows: Vec<f32> = middles.into_iter().flat_map(|(middle, n)| vec![middle; 2 * n]).map(at).collect();
        Array2::from_shape_vec((244, 2), rows).unwrap()
    }

    fn sizes(params: TomatoParams) -> Vec<usize> {
        params.check().unwrap().fit_rows(heaps().view(), &Silent).unwrap().sizes()
    }

    #[test]
    fn as_many_clusters_as_stand_out_or_are_asked_for() {
        assert_eq!(sizes(TomatoParams::new().n_clusters(3)), [100, 80, 64], "four rows are no cluster of five");
        assert_eq!(sizes(TomatoParams::new().n_clusters(1)), [244]);
        assert_eq!(sizes(TomatoParams::new().n_clusters(3).min_cluster_size(70)).len(), 2);
        let diagram = TomatoParams::new().check().unwrap().modes(heaps().view(), &Silent).unwrap().0.diagram();
        assert!(diagram[1].prominence() > 2.0 && diagram[2].prominence() > 2.0, "{diagram:?}");
        assert!(diagram[3..].iter().all(|peak| peak.prominence() < 1.5), "{diagram:?}");
    }

    #[test]
    fn fewer_peaks_are_levels() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut x = ndarray::concatenate![ndarray::Axis(0), heaps(), heaps() + 300.0];
        x.mapv_inplace(|value| value + 0.01 * rng.random::<f32>());
        let params = TomatoParams::new().n_clusters(8).min_cluster_size(10).check().unwrap();
        let found = params.fit_rows(x.view(), &Silent).unwrap();
        assert_eq!((found.n_clusters(), found.levels.len()), (6, 1), "{:?}", found.sizes());
        let pairs: BTreeSet<_> = found.labels.iter().zip(&found.levels[0]).collect();
        assert_eq!(pairs.len(), 6, "each cluster is within one of the coarser ones");
        assert_eq!(found.levels[0].iter().collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn rows_too_few_for_a_cluster_are_an_error() {
        let params = TomatoParams::new().min_cluster_size(300).check().unwrap();
        let error = params.fit_rows(heaps().view(), &Silent).unwrap_err();
        assert!(matches!(error, ClusterError::NoClusters { min_cluster_size: 300 }), "{error}");
        assert!(TomatoParams::new().n_neighbors(0).check().is_err());
    }
}
