//! Scores from information theory: what the clusters tell of the classes.
//!
//! All are natural logarithms inside; the ratios don't depend on the base. Vinh, Epps and Bailey, "Information
//! theoretic measures for clusterings comparison", JMLR 11 (2010).

use super::Contingency;
use super::contingency::Part;

/// Homogeneity: 1 if every cluster holds one class only; 1 - H(class | cluster) / H(class).
///
/// In [0, 1]; 1 if there is one class. `None` without rows. Rosenberg and Hirschberg, "V-Measure", EMNLP (2007).
pub fn homogeneity(table: &Contingency) -> Option<f64> {
    (table.n_samples > 0).then(|| share(mutual_information(table), entropy(&table.classes, table.n_samples)))
}

/// Completeness: 1 if every class lies in one cluster; 1 - H(cluster | class) / H(cluster).
///
/// In [0, 1]; 1 if there is one cluster. `None` without rows.
pub fn completeness(table: &Contingency) -> Option<f64> {
    (table.n_samples > 0).then(|| share(mutual_information(table), entropy(&table.clusters, table.n_samples)))
}

/// V-measure: harmonic mean of [`homogeneity`] and [`completeness`]. In [0, 1], symmetric; `None` without rows.
pub fn v_measure(table: &Contingency) -> Option<f64> {
    let (h, c) = (homogeneity(table)?, completeness(table)?);
    Some(if h + c == 0.0 { 0.0 } else { 2.0 * h * c / (h + c) })
}

/// Mutual information over the mean of both entropies. In [0, 1], symmetric; it rises with the number of clusters.
///
/// 1 if both sides are one group (the same partition). `None` without rows.
pub fn nmi(table: &Contingency) -> Option<f64> {
    if table.n_samples == 0 {
        return None;
    }
    if table.n_clusters() == 1 && table.n_classes() == 1 {
        return Some(1.0);
    }
    Some(mutual_information(table) / mean_entropy(table))
}

/// Mutual information adjusted for chance, with the mean of both entropies as the maximum: 0 on average for random
/// labels of the same sizes, 1 for the same partition; slightly negative values occur. Symmetric.
///
/// The expectation is exact, over all labellings of the same sizes. 1 for the same partition even where it is a
/// single group or all singletons; 0 if just one side is a single group. `None` without rows.
///
/// ```
/// use alike::evaluate::{Contingency, ami};
/// let table = Contingency::from_pairs([(Some(0), 0), (Some(0), 0), (Some(1), 1), (Some(2), 1)]);
/// assert!((ami(&table).unwrap() - 0.5714285714285714).abs() < 1e-12);
/// ```
pub fn ami(table: &Contingency) -> Option<f64> {
    if table.n_samples == 0 {
        return None;
    }
    let same = table.n_clusters() == table.cells.len() && table.n_classes() == table.cells.len();
    if same {
        return Some(1.0);
    }
    if table.n_clusters() == 1 || table.n_classes() == 1 {
        return Some(0.0);
    }
    // The maximum exceeds the expectation for any two partitions that differ.
    let expected = expected_mutual_information(table);
    Some((mutual_information(table) - expected) / (mean_entropy(table) - expected))
}

fn share(information: f64, entropy: f64) -> f64 {
    if entropy == 0.0 { 1.0 } else { information / entropy }
}

fn mean_entropy(table: &Contingency) -> f64 {
    (entropy(&table.clusters, table.n_samples) + entropy(&table.classes, table.n_samples)) / 2.0
}

fn entropy<Id>(parts: &[Part<Id>], n: u64) -> f64 {
    let n = n as f64;
    parts.iter().map(|part| part.size as f64 / n).map(|p| p * -p.ln()).sum::<f64>().max(0.0)
}

fn mutual_information(table: &Contingency) -> f64 {
    let bits = table.cells.iter().map(|cell| {
        cell_information(cell.count, table.clusters[cell.cluster].size, table.classes[cell.class].size, table.n_samples)
    });
    bits.sum::<f64>().max(0.0)
}

/// What a cell of `count` rows adds to the mutual information. The ratio is formed of whole numbers, so independent
/// parts give exactly 0.
fn cell_information(count: u64, cluster: u64, class: u64, n: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    let product = |a: u64, b: u64| (u128::from(a) * u128::from(b)) as f64;
    count as f64 / n as f64 * (product(count, n) / product(cluster, class)).ln()
}

/// Mean of the mutual information over all labellings with these sizes. Each cell's count is then hypergeometric
/// and depends on two sizes only, so equal sizes are summed once.
fn expected_mutual_information(table: &Contingency) -> f64 {
    let (clusters, classes) = (distinct_sizes(&table.clusters), distinct_sizes(&table.classes));
    let mut sum = 0.0;
    for &(cluster, n_clusters) in &clusters {
        for &(class, n_classes) in &classes {
            sum += (n_clusters * n_classes) as f64 * expected_cell(cluster, class, table.n_samples);
        }
    }
    sum
}

/// The sizes, rising, with the number of parts that have each.
fn distinct_sizes<Id>(parts: &[Part<Id>]) -> Vec<(u64, u64)> {
    let mut sizes: Vec<u64> = parts.iter().map(|part| part.size).collect();
    sizes.sort_unstable();
    sizes.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64)).collect()
}

/// Mean of [`cell_information`] when `class` of `n` rows fall at random, `cluster` of them into the cluster.
///
/// The weights start at 1 at the mode and follow the ratio of neighbouring probabilities to both sides until they
/// no longer count; dividing by their sum replaces factorials, whose logarithms lose digits for large `n`.
fn expected_cell(cluster: u64, class: u64, n: u64) -> f64 {
    const NEGLIGIBLE: f64 = 1e-20;
    let (least, most) = ((cluster + class).saturating_sub(n), cluster.min(class));
    let mode = (u128::from(cluster + 1) * u128::from(class + 1) / u128::from(n + 2)) as u64;
    let mode = mode.clamp(least, most);
    // Probability of x + 1 over that of x.
    let ratio =
        |x: u64| ((cluster - x) as f64 * (class - x) as f64) / ((x + 1) as f64 * (n + x + 1 - cluster - class) as f64);
    let (mut total, mut sum) = (1.0, cell_information(mode, cluster, class, n));
    let mut add = |x: u64, weight: f64| {
        total += weight;
        sum += weight * cell_information(x, cluster, class, n);
        weight > NEGLIGIBLE
    };
    let mut weight = 1.0;
    for x in mode..most {
        weight *= ratio(x);
        if !add(x + 1, weight) {
            break;
        }
    }
    weight = 1.0;
    for x in (least..mode).rev() {
        weight /= ratio(x);
        if !add(x, weight) {
            break;
        }
    }
    sum / total
}
