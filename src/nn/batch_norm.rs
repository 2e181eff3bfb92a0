//! Batch norm.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use super::affine::{Trained, between};
use super::kernel::{Scaled, channel_moments};
use super::{Activation, on_cpu, tensor, values, with_values};

const UNBOUNDED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

/// Batch norm over all axes but the last, with an activation after it.
///
/// For training, and there best [together with](super::Conv2d::forward_norm) the convolution before it; at inference it is
/// better [folded](super::Conv2d::with_batch_norm) into that.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_var: Var,
    eps: f64,
    momentum: f64,
    activation: Activation,
}

impl BatchNorm {
    /// Reads "weight", "bias", "running_mean" and "running_var", all of shape (channels). `eps` is 1e-5 in PyTorch by
    /// default.
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, channels: usize, eps: f64, activation: Activation) -> Result<Self> {
        let get = |name, value| vb.get_with_hints(channels, name, Init::Const(value));
        Ok(Self {
            weight: get("weight", 1.0)?,
            bias: get("bias", 0.0)?,
            running_mean: Var::from_tensor(&get("running_mean", 0.0)?)?,
            running_var: Var::from_tensor(&get("running_var", 1.0)?)?,
            eps,
            momentum: 0.1,
            activation,
        })
    }

    /// Normalises `x` (.., channels): by the batch's own mean and variance if `train`, which moves the running ones a
    /// tenth of the way there, else by the running ones.
    ///
    /// # Errors
    /// If the last axis is not the channels or the device fails.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.run(x, None, train)
    }

    /// The same with `residual`, of the shape of `x`, added before the activation.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the residual has another shape.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor, train: bool) -> Result<Tensor> {
        self.run(x, Some(residual), train)
    }

    fn run(&self, x: &Tensor, residual: Option<&Tensor>, train: bool) -> Result<Tensor> {
        if on_cpu(x) && on_cpu(&self.weight) {
            let x = x.contiguous()?;
            let (op, affine) = (self.op(&x, train)?, self.affine()?);
            return self.activated(match residual {
                Some(residual) => x.apply_op3(&affine, &residual.contiguous()?, op)?,
                None => x.apply_op2(&affine, op)?,
            });
        }
        self.check(x)?;
        let y = self.composed(x, train)?;
        self.activation.forward(&if let Some(residual) = residual { (y + residual)? } else { y })
    }

    /// The same of what a layer makes of `x` by `weight`, as one operation on the CPU.
    pub(super) fn forward_sums(&self, layer: Trained, x: &Tensor, weight: &Tensor, train: bool) -> Result<Tensor> {
        let sums = layer.sums(x, weight)?;
        let norm = self.op(&sums, train)?;
        self.activated(x.apply_op3(weight, &self.affine()?, NormedOp { layer, norm, sums })?)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let channels = self.weight.elem_count();
        if x.dim(D::Minus1)? != channels {
            candle_core::bail!("batch_norm: {channels} channels, but images of shape {:?}", x.shape());
        }
        Ok(())
    }

    /// Weight and bias, for a kernel.
    fn affine(&self) -> Result<Tensor> {
        Tensor::stack(&[&self.weight, &self.bias], 0)
    }

    /// After a kernel, which keeps values between bounds and knows no other activation.
    fn activated(&self, y: Tensor) -> Result<Tensor> {
        if self.activation.bounds().is_some() { Ok(y) } else { self.activation.forward(&y) }
    }

    /// The kernel for `x`.
    fn op(&self, x: &Tensor, train: bool) -> Result<BatchNormOp> {
        self.check(x)?;
        let [means, variances] = if train {
            let moments = with_values([x], |[x]| channel_moments(x, self.weight.elem_count()))?;
            let [means, variances] = moments.each_ref().map(|values| tensor(values.clone(), values.len()));
            self.remember(&means?, &variances?, x.elem_count() / moments[0].len())?;
            moments
        } else {
            [self.running_mean.to_vec1()?, self.running_var.to_vec1()?]
        };
        let scales = variances.iter().map(|variance: &f32| 1.0 / (variance + self.eps as f32).sqrt()).collect();
        let bounds = self.activation.bounds().unwrap_or(UNBOUNDED);
        Ok(BatchNormOp { means, scales, train, bounds })
    }

    /// By candle's own operations.
    fn composed(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if !train {
            let scale = (&self.weight / (self.running_var.as_detached_tensor() + self.eps)?.sqrt()?)?;
            let shift = (&self.bias - (self.running_mean.as_detached_tensor() * &scale)?)?;
            return x.broadcast_mul(&scale)?.broadcast_add(&shift);
        }
        let rows = x.reshape(((), x.dim(D::Minus1)?))?;
        let mean = rows.mean(0)?;
        let centred = rows.broadcast_sub(&mean)?;
        let variance = centred.sqr()?.mean(0)?;
        self.remember(&mean, &variance, rows.dim(0)?)?;
        let scaled = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        scaled.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?.reshape(x.shape())
    }

    /// Moves the running statistics towards those of a batch of `n` rows.
    fn remember(&self, mean: &Tensor, variance: &Tensor, n: usize) -> Result<()> {
        let unbiased = n as f64 / (n as f64 - 1.0).max(1.0);
        for (running, found, scale) in [(&self.running_mean, mean, 1.0), (&self.running_var, variance, unbiased)] {
            let kept = (running.as_detached_tensor() * (1.0 - self.momentum))?;
            running.set(&(kept + (found.detach() * (self.momentum * scale))?)?)?;
        }
        Ok(())
    }
}

/// Batch norm with given moments on the CPU, from inputs, weight and bias stacked, and perhaps a residual.
struct BatchNormOp {
    means: Vec<f32>,
    /// One over the standard deviations.
    scales: Vec<f32>,
    /// Whether the moments are those of the inputs.
    train: bool,
    bounds: [f32; 2],
}

impl BatchNormOp {
    fn forward(&self, x: &[f32], affine: &[f32], residual: Option<&[f32]>) -> CpuStorage {
        CpuStorage::F32(self.scaled(x, affine, self.bounds).forward(residual))
    }

    fn scaled<'a>(&self, x: &'a [f32], affine: &[f32], bounds: [f32; 2]) -> Scaled<'a> {
        Scaled::new(x, [&self.means, &self.scales], affine.split_at(self.means.len()).into(), bounds)
    }

    /// Of the inputs, and of weight and bias, from that of what came out between `bounds`.
    fn gradients(&self, x: &Tensor, affine: &Tensor, gradient: &Tensor, bounds: [f32; 2]) -> Result<[Tensor; 2]> {
        let channels = self.means.len();
        let [to_x, to_weight, to_bias] = with_values([x, affine, &gradient.contiguous()?], |[x, affine, gradient]| {
            self.scaled(x, affine, bounds).gradients(gradient, self.train)
        })?;
        Ok([tensor(to_x, x.shape())?, tensor([to_weight, to_bias].concat(), (2, channels))?])
    }
}

impl CustomOp2 for BatchNormOp {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        affine: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((self.forward(values(x, x_layout)?, values(affine, layout)?, None), x_layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, affine: &Tensor, _: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [to_x, to_affine] = self.gradients(x, affine, g, self.bounds)?;
        Ok((Some(to_x), Some(to_affine)))
    }
}

impl CustomOp3 for BatchNormOp {
    fn name(&self) -> &'static str {
        "batch_norm_add"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
        residual: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let residual = values(residual, layout)?;
        let out = self.forward(values(x, x_layout)?, values(affine, affine_layout)?, Some(residual));
        Ok((out, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        affine: &Tensor,
        _: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = between(self.bounds, y, g)?;
        let [to_x, to_affine] = self.gradients(x, affine, &gradient, UNBOUNDED)?;
        Ok((Some(to_x), Some(to_affine), Some(gradient)))
    }
}

/// A layer and its batch norm, from images, weights, and the norm's weight and bias stacked.
struct NormedOp {
    layer: Trained,
    norm: BatchNormOp,
    /// What the layer makes of these images, which the way back asks for too.
    sums: Tensor,
}

impl CustomOp3 for NormedOp {
    fn name(&self) -> &'static str {
        "affine_norm"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        affine: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let affine = values(affine, layout)?;
        let out = with_values([&self.sums], |[sums]| self.norm.forward(sums, affine, None))?;
        Ok((out, self.sums.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        affine: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [to_sums, to_affine] = self.norm.gradients(&self.sums, affine, g, self.norm.bounds)?;
        let [to_x, to_weight] = self.layer.gradients(x, weight, &to_sums)?;
        Ok((to_x, to_weight, Some(to_affine)))
    }
}
