//! The search for the labelling that linear classifiers learn best.

use super::super::adam::Parameter;
use super::softmax::{Batch, Linear, Probabilities, gradient, probabilities, summed};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView2, Axis};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// How a labelling is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Settings {
    pub n_clusters: usize,
    /// Weight of the entropy of the clusters' sizes.
    pub balance: f32,
    pub n_steps: usize,
    /// Steps of the classifiers in each.
    pub inner_steps: usize,
    /// Rows of a step.
    pub batch: usize,
    pub rate: f32,
    /// Whether classifiers go on where the last step left them, or begin anew.
    pub warm: bool,
}

/// The labelling in one space: a softmax of an affine map whose weights have a direction and a length each.
#[derive(Clone)]
pub(super) struct Task {
    direction: Parameter,
    length: Parameter,
    bias: Parameter,
}

impl Task {
    fn random(shape: (usize, usize), rng: &mut ChaCha8Rng) -> Self {
        let Linear { weights, bias } = Linear::random(shape, rng);
        Self { length: Parameter::new(norms(&weights.values)), direction: weights, bias }
    }

    /// Weights, shape (n_clusters, n_features), and bias, a column.
    pub fn weights(&self) -> (Array2<f32>, &Array2<f32>) {
        (&self.direction.values * &(&self.length.values / &norms(&self.direction.values)), &self.bias.values)
    }

    fn probabilities(&self, batch: &Batch) -> Probabilities {
        let (weights, bias) = self.weights();
        batch.stripes.par_iter().map(|stripe| probabilities(stripe, &weights, bias)).collect()
    }

    /// The gradients of direction, length and bias from those of weights and bias.
    fn gradients(&self, weights: &Array2<f32>, bias: Array2<f32>) -> [Array2<f32>; 3] {
        let norms = norms(&self.direction.values);
        let unit = &self.direction.values / &norms;
        let along = (weights * &unit).sum_axis(Axis(1)).insert_axis(Axis(1));
        let across = (weights - &(&unit * &along)) * &(&self.length.values / &norms);
        [across, along, bias]
    }

    fn step(&mut self, (weights, bias): (Array2<f32>, Array2<f32>), rate: f32) {
        let gradients = self.gradients(&weights, bias);
        for (parameter, gradient) in [&mut self.direction, &mut self.length, &mut self.bias].into_iter().zip(&gradients)
        {
            parameter.step(gradient, rate, 0.0);
        }
    }
}

/// The lengths of the rows, as a column; none is 0.
fn norms(rows: &Array2<f32>) -> Array2<f32> {
    let norm = |row: ndarray::ArrayView1<'_, f32>| row.dot(&row).sqrt().max(f32::MIN_POSITIVE);
    rows.map_axis(Axis(1), norm).insert_axis(Axis(1))
}

/// The labelling found in these spaces, each of shape (n_samples, its features).
pub(super) fn search(
    spaces: &[ArrayView2<'_, f32>],
    settings: &Settings,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<Vec<Task>, Interrupted> {
    let n_samples = spaces[0].nrows();
    let shapes: Vec<_> = spaces.iter().map(|space| (settings.n_clusters, space.ncols())).collect();
    let mut tasks: Vec<Task> = shapes.iter().map(|&shape| Task::random(shape, rng)).collect();
    let mut learners: Vec<Linear> = shapes.iter().map(|&shape| Linear::random(shape, rng)).collect();
    let chosen = |rows: &[usize]| spaces.iter().map(|space| Batch::new(*space, rows)).collect::<Vec<_>>();
    let all = (n_samples <= settings.batch).then(|| chosen(&(0..n_samples).collect::<Vec<_>>()));
    for _ in 0..settings.n_steps {
        reporter.check()?;
        let some;
        let batches = match &all {
            Some(all) => all,
            None => {
                some = chosen(&index::sample(rng, n_samples, settings.batch).into_vec());
                &some
            }
        };
        if !settings.warm {
            learners = shapes.iter().map(|&shape| Linear::random(shape, rng)).collect();
        }
        step(&mut tasks, &mut learners, batches, settings);
        reporter.advance(1);
    }
    Ok(tasks)
}

/// A step of the labelling, after some of the classifiers that learn it.
fn step(tasks: &mut [Task], learners: &mut [Linear], batches: &[Batch], settings: &Settings) {
    let own: Vec<Probabilities> = tasks.iter().zip(batches).map(|(task, batch)| task.probabilities(batch)).collect();
    let labels = mean(&own);
    for _ in 0..settings.inner_steps {
        learners.iter_mut().zip(batches).for_each(|(learner, batch)| learner.step(batch, &labels, settings.rate));
    }
    let learned: Vec<_> = learners.iter().zip(batches).map(|(learner, batch)| learner.probabilities(batch)).collect();
    let slopes = slopes(&own, &learned, settings.balance);
    for ((task, batch), slopes) in tasks.iter_mut().zip(batches).zip(&slopes) {
        let stripes = batch.stripes.par_iter().zip(slopes);
        task.step(summed(stripes.map(|(stripe, slopes)| gradient(stripe, slopes)).collect()), settings.rate);
    }
}

/// The labelling of some rows: the mean over the spaces.
fn mean(spaces: &[Probabilities]) -> Probabilities {
    let stripe = |stripe: usize| {
        let sum = spaces.iter().map(|space| space[stripe].clone()).reduce(|sum, own| sum + own);
        sum.expect("there is a space") / spaces.len() as f32
    };
    (0..spaces[0].len()).into_par_iter().map(stripe).collect()
}

/// The gradient of what the labelling of each space puts out: of the mean cross-entropies of its mean with what was
/// learned, less `balance` times the entropies of the clusters' sizes.
fn slopes(own: &[Probabilities], learned: &[Probabilities], balance: f32) -> Vec<Probabilities> {
    let n_samples = own[0].iter().map(|stripe| stripe.ncols()).sum::<usize>() as f32;
    let share = 1.0 / (n_samples * own.len() as f32);
    let of_space = |space: &Probabilities| {
        let sizes = space.iter().map(|stripe| stripe.sum_axis(Axis(1))).reduce(|sum, stripe| sum + stripe);
        let sizes = sizes.expect("a batch has rows") / n_samples;
        let entropy = sizes.mapv(|size| balance / n_samples * size.max(f32::MIN_POSITIVE).ln()).insert_axis(Axis(1));
        let of_stripe = |(stripe, own): (usize, &Array2<f32>)| {
            let mut slopes = Array2::zeros(own.dim()) + &entropy;
            for learned in learned {
                slopes.zip_mut_with(&learned[stripe], |slope, &p| *slope -= share * p.max(f32::MIN_POSITIVE).ln());
            }
            let mean = (&slopes * own).sum_axis(Axis(0));
            (slopes - mean) * own
        };
        space.par_iter().enumerate().map(of_stripe).collect()
    };
    own.iter().map(of_space).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// The loss of the labelling, in f64 and one value at a time.
    fn loss(tasks: &[Task], learned: &[Array2<f32>], rows: &[Array2<f32>], balance: f64) -> f64 {
        let n = rows[0].nrows();
        let own: Vec<Array2<f64>> = tasks
            .iter()
            .zip(rows)
            .map(|(task, rows)| {
                let direction = task.direction.values.mapv(f64::from);
                let norms = direction.map_axis(Axis(1), |row| row.dot(&row).sqrt()).insert_axis(Axis(1));
                let weights = &direction / &norms * task.length.values.mapv(f64::from);
                let mut odds =
                    (rows.mapv(f64::from).dot(&weights.t()) + task.bias.values.mapv(f64::from).t()).mapv(f64::exp);
                let sums = odds.sum_axis(Axis(1)).insert_axis(Axis(1));
                odds /= &sums;
                odds
            })
            .collect();
        let mut loss = 0.0;
        for learned in learned {
            let sum = own.iter().fold(Array2::<f64>::zeros(own[0].dim()), |sum, own| sum + own);
            let mean = sum / own.len() as f64;
            loss -= (mean * learned.t().mapv(|p| f64::from(p).ln())).sum() / n as f64;
        }
        let entropy = |own: &Array2<f64>| -own.mean_axis(Axis(0)).unwrap().mapv(|p| p * p.ln()).sum();
        loss - balance * own.iter().map(entropy).sum::<f64>()
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let rows = [4, 3].map(|d| Array2::from_shape_simple_fn((9, d), || 4.0 * rng.random::<f32>() - 2.0));
        let tasks: Vec<Task> = [(3, 4), (3, 3)].map(|shape| Task::random(shape, &mut rng)).into();
        let batches: Vec<Batch> =
            rows.iter().map(|rows| Batch::new(rows.view(), &(0..9).collect::<Vec<_>>())).collect();
        let learned: Vec<Probabilities> = [(3, 4), (3, 3)]
            .iter()
            .zip(&batches)
            .map(|(&shape, batch)| Linear::random(shape, &mut rng).probabilities(batch))
            .collect();
        let own: Vec<_> = tasks.iter().zip(&batches).map(|(task, batch)| task.probabilities(batch)).collect();
        let slopes = slopes(&own, &learned, 1.5);
        let learned: Vec<Array2<f32>> = learned.into_iter().map(|mut stripes| stripes.remove(0)).collect();
        for space in 0..2 {
            let (weights, bias) = gradient(&batches[space].stripes[0], &slopes[space][0]);
            let gradients = tasks[space].gradients(&weights, bias);
            for (which, gradient) in gradients.iter().enumerate() {
                for (place, &found) in gradient.indexed_iter() {
                    let moved = |by: f32| {
                        let mut tasks = tasks.clone();
                        let task = &mut tasks[space];
                        [&mut task.direction, &mut task.length, &mut task.bias][which].values[place] += by;
                        loss(&tasks, &learned, &rows, 1.5)
                    };
                    let expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
                    assert!(
                        (f64::from(found) - expected).abs() < 2e-4,
                        "{space} {which} {place:?}: {found} {expected}"
                    );
                }
            }
        }
    }
}
