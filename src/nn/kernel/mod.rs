//! Kernels for f32 on the CPU.
//!
//! Convolutions, their gradients, and products are one loop: a few pixels against a panel of weights, sums in registers
//! ([`product`]). Which inputs a pixel sees is said by lists of taps ([`geometry`]), so that an input's gradient and a
//! transposed convolution are convolutions like any other. Every output is summed in one order, whichever block or
//! thread it falls to: the same bits at any thread count, and for an image alone or in a batch.

mod attention;
mod blocks;
mod convolve;
mod depthwise;
mod geometry;
mod join;
mod math;
mod norm;
mod outer;
mod packed;
mod pool;
mod product;
mod sums;

pub(super) use attention::attention;
pub(super) use convolve::Convolution;
pub(super) use geometry::{Geometry, Lattice, Window};
pub(super) use join::{join, split};
pub(crate) use math::{activate, activation_gradient, exp, vectorised};
pub(super) use norm::{Scaled, channel_moments, layer_norm, layer_norm_gradients};
pub(super) use outer::weight_gradient;
pub(super) use packed::{Packed, Weights};
pub(super) use pool::{max_pool, max_pool_gradient, pixel_means, upsample, upsample_gradient};
pub(super) use sums::{column_sums, keep_between};
