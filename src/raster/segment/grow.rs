//! Labels that grow into what is near.

use ndarray::ArrayD;

use super::distance::{FAR, lower_envelope};
use crate::collection::ClusterId;

/// Gives each cell without a label that of the nearest cell with one, if it is within `radius` cells: of several equally
/// near the lowest label. Exact, and O(cells) for each axis whatever the radius.
///
/// A maximum filter reaches as far, but hands contested cells, and those labelled already, to the highest label.
///
/// ```
/// use alike::raster::grow;
/// let mut labels = ndarray::array![Some(7), None, None, None, Some(2)].into_dyn();
/// grow(&mut labels, 1.0);
/// assert_eq!(labels, ndarray::array![Some(7), Some(7), None, Some(2), Some(2)].into_dyn());
/// grow(&mut labels, 1.0);
/// assert_eq!(labels[2], Some(2));
/// ```
pub fn grow(labels: &mut ArrayD<Option<ClusterId>>, radius: f64) {
    let Some(most) = labels.iter().flatten().max() else { return };
    // Squared distance first, then label, as one number.
    let weight = *most as i64 + 1;
    let mut nearest = labels.mapv(|label| label.map_or(FAR, |label| label as i64));
    lower_envelope(&mut nearest, weight);
    labels.zip_mut_with(&nearest, |label, nearest| {
        if label.is_none() && (nearest / weight) as f64 <= radius * radius {
            *label = Some((nearest % weight) as ClusterId);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::distance::tests::{rasters, squared};
    use super::*;
    use ndarray::IxDyn;
    use rand::Rng;

    #[test]
    fn as_by_brute_force() {
        let labels = |few: usize| rasters(move |rng, share| rng.random_bool(share).then(|| rng.random_range(0..few)));
        for (labels, radius) in
            [labels(3), labels(1000)].concat().iter().zip([0.0, 1.0, 2.3, 9.0, 100.0].into_iter().cycle())
        {
            let held: Vec<_> = labels.indexed_iter().filter_map(|(at, label)| Some((at, (*label)?))).collect();
            let mut grown = labels.clone();
            grow(&mut grown, radius);
            for (at, &found) in grown.indexed_iter() {
                let nearest = held.iter().map(|(other, label)| (squared(&at, other), *label)).min();
                let expected = nearest.filter(|(squared, _)| f64::from(*squared) <= radius * radius);
                assert_eq!(found, expected.map(|(_, label)| label), "{at:?} within {radius}");
            }
        }
    }

    /// The reference grows by a maximum filter: the higher label wins everywhere, bridges the gap, and eats labelled cells.
    #[test]
    fn fault_7_the_nearest_label_wins_and_gaps_stay() {
        let mut labels = ArrayD::from_elem(IxDyn(&[9, 30]), None);
        labels[[4, 5]] = Some(0);
        labels[[4, 8]] = Some(1);
        labels[[4, 25]] = Some(2);
        grow(&mut labels, 4.0);
        assert_eq!(labels[[4, 5]], Some(0), "labels stay");
        assert_eq!((labels[[4, 6]], labels[[4, 7]]), (Some(0), Some(1)), "nearest, not highest");
        assert_eq!(
            (labels[[4, 12]], labels[[4, 13]], labels[[4, 20]], labels[[4, 21]]),
            (Some(1), None, None, Some(2))
        );
    }
}
