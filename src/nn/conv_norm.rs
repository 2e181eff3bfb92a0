//! A convolution with its batch norm.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::{Activation, BatchNorm, Conv2d, Conv2dConfig};

/// PyTorch's default.
const EPS: f64 = 1e-5;

/// A convolution, batch norm, and an activation: one operation while it is trained, one convolution at inference.
#[derive(Clone, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

impl ConvNorm {
    /// Reads a convolution without a bias at "conv" and its norm at "norm", to be trained, or frozen with the norm folded
    /// into the weights. The config's activation comes after the norm.
    ///
    /// # Errors
    /// If weights are missing or have other shapes.
    pub fn load(
        vb: VarBuilder,
        c_in: usize,
        c_out: usize,
        kernel: usize,
        config: Conv2dConfig,
        train: bool,
    ) -> Result<Self> {
        let (last, config) = (config.activation, Conv2dConfig { bias: false, ..config });
        let activation = if train { Activation::None } else { last };
        let conv = Conv2d::load(vb.pp("conv"), c_in, c_out, kernel, Conv2dConfig { activation, ..config })?;
        let vb = vb.pp("norm");
        Ok(match train {
            true => Self { conv, norm: Some(BatchNorm::load(vb, c_out, EPS, last)?) },
            false => Self { conv: conv.with_batch_norm(vb, EPS)?, norm: None },
        })
    }

    /// Images (n, h, w, c_in) to (n, h', w', c_out), as [`Conv2d::forward`]. One that was loaded to be trained goes by the
    /// batch's own moments if `train`, else by the running ones.
    ///
    /// # Errors
    /// As [`Conv2d::forward`].
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match &self.norm {
            Some(norm) => self.conv.forward_norm(x, norm, train),
            None => self.conv.forward(x),
        }
    }
}
