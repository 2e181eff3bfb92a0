//! A layer on the CPU with gradients.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::Kind;
use crate::nn::kernel::{Convolution, Geometry, Weights, column_sums, keep_between, weight_gradient};
use crate::nn::{tensor, values, with_values};

/// What a third tensor is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::nn) enum Third {
    None,
    Bias,
    Residual,
}

/// From images and weights to images, between bounds.
#[derive(Clone)]
pub(in crate::nn) struct Trained {
    pub forward: Geometry,
    pub backward: Geometry,
    pub shape: [usize; 4],
    pub kind: Kind,
    pub bounds: Option<[f32; 2]>,
    pub third: Third,
}

impl Trained {
    fn n_outputs(&self) -> usize {
        if self.kind.transposed { self.backward.output[2] } else { self.forward.output[2] }
    }

    /// Through the weights in one of the two directions.
    fn convolve(
        &self,
        backward: bool,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        residual: Option<&[f32]>,
        bounds: Option<[f32; 2]>,
    ) -> (Vec<f32>, Shape) {
        let geometry = if backward { &self.backward } else { &self.forward };
        let weights = Weights { values: weights, shape: self.shape, groups: self.kind.groups, backward };
        let packed = weights.pack(&geometry.lattices, bias);
        (Convolution { geometry, packed: &packed, x, residual, bounds }.run(|_| ()), geometry.shape())
    }

    /// What comes out for images and weights alone, before the bounds.
    pub fn sums(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (out, shape) =
            with_values([x, weight], |[x, weight]| self.convolve(self.kind.transposed, x, weight, None, None, None))?;
        tensor(out, shape)
    }

    /// That of the sums, before the bounds.
    fn sum_gradient(&self, y: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        match self.bounds {
            Some(bounds) => between(bounds, y, gradient),
            None => gradient.contiguous(),
        }
    }

    /// Of the images and of the weights, from that of the sums; of those that are tracked.
    pub fn gradients(&self, x: &Tensor, weight: &Tensor, sum: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let transposed = self.kind.transposed;
        let to_x = || {
            let found = with_values([sum, weight], |[g, w]| self.convolve(!transposed, g, w, None, None, None))?;
            tensor(found.0, x.shape())
        };
        let to_weight = || {
            let [inputs, outputs] = if transposed { [sum, x] } else { [x, sum] };
            let found = with_values([inputs, outputs], |[x, g]| weight_gradient(&self.forward, x, g))?;
            tensor(found, weight.shape())
        };
        Ok([x.track_op().then(to_x).transpose()?, weight.track_op().then(to_weight).transpose()?])
    }
}

impl CustomOp2 for Trained {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, x_layout)?, values(weight, layout)?);
        let (out, shape) = self.convolve(self.kind.transposed, x, weight, None, None, self.bounds);
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, y: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [to_x, to_weight] = self.gradients(x, weight, &self.sum_gradient(y, g)?)?;
        Ok((to_x, to_weight))
    }
}

impl CustomOp3 for Trained {
    fn name(&self) -> &'static str {
        "affine_add"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        third: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, third) = (values(x, x_layout)?, values(weight, weight_layout)?, values(third, layout)?);
        let (bias, residual) = if self.third == Third::Bias { (Some(third), None) } else { (None, Some(third)) };
        let (out, shape) = self.convolve(self.kind.transposed, x, weight, bias, residual, self.bounds);
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let sum = self.sum_gradient(y, g)?;
        let [to_x, to_weight] = self.gradients(x, weight, &sum)?;
        let third = match self.third {
            Third::Bias => {
                let channels = self.n_outputs();
                tensor(with_values([&sum], |[sum]| column_sums(sum, channels))?, channels)?
            }
            _ => sum,
        };
        Ok((to_x, to_weight, Some(third)))
    }
}

/// The gradient where `y` is strictly between bounds, zero elsewhere.
pub(in crate::nn) fn between(bounds: [f32; 2], y: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let gradient = gradient.contiguous()?;
    if bounds == [f32::NEG_INFINITY, f32::INFINITY] {
        return Ok(gradient);
    }
    tensor(with_values([y, &gradient], |[y, gradient]| keep_between(bounds, y, gradient))?, y.shape())
}
