//! An encoder trained on the collection itself, without labels: for kinds of pictures that no published network knows.
//!
//! The contrastive one learns to recognise a picture in another view of itself (SimCLR: Chen et al. 2020, "A Simple
//! Framework for Contrastive Learning of Visual Representations"), and to put both views into the same of a few soft
//! clusters (as Li et al. 2021, "Contrastive Clustering"; the loss is that of Ji et al. 2019): without those, k-means finds
//! kinds less well, for nothing draws pictures of a kind together. The autoencoders learn to draw a picture from a few
//! numbers.

mod adam;
mod augment;
mod loss;
mod network;
mod pictures;
mod train;
mod weights;

#[cfg(test)]
pub(super) mod tests;

use std::ops::RangeInclusive;

use candle_core::{Device, Tensor};
use image::DynamicImage;
use ndarray::{Array2, ArrayViewMut2};
use serde::{Deserialize, Serialize};

use super::combine::of_length;
use super::pixels::Pixels;
use super::spec::{check, check_version};
use super::{Colour, EmbedError, Extractor, ExtractorSpec, PixelsSpec};
use network::Encoder;

pub use train::{LearnParams, learn};
pub use weights::LearnedWeights;

const NAME: &str = "learn";
const VERSION: u32 = 1;
const SIDES: RangeInclusive<u32> = 4..=128;

/// How an encoder learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LearnMethod {
    /// By telling views of one picture from those of others, and sorting both alike; 128 features of unit length.
    #[default]
    Contrastive,
    /// By drawing pictures from 32 numbers, through convolutions.
    Autoencoder,
    /// By drawing pictures from 32 numbers, through fully connected layers.
    Dense,
}

impl LearnMethod {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Contrastive, Self::Autoencoder, Self::Dense];

    /// The name by which users choose it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contrastive => "learn",
            Self::Autoencoder => "autoencoder",
            Self::Dense => "dense-autoencoder",
        }
    }

    /// Number of features.
    pub fn n_features(self) -> usize {
        match self {
            Self::Contrastive => network::UNIT_FEATURES,
            Self::Autoencoder | Self::Dense => network::CODE,
        }
    }
}

/// A trained encoder: [`learn`] makes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedSpec {
    /// Meaning of the other fields: 1.
    pub version: u32,
    /// How it was trained.
    pub method: LearnMethod,
    /// What it sees of an image, 4 to 128 pixels wide and high.
    pub pixels: PixelsSpec,
    /// What it learned.
    pub weights: LearnedWeights,
}

impl LearnedSpec {
    pub(super) fn check(&self) -> Result<(), EmbedError> {
        check_version(NAME, self.version, VERSION)?;
        for (parameter, side) in [("width", self.pixels.width), ("height", self.pixels.height)] {
            check(SIDES.contains(&side), NAME, parameter, "from 4 to 128", side)?;
        }
        Ok(())
    }

    pub(super) fn n_features(&self) -> usize {
        self.method.n_features()
    }

    /// Height, width and channels of what it sees.
    fn shape(&self) -> [usize; 3] {
        let PixelsSpec { width, height, colour, .. } = self.pixels;
        [height as usize, width as usize, if colour == Colour::Grey { 1 } else { 3 }]
    }
}

/// Pictures of the collection's kind to what the encoder makes of them.
pub(super) struct Learned {
    spec: ExtractorSpec,
    of: LearnedSpec,
    pixels: Pixels,
    encoder: Encoder,
}

impl Learned {
    pub fn new(of: LearnedSpec) -> Result<Self, EmbedError> {
        of.check()?;
        let encoder = Encoder::load(&of, of.weights.builder()?.pp("encoder"), false).map_err(failed)?;
        Ok(Self { spec: ExtractorSpec::Learned(of.clone()), pixels: Pixels::new(of.pixels)?, of, encoder })
    }
}

impl Extractor for Learned {
    fn spec(&self) -> &ExtractorSpec {
        &self.spec
    }

    fn n_features(&self) -> usize {
        self.of.n_features()
    }

    fn wants_whole(&self) -> bool {
        self.pixels.wants_whole()
    }

    fn is_half(&self) -> bool {
        true
    }

    fn prepare(&self, image: &DynamicImage) -> DynamicImage {
        self.pixels.prepare(image)
    }

    fn embed(&self, batch: &[DynamicImage], mut out: ArrayViewMut2<'_, f32>) -> Result<(), EmbedError> {
        let mut values = Array2::zeros((batch.len(), self.pixels.n_features()));
        self.pixels.embed(batch, values.view_mut())?;
        let [height, width, channels] = self.of.shape();
        let features = || -> candle_core::Result<Vec<Vec<f32>>> {
            let shape = (batch.len(), height, width, channels);
            let x = Tensor::from_vec(values.into_raw_vec_and_offset().0, shape, &Device::Cpu)?;
            self.encoder.forward(&x, false)?.0.to_vec2()
        };
        for (row, mut features) in out.outer_iter_mut().zip(features().map_err(failed)?) {
            if self.of.method == LearnMethod::Contrastive {
                features = of_length(1.0, features);
            }
            row.into_iter().zip(features).for_each(|(to, value)| *to = value);
        }
        Ok(())
    }
}

fn failed(error: candle_core::Error) -> EmbedError {
    EmbedError::Failed(error.to_string())
}
