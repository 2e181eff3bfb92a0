//! Depthwise convolution: every channel by itself, vectors across channels.

use pulp::{Simd, WithSimd};

use super::packed::LANES;
use super::product::{End, Pixel};

/// Sums over the taps of some pixels, for all channels.
pub(super) struct Depthwise<'a> {
    pub x: &'a [f32],
    pub pixels: &'a [Pixel],
    /// Where the inputs of each begin, from a pixel's own.
    pub taps: &'a [usize],
    /// For each tap those of all channels.
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub end: End<'a>,
    pub out: &'a mut [f32],
}

impl Depthwise<'_> {
    pub fn run(self) {
        pulp::Arch::new().dispatch(self);
    }
}

impl WithSimd for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many sums at a time as the machine's registers hold.
        match S::F32_LANES {
            16 => self.sums::<S, 8, 2>(simd),
            8 => self.sums::<S, 4, 2>(simd),
            _ => self.sums::<S, 4, 4>(simd),
        }
    }
}

impl Depthwise<'_> {
    /// `ROWS` pixels and `N` vectors of channels at a time.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const N: usize>(self, simd: S) {
        let Self { x, pixels, taps, weights, bias, end, out } = self;
        let (channels, width) = (bias.len(), N * S::F32_LANES);
        for start in (0..channels).step_by(width) {
            let len = width.min(channels - start);
            for pixels in pixels.chunks(ROWS) {
                // A short tile repeats its last pixel.
                let mut inputs = [0; ROWS];
                for r in 0..ROWS {
                    inputs[r] = pixels[r.min(pixels.len() - 1)].input + start;
                }
                let mut tile = [[0.0; 2 * LANES]; ROWS];
                for sums in &mut tile {
                    sums[..len].copy_from_slice(&bias[start..][..len]);
                }
                let weights = weights.chunks_exact(channels).map(|weights| &weights[start..][..len]);
                // Apart, so that the many whole vectors are loaded without a question.
                if len == width {
                    add_taps::<S, ROWS, N>(simd, x, &inputs, taps.iter().zip(weights), &mut tile);
                } else {
                    for (tap, weights) in taps.iter().zip(weights) {
                        for (sums, input) in tile.iter_mut().zip(inputs) {
                            let values = &x[input + tap..][..len];
                            for ((sum, x), weight) in sums.iter_mut().zip(values).zip(weights) {
                                *sum += x * weight;
                            }
                        }
                    }
                }
                for (sums, pixel) in tile.iter_mut().zip(pixels) {
                    let at = pixel.output + start;
                    end.finish(&mut sums[..len], at);
                    out[at..][..len].copy_from_slice(&sums[..len]);
                }
            }
        }
    }
}

/// Of whole vectors.
#[allow(clippy::manual_memcpy, clippy::needless_range_loop)]
#[inline(always)]
fn add_taps<'a, S: Simd, const ROWS: usize, const N: usize>(
    simd: S,
    x: &[f32],
    inputs: &[usize; ROWS],
    taps: impl Iterator<Item = (&'a usize, &'a [f32])>,
    tile: &mut [[f32; 2 * LANES]; ROWS],
) {
    let width = N * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); N]; ROWS];
    for r in 0..ROWS {
        for c in 0..N {
            sums[r][c] = S::as_simd_f32s(&tile[r]).0[c];
        }
    }
    for (tap, weights) in taps {
        let mut vectors = [simd.splat_f32s(0.0); N];
        let weights = S::as_simd_f32s(&weights[..width]).0;
        for c in 0..N {
            vectors[c] = weights[c];
        }
        for r in 0..ROWS {
            let values = S::as_simd_f32s(&x[inputs[r] + tap..][..width]).0;
            for c in 0..N {
                sums[r][c] = simd.mul_add_e_f32s(values[c], vectors[c], sums[r][c]);
            }
        }
    }
    for r in 0..ROWS {
        for c in 0..N {
            S::as_mut_simd_f32s(&mut tile[r]).0[c] = sums[r][c];
        }
    }
}
