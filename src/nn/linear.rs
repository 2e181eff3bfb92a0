//! The fully connected layer.

use candle_core::{D, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::Activation;
use super::affine::{Affine, Kind};

/// A product with a matrix, an optional bias, an optional residual, an activation.
#[derive(Clone, Debug)]
pub struct Linear(Affine);

impl Linear {
    /// From PyTorch's `weight` (c_out, c_in) and `bias` (c_out).
    ///
    /// # Errors
    /// If the shapes don't fit.
    pub fn new(weight: Tensor, bias: Option<Tensor>, activation: Activation) -> Result<Self> {
        let (c_out, c_in) = weight.dims2()?;
        Ok(Self(Affine::new(weight.reshape((c_out, c_in, 1, 1))?, bias, Kind::LINEAR, activation)?))
    }

    /// Reads "weight" and "bias".
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, c_in: usize, c_out: usize, activation: Activation) -> Result<Self> {
        let weight = vb.get_with_hints((c_out, c_in), "weight", candle_nn::init::DEFAULT_KAIMING_NORMAL)?;
        Self::new(weight, Some(vb.get_with_hints(c_out, "bias", Init::Const(0.0))?), activation)
    }

    /// Reads "weight".
    ///
    /// # Errors
    /// If it is missing or has another shape.
    pub fn load_no_bias(vb: VarBuilder, c_in: usize, c_out: usize, activation: Activation) -> Result<Self> {
        let weight = vb.get_with_hints((c_out, c_in), "weight", candle_nn::init::DEFAULT_KAIMING_NORMAL)?;
        Self::new(weight, None, activation)
    }

    /// The same with each output, before a residual and the activation, times a `gamma` of its own, shape (c_out);
    /// frozen. So a layer scale is folded into the weights.
    ///
    /// # Errors
    /// If `gamma` has another shape.
    pub fn scaled_by(self, gamma: &Tensor) -> Result<Self> {
        Ok(Self(self.0.scaled_by(gamma, None)?))
    }

    /// Rows (.., c_in) to (.., c_out).
    ///
    /// # Errors
    /// If the last axis is not c_in or the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.rows(x, None)
    }

    /// The same with `residual`, of the output's shape, added before the activation.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the residual has another shape.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.rows(x, Some(residual))
    }

    fn rows(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        let image = |x: &Tensor| x.contiguous()?.reshape((1, (), 1, x.dim(D::Minus1)?));
        let y = self.0.forward(&image(x)?, residual.map(image).transpose()?.as_ref())?;
        *dims.last_mut().expect("dim was found") = self.0.n_outputs();
        y.reshape(dims)
    }
}
