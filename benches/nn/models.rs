//! Networks with random weights, for inference and for training.

use alike::nn::{
    Activation, BatchNorm, Conv2d, Conv2dConfig, ConvTranspose2d, LayerNorm, Linear, attention, global_mean, max_pool2d,
};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// A convolution and its batch norm: folded at inference, apart in training.
struct Normed {
    conv: Conv2d,
    norm: Option<BatchNorm>,
}

/// Channels in and out, kernel, stride.
type Shape = (usize, usize, usize, usize);

impl Normed {
    fn load(vb: VarBuilder, (c_in, c_out, kernel, stride): Shape, activation: Activation, train: bool) -> Result<Self> {
        let config = Conv2dConfig { stride, padding: kernel / 2, bias: false, ..Default::default() };
        let (conv, bn) = (vb.pp("conv"), vb.pp("bn"));
        if train {
            let norm = Some(BatchNorm::load(bn, c_out, 1e-5, activation)?);
            return Ok(Self { conv: Conv2d::load(conv, c_in, c_out, kernel, config)?, norm });
        }
        let config = Conv2dConfig { activation, ..config };
        Ok(Self { conv: Conv2d::load(conv, c_in, c_out, kernel, config)?.with_batch_norm(bn, 1e-5)?, norm: None })
    }

    fn forward(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        match (&self.norm, residual) {
            (Some(norm), Some(residual)) => norm.forward_add(&self.conv.forward(x)?, residual, true),
            (Some(norm), None) => norm.forward(&self.conv.forward(x)?, true),
            (None, Some(residual)) => self.conv.forward_add(x, residual),
            (None, None) => self.conv.forward(x),
        }
    }
}

/// Convolutions one after the other, a shortcut beside them.
struct Block {
    convs: Vec<Normed>,
    shortcut: Option<Normed>,
}

/// ResNet-18 or ResNet-50 for 1000 classes.
pub struct ResNet {
    stem: Normed,
    blocks: Vec<Block>,
    classes: Linear,
}

impl ResNet {
    pub fn load(vb: VarBuilder, bottleneck: bool, train: bool) -> Result<Self> {
        let (depths, growth) = if bottleneck { ([3, 4, 6, 3], 4) } else { ([2, 2, 2, 2], 1) };
        let stem = Normed::load(vb.pp("stem"), (3, 64, 7, 2), Activation::Relu, train)?;
        let (mut blocks, mut c_in) = (Vec::new(), 64);
        for (stage, depth) in depths.into_iter().enumerate() {
            let (width, c_out) = (64 << stage, (growth * 64) << stage);
            for b in 0..depth {
                let stride = if stage > 0 && b == 0 { 2 } else { 1 };
                let shapes: &[Shape] = if bottleneck {
                    &[(c_in, width, 1, 1), (width, width, 3, stride), (width, c_out, 1, 1)]
                } else {
                    &[(c_in, width, 3, stride), (width, width, 3, 1)]
                };
                let vb = vb.pp(format!("block{}", blocks.len()));
                let conv = |(i, &shape)| Normed::load(vb.pp(i), shape, Activation::Relu, train);
                let convs = shapes.iter().enumerate().map(conv).collect::<Result<_>>()?;
                let shortcut = (stride > 1 || c_in != c_out)
                    .then(|| Normed::load(vb.pp("shortcut"), (c_in, c_out, 1, stride), Activation::None, train));
                blocks.push(Block { convs, shortcut: shortcut.transpose()? });
                c_in = c_out;
            }
        }
        Ok(Self { stem, blocks, classes: Linear::load(vb.pp("classes"), c_in, 1000, Activation::None)? })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = max_pool2d(&self.stem.forward(x, None)?, 3, 2, 1)?;
        for block in &self.blocks {
            let shortcut = match &block.shortcut {
                Some(shortcut) => shortcut.forward(&x, None)?,
                None => x.clone(),
            };
            let (last, first) = block.convs.split_last().expect("a block has convolutions");
            for conv in first {
                x = conv.forward(&x, None)?;
            }
            x = last.forward(&x, Some(&shortcut))?;
        }
        self.classes.forward(&global_mean(&x)?)
    }
}

/// One layer of a transformer.
struct Layer {
    norms: [LayerNorm; 2],
    qkv: Linear,
    project: Linear,
    up: Linear,
    down: Linear,
}

/// A vision transformer that returns its tokens.
pub struct ViT {
    patches: Conv2d,
    class: Tensor,
    positions: Tensor,
    layers: Vec<Layer>,
    heads: usize,
}

impl ViT {
    /// Of 12 layers with heads of 64 features, for images of 224 pixels.
    pub fn load(vb: VarBuilder, patch: usize, dim: usize, activation: Activation) -> Result<Self> {
        let layer = |i: usize| {
            let vb = vb.pp(i);
            let norm = |name| LayerNorm::load(vb.pp(name), dim, 1e-6);
            let linear = |name, c_in, c_out, activation| Linear::load(vb.pp(name), c_in, c_out, activation);
            Ok(Layer {
                norms: [norm("norm1")?, norm("norm2")?],
                qkv: linear("qkv", dim, 3 * dim, Activation::None)?,
                project: linear("project", dim, dim, Activation::None)?,
                up: linear("up", dim, 4 * dim, activation)?,
                down: linear("down", 4 * dim, dim, Activation::None)?,
            })
        };
        let config = Conv2dConfig { stride: patch, ..Default::default() };
        let tokens = (224 / patch) * (224 / patch) + 1;
        Ok(Self {
            patches: Conv2d::load(vb.pp("patches"), 3, dim, patch, config)?,
            class: vb.get((1, 1, dim), "class")?,
            positions: vb.get((1, tokens, dim), "positions")?,
            layers: (0..12).map(layer).collect::<Result<_>>()?,
            heads: dim / 64,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let patches = self.patches.forward(x)?.flatten(1, 2)?;
        let (n, _, dim) = patches.dims3()?;
        let mut x = Tensor::cat(&[&self.class.broadcast_as((n, 1, dim))?, &patches], 1)?;
        x = x.broadcast_add(&self.positions)?;
        for layer in &self.layers {
            let attended = attention(&layer.qkv.forward(&layer.norms[0].forward(&x)?)?, self.heads)?;
            x = layer.project.forward_add(&attended, &x)?;
            x = layer.down.forward_add(&layer.up.forward(&layer.norms[1].forward(&x)?)?, &x)?;
        }
        Ok(x)
    }
}

/// A U-Net of 16, 32, 64 and 128 channels for one output a pixel: 0.48 million parameters.
pub struct UNet {
    down: Vec<[Normed; 2]>,
    up: Vec<(ConvTranspose2d, [Normed; 2])>,
    last: Conv2d,
}

impl UNet {
    pub fn load(vb: VarBuilder) -> Result<Self> {
        let pair = |vb: VarBuilder, c_in, c_out| {
            let conv = |name, c_in| Normed::load(vb.pp(name), (c_in, c_out, 3, 1), Activation::Relu, true);
            Ok([conv("first", c_in)?, conv("second", c_out)?])
        };
        let down = [3, 16, 32, 64, 128];
        let down = down.windows(2).map(|c| pair(vb.pp(format!("down{}", c[1])), c[0], c[1])).collect::<Result<_>>()?;
        let up = [64, 32, 16].map(|c| {
            let vb = vb.pp(format!("up{c}"));
            Ok((ConvTranspose2d::load(vb.pp("grow"), 2 * c, c, Activation::None)?, pair(vb, 2 * c, c)?))
        });
        let last = Conv2d::load(vb.pp("last"), 16, 1, 1, Conv2dConfig::default())?;
        Ok(Self { down, up: up.into_iter().collect::<Result<_>>()?, last })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        let mut skipped = Vec::new();
        for (level, [first, second]) in self.down.iter().enumerate() {
            if level > 0 {
                x = max_pool2d(&x, 2, 2, 0)?;
            }
            x = second.forward(&first.forward(&x, None)?, None)?;
            skipped.push(x.clone());
        }
        skipped.pop();
        for ((grow, [first, second]), skipped) in self.up.iter().zip(skipped.iter().rev()) {
            let joined = Tensor::cat(&[&grow.forward(&x)?, skipped], 3)?;
            x = second.forward(&first.forward(&joined, None)?, None)?;
        }
        self.last.forward(&x)
    }
}
