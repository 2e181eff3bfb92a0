//! Choosing the number of clusters without labels.

/// The number of clusters with the highest silhouette; of equals the smallest, as the simplest account. Pairs
/// without a silhouette don't take part; `None` if none has one.
///
/// Measure the silhouettes in the reduced space and on one sample for all k
/// ([`silhouettes`](super::silhouettes)): in raw, high-dimensional features they say little (arXiv 2406.02465).
///
/// ```
/// use alike::evaluate::choose_k;
/// assert_eq!(choose_k([(2, Some(0.3)), (4, Some(0.5)), (3, Some(0.5)), (5, None)]), Some(3));
/// assert_eq!(choose_k([]), None);
/// ```
pub fn choose_k(silhouettes: impl IntoIterator<Item = (usize, Option<f64>)>) -> Option<usize> {
    let known = silhouettes.into_iter().filter_map(|(k, silhouette)| Some((k, silhouette?)));
    known.max_by(|(k, a), (l, b)| a.total_cmp(b).then(l.cmp(k))).map(|(k, _)| k)
}
