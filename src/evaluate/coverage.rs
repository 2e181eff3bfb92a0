//! How pure clusters are when the rows least sure of theirs are left out.

use serde::Serialize;

use super::overlap::purities;
use super::{Contingency, EvaluateError, ari, purity, purity_mean};
use crate::collection::{ClusterId, Truth};

/// Points of a curve, at most.
const POINTS: usize = 100;

/// What is true of the rows whose confidence reaches a threshold. Only rows of known class count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoveragePoint {
    /// The least confidence of a row that is kept.
    pub threshold: f64,
    /// Share of all rows that are kept.
    pub coverage: f64,
    /// Clusters that have rows left.
    pub n_clusters: usize,
    /// Share of the kept rows that have the class of most of their cluster.
    pub purity: Option<f64>,
    /// The same of a cluster, averaged over clusters.
    pub purity_mean: Option<f64>,
    /// The same of the cluster in which it is least.
    pub purity_worst: Option<f64>,
    /// Adjusted Rand index of the kept rows.
    pub ari: Option<f64>,
}

/// The purity-coverage curve: at most 100 thresholds, falling, evenly spread over the rows that are in a cluster, rows of
/// equal confidence together; the last keeps them all. A row without confidence, or in no cluster, is never kept. Empty if
/// no row is. O(100 n log n).
///
/// It is the risk-coverage curve of a selective classifier (El-Yaniv and Wiener, 2010) whose classes are those of the
/// clusters' majorities. Purity rises with the number of clusters, which stands beside it.
///
/// # Errors
/// If the lengths differ.
///
/// ```
/// use alike::collection::Truth;
/// use alike::evaluate::purity_coverage;
/// let truth = Truth::from_names(["a", "a", "b", "b"].map(Some));
/// let curve = purity_coverage(&[Some(0); 4], &[0.9, 0.8, 0.7, 0.1].map(Some), &truth)?;
/// assert_eq!((curve[1].coverage, curve[1].purity), (0.5, Some(1.0)));
/// assert_eq!((curve[3].coverage, curve[3].purity), (1.0, Some(0.5)));
/// # Ok::<(), alike::evaluate::EvaluateError>(())
/// ```
pub fn purity_coverage(
    clusters: &[Option<ClusterId>],
    confidence: &[Option<f64>],
    truth: &Truth,
) -> Result<Vec<CoveragePoint>, EvaluateError> {
    EvaluateError::check_rows("confidences", clusters.len(), confidence.len())?;
    EvaluateError::check_rows("classes", clusters.len(), truth.classes.len())?;
    let row = |row: usize| Some((confidence[row].filter(|c| !c.is_nan())?, clusters[row]?, truth.classes[row]?));
    let mut rows: Vec<(f64, ClusterId, usize)> = (0..clusters.len()).filter_map(row).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let ends = (1..=rows.len()).filter(|&end| rows.get(end).is_none_or(|next| next.0 < rows[end - 1].0));
    let mut curve: Vec<CoveragePoint> = Vec::new();
    let mut due = 1;
    for end in ends {
        // An even step is due where so many rows are behind; ties may take several at once.
        if end * POINTS < due * rows.len() {
            continue;
        }
        due = end * POINTS / rows.len() + 1;
        let table = Contingency::from_pairs(rows[..end].iter().map(|&(_, cluster, class)| (Some(cluster), class)));
        curve.push(CoveragePoint {
            threshold: rows[end - 1].0,
            coverage: end as f64 / truth.n_known() as f64,
            n_clusters: table.n_clusters(),
            purity: purity(&table),
            purity_mean: purity_mean(&table),
            purity_worst: purities(&table).reduce(f64::min),
            ari: ari(&table),
        });
    }
    Ok(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(classes: &[Option<usize>]) -> Truth {
        Truth::from_names(classes.iter().map(|class| class.map(|class| class.to_string())))
    }

    #[test]
    fn a_worked_case() {
        // Cluster 0: a a b; cluster 1: b a; one row unknown, one noise, one without confidence.
        let clusters = [Some(0), Some(0), Some(0), Some(1), Some(1), Some(1), None, Some(1)];
        let confidence = [Some(0.9), Some(0.8), Some(0.3), Some(0.8), Some(0.2), Some(1.0), Some(1.0), None];
        let classes = [Some(0), Some(0), Some(1), Some(1), Some(0), None, Some(0), Some(1)];
        let curve = purity_coverage(&clusters, &confidence, &truth(&classes)).unwrap();
        let of = |p: &CoveragePoint| (p.threshold, p.n_clusters, p.purity.unwrap(), p.purity_worst.unwrap());
        let expected = [(0.9, 1, 1.0, 1.0), (0.8, 2, 1.0, 1.0), (0.3, 2, 0.75, 2.0 / 3.0), (0.2, 2, 0.6, 0.5)];
        assert_eq!(curve.iter().map(of).collect::<Vec<_>>(), expected);
        let coverage: Vec<f64> = curve.iter().map(|p| p.coverage).collect();
        assert_eq!(coverage, [1.0 / 7.0, 3.0 / 7.0, 4.0 / 7.0, 5.0 / 7.0]);
        assert_eq!(curve[3].purity_mean, Some((2.0 / 3.0 + 0.5) / 2.0));
    }

    #[test]
    fn long_curves_are_thinned_evenly_and_end_with_all() {
        let n = 1234;
        let confidence: Vec<_> = (0..n).map(|i| Some(f64::from(i % 617))).collect();
        let classes: Vec<_> = (0..n).map(|i| Some(i as usize % 3)).collect();
        let clusters: Vec<_> = classes.iter().map(|class| class.map(|class| class / 2)).collect();
        let curve = purity_coverage(&clusters, &confidence, &truth(&classes)).unwrap();
        assert_eq!((curve.len(), curve[99].coverage, curve[99].threshold), (100, 1.0, 0.0));
        assert!(curve.windows(2).all(|p| (0.0..0.02).contains(&(p[1].coverage - p[0].coverage))));
    }

    #[test]
    fn equal_confidences_are_one_point_and_no_rows_none() {
        let all = [Some(0), Some(1), Some(1)];
        let curve = purity_coverage(&all, &[Some(0.5); 3], &truth(&[Some(0), Some(1), Some(0)])).unwrap();
        assert_eq!((curve.len(), curve[0].coverage), (1, 1.0));
        assert!(purity_coverage(&all, &[Some(f64::NAN); 3], &truth(&[Some(0); 3])).unwrap().is_empty());
        assert!(purity_coverage(&all, &[None; 3], &truth(&[Some(0); 2])).is_err());
    }
}
