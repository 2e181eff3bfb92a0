//! Convolution of images, depthwise and in groups too.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::affine::{Affine, Kind};
use super::kernel::Window;
use super::{Activation, BatchNorm};

/// What belongs to a convolution beside its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Pixels from one place of the kernel to the next. Default 1.
    pub stride: usize,
    /// Rows and columns of zeros on each side of an image. Default 0.
    pub padding: usize,
    /// Pixels from one tap of the kernel to the next. Default 1.
    pub dilation: usize,
    /// Parts of the channels that don't see each other; as many as channels: a depthwise convolution. Default 1.
    pub groups: usize,
    /// Whether [`Conv2d::load`] reads a "bias". Default true.
    pub bias: bool,
    /// Applied to what comes out. Default none.
    pub activation: Activation,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self { stride: 1, padding: 0, dilation: 1, groups: 1, bias: true, activation: Activation::None }
    }
}

/// A convolution, an optional bias, an optional residual, an activation.
#[derive(Clone, Debug)]
pub struct Conv2d(Affine);

impl Conv2d {
    /// From PyTorch's `weight` (c_out, c_in / groups, kh, kw) and `bias` (c_out).
    ///
    /// # Errors
    /// If the shapes don't fit each other or the groups.
    pub fn new(weight: Tensor, bias: Option<Tensor>, config: Conv2dConfig) -> Result<Self> {
        let Conv2dConfig { stride, padding, dilation, groups, activation, .. } = config;
        let kind = Kind { window: Window { stride, padding, dilation }, groups, transposed: false };
        Ok(Self(Affine::new(weight, bias, kind, activation)?))
    }

    /// Reads "weight" and, if the config says so, "bias".
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, c_in: usize, c_out: usize, kernel: usize, config: Conv2dConfig) -> Result<Self> {
        let shape = (c_out, c_in / config.groups.max(1), kernel, kernel);
        let weight = vb.get_with_hints(shape, "weight", candle_nn::init::DEFAULT_KAIMING_NORMAL)?;
        let bias = if config.bias { Some(vb.get_with_hints(c_out, "bias", Init::Const(0.0))?) } else { None };
        Self::new(weight, bias, config)
    }

    /// The same with the batch norm after it, "weight", "bias", "running_mean" and "running_var" of `vb`, folded into
    /// the weights, as at inference; frozen.
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn with_batch_norm(self, vb: VarBuilder, eps: f64) -> Result<Self> {
        let get = |name: &str| vb.get(self.0.n_outputs(), name);
        let scale = (get("weight")? / (get("running_var")? + eps)?.sqrt()?)?;
        let shift = (get("bias")? - (get("running_mean")? * &scale)?)?;
        Ok(Self(self.0.scaled_by(&scale, Some(&shift))?))
    }

    /// The same with each output, before a residual and the activation, times a `gamma` of its own, shape (c_out);
    /// frozen. So a layer scale is folded into the weights.
    ///
    /// # Errors
    /// If `gamma` has another shape.
    pub fn scaled_by(self, gamma: &Tensor) -> Result<Self> {
        Ok(Self(self.0.scaled_by(gamma, None)?))
    }

    /// Images (n, h, w, c_in) to (n, h', w', c_out), where h' = (h + 2 padding - dilation (kh - 1) - 1) / stride + 1.
    ///
    /// # Errors
    /// If the channels are not c_in, the images are smaller than the kernel, or the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x, None)
    }

    /// The same with `residual`, of the output's shape, added before the activation.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the residual has another shape.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.0.forward(x, Some(residual))
    }

    /// What [`BatchNorm::forward`] makes of the outputs. For training: both are one operation, which reads and writes less
    /// on the way there and back than the two.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the norm is of other channels.
    pub fn forward_norm(&self, x: &Tensor, norm: &BatchNorm, train: bool) -> Result<Tensor> {
        self.0.forward_norm(x, norm, train)
    }
}
