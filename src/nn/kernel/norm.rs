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

/// Rows side by side that are one row to batch norm: enough values for loops over whole vectors.
fn abreast(channels: usize) -> usize {
    (128 / channels).max(1)
}

/// Sums of the channels from those of rows abreast.
fn folded(sums: &[f32], channels: usize) -> Vec<f32> {
    let mut out = vec![0.0; channels];
    sums.chunks_exact(channels).for_each(|sums| add(&mut out, sums));
    out
}

/// Mean and variance of each channel, over all pixels.
#[allow(clippy::needless_range_loop)]
pub fn channel_moments(x: &[f32], channels: usize) -> [Vec<f32>; 2] {
    let width = abreast(channels) * channels;
    let n = x.len() / channels;
    let means_of = |block: &[f32]| {
        let [mut sums, mut squares] = [vec![0.0; width], vec![0.0; width]];
        let means = vectorised(
            #[inline(always)]
            || {
                for row in block.chunks(width) {
                    add(&mut sums, row);
                }
                let mut means = folded(&sums, channels);
                scale(&mut means, channels as f32 / block.len() as f32);
                let abreast = means.repeat(width / channels);
                for row in block.chunks(width) {
                    let (squares, means) = (&mut squares[..row.len()], &abreast[..row.len()]);
                    for c in 0..row.len() {
                        squares[c] += (row[c] - means[c]) * (row[c] - means[c]);
                    }
                }
                means
            },
        );
        (block.len() / channels, means, folded(&squares, channels))
    };
    let parts: Vec<_> = x.par_chunks(4 * rows(width) * width).map(means_of).collect();
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

/// Batch norm with given moments.
pub struct Scaled<'a> {
    x: &'a [f32],
    channels: usize,
    bounds: [f32; 2],
    // Of each channel, for rows abreast.
    means: Vec<f32>,
    /// One over the standard deviations.
    scales: Vec<f32>,
    /// Scales times weights.
    factors: Vec<f32>,
    bias: Vec<f32>,
}

impl<'a> Scaled<'a> {
    /// Of rows `x` with means and one over the standard deviations of each channel, then weights and biases, and bounds.
    pub fn new(x: &'a [f32], [means, scales]: [&[f32]; 2], [weight, bias]: [&[f32]; 2], bounds: [f32; 2]) -> Self {
        let channels = means.len();
        let factors: Vec<f32> = scales.iter().zip(weight).map(|(scale, weight)| scale * weight).collect();
        let [means, scales, factors, bias] =
            [means, scales, &factors, bias].map(|values| values.repeat(abreast(channels)));
        Self { x, channels, bounds, means, scales, factors, bias }
    }

    /// Values of a task.
    fn size(&self) -> usize {
        rows(self.means.len()) * self.means.len()
    }

    /// The outputs.
    #[allow(clippy::needless_range_loop)]
    pub fn forward(&self, residual: Option<&[f32]>) -> Vec<f32> {
        let (width, size) = (self.means.len(), self.size());
        let mut out = vec![0.0; self.x.len()];
        out.par_chunks_mut(size).enumerate().for_each(|(i, out)| {
            vectorised(
                #[inline(always)]
                || {
                    for (row, out) in out.chunks_mut(width).enumerate() {
                        let (first, n) = (i * size + row * width, out.len());
                        let (x, means) = (&self.x[first..][..n], &self.means[..n]);
                        let (factors, bias) = (&self.factors[..n], &self.bias[..n]);
                        for c in 0..n {
                            out[c] = (x[c] - means[c]) * factors[c] + bias[c];
                        }
                        if let Some(residual) = residual {
                            add(out, &residual[first..][..n]);
                        }
                        clamp(out, self.bounds);
                    }
                },
            );
        });
        out
    }

    /// Gradients of the inputs, the weight and the bias, from that of the outputs without a residual; `moving` says whether
    /// the moments are those of the inputs and change with them.
    pub fn gradients(&self, gradient: &[f32], moving: bool) -> [Vec<f32>; 3] {
        let (width, size) = (self.means.len(), self.size());
        let parts: Vec<[Vec<f32>; 2]> = self
            .x
            .par_chunks(size)
            .zip(gradient.par_chunks(size))
            .map(|(x, gradient)| {
                let mut sums = [vec![0.0; width], vec![0.0; width]];
                vectorised(
                    #[inline(always)]
                    || {
                        for (x, gradient) in x.chunks(width).zip(gradient.chunks(width)) {
                            self.add_gradients(x, gradient, &mut sums);
                        }
                    },
                );
                sums
            })
            .collect();
        let total = |i: usize, c: usize| {
            let sums = parts.iter().flat_map(|part| part[i].iter().skip(c).step_by(self.channels));
            sums.map(|sum| f64::from(*sum)).sum::<f64>() as f32
        };
        let weights: Vec<f32> = (0..self.channels).map(|c| total(0, c) * self.scales[c]).collect();
        let biases: Vec<f32> = (0..self.channels).map(|c| total(1, c)).collect();
        let n = if moving { (self.x.len() / self.channels) as f32 } else { f32::INFINITY };
        let levels: Vec<f32> = biases.iter().map(|bias| bias / n).collect();
        let slopes: Vec<f32> = weights.iter().zip(&self.scales).map(|(weight, scale)| weight * scale / n).collect();
        let [levels, slopes] = [levels, slopes].map(|values| values.repeat(width / self.channels));
        let mut out = vec![0.0; self.x.len()];
        let blocks = out.par_chunks_mut(size).zip(self.x.par_chunks(size)).zip(gradient.par_chunks(size));
        blocks.for_each(|((out, x), gradient)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((out, x), gradient) in out.chunks_mut(width).zip(x.chunks(width)).zip(gradient.chunks(width)) {
                        self.input_gradients(x, gradient, [&levels, &slopes], out);
                    }
                },
            );
        });
        [out, weights, biases]
    }

    /// Adds the gradients of a row to those of the weights, times the standard deviations, and of the biases.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn add_gradients(&self, x: &[f32], gradient: &[f32], [weights, biases]: &mut [Vec<f32>; 2]) {
        let n = x.len();
        let (gradient, weights, biases) = (&gradient[..n], &mut weights[..n], &mut biases[..n]);
        let (means, factors, bias) = (&self.means[..n], &self.factors[..n], &self.bias[..n]);
        for c in 0..n {
            let centred = x[c] - means[c];
            let gradient = self.before_bounds(centred * factors[c] + bias[c], gradient[c]);
            weights[c] += gradient * centred;
            biases[c] += gradient;
        }
    }

    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn input_gradients(&self, x: &[f32], gradient: &[f32], [levels, slopes]: [&[f32]; 2], out: &mut [f32]) {
        let n = out.len();
        let (x, gradient, levels, slopes) = (&x[..n], &gradient[..n], &levels[..n], &slopes[..n]);
        let (means, factors, bias) = (&self.means[..n], &self.factors[..n], &self.bias[..n]);
        for c in 0..n {
            let centred = x[c] - means[c];
            let gradient = self.before_bounds(centred * factors[c] + bias[c], gradient[c]);
            out[c] = factors[c] * (gradient - levels[c] - centred * slopes[c]);
        }
    }

    #[inline(always)]
    fn before_bounds(&self, value: f32, gradient: f32) -> f32 {
        if value > self.bounds[0] && value < self.bounds[1] { gradient } else { 0.0 }
    }
}
