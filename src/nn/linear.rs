//! The fully connected layer.

use candle_core::{D, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use super::Activation;

/// A product with a matrix, an optional bias, an optional residual, an activation.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    activation: Activation,
}

impl Linear {
    /// From PyTorch's `weight` (c_out, c_in) and `bias` (c_out).
    ///
    /// # Errors
    /// If the shapes don't fit.
    pub fn new(weight: Tensor, bias: Option<Tensor>, activation: Activation) -> Result<Self> {
        let c_out = weight.dims2()?.0;
        if let Some(bias) = &bias
            && bias.dims() != [c_out]
        {
            candle_core::bail!("linear: {c_out} outputs, but a bias of shape {:?}", bias.shape());
        }
        Ok(Self { weight, bias, activation })
    }

    /// Reads "weight" and "bias".
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, c_in: usize, c_out: usize, activation: Activation) -> Result<Self> {
        let bias = vb.get_with_hints(c_out, "bias", Init::Const(0.0))?;
        Ok(Self { bias: Some(bias), ..Self::load_no_bias(vb, c_in, c_out, activation)? })
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
        let gamma = gamma.detach();
        let weight = self.weight.detach().broadcast_mul(&gamma.reshape(((), 1))?)?;
        let bias = self.bias.map(|bias| bias.detach() * gamma).transpose()?;
        Self::new(weight, bias, self.activation)
    }

    /// Rows (.., c_in) to (.., c_out).
    ///
    /// # Errors
    /// If the last axis is not c_in or the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.activation.forward(&self.linear(x)?)
    }

    /// The same with `residual`, of the output's shape, added before the activation.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the residual has another shape.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.activation.forward(&(self.linear(x)? + residual)?)
    }

    fn linear(&self, x: &Tensor) -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        let y = x.contiguous()?.reshape(((), x.dim(D::Minus1)?))?.matmul(&self.weight.t()?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        *dims.last_mut().expect("dim was found") = self.weight.dim(0)?;
        y.reshape(dims)
    }
}
