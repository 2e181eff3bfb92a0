//! What was typed about clustering; no I/O.

use crate::cluster::density_tree::Selection;
use crate::pipeline::{NClusters, Reduction};
use clap::{Args, ValueEnum};

/// From features to clusters.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Clustering")]
pub struct FitArgs {
    /// The clusterer
    #[arg(long, value_enum, default_value_t)]
    pub algorithm: AlgorithmChoice,
    /// How many clusters: a number, or auto (what the clusterer finds; for those that must be told, what `alike choose`
    /// suggests)
    #[arg(long, short = 'k', value_name = "N|auto", default_value = "auto", value_parser = parse_clusters)]
    pub clusters: NClusters,
    /// Fewer features first: pca:N, svd:N, whiten:N (PCA to equal variance), kernel-pca:N, random:N, diffusion:N, umap:N,
    /// tsne:N, none, or auto (pca:50 where there are more; filter, visual: pca:2; hdbscan: umap:2 of more
    /// than 10; turtle, temi: none)
    #[arg(long, value_name = "REDUCER", default_value = "auto", value_parser = parse_reduction)]
    pub reduce: Reduction,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// k-means start: random, kmeans++, kmeans|| (for many clusters), a .npy of centroids, or auto (kmeans++ up to 256
    /// clusters, kmeans|| beyond)
    #[arg(long, value_name = "START", default_value = "auto")]
    pub init: String,
    /// k-means starts, the best of which is kept
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub restarts: u32,
    /// Most rounds of a start
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_iterations: u32,
    /// When a start has converged, as a share of the variance; 0: when no label changes. mixture: as the gain of the mean
    /// log-likelihood
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4)]
    pub tolerance: f64,
    /// minibatch: images of a batch [default: 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// hierarchical: clusters of each level, falling, such as 1000,100,10; the last are the clusters [default: ten times
    /// as many on each level down]
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', conflicts_with = "clusters")]
    pub levels: Vec<usize>,
    /// dbscan: how near images are neighbours [default: the knee of the distances to the nearest]. optics: clusters by such
    /// a radius instead of by --xi
    #[arg(long, value_name = "DISTANCE")]
    pub eps: Option<f64>,
    /// dbscan, optics: images within that distance in the midst of a cluster, itself counted [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub min_points: Option<u32>,
    /// optics: share by which it is farther to the next image where a cluster ends [default: .05]
    #[arg(long, value_name = "SHARE")]
    pub xi: Option<f64>,
    /// optics, hdbscan, layers, leiden, tomato: fewest images of a cluster [default: 5, hdbscan: half the
    /// square root of their number where that is more, optics: --min-points]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub min_cluster_size: Option<u32>,
    /// hdbscan, layers: most images of a cluster [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..), conflicts_with = "attach_noise")]
    pub max_cluster_size: Option<u32>,
    /// hdbscan: the density at an image goes by the distance to the nearest of so many, itself counted; more make more
    /// noise [default: the fewest of a cluster; 20 at most, if those aren't given either]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub min_samples: Option<u32>,
    /// hdbscan: which of the clusters within clusters count [default: excess]
    #[arg(long, value_enum)]
    pub selection: Option<Selection>,
    /// layers, leiden, tomato: neighbours of an image in the graph; more make coarser clusters [default: 15]. temi: those it
    /// is paired with [default: 50]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..))]
    pub neighbours: Option<u32>,
    /// leiden: the higher, the more clusters; where their number is given, that at which there are so many is looked for
    /// [default: 1]
    #[arg(long, value_name = "GAMMA")]
    pub resolution: Option<f64>,
    /// hdbscan, layers, leiden: put noise into the cluster of the nearest image that is in one
    #[arg(long)]
    pub attach_noise: bool,
    /// turtle: how much clusters of equal size are preferred; lower it for unequal ones [default: 10]
    #[arg(long, value_name = "WEIGHT")]
    pub gamma: Option<f64>,
    /// filter: share of the images, those that lie most alone, that belong to no cluster [default: 0]
    #[arg(long, value_name = "SHARE")]
    pub alone: Option<f64>,
    /// visual: cells, of 256 along a side, that a label reaches beyond what is seen as a cluster [default: 24]
    #[arg(long, value_name = "CELLS", value_parser = parse_reach)]
    pub reach: Option<f64>,
    /// visual: cells on every side with which a count's median is taken first, which removes what is sparse [default: 0]
    #[arg(long, value_name = "CELLS", value_parser = clap::value_parser!(u32).range(..=64))]
    pub denoise: Option<u32>,
    /// visual: split what is seen as one cluster where its density has peaks of its own
    #[arg(long)]
    pub split_by_density: bool,
    /// bisecting: which cluster is split next [default: inertia]
    #[arg(long, value_enum)]
    pub split: Option<SplitChoice>,
}

/// Which cluster bisecting k-means splits next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SplitChoice {
    /// That of the largest inertia.
    #[default]
    Inertia,
    /// That with the most images.
    Size,
}

/// The clusterers by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AlgorithmChoice {
    /// Layers where the number of clusters is open, k-means where it or a start is given.
    #[default]
    Auto,
    /// k-means.
    Kmeans,
    /// Spherical k-means: by direction, not length.
    Spherical,
    /// Mini-batch k-means: a few images at a time; embeddings files larger than memory.
    Minibatch,
    /// Bisecting k-means: one cluster split in two until there are enough.
    Bisecting,
    /// Hierarchical k-means: clusters of clusters, for collections of unequal kinds.
    Hierarchical,
    /// Mixture of Gaussians: clusters of different spread and tilt.
    Mixture,
    /// DBSCAN: clusters of any shape among noise; finds their number.
    Dbscan,
    /// OPTICS: the order in which images are reached from one another, and its valleys: clusters of different density among
    /// noise, in few dimensions; finds their number.
    Optics,
    /// HDBSCAN*: clusters that last as the density rises, each at its own, among noise; finds their number.
    Hdbscan,
    /// Layers, EVoC-style with PLSCAN: clusters at every scale that lasts, and of those the scale that fits the nearest
    /// neighbours best; for embeddings. Finds the number of clusters unless it is given.
    Layers,
    /// Leiden: communities of the nearest neighbours, denser inside than chance would have it. Finds the number of clusters
    /// for the resolution, or the resolution for the number.
    Leiden,
    /// ToMATo: peaks of the density among nearest neighbours; finds the number of clusters unless it is given.
    Tomato,
    /// Peaks of the density, drawn in two dimensions and smoothed; finds the number of clusters unless it is given.
    Filter,
    /// What a network sees in a picture of two dimensions: clusters of any shape among noise; finds their number.
    Visual,
    /// TURTLE: what linear classifiers of the embeddings learn best; tells joined extractors apart. Takes --clusters.
    Turtle,
    /// TEMI: what images and their nearest neighbours agree on, by small networks. Takes --clusters.
    Temi,
}

pub fn parse_reach(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|reach| (0.0..f64::INFINITY).contains(reach)).ok_or_else(|| "give a number from 0".into())
}

pub fn parse_clusters(text: &str) -> Result<NClusters, String> {
    match text {
        "auto" => Ok(NClusters::Auto),
        _ => match text.parse() {
            Ok(n) if n > 0 => Ok(NClusters::Fixed(n)),
            _ => Err("give a number from 1, or auto".into()),
        },
    }
}

fn parse_reduction(text: &str) -> Result<Reduction, String> {
    use crate::reduce::Method;
    const CHOICES: &str =
        "give pca:N, svd:N, whiten:N, kernel-pca:N, random:N, diffusion:N, umap:N, tsne:N, none or auto";
    match text.split_once(':') {
        None if text == "auto" => Ok(Reduction::Auto),
        None if text == "none" => Ok(Reduction::None),
        Some((name, n)) => match (Method::ALL.into_iter().find(|method| method.name() == name), n.parse()) {
            (Some(method), Ok(n)) if n > 0 => Ok(Reduction::To(method, n)),
            (Some(_), _) => Err(format!("give the number of components, such as {name}:50")),
            (None, _) => Err(CHOICES.into()),
        },
        None => Err(CHOICES.into()),
    }
}
