//! The fitted artefact: one `.alike` file from which new images are assigned.
//!
//! A safetensors file, which any safetensors reader opens. Its metadata holds a versioned JSON [`Manifest`] under the
//! key `alike`; its tensors are `centroids` (clusters x features; other clusterers have other arrays, see
//! [`Clusterer`]) and, with a reducer, `reducer.components` (components x features) and whatever else it needs, such as
//! `reducer.mean` for PCA, all f32. What an extractor learned from the collection is there as `extractor.0.*`; of joined
//! extractors each that learned has a number.

mod assign;
mod clusterer;
mod file;
mod manifest;

pub use assign::Verdict;
pub use file::ModelError;
pub use manifest::{ClusterEntry, Clusterer, Manifest, Provenance};

use crate::cluster::Assigner;
use crate::embed::ExtractorSpec;
use crate::reduce::Reducer;

/// The directory and name of what is in no cluster.
pub const UNCLUSTERED: &str = "unclustered";

/// A fitted pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// From pixels to features; `None` if embeddings were given.
    pub extractor: Option<ExtractorSpec>,
    /// From features to fewer.
    pub reducer: Option<Reducer>,
    /// From those to clusters.
    pub assigner: Assigner,
    /// What is known of the clusters.
    pub clusters: Vec<ClusterEntry>,
    /// Where it came from.
    pub provenance: Provenance,
}
