//! Activation functions.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::kernel::{activate, activation_gradient};
use super::{on_cpu, tensor, values, with_values};

/// Values of a task.
const BLOCK: usize = 1 << 14;

/// A function applied to every value, by itself or within the layer before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// max(x, 0).
    Relu,
    /// x between 0 and 6.
    Relu6,
    /// x sigmoid(x), also known as swish.
    Silu,
    /// x relu6(x + 3) / 6.
    HardSwish,
    /// x times the normal distribution function, by erf: PyTorch's default GELU.
    Gelu,
    /// GELU's approximation by tanh.
    GeluTanh,
    /// x sigmoid(1.702 x): the GELU of OpenAI's CLIP.
    QuickGelu,
}

impl Activation {
    /// The function of every value of `x`, of any shape.
    ///
    /// # Errors
    /// If the device fails.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::None => Ok(x.clone()),
            _ if on_cpu(x) => x.contiguous()?.apply_op1(Apply(self)),
            Self::Relu => x.relu(),
            Self::Relu6 => x.clamp(0f32, 6f32),
            Self::Silu => x.silu(),
            Self::HardSwish => x * ((x + 3.0)?.clamp(0f32, 6f32)? / 6.0)?,
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
        }
    }

    /// Least and greatest value, of a function that does nothing but keep values between these.
    pub(super) fn bounds(self) -> Option<[f32; 2]> {
        match self {
            Self::None => Some([f32::NEG_INFINITY, f32::INFINITY]),
            Self::Relu => Some([0.0, f32::INFINITY]),
            Self::Relu6 => Some([0.0, 6.0]),
            _ => None,
        }
    }
}

/// An activation of f32 values on the CPU.
struct Apply(Activation);

impl CustomOp1 for Apply {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = values(x, layout)?.to_vec();
        out.par_chunks_mut(BLOCK).for_each(|out| activate(self.0, out));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let out = with_values([x, &gradient.contiguous()?], |[x, gradient]| {
            let mut out = gradient.to_vec();
            let blocks = out.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
            blocks.for_each(|(out, x)| activation_gradient(self.0, x, out));
            out
        })?;
        Ok(Some(tensor(out, x.shape())?))
    }
}
