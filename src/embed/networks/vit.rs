//! Vision transformers (Dosovitskiy et al. 2021) as DINOv2, CLIP and SigLIP have them, under the keys by which
//! `transformers` saves them. They differ in names, activation and head, not in their blocks.
//!
//! The three projections of the attention are joined into one product at load, and layer scales are folded into the
//! product before them.

use candle_core::{D, IndexOp, Result, Tensor};
use candle_nn::{VarBuilder, ops::softmax};

use super::Network;
use super::positions::{Bicubic, resample};
use crate::nn::{self, Activation, Conv2d, Conv2dConfig, LayerNorm, Linear};

/// A vision transformer's measures.
pub(super) struct Measures {
    pub family: Family,
    /// Numbers in a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of the attention; they divide the width.
    pub heads: usize,
    /// Numbers between the two layers after the attention.
    pub hidden: usize,
    /// Pixels across and down a patch.
    pub patch: usize,
    /// Patches across and down in training. Positions are interpolated to other grids.
    pub grid: usize,
}

/// What the features are, and how the checkpoint calls things.
pub(super) enum Family {
    /// Oquab et al. 2023 and, with registers, Darcet et al. 2023: the normalised class token.
    Dinov2 {
        registers: usize,
        /// The mean of the patches' tokens follows the class token.
        with_patches: bool,
    },
    /// Radford et al. 2021: the class token, projected to where images and texts meet.
    Clip { projection: usize },
    /// Zhai et al. 2023: the patches pooled by attention.
    Siglip,
}

impl Measures {
    /// The layer norms' epsilon.
    fn epsilon(&self) -> f64 {
        if matches!(self.family, Family::Clip { .. }) { 1e-5 } else { 1e-6 }
    }

    fn activation(&self) -> Activation {
        match self.family {
            Family::Dinov2 { .. } => Activation::Gelu,
            Family::Clip { .. } => Activation::QuickGelu,
            Family::Siglip => Activation::GeluTanh,
        }
    }
}

/// A vision transformer with its weights.
pub(super) struct VisionTransformer {
    patches: Conv2d,
    /// Class token and registers, positions added, shape (1, their number, width); none in SigLIP.
    first: Option<Tensor>,
    /// Shape (grid, grid, width).
    positions: Tensor,
    bicubic: Bicubic,
    norm_before: Option<LayerNorm>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Head,
}

/// From normalised tokens to features.
enum Head {
    Class,
    ClassAndPatches,
    Projected(Linear),
    Pooled(Box<AttentionPool>),
}

impl VisionTransformer {
    pub fn load(measures: &Measures, weights: VarBuilder) -> Result<Self> {
        match measures.family {
            Family::Dinov2 { registers, with_patches } => Self::dinov2(measures, registers, with_patches, weights),
            Family::Clip { projection } => Self::clip(measures, projection, weights),
            Family::Siglip => Self::siglip(measures, weights),
        }
    }

    fn dinov2(c: &Measures, registers: usize, with_patches: bool, weights: VarBuilder) -> Result<Self> {
        let embeddings = weights.pp("embeddings");
        let table = embeddings.get((1, 1 + c.grid * c.grid, c.width), "position_embeddings")?;
        let class = embeddings.get((1, 1, c.width), "cls_token")?.add(&table.narrow(1, 0, 1)?)?;
        let (first, bicubic) = match registers {
            0 => (class, Bicubic::Plain),
            n => {
                let registers = embeddings.get((1, n, c.width), "register_tokens")?;
                (Tensor::cat(&[class, registers], 1)?, Bicubic::Antialiased)
            }
        };
        let blocks = (0..c.depth).map(|at| Block::dinov2(c, weights.pp("encoder.layer").pp(at)));
        Ok(Self {
            patches: patches(c, true, embeddings.pp("patch_embeddings.projection"))?,
            first: Some(first),
            positions: table.narrow(1, 1, c.grid * c.grid)?.reshape((c.grid, c.grid, c.width))?,
            bicubic,
            norm_before: None,
            blocks: blocks.collect::<Result<_>>()?,
            norm: norm(c, weights.pp("layernorm"))?,
            head: if with_patches { Head::ClassAndPatches } else { Head::Class },
        })
    }

    fn clip(c: &Measures, projection: usize, weights: VarBuilder) -> Result<Self> {
        let tower = weights.pp("vision_model");
        let embeddings = tower.pp("embeddings");
        let table = embeddings.get((1 + c.grid * c.grid, c.width), "position_embedding.weight")?;
        let class = embeddings.get(c.width, "class_embedding")?.add(&table.i(0)?)?;
        let projection = weights.get((projection, c.width), "visual_projection.weight")?;
        Ok(Self {
            patches: patches(c, false, embeddings.pp("patch_embedding"))?,
            first: Some(class.reshape((1, 1, c.width))?),
            positions: table.narrow(0, 1, c.grid * c.grid)?.reshape((c.grid, c.grid, c.width))?,
            bicubic: Bicubic::Plain,
            norm_before: Some(norm(c, tower.pp("pre_layrnorm"))?),
            blocks: Block::tower(c, tower.pp("encoder.layers"))?,
            norm: norm(c, tower.pp("post_layernorm"))?,
            head: Head::Projected(Linear::new(projection, None, Activation::None)?),
        })
    }

    fn siglip(c: &Measures, weights: VarBuilder) -> Result<Self> {
        let tower = weights.pp("vision_model");
        let embeddings = tower.pp("embeddings");
        let table = embeddings.get((c.grid * c.grid, c.width), "position_embedding.weight")?;
        Ok(Self {
            patches: patches(c, true, embeddings.pp("patch_embedding"))?,
            first: None,
            positions: table.reshape((c.grid, c.grid, c.width))?,
            bicubic: Bicubic::Plain,
            norm_before: None,
            blocks: Block::tower(c, tower.pp("encoder.layers"))?,
            norm: norm(c, tower.pp("post_layernorm"))?,
            head: Head::Pooled(Box::new(AttentionPool::load(c, tower.pp("head"))?)),
        })
    }

    /// Tokens (n, their number, width) before the first block.
    fn tokens(&self, images: &Tensor) -> Result<Tensor> {
        let patches = self.patches.forward(images)?;
        let (n, height, width, n_features) = patches.dims4()?;
        let positions = resample(&self.positions, (height, width), self.bicubic)?;
        let patches = patches.reshape((n, height * width, n_features))?.broadcast_add(&positions)?;
        let tokens = match &self.first {
            Some(first) => Tensor::cat(&[&first.repeat((n, 1, 1))?, &patches], 1)?,
            None => patches,
        };
        match &self.norm_before {
            Some(norm) => norm.forward(&tokens),
            None => Ok(tokens),
        }
    }
}

impl Network for VisionTransformer {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let tokens = self.blocks.iter().try_fold(self.tokens(images)?, |tokens, block| block.forward(&tokens))?;
        let class = |tokens: &Tensor| tokens.i((.., 0))?.contiguous();
        match &self.head {
            Head::Class => self.norm.forward(&class(&tokens)?),
            Head::Projected(projection) => projection.forward(&self.norm.forward(&class(&tokens)?)?),
            Head::ClassAndPatches => {
                let tokens = self.norm.forward(&tokens)?;
                let first = self.first.as_ref().map_or(0, |first| first.dims()[1]);
                let patches = tokens.i((.., first..))?.mean(1)?;
                Tensor::cat(&[class(&tokens)?, patches], 1)
            }
            Head::Pooled(pool) => pool.forward(&self.norm.forward(&tokens)?),
        }
    }
}

/// Attention, then two layers on each token; both read a norm and add to the tokens.
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    heads: usize,
    out: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    fn dinov2(c: &Measures, weights: VarBuilder) -> Result<Self> {
        let attention = weights.pp("attention");
        let scale = |name| weights.pp(name).get(c.width, "lambda1");
        let out = Linear::load(attention.pp("output.dense"), c.width, c.width, Activation::None)?;
        let mlp = Mlp::load(c, weights.pp("mlp"))?;
        Ok(Self {
            norm1: norm(c, weights.pp("norm1"))?,
            qkv: joined(c, ["query", "key", "value"].map(|name| attention.pp("attention").pp(name)))?,
            heads: c.heads,
            out: out.scaled_by(&scale("layer_scale1")?)?,
            norm2: norm(c, weights.pp("norm2"))?,
            mlp: Mlp { fc2: mlp.fc2.scaled_by(&scale("layer_scale2")?)?, ..mlp },
        })
    }

    /// The blocks of CLIP's and SigLIP's image towers.
    fn tower(c: &Measures, weights: VarBuilder) -> Result<Vec<Self>> {
        let block = |weights: VarBuilder| {
            let attention = weights.pp("self_attn");
            Ok(Self {
                norm1: norm(c, weights.pp("layer_norm1"))?,
                qkv: joined(c, ["q_proj", "k_proj", "v_proj"].map(|name| attention.pp(name)))?,
                heads: c.heads,
                out: Linear::load(attention.pp("out_proj"), c.width, c.width, Activation::None)?,
                norm2: norm(c, weights.pp("layer_norm2"))?,
                mlp: Mlp::load(c, weights.pp("mlp"))?,
            })
        };
        (0..c.depth).map(|at| block(weights.pp(at))).collect()
    }

    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let attended = nn::attention(&self.qkv.forward(&self.norm1.forward(tokens)?)?, self.heads)?;
        let tokens = self.out.forward_add(&attended, tokens)?;
        self.mlp.forward_add(&self.norm2.forward(&tokens)?, &tokens)
    }
}

/// Two layers on each token.
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    fn load(c: &Measures, weights: VarBuilder) -> Result<Self> {
        Ok(Self {
            fc1: Linear::load(weights.pp("fc1"), c.width, c.hidden, c.activation())?,
            fc2: Linear::load(weights.pp("fc2"), c.hidden, c.width, Activation::None)?,
        })
    }

    fn forward_add(&self, tokens: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.fc2.forward_add(&self.fc1.forward(tokens)?, residual)
    }
}

/// SigLIP's head: a learnt query looks at all tokens.
struct AttentionPool {
    /// Projected and scaled, shape (1, heads, 1, width / heads).
    query: Tensor,
    key_value: Linear,
    out: Linear,
    norm: LayerNorm,
    mlp: Mlp,
}

impl AttentionPool {
    fn load(c: &Measures, weights: VarBuilder) -> Result<Self> {
        let attention = weights.pp("attention");
        let weight = attention.get((3 * c.width, c.width), "in_proj_weight")?;
        let bias = attention.get(3 * c.width, "in_proj_bias")?;
        let part = |from: usize, parts: usize| {
            let (from, length) = (from * c.width, parts * c.width);
            let bias = bias.narrow(0, from, length)?.contiguous()?;
            Linear::new(weight.narrow(0, from, length)?.contiguous()?, Some(bias), Activation::None)
        };
        let head = c.width / c.heads;
        let query = part(0, 1)?.forward(&weights.get((1, 1, c.width), "probe")?)?;
        Ok(Self {
            query: (query.reshape((1, c.heads, 1, head))? * (head as f64).powf(-0.5))?,
            key_value: part(1, 2)?,
            out: Linear::load(attention.pp("out_proj"), c.width, c.width, Activation::None)?,
            norm: norm(c, weights.pp("layernorm"))?,
            mlp: Mlp::load(c, weights.pp("mlp"))?,
        })
    }

    /// Tokens (n, their number, width) to (n, width).
    fn forward(&self, tokens: &Tensor) -> Result<Tensor> {
        let (n, length, width) = tokens.dims3()?;
        let (_, heads, _, head) = self.query.dims4()?;
        // Keys and values, shape (2, n, heads, length, head).
        let both = self.key_value.forward(tokens)?.reshape((n, length, 2, heads, head))?.permute((2, 0, 3, 1, 4))?;
        let scores = both.i(0)?.broadcast_mul(&self.query)?.sum_keepdim(D::Minus1)?;
        let shares = softmax(&scores, D::Minus2)?;
        let pooled = both.i(1)?.broadcast_mul(&shares)?.sum(D::Minus2)?.reshape((n, width))?;
        let pooled = self.out.forward(&pooled)?;
        self.mlp.forward_add(&self.norm.forward(&pooled)?, &pooled)
    }
}

/// The layer that turns patches into tokens.
fn patches(c: &Measures, bias: bool, weights: VarBuilder) -> Result<Conv2d> {
    Conv2d::load(weights, 3, c.width, c.patch, Conv2dConfig { stride: c.patch, bias, ..Default::default() })
}

fn norm(c: &Measures, weights: VarBuilder) -> Result<LayerNorm> {
    LayerNorm::load(weights, c.width, c.epsilon())
}

/// Projections with one input as one.
fn joined(c: &Measures, parts: [VarBuilder; 3]) -> Result<Linear> {
    let parts = |get: &dyn Fn(&VarBuilder) -> Result<Tensor>| {
        let tensors = parts.iter().map(get).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&tensors, 0)
    };
    let weight = parts(&|part| part.get((c.width, c.width), "weight"))?;
    Linear::new(weight, Some(parts(&|part| part.get(c.width, "bias"))?), Activation::None)
}
