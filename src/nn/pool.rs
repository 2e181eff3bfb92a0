//! Pooling and upsampling of images.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::kernel::{Geometry, Lattice, Window, max_pool, max_pool_gradient, pixel_means, upsample, upsample_gradient};
use super::{on_cpu, tensor, values, with_values};

/// The largest value under a square window, for images (n, h, w, c): (n, h', w', c) with
/// h' = (h + 2 padding - kernel) / stride + 1. Padding counts as minus infinity.
///
/// # Errors
/// If an image is smaller than the window, the padding is more than half of it, or the device fails.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    if 2 * padding > kernel {
        candle_core::bail!("max_pool2d: padding {padding} is more than half the window of {kernel}");
    }
    let (n, h, w, c) = x.dims4()?;
    if on_cpu(x) && kernel > 0 && stride > 0 && h.min(w) + 2 * padding >= kernel {
        let window = Window { stride, padding, dilation: 1 };
        let [rows, columns] = [h, w].map(|size| (size + 2 * padding - kernel) / stride + 1);
        let lattices = [(); 2].map(|()| Lattice::forward(window, kernel));
        let geometry = Geometry { n, input: [h, w, c], output: [rows, columns, c], groups: 1, lattices };
        return x.contiguous()?.apply_op1(MaxPool(geometry));
    }
    let x = pad(&pad(x, 1, padding)?, 2, padding)?;
    windows(&x, kernel, stride)?.try_reduce(|a, b| a.maximum(&b))
}

/// The mean under a square window, for images (n, h, w, c): (n, h', w', c) with h' = (h - kernel) / stride + 1.
///
/// # Errors
/// If an image is smaller than the window or the device fails.
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    windows(x, kernel, stride)?.try_reduce(|a, b| a + b)? / (kernel * kernel) as f64
}

/// The mean of each image (n, h, w, c) over its pixels: (n, c).
///
/// # Errors
/// If `x` has another number of axes or the device fails.
pub fn global_mean(x: &Tensor) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    if on_cpu(x) {
        return x.contiguous()?.apply_op1(GlobalMean);
    }
    x.reshape((n, h * w, c))?.mean(1)
}

/// Each pixel four times: (n, h, w, c) to (n, 2 h, 2 w, c).
///
/// # Errors
/// If `x` has another number of axes or the device fails.
pub fn upsample_nearest2x(x: &Tensor) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    if on_cpu(x) {
        return x.contiguous()?.apply_op1(Upsample);
    }
    x.reshape((n, h, 1, w, 1, c))?.broadcast_as((n, h, 2, w, 2, c))?.reshape((n, 2 * h, 2 * w, c))
}

/// `padding` rows of minus infinity on both sides.
fn pad(x: &Tensor, axis: usize, padding: usize) -> Result<Tensor> {
    if padding == 0 {
        return Ok(x.clone());
    }
    let mut dims = x.dims().to_vec();
    dims[axis] = padding;
    let edge = Tensor::full(f32::NEG_INFINITY, dims, x.device())?.to_dtype(x.dtype())?;
    Tensor::cat(&[&edge, x, &edge], axis)
}

/// For each place in a window, the values that all windows have there.
fn windows(x: &Tensor, kernel: usize, stride: usize) -> Result<Windows> {
    let (_, h, w, _) = x.dims4()?;
    if kernel == 0 || stride == 0 || h.min(w) < kernel {
        candle_core::bail!("a window of {kernel} pixels, moved by {stride}, doesn't fit into images of {h} x {w}");
    }
    let ids = |size: usize, first: usize| {
        let ids: Vec<u32> = (0..=size - kernel).step_by(stride).map(|at| (at + first) as u32).collect();
        Tensor::new(ids, x.device())
    };
    let mut parts = Vec::with_capacity(kernel * kernel);
    for dy in 0..kernel {
        let rows = x.index_select(&ids(h, dy)?, 1)?;
        for dx in 0..kernel {
            parts.push(rows.index_select(&ids(w, dx)?, 2)?);
        }
    }
    Ok(Windows(parts))
}

struct Windows(Vec<Tensor>);

impl Windows {
    fn try_reduce(self, combine: impl Fn(Tensor, Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let mut parts = self.0.into_iter();
        let first = parts.next().expect("a window has a place");
        parts.try_fold(first, combine)
    }
}

struct MaxPool(Geometry);

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(max_pool(&self.0, values(x, layout)?)), self.0.shape()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let found = with_values([x, y, &gradient.contiguous()?], |[x, y, g]| max_pool_gradient(&self.0, x, y, g))?;
        Ok(Some(tensor(found, x.shape())?))
    }
}

struct GlobalMean;

impl CustomOp1 for GlobalMean {
    fn name(&self) -> &'static str {
        "global_mean"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, _, _, c) = layout.shape().dims4()?;
        Ok((CpuStorage::F32(pixel_means(values(x, layout)?, n, c)), Shape::from((n, c))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, h, w, c) = x.dims4()?;
        let each = (gradient / (h * w) as f64)?.reshape((n, 1, 1, c))?;
        Ok(Some(each.broadcast_as(x.shape())?.contiguous()?))
    }
}

struct Upsample;

impl CustomOp1 for Upsample {
    fn name(&self) -> &'static str {
        "upsample_nearest2x"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, h, w, c) = layout.shape().dims4()?;
        Ok((CpuStorage::F32(upsample(values(x, layout)?, w, c)), Shape::from((n, 2 * h, 2 * w, c))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, w, c) = x.dims4()?;
        let found = with_values([&gradient.contiguous()?], |[gradient]| upsample_gradient(gradient, w, c))?;
        Ok(Some(tensor(found, x.shape())?))
    }
}
