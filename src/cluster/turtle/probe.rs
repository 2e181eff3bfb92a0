//! How well linear classifiers learn a labelling, which says how good it is without knowing the truth.

use super::softmax::{Batch, Linear, one_hot};
use crate::progress::{Interrupted, Reporter};
use ndarray::ArrayView2;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

/// Rows looked at, parts they are cut in, and steps and rate of a classifier.
const ROWS: usize = 6000;
const FOLDS: usize = 3;
const STEPS: usize = 100;
const RATE: f32 = 0.03;

/// The share of rows whose label a classifier, trained on others, tells; the mean over the spaces.
pub(super) fn generalisation(
    spaces: &[ArrayView2<'_, f32>],
    labels: &[usize],
    n_clusters: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<f64, Interrupted> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = index::sample(&mut rng, labels.len(), labels.len().min(ROWS)).into_vec();
    let (mut right, mut told) = (0, 0);
    for fold in 0..FOLDS {
        let part = |test: bool| -> Vec<usize> {
            rows.iter().copied().enumerate().filter(|(i, _)| (i % FOLDS == fold) == test).map(|(_, row)| row).collect()
        };
        let (train, test) = (part(false), part(true));
        if train.is_empty() || test.is_empty() {
            continue;
        }
        let targets = one_hot(&train.iter().map(|&row| labels[row]).collect::<Vec<_>>(), n_clusters);
        for space in spaces {
            let batch = Batch::new(*space, &train);
            let mut learner = Linear::zero((n_clusters, space.ncols()));
            for _ in 0..STEPS {
                reporter.check()?;
                learner.step(&batch, &targets, RATE);
            }
            let found = learner.probabilities(&Batch::new(*space, &test));
            let found =
                found.iter().flat_map(|stripe| stripe.axis_iter(ndarray::Axis(1)).map(best).collect::<Vec<_>>());
            right += found.zip(&test).filter(|(found, row)| *found == labels[**row]).count();
            told += test.len();
        }
    }
    Ok(if told > 0 { right as f64 / told as f64 } else { 1.0 })
}

/// The most probable cluster, of equally probable ones the first.
pub(super) fn best(probabilities: ndarray::ArrayView1<'_, f32>) -> usize {
    (1..probabilities.len()).fold(0, |best, c| if probabilities[c] > probabilities[best] { c } else { best })
}
