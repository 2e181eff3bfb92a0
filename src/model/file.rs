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
mod tests {
    use super::*;
    use crate::cluster::{Assigner, Centroids, Density, Metric, Mixture, Tree};
    use crate::embed::{Colour, CombinedSpec, LearnMethod, LearnedSpec, PixelsSpec};
    use crate::model::{ClusterEntry, Clusterer, Provenance};
    use crate::progress::Silent;
    use crate::raster::{CellLabel, LabelMap, Transform};
    use crate::reduce::{Method, ReducerParams, Saved};
    use linfa::ParamGuard;

    fn rows() -> Array2<f32> {
        Array2::from_shape_fn((30, 6), |(i, j)| ((i * 31 + j * 17 + i * j) % 29) as f32 / 7.0)
    }

    fn model() -> Model {
        reduced_by(Method::Pca)
    }

    fn reduced_by(method: Method) -> Model {
        let params = ReducerParams::new(method, 2).check().unwrap();
        let reducer = params.fit_features(rows().view(), &Silent).unwrap();
        let entry = |c| ClusterEntry { name: format!("cluster-{c:03}"), size: 15, reach: 0.1 + 0.2 * f64::from(c) };
        Model {
            extractor: None,
            reducer: Some(reducer),
            assigner: Assigner::Centroids(Centroids {
                metric: Metric::Euclidean,
                centroids: ndarray::array![[0.1, -1.0], [1.0 / 3.0, 2.0]],
                blank: None,
            }),
            clusters: vec![entry(0), entry(1)],
            provenance: Provenance { alike: "0".into(), n_samples: 30, ..Provenance::default() },
        }
    }

    /// A model with each kind of assigner, and of reducer.
    fn models() -> Vec<Model> {
        let tree = Tree {
            levels: vec![
                ndarray::array![[0.1, -1.0], [0.5, 2.0], [0.7, 0.0]],
                ndarray::array![[0.3, -0.5], [0.5, 2.0]],
            ],
            parents: vec![vec![0, 1, 0]],
        };
        let mixture = Mixture {
            weights: vec![0.3, 0.7],
            means: ndarray::array![[0.1, -1.0], [0.5, 2.0]],
            whitening: ndarray::array![[2.0, 0.0], [-0.3, 1.0], [0.1, 0.0], [0.2, 1.0 / 3.0]],
        };
        let density = Density {
            eps: 1.0 / 3.0,
            core: ndarray::array![[0.1, -1.0], [0.5, 2.0], [0.6, 2.0]],
            clusters: vec![1, 0, 0],
        };
        let others =
            [Assigner::Tree(tree), Assigner::Mixture(mixture), Assigner::Density(density), Assigner::Raster(raster())]
                .map(|assigner| Model { assigner, ..model() });
        std::iter::once(model()).chain(others).chain(Method::ALL.map(reduced_by)).collect()
    }

    fn raster() -> LabelMap {
        let transform =
            Transform { origin: vec![-1.0, 1.0 / 3.0], scale: vec![1.0, 0.7], shape: vec![2, 3], folded: false };
        let label = |cluster| CellLabel { cluster, confidence: 1.0 / 3.0 };
        LabelMap { transform, cells: [Some(0), None, Some(1), Some(1), None, Some(0)].map(label).to_vec() }
    }

    #[test]
    fn a_model_comes_back_whole_and_gives_the_same_answers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.alike");
        for model in models() {
            model.save(&path).unwrap();
            let read = Model::load(&path).unwrap();
            assert_eq!(read, model);
            assert_eq!(read.to_bytes(), model.to_bytes());
            assert_eq!(read.assign(rows().view()).unwrap(), model.assign(rows().view()).unwrap());
        }
    }

    #[test]
    fn what_an_extractor_learned_is_in_the_file() {
        let learned = |value: f32| {
            let tensor =
                candle_core::Tensor::new(&[[value, 1.0 / 3.0], [2.0, f32::MIN_POSITIVE]], &candle_core::Device::Cpu);
            let weights = LearnedWeights::new([("encoder.code.weight".to_owned(), tensor.unwrap())].into()).unwrap();
            let (method, pixels) = (LearnMethod::Dense, PixelsSpec::new(4, 4, Colour::Grey));
            ExtractorSpec::Learned(LearnedSpec { version: 1, method, pixels, weights })
        };
        let centroids = Centroids { metric: Metric::Euclidean, centroids: Array2::ones((2, 64)), blank: None };
        let joined = CombinedSpec::new([(learned(0.1), 1.0), (learned(0.2), 1.0)]);
        let (extractor, assigner) = (Some(ExtractorSpec::Combined(joined)), Assigner::Centroids(centroids));
        let model = Model { extractor, assigner, reducer: None, ..model() };
        let bytes = model.to_bytes();
        let read = Model::from_bytes(&bytes, "x.alike").unwrap();
        assert_eq!((&read, read.to_bytes()), (&model, bytes.clone()));
        let arrays = |model: &Model| -> Vec<Vec<f32>> {
            model
                .extractor
                .iter()
                .flat_map(ExtractorSpec::learned)
                .flat_map(LearnedWeights::arrays)
                .map(|a| a.2)
                .collect()
        };
        assert_eq!(arrays(&read), [0.1, 0.2].map(|value| vec![value, 1.0 / 3.0, 2.0, f32::MIN_POSITIVE]));
        // Signed as they should be, but with weights that are another's, or none.
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let Some(ExtractorSpec::Combined(mut swapped)) = read.extractor else { panic!("several were joined") };
        swapped.parts.reverse();
        let manifest = |extractor| Manifest {
            version: VERSION,
            checksum: String::new(),
            extractor: Some(extractor),
            reducer: None,
            clusterer: Clusterer::Centroids { metric: Metric::Euclidean, blank: None },
            clusters: model.clusters.clone(),
            provenance: Provenance::default(),
        };
        let error = assemble(manifest(ExtractorSpec::Combined(swapped)), &tensors).unwrap_err();
        assert!(error.contains("hash"), "{error}");
    }

    /// Signed as they should be, but with parts that don't fit together.
    #[test]
    fn assigners_that_do_not_fit_together_are_damaged() {
        let broken = |edit: fn(&mut Assigner) -> bool| {
            let mut model =
                models().into_iter().find_map(|mut model| edit(&mut model.assigner).then_some(model)).unwrap();
            model.clusters.truncate(model.assigner.n_clusters());
            let error = Model::from_bytes(&model.to_bytes(), "x.alike").unwrap_err().to_string();
            assert!(error.contains("damaged"), "{error}");
        };
        fn tree(assigner: &mut Assigner, edit: impl Fn(&mut Tree)) -> bool {
            if let Assigner::Tree(tree) = assigner {
                edit(tree);
                true
            } else {
                false
            }
        }
        fn mixture(assigner: &mut Assigner, edit: impl Fn(&mut Mixture)) -> bool {
            if let Assigner::Mixture(mixture) = assigner {
                edit(mixture);
                true
            } else {
                false
            }
        }
        fn density(assigner: &mut Assigner, edit: impl Fn(&mut Density)) -> bool {
            if let Assigner::Density(density) = assigner {
                edit(density);
                true
            } else {
                false
            }
        }
        fn raster(assigner: &mut Assigner, edit: impl Fn(&mut LabelMap)) -> bool {
            if let Assigner::Raster(map) = assigner {
                edit(map);
                true
            } else {
                false
            }
        }
        broken(|a| tree(a, |tree| tree.parents[0][1] = 2));
        broken(|a| raster(a, |map| map.cells.truncate(5)));
        broken(|a| raster(a, |map| map.cells[1].confidence = 1.5));
        broken(|a| raster(a, |map| map.cells[1].cluster = Some(6)));
        broken(|a| raster(a, |map| map.transform.shape = vec![2, 3, usize::MAX]));
        broken(|a| raster(a, |map| map.transform.shape = vec![6]));
        broken(|a| raster(a, |map| map.transform.scale[1] = 0.0));
        broken(|a| tree(a, |tree| tree.parents[0].truncate(2)));
        broken(|a| tree(a, |tree| tree.levels[0] = Array2::zeros((3, 1))));
        broken(|a| tree(a, |tree| tree.levels[1] = Array2::zeros((0, 2))));
        broken(|a| mixture(a, |mixture| mixture.weights[0] = 0.0));
        broken(|a| mixture(a, |mixture| mixture.whitening[[3, 1]] = -1.0));
        broken(|a| mixture(a, |mixture| mixture.whitening = Array2::ones((3, 2))));
        broken(|a| density(a, |density| density.eps = -1.0));
        broken(|a| density(a, |density| density.clusters[2] = 3));
        broken(|a| density(a, |density| density.core = Array2::zeros((2, 2))));
    }

    #[test]
    fn reducers_that_do_not_fit_together_are_damaged() {
        for method in Method::ALL {
            let reducer = reduced_by(method).reducer.unwrap();
            let (saved, arrays) = reducer.parts();
            // Every array that is missing, a row or column short, and every figure that is missing.
            let read = |saved: &Saved, name: &str, rows: usize, columns: usize| {
                Reducer::from_parts(saved.clone(), |asked| {
                    let array = arrays.iter().find(|(name, _)| *name == asked).ok_or("it is not there")?.1;
                    let short =
                        |n: usize, by| ndarray::Slice::from(..n.saturating_sub(if asked == name { by } else { 0 }));
                    let array = array.slice_axis(ndarray::Axis(0), short(array.nrows(), rows));
                    Ok(array.slice_axis(ndarray::Axis(1), short(array.ncols(), columns)).to_owned())
                })
            };
            assert!(read(&saved, "", 0, 0).is_ok());
            for (name, array) in &arrays {
                let damages = [(array.nrows(), 0), (1, 0), (0, 1)];
                // A linear map is whole with any number of features or components, as long as its figures agree.
                let harmless = |damage| method == Method::Random || method == Method::Svd && damage == (0, 1);
                for (rows, columns) in damages.into_iter().filter(|damage| damage.0 > 1 || !harmless(*damage)) {
                    assert!(read(&saved, name, rows, columns).is_err(), "{method:?} {name} {rows} {columns}");
                }
            }
            let mut short = saved.clone();
            if short.explained_variance.pop().is_some() || short.gamma.take().is_some() {
                assert!(read(&short, "", 0, 0).is_err(), "{method:?}");
            }
        }
    }

    #[test]
    fn a_row_gets_the_same_answer_alone_as_among_others() {
        let (model, rows) = (model(), rows());
        let all = model.assign(rows.view()).unwrap();
        for (i, verdict) in all.iter().enumerate() {
            let alone = model.assign(rows.slice_axis(ndarray::Axis(0), (i..i + 1).into())).unwrap();
            assert_eq!(&alone[0], verdict);
        }
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_an_error() {
        for model in models() {
            let bytes = model.to_bytes();
            for length in 0..bytes.len() {
                assert!(Model::from_bytes(&bytes[..length], "cut").is_err(), "{length}");
            }
            for at in 0..bytes.len() {
                for bit in [1, 0x20, 0x80] {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= bit;
                    // White space between the header's parts is all that may change without harm.
                    if let Ok(read) = Model::from_bytes(&damaged, "flipped") {
                        assert_eq!(read, model, "byte {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn hostile_headers_and_other_versions_are_named() {
        let header = |json: &str| {
            let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
            bytes.extend(json.as_bytes());
            bytes
        };
        let read = |bytes: &[u8]| Model::from_bytes(bytes, "x.alike").unwrap_err().to_string();
        assert!(read(&u64::MAX.to_le_bytes()).contains("x.alike is not an alike model"));
        assert!(
            read(&header(r#"{"a":{"dtype":"F32","shape":[9999999999,9999999999],"data_offsets":[0,4]}}"#))
                .contains("not an alike")
        );
        assert!(read(&header(r#"{"__metadata__":{"alike":"{\"version\":7}"}}"#)).contains("format version 7"));
        assert!(read(&header(r#"{"__metadata__":{"alike":"{\"version\":2}"}}"#)).contains("damaged"));
        assert!(read(b"").contains("not an alike model"));
    }

    #[test]
    fn features_of_another_number_are_refused() {
        let error = model().assign(Array2::zeros((1, 5)).view()).unwrap_err();
        assert!(matches!(error, ModelError::Features { expected: 6, found: 5 }));
    }
}
