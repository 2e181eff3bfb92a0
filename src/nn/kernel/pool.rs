//! Pooling and upsampling, with their gradients.

use rayon::prelude::*;

use super::geometry::Geometry;
use super::math::{add, scale, vectorised};

/// Visits, for each output pixel, the inputs within the image under it.
#[inline(always)]
fn visit(geometry: &Geometry, row: usize, mut under: impl FnMut(usize, usize)) {
    let ([height, width, _], columns) = (geometry.input, geometry.output[1]);
    let inside = |at: usize, axis: usize, offset: isize, size: usize| {
        let place = (at * geometry.lattices[axis][0].stride) as isize + offset;
        (0..size as isize).contains(&place).then_some(place as usize)
    };
    for column in 0..columns {
        for y in geometry.lattices[0][0].taps.iter().filter_map(|tap| inside(row, 0, tap.offset, height)) {
            for x in geometry.lattices[1][0].taps.iter().filter_map(|tap| inside(column, 1, tap.offset, width)) {
                under(column, y * width + x);
            }
        }
    }
}

/// The greatest value under each place of a window.
#[allow(clippy::needless_range_loop)]
pub fn max_pool(geometry: &Geometry, x: &[f32]) -> Vec<f32> {
    let ([rows, columns, channels], image) = (geometry.output, geometry.input.iter().product::<usize>());
    let mut out = vec![f32::NEG_INFINITY; geometry.n_outputs()];
    out.par_chunks_mut((columns * channels).max(1)).enumerate().for_each(|(i, out)| {
        let x = &x[i / rows * image..][..image];
        vectorised(
            #[inline(always)]
            || {
                visit(
                    geometry,
                    i % rows,
                    #[inline(always)]
                    |column, pixel| {
                        let (out, x) = (&mut out[column * channels..][..channels], &x[pixel * channels..][..channels]);
                        for c in 0..channels {
                            out[c] = if out[c] >= x[c] { out[c] } else { x[c] };
                        }
                    },
                );
            },
        );
    });
    out
}

/// The gradient of the inputs: the first that is the greatest has it.
#[allow(clippy::needless_range_loop)]
pub fn max_pool_gradient(geometry: &Geometry, x: &[f32], y: &[f32], gradient: &[f32]) -> Vec<f32> {
    let ([rows, columns, channels], image) = (geometry.output, geometry.input.iter().product::<usize>());
    let size = rows * columns * channels;
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(image.max(1)).enumerate().for_each(|(i, out)| {
        let x = &x[i * image..][..image];
        let mut left = vec![0.0; columns * channels];
        vectorised(
            #[inline(always)]
            || {
                for row in 0..rows {
                    let first = i * size + row * columns * channels;
                    let y = &y[first..][..columns * channels];
                    left.copy_from_slice(&gradient[first..][..columns * channels]);
                    visit(
                        geometry,
                        row,
                        #[inline(always)]
                        |column, pixel| {
                            let (at, under) = (column * channels, pixel * channels);
                            let (y, left) = (&y[at..][..channels], &mut left[at..][..channels]);
                            let (x, out) = (&x[under..][..channels], &mut out[under..][..channels]);
                            for c in 0..channels {
                                let taken = if x[c] == y[c] { left[c] } else { 0.0 };
                                out[c] += taken;
                                left[c] -= taken;
                            }
                        },
                    );
                }
            },
        );
    });
    out
}

/// The mean of each image's pixels.
pub fn pixel_means(x: &[f32], n: usize, channels: usize) -> Vec<f32> {
    let size = x.len() / n.max(1);
    let mut out = vec![0.0; n * channels];
    out.par_chunks_mut(channels.max(1)).zip(x.par_chunks(size.max(1))).for_each(|(out, image)| {
        vectorised(
            #[inline(always)]
            || {
                for pixel in image.chunks_exact(channels) {
                    add(out, pixel);
                }
                scale(out, channels as f32 / size as f32);
            },
        );
    });
    out
}

/// Each pixel of rows of `width` pixels four times.
pub fn upsample(x: &[f32], width: usize, channels: usize) -> Vec<f32> {
    let mut out = vec![0.0; 4 * x.len()];
    let row = width * channels;
    out.par_chunks_mut((4 * row).max(1)).zip(x.par_chunks(row.max(1))).for_each(|(out, x)| {
        for out in out.chunks_exact_mut(2 * row) {
            for (out, pixel) in out.chunks_exact_mut(2 * channels).zip(x.chunks_exact(channels)) {
                out[..channels].copy_from_slice(pixel);
                out[channels..].copy_from_slice(pixel);
            }
        }
    });
    out
}

/// The sum over each four pixels; `width` and the result are those before upsampling.
pub fn upsample_gradient(gradient: &[f32], width: usize, channels: usize) -> Vec<f32> {
    let mut out = vec![0.0; gradient.len() / 4];
    let row = width * channels;
    out.par_chunks_mut(row.max(1)).zip(gradient.par_chunks((4 * row).max(1))).for_each(|(out, gradient)| {
        vectorised(
            #[inline(always)]
            || {
                for four in gradient.chunks_exact(2 * row) {
                    for (out, two) in out.chunks_exact_mut(channels).zip(four.chunks_exact(2 * channels)) {
                        let (left, right) = two.split_at(channels);
                        for ((out, left), right) in out.iter_mut().zip(left).zip(right) {
                            *out += left + right;
                        }
                    }
                }
            },
        );
    });
    out
}
