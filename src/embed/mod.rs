//! Pixels to features: the contract of an extractor, the extractors, several of them joined, a collection embedded with
//! its cache, and files of embeddings.
//!
//! An extractor is one file here, one variant of [`ExtractorSpec`] and one arm where that is built.

mod architecture;
mod batch;
mod builtin;
mod cache;
mod combine;
pub mod files;
mod gate;
mod gather;
mod gradients;
mod hub;
mod learn;
mod look;
mod networks;
mod neural;
mod pixels;
mod pretrained;
mod spec;

#[cfg(test)]
mod contract;

pub use architecture::{Architecture, ResNetBlock, VggOutput};
pub use batch::{EmbedOptions, EmbedSeconds, Embedded, OnImage, embed};
pub use builtin::BuiltinSpec;
pub use cache::Cache;
pub(crate) use combine::joined_name;
pub use combine::{CombinedSpec, Extractors, WeightedSpec};
pub use gather::Layout;
pub use gradients::GradientsSpec;
pub use hub::{AbsentReason, Hub, HubModel, Interpolation, Middle, Preprocess, Weights, WeightsError};
pub use learn::{LearnMethod, LearnParams, LearnedSpec, LearnedWeights, learn};
pub use look::{choose_extractor, choose_pixels};
pub use networks::Network;
pub use pixels::{Colour, PixelsChoice, PixelsSpec};
pub use pretrained::{PretrainedSpec, Setup};
pub use spec::{ExtractorSpec, SpecHash};

use image::DynamicImage;
use ndarray::{ArrayView1, ArrayViewMut2};

use crate::progress::Interrupted;
use crate::source::Content;

/// Turns images into rows of features.
///
/// The row of an image depends on the image and the [`spec`](Extractor::spec) alone: not on the batch it comes in, nor
/// on the number of threads.
pub trait Extractor: Send + Sync {
    /// What it is, from which an equal one can be built.
    fn spec(&self) -> &ExtractorSpec;

    /// Number of features, one or more.
    fn n_features(&self) -> usize;

    /// Whether an image must come in full size even where the build can decode it at reduced scale, with 512 pixels or
    /// more on the shorter side: an extractor that wants half of those or fewer need not.
    fn wants_whole(&self) -> bool {
        true
    }

    /// Whether features are rounded to 16-bit floats (by 2^-11 of their value), as which the cache keeps them. By default
    /// they are kept as they are.
    fn is_half(&self) -> bool {
        false
    }

    /// Brings a decoded image (8-bit grey or RGB, at least 1 x 1) into the small form that [`embed`](Extractor::embed)
    /// wants. Runs beside decoding, one image a thread.
    fn prepare(&self, image: &DynamicImage) -> DynamicImage;

    /// Writes the features of each prepared image to its row of `out`, shape (batch length, n_features), which comes
    /// filled with zeros.
    ///
    /// # Errors
    /// If they can't be computed. The images are then tried one by one.
    fn embed(&self, batch: &[DynamicImage], out: ArrayViewMut2<'_, f32>) -> Result<(), EmbedError>;

    /// How many images [`embed`](Extractor::embed) likes to get together.
    fn batch_size(&self) -> usize {
        32
    }

    /// The image that a row, or a mean of rows, stands for, if features can be drawn.
    fn picture(&self, _features: ArrayView1<'_, f32>) -> Option<DynamicImage> {
        None
    }
}

/// Why images can't be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A spec of a later program.
    #[error(
        "the extractor {extractor} is wanted in version {found}, but this program knows version {known} only: \
         use the program that made the model, or embed again"
    )]
    Version {
        /// Its name.
        extractor: &'static str,
        /// Version in the spec.
        found: u32,
        /// Version of this program.
        known: u32,
    },
    /// A parameter out of its range.
    #[error("the extractor {extractor}: {parameter} must be {expected}, but is {found}")]
    Parameter {
        /// Its name.
        extractor: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// Its range, in words.
        expected: &'static str,
        /// Its value.
        found: String,
    },
    /// Weights can't be had.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Weights that the list of published models doesn't know.
    #[error(
        "{model} was used with weights of SHA-256 {sha256}, and this program doesn't know where those are: give the file \
         by --weights, or use the program that made the model"
    )]
    UnknownWeights {
        /// The model's name.
        model: String,
        /// What its weights hash to.
        sha256: String,
    },
    /// Weights of another network.
    #[error("the weights in {} are not those of {model}: {reason}", path.display())]
    Unfit {
        /// The model's name.
        model: String,
        /// The file.
        path: std::path::PathBuf,
        /// What is missing, or has another shape.
        reason: String,
    },
    /// The extractor failed on a batch.
    #[error("cannot compute the features: {0}")]
    Failed(String),
    /// The matrix is too large.
    #[error(
        "{n_samples} images of {n_features} features each don't fit into memory: \
         take an extractor with fewer features or fewer images"
    )]
    Memory {
        /// Rows.
        n_samples: usize,
        /// Columns.
        n_features: usize,
    },
}

/// What an image's contents hash to: of a file its bytes; of stored pixels their format, size and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of `content`.
    ///
    /// ```
    /// use alike::{embed::ContentHash, source::Content};
    /// let hash = ContentHash::of(&Content::Encoded(b"bytes".to_vec()));
    /// assert_eq!(hash.to_string().len(), 64);
    /// ```
    pub fn of(content: &Content) -> Self {
        match content {
            Content::Encoded(bytes) => Self(*blake3::hash(bytes).as_bytes()),
            Content::Pixels(image) => {
                let mut hasher = blake3::Hasher::new_derive_key("alike 1 stored pixels");
                hasher.update(&[image.color().channel_count()]);
                hasher.update(&image.width().to_le_bytes());
                hasher.update(&image.height().to_le_bytes());
                hasher.update(image.as_bytes());
                Self(*hasher.finalize().as_bytes())
            }
        }
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for ContentHash {
    /// 64 hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}
