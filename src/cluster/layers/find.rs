//! From the graph of neighbours to layers of clusters.

use super::barcode::{self, Bars};
use super::embedding::{DIM, RATE, embed};
use super::join::join;
use super::start::start;
use super::votes::{attach, divided, modularity, smooth};
use crate::cluster::attach::share;
use crate::cluster::density_tree::{CondensedTree, exact_spanning_tree};
use crate::collection::{ClusterId, Csr, n_clusters};
use crate::neighbors::{Growth, KnnGraph, fuzzy_simplicial_set};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// The density at a row goes by the distance to its nearest of so many, itself the first.
const MIN_SAMPLES: usize = 5;

/// Two layers whose modularities differ by no more fit the graph alike,
const ALIKE: f64 = 0.0025;
/// and by no more than this over the square of the number of clusters: a fifth of what is lost where two of as many equal
/// ones, apart from each other, are taken for one.
const LOSS: f64 = 0.3;

/// Steps of a start: its layout, its tree, its layers.
const STEPS: u64 = 3;

/// The neighbours of rows, as they are needed here.
pub(super) struct Neighborhood {
    /// The fuzzy graph of the nearest.
    pub(super) graph: Csr,
    /// How far the last of the nearest of each row is.
    pub(super) reach: Vec<f32>,
    /// How the number of neighbours grows with their distance about each row.
    pub(super) growths: Vec<Growth>,
    /// The nearest of each row.
    pub(super) nearest: Array2<u32>,
}

impl Neighborhood {
    pub(super) fn new(graph: &KnnGraph) -> Self {
        let last = |distances: ArrayView1<'_, f32>| distances.last().copied().unwrap_or(0.0);
        Self {
            graph: fuzzy_simplicial_set(graph),
            reach: graph.distances().outer_iter().map(last).collect(),
            growths: (0..graph.n_samples()).map(|row| graph.growth(row)).collect(),
            nearest: graph.indices().to_owned(),
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) n_clusters: Option<usize>,
    pub(super) min_cluster_size: usize,
    pub(super) max_cluster_size: Option<usize>,
    pub(super) attach_noise: bool,
    pub(super) n_starts: usize,
    pub(super) seed: u64,
}

/// One granularity of the clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterLayer {
    /// The cluster of each row; `None` is noise.
    pub labels: Vec<Option<ClusterId>>,
    /// How firmly each row is in its cluster, 0 to 1: the share of its weight that leads there, times the distance within
    /// which half the cluster's rows have their neighbours over its own, where that is larger. 0 for noise.
    pub strengths: Vec<f64>,
    /// The least cluster size that leaves these clusters of the tree.
    pub min_cluster_size: usize,
    /// How lasting they are: over the clusters the sum of the range of least sizes in which each stays, weighted.
    pub persistence: f64,
    /// How well they fit the graph of neighbours: Newman's modularity, at most 1, all rows attached.
    pub modularity: f64,
}

impl ClusterLayer {
    /// All rows as one cluster, or as many as are allowed.
    pub(super) fn whole(n_samples: usize, most: Option<usize>) -> Self {
        let mut labels = vec![Some(0); n_samples];
        let strengths = vec![1.0; n_samples];
        cap(&mut labels, most.unwrap_or(usize::MAX), |_| strengths.clone());
        Self { labels, strengths, min_cluster_size: n_samples, persistence: 0.0, modularity: 0.0 }
    }

    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        n_clusters(&self.labels)
    }
}

/// Layers, the finest first, and which is the most modular, of those that are about so the coarsest; of several starts those
/// of the one whose best layer is the most modular. None if nothing splits.
pub(super) fn layers(
    neighbors: &Neighborhood,
    x: ArrayView2<'_, f32>,
    wanted: &Wanted,
    reporter: &dyn Reporter,
) -> Result<(Vec<ClusterLayer>, usize), Interrupted> {
    reporter.begin("layers", Some(STEPS * wanted.n_starts as u64));
    let starts = (0..wanted.n_starts as u64).into_par_iter();
    let starts: Result<Vec<Start>, Interrupted> = starts
        .map(|number| Start::new(neighbors, x, wanted, wanted.seed.wrapping_add(number << 32), reporter))
        .collect();
    reporter.end();
    let layers = best(starts?).map_or_else(Vec::new, |best| best.layers(neighbors, wanted));
    let chosen = coarsest(&layers, about(&layers)).unwrap_or(0);
    Ok((layers, chosen))
}

/// Of the starts with a layer that is about as modular as the best of all that of the fewest clusters, of equal ones the
/// most modular; none where nothing splits.
pub(super) fn best(starts: Vec<Start>) -> Option<Start> {
    let least = about(starts.iter().flat_map(|start| &start.read));
    let fewest = |start: &Start| start.read.get(coarsest(&start.read, least)?).map(ClusterLayer::n_clusters);
    let fits = starts.into_iter().filter_map(|start| Some((fewest(&start)?, start)));
    let best = fits.min_by(|(a, x), (b, y)| a.cmp(b).then(y.modularity().total_cmp(&x.modularity())));
    best.map(|(_, start)| start)
}

/// The least modularity that is about that of the most modular layer.
pub(super) fn about<'a>(layers: impl IntoIterator<Item = &'a ClusterLayer>) -> f64 {
    let best = layers.into_iter().max_by(|a, b| a.modularity.total_cmp(&b.modularity));
    best.map_or(f64::INFINITY, |best| best.modularity - ALIKE.min(LOSS / (best.n_clusters() as f64).powi(2)))
}

/// The layer of the fewest clusters whose modularity is no less, if any is; of equal ones the most modular.
pub(super) fn coarsest(layers: &[ClusterLayer], least: f64) -> Option<usize> {
    let fits = |&layer: &usize| layers[layer].modularity >= least;
    (0..layers.len()).filter(fits).min_by(|&a, &b| {
        let (a, b) = (&layers[a], &layers[b]);
        a.n_clusters().cmp(&b.n_clusters()).then(b.modularity.total_cmp(&a.modularity))
    })
}

/// One layout, as far as it must be read to compare it with others.
pub(super) struct Start {
    pub(super) tree: CondensedTree,
    /// The finest first.
    pub(super) unread: Vec<barcode::Layer>,
    /// The coarsest first, up to one that is less modular than a coarser one: those still finer are hardly better.
    pub(super) read: Vec<ClusterLayer>,
}

impl Start {
    fn new(
        neighbors: &Neighborhood,
        x: ArrayView2<'_, f32>,
        wanted: &Wanted,
        seed: u64,
        reporter: &dyn Reporter,
    ) -> Result<Self, Interrupted> {
        let graph = &neighbors.graph;
        let n_samples = graph.rows();
        let mut places = start(graph, x, seed, reporter)?;
        embed(graph, &mut places, RATE, seed, reporter)?;
        reporter.advance(1);
        let embedding = Array2::from_shape_fn((n_samples, DIM), |(row, d)| places[row][d]);
        let edges = exact_spanning_tree(embedding.view(), MIN_SAMPLES, reporter)?;
        reporter.advance(1);
        let tree = CondensedTree::new(n_samples, &edges, wanted.min_cluster_size);
        let bars = Bars::new(&tree, wanted.min_cluster_size);
        let unread = match wanted.n_clusters {
            Some(n_clusters) => bars.nearest(n_clusters).into_iter().collect(),
            None => bars.layers(),
        };
        let mut start = Self { tree, unread, read: Vec::new() };
        while let Some(layer) = start.unread.pop() {
            reporter.check()?;
            let layer = read(neighbors, &start.tree, layer, wanted);
            let falls = layer.modularity < start.modularity();
            start.read.push(layer);
            if falls {
                break;
            }
        }
        reporter.advance(1);
        Ok(start)
    }

    /// That of the best layer read.
    pub(super) fn modularity(&self) -> f64 {
        self.read.iter().map(|layer| layer.modularity).fold(f64::NEG_INFINITY, f64::max)
    }

    /// All layers, the finest first.
    fn layers(self, neighbors: &Neighborhood, wanted: &Wanted) -> Vec<ClusterLayer> {
        let Self { tree, unread, read: coarse } = self;
        let fine = unread.into_par_iter().map(|layer| read(neighbors, &tree, layer, wanted));
        let mut layers: Vec<ClusterLayer> = fine.chain(coarse.into_par_iter().rev()).collect();
        layers.par_iter_mut().for_each(|layer| layer.strengths = strengths(neighbors, &layer.labels));
        layers
    }
}

/// The members of a layer's clusters as the tree has them and the neighbours amend them; strengths are not asked yet.
fn read(neighbors: &Neighborhood, tree: &CondensedTree, layer: barcode::Layer, wanted: &Wanted) -> ClusterLayer {
    let graph = &neighbors.graph;
    let most = wanted.max_cluster_size.unwrap_or(usize::MAX);
    let members = tree.members(narrowed(tree, layer.clusters, most), usize::MAX);
    let mut labels = members.labels.clone();
    attach(graph, &mut labels);
    smooth(graph, &mut labels);
    join(neighbors, &mut labels, wanted.n_clusters.unwrap_or(1), most);
    if dissolve(&mut labels, wanted.min_cluster_size) {
        attach(graph, &mut labels);
    }
    let modularity = modularity(graph, &labels);
    if !wanted.attach_noise {
        let noise: Vec<usize> = (0..labels.len()).filter(|&row| members.labels[row].is_none()).collect();
        divided(graph, &labels, &noise).into_iter().for_each(|row| labels[row] = None);
    }
    cap(&mut labels, most, |labels| strengths(neighbors, labels));
    dissolve(&mut labels, wanted.min_cluster_size);
    let (min_cluster_size, persistence) = (layer.size, layer.persistence);
    ClusterLayer { labels, strengths: Vec::new(), min_cluster_size, persistence, modularity }
}

/// As [`ClusterLayer::strengths`] says.
pub(super) fn strengths(neighbors: &Neighborhood, labels: &[Option<ClusterId>]) -> Vec<f64> {
    let mut reaches = vec![Vec::new(); sizes(labels).len()];
    labels.iter().zip(&neighbors.reach).for_each(|(label, &reach)| label.iter().for_each(|&c| reaches[c].push(reach)));
    let median = |mut values: Vec<f32>| {
        let middle = values.len() / 2;
        if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
    };
    let medians: Vec<f32> = reaches.into_iter().map(median).collect();
    let strength = |row: usize| {
        let Some(cluster) = labels[row] else { return 0.0 };
        let (reach, median) = (neighbors.reach[row], medians[cluster]);
        let density = if reach > median { f64::from(median / reach) } else { 1.0 };
        share(&neighbors.graph, labels, row, labels[row]) * density
    };
    (0..labels.len()).into_par_iter().map(strength).collect()
}

/// Those that they split into instead of clusters of more than `most` rows.
fn narrowed(tree: &CondensedTree, clusters: Vec<usize>, most: usize) -> Vec<usize> {
    let children = tree.children();
    let (mut narrow, mut open) = (Vec::new(), clusters);
    while let Some(cluster) = open.pop() {
        match tree.clusters[cluster].size > most && !children[cluster].is_empty() {
            true => open.extend(&children[cluster]),
            false => narrow.push(cluster),
        }
    }
    narrow.sort_unstable();
    narrow
}

/// Makes noise of clusters of fewer than `least` rows, and numbers the others anew; whether there were any.
fn dissolve(labels: &mut [Option<ClusterId>], least: usize) -> bool {
    let sizes = sizes(labels);
    let mut next = 0;
    let numbers: Vec<Option<ClusterId>> = sizes
        .iter()
        .map(|&size| {
            let kept = (size >= least).then_some(next);
            next += usize::from(kept.is_some());
            kept
        })
        .collect();
    labels.iter_mut().for_each(|label| *label = label.and_then(|cluster| numbers[cluster]));
    sizes.iter().any(|&size| size > 0 && size < least)
}

/// Makes noise of the least firm rows of clusters of more than `most`; how firm rows are is asked if there are any.
fn cap(labels: &mut [Option<ClusterId>], most: usize, strengths: impl Fn(&[Option<ClusterId>]) -> Vec<f64>) {
    let sizes = sizes(labels);
    if sizes.iter().all(|&size| size <= most) {
        return;
    }
    let strengths = strengths(labels);
    for cluster in (0..sizes.len()).filter(|&cluster| sizes[cluster] > most) {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == Some(cluster)).collect();
        rows.sort_by(|&a, &b| strengths[b].total_cmp(&strengths[a]).then(a.cmp(&b)));
        rows[most..].iter().for_each(|&row| labels[row] = None);
    }
}

fn sizes(labels: &[Option<ClusterId>]) -> Vec<usize> {
    let mut sizes = vec![0; n_clusters(labels)];
    labels.iter().flatten().for_each(|&cluster| sizes[cluster] += 1);
    sizes
}
