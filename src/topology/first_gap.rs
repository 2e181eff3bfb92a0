//! Single linkage, cut where its merges first leave a gap.

use ndarray::ArrayView2;

use crate::distance::squared_euclidean;

/// The cluster of each row of `x`, numbered by their first rows: single linkage cut before the first merge whose height
/// exceeds that of the one before by `share` of the highest, or never. O(n^2 d).
///
/// The first merge is compared with none: in many dimensions the nearest two rows are far apart, and a gap below them would
/// leave every row alone.
pub(super) fn first_gap(x: ArrayView2<'_, f32>, share: f64) -> Vec<usize> {
    let tree = spanning_tree(x);
    let mut heights: Vec<f64> = tree.iter().map(|edge| edge.0).collect();
    heights.sort_unstable_by(f64::total_cmp);
    let gap = share * heights.last().copied().unwrap_or(0.0);
    let gaping = heights.windows(2).find(|pair| pair[1] > pair[0] && pair[1] - pair[0] >= gap);
    let cut = gaping.map_or(f64::INFINITY, |pair| pair[1]);
    // An edge of the tree leads to a row from one that was reached before.
    let mut clusters = vec![0; x.nrows()];
    let mut n_clusters = 1;
    for &(height, from, to) in &tree {
        clusters[to] = if height < cut { clusters[from] } else { n_clusters };
        n_clusters += usize::from(height >= cut);
    }
    let mut names = vec![usize::MAX; n_clusters];
    let mut named = 0;
    for cluster in &mut clusters {
        if names[*cluster] == usize::MAX {
            names[*cluster] = named;
            named += 1;
        }
        *cluster = names[*cluster];
    }
    clusters
}

/// The edges of a minimum spanning tree from row 0 on: length, the row reached before, the row reached (Prim, 1957).
fn spanning_tree(x: ArrayView2<'_, f32>) -> Vec<(f64, usize, usize)> {
    let row = |row: usize| x.row(row).to_slice().expect("rows are contiguous");
    let mut left: Vec<(f64, usize, usize)> = (1..x.nrows()).map(|to| (f64::INFINITY, 0, to)).collect();
    let mut tree = Vec::with_capacity(left.len());
    let mut last = 0;
    while !left.is_empty() {
        let mut nearest = 0;
        for at in 0..left.len() {
            let distance = squared_euclidean(row(last), row(left[at].2));
            if distance < left[at].0 {
                (left[at].0, left[at].1) = (distance, last);
            }
            if (left[at].0, left[at].2) < (left[nearest].0, left[nearest].2) {
                nearest = at;
            }
        }
        let (squared, from, to) = left.swap_remove(nearest);
        tree.push((squared.sqrt(), from, to));
        last = to;
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis, array};

    fn clusters(values: &[f32], share: f64) -> Vec<usize> {
        first_gap(Array2::from_shape_vec((values.len(), 1), values.to_vec()).unwrap().view(), share)
    }

    #[test]
    fn the_first_gap_cuts() {
        // Merges at 1, 1, 2, 5, 20, 21: the first gap of .1 * 21 is between 2 and 5, of .3 * 21 between 5 and 20.
        let values = [30.0, 0.0, 1.0, 2.0, 9.0, 7.0, 50.0];
        let merges: Vec<f64> = spanning_tree(array![[30.0], [0.0], [1.0], [2.0], [9.0], [7.0]].view())
            .into_iter()
            .map(|edge| edge.0)
            .collect();
        assert_eq!(merges, [21.0, 2.0, 5.0, 1.0, 1.0]);
        assert_eq!(clusters(&values, 0.1), [0, 1, 1, 1, 2, 2, 3]);
        assert_eq!(clusters(&values, 0.3), [0, 1, 1, 1, 1, 1, 2]);
        assert_eq!(clusters(&values, 0.9), [0; 7]);
    }

    #[test]
    fn rows_without_a_gap_stay_together() {
        assert_eq!(clusters(&[0.0, 1.0, 2.0, 3.0], 0.3), [0; 4]);
        assert_eq!(clusters(&[0.0, 8.0], 0.3), [0; 2]);
        assert_eq!(clusters(&[5.0; 4], 0.3), [0; 4]);
        assert_eq!(clusters(&[5.0], 0.3), [0]);
        let far = Array2::from_shape_fn((3, 2), |(i, _)| [0.0, 0.0, 4.0][i]);
        assert_eq!(first_gap(far.select(Axis(0), &[0, 1, 2]).view(), 0.3), [0, 0, 1]);
    }
}
