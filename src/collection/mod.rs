//! What travels between the stages: ids with their rows, labels, classes and the images left out.
//!
//! Rows and ids sit in one value, so that an image that fails can't shift the others' labels.

mod blocks;
mod embeddings;
mod features;
mod labels;
mod sparse;

pub(crate) use blocks::HELD;
pub use blocks::{Blocks, BlocksError};
pub use embeddings::{Embeddings, EmbeddingsError};
pub use features::Features;
pub(crate) use labels::n_clusters;
pub use labels::{ClusterId, Labels, Truth};
pub(crate) use sparse::square;
pub use sparse::{Csr, sparse_row};

use serde::{Deserialize, Serialize};

/// A stage of the pipeline, as named in messages and in `skipped.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Finding and reading an image's bytes.
    Read,
    /// Turning bytes into pixels.
    Decode,
    /// Turning pixels into features.
    Embed,
    /// Placing the file in its cluster's directory.
    Arrange,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Read => "read",
            Stage::Decode => "decode",
            Stage::Embed => "embed",
            Stage::Arrange => "arrange",
        })
    }
}

/// An image that was left out, and why. One bad image is never a lost run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The image's id (for a directory: its path below the input).
    pub id: String,
    /// Where it failed.
    pub stage: Stage,
    /// What was expected, what was found.
    pub reason: String,
}
