//! The small convolutional MobileNetV4 (Qin et al. 2024) under timm's keys.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::Network;
use super::residual::{Block, Shape, Shortcut, Step, scaled};
use crate::nn::{Activation, Conv2d, global_mean};

const STEM: usize = 32;
/// Numbers in the layer below the classifier, as published.
pub(super) const HEAD: usize = 1280;

/// A block of the table below: what it is, its stride, its channels.
type Row = (Kind, usize, usize);

#[derive(Clone, Copy)]
enum Kind {
    /// A convolution of this kernel.
    Conv(usize),
    /// The universal inverted bottleneck: wide inside by a factor, depthwise before that by the first kernel and within
    /// by the second, where these are not 0.
    Universal(usize, usize, usize),
}

use Kind::{Conv, Universal};

const STAGES: [&[Row]; 5] = [
    &[(Conv(3), 2, 32), (Conv(1), 1, 32)],
    &[(Conv(3), 2, 96), (Conv(1), 1, 64)],
    &[
        (Universal(3, 5, 5), 2, 96),
        (Universal(2, 0, 3), 1, 96),
        (Universal(2, 0, 3), 1, 96),
        (Universal(2, 0, 3), 1, 96),
        (Universal(2, 0, 3), 1, 96),
        (Universal(4, 3, 0), 1, 96),
    ],
    &[
        (Universal(6, 3, 3), 2, 128),
        (Universal(4, 5, 5), 1, 128),
        (Universal(4, 0, 5), 1, 128),
        (Universal(3, 0, 5), 1, 128),
        (Universal(4, 0, 3), 1, 128),
        (Universal(4, 0, 3), 1, 128),
    ],
    &[(Conv(1), 1, 960)],
];

/// A small MobileNetV4 with its weights.
pub(super) struct MobileNetV4 {
    stem: Conv2d,
    blocks: Vec<Block>,
    head: Conv2d,
}

impl MobileNetV4 {
    /// `width` scales the channels between stem and head.
    pub fn load(width: f64, head: usize, weights: VarBuilder) -> Result<Self> {
        let mut channels = if width < 1.0 { STEM } else { scaled(STEM, width) };
        let stem = convolution(3, channels, 3, 2).load(weights.pp("conv_stem"), weights.pp("bn1"))?;
        let mut blocks = Vec::new();
        for (stage, rows) in STAGES.into_iter().enumerate() {
            for (at, &(kind, stride, c_out)) in rows.iter().enumerate() {
                let (weights, c_out) = (weights.pp("blocks").pp(stage).pp(at), scaled(c_out, width));
                blocks.push(kind.load(weights, channels, stride, c_out)?);
                channels = c_out;
            }
        }
        let head = Shape::pointwise(channels, head, Activation::Relu);
        Ok(Self { stem, blocks, head: head.load(weights.pp("conv_head"), weights.pp("norm_head"))? })
    }
}

fn convolution(c_in: usize, c_out: usize, kernel: usize, stride: usize) -> Shape {
    Shape { c_in, c_out, kernel, stride, depthwise: false, activation: Activation::Relu }
}

impl Kind {
    fn load(self, weights: VarBuilder, c_in: usize, stride: usize, c_out: usize) -> Result<Block> {
        let (expand, before, within) = match self {
            Conv(kernel) => {
                let conv = convolution(c_in, c_out, kernel, stride);
                return Ok(Block::single(conv.load(weights.pp("conv"), weights.pp("bn1"))?));
            }
            Universal(expand, before, within) => (expand, before, within),
        };
        let load = |shape: Shape, name: &str| shape.load(weights.pp(name).pp("conv"), weights.pp(name).pp("bn"));
        let inside = scaled(c_in, expand as f64);
        let mut steps = Vec::new();
        if before > 0 {
            // It strides only where no other does.
            let stride = if within > 0 { 1 } else { stride };
            steps.push(load(Shape::depthwise(c_in, before, stride, Activation::None), "dw_start")?);
        }
        steps.push(load(Shape::pointwise(c_in, inside, Activation::Relu), "pw_exp")?);
        if within > 0 {
            steps.push(load(Shape::depthwise(inside, within, stride, Activation::Relu), "dw_mid")?);
        }
        let shortcut = if (c_in, stride) == (c_out, 1) { Shortcut::Identity } else { Shortcut::None };
        let last = load(Shape::pointwise(inside, c_out, Activation::None), "pw_proj")?;
        Ok(Block { steps: steps.into_iter().map(Step::Conv).collect(), last, shortcut })
    }
}

impl Network for MobileNetV4 {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let x = self.blocks.iter().try_fold(self.stem.forward(images)?, |x, block| block.forward(&x))?;
        let (n, _, _, channels) = x.dims4()?;
        self.head.forward(&global_mean(&x)?.reshape((n, 1, 1, channels))?)?.flatten_from(1)
    }
}
