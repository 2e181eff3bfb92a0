//! Layer norm.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder};

use super::kernel::{layer_norm, layer_norm_gradients};
use super::{on_cpu, tensor, values, with_values};

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
        if on_cpu(x) && on_cpu(&self.weight) && x.dim(D::Minus1)? == self.weight.elem_count() {
            let op = LayerNormOp(self.eps as f32);
            return x.contiguous()?.apply_op3(&self.weight.contiguous()?, &self.bias.contiguous()?, op);
        }
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        scaled.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// Layer norm on the CPU with a given epsilon, from rows, weight and bias.
struct LayerNormOp(f32);

impl CustomOp3 for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (values(weight, weight_layout)?, values(bias, bias_layout)?);
        let out = layer_norm(values(x, x_layout)?, weight, bias, self.0);
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [to_x, to_weight, to_bias] = with_values([x, weight, &gradient.contiguous()?], |[x, weight, gradient]| {
            layer_norm_gradients(x, weight, gradient, self.0)
        })?;
        let channels = weight.elem_count();
        Ok((Some(tensor(to_x, x.shape())?), Some(tensor(to_weight, channels)?), Some(tensor(to_bias, channels)?)))
    }
}
