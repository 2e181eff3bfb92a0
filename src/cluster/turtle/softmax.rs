//! A linear softmax over clusters, and its training.

use super::super::adam::Parameter;
use crate::distance::Packed;
use crate::nn::{exp, vectorised};
use ndarray::{Array2, ArrayView2, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows whose gradients are summed one after the other. Fixed, so that sums don't depend on the number of threads.
const STRIPE: usize = 1024;

/// Rows of a space, laid out for the products with weights and with gradients.
pub(super) struct Batch {
    pub stripes: Vec<Stripe>,
    pub n_samples: usize,
}

/// Some rows, as the rows and as the columns of a matrix.
pub(super) struct Stripe {
    rows: Packed<f32>,
    columns: Packed<f32>,
}

impl Batch {
    pub fn new(space: ArrayView2<'_, f32>, chosen: &[usize]) -> Self {
        let stripe = |chosen: &[usize]| {
            let rows = space.select(Axis(0), chosen);
            Stripe { rows: Packed::new(rows.view()), columns: Packed::new(rows.t()) }
        };
        Self { stripes: chosen.par_chunks(STRIPE).map(stripe).collect(), n_samples: chosen.len() }
    }
}

/// By stripe of a batch, the clusters' probabilities of its rows, shape (n_clusters, n_rows).
pub(super) type Probabilities = Vec<Array2<f32>>;

/// The targets of labelled rows: all probability on the label.
pub(super) fn one_hot(labels: &[usize], n_clusters: usize) -> Probabilities {
    let stripe =
        |labels: &[usize]| Array2::from_shape_fn((n_clusters, labels.len()), |(c, row)| f32::from(labels[row] == c));
    labels.chunks(STRIPE).map(stripe).collect()
}

/// Weights, shape (n_clusters, n_features), and bias, a column.
#[derive(Clone)]
pub(super) struct Linear {
    pub weights: Parameter,
    pub bias: Parameter,
}

impl Linear {
    /// Uniform between plus and minus 1 over the root of the number of features.
    pub fn random((n_clusters, n_features): (usize, usize), rng: &mut ChaCha8Rng) -> Self {
        let bound = 1.0 / (n_features as f32).sqrt();
        let mut matrix = |n| {
            Parameter::new(Array2::from_shape_simple_fn((n_clusters, n), || bound * (2.0 * rng.random::<f32>() - 1.0)))
        };
        Self { weights: matrix(n_features), bias: matrix(1) }
    }

    /// All zero.
    pub fn zero((n_clusters, n_features): (usize, usize)) -> Self {
        let matrix = |n| Parameter::new(Array2::zeros((n_clusters, n)));
        Self { weights: matrix(n_features), bias: matrix(1) }
    }

    /// A step towards the targets.
    pub fn step(&mut self, batch: &Batch, targets: &Probabilities, rate: f32) {
        let (weights, bias) = self.gradients(batch, targets);
        self.weights.step(&weights, rate, 0.0);
        self.bias.step(&bias, rate, 0.0);
    }

    /// Those of the mean cross-entropy with the targets.
    fn gradients(&self, batch: &Batch, targets: &Probabilities) -> (Array2<f32>, Array2<f32>) {
        let share = 1.0 / batch.n_samples as f32;
        let of_stripe = |(stripe, target): (&Stripe, &Array2<f32>)| {
            let mut slopes = probabilities(stripe, &self.weights.values, &self.bias.values);
            slopes -= target;
            slopes *= share;
            gradient(stripe, &slopes)
        };
        summed(batch.stripes.par_iter().zip(targets).map(of_stripe).collect())
    }

    pub fn probabilities(&self, batch: &Batch) -> Probabilities {
        let of_stripe = |stripe| probabilities(stripe, &self.weights.values, &self.bias.values);
        batch.stripes.par_iter().map(of_stripe).collect()
    }
}

/// The softmax of an affine map of some rows.
pub(super) fn probabilities(stripe: &Stripe, weights: &Array2<f32>, bias: &Array2<f32>) -> Array2<f32> {
    let mut logits = stripe.columns.product(weights.view());
    logits += bias;
    softmax(&mut logits);
    logits
}

/// The gradient of weights and bias from that of the map's outputs.
pub(super) fn gradient(stripe: &Stripe, slopes: &Array2<f32>) -> (Array2<f32>, Array2<f32>) {
    (stripe.rows.product(slopes.view()), slopes.sum_axis(Axis(1)).insert_axis(Axis(1)))
}

/// The sum of the stripes' gradients.
pub(super) fn summed(stripes: Vec<(Array2<f32>, Array2<f32>)>) -> (Array2<f32>, Array2<f32>) {
    stripes.into_iter().reduce(|a, b| (a.0 + b.0, a.1 + b.1)).expect("a batch has rows")
}

/// The softmax of each column.
fn softmax(logits: &mut Array2<f32>) {
    let n = logits.ncols();
    let (mut most, mut sums) = (vec![f32::NEG_INFINITY; n], vec![0.0; n]);
    let values = logits.as_slice_mut().expect("standard layout");
    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    vectorised(
        #[inline(always)]
        || {
            let (most, sums) = (&mut most[..n], &mut sums[..n]);
            for row in values.chunks_exact(n) {
                for i in 0..n {
                    most[i] = if row[i] > most[i] { row[i] } else { most[i] };
                }
            }
            for row in values.chunks_exact_mut(n) {
                for i in 0..n {
                    row[i] = exp(row[i] - most[i]);
                    sums[i] += row[i];
                }
            }
            for i in 0..n {
                sums[i] = 1.0 / sums[i];
            }
            for row in values.chunks_exact_mut(n) {
                for i in 0..n {
                    row[i] *= sums[i];
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let n = STRIPE + 3;
        let rows = Array2::from_shape_simple_fn((n, 4), || 2.0 * rng.random::<f32>() - 1.0);
        let targets = one_hot(&(0..n).map(|row| row % 3).collect::<Vec<_>>(), 3);
        let batch = Batch::new(rows.view(), &(0..n).collect::<Vec<_>>());
        let learner = Linear::random((3, 4), &mut rng);
        let loss = |learner: &Linear| -> f64 {
            let found = learner.probabilities(&batch);
            let own = found
                .iter()
                .zip(&targets)
                .map(|(p, t)| p.iter().zip(t).map(|(p, t)| -f64::from(*t) * f64::from(*p).ln()).sum::<f64>());
            own.sum::<f64>() / n as f64
        };
        let (weights, bias) = learner.gradients(&batch, &targets);
        for (which, gradient) in [weights, bias].iter().enumerate() {
            for (place, &found) in gradient.indexed_iter() {
                let moved = |by: f32| {
                    let mut learner = learner.clone();
                    [&mut learner.weights, &mut learner.bias][which].values[place] += by;
                    loss(&learner)
                };
                let expected = (moved(0.01) - moved(-0.01)) / 0.02;
                assert!((f64::from(found) - expected).abs() < 1e-4, "{which} {place:?}: {found} {expected}");
            }
        }
    }
}
