//! Small networks with a softmax over the clusters, as an assigner.

use super::settle::out_of_order;
use super::{Assigner, Assignment, Clustering};
use crate::collection::ClusterId;
use crate::distance::{BLOCK_ROWS, Packed};
use crate::nn::{Activation, activate};
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Networks whose probabilities are averaged: a row belongs to the most probable cluster.
///
/// Each head sees features of its own: the first those that come first in a row, the next those behind them.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    /// At least one; all of them end in one output a cluster.
    pub heads: Vec<Head>,
}

/// A feed-forward network; the softmax of its last layer's outputs are the clusters' probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// At least one.
    pub layers: Vec<Layer>,
}

/// An affine map, and what becomes of its outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Shape (n_outputs, n_inputs).
    pub weights: Array2<f32>,
    /// One an output.
    pub bias: Array1<f32>,
    /// What follows.
    pub then: Then,
}

/// What becomes of a layer's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// They stay.
    Linear,
    /// x times the normal distribution function.
    Gelu,
    /// Together they are brought to unit length, unless all are zero.
    Unit,
}

impl Classifier {
    /// Number of clusters.
    pub fn n_clusters(&self) -> usize {
        self.heads[0].layers.last().map_or(0, |last| last.weights.nrows())
    }

    /// Number of features of a row.
    pub fn n_features(&self) -> usize {
        self.heads.iter().map(Head::n_features).sum()
    }

    /// The probability of each cluster for each row of `x`, shape (n_samples, n_clusters). O(n w) for w weights.
    ///
    /// # Panics
    /// If the number of features is another.
    ///
    /// ```
    /// use alike::cluster::{Classifier, Head, Layer, Then};
    /// let layer = Layer { weights: ndarray::array![[1.0], [-1.0]], bias: ndarray::array![0.0, 0.0], then: Then::Linear };
    /// let classifier = Classifier { heads: vec![Head { layers: vec![layer] }] };
    /// assert_eq!(classifier.probabilities(ndarray::array![[0.0]].view()), ndarray::array![[0.5, 0.5]]);
    /// ```
    pub fn probabilities(&self, x: ArrayView2<'_, f32>) -> Array2<f64> {
        assert_eq!(x.ncols(), self.n_features(), "rows of the networks' features");
        let packed: Vec<Vec<Packed<f32>>> = self.heads.iter().map(Head::packed).collect();
        let mut found = Array2::zeros((x.nrows(), self.n_clusters()));
        let blocks = found.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).into_par_iter();
        blocks.zip(x.axis_chunks_iter(Axis(0), BLOCK_ROWS)).for_each(|(mut found, rows)| {
            let mut first = 0;
            for (head, packed) in self.heads.iter().zip(&packed) {
                let own = rows.slice_axis(Axis(1), Slice::from(first..first + head.n_features()));
                first += head.n_features();
                for (mut found, logits) in found.outer_iter_mut().zip(head.forward(packed, own).outer_iter()) {
                    let most = logits.iter().fold(f32::NEG_INFINITY, |most, &v| most.max(v));
                    let exponentials = logits.mapv(|v| f64::from(v - most).exp());
                    found.scaled_add(1.0 / (exponentials.sum() * self.heads.len() as f64), &exponentials);
                }
            }
        });
        found
    }

    /// The most probable cluster of each row, of equally probable ones the first. The confidence is its probability, the
    /// distance what that lacks to 1.
    ///
    /// # Panics
    /// If the number of features is another.
    pub fn assign(&self, x: ArrayView2<'_, f32>) -> Vec<Assignment> {
        let assignment = |probabilities: ndarray::ArrayView1<'_, f64>| {
            let best = (1..probabilities.len()).fold(0, |b, c| if probabilities[c] > probabilities[b] { c } else { b });
            let probability = probabilities[best].clamp(0.0, 1.0);
            Assignment { cluster: Some(best), distance: 1.0 - probability, confidence: Some(probability) }
        };
        self.probabilities(x).outer_iter().map(assignment).collect()
    }

    /// The rows' clusters, numbered by falling size; those without rows are dropped.
    pub(super) fn settle(mut self, x: ArrayView2<'_, f32>, n_iterations: usize) -> Clustering {
        let labels = |classifier: &Self| classifier.assign(x).iter().map(|found| found.cluster).collect::<Vec<_>>();
        let mut found = labels(&self);
        while let Some(order) = out_of_order(&found, self.n_clusters()) {
            self = self.select(&order);
            // Of equally probable clusters the lowest number counts, which may be another one now.
            found = labels(&self);
        }
        Clustering { n_iterations, ..Clustering::new(found, Assigner::Classifier(self)) }
    }

    /// Without the clusters that are not in `order`, and those in this order.
    pub(super) fn select(&self, order: &[ClusterId]) -> Self {
        let mut selected = self.clone();
        for last in selected.heads.iter_mut().filter_map(|head| head.layers.last_mut()) {
            last.weights = last.weights.select(Axis(0), order);
            last.bias = last.bias.select(Axis(0), order);
        }
        selected
    }
}

impl Head {
    fn n_features(&self) -> usize {
        self.layers[0].weights.ncols()
    }

    fn packed(&self) -> Vec<Packed<f32>> {
        self.layers.iter().map(|layer| Packed::new(layer.weights.t())).collect()
    }

    fn forward(&self, packed: &[Packed<f32>], rows: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut values = rows.to_owned();
        for (layer, packed) in self.layers.iter().zip(packed) {
            values = packed.product(values.view());
            values += &layer.bias;
            match layer.then {
                Then::Linear => {}
                Then::Gelu => activate(Activation::Gelu, values.as_slice_mut().expect("standard layout")),
                Then::Unit => values.outer_iter_mut().for_each(|mut row| {
                    let length = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                    if length > 0.0 {
                        row.mapv_inplace(|v| (f64::from(v) / length) as f32);
                    }
                }),
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn linear(weights: Array2<f32>, then: Then) -> Layer {
        Layer { bias: Array1::zeros(weights.nrows()), weights, then }
    }

    #[test]
    fn heads_see_features_of_their_own_and_are_averaged() {
        let heads = [array![[1.0f32], [0.0]], array![[0.0f32, 2.0], [0.0, 0.0]]]
            .map(|weights| Head { layers: vec![linear(weights, Then::Linear)] });
        let classifier = Classifier { heads: heads.to_vec() };
        let found = classifier.probabilities(array![[3.0f32, 7.0, -1.0]].view());
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        assert!((found[[0, 0]] - (sigmoid(3.0) + sigmoid(-2.0)) / 2.0).abs() < 1e-7, "{found}");
        assert!((found.sum() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn layers_follow_one_another() {
        let layers = vec![
            linear(array![[1.0f32, 0.0], [0.0, 1.0]], Then::Gelu),
            linear(array![[1.0f32, 0.0], [0.0, 1.0]], Then::Unit),
            linear(array![[10.0f32, 0.0], [0.0, 10.0]], Then::Linear),
        ];
        let found = Classifier { heads: vec![Head { layers }] }.probabilities(array![[1.0f32, 2.0], [0.0, 0.0]].view());
        // By hand: gelu is 0.841345 and 1.954500, of length 2.127894.
        let logits = [8.41345 / 2.127894, 19.54500 / 2.127894f64];
        let expected = 1.0 / (1.0 + (logits[1] - logits[0]).exp());
        assert!((found[[0, 0]] - expected).abs() < 1e-5, "{found} {expected}");
        assert_eq!(found[[1, 0]], 0.5, "a row of zeros has no direction");
    }
}
