//! The exact distance transform.

use ndarray::{ArrayD, ArrayViewD, ArrayViewMut1, Axis, Zip};

/// What a cell holds that nothing reaches.
pub(super) const FAR: i64 = i64::MAX;

/// The squared distance, in cells, of each cell to the nearest one that `targets` holds; 0 on these. `None` if it holds
/// none.
///
/// The lower envelope of parabolas along one axis after another, in integers: exact, and O(cells) for each axis
/// (Felzenszwalb & Huttenlocher 2012; Meijster, Roerdink & Hesselink 2000).
///
/// ```
/// use alike::raster::distance;
/// let targets = ndarray::array![[true, false, false], [false, false, false]].into_dyn();
/// assert_eq!(distance(targets.view()), Some(ndarray::array![[0, 1, 4], [1, 2, 5]].into_dyn()));
/// ```
pub fn distance(targets: ArrayViewD<'_, bool>) -> Option<ArrayD<u32>> {
    let mut values = targets.mapv(|target| if target { 0 } else { FAR });
    lower_envelope(&mut values, 1);
    values.iter().all(|&value| value < FAR).then(|| values.mapv(|value| value as u32))
}

/// The least value[q] + weight * |p - q|^2 over all cells q, for each cell p.
pub(super) fn lower_envelope(values: &mut ArrayD<i64>, weight: i64) {
    for axis in 0..values.ndim() {
        Zip::from(values.lanes_mut(Axis(axis))).par_for_each(|lane| along(lane, weight));
    }
}

/// The same within one line.
fn along(mut line: ArrayViewMut1<'_, i64>, weight: i64) {
    // Parabolas of the envelope, by where they stand, and the first cell where each is the lowest.
    let mut parabolas: Vec<(i64, i64, i64)> = Vec::with_capacity(line.len());
    for (at, &value) in line.iter().enumerate().filter(|(_, value)| **value < FAR) {
        let at = at as i64;
        let mut first = 0;
        while let Some(&(other, height, start)) = parabolas.last() {
            // Where the new one is lower than the last: past this many half weights.
            let rise = value - height + weight * (at * at - other * other);
            first = rise.div_euclid(2 * weight * (at - other)) + 1;
            if first > start {
                break;
            }
            parabolas.pop();
            first = 0;
        }
        if first < line.len() as i64 {
            parabolas.push((at, value, first));
        }
    }
    let mut current = 0;
    if parabolas.is_empty() {
        return;
    }
    for (at, value) in line.iter_mut().enumerate() {
        while parabolas.get(current + 1).is_some_and(|&(.., start)| start <= at as i64) {
            current += 1;
        }
        let (stands, height, _) = parabolas[current];
        *value = height + weight * (at as i64 - stands).pow(2);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ndarray::{Dimension, IxDyn};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Rasters of one to four axes with few and with many cells of `draw`.
    pub fn rasters<T>(mut draw: impl FnMut(&mut ChaCha8Rng, f64) -> T) -> Vec<ArrayD<T>> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let shapes: [&[usize]; 6] = [&[40], &[1, 9], &[17, 23], &[23, 17], &[5, 7, 6], &[3, 4, 5, 4]];
        let mut all = Vec::new();
        for (shape, share) in shapes.iter().flat_map(|shape| [0.01, 0.05, 0.5, 1.0].map(|share| (shape, share))) {
            all.push(ArrayD::from_shape_simple_fn(IxDyn(shape), || draw(&mut rng, share)));
        }
        all
    }

    /// The squared distance of two cells.
    pub fn squared(a: &IxDyn, b: &IxDyn) -> u32 {
        a.slice().iter().zip(b.slice()).map(|(a, b)| a.abs_diff(*b).pow(2) as u32).sum()
    }

    #[test]
    fn as_by_brute_force() {
        for targets in rasters(|rng, share| rng.random_bool(share)) {
            let held: Vec<IxDyn> = targets.indexed_iter().filter(|(_, target)| **target).map(|(at, _)| at).collect();
            let Some(found) = distance(targets.view()) else {
                assert!(held.is_empty());
                continue;
            };
            for (at, &found) in found.indexed_iter() {
                assert_eq!(found, held.iter().map(|other| squared(&at, other)).min().unwrap(), "{at:?}");
            }
        }
    }

    #[test]
    fn nothing_is_far_from_nothing() {
        assert_eq!(distance(ArrayD::from_elem(IxDyn(&[4, 4]), false).view()), None);
    }
}
