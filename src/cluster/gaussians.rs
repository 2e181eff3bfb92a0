//! A mixture of Gaussians as an assigner.

use super::Assignment;
use crate::collection::ClusterId;
use crate::distance::{BLOCK_ROWS, product};
use ndarray::{Array1, Array2, ArrayView2, Axis};
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
        assert_eq!(x.ncols(), self.means.ncols(), "rows of the means' features");
        let components = self.components();
        let blocks: Vec<_> = x.axis_chunks_iter(Axis(0), BLOCK_ROWS).collect();
        let of_block = |&rows: &ArrayView2<'_, f32>| {
            let squared: Vec<Vec<f64>> = components.iter().map(|component| component.squared(rows)).collect();
            let assignment = |row: usize| {
                let logs: Vec<f64> = components.iter().zip(&squared).map(|(c, s)| c.log_density(s[row])).collect();
                let best = (1..logs.len()).fold(0, |best, c| if logs[c] > logs[best] { c } else { best });
                let total = log_sum(logs.iter().copied());
                let next = (0..logs.len()).filter(|&c| c != best).map(|c| logs[c]).max_by(f64::total_cmp);
                let margin = |next: f64| ((logs[best] - total).exp() - (next - total).exp()).clamp(0.0, 1.0);
                Assignment { cluster: Some(best), distance: squared[best][row].sqrt(), confidence: next.map(margin) }
            };
            (0..rows.nrows()).map(assignment).collect::<Vec<_>>()
        };
        blocks.par_iter().flat_map_iter(of_block).collect()
    }

    /// Without the clusters that are not in `order`, and those in this order.
    pub(super) fn select(&self, order: &[ClusterId]) -> Self {
        let d = self.means.ncols();
        let rows: Vec<usize> = order.iter().flat_map(|&c| c * d..(c + 1) * d).collect();
        // Another order changes no weight, so that no row that is equally near to two clusters goes to and fro.
        let all = order.len() == self.weights.len();
        let total = if all { 1.0 } else { order.iter().map(|&c| self.weights[c]).sum::<f32>() };
        Self {
            weights: order.iter().map(|&c| self.weights[c] / total).collect(),
            means: self.means.select(Axis(0), order),
            whitening: self.whitening.select(Axis(0), &rows),
        }
    }

    pub(super) fn components(&self) -> Vec<Component> {
        let d = self.means.ncols();
        let component = |c: usize| {
            let whitening = self.whitening.slice_axis(Axis(0), (c * d..(c + 1) * d).into()).mapv(f64::from);
            Component::new(f64::from(self.weights[c]), self.means.row(c).mapv(f64::from), whitening)
        };
        (0..self.weights.len()).map(component).collect()
    }
}

/// One Gaussian of a mixture.
#[derive(Clone)]
pub(super) struct Component {
    pub mean: Array1<f64>,
    pub weight: f64,
    /// A lower triangle.
    pub whitening: Array2<f64>,
    /// All of the logarithm of the density that does not depend on the row.
    constant: f64,
}

impl Component {
    pub fn new(weight: f64, mean: Array1<f64>, whitening: Array2<f64>) -> Self {
        let log_diagonal: f64 = whitening.diag().iter().map(|v| v.ln()).sum();
        let constant = weight.ln() + log_diagonal - 0.5 * mean.len() as f64 * std::f64::consts::TAU.ln();
        Self { mean, weight, whitening, constant }
    }

    /// The differences of rows to the mean, shape (n_rows, n_features).
    pub fn differences(&self, rows: ArrayView2<'_, f32>) -> Array2<f64> {
        rows.mapv(f64::from) - &self.mean
    }

    /// The squared Mahalanobis distance of each row.
    pub fn squared(&self, rows: ArrayView2<'_, f32>) -> Vec<f64> {
        let whitened = product(self.differences(rows).view(), self.whitening.t());
        whitened.outer_iter().map(|row| row.dot(&row)).collect()
    }

    /// The logarithm of weight x density at such a squared distance.
    pub fn log_density(&self, squared: f64) -> f64 {
        self.constant - 0.5 * squared
    }
}

/// The logarithm of a sum of exponentials.
pub(super) fn log_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    most + logs.map(|log| (log - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn weights_decide_where_densities_are_equal() {
        let (weights, means) = (vec![0.8, 0.2], array![[0.0f32], [2.0]]);
        let mixture = Mixture { weights, means, whitening: array![[1.0f32], [1.0]] };
        let Assignment { cluster, distance, confidence } = mixture.assign(array![[1.0f32]].view())[0];
        assert_eq!((cluster, distance), (Some(0), 1.0));
        assert!((confidence.unwrap() - 0.6).abs() < 1e-6, "{confidence:?}");
    }
}
