//! Silhouette and Dunn of many labellings of the same rows from one pass over the distances.

use ndarray::ArrayView2;

use super::EvaluateError;
use super::distances::Points;
use super::dunn::Extremes;
use super::grouping::Grouping;
use super::silhouette::{ClusterSums, summarise};
use crate::collection::ClusterId;

/// What the distances between all rows say of a labelling.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Separation {
    /// As of [`silhouette`](super::silhouette()).
    pub silhouette: Option<f64>,
    /// As of [`dunn`](super::dunn()).
    pub dunn: Option<f64>,
}

/// [`silhouette`](super::silhouette()) and [`dunn`](super::dunn()) of each labelling, with the distances computed once.
/// O(n^2 (n_features + labellings)).
///
/// # Errors
/// If `data` and a labelling differ in length.
pub fn separations(
    data: ArrayView2<'_, f32>,
    labellings: &[&[Option<ClusterId>]],
) -> Result<Vec<Separation>, EvaluateError> {
    for clusters in labellings {
        EvaluateError::check_rows("labels", data.nrows(), clusters.len())?;
    }
    let groupings: Vec<Grouping> = labellings.iter().map(|clusters| Grouping::new(clusters)).collect();
    let comparable: Vec<&Grouping> = groupings.iter().filter(|grouping| grouping.is_comparable()).collect();
    if comparable.is_empty() {
        return Ok(vec![Separation::default(); groupings.len()]);
    }
    let start = |rows: std::ops::Range<usize>| {
        let both = comparable.iter().map(|g| (ClusterSums::new(g, rows.clone()), Extremes::new(g, rows.clone())));
        both.collect::<Vec<_>>()
    };
    let data = data.into();
    let blocks = Points::new(&data).fold_blocks(
        start,
        |states, point, distances| {
            for (sums, extremes) in states {
                sums.add(point, distances);
                extremes.add(point, distances);
            }
        },
        |states| states.into_iter().map(|(sums, extremes)| (sums.silhouettes(), extremes)).collect::<Vec<_>>(),
    );
    let mut places = 0..comparable.len();
    let separation = |grouping: &Grouping| {
        let Some(place) = grouping.is_comparable().then(|| places.next()).flatten() else {
            return Separation::default();
        };
        let values = blocks.iter().flat_map(|block| block[place].0.iter().copied());
        let extremes = blocks.iter().map(|block| &block[place].1);
        Separation { silhouette: summarise(grouping, values).mean, dunn: Extremes::ratio(extremes) }
    };
    Ok(groupings.iter().map(separation).collect())
}
