//! The network that sees where clusters are: O. Ronneberger et al., U-Net, 2015, small, on what a [`Grid`] holds.

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::Grid;
use crate::nn::{Activation, Conv2d, Conv2dConfig, ConvNorm, ConvTranspose2d, join_channels, max_pool2d};

/// What the network is told of a cell.
const N_INPUTS: usize = 2;
/// What it says of one.
const N_OUTPUTS: usize = 2;
/// Channels from the level of half the cells along a side down.
const WIDTHS: [usize; 5] = [16, 32, 64, 96, 128];

/// A U-Net that sees a raster of counts, and says of each cell whether it is part of a cluster, and of a cluster's core.
#[derive(Debug)]
pub struct UNet {
    down: Vec<[ConvNorm; 2]>,
    /// From the coarsest level to that of half the cells.
    up: Vec<(ConvTranspose2d, [ConvNorm; 2])>,
    last: Conv2d,
}

impl UNet {
    /// Sides of a raster are a multiple of this.
    pub const STRIDE: usize = 1 << WIDTHS.len();

    /// With weights read from `vb`, to be trained or frozen. 0.9 million of them.
    ///
    /// # Errors
    /// If they are missing or have other shapes.
    pub fn load(vb: VarBuilder, train: bool) -> Result<Self> {
        let pair = |vb: VarBuilder, c_in, c_out, stride| -> Result<[ConvNorm; 2]> {
            let stage = |name: &str, c_in, stride| {
                let config = Conv2dConfig { stride, padding: 1, activation: Activation::Relu, ..Default::default() };
                ConvNorm::load(vb.pp(name), c_in, c_out, 3, config, train)
            };
            Ok([stage("first", c_in, stride)?, stage("second", c_out, 1)?])
        };
        let (mut down, mut up, mut c_in) = (Vec::new(), Vec::new(), N_INPUTS);
        for (level, width) in WIDTHS.into_iter().enumerate() {
            down.push(pair(vb.pp(format!("down{level}")), c_in, width, if level == 0 { 2 } else { 1 })?);
            c_in = width;
        }
        for (level, width) in WIDTHS.into_iter().enumerate().rev().skip(1) {
            let vb = vb.pp(format!("up{level}"));
            let grow = ConvTranspose2d::load(vb.pp("grow"), c_in, width, Activation::None)?;
            up.push((grow, pair(vb, 2 * width, width, 1)?));
            c_in = width;
        }
        let last = Conv2d::load(vb.pp("last"), c_in, N_OUTPUTS, 1, Conv2dConfig::default())?;
        Ok(Self { down, up, last })
    }

    /// Rasters (n, h, w, 2) as [`UNet::input`] gives them, sides a multiple of 32, to log-odds (n, h / 2, w / 2, 2) for each
    /// two by two cells: whether they are part of a cluster, and of a cluster's core. 1.3 GFLOP a raster of 256 x 256.
    ///
    /// # Errors
    /// If the shape is another or the device fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let through = |x: Tensor, stages: &[ConvNorm; 2]| stages.iter().try_fold(x, |x, stage| stage.forward(&x, true));
        let mut seen = Vec::new();
        let mut y = x.clone();
        for (level, stages) in self.down.iter().enumerate() {
            y = through(if level > 0 { max_pool2d(&y, 2, 2, 0)? } else { y }, stages)?;
            seen.push(y.clone());
        }
        for ((grow, stages), seen) in self.up.iter().zip(seen.iter().rev().skip(1)) {
            y = through(join_channels(&grow.forward(&y)?, seen)?, stages)?;
        }
        self.last.forward(&y)
    }

    /// The log-odds of each cell of a raster, with the last axis fastest: whether it is part of a cluster, and of a core;
    /// between the middles of what the network tells apart, in proportion.
    ///
    /// # Errors
    /// As [`UNet::input`] and [`UNet::forward`].
    pub fn odds(&self, grid: &Grid) -> Result<Vec<[f32; 2]>> {
        let odds = self.forward(&Self::input(grid)?)?;
        let (_, height, width, _) = odds.dims4()?;
        let odds = odds.flatten_all()?.to_vec1::<f32>()?;
        let near = |at: usize, side: usize| {
            let other = if at.is_multiple_of(2) { (at / 2).saturating_sub(1) } else { (at / 2 + 1).min(side - 1) };
            [(at / 2, 0.75), (other, 0.25)]
        };
        let cell = |cell: usize| {
            let mut sum = [0.0; 2];
            for (row, a) in near(cell / (2 * width), height) {
                for (column, b) in near(cell % (2 * width), width) {
                    for (channel, sum) in sum.iter_mut().enumerate() {
                        *sum += a * b * odds[(row * width + column) * N_OUTPUTS + channel];
                    }
                }
            }
            sum
        };
        Ok((0..4 * height * width).map(cell).collect())
    }

    /// What the network is told of a square raster in the plane: whether a cell holds a point, and the logarithm of how
    /// many beside the mean of occupied cells. Shape (1, side, side, 2).
    ///
    /// # Errors
    /// If the raster isn't in the plane or its sides aren't a multiple of 32.
    pub fn input(grid: &Grid) -> Result<Tensor> {
        let &[height, width] = grid.counts.shape() else {
            candle_core::bail!("a raster of shape {:?}: the network sees the plane", grid.counts.shape());
        };
        if height % Self::STRIDE != 0 || width % Self::STRIDE != 0 {
            candle_core::bail!("a raster of {height} x {width} cells: sides are a multiple of {}", Self::STRIDE);
        }
        let (sum, occupied) = grid.counts.iter().fold((0.0, 0.0), |(sum, occupied), &count| {
            (sum + f64::from(count), occupied + f64::from(u8::from(count > 0)))
        });
        let full = (1.0 + 8.0 * sum / f64::max(occupied, 1.0)).ln();
        let told = |&count: &u32| {
            let filled = f64::from(count).ln_1p() / full;
            [count.min(1) as f32, filled.min(1.5) as f32]
        };
        let values: Vec<f32> = grid.counts.iter().flat_map(told).collect();
        Tensor::from_vec(values, (1, height, width, N_INPUTS), &Device::Cpu)
    }
}
