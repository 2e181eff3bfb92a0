//! Published models: what they are, what their images must look like, where their weights come from.
//!
//! Weights lie in the cache of Python's huggingface_hub, in its layout, so that either uses what the other fetched. What
//! a file hashes to is part of an extractor's spec, and is checked whenever the file is read.

mod cache;
#[cfg(feature = "hub")]
mod download;
mod error;
mod preprocess;
mod weights;

pub use cache::Hub;
pub use error::{AbsentReason, WeightsError};
pub use preprocess::{Interpolation, Middle, Preprocess};
pub use weights::Weights;

use std::sync::LazyLock;

use serde::Deserialize;

use super::architecture::Architecture;

/// A model on the Hugging Face hub, as `models/hub.toml` pins it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubModel {
    /// What users type.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Organisation and name on the hub.
    pub repository: String,
    /// The commit the file is taken from; `main` if none is pinned.
    pub revision: Option<String>,
    /// The file with the weights.
    pub file: String,
    /// Its size, maybe only about.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal digits, if it is pinned.
    pub sha256: Option<String>,
    /// SPDX name of the weights' licence.
    pub licence: String,
    /// Features of an image.
    pub n_features: usize,
    /// The network.
    pub architecture: Architecture,
    /// What an image must look like.
    pub preprocess: Preprocess,
}

impl HubModel {
    /// All that are known, as listed to users.
    ///
    /// ```
    /// use alike::embed::HubModel;
    /// assert!(HubModel::all().iter().any(|model| model.name == "dinov2-small"));
    /// ```
    pub fn all() -> &'static [Self] {
        static MODELS: LazyLock<Vec<HubModel>> = LazyLock::new(|| parse(include_str!("../../../models/hub.toml")));
        &MODELS
    }

    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|model| model.name == name)
    }

    /// Whether its weights may hash to `sha256`, as far as is known.
    pub(super) fn may_be(&self, sha256: &str) -> bool {
        self.sha256.as_ref().is_none_or(|pinned| pinned == sha256)
    }

    /// The branch or commit it is taken from.
    fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }
}

fn parse(text: &str) -> Vec<HubModel> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        model: Vec<HubModel>,
    }
    let list: List = toml::from_str(text).expect("models/hub.toml is checked by the tests");
    list.model
}

/// Whether `text` is so many hexadecimal digits, as the names of commits (40) and SHA-256 (64) are written.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_what_a_download_needs() {
        for (at, model) in HubModel::all().iter().enumerate() {
            let name = &model.name;
            assert_eq!(HubModel::all().iter().position(|other| other.name == *name), Some(at), "{name} is there twice");
            assert!(!name.contains(['+', ':', '=']), "{name} would be taken apart");
            assert!(model.repository.split('/').count() == 2 && model.file.ends_with(".safetensors"), "{name}");
            assert!(model.revision.as_ref().is_none_or(|revision| is_hex(revision, 40)), "{name}");
            assert!(model.sha256.as_ref().is_none_or(|sha256| is_hex(sha256, 64)), "{name}");
            assert!(model.revision.is_some() || model.sha256.is_none(), "{name}: main may move on from its hash");
            assert!(model.n_features > 0 && model.bytes > 10_000_000, "{name}");
            model.preprocess.check().unwrap();
        }
    }
}
