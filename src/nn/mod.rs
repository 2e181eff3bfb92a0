//! Neural network layers on candle tensors, channels last, for inference and for training.
//!
//! Images are tensors of shape (n, h, w, c), tokens of shape (n, t, c). Weights keep PyTorch's names and shapes, so that
//! checkpoints load as they are. A layer whose weights are [`Var`](candle_core::Var)s is trained through candle's
//! `backward`; one whose weights are plain tensors is frozen. Other devices and types than f32 on the CPU go through
//! candle's own operations.
//!
//! ```
//! use alike::nn::{Activation, Conv2d, Conv2dConfig};
//! use candle_core::{DType, Device, Tensor};
//!
//! let weight = Tensor::ones((8, 3, 3, 3), DType::F32, &Device::Cpu)?;
//! let config = Conv2dConfig { stride: 2, padding: 1, activation: Activation::Relu, ..Default::default() };
//! let conv = Conv2d::new(weight, None, config)?;
//! let images = Tensor::ones((1, 32, 32, 3), DType::F32, &Device::Cpu)?;
//! assert_eq!(conv.forward(&images)?.dims(), [1, 16, 16, 8]);
//! # candle_core::Result::Ok(())
//! ```

mod activation;
mod attention;
mod conv;
mod linear;
mod norm;
mod pool;
mod transpose;

#[cfg(test)]
mod tests;

pub use activation::Activation;
pub use attention::attention;
pub use conv::{Conv2d, Conv2dConfig};
pub use linear::Linear;
pub use norm::{BatchNorm, LayerNorm};
pub use pool::{avg_pool2d, global_mean, max_pool2d, upsample_nearest2x};
pub use transpose::ConvTranspose2d;
