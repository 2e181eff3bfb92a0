//! How many rows each cluster shares with each class: all that the external scores look at.
//!
//! Only the cells that aren't empty are kept, so that a cluster per row against a class per row costs no more
//! than ten against ten.

use rayon::slice::ParallelSliceMut;
use serde::{Deserialize, Serialize};

use super::EvaluateError;
use crate::collection::{ClusterId, Truth};

/// What the external scores do with noise. The coverage stands beside every figure, whichever is chosen.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseRule {
    /// All noise is one more cluster, so that leaving rows out doesn't raise a score.
    #[default]
    OneCluster,
    /// Noise is left out: the scores speak of the clustered rows alone.
    Excluded,
}

/// Counts of rows by cluster and class.
///
/// ```
/// use alike::evaluate::{Contingency, purity};
/// let table = Contingency::from_pairs([(Some(0), 0), (Some(0), 0), (Some(0), 1), (Some(1), 1)]);
/// assert_eq!((table.n_samples(), table.n_clusters(), table.n_classes()), (4, 2, 2));
/// assert_eq!(purity(&table), Some(0.75));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contingency {
    pub(super) n_samples: u64,
    /// The clusters that have rows, rising; the noise last.
    pub(super) clusters: Vec<Part<Option<ClusterId>>>,
    /// The classes that have rows, rising.
    pub(super) classes: Vec<Part<usize>>,
    /// Sorted by cluster, then class; none is empty.
    pub(super) cells: Vec<Cell>,
}

/// One side's group of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<Id> {
    pub id: Id,
    pub size: u64,
}

/// Rows shared by a cluster and a class, both given by their places in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub cluster: usize,
    pub class: usize,
    pub count: u64,
}

impl Contingency {
    /// Counts the rows whose class is known; `clusters` and `truth` go by row.
    ///
    /// # Errors
    /// If they differ in length.
    pub fn new(clusters: &[Option<ClusterId>], truth: &Truth, rule: NoiseRule) -> Result<Self, EvaluateError> {
        EvaluateError::check_rows("classes", clusters.len(), truth.classes.len())?;
        let known = clusters.iter().zip(&truth.classes).filter_map(|(cluster, class)| Some((*cluster, (*class)?)));
        Ok(match rule {
            NoiseRule::OneCluster => Self::from_pairs(known),
            NoiseRule::Excluded => Self::from_pairs(known.filter(|(cluster, _)| cluster.is_some())),
        })
    }

    /// Counts pairs of cluster and class, one a row; `None` is counted as a cluster of its own. Two clusterings are
    /// compared by giving the second as the class. O(n log n).
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Option<ClusterId>, usize)>) -> Self {
        let mut pairs: Vec<(bool, ClusterId, usize)> =
            pairs.into_iter().map(|(cluster, class)| (cluster.is_none(), cluster.unwrap_or(0), class)).collect();
        pairs.par_sort_unstable();
        let runs: Vec<_> = pairs.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect();

        let mut class_ids: Vec<usize> = runs.iter().map(|((_, _, class), _)| *class).collect();
        class_ids.sort_unstable();
        class_ids.dedup();
        let mut classes: Vec<_> = class_ids.into_iter().map(|id| Part { id, size: 0 }).collect();
        let mut clusters: Vec<Part<Option<ClusterId>>> = Vec::new();
        let mut cells = Vec::with_capacity(runs.len());
        for ((is_noise, cluster, class), count) in runs {
            let id = (!is_noise).then_some(cluster);
            if clusters.last().is_none_or(|last| last.id != id) {
                clusters.push(Part { id, size: 0 });
            }
            let cluster = clusters.len() - 1;
            let class = classes.partition_point(|part| part.id < class);
            clusters[cluster].size += count;
            classes[class].size += count;
            cells.push(Cell { cluster, class, count });
        }
        Self { n_samples: pairs.len() as u64, clusters, classes, cells }
    }

    /// Number of rows counted.
    pub fn n_samples(&self) -> u64 {
        self.n_samples
    }

    /// Number of clusters with rows, the noise included if it is counted.
    pub fn n_clusters(&self) -> usize {
        self.clusters.len()
    }

    /// Number of classes with rows.
    pub fn n_classes(&self) -> usize {
        self.classes.len()
    }

    /// The cells of each cluster in turn.
    pub(super) fn by_cluster(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunk_by(|a, b| a.cluster == b.cluster)
    }
}
