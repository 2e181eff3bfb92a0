//! A clustering head: two layers to a point on the sphere, whose cosines with the clusters' directions decide.

use super::super::adam::Parameter;
use super::super::classifier::{Head, Layer, Then};
use super::super::standard::Standard;
use crate::distance::product;
use crate::nn::{Activation, activate, activation_gradient, exp, vectorised};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// What cosines are divided by before the softmax.
const TEMPERATURE: f32 = 0.1;
/// Standard deviation of the first weights.
const DEVIATION: f32 = 0.02;
/// Weight decay of the training.
const DECAY: f32 = 1e-4;

/// The trained matrices; biases are columns.
#[derive(Clone)]
pub(super) struct Network {
    hidden: Parameter,
    hidden_bias: Parameter,
    sphere: Parameter,
    sphere_bias: Parameter,
    /// The clusters' directions, of any length.
    directions: Parameter,
}

/// What a batch became on its way through.
pub(super) struct Pass {
    /// Of the first layer, before and after GELU.
    before: Array2<f32>,
    hidden: Array2<f32>,
    /// Of the second, of unit length, and what the lengths were.
    points: Array2<f32>,
    lengths: Array2<f32>,
    /// The clusters' directions of unit length, and their lengths.
    directions: Array2<f32>,
    direction_lengths: Array2<f32>,
    /// The logarithms of the clusters' probabilities, shape (n_rows, n_clusters).
    pub logs: Array2<f32>,
}

impl Network {
    /// Of so many features, hidden units, dimensions of the sphere, and clusters.
    pub fn random([n_features, hidden, sphere, n_clusters]: [usize; 4], rng: &mut ChaCha8Rng) -> Self {
        let normal = Normal::new(0.0, DEVIATION).expect("a deviation above 0");
        let mut weights = |shape| Parameter::new(Array2::from_shape_simple_fn(shape, || normal.sample(rng)));
        let bias = |n| Parameter::new(Array2::zeros((n, 1)));
        Self {
            hidden: weights((hidden, n_features)),
            hidden_bias: bias(hidden),
            sphere: weights((sphere, hidden)),
            sphere_bias: bias(sphere),
            directions: weights((n_clusters, sphere)),
        }
    }

    fn parameters(&mut self) -> [&mut Parameter; 5] {
        [&mut self.hidden, &mut self.hidden_bias, &mut self.sphere, &mut self.sphere_bias, &mut self.directions]
    }

    /// Moves by a share of the way to another of the same shape.
    pub fn follow(&mut self, other: &Self, share: f32) {
        let Self { hidden, hidden_bias, sphere, sphere_bias, directions } = other;
        let others = [hidden, hidden_bias, sphere, sphere_bias, directions];
        for (own, other) in self.parameters().into_iter().zip(others) {
            own.values.zip_mut_with(&other.values, |own, other| *own += share * (other - *own));
        }
    }

    pub fn forward(&self, rows: ArrayView2<'_, f32>) -> Pass {
        let before = affine(rows, &self.hidden, &self.hidden_bias);
        let mut hidden = before.clone();
        activate(Activation::Gelu, hidden.as_slice_mut().expect("standard layout"));
        let (points, lengths) = unit(affine(hidden.view(), &self.sphere, &self.sphere_bias));
        let (directions, direction_lengths) = unit(self.directions.values.clone());
        let mut logs = product(points.view(), directions.t());
        log_softmax(&mut logs);
        Pass { before, hidden, points, lengths, directions, direction_lengths, logs }
    }

    /// A step against the gradient, given by that of the softmax's arguments.
    pub fn step(&mut self, rows: ArrayView2<'_, f32>, pass: Pass, slopes: Array2<f32>, rate: f32) {
        let gradients = self.gradients(rows, pass, slopes);
        for (parameter, gradient) in self.parameters().into_iter().zip(&gradients) {
            parameter.step(gradient, rate, DECAY);
        }
    }

    fn gradients(&self, rows: ArrayView2<'_, f32>, pass: Pass, slopes: Array2<f32>) -> [Array2<f32>; 5] {
        let cosines = slopes / TEMPERATURE;
        let directions = product(cosines.t(), pass.points.view());
        let directions = unit_gradient(directions, &pass.directions, &pass.direction_lengths);
        let points = product(cosines.view(), pass.directions.view());
        let points = unit_gradient(points, &pass.points, &pass.lengths);
        let sphere = product(points.t(), pass.hidden.view());
        let mut hidden = product(points.view(), self.sphere.values.view());
        let values = hidden.as_slice_mut().expect("standard layout");
        activation_gradient(Activation::Gelu, pass.before.as_slice().expect("standard layout"), values);
        let bias = |slopes: &Array2<f32>| slopes.sum_axis(Axis(0)).insert_axis(Axis(1));
        [product(hidden.t(), rows), bias(&hidden), sphere, bias(&points), directions]
    }

    /// The network for rows as they came.
    pub fn head(&self, standard: &Standard) -> Head {
        let (weights, bias) = standard.undo(&self.hidden.values, &self.hidden_bias.values.column(0).to_owned());
        let directions = unit(self.directions.values.clone()).0 / TEMPERATURE;
        let bias_of_sphere = self.sphere_bias.values.column(0).to_owned();
        Head {
            layers: vec![
                Layer { weights, bias, then: Then::Gelu },
                Layer { weights: self.sphere.values.clone(), bias: bias_of_sphere, then: Then::Unit },
                Layer { bias: Array1::zeros(directions.nrows()), weights: directions, then: Then::Linear },
            ],
        }
    }
}

fn affine(rows: ArrayView2<'_, f32>, weights: &Parameter, bias: &Parameter) -> Array2<f32> {
    let mut out = product(rows, weights.values.t());
    out += &bias.values.t();
    out
}

/// Rows of unit length, and their lengths as a column, none of them 0.
fn unit(mut rows: Array2<f32>) -> (Array2<f32>, Array2<f32>) {
    let length = |row: ndarray::ArrayView1<'_, f32>| row.dot(&row).sqrt().max(f32::MIN_POSITIVE);
    let lengths = rows.map_axis(Axis(1), length).insert_axis(Axis(1));
    rows /= &lengths;
    (rows, lengths)
}

/// The gradient before rows were brought to unit length.
fn unit_gradient(mut slopes: Array2<f32>, units: &Array2<f32>, lengths: &Array2<f32>) -> Array2<f32> {
    for ((mut slope, unit), length) in slopes.outer_iter_mut().zip(units.outer_iter()).zip(lengths) {
        let along = slope.dot(&unit);
        slope.zip_mut_with(&unit, |slope, unit| *slope = (*slope - along * unit) / length);
    }
    slopes
}

/// Of cosines by rows: the logarithms of the softmax at the temperature.
fn log_softmax(cosines: &mut Array2<f32>) {
    // Cosines are so near to 0 that no exponential overflows.
    cosines.mapv_inplace(|v| v / TEMPERATURE);
    let mut exponentials = cosines.clone();
    exponentials_of(&mut exponentials);
    let sums = exponentials.sum_axis(Axis(1)).mapv(f32::ln).insert_axis(Axis(1));
    *cosines -= &sums;
}

/// The exponential of every value.
pub(super) fn exponentials_of(values: &mut Array2<f32>) {
    let values = values.as_slice_mut().expect("standard layout");
    vectorised(
        #[inline(always)]
        || {
            for value in values {
                *value = exp(*value);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let rows = Array2::from_shape_simple_fn((6, 3), || 2.0 * rng.random::<f32>() - 1.0);
        let targets = Array2::from_shape_simple_fn((6, 4), || rng.random::<f32>());
        let mut network = Network::random([3, 5, 4, 4], &mut rng);
        network.parameters().into_iter().for_each(|p| p.values.mapv_inplace(|v| v * 20.0 + 0.1));
        // The loss is the sum of the logarithms, each times its target.
        let loss = |network: &Network| (&network.forward(rows.view()).logs * &targets).mapv(f64::from).sum();
        let pass = network.forward(rows.view());
        let sums = targets.sum_axis(Axis(1)).insert_axis(Axis(1));
        let slopes = &targets - &(pass.logs.mapv(f32::exp) * &sums);
        let gradients = network.gradients(rows.view(), pass, slopes);
        for (which, gradient) in gradients.iter().enumerate() {
            for (place, &found) in gradient.indexed_iter() {
                let moved = |by: f32| {
                    let mut network = network.clone();
                    network.parameters()[which].values[place] += by;
                    loss(&network)
                };
                let expected = (moved(2e-3) - moved(-2e-3)) / 4e-3;
                let error = (f64::from(found) - expected).abs();
                assert!(error < 0.01 * expected.abs() + 0.02, "{which} {place:?}: {found} {expected}");
            }
        }
    }
}
