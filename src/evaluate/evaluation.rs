//! Everything known of a clustering at once: the figures, a row a cluster, and clusters by classes.

use std::cmp::Reverse;

use serde::Serialize;

use super::contingency::Cell;
use super::dispersion::Dispersion;
use super::grouping::Grouping;
use super::separation::compare;
use super::{Contingency, EvaluateError, NoiseRule, Sampling, Scores, sample_rows};
use crate::collection::{ClusterId, Features, Truth};

/// A larger table of clusters by classes is no use to anyone, and may not fit in memory.
const MAX_CONFUSION_CELLS: usize = 1_000_000;

/// Rows that the scores over all pairs of sparse rows look at, at most: those rows tend to be very wide.
const MAX_SPARSE: usize = 2000;

/// Choices of [`evaluate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluateParams {
    /// What the external scores do with noise.
    pub noise: NoiseRule,
    /// How many rows the silhouette and Dunn look at.
    pub sampling: Sampling,
}

/// Scores with what must stand beside them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Rows.
    pub n_samples: usize,
    /// Rows whose class is known: those the external scores look at.
    pub n_known: usize,
    /// Clusters that have rows.
    pub n_clusters: usize,
    /// Rows in no cluster.
    pub noise: usize,
    /// Share of the rows that are in a cluster; `None` without rows.
    pub coverage: Option<f64>,
    /// How the external scores treat the noise; the internal ones leave it out.
    pub noise_rule: NoiseRule,
    /// Set if the silhouettes and Dunn are those of a sample.
    pub sample: Option<SampleUsed>,
    /// The figures.
    pub scores: Scores,
    /// A row a cluster, rising; the noise last, if any.
    pub clusters: Vec<ClusterRow>,
    /// Clusters by classes, if classes are known and the table has at most a million cells.
    pub confusion: Option<Confusion>,
}

/// The sample that the scores over all pairs of rows stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SampleUsed {
    /// Its rows.
    pub n_samples: usize,
    /// Its seed.
    pub seed: u64,
}

/// One cluster, or the noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterRow {
    /// `None` is the noise.
    pub cluster: Option<ClusterId>,
    /// Its rows.
    pub size: usize,
    /// Of all rows.
    pub share: f64,
    /// The class that most of its rows have; of equals the first.
    pub class: Option<String>,
    /// Rows of that class.
    pub class_count: u64,
    /// `class_count` over its rows of known class.
    pub purity: Option<f64>,
    /// Mean silhouette of its rows, or of those in the sample.
    pub silhouette: Option<f64>,
    /// Mean distance of its rows to their mean.
    pub mean_distance: Option<f64>,
}

/// Counts of rows of known class by cluster and class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Names of the columns: all classes, also those without rows.
    pub classes: Vec<String>,
    /// Clusters with rows of known class, rising; the noise last, if any.
    pub rows: Vec<ConfusionRow>,
}

/// One cluster's counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfusionRow {
    /// `None` is the noise.
    pub cluster: Option<ClusterId>,
    /// One a class.
    pub counts: Vec<u64>,
}

/// All scores of `clusters`, by row: the external ones if `truth` knows a class, the internal ones if there are
/// features, `data` of shape (n_samples, n_features), dense or sparse, finite.
///
/// O(n log n + n n_features + m^2 n_features) for m rows sampled.
///
/// # Errors
/// If the lengths differ.
///
/// ```
/// use alike::collection::Truth;
/// use alike::evaluate::{EvaluateParams, evaluate};
/// let clusters = [Some(0), Some(0), Some(1), None];
/// let truth = Truth::from_names([Some("cat"), Some("cat"), Some("dog"), Some("dog")]);
/// let found = evaluate(&clusters, Some(&truth), None, &EvaluateParams::default())?;
/// assert_eq!((found.scores.purity, found.coverage), (Some(1.0), Some(0.75)));
/// assert_eq!(found.clusters[0].class.as_deref(), Some("cat"));
/// # Ok::<(), alike::evaluate::EvaluateError>(())
/// ```
pub fn evaluate(
    clusters: &[Option<ClusterId>],
    truth: Option<&Truth>,
    data: Option<Features<'_>>,
    params: &EvaluateParams,
) -> Result<Evaluation, EvaluateError> {
    let n_samples = clusters.len();
    let grouping = Grouping::new(clusters);
    let noise = n_samples - grouping.sizes.iter().sum::<usize>();
    let mut evaluation = Evaluation {
        n_samples,
        n_known: truth.map_or(0, Truth::n_known),
        n_clusters: grouping.ids.len(),
        noise,
        coverage: (n_samples > 0).then(|| (n_samples - noise) as f64 / n_samples as f64),
        noise_rule: params.noise,
        sample: None,
        scores: Scores::default(),
        clusters: cluster_rows(&grouping, noise),
        confusion: None,
    };
    if let Some(truth) = truth {
        add_external(&mut evaluation, clusters, truth)?;
    }
    if let Some(data) = data {
        EvaluateError::check_rows("labels", data.dim().0, n_samples)?;
        add_dispersion(&mut evaluation, &grouping, &data);
        let sampling = match &data {
            Features::Dense(_) => params.sampling,
            Features::Sparse(_) => {
                Sampling { max_samples: params.sampling.max_samples.min(MAX_SPARSE), ..params.sampling }
            }
        };
        match sample_rows(n_samples, sampling) {
            None => add_pairwise(&mut evaluation, &grouping, &data),
            Some(rows) => {
                evaluation.sample = Some(SampleUsed { n_samples: rows.len(), seed: params.sampling.seed });
                let sampled: Vec<_> = rows.iter().map(|&row| clusters[row]).collect();
                let data = data.select(&rows);
                add_pairwise(&mut evaluation, &Grouping::new(&sampled), &data);
            }
        }
    }
    Ok(evaluation)
}

fn cluster_rows(grouping: &Grouping, noise: usize) -> Vec<ClusterRow> {
    let sizes = grouping.ids.iter().map(|&id| Some(id)).zip(grouping.sizes.iter().copied());
    let noise_row = (noise > 0).then_some((None, noise));
    let row = |(cluster, size): (Option<ClusterId>, usize)| ClusterRow {
        cluster,
        size,
        share: size as f64 / grouping.group.len() as f64,
        class: None,
        class_count: 0,
        purity: None,
        silhouette: None,
        mean_distance: None,
    };
    sizes.chain(noise_row).map(row).collect()
}

fn add_external(
    evaluation: &mut Evaluation,
    clusters: &[Option<ClusterId>],
    truth: &Truth,
) -> Result<(), EvaluateError> {
    let all = Contingency::new(clusters, truth, NoiseRule::OneCluster)?;
    for (cells, part) in all.by_cluster().zip(&all.clusters) {
        let majority = cells.iter().max_by_key(|cell| (cell.count, Reverse(cell.class)));
        if let (Some(majority), Some(row)) = (majority, evaluation.row_mut(part.id)) {
            row.class = Some(truth.names[all.classes[majority.class].id].clone());
            row.class_count = majority.count;
            row.purity = Some(majority.count as f64 / part.size as f64);
        }
    }
    evaluation.confusion = Confusion::new(&all, truth);
    let excluding = evaluation.noise_rule == NoiseRule::Excluded && evaluation.noise > 0;
    let table = if excluding { Contingency::new(clusters, truth, NoiseRule::Excluded)? } else { all };
    evaluation.scores = Scores::external(&table);
    Ok(())
}

impl Evaluation {
    fn row_mut(&mut self, cluster: Option<ClusterId>) -> Option<&mut ClusterRow> {
        let order = |cluster: Option<ClusterId>| (cluster.is_none(), cluster);
        let place = self.clusters.binary_search_by_key(&order(cluster), |row| order(row.cluster)).ok()?;
        Some(&mut self.clusters[place])
    }
}

impl Confusion {
    fn new(table: &Contingency, truth: &Truth) -> Option<Self> {
        let n_classes = truth.names.len();
        let small = table.n_clusters().saturating_mul(n_classes) <= MAX_CONFUSION_CELLS;
        let row = |cells: &[Cell]| {
            let mut counts = vec![0; n_classes];
            for cell in cells {
                counts[table.classes[cell.class].id] = cell.count;
            }
            ConfusionRow { cluster: table.clusters[cells[0].cluster].id, counts }
        };
        small.then(|| Self { classes: truth.names.clone(), rows: table.by_cluster().map(row).collect() })
    }
}

fn add_dispersion(evaluation: &mut Evaluation, grouping: &Grouping, data: &Features<'_>) {
    let dispersion = Dispersion::of(data, grouping);
    evaluation.scores.inertia = dispersion.inertia();
    evaluation.scores.calinski_harabasz = dispersion.calinski_harabasz(grouping);
    evaluation.scores.davies_bouldin = dispersion.davies_bouldin(grouping);
    for (row, distance) in evaluation.clusters.iter_mut().zip(dispersion.mean_distances) {
        row.mean_distance = Some(distance);
    }
}

fn add_pairwise(evaluation: &mut Evaluation, grouping: &Grouping, data: &Features<'_>) {
    let (silhouette, dunn) = compare(data, std::slice::from_ref(grouping)).remove(0);
    evaluation.scores.silhouette = silhouette.mean;
    evaluation.scores.dunn = dunn;
    for (cluster, mean) in silhouette.clusters {
        if let Some(row) = evaluation.row_mut(Some(cluster)) {
            row.silhouette = Some(mean);
        }
    }
}
