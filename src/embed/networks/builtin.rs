//! The small residual network of `models/train/builtin.py`, its batch norms folded away, and a projection behind it.

use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;

use super::Network;
use crate::nn::{Activation, Conv2d, Conv2dConfig, Linear, avg_pool2d, global_mean};

const WIDTHS: [usize; 4] = [32, 96, 192, 384];

/// The network with its weights; features are the roots of the mean over places, projected, of unit length.
pub(in crate::embed) struct Builtin {
    stem: Conv2d,
    blocks: Vec<Block>,
    project: Linear,
}

/// Two convolutions beside a shortcut, which is averaged and projected where the sides are halved.
struct Block {
    first: Conv2d,
    second: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Builtin {
    pub const N_FEATURES: usize = 128;

    pub fn load(weights: VarBuilder) -> Result<Self> {
        let conv = |name: &str, c_in, c_out, kernel, stride, activation| {
            let config = Conv2dConfig { stride, padding: kernel / 2, activation, ..Default::default() };
            Conv2d::load(weights.pp(name), c_in, c_out, kernel, config)
        };
        let block = |at: usize| {
            let (c_in, c_out) = (WIDTHS[at.saturating_sub(1)], WIDTHS[at]);
            let (part, halved) = (|part: &str| format!("blocks.{at}.{part}"), at > 0);
            Ok(Block {
                first: conv(&part("first"), c_in, c_out, 3, 1 + usize::from(halved), Activation::Relu)?,
                second: conv(&part("second"), c_out, c_out, 3, 1, Activation::Relu)?,
                shortcut: halved.then(|| conv(&part("shortcut"), c_in, c_out, 1, 1, Activation::None)).transpose()?,
            })
        };
        let stem = conv("stem", 3, WIDTHS[0], 3, 2, Activation::Relu)?;
        let blocks = (0..WIDTHS.len()).map(block).collect::<Result<_>>()?;
        let project = Linear::load(weights.pp("project"), WIDTHS[3], Self::N_FEATURES, Activation::None)?;
        Ok(Self { stem, blocks, project })
    }
}

impl Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.forward(&avg_pool2d(x, 2, 2)?)?,
            None => x.clone(),
        };
        self.second.forward_add(&self.first.forward(x)?, &shortcut)
    }
}

impl Network for Builtin {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let x = self.blocks.iter().try_fold(self.stem.forward(images)?, |x, block| block.forward(&x))?;
        unit(&self.project.forward(&unit(&global_mean(&x)?.sqrt()?)?)?)
    }
}

/// Rows brought to unit length.
fn unit(rows: &Tensor) -> Result<Tensor> {
    rows.broadcast_div(&(rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()? + 1e-12)?)
}
