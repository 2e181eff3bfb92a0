//! How many clusters, by what is left of the rows' spread: the elbow of the inertia, and the gap statistic.

/// How far each point of a falling curve lies below the chord from its first to its last point, both axes scaled to
/// 0..1. The highest is the elbow: where more clusters stop paying. All 0 if the curve does not fall.
///
/// `curve` holds (number of clusters, inertia), rising by number. The answer depends on the range: a longer one moves
/// the elbow up. Satopaa et al., "Finding a kneedle in a haystack" (2011).
///
/// ```
/// let heights = alike::evaluate::elbow(&[(1, 10.0), (2, 2.0), (3, 1.0), (4, 0.0)]);
/// assert!(heights[1] > 0.4 && heights[1] > heights[2] && heights[3] == 0.0);
/// ```
pub fn elbow(curve: &[(usize, f64)]) -> Vec<f64> {
    let (Some(&(first, top)), Some(&(last, bottom))) = (curve.first(), curve.last()) else { return Vec::new() };
    let (width, height) = ((last - first) as f64, top - bottom);
    if width == 0.0 || height <= 0.0 {
        return vec![0.0; curve.len()];
    }
    curve.iter().map(|&(k, w)| 1.0 - (k - first) as f64 / width - (w - bottom) / height).collect()
}

/// The gap statistic of one number of clusters.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Gap {
    /// Mean log inertia of the references less that of the rows: how much better the rows cluster than no structure.
    pub value: f64,
    /// Its standard error: the references' deviation times sqrt(1 + 1/B).
    pub error: f64,
}

/// The gap of rows of this inertia to B reference sets of no structure, clustered as they are; `None` without
/// references or where an inertia is 0, whose logarithm is none.
///
/// Tibshirani, Walther and Hastie, "Estimating the number of clusters in a data set via the gap statistic", JRSS B 63
/// (2001).
pub fn gap(inertia: f64, references: &[f64]) -> Option<Gap> {
    let logs: Vec<f64> = references.iter().map(|inertia| inertia.ln()).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let deviation = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / n).sqrt();
    let gap = Gap { value: mean - inertia.ln(), error: deviation * (1.0 + 1.0 / n).sqrt() };
    (gap.value.is_finite() && gap.error.is_finite()).then_some(gap)
}

/// The smallest number of clusters whose gap is no less than the next one's less its error; `None` if the gap rises to
/// the end. `gaps` goes by number, rising.
///
/// ```
/// use alike::evaluate::{Gap, choose_by_gap};
/// let gap = |k, value| (k, Gap { value, error: 0.01 });
/// assert_eq!(choose_by_gap(&[gap(1, 0.1), gap(2, 0.5), gap(3, 0.505), gap(4, 0.4)]), Some(2));
/// assert_eq!(choose_by_gap(&[gap(1, 0.1), gap(2, 0.5)]), None);
/// ```
pub fn choose_by_gap(gaps: &[(usize, Gap)]) -> Option<usize> {
    gaps.windows(2).find(|pair| pair[0].1.value >= pair[1].1.value - pair[1].1.error).map(|pair| pair[0].0)
}
