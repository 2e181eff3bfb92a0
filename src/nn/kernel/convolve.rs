//! Convolution, forward or back to the inputs, by blocks of pixels.

use std::cell::RefCell;

use rayon::prelude::*;

use super::blocks::{Block, Cut, Patch, stretches};
use super::depthwise::Depthwise;
use super::geometry::Geometry;
use super::packed::{Packed, Phase};
use super::product::{End, Pixel, Product};

/// Pixels of a block: enough to pay for a walk through all weights.
const PIXELS: usize = 112;

thread_local! {
    static ROOM: RefCell<(Vec<f32>, Vec<Pixel>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Memory of this thread for a copy of inputs and a list of pixels.
pub(super) fn with_room<T>(work: impl FnOnce(&mut Vec<f32>, &mut Vec<Pixel>) -> T) -> T {
    let (mut values, mut pixels) = ROOM.take();
    let result = work(&mut values, &mut pixels);
    ROOM.replace((values, pixels));
    result
}

/// A convolution to be done.
pub struct Convolution<'a> {
    pub geometry: &'a Geometry,
    pub packed: &'a Packed,
    /// Inputs.
    pub x: &'a [f32],
    /// Added to the outputs; laid out like them.
    pub residual: Option<&'a [f32]>,
    /// Between which outputs are brought then.
    pub bounds: Option<[f32; 2]>,
}

impl Convolution<'_> {
    /// The outputs. `finish` may change those of a block while they are in the cache.
    pub fn run(&self, finish: impl Fn(&mut [f32]) + Sync) -> Vec<f32> {
        let mut out = vec![0.0; self.geometry.n_outputs()];
        if out.is_empty() {
            return out;
        }
        let geometry = &self.geometry.flat();
        let [height, width, channels] = geometry.output;
        // Every thread gets some blocks, even of few pixels.
        let share = (geometry.n * height * width).div_ceil(2 * rayon::current_num_threads());
        let blocks = Cut::new(geometry, share.clamp(PIXELS / 8, PIXELS)).blocks(geometry);
        let mut rest = &mut out[..];
        let parts: Vec<_> = blocks
            .into_iter()
            .map(|block| {
                let part;
                let len = block.images.len() * block.rows.len() * width * channels;
                (part, rest) = std::mem::take(&mut rest).split_at_mut(len);
                (block, part)
            })
            .collect();
        parts.into_par_iter().for_each(|(block, out)| {
            with_room(|room, pixels| self.block(geometry, &block, out, room, pixels));
            finish(out);
        });
        out
    }

    fn block(&self, geometry: &Geometry, block: &Block, out: &mut [f32], room: &mut Vec<f32>, pixels: &mut Vec<Pixel>) {
        let [height, width, channels] = geometry.output;
        let first = (block.images.start * height + block.rows.start) * width * channels;
        let end = End { residual: self.residual.map(|values| &values[first..][..out.len()]), bounds: self.bounds };
        let patch = Patch::new(geometry, self.x, block, room);
        let mut phases = self.packed.phases.iter();
        for rows in &geometry.lattices[0] {
            for columns in &geometry.lattices[1] {
                let lattices = [rows, columns];
                patch.pixels(geometry, block, lattices, pixels);
                let panels = match phases.next().expect("weights were packed for these lattices") {
                    Phase::Panels(panels) => panels,
                    Phase::Channels(weights) => {
                        let taps = patch.taps(geometry, lattices);
                        Depthwise { x: patch.x, pixels, taps: &taps, weights, bias: &self.packed.bias, end, out }.run();
                        continue;
                    }
                };
                for (group, panels) in panels.chunks_exact(panels.len() / geometry.groups).enumerate() {
                    let stretches = stretches(&patch.runs(geometry, lattices, group));
                    let mut first_row = 0;
                    for (i, runs) in stretches.iter().enumerate() {
                        let (starts, end) = (i == 0, (i + 1 == stretches.len()).then_some(end));
                        for panel in panels {
                            Product { x: patch.x, pixels, runs, panel, first_row, starts, end, out }.run();
                        }
                        first_row += runs.iter().map(|run| run.len).sum::<usize>();
                    }
                }
            }
        }
    }
}
