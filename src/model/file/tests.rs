//! Models come back whole, and what is wrong with a file is said.

use super::*;
use crate::cluster::{Assigner, Centroids, Classifier, Density, Head, Layer, Metric, Mixture, Then, Tree};
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
        levels: vec![ndarray::array![[0.1, -1.0], [0.5, 2.0], [0.7, 0.0]], ndarray::array![[0.3, -0.5], [0.5, 2.0]]],
        parents: vec![vec![0, 1, 0]],
    };
    let mixture = Mixture {
        weights: vec![0.3, 0.7],
        means: ndarray::array![[0.1, -1.0], [0.5, 2.0]],
        whitening: ndarray::array![[2.0, 0.0], [-0.3, 1.0], [0.1, 0.0], [0.2, 1.0 / 3.0]],
    };
    let density =
        Density { eps: 1.0 / 3.0, core: ndarray::array![[0.1, -1.0], [0.5, 2.0], [0.6, 2.0]], clusters: vec![1, 0, 0] };
    let others = [
        Assigner::Tree(tree),
        Assigner::Mixture(mixture),
        Assigner::Density(density),
        Assigner::Raster(raster()),
        Assigner::Classifier(classifier()),
    ]
    .map(|assigner| Model { assigner, ..model() });
    std::iter::once(model()).chain(others).chain(Method::ALL.map(reduced_by)).collect()
}

/// Of one layer on the first feature, and of three on the second.
fn classifier() -> Classifier {
    let layer = |weights: Array2<f32>, then| Layer { bias: weights.column(0).mapv(|w| w / 3.0), weights, then };
    let wide = layer(ndarray::array![[0.5], [-1.0 / 3.0], [2.0]], Then::Gelu);
    let point = layer(ndarray::array![[0.5, 1.0, -1.0], [0.1, 0.0, 2.0]], Then::Unit);
    let last = layer(ndarray::array![[3.0, 1.0], [-1.0, 0.7]], Then::Linear);
    let flat = layer(ndarray::array![[1.0], [-0.3]], Then::Linear);
    Classifier { heads: vec![Head { layers: vec![flat] }, Head { layers: vec![wide, point, last] }] }
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
        model.extractor.iter().flat_map(ExtractorSpec::learned).flat_map(LearnedWeights::arrays).map(|a| a.2).collect()
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
        let mut model = models().into_iter().find_map(|mut model| edit(&mut model.assigner).then_some(model)).unwrap();
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
    fn classifier(assigner: &mut Assigner, edit: impl Fn(&mut Vec<Head>)) -> bool {
        if let Assigner::Classifier(classifier) = assigner {
            edit(&mut classifier.heads);
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
    broken(|a| classifier(a, |heads| heads[1].layers[0].bias = ndarray::array![1.0]));
    broken(|a| classifier(a, |heads| heads[1].layers[2].then = Then::Unit));
    broken(|a| classifier(a, |heads| heads[0].layers[0].weights = Array2::zeros((2, 0))));
    broken(|a| classifier(a, |heads| heads[1].layers.swap_remove(1).then = Then::Linear));
    broken(|a| classifier(a, |heads| heads[1] = Head { layers: heads[1].layers[..1].to_vec() }));
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
                let short = |n: usize, by| ndarray::Slice::from(..n.saturating_sub(if asked == name { by } else { 0 }));
                let array = array.slice_axis(ndarray::Axis(0), short(array.nrows(), rows));
                Ok(array.slice_axis(ndarray::Axis(1), short(array.ncols(), columns)).to_owned())
            })
        };
        assert!(read(&saved, "", 0, 0).is_ok());
        for (name, array) in &arrays {
            let damages = [(array.nrows(), 0), (1, 0), (0, 1)];
            // A linear map is whole with any number of features or components, as long as its figures agree; a layout
            // with any number of features.
            let harmless = |damage| match method {
                Method::Random => true,
                Method::Svd => damage == (0, 1),
                Method::Umap | Method::Tsne => {
                    damage == (0, 1) && *name == "rows" || damage == (1, 0) && *name == "components"
                }
                _ => false,
            };
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
