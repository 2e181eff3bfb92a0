//! How many clusters, by whether they are found again.

use super::{Contingency, EvaluateError, ari};
use crate::collection::ClusterId;

/// Mean adjusted Rand index over all pairs of labellings of the same rows, such as those found from subsamples: 1 if all
/// agree, 0 if no more than by chance. Noise counts as one cluster. `None` with fewer than two, or without rows.
/// O(m^2 n log n) for m labellings.
///
/// Few clusters are stable by themselves: one cut across the longest axis is found again in rows without any structure.
/// So compare with the stability of such rows. von Luxburg, "Clustering stability: an overview" (2010); Lange et al.,
/// "Stability-based validation of clustering solutions" (2004).
///
/// # Errors
/// If the labellings differ in length.
///
/// ```
/// let one = [Some(0), Some(0), Some(1), Some(1)];
/// let two = [Some(1), Some(1), Some(0), Some(0)];
/// assert_eq!(alike::evaluate::stability(&[&one, &two])?, Some(1.0));
/// # Ok::<(), alike::evaluate::EvaluateError>(())
/// ```
pub fn stability(labellings: &[&[Option<ClusterId>]]) -> Result<Option<f64>, EvaluateError> {
    let mut scores = Vec::new();
    for (i, a) in labellings.iter().enumerate() {
        for b in &labellings[..i] {
            EvaluateError::check_rows("labels", a.len(), b.len())?;
            let pairs = a.iter().zip(*b).map(|(a, b)| (*a, b.map_or(0, |b| b + 1)));
            scores.push(ari(&Contingency::from_pairs(pairs)));
        }
    }
    let sum = scores.iter().copied().sum::<Option<f64>>();
    Ok(sum.filter(|_| !scores.is_empty()).map(|sum| sum / scores.len() as f64))
}
