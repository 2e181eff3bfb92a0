//! Scores that count pairs of rows: together or apart in the clusters, together or apart in the classes.
//!
//! The counts are whole numbers and stay so up to the last division, for any number of rows below 2^31.

use super::Contingency;

/// Precision, recall and their harmonic mean; each `None` where it would divide by zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PrecisionRecall {
    /// How much of what the clusters put together belongs together.
    pub precision: Option<f64>,
    /// How much of what belongs together the clusters put together.
    pub recall: Option<f64>,
    /// Harmonic mean of the two.
    pub f1: Option<f64>,
}

/// Ordered pairs of distinct rows, so every count is twice the usual one.
struct Pairs {
    /// Same cluster, same class.
    both: i128,
    /// Same cluster.
    clustered: i128,
    /// Same class.
    classed: i128,
    /// All.
    all: i128,
}

impl Pairs {
    fn of(table: &Contingency) -> Self {
        let pairs = |size: u64| i128::from(size) * (i128::from(size) - 1);
        Self {
            both: table.cells.iter().map(|cell| pairs(cell.count)).sum(),
            clustered: table.clusters.iter().map(|part| pairs(part.size)).sum(),
            classed: table.classes.iter().map(|part| pairs(part.size)).sum(),
            all: pairs(table.n_samples),
        }
    }
}

/// Adjusted Rand index: agreement over pairs, 0 on average for random labels of the same sizes, 1 for the same
/// partition; it can be negative, down to -0.5. Symmetric.
///
/// 1 too where both sides are one group or both all singletons: they are the same partition. `None` without rows.
/// Hubert and Arabie, "Comparing partitions", Journal of Classification 2 (1985).
///
/// ```
/// use alike::evaluate::{Contingency, ari};
/// let table = Contingency::from_pairs([(Some(0), 0), (Some(0), 0), (Some(1), 1), (Some(2), 1)]);
/// assert!((ari(&table).unwrap() - 0.5714285714285714).abs() < 1e-12);
/// ```
pub fn ari(table: &Contingency) -> Option<f64> {
    if table.n_samples == 0 {
        return None;
    }
    let Pairs { both, clustered, classed, all } = Pairs::of(table);
    let (only_clustered, only_classed) = (clustered - both, classed - both);
    if only_clustered == 0 && only_classed == 0 {
        return Some(1.0);
    }
    let neither = all - both - only_clustered - only_classed;
    let numerator = 2 * (both * neither - only_classed * only_clustered);
    let denominator = classed * (only_classed + neither) + clustered * (only_clustered + neither);
    Some(numerator as f64 / denominator as f64)
}

/// Fowlkes-Mallows index: geometric mean of pairwise precision and recall. In [0, 1], symmetric.
///
/// 0 where no pair is together on both sides, so also where one side is all singletons. `None` without rows.
/// Fowlkes and Mallows, "A method for comparing two hierarchical clusterings", JASA 78 (1983).
pub fn fowlkes_mallows(table: &Contingency) -> Option<f64> {
    let Pairs { both, clustered, classed, .. } = Pairs::of(table);
    let ratio = |of: i128| (both as f64 / of as f64).sqrt();
    (table.n_samples > 0).then(|| if both == 0 { 0.0 } else { ratio(clustered) * ratio(classed) })
}

/// Precision and recall over pairs of rows: of the pairs in one cluster, how many share a class, and the reverse.
///
/// In [0, 1]. Precision is `None` if no two rows share a cluster, recall if no two share a class.
pub fn pairwise(table: &Contingency) -> PrecisionRecall {
    let Pairs { both, clustered, classed, .. } = Pairs::of(table);
    let ratio = |of: i128, n: i128| (n > 0).then(|| of as f64 / n as f64);
    PrecisionRecall {
        precision: ratio(both, clustered),
        recall: ratio(both, classed),
        f1: ratio(2 * both, clustered + classed),
    }
}
