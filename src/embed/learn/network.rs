//! The networks that are trained on a collection: each an encoder, for the time of training with something behind it.

use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::softmax;

use super::{LearnMethod, LearnedSpec};
use crate::nn::{Activation, BatchNorm, Conv2dConfig, ConvNorm, ConvTranspose2d, Linear, global_mean};

/// Features of the contrastive encoder.
pub(super) const UNIT_FEATURES: usize = 128;
/// Features of the autoencoders' code.
pub(super) const CODE: usize = 32;
/// Hidden features of the dense autoencoder, and of the projection that the contrastive loss looks at.
const HIDDEN: [usize; 2] = [512, 256];
/// How often the contrastive encoder sorts pictures while it learns, and into how many soft clusters.
const N_SORTED: usize = 3;
const N_SOFT: usize = 20;
/// Channels of the convolutions' first stage; doubled with each up to [`UNIT_FEATURES`].
const FIRST: usize = 32;
const EPS: f64 = 1e-5;

/// Pictures (n, h, w, c), values 0 to 1, to features.
pub(super) enum Encoder {
    Contrastive { stages: Vec<ConvNorm>, project: (Linear, BatchNorm, Linear) },
    Convolutional { stages: Vec<ConvNorm>, code: Linear },
    Dense(Vec<Linear>),
}

/// Convolution, batch norm, ReLU.
fn stage(vb: VarBuilder, c_in: usize, c_out: usize, kernel: usize, stride: usize, train: bool) -> Result<ConvNorm> {
    let activation = Activation::Relu;
    let config = Conv2dConfig { stride, padding: kernel / 2, activation, ..Conv2dConfig::default() };
    ConvNorm::load(vb, c_in, c_out, kernel, config, train)
}

impl Encoder {
    /// With weights read from `vb`, to be trained or frozen.
    pub fn load(spec: &LearnedSpec, vb: VarBuilder, train: bool) -> Result<Self> {
        if spec.method == LearnMethod::Dense {
            return Ok(Self::Dense(dense(vb, &[spec.shape().iter().product(), HIDDEN[0], HIDDEN[1], CODE])?));
        }
        let widths = widths(spec);
        let mut stages = Vec::new();
        let mut c_in = spec.shape()[2];
        for (at, &width) in widths.iter().enumerate() {
            // Strokes are a few pixels wide: the first look is a larger one.
            let kernel = if at == 0 { 5 } else { 3 };
            stages.push(stage(vb.pp(format!("stage{at}")), c_in, width, kernel, 2, train)?);
            c_in = width;
        }
        if spec.method == LearnMethod::Contrastive {
            stages.push(stage(vb.pp("last"), c_in, UNIT_FEATURES, 3, 1, train)?);
            let project = (
                Linear::load_no_bias(vb.pp("first"), UNIT_FEATURES, HIDDEN[1], Activation::None)?,
                BatchNorm::load(vb.pp("norm"), HIDDEN[1], EPS, Activation::Relu)?,
                Linear::load(vb.pp("second"), HIDDEN[1], UNIT_FEATURES, Activation::None)?,
            );
            return Ok(Self::Contrastive { stages, project });
        }
        let (height, width) = reduced(spec);
        let code = Linear::load(vb.pp("code"), height * width * c_in, CODE, Activation::None)?;
        Ok(Self::Convolutional { stages, code })
    }

    /// Features (n, n_features), of the contrastive one of any length, and what stands before the last of its layers.
    /// Norms go by the batch if `train`.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<(Tensor, Option<Tensor>)> {
        let through = |stages: &[ConvNorm]| stages.iter().try_fold(x.clone(), |x, stage| stage.forward(&x, train));
        Ok(match self {
            Self::Dense(layers) => (layers.iter().try_fold(x.flatten_from(1)?, |x, layer| layer.forward(&x))?, None),
            Self::Convolutional { stages, code } => (code.forward(&through(stages)?.flatten_from(1)?)?, None),
            Self::Contrastive { stages, project: (first, norm, second) } => {
                let seen = global_mean(&through(stages)?)?;
                (second.forward(&norm.forward(&first.forward(&seen)?, train)?)?, Some(seen))
            }
        })
    }
}

/// What stands behind the encoder while it learns.
pub(super) enum Head {
    /// Into a few soft clusters, several times over.
    Sort(Vec<Linear>),
    /// Back to pixels.
    Draw(Vec<Linear>),
    /// Back to pixels through transposed convolutions, each of which doubles the sides.
    DrawConvolutional {
        first: Linear,
        /// (height, width) to begin with.
        small: (usize, usize),
        stages: Vec<ConvTranspose2d>,
        /// (height, width) that are wanted of the last.
        full: (usize, usize),
    },
}

impl Head {
    pub fn load(spec: &LearnedSpec, vb: VarBuilder) -> Result<Self> {
        Ok(match spec.method {
            LearnMethod::Contrastive => {
                let sort = |at| Linear::load(vb.pp(format!("sort{at}")), UNIT_FEATURES, N_SOFT, Activation::None);
                Self::Sort((0..N_SORTED).map(sort).collect::<Result<_>>()?)
            }
            LearnMethod::Dense => Self::Draw(dense(vb, &[CODE, HIDDEN[1], HIDDEN[0], spec.shape().iter().product()])?),
            LearnMethod::Autoencoder => {
                let small = reduced(spec);
                let mut widths = widths(spec);
                widths.reverse();
                let first = Linear::load(vb.pp("first"), CODE, small.0 * small.1 * widths[0], Activation::Relu)?;
                let outputs = widths[1..].iter().copied().chain([spec.shape()[2]]);
                let stages = widths.iter().zip(outputs).enumerate().map(|(at, (&c_in, c_out))| {
                    let last = at + 1 == widths.len();
                    let activation = if last { Activation::None } else { Activation::Relu };
                    ConvTranspose2d::load(vb.pp(format!("stage{at}")), c_in, c_out, activation)
                });
                let [height, width, _] = spec.shape();
                let full = (height, width);
                Self::DrawConvolutional { first, small, stages: stages.collect::<Result<_>>()?, full }
            }
        })
    }

    /// What the loss looks at: shares of soft clusters (n, clusters), several times, or pixels as the pictures were.
    pub fn forward(&self, features: &Tensor) -> Result<Vec<Tensor>> {
        Ok(match self {
            Self::Sort(layers) => {
                layers.iter().map(|sort| softmax(&sort.forward(features)?, D::Minus1)).collect::<Result<_>>()?
            }
            Self::Draw(layers) => vec![layers.iter().try_fold(features.clone(), |x, layer| layer.forward(&x))?],
            Self::DrawConvolutional { first, small, stages, full } => {
                let x = first.forward(features)?.reshape((features.dim(0)?, small.0, small.1, ()))?;
                let drawn = stages.iter().try_fold(x, |x, stage| stage.forward(&x))?;
                vec![drawn.narrow(1, 0, full.0)?.narrow(2, 0, full.1)?.flatten_from(1)?]
            }
        })
    }
}

/// Fully connected layers of these sizes, ReLU between them.
fn dense(vb: VarBuilder, sizes: &[usize]) -> Result<Vec<Linear>> {
    let layer = |(at, pair): (usize, &[usize])| {
        let activation = if at + 2 == sizes.len() { Activation::None } else { Activation::Relu };
        Linear::load(vb.pp(format!("layer{at}")), pair[0], pair[1], activation)
    };
    sizes.windows(2).enumerate().map(layer).collect()
}

/// Channels after each halving: down to about four pixels a side.
fn widths(spec: &LearnedSpec) -> Vec<usize> {
    let halvings = (spec.shape()[0].max(spec.shape()[1]).div_ceil(4)).next_power_of_two().ilog2().max(1);
    (0..halvings).map(|at| (FIRST << at).min(UNIT_FEATURES)).collect()
}

/// Height and width after the halvings.
fn reduced(spec: &LearnedSpec) -> (usize, usize) {
    let [height, width, _] = spec.shape();
    let halve = |side: usize| widths(spec).iter().fold(side, |side, _| side.div_ceil(2));
    (halve(height), halve(width))
}
