//! The weights' gradient: outer products of a pixel's inputs and its outputs' gradients, summed over all pixels.
//!
//! Pixels are cut in parts by the shape alone, parts are summed in order: the same bits at any thread count.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{Block, Cut, Patch};
use super::convolve::with_room;
use super::geometry::{Geometry, Lattice};
use super::math::add;
use super::packed::LANES;
use super::product::Pixel;

/// Pixels whose products are summed while their values are in the cache.
const PIXELS: usize = 224;
/// Parts of the pixels at most, and pixels of a part at least.
const PARTS: usize = 8;
const PART: usize = 2048;
/// Tasks at least.
const TASKS: usize = 16;

/// The gradient of a convolution's weights, shape (c_out, c_in / groups, kh, kw), from its inputs `x` and the gradient
/// of its outputs. `geometry` is that of the way forward.
pub fn weight_gradient(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let geometry = &geometry.flat();
    let (groups, lattices) = (geometry.groups, [&geometry.lattices[0][0], &geometry.lattices[1][0]]);
    let (inputs, outputs) = (geometry.input[2] / groups, geometry.output[2] / groups);
    let n_taps = lattices[0].taps.len() * lattices[1].taps.len();
    let blocks = Cut::new(geometry, PIXELS).blocks(geometry);
    let n_pixels = geometry.n * geometry.output[0] * geometry.output[1];
    let n_parts = (n_pixels / PART).clamp(1, PARTS).min(blocks.len().max(1));
    let parts: Vec<&[Block]> = blocks.chunks(blocks.len().div_ceil(n_parts).max(1)).collect();
    let depthwise = groups > 1 && inputs == 1 && outputs == 1;
    // A task takes some rows of the gradient: inputs under the taps, of one group or, depthwise, of all.
    let rows = if depthwise { n_taps } else { n_taps * inputs };
    let slice = if depthwise { rows } else { rows.div_ceil(TASKS.div_ceil(parts.len().max(1))).next_multiple_of(ROWS) };
    let slices: Vec<Range<usize>> = (0..rows).step_by(slice).map(|first| first..rows.min(first + slice)).collect();
    let sums: Vec<Vec<f32>> = (0..slices.len() * parts.len())
        .into_par_iter()
        .map(|task| {
            let (slice, part) = (slices[task / parts.len()].clone(), parts[task % parts.len()]);
            let work = Slice { geometry, lattices, x, gradient, slice, depthwise };
            work.sum(part)
        })
        .collect();
    // From (slice, part, group, row, output) to (output, input, tap), some outputs at a time.
    let mut out = vec![0.0; geometry.output[2] * inputs * n_taps];
    let size = inputs * n_taps;
    // Depthwise, the channels of all groups stand side by side.
    let columns = if depthwise { groups } else { outputs };
    let few = columns.min(LANES);
    let groups_out = out.chunks_mut(columns * size);
    let chunks: Vec<(usize, usize, &mut [f32])> = groups_out
        .enumerate()
        .flat_map(|(group, out)| out.chunks_mut(few * size).enumerate().map(move |(i, out)| (group, i * few, out)))
        .collect();
    chunks.into_par_iter().for_each(|(group, first, out)| {
        for row in 0..rows {
            let (input, tap) = if depthwise { (0, row) } else { (row % inputs, row / inputs) };
            let (s, len) = (row / slice, slices[row / slice].len());
            for part in &sums[s * parts.len()..][..parts.len()] {
                let values = &part[(group * len + row % slice) * columns + first..][..out.len() / size];
                for (o, value) in values.iter().enumerate() {
                    out[o * size + input * n_taps + tap] += value;
                }
            }
        }
    });
    out
}

/// Inputs of a tile.
const ROWS: usize = 6;

/// Some rows of the gradient.
struct Slice<'a> {
    geometry: &'a Geometry,
    lattices: [&'a Lattice; 2],
    x: &'a [f32],
    gradient: &'a [f32],
    slice: Range<usize>,
    depthwise: bool,
}

impl Slice<'_> {
    /// Shape (groups, rows of the slice, outputs of a group).
    fn sum(&self, blocks: &[Block]) -> Vec<f32> {
        let geometry = self.geometry;
        let [height, width, channels] = geometry.output;
        let (inputs, outputs) = (geometry.input[2] / geometry.groups, channels / geometry.groups);
        let mut sums = vec![0.0; self.slice.len() * channels];
        with_room(|room, pixels| {
            for block in blocks {
                let patch = Patch::new(geometry, self.x, block, room);
                patch.pixels(geometry, block, self.lattices, pixels);
                let first = (block.images.start * height + block.rows.start) * width * channels;
                let gradient = &self.gradient[first..];
                let taps = patch.taps(geometry, self.lattices);
                if self.depthwise {
                    let (x, sums) = (patch.x, &mut sums[..]);
                    pulp::Arch::new().dispatch(Channels { x, pixels, taps: &taps, gradient, channels, sums });
                    continue;
                }
                for group in 0..geometry.groups {
                    let input = |row: usize| taps[row / inputs] + group * inputs + row % inputs;
                    let mut row = self.slice.start;
                    while row < self.slice.end {
                        // As many rows as stand one after the other.
                        let most = ROWS.min(self.slice.end - row);
                        let len = (1..most).find(|&len| input(row + len) != input(row) + len).unwrap_or(most);
                        let at = (group * self.slice.len() + row - self.slice.start) * outputs;
                        let sums = &mut sums[at..][..len * outputs];
                        let first = group * outputs;
                        Outer { x: patch.x, pixels, offset: input(row), gradient, first, outputs, sums }.run();
                        row += len;
                    }
                }
            }
        });
        sums
    }
}

/// Sums over pixels of up to six inputs times all outputs of a group.
struct Outer<'a> {
    x: &'a [f32],
    pixels: &'a [Pixel],
    /// Of the inputs, from a pixel's own.
    offset: usize,
    gradient: &'a [f32],
    /// Of the outputs, from a pixel's own.
    first: usize,
    outputs: usize,
    /// Shape (inputs, outputs).
    sums: &'a mut [f32],
}

impl Outer<'_> {
    fn run(self) {
        pulp::Arch::new().dispatch(self);
    }

    /// `N` vectors of outputs from `start` on.
    #[inline(always)]
    fn columns<S: Simd, const N: usize>(&mut self, simd: S, start: usize) {
        let (outputs, width) = (self.outputs, N * S::F32_LANES);
        let mut tile = [[0.0; MOST]; ROWS];
        for (sums, old) in tile.iter_mut().zip(self.sums.chunks_exact(outputs)) {
            sums[..width].copy_from_slice(&old[start..][..width]);
        }
        let first = self.first + start;
        add_outer::<S, N>(simd, self.x, self.offset, self.gradient, first, self.pixels, &mut tile);
        for (sums, new) in tile.iter().zip(self.sums.chunks_exact_mut(outputs)) {
            new[start..][..width].copy_from_slice(&sums[..width]);
        }
    }

    /// The outputs from `start` on, one by one.
    #[inline(always)]
    fn rest(&mut self, pixels: &[Pixel], start: usize) {
        if start == self.outputs {
            return;
        }
        for pixel in pixels {
            let gradient = &self.gradient[pixel.output + self.first + start..][..self.outputs - start];
            let x = &self.x[pixel.input + self.offset..];
            for (sums, x) in self.sums.chunks_exact_mut(self.outputs).zip(x) {
                for (sum, gradient) in sums[start..].iter_mut().zip(gradient) {
                    *sum += x * gradient;
                }
            }
        }
    }
}

/// Outputs of a tile at most.
const MOST: usize = 4 * LANES;

/// The innermost loop, written like that of a product.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn add_outer<S: Simd, const N: usize>(
    simd: S,
    x: &[f32],
    offset: usize,
    gradient: &[f32],
    first: usize,
    pixels: &[Pixel],
    tile: &mut [[f32; MOST]; ROWS],
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; ROWS];
    for r in 0..ROWS {
        for c in 0..N {
            sums[r][c] = S::as_simd_f32s(&tile[r]).0[c];
        }
    }
    for pixel in pixels {
        let x = &x[pixel.input + offset..][..ROWS];
        let gradient = S::as_simd_f32s(&gradient[pixel.output + first..][..N * S::F32_LANES]).0;
        for r in 0..ROWS {
            let value = simd.splat_f32s(x[r]);
            for c in 0..N {
                sums[r][c] = simd.mul_add_e_f32s(value, gradient[c], sums[r][c]);
            }
        }
    }
    for r in 0..ROWS {
        for c in 0..N {
            S::as_mut_simd_f32s(&mut tile[r]).0[c] = sums[r][c];
        }
    }
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // Six inputs are read of each pixel; where the images end there may be fewer.
        let whole = self.pixels.partition_point(|pixel| pixel.input + self.offset + ROWS <= self.x.len());
        let last;
        (self.pixels, last) = self.pixels.split_at(whole);
        let (mut start, lanes) = (0, S::F32_LANES);
        loop {
            start += match (self.outputs - start) / lanes {
                0 => break,
                // As many sums at a time as the machine's registers hold.
                4.. if lanes == LANES => {
                    self.columns::<S, 4>(simd, start);
                    4 * lanes
                }
                2.. if lanes == LANES => {
                    self.columns::<S, 2>(simd, start);
                    2 * lanes
                }
                _ => {
                    self.columns::<S, 1>(simd, start);
                    lanes
                }
            };
        }
        self.rest(self.pixels, start);
        self.rest(last, 0);
    }
}

/// Sums over pixels of the inputs under each tap times the outputs, channel by channel.
struct Channels<'a> {
    x: &'a [f32],
    pixels: &'a [Pixel],
    taps: &'a [usize],
    gradient: &'a [f32],
    channels: usize,
    /// Shape (taps, channels).
    sums: &'a mut [f32],
}

impl WithSimd for Channels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = S::F32_LANES;
        for first in (0..self.taps.len()).step_by(ROWS) {
            for start in (0..self.channels - self.channels % lanes).step_by(lanes) {
                self.taps(simd, start, first);
            }
        }
        self.rest(self.channels - self.channels % lanes);
    }
}

impl Channels<'_> {
    /// A vector of channels under six taps.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn taps<S: Simd>(&mut self, simd: S, start: usize, first: usize) {
        let (channels, lanes) = (self.channels, S::F32_LANES);
        let n_taps = ROWS.min(self.taps.len() - first);
        // Fewer taps repeat the last one.
        let mut taps = [0; ROWS];
        for t in 0..ROWS {
            taps[t] = self.taps[first + t.min(n_taps - 1)] + start;
        }
        let mut sums = [simd.splat_f32s(0.0); ROWS];
        for pixel in self.pixels {
            let gradient = S::as_simd_f32s(&self.gradient[pixel.output + start..][..lanes]).0[0];
            for t in 0..ROWS {
                let x = S::as_simd_f32s(&self.x[pixel.input + taps[t]..][..lanes]).0[0];
                sums[t] = simd.mul_add_e_f32s(x, gradient, sums[t]);
            }
        }
        let mut done = [[0.0; LANES]; ROWS];
        for t in 0..ROWS {
            S::as_mut_simd_f32s(&mut done[t]).0[0] = sums[t];
        }
        for (new, old) in done.iter().zip(self.sums[first * channels..].chunks_exact_mut(channels)) {
            add(&mut old[start..][..lanes], new);
        }
    }

    /// The last channels, fewer than a vector.
    #[inline(always)]
    fn rest(&mut self, start: usize) {
        for pixel in self.pixels {
            let gradient = &self.gradient[pixel.output + start..][..self.channels - start];
            for (sums, tap) in self.sums.chunks_exact_mut(self.channels).zip(self.taps) {
                let x = &self.x[pixel.input + tap + start..];
                for ((sum, x), gradient) in sums[start..].iter_mut().zip(x).zip(gradient) {
                    *sum += x * gradient;
                }
            }
        }
    }
}
