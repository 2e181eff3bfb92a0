//! Multi-head self-attention.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

use super::{kernel, on_cpu, values};

/// Scaled dot-product attention: softmax(q k^T / sqrt(dim / heads)) v for each head.
///
/// `qkv` has shape (n, t, 3 dim): queries, keys and values one after the other along the last axis, each holding its
/// heads one after the other, as one projection of a transformer makes them. Returns shape (n, t, dim).
///
/// # Errors
/// If `qkv` has another shape, its last axis is no multiple of 3 `heads`, or the device fails.
pub fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let width = qkv.dims3()?.2;
    if heads == 0 || width == 0 || width % (3 * heads) != 0 {
        candle_core::bail!("attention: {width} features are not 3 times {heads} heads of one size");
    }
    if on_cpu(qkv) {
        return qkv.contiguous()?.apply_op1(Attention(heads));
    }
    let [q, k, v] = split(qkv, heads)?;
    join(&weights(&q, &k)?.matmul(&v)?)
}

/// Queries, keys and values of shape (n, heads, t, head).
fn split(qkv: &Tensor, heads: usize) -> Result<[Tensor; 3]> {
    let (n, t, width) = qkv.dims3()?;
    let part = |part: usize| {
        let part = qkv.narrow(D::Minus1, part * width / 3, width / 3)?;
        part.reshape((n, t, heads, width / 3 / heads))?.transpose(1, 2)?.contiguous()
    };
    Ok([part(0)?, part(1)?, part(2)?])
}

/// From (n, heads, t, head) to (n, t, heads head).
fn join(x: &Tensor) -> Result<Tensor> {
    x.transpose(1, 2)?.flatten_from(2)
}

fn scale(q: &Tensor) -> Result<f64> {
    Ok((q.dim(D::Minus1)? as f64).powf(-0.5))
}

fn weights(q: &Tensor, k: &Tensor) -> Result<Tensor> {
    candle_nn::ops::softmax(&(q.matmul(&k.t()?)? * scale(q)?)?, D::Minus1)
}

/// Attention of f32 values on the CPU with so many heads.
struct Attention(usize);

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, t, width) = layout.shape().dims3()?;
        let out = kernel::attention(values(qkv, layout)?, [n, t, self.0, width / 3 / self.0]);
        Ok((CpuStorage::F32(out), Shape::from((n, t, width / 3))))
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, t, width) = qkv.dims3()?;
        let [q, k, v] = split(&qkv.detach(), self.0)?;
        let gradient = gradient.reshape((n, t, self.0, width / 3 / self.0))?.transpose(1, 2)?.contiguous()?;
        let weights = weights(&q, &k)?;
        let to_weights = gradient.matmul(&v.t()?)?;
        let mean = (&to_weights * &weights)?.sum_keepdim(D::Minus1)?;
        let to_scores = ((to_weights.broadcast_sub(&mean)? * &weights)? * scale(&q)?)?;
        let parts = [to_scores.matmul(&k)?, to_scores.t()?.matmul(&q)?, weights.t()?.matmul(&gradient)?];
        let [q, k, v] = &parts;
        Ok(Some(Tensor::cat(&[join(q)?, join(k)?, join(v)?], D::Minus1)?))
    }
}
