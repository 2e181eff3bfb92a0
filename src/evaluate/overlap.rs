//! Scores that compare a cluster with the classes inside it: purity and B-cubed.

use super::{Contingency, PrecisionRecall};

/// Share of rows that belong to the majority class of their cluster: (1/n) * sum over clusters of the largest count.
///
/// In (0, 1], 1 when no cluster mixes classes. It rises with the number of clusters (singletons reach 1), so compare
/// at equal K only. `None` without rows.
pub fn purity(table: &Contingency) -> Option<f64> {
    let hits: u64 = table.by_cluster().map(largest).sum();
    (table.n_samples > 0).then(|| hits as f64 / table.n_samples as f64)
}

/// Mean over the clusters that have rows of each one's share of its majority class; a cluster counts the same
/// whatever its size.
///
/// In (0, 1]; the same caution as for [`purity`]. `None` without rows.
pub fn purity_mean(table: &Contingency) -> Option<f64> {
    (table.n_samples > 0).then(|| purities(table).sum::<f64>() / table.n_clusters() as f64)
}

/// Each cluster's share of its majority class.
pub(super) fn purities(table: &Contingency) -> impl Iterator<Item = f64> {
    table.by_cluster().zip(&table.clusters).map(|(cells, cluster)| largest(cells) as f64 / cluster.size as f64)
}

/// B-cubed: for each row, the share of its cluster that has its class (precision) and the share of its class that is
/// in its cluster (recall), averaged over the rows; the row itself is included in both.
///
/// In (0, 1]. Amigó et al., "A comparison of extrinsic clustering evaluation metrics based on formal constraints",
/// Information Retrieval 12 (2009). `None` without rows.
pub fn bcubed(table: &Contingency) -> PrecisionRecall {
    if table.n_samples == 0 {
        return PrecisionRecall::default();
    }
    let (mut precision, mut recall) = (0.0, 0.0);
    for cell in &table.cells {
        let squared = cell.count as f64 * cell.count as f64;
        precision += squared / table.clusters[cell.cluster].size as f64;
        recall += squared / table.classes[cell.class].size as f64;
    }
    let (precision, recall) = (precision / table.n_samples as f64, recall / table.n_samples as f64);
    let f1 = 2.0 * precision * recall / (precision + recall);
    PrecisionRecall { precision: Some(precision), recall: Some(recall), f1: Some(f1) }
}

fn largest(cells: &[super::contingency::Cell]) -> u64 {
    cells.iter().map(|cell| cell.count).max().unwrap_or(0)
}
