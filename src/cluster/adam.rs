//! Trained matrices.

use crate::nn::vectorised;
use ndarray::Array2;

/// Of the mean gradient and of the mean squared one, what stays after a step; and what keeps a division possible.
const FIRST: f32 = 0.9;
const SECOND: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// A matrix trained by Adam (D. Kingma and J. Ba, 2015), its weight decay apart (I. Loshchilov and F. Hutter, 2019).
#[derive(Clone)]
pub(super) struct Parameter {
    pub values: Array2<f32>,
    first: Array2<f32>,
    second: Array2<f32>,
    n_steps: i32,
}

impl Parameter {
    pub fn new(values: Array2<f32>) -> Self {
        let zeros = Array2::zeros(values.dim());
        Self { values, first: zeros.clone(), second: zeros, n_steps: 0 }
    }

    /// A step against the gradient, in standard layout.
    pub fn step(&mut self, gradient: &Array2<f32>, rate: f32, decay: f32) {
        self.n_steps += 1;
        let rate_of_first = rate / (1.0 - FIRST.powi(self.n_steps));
        let of_second = 1.0 / (1.0 - SECOND.powi(self.n_steps));
        let n = gradient.len();
        let gradient = &gradient.as_slice().expect("standard layout")[..n];
        let values = &mut self.values.as_slice_mut().expect("standard layout")[..n];
        let first = &mut self.first.as_slice_mut().expect("standard layout")[..n];
        let second = &mut self.second.as_slice_mut().expect("standard layout")[..n];
        vectorised(
            #[inline(always)]
            || {
                for i in 0..n {
                    let slope = gradient[i];
                    first[i] = FIRST * first[i] + (1.0 - FIRST) * slope;
                    second[i] = SECOND * second[i] + (1.0 - SECOND) * slope * slope;
                    let step = rate_of_first * first[i] / ((second[i] * of_second).sqrt() + EPSILON);
                    values[i] -= step + rate * decay * values[i];
                }
            },
        );
    }
}
