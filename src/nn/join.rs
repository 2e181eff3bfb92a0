//! Channels of two images side by side.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::kernel::{join, split};
use super::{on_cpu, tensor, values, with_values};

/// The channels of `a`, then those of `b`, for images (n, h, w, c_a) and (n, h, w, c_b): (n, h, w, c_a + c_b).
///
/// # Errors
/// If the images differ in number or size, or the device fails.
///
/// ```
/// use alike::nn::join_channels;
/// use candle_core::{DType, Device, Tensor};
/// let [a, b] = [3, 2].map(|c| Tensor::ones((1, 4, 4, c), DType::F32, &Device::Cpu).unwrap());
/// assert_eq!(join_channels(&a, &b)?.dims(), [1, 4, 4, 5]);
/// # candle_core::Result::Ok(())
/// ```
pub fn join_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let fit = a.dims4()?.3 > 0 && b.dims4()?.3 > 0 && a.dims()[..3] == b.dims()[..3];
    if on_cpu(a) && on_cpu(b) && fit {
        return a.contiguous()?.apply_op2(&b.contiguous()?, Join);
    }
    Tensor::cat(&[a, b], 3)
}

struct Join;

impl CustomOp2 for Join {
    fn name(&self) -> &'static str {
        "join_channels"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let [(n, h, w, c_a), (.., c_b)] = [a_layout.shape().dims4()?, b_layout.shape().dims4()?];
        let joined = join([values(a, a_layout)?, values(b, b_layout)?], [c_a, c_b]);
        Ok((CpuStorage::F32(joined), Shape::from((n, h, w, c_a + c_b))))
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let channels = [a.dims4()?.3, b.dims4()?.3];
        let [for_a, for_b] = with_values([&gradient.contiguous()?], |[gradient]| split(gradient, channels))?;
        Ok((Some(tensor(for_a, a.shape())?), Some(tensor(for_b, b.shape())?)))
    }
}
