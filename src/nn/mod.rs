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
mod affine;
mod attention;
mod batch_norm;
mod conv;
mod conv_norm;
mod init;
mod join;
mod kernel;
mod layer_norm;
mod linear;
mod pool;
mod transpose;

#[cfg(test)]
mod tests;

pub use activation::Activation;
pub use attention::attention;
pub use batch_norm::BatchNorm;
pub use conv::{Conv2d, Conv2dConfig};
pub use conv_norm::ConvNorm;
pub use init::kaiming_normal;
pub use join::join_channels;
pub(crate) use kernel::{activate, activation_gradient, exp, vectorised};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use pool::{avg_pool2d, global_mean, max_pool2d, upsample_nearest2x};
pub use transpose::ConvTranspose2d;

use candle_core::{CpuStorage, DType, Layout, Result, Shape, Storage, Tensor};

/// Whether our own kernels serve.
fn on_cpu(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The values of a contiguous f32 tensor.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => Err(candle_core::Error::RequiresContiguous { op: "nn" }.bt()),
    }
}

/// What `work` makes of the values of contiguous f32 tensors on the CPU.
fn with_values<const N: usize, T>(tensors: [&Tensor; N], work: impl FnOnce([&[f32]; N]) -> T) -> Result<T> {
    let storages = tensors.map(Tensor::storage_and_layout);
    let mut slices = [&[][..]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&storages) {
        match &**storage {
            Storage::Cpu(storage) => *slice = values(storage, layout)?,
            _ => candle_core::bail!("a kernel for the CPU got a tensor that is elsewhere"),
        }
    }
    Ok(work(slices))
}

/// Values as a tensor on the CPU.
fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &candle_core::Device::Cpu)
}
