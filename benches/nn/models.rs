//! Networks with random weights, to be trained.

use alike::nn::{
    Activation, BatchNorm, Conv2d, Conv2dConfig, ConvTranspose2d, Linear, global_mean, join_channels, max_pool2d,
};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// A convolution and its batch norm.
struct Normed {
    conv: Conv2d,
    norm: BatchNorm,
}

/// Channels in and out, kernel, stride.
type Shape = (usize, usize, usize, usize);

impl Normed {
    fn load(vb: VarBuilder, (c_in, c_out, kernel, stride): Shape, activation: Activation) -> Result<Self> {
        let config = Conv2dConfig { stride, padding: kernel / 2, bias: false, ..Default::default() };
        let norm = BatchNorm::load(vb.pp("bn"), c_out, 1e-5, activation)?;
        Ok(Self { conv: Conv2d::load(vb.pp("conv"), c_in, c_out, kernel, config)?, norm })
    }

    fn forward(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        match residual {
            Some(residual) => self.norm.forward_add(&self.conv.forward(x)?, residual, true),
            None => self.conv.forward_norm(x, &self.norm, true),
        }
    }
}

/// Two convolutions beside a shortcut.
struct Block {
    first: Normed,
    second: Normed,
    shortcut: Option<Normed>,
}

/// ResNet-18 for 1000 classes.
pub struct ResNet {
    stem: Normed,
    blocks: Vec<Block>,
    classes: Linear,
}

impl ResNet {
    pub fn load(vb: VarBuilder) -> Result<Self> {
        let stem = Normed::load(vb.pp("stem"), (3, 64, 7, 2), Activation::Relu)?;
        let (mut blocks, mut c_in) = (Vec::new(), 64);
        for b in 0..8 {
            let c_out = 64 << (b / 2);
            let stride = if b > 0 && b % 2 == 0 { 2 } else { 1 };
            let vb = vb.pp(format!("block{b}"));
            let conv = |name, shape, activation| Normed::load(vb.pp(name), shape, activation);
            let shortcut = (stride > 1).then(|| conv("shortcut", (c_in, c_out, 1, stride), Activation::None));
            blocks.push(Block {
                first: conv("first", (c_in, c_out, 3, stride), Activation::Relu)?,
                second: conv("second", (c_out, c_out, 3, 1), Activation::Relu)?,
                shortcut: shortcut.transpose()?,
            });
            c_in = c_out;
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
            x = block.second.forward(&block.first.forward(&x, None)?, Some(&shortcut))?;
        }
        self.classes.forward(&global_mean(&x)?)
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
            let conv = |name, c_in| Normed::load(vb.pp(name), (c_in, c_out, 3, 1), Activation::Relu);
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
            let joined = join_channels(&grow.forward(&x)?, skipped)?;
            x = second.forward(&first.forward(&joined, None)?, None)?;
        }
        self.last.forward(&x)
    }
}
