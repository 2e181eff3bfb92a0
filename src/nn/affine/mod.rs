//! What convolutions, transposed convolutions and linear layers are made of: weights, a bias, a residual, an activation.

mod frozen;
mod trained;

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::kernel::{Geometry, Lattice, Packed, Weights, Window};
use super::{Activation, BatchNorm, on_cpu};
use frozen::Frozen;
use trained::Third;
pub(super) use trained::{Trained, between};

/// How the weights are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub window: Window,
    pub groups: usize,
    /// From the outputs of a convolution to its inputs.
    pub transposed: bool,
}

impl Kind {
    /// A product with a matrix.
    pub const LINEAR: Self =
        Self { window: Window { stride: 1, padding: 0, dilation: 1 }, groups: 1, transposed: false };
}

#[derive(Clone, Debug)]
enum State {
    /// To be trained, or for another device than the CPU.
    Tensors { weight: Tensor, bias: Option<Tensor> },
    /// Frozen, for the CPU.
    Packed(Arc<Packed>),
}

/// The layer.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    state: State,
    /// Of the weights: (outputs, inputs / groups, kh, kw) of the convolution, transposed or not.
    shape: [usize; 4],
    kind: Kind,
    activation: Activation,
}

impl Affine {
    pub fn new(weight: Tensor, bias: Option<Tensor>, kind: Kind, activation: Activation) -> Result<Self> {
        let (o, i, kh, kw) = weight.dims4()?;
        let Kind { window: Window { stride, dilation, .. }, groups, transposed } = kind;
        if stride == 0 || dilation == 0 || groups == 0 || o % groups != 0 || weight.elem_count() == 0 {
            candle_core::bail!("weights of shape {:?} don't go with {kind:?}", weight.shape());
        }
        let outputs = if transposed { i * groups } else { o };
        if let Some(bias) = &bias
            && bias.dims() != [outputs]
        {
            candle_core::bail!("{outputs} outputs, but a bias of shape {:?}", bias.shape());
        }
        let shape = [o, i, kh, kw];
        let tracked = weight.track_op() || bias.as_ref().is_some_and(Tensor::track_op);
        let state = if tracked || !on_cpu(&weight) {
            State::Tensors { weight, bias }
        } else {
            let values = weight.flatten_all()?.to_vec1::<f32>()?;
            let bias = bias.map(|bias| bias.to_vec1::<f32>()).transpose()?;
            let weights = Weights { values: &values, shape, groups, backward: transposed };
            let lattices = if transposed { Lattice::backward } else { Lattice::forward };
            let lattices = [kh, kw].map(|kernel| lattices(kind.window, kernel));
            State::Packed(Arc::new(weights.pack(&lattices, bias.as_deref())))
        };
        Ok(Self { state, shape, kind, activation })
    }

    pub fn n_outputs(&self) -> usize {
        if self.kind.transposed { self.shape[1] * self.kind.groups } else { self.shape[0] }
    }

    fn n_inputs(&self) -> usize {
        if self.kind.transposed { self.shape[0] } else { self.shape[1] * self.kind.groups }
    }

    /// Each output, before a residual and the activation, times `scale`, plus `shift`; frozen.
    pub fn scaled_by(self, scale: &Tensor, shift: Option<&Tensor>) -> Result<Self> {
        let n_outputs = self.n_outputs();
        if [Some(scale), shift].into_iter().flatten().any(|factors| factors.dims() != [n_outputs]) {
            candle_core::bail!("{n_outputs} outputs can't be scaled by factors of shape {:?}", scale.shape());
        }
        let (scale, shift) = (scale.detach(), shift.map(Tensor::detach));
        match self.state {
            State::Packed(mut packed) => {
                let weights = Arc::make_mut(&mut packed);
                weights.scale(&scale.to_vec1::<f32>()?);
                if let Some(shift) = shift {
                    weights.shift(&shift.to_vec1::<f32>()?);
                }
                Ok(Self { state: State::Packed(packed), ..self })
            }
            State::Tensors { weight, bias } => {
                let axis = if self.kind.transposed { (1, n_outputs, 1, 1) } else { (n_outputs, 1, 1, 1) };
                let weight = weight.detach().broadcast_mul(&scale.reshape(axis)?)?;
                let bias = bias.map(|bias| bias.detach() * scale).transpose()?;
                let bias = match (bias, shift) {
                    (Some(bias), Some(shift)) => Some((bias + shift)?),
                    (bias, shift) => bias.or(shift),
                };
                Self::new(weight, bias, self.kind, self.activation)
            }
        }
    }

    /// Images (n, h, w, c_in) to (n, h', w', c_out).
    pub fn forward(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let (forward, backward) = self.geometries(x)?;
        let geometry = if self.kind.transposed { &backward } else { &forward };
        let [h, w, c] = geometry.output;
        if let Some(residual) = residual
            && residual.dims() != [geometry.n, h, w, c]
        {
            candle_core::bail!("a residual of shape {:?} for {:?}", residual.shape(), (geometry.n, h, w, c));
        }
        match &self.state {
            State::Packed(packed) if on_cpu(x) => {
                if x.track_op() || residual.is_some_and(Tensor::track_op) {
                    candle_core::bail!("no gradient flows through a frozen layer: detach its input");
                }
                let op = Frozen { geometry, packed, activation: self.activation };
                match residual {
                    Some(residual) => x.contiguous()?.apply_op2_no_bwd(&residual.contiguous()?, &op),
                    None => x.contiguous()?.apply_op1_no_bwd(&op),
                }
            }
            State::Packed(_) => candle_core::bail!("frozen f32 weights on the CPU, but images elsewhere: {x:?}"),
            State::Tensors { weight, bias } if on_cpu(x) && on_cpu(weight) => {
                let bounds = self.activation.bounds();
                let apart = residual.is_some() && bias.is_some();
                let op = Trained { forward, backward, shape: self.shape, kind: self.kind, bounds, third: Third::None };
                let (x, weight) = (x.contiguous()?, weight.contiguous()?);
                let y = match (bias, residual) {
                    (None, None) => x.apply_op2(&weight, op)?,
                    (None, Some(r)) => {
                        x.apply_op3(&weight, &r.contiguous()?, Trained { third: Third::Residual, ..op })?
                    }
                    (Some(bias), None) => x.apply_op3(&weight, bias, Trained { third: Third::Bias, ..op })?,
                    // Candle's operations take three tensors at most.
                    (Some(bias), Some(r)) => {
                        let op = Trained { third: Third::Bias, bounds: None, ..op };
                        (x.apply_op3(&weight, bias, op)? + r)?
                    }
                };
                if bounds.is_some() && !apart { Ok(y) } else { self.activation.forward(&y) }
            }
            State::Tensors { weight, bias } => {
                let y = self.composed(x, weight)?;
                let y = if let Some(bias) = bias { y.broadcast_add(bias)? } else { y };
                self.activation.forward(&if let Some(residual) = residual { (y + residual)? } else { y })
            }
        }
    }

    /// The same with a batch norm after it; one operation where there is nothing between the two.
    pub fn forward_norm(&self, x: &Tensor, norm: &BatchNorm, train: bool) -> Result<Tensor> {
        match &self.state {
            State::Tensors { weight, bias: None }
                if on_cpu(x) && on_cpu(weight) && self.activation == Activation::None =>
            {
                let (forward, backward) = self.geometries(x)?;
                let (shape, kind) = (self.shape, self.kind);
                let sums = Trained { forward, backward, shape, kind, bounds: None, third: Third::None };
                norm.forward_sums(sums, &x.contiguous()?, &weight.contiguous()?, train)
            }
            _ => norm.forward(&self.forward(x, None)?, train),
        }
    }

    /// By candle's own operations.
    fn composed(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let Kind { window: Window { stride, padding, dilation }, groups, transposed } = self.kind;
        let (n, h, w, c) = x.dims4()?;
        if self.kind == Kind::LINEAR && self.shape[2..] == [1, 1] {
            let weight = weight.flatten_from(1)?.t()?;
            return x.contiguous()?.reshape(((), c))?.matmul(&weight)?.reshape((n, h, w, self.shape[0]));
        }
        let x = x.permute((0, 3, 1, 2))?.contiguous()?;
        let y = if transposed {
            x.conv_transpose2d(weight, padding, 0, stride, 1)?
        } else {
            x.conv2d(weight, padding, stride, dilation, groups)?
        };
        y.permute((0, 2, 3, 1))?.contiguous()
    }

    /// Of the convolution from its inputs to its outputs, and of the way back.
    fn geometries(&self, x: &Tensor) -> Result<(Geometry, Geometry)> {
        let (n, h, w, c) = x.dims4()?;
        let Kind { window, groups, transposed } = self.kind;
        let [o, i, kh, kw] = self.shape;
        let sizes = [(h, kh), (w, kw)].map(|(size, kernel)| {
            let reach = window.dilation * (kernel - 1) + 1;
            if transposed {
                ((size.max(1) - 1) * window.stride + reach).checked_sub(2 * window.padding)
            } else {
                (size + 2 * window.padding).checked_sub(reach).map(|span| span / window.stride + 1)
            }
        });
        let ([Some(height), Some(width)], true) = (sizes, c == self.n_inputs()) else {
            candle_core::bail!("images of shape {:?} under weights of {:?}, {:?}", x.shape(), self.shape, self.kind);
        };
        let (inputs, outputs) = if transposed { ([height, width], [h, w]) } else { ([h, w], [height, width]) };
        let (input, output) = ([inputs[0], inputs[1], i * groups], [outputs[0], outputs[1], o]);
        let lattices = [kh, kw].map(|kernel| Lattice::forward(window, kernel));
        let forward = Geometry { n, input, output, groups, lattices };
        let backward = forward.backward(window, [kh, kw]);
        Ok((forward, backward))
    }
}
