//! Features to clusters.
//!
//! Every clusterer yields labels **and** an assigner, so that new images have one path whichever made the clusters.
//! The parameter types implement linfa's [`ParamGuard`] and [`Fit`](linfa::traits::Fit), the fitted
//! types [`PredictInplace`](linfa::traits::PredictInplace).

mod adam;
mod assigner;
mod attach;
mod bisecting;
mod bounds;
mod classifier;
#[cfg(test)]
mod contract;
mod dbscan;
mod density;
pub mod density_tree;
mod device;
#[cfg(test)]
mod edges;
mod filter;
mod gaussians;
mod guard;
mod hdbscan;
mod hierarchical;
mod images;
mod kernel;
mod kmeans;
mod layers;
mod leiden;
mod levels;
mod lloyd;
mod means;
mod minibatch;
mod mixture;
mod modes;
mod optics;
#[cfg(test)]
mod oracle;
mod raster;
mod rows;
mod search;
mod seeding;
mod settle;
mod sparse;
mod standard;
mod summary;
mod temi;
mod tomato;
mod tree;
mod turtle;
mod verdict;
mod visual;
mod within;

pub use crate::distance::Metric;
pub use assigner::{Assigner, Assignment, Centroids};
pub use attach::{Neighbors, attach_noise};
pub use bisecting::{BisectingParams, BisectingValidParams, Split};
pub use classifier::{Classifier, Head, Layer, Then};
pub use dbscan::{DbscanParams, DbscanValidParams};
pub use density::Density;
pub use filter::{FilterParams, FilterValidParams};
pub use gaussians::Mixture;
pub use hdbscan::{HdbscanParams, HdbscanValidParams};
pub use hierarchical::{HierarchicalParams, HierarchicalValidParams};
pub use kmeans::{KMeansParams, KMeansValidParams};
pub use layers::{ClusterLayer, Layers, LayersParams, LayersValidParams};
pub use leiden::{Communities, LeidenParams, LeidenValidParams, Quality};
pub use minibatch::{MiniBatchParams, MiniBatchValidParams};
pub use mixture::{MixtureParams, MixtureValidParams};
pub use modes::{Modes, Persistence};
pub use optics::{OpticsParams, OpticsValidParams, ReachabilityPlot};
pub use seeding::{Init, seed};
pub use summary::{FitSeconds, Strategy, Summary, Work};
pub use temi::{TemiParams, TemiValidParams};
pub use tomato::{TomatoParams, TomatoValidParams};
pub use tree::Tree;
pub use turtle::{TurtleParams, TurtleValidParams};
pub use visual::{VisualParams, VisualValidParams};

use crate::collection::{Blocks, BlocksError, ClusterId, Features};
use crate::device::DeviceError;
use crate::neighbors::KnnGraph;
use crate::progress::{Interrupted, Reporter};
use crate::raster::RasterError;
use linfa::ParamGuard;

/// A clusterer with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Algorithm {
    /// Lloyd's k-means, euclidean or spherical.
    KMeans(KMeansParams),
    /// Mini-batch k-means.
    MiniBatch(MiniBatchParams),
    /// Bisecting k-means.
    Bisecting(BisectingParams),
    /// Hierarchical k-means.
    Hierarchical(HierarchicalParams),
    /// A mixture of Gaussians.
    Mixture(MixtureParams),
    /// DBSCAN.
    Dbscan(DbscanParams),
    /// OPTICS.
    Optics(OpticsParams),
    /// HDBSCAN*.
    Hdbscan(HdbscanParams),
    /// Layered clustering, EVoC-style with PLSCAN layers.
    Layers(LayersParams),
    /// Leiden.
    Leiden(LeidenParams),
    /// ToMATo.
    Tomato(TomatoParams),
    /// Peaks of the density on a raster.
    Filter(FilterParams),
    /// What a network sees in a picture of the rows.
    Visual(VisualParams),
    /// TURTLE: what linear classifiers learn best.
    Turtle(TurtleParams),
    /// TEMI: what rows and their neighbours agree on.
    Temi(TemiParams),
}

/// What a fit found.
#[derive(Clone, Debug, PartialEq)]
pub struct Clustering {
    /// The cluster of each row; `None` is noise. Clusters are numbered by falling size, ties by first member.
    pub labels: Vec<Option<ClusterId>>,
    /// The same at other granularities, the finest first: the levels below clusters of clusters, the other layers; or what
    /// clusters join to, those first between which the density is greatest, or that the least fall of the resolution joins,
    /// at half as many, half of those, and so on. None where there is but one.
    pub levels: Vec<Vec<Option<ClusterId>>>,
    /// Assigns new rows, and gives the rows of the fit the same labels.
    pub assigner: Assigner,
    /// Sum of squared distances to the centroids; for the cosine metric the sum of (1 - cos). `None` where clusters have
    /// none.
    pub inertia: Option<f64>,
    /// Rounds of the best start.
    pub n_iterations: usize,
    /// Whether that start converged before the limit.
    pub converged: bool,
    /// How it went, for k-means in memory.
    pub summary: Option<Summary>,
    /// The nearest neighbours it went by, if it did.
    pub neighbors: Option<KnnGraph>,
}

impl Clustering {
    /// Of one granularity, at once, by neither distances nor neighbours.
    fn new(labels: Vec<Option<ClusterId>>, assigner: Assigner) -> Self {
        Self {
            labels,
            levels: Vec::new(),
            assigner,
            inertia: None,
            n_iterations: 1,
            converged: true,
            summary: None,
            neighbors: None,
        }
    }

    /// Number of clusters, none of them empty.
    pub fn n_clusters(&self) -> usize {
        self.assigner.n_clusters()
    }

    /// Number of members of each cluster.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.n_clusters()];
        self.labels.iter().flatten().for_each(|&c| sizes[c] += 1);
        sizes
    }
}

/// Why rows could not be clustered.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A parameter is out of its range.
    #[error("{name} is {found}: it must be {expected}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// Its value.
        found: String,
        /// Its range.
        expected: &'static str,
    },
    /// More clusters than rows.
    #[error("{n_clusters} clusters of {n_samples} images: ask for at most as many clusters as there are images")]
    TooFewSamples {
        /// Asked for.
        n_clusters: usize,
        /// At hand.
        n_samples: usize,
    },
    /// Rows of no values.
    #[error("the images have no features: at least one is needed")]
    NoFeatures,
    /// Starting centroids of the wrong shape.
    #[error(
        "the starting centroids have shape {found:?} where {expected:?} (clusters x features, after the reducer) is needed"
    )]
    InitShape {
        /// As given.
        found: (usize, usize),
        /// As needed.
        expected: (usize, usize),
    },
    /// By cosine, starting centroids none of which has a direction.
    #[error("the starting centroids are all zero, which has no direction: give some that aren't, or --init kmeans++")]
    InitBlank,
    /// Starting centroids that are NaN or infinite.
    #[error("the starting centroids hold a value that is not finite")]
    InitNotFinite,
    /// NaN or infinite input.
    #[error("row {row} holds a value that is not finite")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// More features than a covariance is fitted to.
    #[error(
        "{found} features: covariances are fitted to at most {most}, and best to some tens: reduce them first, as with --reduce \
         pca:20"
    )]
    TooManyFeatures {
        /// At hand.
        found: usize,
        /// Allowed.
        most: usize,
    },
    /// A covariance without an inverse.
    #[error(
        "the covariance of cluster {cluster}, of about {share} images, has no inverse: ask for fewer clusters, or reduce the \
         features first"
    )]
    Singular {
        /// Which component.
        cluster: usize,
        /// Its rows.
        share: usize,
    },
    /// No row has enough neighbours.
    #[error("no image has {min_points} images, itself counted, within {eps}: raise --eps, or lower --min-points")]
    AllNoise {
        /// The radius.
        eps: f64,
        /// Rows needed within it.
        min_points: usize,
    },
    /// No rows hang together.
    #[error(
        "no {min_cluster_size} images stand out as a cluster: lower --min-cluster-size, or reduce the features first"
    )]
    NoClusters {
        /// Fewest rows of a cluster.
        min_cluster_size: usize,
    },
    /// More rows than can be compared with one another.
    #[error(
        "{n_samples} images of {n_features} features are too many to compare each with each: reduce the features first, or \
         fit a sample and assign the others with its model"
    )]
    TooManySamples {
        /// Rows.
        n_samples: usize,
        /// Features.
        n_features: usize,
    },
    /// Spaces that are not those of the rows.
    #[error("spaces of {spaces:?} features, but the images have {n_features}")]
    Spaces {
        /// Their widths.
        spaces: Vec<usize>,
        /// At hand.
        n_features: usize,
    },
    /// Sparse rows, which only k-means and spherical k-means take.
    #[error("only k-means and spherical k-means take sparse rows: reduce them first, as with --reduce svd:100")]
    Sparse,
    /// Rows that are not in memory can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// They can't be drawn.
    #[error(transparent)]
    Raster(RasterError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Stopped by the user.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// From linfa's own traits.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

impl From<RasterError> for ClusterError {
    fn from(error: RasterError) -> Self {
        match error {
            RasterError::NotFinite { row } => Self::NotFinite { row },
            RasterError::Interrupted(interrupted) => Self::Interrupted(interrupted),
            other => Self::Raster(other),
        }
    }
}

impl From<BlocksError> for ClusterError {
    fn from(error: BlocksError) -> Self {
        match error {
            BlocksError::Unreadable(reason) => Self::Unreadable(reason),
            BlocksError::NotFinite { row } => Self::NotFinite { row },
        }
    }
}

impl Algorithm {
    /// Fits the rows of `x`, shape (n_samples, n_features), dense or sparse.
    ///
    /// # Errors
    /// A parameter out of range, more clusters than rows, values that are not finite, or an interruption.
    pub fn fit<'a>(&self, x: impl Into<Features<'a>>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        match (self, x.into()) {
            (Self::KMeans(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::KMeans(params), Features::Sparse(x)) => params.check_ref()?.fit_sparse(&x, reporter),
            (Self::MiniBatch(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Bisecting(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Hierarchical(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Mixture(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Dbscan(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Optics(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Hdbscan(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Layers(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Leiden(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Tomato(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Filter(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Visual(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Turtle(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (Self::Temi(params), Features::Dense(x)) => params.check_ref()?.fit_rows(x.view(), reporter),
            (_, Features::Sparse(_)) => Err(ClusterError::Sparse),
        }
    }

    /// Fits rows that are read in blocks. Mini-batch k-means holds few of them at a time; the others need them all.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), or if rows can't be read.
    pub fn fit_blocks(&self, rows: &mut dyn Blocks, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        match self {
            Self::MiniBatch(params) => params.check_ref()?.fit_blocks(rows, reporter),
            _ => self.fit(rows.load(&(0..rows.n_blocks()).collect::<Vec<_>>())?.view(), reporter),
        }
    }

    /// Whether it can be asked for a number of clusters.
    pub fn takes_n_clusters(&self) -> bool {
        !matches!(self, Self::Dbscan(_) | Self::Optics(_) | Self::Hdbscan(_) | Self::Visual(_))
    }

    /// Whether it finds the number of clusters where it isn't asked for one.
    pub fn finds_n_clusters(&self) -> bool {
        matches!(
            self,
            Self::Dbscan(_)
                | Self::Optics(_)
                | Self::Hdbscan(_)
                | Self::Layers(_)
                | Self::Leiden(_)
                | Self::Tomato(_)
                | Self::Filter(_)
                | Self::Visual(_)
        )
    }

    /// Whether it draws the rows on a raster, best one of two axes.
    pub fn draws(&self) -> bool {
        matches!(self, Self::Filter(_) | Self::Visual(_))
    }

    /// Whether it is best given the features as they are, not reduced: it trains on them.
    pub fn trains(&self) -> bool {
        matches!(self, Self::Turtle(_) | Self::Temi(_))
    }

    /// The same algorithm told the widths of the spaces that a row consists of, if it tells them apart.
    pub fn with_spaces(&self, spaces: Vec<usize>) -> Self {
        match self {
            Self::Turtle(params) => Self::Turtle(params.clone().spaces(spaces)),
            _ => self.clone(),
        }
    }

    /// The same algorithm asked for another number of clusters; one that takes none stays as it is.
    pub fn with_n_clusters(&self, n_clusters: usize) -> Self {
        match self {
            Self::KMeans(params) => Self::KMeans(params.clone().n_clusters(n_clusters)),
            Self::MiniBatch(params) => Self::MiniBatch(params.clone().n_clusters(n_clusters)),
            Self::Bisecting(params) => Self::Bisecting(params.clone().n_clusters(n_clusters)),
            Self::Hierarchical(params) => Self::Hierarchical(params.clone().n_clusters(n_clusters)),
            Self::Mixture(params) => Self::Mixture(params.clone().n_clusters(n_clusters)),
            Self::Layers(params) => Self::Layers(params.clone().n_clusters(n_clusters)),
            Self::Leiden(params) => Self::Leiden(params.clone().n_clusters(n_clusters)),
            Self::Tomato(params) => Self::Tomato(params.clone().n_clusters(n_clusters)),
            Self::Filter(params) => Self::Filter(params.clone().n_clusters(n_clusters)),
            Self::Turtle(params) => Self::Turtle(params.clone().n_clusters(n_clusters)),
            Self::Temi(params) => Self::Temi(params.clone().n_clusters(n_clusters)),
            Self::Dbscan(_) | Self::Optics(_) | Self::Hdbscan(_) | Self::Visual(_) => self.clone(),
        }
    }
}
