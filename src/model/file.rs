//! Saving and loading; whatever is wrong with a file is an error that says so.

use super::manifest::VERSION;
use super::{Manifest, Model, clusterer};
use crate::embed::{EmbedError, ExtractorSpec, LearnedWeights};
use crate::files::{At, FileError, write_whole};
use crate::reduce::Reducer;
use ndarray::Array2;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// The metadata key of the manifest.
const MANIFEST: &str = "alike";

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not ours.
    #[error("{path} is not an alike model ({reason}): give a model.alike as `alike sort` writes it")]
    NotAModel {
        /// The file.
        path: String,
        /// What was found.
        reason: String,
    },
    /// Ours, but not whole.
    #[error("{path} is damaged ({reason}): take a copy of it, or fit again")]
    Damaged {
        /// The file.
        path: String,
        /// What doesn't fit.
        reason: String,
    },
    /// From another time.
    #[error(
        "{path} has format version {found}, this alike reads version {VERSION}: use the alike that wrote it, or a newer one"
    )]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u64,
    },
    /// Features of another kind.
    #[error(
        "the model takes {expected} features an image, these have {found}: embed them with the model's own extractor"
    )]
    Features {
        /// As the model needs.
        expected: usize,
        /// As given.
        found: usize,
    },
    /// The extractor can't be rebuilt.
    #[error("the model's extractor: {0}")]
    Extractor(#[from] EmbedError),
}

impl Model {
    /// Writes the model, whole or not at all.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let bytes = self.to_bytes();
        Ok(write_whole(path, |out| out.write_all(&bytes))?)
    }

    /// Reads a model.
    ///
    /// # Errors
    /// If the file can't be read, is no model, is of another version, or is damaged in any byte that matters.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        Self::from_bytes(&std::fs::read(path).at("read", path)?, &path.display().to_string())
    }

    /// The file's bytes; the same for the same model.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (clusterer, mut arrays) = clusterer::parts(&self.assigner);
        let reducer = self.reducer.as_ref().map(Reducer::parts);
        for (name, array) in reducer.iter().flat_map(|(_, arrays)| arrays) {
            arrays.push((format!("reducer.{name}"), (*array).into()));
        }
        let mut manifest = Manifest {
            version: VERSION,
            checksum: String::new(),
            extractor: self.extractor.clone(),
            reducer: reducer.map(|(saved, _)| saved),
            clusterer,
            clusters: self.clusters.clone(),
            provenance: self.provenance.clone(),
        };
        let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> =
            arrays.into_iter().map(|(name, array)| (name, array.shape().to_vec(), little_endian(&array))).collect();
        for (part, weights) in self.extractor.iter().flat_map(ExtractorSpec::learned).enumerate() {
            let tensors = weights
                .arrays()
                .map(|(name, shape, values)| (learned_name(part, name), shape.to_vec(), little_endian(&values)));
            arrays.extend(tensors);
        }
        let tensors: Vec<(&str, TensorView<'_>)> = arrays
            .iter()
            .map(|(name, shape, bytes)| {
                (
                    name.as_str(),
                    TensorView::new(Dtype::F32, shape.clone(), bytes).expect("as many bytes as the shape needs"),
                )
            })
            .collect();
        let json = |manifest: &Manifest| serde_json::to_string(manifest).expect("a manifest is plain data");
        manifest.checksum = checksum(&json(&manifest), tensors.iter().map(|(name, tensor)| (*name, tensor)));
        let metadata = HashMap::from([(MANIFEST.to_owned(), json(&manifest))]);
        safetensors::serialize(tensors, Some(metadata)).expect("tensors of one type")
    }

    /// The model in these bytes; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, ModelError> {
        let not_a_model = |reason: String| ModelError::NotAModel { path: name.to_owned(), reason };
        let damaged = |reason: String| ModelError::Damaged { path: name.to_owned(), reason };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| not_a_model(e.to_string()))?;
        let metadata = header.metadata().as_ref().ok_or_else(|| not_a_model("no metadata".into()))?;
        let json = metadata.get(MANIFEST).ok_or_else(|| not_a_model(format!("no metadata {MANIFEST:?}")))?;
        let loose: serde_json::Value = serde_json::from_str(json).map_err(|e| damaged(e.to_string()))?;
        if let Some(found) = loose["version"].as_u64().filter(|v| *v != u64::from(VERSION)) {
            return Err(ModelError::Version { path: name.to_owned(), found });
        }
        let manifest: Manifest = serde_json::from_value(loose).map_err(|e| damaged(e.to_string()))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        let views = tensors.tensors();
        let unsigned = json.replacen(&manifest.checksum, "", 1);
        if manifest.checksum != checksum(&unsigned, views.iter().map(|(name, view)| (name.as_str(), view))) {
            return Err(damaged("its checksum is another".into()));
        }
        assemble(manifest, &tensors).map_err(damaged)
    }
}

fn assemble(mut manifest: Manifest, tensors: &SafeTensors<'_>) -> Result<Model, String> {
    for (part, weights) in manifest.extractor.iter_mut().flat_map(ExtractorSpec::learned_mut).enumerate() {
        attach(weights, &learned_name(part, ""), tensors)?;
    }
    let assigner = clusterer::assemble(manifest.clusterer, tensors)?;
    let reducer =
        manifest.reducer.map(|saved| Reducer::from_parts(saved, |name| array(tensors, &format!("reducer.{name}"))));
    let reducer = reducer.transpose()?;
    if reducer.as_ref().is_some_and(|reducer| reducer.n_components() != assigner.n_features()) {
        return Err("reducer and clusterer don't fit together".into());
    }
    let k = assigner.n_clusters();
    if k == 0 || manifest.clusters.len() != k {
        return Err(format!("{} clusters are described, {k} are there", manifest.clusters.len()));
    }
    let model = Model {
        extractor: manifest.extractor,
        reducer,
        assigner,
        clusters: manifest.clusters,
        provenance: manifest.provenance,
    };
    if let Some(spec) = &model.extractor {
        let n_features = spec.n_features().map_err(|e| e.to_string())?;
        if n_features != model.n_features() {
            return Err(format!("the extractor gives {n_features} features, {} are needed", model.n_features()));
        }
    }
    Ok(model)
}

/// What a tensor is called that the extractor's part of this number learned.
fn learned_name(part: usize, name: &str) -> String {
    format!("extractor.{part}.{name}")
}

/// Gives what was learned the tensors whose names begin with `prefix`.
fn attach(weights: &mut LearnedWeights, prefix: &str, tensors: &SafeTensors<'_>) -> Result<(), String> {
    let mut found = Vec::new();
    for (name, tensor) in tensors.tensors() {
        let Some(name) = name.strip_prefix(prefix) else { continue };
        if tensor.dtype() != Dtype::F32 {
            return Err(format!("{prefix}{name} is {:?}, F32 is needed", tensor.dtype()));
        }
        found.push((name.to_owned(), tensor.shape().to_vec(), floats(tensor.data())));
    }
    weights.attach(found)
}

/// A finite f32 matrix.
pub(super) fn array(tensors: &SafeTensors<'_>, name: &str) -> Result<Array2<f32>, String> {
    let tensor = tensors.tensor(name).map_err(|e| e.to_string())?;
    let (Dtype::F32, &[rows, columns]) = (tensor.dtype(), tensor.shape()) else {
        return Err(format!("{name} is {:?} of shape {:?}, a matrix of F32 is needed", tensor.dtype(), tensor.shape()));
    };
    let values = floats(tensor.data());
    if values.iter().any(|v| !v.is_finite()) {
        return Err(format!("{name} holds values that are not finite"));
    }
    Array2::from_shape_vec((rows, columns), values).map_err(|e| format!("{name}: {e}"))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
}

fn little_endian<'a>(values: impl IntoIterator<Item = &'a f32>) -> Vec<u8> {
    values.into_iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Over the manifest with its checksum left empty and every tensor's name, shape and bytes, in the order of names.
fn checksum<'a, 'd: 'a>(manifest: &str, tensors: impl Iterator<Item = (&'a str, &'a TensorView<'d>)>) -> String {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by_key(|(name, _)| *name);
    let mut hasher = blake3::Hasher::new();
    hasher.update(manifest.as_bytes());
    for (name, tensor) in tensors {
        hasher.update(format!("{name} {:?}", tensor.shape()).as_bytes());
        hasher.update(tensor.data());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests;
