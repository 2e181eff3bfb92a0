//! A mixture of Gaussians as an assigner.

use super::Assignment;
use crate::collection::ClusterId;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// A mixture of Gaussians with full covariances: a row belongs to the one that it most probably comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Each cluster's share of the rows; above 0.
    pub weights: Vec<f32>,
    /// Shape (n_clusters, n_features).
    pub means: Array2<f32>,
    /// For each cluster a lower triangle W, n_features rows of the n_clusters x n_features: W'W is the inverse of its
    /// covariance. The diagonal is above 0.
    pub whitening: Array2<f32>,
}

impl Mixture {
    /// The most probable cluster, the row's Mahalanobis distance to its mean, and how much more probable it is than the
    /// next: the difference of the two posteriors. O(n k d^2).
    ///
    /// # Panics
    /// If the number of features differs from the means'.
    pub fn assign(&self, x: ArrayView2<'_, f32>) -> Vec<Assignment> {
        let components = self.components();
        let rows: Vec<_> = x.outer_iter().collect();
        let one = |row: &ArrayView1<'_, f32>| {
            let mut differences = vec![0.0; x.ncols()];
            let found: Vec<(f64, f64)> = components.iter().map(|c| c.log_density(*row, &mut differences)).collect();
            let best = (1..found.len()).fold(0, |best, c| if found[c].0 > found[best].0 { c } else { best });
            let posterior = |c: usize| (found[c].0 - log_sum(found.iter().map(|f| f.0))).exp();
            let next = (0..found.len()).filter(|&c| c != best).map(posterior).max_by(f64::total_cmp);
            let confidence = next.map(|next| (posterior(best) - next).clamp(0.0, 1.0));
            Assignment { cluster: Some(best), distance: found[best].1.sqrt(), confidence }
        };
        rows.par_iter().map(one).collect()
    }

    /// Without the clusters that are not in `order`, and those in this order.
    pub(super) fn select(&self, order: &[ClusterId]) -> Self {
        let d = self.means.ncols();
        let rows: Vec<usize> = order.iter().flat_map(|&c| c * d..(c + 1) * d).collect();
        let total: f32 = order.iter().map(|&c| self.weights[c]).sum();
        Self {
            weights: order.iter().map(|&c| self.weights[c] / total).collect(),
            means: self.means.select(Axis(0), order),
            whitening: self.whitening.select(Axis(0), &rows),
        }
    }

    fn components(&self) -> Vec<Component> {
        let d = self.means.ncols();
        let component = |c: usize| {
            let whitening = self.whitening.slice_axis(Axis(0), (c * d..(c + 1) * d).into()).mapv(f64::from);
            Component::new(f64::from(self.weights[c]), self.means.row(c).mapv(f64::from).to_vec(), whitening)
        };
        (0..self.weights.len()).map(component).collect()
    }
}

/// One Gaussian of a mixture.
#[derive(Clone)]
pub(super) struct Component {
    pub mean: Vec<f64>,
    pub weight: f64,
    /// Row after row of the lower triangle.
    whitening: Vec<f64>,
    /// All of the logarithm of the density that does not depend on the row.
    constant: f64,
}

impl Component {
    pub fn new(weight: f64, mean: Vec<f64>, whitening: Array2<f64>) -> Self {
        let log_diagonal: f64 = whitening.diag().iter().map(|v| v.ln()).sum();
        let constant = weight.ln() + log_diagonal - 0.5 * mean.len() as f64 * std::f64::consts::TAU.ln();
        let whitening = whitening
            .outer_iter()
            .enumerate()
            .flat_map(|(i, row)| row.into_iter().take(i + 1).copied().collect::<Vec<_>>())
            .collect();
        Self { mean, weight, whitening, constant }
    }

    /// The lower triangle in full.
    pub fn whitening(&self) -> Array2<f64> {
        let d = self.mean.len();
        Array2::from_shape_fn((d, d), |(i, j)| if j <= i { self.whitening[i * (i + 1) / 2 + j] } else { 0.0 })
    }

    /// The logarithm of weight x density at the row, and its squared Mahalanobis distance; the row's
    /// `differences` to the mean are written.
    pub fn log_density(&self, row: ArrayView1<'_, f32>, differences: &mut [f64]) -> (f64, f64) {
        differences.iter_mut().zip(row).zip(&self.mean).for_each(|((d, &x), mean)| *d = f64::from(x) - mean);
        let (mut squared, mut at) = (0.0, 0);
        for i in 0..differences.len() {
            squared += dot(&self.whitening[at..=at + i], &differences[..=i]).powi(2);
            at += i + 1;
        }
        (self.constant - 0.5 * squared, squared)
    }
}

/// Inner product, in eight lanes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a8, a), (b8, b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()
}

/// The logarithm of a sum of exponentials.
pub(super) fn log_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    most + logs.map(|log| (log - most).exp()).sum::<f64>().ln()
}
