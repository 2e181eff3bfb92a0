//! Residual networks (He et al. 2016; of three-layer blocks the second layer strides) under the keys of timm and
//! torchvision.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::super::architecture::ResNetBlock;
use super::Network;
use super::residual::{Block, Shape, Shortcut, Step};
use crate::nn::{Activation, Conv2d, global_mean, max_pool2d};

const STEM: usize = 64;

/// Channels between a block's layers in each stage, as published.
pub(super) const WIDTHS: [usize; 4] = [64, 128, 256, 512];

impl ResNetBlock {
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }

    /// Kernel, stride and output channels of each layer of a block.
    fn layers(self, width: usize, stride: usize) -> Vec<(usize, usize, usize)> {
        match self {
            Self::Basic => vec![(3, stride, width), (3, 1, width)],
            Self::Bottleneck => vec![(1, 1, width), (3, stride, width), (1, 1, 4 * width)],
        }
    }

    fn load(self, weights: VarBuilder, c_in: usize, width: usize, stride: usize) -> Result<Block> {
        let mut channels = c_in;
        let mut convs = Vec::new();
        for (at, (kernel, stride, c_out)) in self.layers(width, stride).into_iter().enumerate() {
            let shape = Shape { c_in: channels, c_out, kernel, stride, depthwise: false, activation: Activation::Relu };
            convs.push(shape.load(weights.pp(format!("conv{}", at + 1)), weights.pp(format!("bn{}", at + 1)))?);
            channels = c_out;
        }
        let shortcut = if (c_in, stride) == (channels, 1) {
            Shortcut::Identity
        } else {
            let shape = Shape { stride, ..Shape::pointwise(c_in, channels, Activation::None) };
            Shortcut::Conv(shape.load(weights.pp("downsample.0"), weights.pp("downsample.1"))?)
        };
        let last = convs.pop().expect("a block has layers");
        Ok(Block { steps: convs.into_iter().map(Step::Conv).collect(), last, shortcut })
    }
}

/// A residual network with its weights.
pub(super) struct ResNet {
    stem: Conv2d,
    blocks: Vec<Block>,
}

impl ResNet {
    pub fn load(block: ResNetBlock, depths: [usize; 4], widths: [usize; 4], weights: VarBuilder) -> Result<Self> {
        let stem = Shape { c_in: 3, c_out: STEM, kernel: 7, stride: 2, depthwise: false, activation: Activation::Relu };
        let mut channels = STEM;
        let mut blocks = Vec::new();
        for (stage, (depth, width)) in depths.into_iter().zip(widths).enumerate() {
            for at in 0..depth {
                let stride = if at == 0 && stage > 0 { 2 } else { 1 };
                let weights = weights.pp(format!("layer{}", stage + 1)).pp(at);
                blocks.push(block.load(weights, channels, width, stride)?);
                channels = width * block.expansion();
            }
        }
        Ok(Self { stem: stem.load(weights.pp("conv1"), weights.pp("bn1"))?, blocks })
    }
}

impl Network for ResNet {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let x = max_pool2d(&self.stem.forward(images)?, 3, 2, 1)?;
        global_mean(&self.blocks.iter().try_fold(x, |x, block| block.forward(&x))?)
    }
}
