//! EfficientNet (Tan and Le 2019) under timm's keys.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::Network;
use super::residual::{Block, Shape, Shortcut, SqueezeExcite, Step, scaled};
use crate::nn::{Activation, Conv2d, global_mean};

const STEM: usize = 32;
const HEAD: usize = 1280;
/// Of each of B0's stages: blocks, how much wider a block is inside, kernel, stride, channels.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
];

/// An EfficientNet with its weights.
pub(super) struct EfficientNet {
    stem: Conv2d,
    blocks: Vec<Block>,
    head: Conv2d,
}

impl EfficientNet {
    /// `width` scales B0's channels, `depth` its blocks in each stage.
    pub fn load(width: f64, depth: f64, weights: VarBuilder) -> Result<Self> {
        let mut channels = scaled(STEM, width);
        let stem =
            Shape { c_in: 3, c_out: channels, kernel: 3, stride: 2, depthwise: false, activation: Activation::Silu };
        let mut blocks = Vec::new();
        for (stage, (repeats, expand, kernel, stride, c_out)) in STAGES.into_iter().enumerate() {
            let (repeats, c_out) = ((repeats as f64 * depth).ceil() as usize, scaled(c_out, width));
            for at in 0..repeats {
                let stride = if at == 0 { stride } else { 1 };
                let weights = weights.pp("blocks").pp(stage).pp(at);
                blocks.push(block(weights, channels, expand, kernel, stride, c_out)?);
                channels = c_out;
            }
        }
        let head = Shape::pointwise(channels, scaled(HEAD, width), Activation::Silu);
        Ok(Self {
            stem: stem.load(weights.pp("conv_stem"), weights.pp("bn1"))?,
            blocks,
            head: head.load(weights.pp("conv_head"), weights.pp("bn2"))?,
        })
    }
}

/// Wide inside (or not, and then without the first layer), depthwise there, narrow at its ends.
fn block(weights: VarBuilder, c_in: usize, expand: usize, kernel: usize, stride: usize, c_out: usize) -> Result<Block> {
    let inside = c_in * expand;
    let mut norms = (1..).map(|at| weights.pp(format!("bn{at}")));
    let mut load = |shape: Shape, name: &str| shape.load(weights.pp(name), norms.next().expect("without end"));
    let mut steps = Vec::new();
    if expand > 1 {
        steps.push(Step::Conv(load(Shape::pointwise(c_in, inside, Activation::Silu), "conv_pw")?));
    }
    steps.push(Step::Conv(load(Shape::depthwise(inside, kernel, stride, Activation::Silu), "conv_dw")?));
    steps.push(Step::SqueezeExcite(SqueezeExcite::load(weights.pp("se"), inside, c_in / 4, Activation::Silu)?));
    let last = Shape::pointwise(inside, c_out, Activation::None);
    let last = load(last, if expand > 1 { "conv_pwl" } else { "conv_pw" })?;
    let shortcut = if (c_in, stride) == (c_out, 1) { Shortcut::Identity } else { Shortcut::None };
    Ok(Block { steps, last, shortcut })
}

impl Network for EfficientNet {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let x = self.blocks.iter().try_fold(self.stem.forward(images)?, |x, block| block.forward(&x))?;
        global_mean(&self.head.forward(&x)?)
    }
}
