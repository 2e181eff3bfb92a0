//! The encoder for photos that is part of the program: `models/README.md` is its card.

use candle_core::DType;
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use super::networks::Builtin;
use super::neural::Neural;
use super::spec::check_version;
use super::{EmbedError, ExtractorSpec, Interpolation, Preprocess, Setup};
use crate::decode::Middle;

const NAME: &str = "builtin";
const VERSION: u32 = 1;
const WEIGHTS: &[u8] = include_bytes!("../../models/builtin.safetensors");
const PREPROCESS: Preprocess = Preprocess {
    side: 64,
    shortest: None,
    middle: Middle::Even,
    interpolation: Interpolation::Bicubic,
    mean: [0.45; 3],
    std: [0.25; 3],
};

/// The extractor `builtin`: a small residual network, trained on photos of 140 kinds of things, whose weights are part of
/// the program.
///
/// The image, whatever its proportions, is brought to 64 x 64 pixels of RGB; 128 features of unit length. Cost: 0.23 GFLOP
/// an image.
///
/// ```
/// use alike::embed::{BuiltinSpec, ExtractorSpec};
/// let extractor = ExtractorSpec::Builtin(BuiltinSpec::default()).build()?;
/// assert_eq!(extractor.n_features(), 128);
/// # Ok::<(), alike::embed::EmbedError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltinSpec {
    /// The network, its weights and its preprocessing: 1.
    pub version: u32,
}

impl Default for BuiltinSpec {
    fn default() -> Self {
        Self { version: VERSION }
    }
}

impl BuiltinSpec {
    pub(super) fn n_features(self) -> Result<usize, EmbedError> {
        check_version(NAME, self.version, VERSION).map(|()| Builtin::N_FEATURES)
    }

    pub(super) fn extractor(self, setup: &Setup) -> Result<Neural, EmbedError> {
        let n_features = self.n_features()?;
        let device = setup.device.candle();
        let network = VarBuilder::from_slice_safetensors(WEIGHTS, DType::F32, &device)
            .and_then(Builtin::load)
            .map_err(|e| EmbedError::Failed(e.to_string()))?;
        let spec = ExtractorSpec::Builtin(self);
        Ok(Neural { spec, n_features, preprocess: PREPROCESS, network: Box::new(network), device })
    }
}
