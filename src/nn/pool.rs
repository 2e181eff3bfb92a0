//! Pooling and upsampling of images.

use candle_core::{Result, Tensor};

/// The largest value under a square window, for images (n, h, w, c): (n, h', w', c) with
/// h' = (h + 2 padding - kernel) / stride + 1. Padding counts as minus infinity.
///
/// # Errors
/// If an image is smaller than the window, the padding is more than half of it, or the device fails.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    if 2 * padding > kernel {
        candle_core::bail!("max_pool2d: padding {padding} is more than half the window of {kernel}");
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
    x.reshape((n, h * w, c))?.mean(1)
}

/// Each pixel four times: (n, h, w, c) to (n, 2 h, 2 w, c).
///
/// # Errors
/// If `x` has another number of axes or the device fails.
pub fn upsample_nearest2x(x: &Tensor) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
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
