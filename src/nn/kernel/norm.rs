//! Layer norm and batch norm, with their gradients.

use rayon::prelude::*;

use super::math::{add, clamp, scale, sum, sum_of_products, vectorised};

/// Values of a task.
const BLOCK: usize = 1 << 14;

/// Rows of a task.
fn rows(channels: usize) -> usize {
    (BLOCK / channels).max(1)
}

/// Mean of a row and one over its standard deviation.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row, |value| value) / n;
    let variance = sum(row, |value| (value - mean) * (value - mean)) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// Normalises rows as long as `weight`.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32) -> Vec<f32> {
    let channels = weight.len();
    let mut out = vec![0.0; x.len()];
    let size = rows(channels) * channels;
    out.par_chunks_mut(size).zip(x.par_chunks(size)).for_each(|(out, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    let (mean, scale) = moments(x, eps);
                    for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
                        *out = (x - mean) * scale * weight + bias;
                    }
                }
            },
        );
    });
    out
}

/// Gradients of the rows, the weight and the bias.
pub fn layer_norm_gradients(x: &[f32], weight: &[f32], gradient: &[f32], eps: f32) -> [Vec<f32>; 3] {
    let channels = weight.len();
    let mut out = vec![0.0; x.len()];
    let size = rows(channels) * channels;
    let blocks = out.par_chunks_mut(size).zip(x.par_chunks(size)).zip(gradient.par_chunks(size));
    let parts: Vec<[Vec<f32>; 2]> = blocks
        .map(|((out, x), gradient)| {
            let mut sums = [vec![0.0; channels], vec![0.0; channels]];
            let mut weighted = vec![0.0; channels];
            vectorised(
                #[inline(always)]
                || {
                    let rows = x.chunks_exact(channels).zip(gradient.chunks_exact(channels));
                    for (out, (x, gradient)) in out.chunks_exact_mut(channels).zip(rows) {
                        let (mean, scale) = moments(x, eps);
                        let [weights, biases] = &mut sums;
                        // First the normalised row, then the gradient.
                        for (((out, x), gradient), (w, b)) in
                            out.iter_mut().zip(x).zip(gradient).zip(weights.iter_mut().zip(biases))
                        {
                            *out = (x - mean) * scale;
                            *w += gradient * *out;
                            *b += gradient;
                        }
                        let n = channels as f32;
                        for ((to, gradient), weight) in weighted.iter_mut().zip(gradient).zip(weight) {
                            *to = gradient * weight;
                        }
                        let level = sum(&weighted, |value| value) / n;
                        let along = sum_of_products(&weighted, out) / n;
                        for (out, gradient) in out.iter_mut().zip(&weighted) {
                            *out = scale * (gradient - level - *out * along);
                        }
                    }
                },
            );
            sums
        })
        .collect();
    let mut sums = [vec![0.0; channels], vec![0.0; channels]];
    for part in &parts {
        for (sums, part) in sums.iter_mut().zip(part) {
            add(sums, part);
        }
    }
    let [weights, biases] = sums;
    [out, weights, biases]
}

/// Mean and variance of each channel, over all pixels.
pub fn channel_moments(x: &[f32], channels: usize) -> [Vec<f32>; 2] {
    let size = 4 * rows(channels) * channels;
    let n = x.len() / channels;
    let means_of = |block: &[f32]| {
        let mut means = vec![0.0; channels];
        let mut squares = vec![0.0; channels];
        vectorised(
            #[inline(always)]
            || {
                for row in block.chunks_exact(channels) {
                    add(&mut means, row);
                }
                scale(&mut means, channels as f32 / block.len() as f32);
                for row in block.chunks_exact(channels) {
                    for ((square, value), mean) in squares.iter_mut().zip(row).zip(&means) {
                        *square += (value - mean) * (value - mean);
                    }
                }
            },
        );
        (block.len() / channels, means, squares)
    };
    let parts: Vec<_> = x.par_chunks(size).map(means_of).collect();
    let channel = |c: usize| {
        // Two means are joined as in Chan, Golub and LeVeque, 1979.
        let (mut count, mut mean, mut square) = (0.0, 0.0, 0.0);
        for (rows, means, squares) in &parts {
            let (rows, distance) = (*rows as f64, f64::from(means[c]) - mean);
            square += f64::from(squares[c]) + distance * distance * count * rows / (count + rows);
            mean += distance * rows / (count + rows);
            count += rows;
        }
        (mean as f32, (square / n as f64) as f32)
    };
    let (means, variances) = (0..channels).map(channel).unzip();
    [means, variances]
}

/// Batch norm with given moments: what is not a channel's own.
pub struct Scaled<'a> {
    pub x: &'a [f32],
    /// Of each channel.
    pub means: &'a [f32],
    /// One over the standard deviations.
    pub scales: &'a [f32],
    pub weight: &'a [f32],
    pub bounds: [f32; 2],
}

impl Scaled<'_> {
    /// The outputs.
    pub fn forward(&self, bias: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
        let channels = self.weight.len();
        let factors: Vec<f32> = self.scales.iter().zip(self.weight).map(|(scale, weight)| scale * weight).collect();
        let mut out = vec![0.0; self.x.len()];
        let size = rows(channels) * channels;
        out.par_chunks_mut(size).zip(self.x.par_chunks(size)).enumerate().for_each(|(i, (out, x))| {
            vectorised(
                #[inline(always)]
                || {
                    for (row, (out, x)) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).enumerate() {
                        for c in 0..channels.min(out.len()).min(x.len()) {
                            out[c] = (x[c] - self.means[c]) * factors[c] + bias[c];
                        }
                        if let Some(residual) = residual {
                            add(out, &residual[i * size + row * channels..][..channels]);
                        }
                        clamp(out, self.bounds);
                    }
                },
            );
        });
        out
    }

    /// Gradients of the inputs, the weight and the bias, from that of the outputs before the bounds; `moving` says whether
    /// the moments are those of the inputs and change with them.
    pub fn gradients(&self, gradient: &[f32], moving: bool) -> [Vec<f32>; 3] {
        let channels = self.weight.len();
        let size = rows(channels) * channels;
        let parts: Vec<[Vec<f32>; 2]> = self
            .x
            .par_chunks(size)
            .zip(gradient.par_chunks(size))
            .map(|(x, gradient)| {
                let [mut weights, mut biases] = [vec![0.0; channels], vec![0.0; channels]];
                vectorised(
                    #[inline(always)]
                    || {
                        for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact(channels)) {
                            let sums = weights.iter_mut().zip(biases.iter_mut());
                            for (((x, gradient), mean), (w, b)) in x.iter().zip(gradient).zip(self.means).zip(sums) {
                                *w += gradient * (x - mean);
                                *b += gradient;
                            }
                        }
                    },
                );
                [weights, biases]
            })
            .collect();
        let total = |i: usize, c: usize| parts.iter().map(|part| f64::from(part[i][c])).sum::<f64>() as f32;
        let weights: Vec<f32> = (0..channels).map(|c| total(0, c) * self.scales[c]).collect();
        let biases: Vec<f32> = (0..channels).map(|c| total(1, c)).collect();
        let n = if moving { (self.x.len() / channels) as f32 } else { f32::INFINITY };
        let levels: Vec<f32> = biases.iter().map(|bias| bias / n).collect();
        let slopes: Vec<f32> = weights.iter().zip(self.scales).map(|(weight, scale)| weight * scale / n).collect();
        let factors: Vec<f32> = self.scales.iter().zip(self.weight).map(|(scale, weight)| scale * weight).collect();
        let mut out = vec![0.0; self.x.len()];
        let blocks = out.par_chunks_mut(size).zip(self.x.par_chunks(size)).zip(gradient.par_chunks(size));
        blocks.for_each(|((out, x), gradient)| {
            vectorised(
                #[inline(always)]
                || {
                    let rows = x.chunks_exact(channels).zip(gradient.chunks_exact(channels));
                    for (out, (x, gradient)) in out.chunks_exact_mut(channels).zip(rows) {
                        let given = x.iter().zip(gradient).zip(self.means.iter().zip(&factors));
                        let found = levels.iter().zip(&slopes);
                        for ((out, ((x, gradient), (mean, factor))), (level, slope)) in
                            out.iter_mut().zip(given).zip(found)
                        {
                            *out = factor * (gradient - level - (x - mean) * slope);
                        }
                    }
                },
            );
        });
        [out, weights, biases]
    }
}
