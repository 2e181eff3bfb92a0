//! ConvNeXt (Liu et al. 2022) under timm's keys.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::Network;
use crate::nn::{Activation, Conv2d, Conv2dConfig, LayerNorm, Linear, global_mean};

const EPSILON: f64 = 1e-6;

/// A ConvNeXt with its weights.
pub(super) struct ConvNext {
    stem: Conv2d,
    stem_norm: LayerNorm,
    stages: Vec<Stage>,
    norm: LayerNorm,
}

/// Blocks, before which the image is halved but in the first stage.
struct Stage {
    halve: Option<(LayerNorm, Conv2d)>,
    blocks: Vec<Block>,
}

struct Block {
    depthwise: Conv2d,
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl ConvNext {
    pub fn load(depths: [usize; 4], widths: [usize; 4], weights: VarBuilder) -> Result<Self> {
        let [first, .., last] = widths;
        let mut channels = first;
        let mut stages = Vec::new();
        for (at, (depth, width)) in depths.into_iter().zip(widths).enumerate() {
            let before = (at > 0).then_some(channels);
            stages.push(Stage::load(weights.pp("stages").pp(at), before, width, depth)?);
            channels = width;
        }
        Ok(Self {
            stem: patches(weights.pp("stem.0"), 3, first, 4)?,
            stem_norm: LayerNorm::load(weights.pp("stem.1"), first, EPSILON)?,
            stages,
            norm: LayerNorm::load(weights.pp("head.norm"), last, EPSILON)?,
        })
    }
}

impl Network for ConvNext {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let x = self.stem_norm.forward(&self.stem.forward(images)?)?;
        let x = self.stages.iter().try_fold(x, |x, stage| stage.forward(x))?;
        self.norm.forward(&global_mean(&x)?)
    }
}

impl Stage {
    /// `before` are the channels of the stage before it.
    fn load(weights: VarBuilder, before: Option<usize>, width: usize, depth: usize) -> Result<Self> {
        let halve = match before {
            Some(channels) => {
                let weights = weights.pp("downsample");
                Some((LayerNorm::load(weights.pp(0), channels, EPSILON)?, patches(weights.pp(1), channels, width, 2)?))
            }
            None => None,
        };
        let blocks = (0..depth).map(|at| Block::load(weights.pp("blocks").pp(at), width));
        Ok(Self { halve, blocks: blocks.collect::<Result<_>>()? })
    }

    fn forward(&self, x: Tensor) -> Result<Tensor> {
        let x = match &self.halve {
            Some((norm, conv)) => conv.forward(&norm.forward(&x)?)?,
            None => x,
        };
        self.blocks.iter().try_fold(x, |x, block| block.forward(&x))
    }
}

impl Block {
    fn load(weights: VarBuilder, width: usize) -> Result<Self> {
        let depthwise = Conv2dConfig { padding: 3, groups: width, ..Default::default() };
        let mlp = weights.pp("mlp");
        let fc2 = Linear::load(mlp.pp("fc2"), 4 * width, width, Activation::None)?;
        Ok(Self {
            depthwise: Conv2d::load(weights.pp("conv_dw"), width, width, 7, depthwise)?,
            norm: LayerNorm::load(weights.pp("norm"), width, EPSILON)?,
            fc1: Linear::load(mlp.pp("fc1"), width, 4 * width, Activation::Gelu)?,
            fc2: fc2.scaled_by(&weights.get(width, "gamma")?)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.norm.forward(&self.depthwise.forward(x)?)?;
        self.fc2.forward_add(&self.fc1.forward(&y)?, x)
    }
}

/// A convolution of squares that don't overlap.
fn patches(weights: VarBuilder, c_in: usize, c_out: usize, side: usize) -> Result<Conv2d> {
    Conv2d::load(weights, c_in, c_out, side, Conv2dConfig { stride: side, ..Default::default() })
}
