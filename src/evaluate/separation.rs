//! Scores of many labellings of the same rows from one pass over the distances.

use std::ops::Range;

use rayon::prelude::*;

use super::dispersion::Dispersion;
use super::distances::Points;
use super::dunn::Extremes;
use super::grouping::Grouping;
use super::silhouette::{ClusterSums, Silhouette, summarise};
use super::{EvaluateError, Scores};
use crate::collection::{ClusterId, Features};

/// The scores without classes of each labelling, with the distances between rows, dense or sparse, computed once.
/// O(n^2 (n_features + labellings)).
///
/// # Errors
/// If `data` and a labelling differ in length.
pub fn separations<'a>(
    data: impl Into<Features<'a>>,
    labellings: &[&[Option<ClusterId>]],
) -> Result<Vec<Scores>, EvaluateError> {
    let data = data.into();
    let groupings = labellings.iter().map(|clusters| Grouping::checked(data.dim().0, clusters));
    let groupings = groupings.collect::<Result<Vec<_>, _>>()?;
    let compared = compare(&data, &groupings);
    let scores = |(grouping, (silhouette, dunn)): (&Grouping, (Silhouette, Option<f64>))| Scores {
        silhouette: silhouette.mean,
        dunn,
        ..Dispersion::of(&data, grouping).scores(grouping)
    };
    Ok(groupings.par_iter().zip(compared).map(scores).collect())
}

/// The silhouettes and the Dunn index of each grouping.
pub(super) fn compare(data: &Features<'_>, groupings: &[Grouping]) -> Vec<(Silhouette, Option<f64>)> {
    let start = |rows: Range<usize>| {
        let of = |grouping| (ClusterSums::new(grouping, rows.clone()), Extremes::new(grouping, rows.clone()));
        groupings.iter().map(of).collect::<Vec<_>>()
    };
    let blocks = match groupings.iter().any(Grouping::is_comparable) {
        true => Points::new(data).fold_blocks(
            start,
            |states, point, distances| {
                for (sums, extremes) in states {
                    sums.add(point, distances);
                    extremes.add(point, distances);
                }
            },
            |states| states.into_iter().map(|(sums, extremes)| (sums.silhouettes(), extremes)).collect::<Vec<_>>(),
        ),
        false => Vec::new(),
    };
    let found = |(at, grouping): (usize, &Grouping)| {
        let values = blocks.iter().flat_map(|block| block[at].0.iter().copied());
        let dunn = Extremes::ratio(blocks.iter().map(|block| &block[at].1)).filter(|_| grouping.is_comparable());
        (summarise(grouping, values), dunn)
    };
    groupings.iter().enumerate().map(found).collect()
}
