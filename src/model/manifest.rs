//! The JSON part of a model file.

use crate::cluster::{Metric, Then};
use crate::collection::ClusterId;
use crate::embed::ExtractorSpec;
use crate::evaluate::Scores;
use crate::raster::Transform;
use crate::reduce::Saved;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version this build writes, and the only one it reads.
pub const VERSION: u32 = 2;

/// Everything of a model but its arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub version: u32,
    /// BLAKE3 of this JSON with an empty checksum, and of the tensors.
    pub checksum: String,
    /// The extractor; null if embeddings were given.
    pub extractor: Option<ExtractorSpec>,
    /// The reducer, if any; its arrays are tensors.
    pub reducer: Option<Saved>,
    /// The clusterer; its arrays are tensors.
    pub clusterer: Clusterer,
    /// The clusters, by id.
    pub clusters: Vec<ClusterEntry>,
    /// Where the model came from.
    pub provenance: Provenance,
}

/// A clusterer without its arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Clusterer {
    /// The nearest centroid counts.
    Centroids {
        /// How distance is measured.
        metric: Metric,
        /// The cluster of blank rows, by cosine.
        blank: Option<ClusterId>,
    },
    /// The cluster above the nearest centroid of the finest level counts.
    Tree {
        /// For each level but the last, the cluster of the next one that each of its clusters belongs to.
        parents: Vec<Vec<ClusterId>>,
    },
    /// The most probable Gaussian counts.
    Mixture {
        /// The Gaussians' shares of the rows.
        weights: Vec<f32>,
    },
    /// The nearest core point counts.
    Density {
        /// How near it must be.
        eps: f64,
        /// The core points' clusters.
        clusters: Vec<ClusterId>,
    },
    /// The nearest row of the fit counts.
    Neighbors {
        /// How distance is measured.
        metric: Metric,
        /// The rows' clusters; null is noise.
        clusters: Vec<Option<ClusterId>>,
        /// How far a row may be from the nearest of each cluster.
        reach: Vec<f64>,
    },
    /// The most probable cluster counts, by networks.
    Classifier {
        /// What becomes of the outputs of each head's layers.
        heads: Vec<Vec<Then>>,
    },
    /// The row's cell counts.
    Raster {
        /// Where the cells are.
        transform: Transform,
    },
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterEntry {
    /// Its name, which is also its directory's.
    pub name: String,
    /// Number of members in the fit.
    pub size: usize,
    /// The distance that 99 % of the members keep to the centroid; a new image beyond it is an outlier.
    pub reach: f64,
}

/// Where a model came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of alike that wrote it.
    pub alike: String,
    /// Number of images it was fitted to.
    pub n_samples: usize,
    /// The settings as typed, by option.
    pub settings: BTreeMap<String, String>,
    /// Scores of the fit.
    pub scores: Scores,
}
