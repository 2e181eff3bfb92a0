//! How many clusters, by whether they are found again.

use super::{Contingency, ari};
use crate::collection::ClusterId;

/// Mean adjusted Rand index over all pairs of labellings of the same rows, such as those found from subsamples: 1 if all
/// agree, 0 if no more than by chance. `None` with fewer than two, or without rows. O(m^2 n log n) for m labellings.
///
/// Few clusters are stable by themselves: one cut across the longest axis is found again in rows without any structure.
/// So compare with the stability of such rows. von Luxburg, "Clustering stability: an overview" (2010); Lange et al.,
/// "Stability-based validation of clustering solutions" (2004).
///
/// # Panics
/// If the labellings differ in length.
///
/// ```
/// let one = [Some(0), Some(0), Some(1), Some(1)];
/// let two = [Some(1), Some(1), Some(0), Some(0)];
/// assert_eq!(alike::evaluate::stability(&[&one, &two]), Some(1.0));
/// ```
pub fn stability(labellings: &[&[Option<ClusterId>]]) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0);
    for (i, a) in labellings.iter().enumerate() {
        for b in &labellings[..i] {
            assert_eq!(a.len(), b.len(), "labellings of different rows");
            let pairs = a.iter().zip(*b).map(|(a, b)| (*a, b.map_or(0, |b| b + 1)));
            sum += ari(&Contingency::from_pairs(pairs))?;
            n += 1;
        }
    }
    (n > 0).then(|| sum / f64::from(n))
}
