//! Published networks as extractors: an image as the network's own image processor prepares it, and the features below
//! its classifier, or those it was trained for.

use std::path::{Path, PathBuf};

use candle_core::DType;
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::neural::Neural;
use super::spec::{check, check_version};
use super::{Architecture, EmbedError, ExtractorSpec, Hub, HubModel, Preprocess, Weights, WeightsError};
use crate::device::Device;
use crate::progress::Reporter;

const NAME: &str = "pretrained";
const VERSION: u32 = 1;

/// Parameters of a published network: all but its weights, and what those hash to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainedSpec {
    /// Meaning of the other fields: 1.
    pub version: u32,
    /// Name in the list of published models.
    pub model: String,
    /// SHA-256 of the file of weights, in hexadecimal digits.
    pub sha256: String,
    /// Features of an image.
    pub n_features: usize,
    /// The network.
    pub architecture: Architecture,
    /// What an image must look like.
    pub preprocess: Preprocess,
}

impl PretrainedSpec {
    /// A model as it is pinned. If its hash isn't, as it was first fetched; it is fetched then, where it isn't here.
    ///
    /// # Errors
    /// If it has to be fetched and can't be.
    pub fn published(model: &HubModel, hub: &Hub, reporter: &dyn Reporter) -> Result<Self, WeightsError> {
        let sha256 = match &model.sha256 {
            Some(sha256) => sha256.clone(),
            None => hub.weights(model, None, reporter)?.sha256().to_owned(),
        };
        Ok(Self::of(model, sha256))
    }

    /// A model with weights from a file of the same format, such as those of a training that went on.
    ///
    /// # Errors
    /// If the file can't be read or is no safetensors file.
    pub fn with_file(model: &HubModel, file: &Path, reporter: &dyn Reporter) -> Result<Self, WeightsError> {
        Ok(Self::of(model, Weights::read(file, None, reporter)?.sha256().to_owned()))
    }

    fn of(model: &HubModel, sha256: String) -> Self {
        let HubModel { name, n_features, architecture, preprocess, .. } = model.clone();
        Self { version: VERSION, model: name, sha256, n_features, architecture, preprocess }
    }

    pub(super) fn check(&self) -> Result<(), EmbedError> {
        check_version(NAME, self.version, VERSION)?;
        check(self.n_features > 0, NAME, "n_features", "1 or more", self.n_features)?;
        check(self.architecture.is_sound(), NAME, "architecture", "measures that fit together", self.architecture)?;
        self.preprocess.check()
    }

    pub(super) fn extractor(&self, setup: &Setup, reporter: &dyn Reporter) -> Result<Neural, EmbedError> {
        self.check()?;
        let weights = setup.weights(self, reporter)?;
        let (path, device) = (weights.path().to_owned(), setup.device.candle());
        let network = VarBuilder::from_buffered_safetensors(weights.into_bytes(), DType::F32, &device)
            .and_then(|weights| self.architecture.build(weights))
            .map_err(|e| EmbedError::Unfit { model: self.model.clone(), path, reason: e.to_string() })?;
        let Self { n_features, preprocess, .. } = *self;
        Ok(Neural { spec: ExtractorSpec::Pretrained(self.clone()), n_features, preprocess, network, device })
    }
}

/// What extractors with weights are built from.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Where published weights are kept, and fetched from.
    pub hub: Hub,
    /// Weights beside those, told by what they hash to.
    pub files: Vec<PathBuf>,
    /// Where networks run.
    pub device: Device,
}

impl Setup {
    /// The weights that `spec` means.
    fn weights(&self, spec: &PretrainedSpec, reporter: &dyn Reporter) -> Result<Weights, EmbedError> {
        for file in &self.files {
            let weights = Weights::read(file, None, reporter)?;
            if weights.sha256() == spec.sha256 {
                return Ok(weights);
            }
        }
        let known = HubModel::find(&spec.model);
        let known = known.filter(|model| self.hub.has(model, &spec.sha256) || model.may_be(&spec.sha256));
        let unknown = || EmbedError::UnknownWeights { model: spec.model.clone(), sha256: spec.sha256.clone() };
        Ok(self.hub.weights(known.ok_or_else(unknown)?, Some(&spec.sha256), reporter)?)
    }
}

#[cfg(test)]
pub(super) use tests::small;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::contract::{Memory, rgb, run};
    use crate::progress::Silent;

    /// A small network of the tests, and where its weights are.
    pub(in crate::embed) fn small() -> (PretrainedSpec, Setup) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/networks/dinov2.safetensors");
        let architecture = Architecture::Dinov2 { width: 24, depth: 2, heads: 3, patch: 14, image: 70, registers: 0 };
        let preprocess =
            Preprocess { side: 56, shortest: Some(64), ..HubModel::find("dinov2-small").unwrap().preprocess };
        let sha256 = Weights::read(&file, None, &Silent).unwrap().sha256().to_owned();
        let model = "dinov2-small".into();
        let spec = PretrainedSpec { version: VERSION, model, sha256, n_features: 24, architecture, preprocess };
        (spec, Setup { files: vec![file], ..Setup::default() })
    }

    #[test]
    fn rows_are_those_of_the_network_on_prepared_images() {
        let (spec, setup) = small();
        let images: Vec<_> = (0..5).map(|i| rgb(90 + i, 70, i)).collect();
        let extractor = ExtractorSpec::Pretrained(spec.clone()).build_with(&setup, &Silent).unwrap();
        let found = run(&Memory::new(images.clone()), &extractor, None).embeddings;
        let tensors = candle_core::safetensors::load(&setup.files[0], &candle_core::Device::Cpu).unwrap();
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &candle_core::Device::Cpu);
        let network = spec.architecture.build(weights).unwrap();
        for (image, row) in images.iter().zip(found.view().outer_iter()) {
            let prepared = [spec.preprocess.prepare(image)];
            let expected = network.forward(&spec.preprocess.tensor(&prepared, &candle_core::Device::Cpu).unwrap());
            let expected = expected.unwrap().get(0).unwrap().to_vec1::<f32>().unwrap();
            assert!(
                row.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4 + b.abs() / 1024.0),
                "{row} {expected:?}"
            );
        }
    }

    #[test]
    fn weights_are_told_by_their_hash_and_must_fit() {
        let (spec, setup) = small();
        let build = |spec: &PretrainedSpec| {
            let hub = Hub::of(|_| None, Some("/nobody".into()));
            let setup = Setup { hub, ..setup.clone() };
            ExtractorSpec::Pretrained(spec.clone()).build_with(&setup, &Silent).err()
        };
        assert!(build(&spec).is_none());
        let other = build(&PretrainedSpec { sha256: "0".repeat(64), ..spec.clone() }).unwrap();
        assert!(matches!(other, EmbedError::UnknownWeights { .. }) && other.to_string().contains("--weights"));
        let wider = Architecture::Dinov2 { width: 48, depth: 2, heads: 3, patch: 14, image: 70, registers: 0 };
        let unfit = build(&PretrainedSpec { architecture: wider, ..spec.clone() }).unwrap();
        assert!(unfit.to_string().contains("dinov2.safetensors"), "{unfit}");
        let patchless = Architecture::Dinov2 { width: 24, depth: 2, heads: 3, patch: 0, image: 70, registers: 0 };
        for wrong in [
            PretrainedSpec { version: 2, ..spec.clone() },
            PretrainedSpec { n_features: 0, ..spec.clone() },
            PretrainedSpec { architecture: patchless, ..spec.clone() },
        ] {
            assert!(
                matches!(build(&wrong), Some(EmbedError::Parameter { .. } | EmbedError::Version { .. })),
                "{wrong:?}"
            );
        }
    }
}
