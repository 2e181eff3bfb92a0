//! Sums over wide windows, as products of Fourier transforms.
//!
//! The weights are real, so the real and the imaginary part of an array are summed apart: two arrays for the price of
//! one. They are even too, so their transform is real.

use std::sync::Arc;

use rayon::prelude::*;
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::lines::turn;
use super::rows::{cell, place, window_rows};
use super::{Boundary, Weighting};

/// Values of a task.
const TASK: usize = 1 << 12;

/// Sums by [`Weighting::InverseDistance`] over the windows of rasters of one shape.
pub(in crate::raster) struct Convolver {
    shape: Vec<usize>,
    /// With the empty cells that keep the edges apart.
    wide: Vec<usize>,
    forward: Vec<Arc<dyn Fft<f64>>>,
    back: Vec<Arc<dyn Fft<f64>>>,
    /// Transform of the weights, its first axis last, over the number of cells.
    weights: Vec<f64>,
}

impl Convolver {
    /// Prepares the weights: as much work as one array.
    pub fn new(shape: &[usize], window: usize, boundary: Boundary) -> Self {
        let window = boundary.reach(window, shape.iter().copied().max().unwrap_or(0));
        let wide: Vec<usize> = match boundary {
            Boundary::Torus => shape.to_vec(),
            Boundary::Plain => shape.iter().map(|side| smooth(side + window)).collect(),
        };
        let mut planner = FftPlanner::new();
        let forward = wide.iter().map(|&side| planner.plan_fft_forward(side)).collect();
        let back = wide.iter().map(|&side| planner.plan_fft_inverse(side)).collect();
        let mut convolver = Self { shape: shape.to_vec(), wide, forward, back, weights: Vec::new() };
        convolver.weights = convolver.transformed_weights(window);
        convolver
    }

    /// The weights of a whole window.
    pub fn whole(&self) -> f64 {
        self.weights[0] * self.weights.len() as f64
    }

    /// The shape of the rasters.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The sums of the real and of the imaginary parts of the values of all cells, the last axis fastest.
    pub fn sums(&self, value: impl Fn(usize) -> Complex<f64> + Sync) -> Vec<Complex<f64>> {
        let n_cells: usize = self.wide.iter().product();
        let side = *self.shape.last().expect("an axis");
        let rows: Vec<usize> = (0..self.shape.iter().product::<usize>() / side).map(|row| self.wide_row(row)).collect();
        let mut values = vec![Complex::default(); n_cells];
        // Rows are in rising order, so that each is filled where the one before ends.
        let mut left = &mut values[..];
        let mut from = 0;
        let mut parts = Vec::with_capacity(rows.len());
        for (row, &start) in rows.iter().enumerate() {
            let (part, rest) = std::mem::take(&mut left)[start - from..].split_at_mut(side);
            parts.push((row, part));
            (left, from) = (rest, start + side);
        }
        parts.into_par_iter().with_min_len(TASK.div_ceil(side)).for_each(|(row, part)| {
            part.iter_mut().enumerate().for_each(|(at, part)| *part = value(row * side + at));
        });
        self.weigh(&mut values);
        if self.wide == self.shape {
            return values;
        }
        rows.par_iter().flat_map_iter(|&start| values[start..start + side].iter().copied()).collect()
    }

    /// Where a row of the raster begins among the wide cells.
    fn wide_row(&self, row: usize) -> usize {
        let n_leading = self.shape.len() - 1;
        let place = place(&self.shape[..n_leading], row);
        cell(&self.wide[..n_leading], &place) * self.wide[n_leading]
    }

    fn transformed_weights(&self, window: usize) -> Vec<f64> {
        let n_cells: usize = self.wide.iter().product();
        let (&side, leading) = self.wide.split_last().expect("an axis");
        let by_distance = Weighting::InverseDistance.by_distance(window, self.wide.len());
        let mut weights = vec![Complex::default(); n_cells];
        for (row, squared) in window_rows(leading, 0, window, Boundary::Torus) {
            for offset in -(window as isize)..=window as isize {
                let at = offset.rem_euclid(side as isize) as usize;
                weights[row * side + at] += by_distance[squared + offset.unsigned_abs().pow(2)] / n_cells as f64;
            }
        }
        let mut turned = weights.clone();
        self.forward(&mut weights, &mut turned);
        transform(&mut weights, self.forward[0].as_ref());
        weights.into_iter().map(|weight| weight.re).collect()
    }

    /// Transforms along all axes but the first, which is left last.
    fn forward(&self, values: &mut Vec<Complex<f64>>, turned: &mut Vec<Complex<f64>>) {
        for fft in self.forward[1..].iter().rev() {
            transform(values, fft.as_ref());
            turn(values, fft.len(), turned);
            std::mem::swap(values, turned);
        }
    }

    /// Transforms, multiplies by the transform of the weights, and transforms back.
    fn weigh(&self, values: &mut Vec<Complex<f64>>) {
        let mut turned = vec![Complex::default(); values.len()];
        self.forward(values, &mut turned);
        let (forward, back) = (&self.forward[0], &self.back[0]);
        let task = task(forward.len());
        let n_scratch = forward.get_inplace_scratch_len().max(back.get_inplace_scratch_len());
        values.par_chunks_mut(task).zip(self.weights.par_chunks(task)).for_each_init(
            || vec![Complex::default(); n_scratch],
            |scratch, (lines, weights)| {
                forward.process_with_scratch(lines, scratch);
                lines.iter_mut().zip(weights).for_each(|(value, weight)| *value *= weight);
                back.process_with_scratch(lines, scratch);
            },
        );
        for fft in &self.back[1..] {
            turn(values, values.len() / fft.len(), &mut turned);
            std::mem::swap(values, &mut turned);
            transform(values, fft.as_ref());
        }
    }
}

/// Transforms every line of the last axis.
fn transform(values: &mut [Complex<f64>], fft: &dyn Fft<f64>) {
    let lines = values.par_chunks_mut(task(fft.len()));
    let scratch = || vec![Complex::default(); fft.get_inplace_scratch_len()];
    lines.for_each_init(scratch, |scratch, lines| fft.process_with_scratch(lines, scratch));
}

/// Values of a task of whole lines.
fn task(side: usize) -> usize {
    side * TASK.div_ceil(side)
}

/// The least number from `least` whose prime factors are 2, 3 and 5: such transforms are fast.
fn smooth(least: usize) -> usize {
    let is_smooth = |&n: &usize| {
        [2, 3, 5].iter().fold(n, |mut n, factor| {
            while n % factor == 0 {
                n /= factor;
            }
            n
        }) == 1
    };
    (least.max(1)..).find(is_smooth).expect("powers of two go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooth_lengths() {
        assert_eq!([1, 7, 11, 419, 420, 480].map(smooth), [1, 8, 12, 432, 432, 480]);
    }
}
