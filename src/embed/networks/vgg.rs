//! The convolutions of VGG (Simonyan and Zisserman 2015) under the keys of torchvision and timm.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::super::architecture::VggOutput;
use super::Network;
use crate::nn::{Activation, Conv2d, Conv2dConfig, global_mean, max_pool2d};

/// Channels of each stage's layers, as published.
pub(super) const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

/// A VGG network with its weights.
pub(super) struct Vgg {
    stages: Vec<Vec<Conv2d>>,
    output: VggOutput,
}

impl Vgg {
    pub fn load(depths: [usize; 5], widths: [usize; 5], output: VggOutput, weights: VarBuilder) -> Result<Self> {
        let layer = Conv2dConfig { padding: 1, activation: Activation::Relu, ..Default::default() };
        // In the checkpoint's count an activation follows each convolution, and a pooling each stage.
        let (mut at, mut channels) = (0, 3);
        let mut stages = Vec::new();
        for (depth, width) in depths.into_iter().zip(widths) {
            let mut convs = Vec::new();
            for _ in 0..depth {
                convs.push(Conv2d::load(weights.pp("features").pp(at), channels, width, 3, layer)?);
                (at, channels) = (at + 2, width);
            }
            stages.push(convs);
            at += 1;
        }
        Ok(Self { stages, output })
    }
}

impl Network for Vgg {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let x = self.stages.iter().try_fold(images.clone(), |x, stage| {
            let x = stage.iter().try_fold(x, |x, conv| conv.forward(&x))?;
            max_pool2d(&x, 2, 2, 0)
        })?;
        match self.output {
            VggOutput::Pooled => global_mean(&x),
            VggOutput::Flat => x.flatten_from(1),
        }
    }
}
