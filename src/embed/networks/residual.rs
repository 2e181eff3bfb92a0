//! What the convolutional networks are built of: convolutions with the batch norm after them folded in, and blocks of
//! them beside a shortcut.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::nn::{Activation, Conv2d, Conv2dConfig, global_mean};

/// The batch norms' epsilon in every checkpoint here.
const EPSILON: f64 = 1e-5;

/// A convolution without a bias, whose output keeps the image's size but for the stride, and its batch norm.
pub(super) struct Shape {
    pub c_in: usize,
    pub c_out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub depthwise: bool,
    pub activation: Activation,
}

impl Shape {
    /// A convolution that sees one pixel.
    pub fn pointwise(c_in: usize, c_out: usize, activation: Activation) -> Self {
        Self { c_in, c_out, kernel: 1, stride: 1, depthwise: false, activation }
    }

    /// A convolution that sees one channel.
    pub fn depthwise(channels: usize, kernel: usize, stride: usize, activation: Activation) -> Self {
        Self { c_in: channels, c_out: channels, kernel, stride, depthwise: true, activation }
    }

    pub fn load(self, conv: VarBuilder, norm: VarBuilder) -> Result<Conv2d> {
        let config = Conv2dConfig {
            stride: self.stride,
            padding: self.kernel / 2,
            groups: if self.depthwise { self.c_in } else { 1 },
            bias: false,
            activation: self.activation,
            ..Default::default()
        };
        Conv2d::load(conv, self.c_in, self.c_out, self.kernel, config)?.with_batch_norm(norm, EPSILON)
    }
}

/// Steps in a row, then a convolution to which a shortcut is added before its activation.
pub(super) struct Block {
    pub steps: Vec<Step>,
    pub last: Conv2d,
    pub shortcut: Shortcut,
}

pub(super) enum Step {
    Conv(Conv2d),
    SqueezeExcite(SqueezeExcite),
}

pub(super) enum Shortcut {
    None,
    Identity,
    Conv(Conv2d),
}

impl Block {
    /// A convolution by itself.
    pub fn single(last: Conv2d) -> Self {
        Self { steps: Vec::new(), last, shortcut: Shortcut::None }
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.steps.iter().try_fold(x.clone(), |y, step| match step {
            Step::Conv(conv) => conv.forward(&y),
            Step::SqueezeExcite(gate) => gate.forward(&y),
        })?;
        match &self.shortcut {
            Shortcut::None => self.last.forward(&y),
            Shortcut::Identity => self.last.forward_add(&y, x),
            Shortcut::Conv(conv) => self.last.forward_add(&y, &conv.forward(x)?),
        }
    }
}

/// Weighs channels by what the whole image holds of each (Hu et al. 2018).
pub(super) struct SqueezeExcite {
    reduce: Conv2d,
    expand: Conv2d,
}

impl SqueezeExcite {
    pub fn load(weights: VarBuilder, channels: usize, reduced: usize, activation: Activation) -> Result<Self> {
        let reduce = Conv2dConfig { activation, ..Default::default() };
        Ok(Self {
            reduce: Conv2d::load(weights.pp("conv_reduce"), channels, reduced, 1, reduce)?,
            expand: Conv2d::load(weights.pp("conv_expand"), reduced, channels, 1, Conv2dConfig::default())?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, _, _, channels) = x.dims4()?;
        let means = global_mean(x)?.reshape((n, 1, 1, channels))?;
        let gate = candle_nn::ops::sigmoid(&self.expand.forward(&self.reduce.forward(&means)?)?)?;
        x.broadcast_mul(&gate)
    }
}

/// `channels` times `width`, as a multiple of 8 that is at most a tenth less.
pub(super) fn scaled(channels: usize, width: f64) -> usize {
    let exact = channels as f64 * width;
    let nearest = ((exact + 4.0) as usize / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * exact { nearest + 8 } else { nearest }
}
