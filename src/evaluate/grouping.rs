//! Clusters numbered without gaps, as the internal scores need them.

use super::EvaluateError;
use crate::collection::ClusterId;

/// The clustered rows of a labelling.
pub(super) struct Grouping {
    /// The clusters that have rows, rising.
    pub ids: Vec<ClusterId>,
    /// Rows in each.
    pub sizes: Vec<usize>,
    /// Each row's place in `ids`; `None` is noise.
    pub group: Vec<Option<usize>>,
}

impl Grouping {
    pub fn new(clusters: &[Option<ClusterId>]) -> Self {
        let mut ids: Vec<ClusterId> = clusters.iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let place = |id: ClusterId| ids.partition_point(|&other| other < id);
        let group: Vec<_> = clusters.iter().map(|cluster| cluster.map(place)).collect();
        let mut sizes = vec![0; ids.len()];
        for &place in group.iter().flatten() {
            sizes[place] += 1;
        }
        Self { ids, sizes, group }
    }

    /// Of the labels of so many rows.
    pub fn checked(n_samples: usize, clusters: &[Option<ClusterId>]) -> Result<Self, EvaluateError> {
        EvaluateError::check_rows("labels", n_samples, clusters.len())?;
        Ok(Self::new(clusters))
    }

    /// Whether there is something to compare: two clusters at least, and two rows in one of them at least.
    pub fn is_comparable(&self) -> bool {
        self.ids.len() > 1 && self.sizes.iter().any(|&size| size > 1)
    }
}
