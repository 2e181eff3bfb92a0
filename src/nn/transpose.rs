//! Transposed convolution: images grow.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::Activation;
use super::affine::{Affine, Kind};
use super::kernel::Window;

/// A transposed convolution, an optional bias, an activation. Kernel 2 at stride 2, or 4 at stride 2 with padding 1,
/// doubles the sides of an image.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d(Affine);

impl ConvTranspose2d {
    /// From PyTorch's `weight` (c_in, c_out, kh, kw) and `bias` (c_out).
    ///
    /// # Errors
    /// If the shapes don't fit.
    pub fn new(
        weight: Tensor,
        bias: Option<Tensor>,
        stride: usize,
        padding: usize,
        activation: Activation,
    ) -> Result<Self> {
        let kind = Kind { window: Window { stride, padding, dilation: 1 }, groups: 1, transposed: true };
        Ok(Self(Affine::new(weight, bias, kind, activation)?))
    }

    /// Reads "weight" and "bias" for kernel 2 at stride 2.
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, c_in: usize, c_out: usize, activation: Activation) -> Result<Self> {
        let weight = vb.get_with_hints((c_in, c_out, 2, 2), "weight", candle_nn::init::DEFAULT_KAIMING_NORMAL)?;
        let bias = vb.get_with_hints(c_out, "bias", Init::Const(0.0))?;
        Self::new(weight, Some(bias), 2, 0, activation)
    }

    /// Images (n, h, w, c_in) to (n, h', w', c_out), where h' = (h - 1) stride - 2 padding + kh.
    ///
    /// # Errors
    /// If the channels are not c_in or the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x, None)
    }
}
