//! Activation functions.

use candle_core::{Result, Tensor};

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
            Self::Relu => x.relu(),
            Self::Relu6 => x.clamp(0f32, 6f32),
            Self::Silu => x.silu(),
            Self::HardSwish => x * ((x + 3.0)?.clamp(0f32, 6f32)? / 6.0)?,
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::QuickGelu => x * candle_nn::ops::sigmoid(&(x * 1.702)?)?,
        }
    }
}
