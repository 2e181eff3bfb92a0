//! From the graph of neighbours to layers of clusters.

use super::barcode::{self, Bars};
use super::embedding::{DIM, RATE, embed};
use super::heap::Heap;
use super::join::join;
use super::start::start;
use super::votes::{attach, divided, modularity, smooth};
use crate::cluster::density_tree::{CondensedTree, exact_spanning_tree};
use crate::collection::{ClusterId, Csr};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView2};

/// The density at a row goes by the distance to its nearest of so many, itself the first.
const MIN_SAMPLES: usize = 5;

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
    /// How firmly each row is in its cluster, 0 to 1; 0 for noise, and for what joined by its neighbours alone.
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
        cap(&mut labels, &strengths, most.unwrap_or(usize::MAX));
        Self { labels, strengths, min_cluster_size: n_samples, persistence: 0.0, modularity: 0.0 }
    }

    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        self.labels.iter().flatten().max().map_or(0, |most| most + 1)
    }
}

/// Layers, the finest first, and which is the most modular; of several starts those of the one whose best layer is. None if
/// nothing splits.
pub(super) fn layers(
    graph: &Csr,
    heap: &Heap,
    x: ArrayView2<'_, f32>,
    wanted: &Wanted,
    reporter: &dyn Reporter,
) -> Result<(Vec<ClusterLayer>, usize), Interrupted> {
    let (mut best, mut most) = ((Vec::new(), 0), f64::NEG_INFINITY);
    for number in 0..wanted.n_starts as u64 {
        let layers = of_start(graph, heap, x, wanted, wanted.seed.wrapping_add(number << 32), reporter)?;
        let modular = |&a: &usize, &b: &usize| layers[a].modularity.total_cmp(&layers[b].modularity);
        if let Some(chosen) = (0..layers.len()).max_by(modular).filter(|&chosen| layers[chosen].modularity > most) {
            most = layers[chosen].modularity;
            best = (layers, chosen);
        }
    }
    Ok(best)
}

/// The layers of one start.
fn of_start(
    graph: &Csr,
    heap: &Heap,
    x: ArrayView2<'_, f32>,
    wanted: &Wanted,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<ClusterLayer>, Interrupted> {
    let n_samples = graph.rows();
    let mut places = start(graph, x, seed, reporter)?;
    embed(graph, &mut places, RATE, seed, reporter)?;
    let embedding = Array2::from_shape_fn((n_samples, DIM), |(row, d)| places[row][d]);
    let edges = exact_spanning_tree(embedding.view(), MIN_SAMPLES, reporter)?;
    let tree = CondensedTree::new(n_samples, &edges, wanted.min_cluster_size);
    let bars = Bars::new(&tree, wanted.min_cluster_size);
    let layers = match wanted.n_clusters {
        Some(n_clusters) => bars.nearest(n_clusters).into_iter().collect(),
        None => bars.layers(),
    };
    reporter.check()?;
    Ok(layers.into_iter().map(|layer| read(graph, heap, &tree, layer, wanted)).collect())
}

/// The members of a layer's clusters as the tree has them and the neighbours amend them.
fn read(graph: &Csr, heap: &Heap, tree: &CondensedTree, layer: barcode::Layer, wanted: &Wanted) -> ClusterLayer {
    let most = wanted.max_cluster_size.unwrap_or(usize::MAX);
    let members = tree.members(narrowed(tree, layer.clusters, most), usize::MAX);
    let mut labels = members.labels.clone();
    attach(graph, &mut labels);
    smooth(graph, &mut labels);
    join(graph, &mut labels, heap, wanted.n_clusters.unwrap_or(1), most);
    if dissolve(&mut labels, wanted.min_cluster_size) {
        attach(graph, &mut labels);
    }
    let modularity = modularity(graph, &labels);
    if !wanted.attach_noise {
        let noise: Vec<usize> = (0..labels.len()).filter(|&row| members.labels[row].is_none()).collect();
        divided(graph, &labels, &noise).into_iter().for_each(|row| labels[row] = None);
    }
    cap(&mut labels, &members.strengths, most);
    dissolve(&mut labels, wanted.min_cluster_size);
    let strength = |(label, strength): (&Option<ClusterId>, f64)| if label.is_some() { strength } else { 0.0 };
    let strengths = labels.iter().zip(members.strengths).map(strength).collect();
    let (min_cluster_size, persistence) = (layer.size, layer.persistence);
    ClusterLayer { labels, strengths, min_cluster_size, persistence, modularity }
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

/// Makes noise of the least firm rows of clusters of more than `most`.
fn cap(labels: &mut [Option<ClusterId>], strengths: &[f64], most: usize) {
    let sizes = sizes(labels);
    for cluster in (0..sizes.len()).filter(|&cluster| sizes[cluster] > most) {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == Some(cluster)).collect();
        rows.sort_by(|&a, &b| strengths[b].total_cmp(&strengths[a]).then(a.cmp(&b)));
        rows[most..].iter().for_each(|&row| labels[row] = None);
    }
}

fn sizes(labels: &[Option<ClusterId>]) -> Vec<usize> {
    let mut sizes = vec![0; labels.iter().flatten().max().map_or(0, |most| most + 1)];
    labels.iter().flatten().for_each(|&cluster| sizes[cluster] += 1);
    sizes
}
