//! Labels that linear classifiers learn best, in one or several spaces of features at once.
//!
//! A. Gadetsky, Y. Jiang and M. Brbić, Let go of your labels with unsupervised transfer (TURTLE), 2024.

mod probe;
mod softmax;
mod task;

use super::classifier::{Classifier, Head, Layer, Then};
use super::guard::{at_least_one, check_rows, linfa_params, not_negative};
use super::standard::Standard;
use super::{ClusterError, Clustering};
use crate::progress::Reporter;
use ndarray::{Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use task::{Settings, Task, search};

/// Learning rates and starts that are tried where none is asked for.
const RATES: [f64; 2] = [0.003, 0.01];
const STARTS: [bool; 2] = [false, true];
/// Steps of the classifiers in each step of the labelling.
const INNER_STEPS: usize = 10;

/// Parameters of TURTLE, not checked yet.
///
/// For embeddings of networks, when the number of clusters is known and they are of similar size: it looks for the
/// labels that linear classifiers of the features learn best, in all spaces at once, so that the features of several
/// extractors serve without being weighed against one another; one that tells little by itself spoils the others, though.
/// A row's confidence is its cluster's probability. Learning rate and start are chosen by how well linear classifiers tell
/// the labels of rows they have not seen, without knowing the truth. Not for clusters of very different size (lower
/// `gamma`, or use another clusterer), nor for fewer than some tens of rows each.
///
/// The published settings (6,000 steps of 10,000 rows at a rate of 0.001) are 400 times the work of a trial here; on the
/// features of this program's own extractor for photos, 13 times as much work brought nothing. Costs O(steps * batch * k d)
/// for each of 8 trials (restarts times rates). Memory: a copy of the rows, and two of a batch.
///
/// ```
/// use alike::cluster::TurtleParams;
/// use linfa::traits::Fit;
/// let x = ndarray::Array2::from_shape_fn((60, 2), |(i, j)| (i % 2 * 10) as f32 + ((i * (7 + j)) % 11) as f32 / 11.0);
/// let clustering = TurtleParams::new(2).spaces(vec![1, 1]).fit(&linfa::DatasetBase::from(x))?;
/// assert_eq!(clustering.sizes(), [30, 30]);
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TurtleParams(TurtleValidParams);

/// Checked parameters of TURTLE.
#[derive(Clone, Debug, PartialEq)]
pub struct TurtleValidParams {
    n_clusters: usize,
    spaces: Vec<usize>,
    gamma: f64,
    n_steps: usize,
    batch: usize,
    n_restarts: usize,
    learning_rate: Option<f64>,
    warm_start: Option<bool>,
    seed: u64,
}

linfa_params!(TurtleParams, TurtleValidParams);

impl TurtleParams {
    /// `n_clusters` clusters, from 1 to the number of rows, in one space: gamma 10, 150 steps of 1,000 rows, classifiers
    /// that go on, the best of four restarts of two learning rates, seed 0.
    pub fn new(n_clusters: usize) -> Self {
        Self(TurtleValidParams {
            n_clusters,
            spaces: Vec::new(),
            gamma: 10.0,
            n_steps: 150,
            batch: 1000,
            n_restarts: 4,
            learning_rate: None,
            warm_start: Some(true),
            seed: 0,
        })
    }

    /// Number of clusters.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        Self(TurtleValidParams { n_clusters, ..self.0 })
    }

    /// Widths of the spaces that lie side by side in a row, such as those of several extractors; none: one space. Each is
    /// brought to a common size, so that weights of joined extractors don't count.
    pub fn spaces(self, spaces: Vec<usize>) -> Self {
        Self(TurtleValidParams { spaces, ..self.0 })
    }

    /// How much clusters of equal size are preferred; from 0. Lower it for collections of unequal kinds.
    pub fn gamma(self, gamma: f64) -> Self {
        Self(TurtleValidParams { gamma, ..self.0 })
    }

    /// Steps of the labelling; at least 1.
    pub fn n_steps(self, n_steps: usize) -> Self {
        Self(TurtleValidParams { n_steps, ..self.0 })
    }

    /// Rows of a step; at least 1.
    pub fn batch(self, batch: usize) -> Self {
        Self(TurtleValidParams { batch, ..self.0 })
    }

    /// Random starts of the labelling; at least 1.
    pub fn n_restarts(self, n_restarts: usize) -> Self {
        Self(TurtleValidParams { n_restarts, ..self.0 })
    }

    /// Learning rate of labelling and classifiers; `None`: chosen.
    pub fn learning_rate(self, learning_rate: Option<f64>) -> Self {
        Self(TurtleValidParams { learning_rate, ..self.0 })
    }

    /// Whether the classifiers go on where the last step left them, or begin anew in each; `None`: both are
    /// tried, at twice the time.
    pub fn warm_start(self, warm_start: Option<bool>) -> Self {
        Self(TurtleValidParams { warm_start, ..self.0 })
    }

    /// Seed of the random draws.
    pub fn seed(self, seed: u64) -> Self {
        Self(TurtleValidParams { seed, ..self.0 })
    }
}

impl TurtleValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least_one(&[
            ("number of clusters", self.n_clusters),
            ("width of a space", self.spaces.iter().copied().min().unwrap_or(1)),
            ("number of steps", self.n_steps),
            ("batch", self.batch),
            ("number of restarts", self.n_restarts),
        ])?;
        not_negative("gamma", self.gamma)?;
        not_negative("learning rate", self.learning_rate.unwrap_or(0.0))
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). Clusters that no row most probably belongs to are left out.
    /// There is no inertia.
    ///
    /// # Errors
    /// More clusters than rows, spaces that don't add up to the features, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        check_rows(x, self.n_clusters)?;
        let spaces = self.spaces_of(x)?;
        let standards: Vec<Standard> = spaces.iter().map(|space| Standard::of(*space)).collect();
        let rows: Vec<Array2<f32>> = standards.iter().zip(&spaces).map(|(s, space)| s.apply(*space)).collect();
        let rows: Vec<ArrayView2<'_, f32>> = rows.iter().map(|rows| rows.view()).collect();
        let trials = self.trials();
        reporter.begin("train", Some((trials.len() * self.n_steps) as u64));
        let mut best: Option<((usize, f64), Classifier)> = None;
        for (settings, seed) in trials {
            let tasks = search(&rows, &settings, &mut ChaCha8Rng::seed_from_u64(seed), reporter)?;
            let classifier = classifier(&tasks, &standards);
            let labels: Vec<usize> = classifier.assign(x).iter().filter_map(|found| found.cluster).collect();
            let told = probe::generalisation(&rows, &labels, self.n_clusters, self.seed, reporter)?;
            // A labelling that leaves clusters out is told the more easily.
            let score = (labels.iter().collect::<BTreeSet<_>>().len(), told);
            reporter.detail(&format!(
                "learning rate {}, {} start: {} clusters, {:.1} % of the labels told by linear classifiers",
                settings.rate,
                if settings.warm { "warm" } else { "cold" },
                score.0,
                100.0 * told
            ));
            if best.as_ref().is_none_or(|(best, _)| score > *best) {
                best = Some((score, classifier));
            }
        }
        reporter.end();
        let (_, classifier) = best.expect("at least one trial");
        Ok(classifier.settle(x, self.n_steps))
    }

    /// What is tried, each with its seed.
    fn trials(&self) -> Vec<(Settings, u64)> {
        let rates = self.learning_rate.map_or(RATES.to_vec(), |rate| vec![rate]);
        let starts = self.warm_start.map_or(STARTS.to_vec(), |warm| vec![warm]);
        let settings = |rate: f64, warm| Settings {
            n_clusters: self.n_clusters,
            balance: self.gamma as f32,
            n_steps: self.n_steps,
            inner_steps: INNER_STEPS,
            batch: self.batch,
            rate: rate as f32,
            warm,
        };
        let mut trials = Vec::new();
        for restart in 0..self.n_restarts as u64 {
            for &warm in &starts {
                let seed = self.seed.wrapping_add(restart << 32);
                trials.extend(rates.iter().map(|&rate| (settings(rate, warm), seed)));
            }
        }
        trials
    }

    /// The columns of each space.
    fn spaces_of<'a>(&self, x: ArrayView2<'a, f32>) -> Result<Vec<ArrayView2<'a, f32>>, ClusterError> {
        let whole = [x.ncols()];
        let widths = if self.spaces.is_empty() { &whole[..] } else { &self.spaces };
        let sum = widths.iter().try_fold(0usize, |sum, &width| sum.checked_add(width));
        if sum != Some(x.ncols()) {
            return Err(ClusterError::Spaces { spaces: widths.to_vec(), n_features: x.ncols() });
        }
        let mut rest = x;
        let space = |&width: &usize| {
            let (space, behind) = rest.split_at(Axis(1), width);
            rest = behind;
            space
        };
        Ok(widths.iter().map(space).collect())
    }
}

/// The labelling for rows as they came.
fn classifier(tasks: &[Task], standards: &[Standard]) -> Classifier {
    let head = |(task, standard): (&Task, &Standard)| {
        let (weights, bias) = task.weights();
        let (weights, bias) = standard.undo(&weights, &bias.column(0).to_owned());
        Head { layers: vec![Layer { weights, bias, then: Then::Linear }] }
    };
    Classifier { heads: tasks.iter().zip(standards).map(head).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Assigner;
    use crate::progress::Silent;
    use linfa::ParamGuard;

    /// Two spaces of three kinds of rows; in each, some rows are of no kind that could be told.
    fn kinds() -> Array2<f32> {
        let noise = |i: usize, j: usize| ((i * (31 + 12 * j)) % 97) as f32 / 97.0;
        Array2::from_shape_fn((300, 6), |(i, j)| {
            let told = i % 10 != if j < 3 { 4 } else { 7 };
            noise(i, j) + if told && i % 3 == j % 3 { 6.0 } else { 0.0 }
        })
    }

    #[test]
    fn spaces_make_up_for_one_another() {
        let fit = |x: ArrayView2<'_, f32>, spaces: Vec<usize>| {
            let found = TurtleParams::new(3).spaces(spaces).check().unwrap().fit_rows(x, &Silent).unwrap();
            let labels: Vec<usize> = found.labels.iter().flatten().copied().collect();
            ((0..300).filter(|&i| labels[i] == labels[i % 3]).count(), found)
        };
        let (right, found) = fit(kinds().view(), vec![3, 3]);
        assert_eq!((right, found.sizes()), (300, vec![100; 3]));
        assert!(fit(kinds().view().split_at(Axis(1), 3).0, vec![]).0 < 290);
        let Assigner::Classifier(classifier) = &found.assigner else { panic!("a classifier") };
        assert_eq!(classifier.heads.iter().map(|head| head.layers[0].weights.ncols()).collect::<Vec<_>>(), [3, 3]);
    }

    #[test]
    fn spaces_must_add_up_to_the_features() {
        for spaces in [vec![1, 2], vec![7], vec![usize::MAX, 7]] {
            let error = TurtleParams::new(3).spaces(spaces).check().unwrap().fit_rows(kinds().view(), &Silent);
            assert!(matches!(error, Err(ClusterError::Spaces { n_features: 6, .. })), "{error:?}");
        }
        assert!(TurtleParams::new(3).spaces(vec![6, 0]).check().is_err());
        assert!(TurtleParams::new(3).gamma(-1.0).check().is_err());
        assert!(TurtleParams::new(3).learning_rate(Some(f64::NAN)).check().is_err());
    }
}
