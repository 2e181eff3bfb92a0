//! Multi-head self-attention.

use candle_core::{D, Result, Tensor};

/// Scaled dot-product attention: softmax(q k^T / sqrt(dim / heads)) v for each head.
///
/// `qkv` has shape (n, t, 3 dim): queries, keys and values one after the other along the last axis, each holding its
/// heads one after the other, as one projection of a transformer makes them. Returns shape (n, t, dim).
///
/// # Errors
/// If `qkv` has another shape, its last axis is no multiple of 3 `heads`, or the device fails.
pub fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (n, t, width) = qkv.dims3()?;
    if heads == 0 || width % (3 * heads) != 0 {
        candle_core::bail!("attention: {width} features are not 3 times {heads} heads of one size");
    }
    let (dim, head) = (width / 3, width / 3 / heads);
    let split = |part: usize| {
        qkv.narrow(D::Minus1, part * dim, dim)?.reshape((n, t, heads, head))?.transpose(1, 2)?.contiguous()
    };
    let (q, k, v) = (split(0)?, split(1)?, split(2)?);
    let scores = (q.matmul(&k.t()?)? * (head as f64).powf(-0.5))?;
    let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
    weights.matmul(&v)?.transpose(1, 2)?.reshape((n, t, dim))
}
