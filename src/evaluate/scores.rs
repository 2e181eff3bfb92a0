//! The figures, under the names they have wherever they appear.

use serde::{Deserialize, Serialize};

use super::{
    Contingency, accuracy, ami, ari, bcubed, completeness, fowlkes_mallows, homogeneity, nmi, pairwise, purity,
    purity_mean, v_measure,
};

/// All scores. `None`, `null` in JSON, where one is undefined or lacks what it needs (classes, features).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the function of its name, the last six the fields of `pairwise` and `bcubed`")]
pub struct Scores {
    pub purity: Option<f64>,
    pub purity_mean: Option<f64>,
    pub ari: Option<f64>,
    pub ami: Option<f64>,
    pub nmi: Option<f64>,
    pub homogeneity: Option<f64>,
    pub completeness: Option<f64>,
    pub v_measure: Option<f64>,
    pub fowlkes_mallows: Option<f64>,
    pub accuracy: Option<f64>,
    pub silhouette: Option<f64>,
    pub calinski_harabasz: Option<f64>,
    pub davies_bouldin: Option<f64>,
    pub dunn: Option<f64>,
    pub inertia: Option<f64>,
    pub pairwise_precision: Option<f64>,
    pub pairwise_recall: Option<f64>,
    pub pairwise_f1: Option<f64>,
    pub bcubed_precision: Option<f64>,
    pub bcubed_recall: Option<f64>,
    pub bcubed_f1: Option<f64>,
}

impl Scores {
    /// Those that compare with classes.
    pub(super) fn external(table: &Contingency) -> Self {
        let (pairwise, bcubed) = (pairwise(table), bcubed(table));
        Self {
            purity: purity(table),
            purity_mean: purity_mean(table),
            ari: ari(table),
            ami: ami(table),
            nmi: nmi(table),
            homogeneity: homogeneity(table),
            completeness: completeness(table),
            v_measure: v_measure(table),
            fowlkes_mallows: fowlkes_mallows(table),
            accuracy: accuracy(table),
            pairwise_precision: pairwise.precision,
            pairwise_recall: pairwise.recall,
            pairwise_f1: pairwise.f1,
            bcubed_precision: bcubed.precision,
            bcubed_recall: bcubed.recall,
            bcubed_f1: bcubed.f1,
            ..Self::default()
        }
    }
}
