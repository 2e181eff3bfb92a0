//! Layer norm and batch norm.

use candle_core::{D, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use super::Activation;

/// Layer norm over the last axis: of tokens, and of images with channels last.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Reads "weight" and "bias", both of shape (dim).
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, dim: usize, eps: f64) -> Result<Self> {
        let weight = vb.get_with_hints(dim, "weight", Init::Const(1.0))?;
        let bias = vb.get_with_hints(dim, "bias", Init::Const(0.0))?;
        Ok(Self { weight, bias, eps })
    }

    /// Each row (.., dim) less its mean, over its standard deviation, times the weight, plus the bias.
    ///
    /// # Errors
    /// If the last axis is not dim or the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        scaled.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// Batch norm over all axes but the last, with an activation after it.
///
/// For training; at inference it is better [folded](super::Conv2d::with_batch_norm) into the convolution before it.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_var: Var,
    eps: f64,
    momentum: f64,
    activation: Activation,
}

impl BatchNorm {
    /// Reads "weight", "bias", "running_mean" and "running_var", all of shape (channels). `eps` is 1e-5 in PyTorch by
    /// default.
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, channels: usize, eps: f64, activation: Activation) -> Result<Self> {
        let get = |name, value| vb.get_with_hints(channels, name, Init::Const(value));
        Ok(Self {
            weight: get("weight", 1.0)?,
            bias: get("bias", 0.0)?,
            running_mean: Var::from_tensor(&get("running_mean", 0.0)?)?,
            running_var: Var::from_tensor(&get("running_var", 1.0)?)?,
            eps,
            momentum: 0.1,
            activation,
        })
    }

    /// Normalises `x` (.., channels): by the batch's own mean and variance if `train`, which moves the running ones a
    /// tenth of the way there, else by the running ones.
    ///
    /// # Errors
    /// If the last axis is not the channels or the device fails.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.activation.forward(&self.normalise(x, train)?)
    }

    /// The same with `residual`, of the shape of `x`, added before the activation.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the residual has another shape.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor, train: bool) -> Result<Tensor> {
        self.activation.forward(&(self.normalise(x, train)? + residual)?)
    }

    fn normalise(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if !train {
            let scale = (&self.weight / (self.running_var.as_detached_tensor() + self.eps)?.sqrt()?)?;
            let shift = (&self.bias - (self.running_mean.as_detached_tensor() * &scale)?)?;
            return x.broadcast_mul(&scale)?.broadcast_add(&shift);
        }
        let rows = x.reshape(((), x.dim(D::Minus1)?))?;
        let mean = rows.mean(0)?;
        let centred = rows.broadcast_sub(&mean)?;
        let variance = centred.sqr()?.mean(0)?;
        self.remember(&mean, &variance, rows.dim(0)?)?;
        let scaled = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        scaled.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?.reshape(x.shape())
    }

    /// Moves the running statistics towards those of a batch of `n` rows.
    fn remember(&self, mean: &Tensor, variance: &Tensor, n: usize) -> Result<()> {
        let unbiased = n as f64 / (n as f64 - 1.0).max(1.0);
        for (running, found, scale) in [(&self.running_mean, mean, 1.0), (&self.running_var, variance, unbiased)] {
            let kept = (running.as_detached_tensor() * (1.0 - self.momentum))?;
            running.set(&(kept + (found.detach() * (self.momentum * scale))?)?)?;
        }
        Ok(())
    }
}
