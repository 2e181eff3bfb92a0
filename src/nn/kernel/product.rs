//! The loop under every convolution and product: six pixels against a panel of 64 outputs.
//!
//! A step is four loads of the panel, six broadcasts and 24 multiply-adds in registers: of 32, the most that leave one
//! for the broadcast. The pixels' inputs are read where they stand: of an image with channels last, a row of the kernel
//! covers one contiguous run of values.

use pulp::{Simd, WithSimd};

use super::math::{add, clamp};
use super::packed::Panel;

/// Where a pixel's inputs and outputs begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixel {
    pub input: usize,
    pub output: usize,
}

/// A run of inputs, from a pixel's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub offset: usize,
    pub len: usize,
}

/// Sums over `runs` of the inputs of `pixels`, times as many rows of a panel from its row `first_row` on.
pub(super) struct Product<'a> {
    pub x: &'a [f32],
    pub pixels: &'a [Pixel],
    pub runs: &'a [Run],
    pub panel: &'a Panel,
    pub first_row: usize,
    /// Whether sums begin here: with the bias; else they go on from `out`.
    pub starts: bool,
    /// Whether sums end here.
    pub end: Option<End<'a>>,
    pub out: &'a mut [f32],
}

/// What is done to a finished sum.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    /// Added; laid out as the output.
    pub residual: Option<&'a [f32]>,
    /// Then brought between these.
    pub bounds: Option<[f32; 2]>,
}

impl Product<'_> {
    pub fn run(self) {
        let arch = pulp::Arch::new();
        match self.panel.vectors() {
            1 => arch.dispatch(Wide::<16, 1>(self)),
            2 => arch.dispatch(Wide::<32, 2>(self)),
            3 => arch.dispatch(Wide::<48, 3>(self)),
            _ => arch.dispatch(Wide::<64, 4>(self)),
        }
    }
}

/// With a panel of `W` columns, which are `V` times 16.
struct Wide<'a, const W: usize, const V: usize>(Product<'a>);

impl<const W: usize, const V: usize> WithSimd for Wide<'_, W, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many sums at a time as the machine's registers hold.
        match (S::F32_LANES, V) {
            (16, 4) => self.sums::<S, 6, V>(simd),
            (16, 3) => self.sums::<S, 9, V>(simd),
            (16, _) => self.sums::<S, 12, V>(simd),
            (8, _) => self.sums::<S, 6, 2>(simd),
            _ => self.sums::<S, 6, 4>(simd),
        }
    }
}

impl<const W: usize, const V: usize> Wide<'_, W, V> {
    /// `ROWS` pixels and `N` vectors of outputs at a time; of the last pixels fewer.
    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const N: usize>(mut self, simd: S) {
        let (whole, last) = self.0.pixels.split_at(self.0.pixels.len() / ROWS * ROWS);
        self.tiles::<S, ROWS, N>(simd, whole);
        match last.len() {
            0 => {}
            1 => self.tiles::<S, 1, N>(simd, last),
            2..=3 => self.tiles::<S, 3, N>(simd, last),
            _ => self.tiles::<S, ROWS, N>(simd, last),
        }
    }

    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn tiles<S: Simd, const ROWS: usize, const N: usize>(&mut self, simd: S, pixels: &[Pixel]) {
        let Product { x, runs, panel, first_row, starts, end, ref mut out, .. } = self.0;
        let weights = &panel.values.as_chunks::<W>().0[first_row..];
        for pixels in pixels.chunks(ROWS) {
            // A short tile repeats its last pixel.
            let mut inputs = [0; ROWS];
            for r in 0..ROWS {
                inputs[r] = pixels[r.min(pixels.len() - 1)].input;
            }
            let mut tile = [[0.0; W]; ROWS];
            for (sums, pixel) in tile.iter_mut().zip(pixels) {
                if starts {
                    *sums = *panel.bias.first_chunk().expect("a panel has a bias for all columns");
                } else {
                    let old = &out[pixel.output + panel.first..][..panel.columns];
                    match old.first_chunk() {
                        Some(old) => *sums = *old,
                        None => sums[..panel.columns].copy_from_slice(old),
                    }
                }
            }
            for first in (0..W / S::F32_LANES).step_by(N) {
                add_products::<S, W, ROWS, N>(simd, x, &inputs, runs, weights, &mut tile, first);
            }
            for (sums, pixel) in tile.iter_mut().zip(pixels) {
                let at = pixel.output + panel.first;
                // Apart, so that whole vectors are moved without a question.
                if panel.columns == W {
                    if let Some(end) = end {
                        end.finish(sums, at);
                    }
                    *out[at..].first_chunk_mut().expect("the output has all columns") = *sums;
                } else {
                    let sums = &mut sums[..panel.columns];
                    if let Some(end) = end {
                        end.finish(sums, at);
                    }
                    out[at..][..panel.columns].copy_from_slice(sums);
                }
            }
        }
    }
}

/// The innermost loop. Sums stay in registers because all loops around them are plain and of known length, and because
/// the slices have known lengths before it starts; what is not inlined for sure has no
/// place here.
#[allow(clippy::manual_memcpy, clippy::needless_range_loop)]
#[inline(always)]
fn add_products<S: Simd, const W: usize, const ROWS: usize, const N: usize>(
    simd: S,
    x: &[f32],
    inputs: &[usize; ROWS],
    runs: &[Run],
    weights: &[[f32; W]],
    tile: &mut [[f32; W]; ROWS],
    first: usize,
) {
    let mut sums = [[simd.splat_f32s(0.0); N]; ROWS];
    for r in 0..ROWS {
        for c in 0..N {
            sums[r][c] = S::as_simd_f32s(&tile[r]).0[first + c];
        }
    }
    let mut weights = weights;
    for run in runs {
        let mut xs: [&[f32]; ROWS] = [&[]; ROWS];
        for r in 0..ROWS {
            xs[r] = &x[inputs[r] + run.offset..][..run.len];
        }
        let now;
        (now, weights) = weights.split_at(run.len);
        for j in 0..run.len {
            let row = S::as_simd_f32s(&now[j]).0;
            let mut vectors = [simd.splat_f32s(0.0); N];
            for c in 0..N {
                vectors[c] = row[first + c];
            }
            for r in 0..ROWS {
                let value = simd.splat_f32s(xs[r][j]);
                for c in 0..N {
                    sums[r][c] = simd.mul_add_e_f32s(value, vectors[c], sums[r][c]);
                }
            }
        }
    }
    for r in 0..ROWS {
        for c in 0..N {
            S::as_mut_simd_f32s(&mut tile[r]).0[first + c] = sums[r][c];
        }
    }
}

impl End<'_> {
    /// Ends sums that begin at a place of the output.
    #[inline(always)]
    pub fn finish(&self, sums: &mut [f32], at: usize) {
        if let Some(residual) = self.residual {
            add(sums, &residual[at..][..sums.len()]);
        }
        if let Some(bounds) = self.bounds {
            clamp(sums, bounds);
        }
    }
}
