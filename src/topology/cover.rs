//! Overlapping intervals of the lens, and the rows that fall into each.

use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::ArrayView2;

/// How the values of a lens are cut into intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cover {
    /// Equally long.
    #[default]
    Interval,
    /// Equally full: the same by rank, equal values having the mean of their ranks.
    Balanced,
}

impl Cover {
    /// The rows in each product of an interval of every column of `lens`, in the order of the intervals; none is empty.
    ///
    /// With range R, n intervals and overlap p an interval has the length R/(n - (n-1)p), and the next one begins (1-p) of
    /// it later; a row on an end is inside.
    pub(super) fn pull_back(self, lens: ArrayView2<'_, f32>, n_intervals: usize, overlap: f64) -> Vec<Vec<usize>> {
        let along = |column: usize| {
            let values: Vec<f64> = lens.column(column).iter().map(|&v| f64::from(v)).collect();
            intervals(&if self == Self::Balanced { ranks(&values) } else { values }, n_intervals, overlap)
        };
        let columns: Vec<_> = (0..lens.ncols()).map(along).collect();
        let mut pieces: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for row in 0..lens.nrows() {
            let mut keys = vec![Vec::new()];
            for column in &columns {
                let longer = |key: &Vec<usize>| column[row].clone().map(|at| [&key[..], &[at]].concat()).collect();
                keys = keys.iter().flat_map(|key| -> Vec<Vec<usize>> { longer(key) }).collect();
            }
            keys.into_iter().for_each(|key| pieces.entry(key).or_default().push(row));
        }
        pieces.into_values().collect()
    }
}

/// The intervals that each value lies in; the first and the last are open towards infinity.
fn intervals(values: &[f64], n_intervals: usize, overlap: f64) -> Vec<Range<usize>> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let range = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
    if range <= 0.0 {
        return vec![0..1; values.len()];
    }
    let n = n_intervals as f64;
    let length = range / (n - (n - 1.0) * overlap);
    let left = |at: usize| low + at as f64 * (1.0 - overlap) * length;
    let last = n_intervals - 1;
    let inside = |value: f64| {
        let first = (0..last).find(|&at| value <= left(at) + length).unwrap_or(last);
        let end = (first + 1..n_intervals).find(|&at| value < left(at)).unwrap_or(n_intervals);
        first..end
    };
    values.iter().map(|&value| inside(value)).collect()
}

/// The rank of each value from 0; equal values have the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = below as f64 + (run.len() - 1) as f64 / 2.0;
        run.iter().for_each(|&row| ranks[row] = rank);
        below += run.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn intervals_overlap_as_asked() {
        // R = 10, n = 3, p = 1/2: length 5, from 0, 2.5 and 5.
        let values = [0.0, 2.4, 2.5, 5.0, 5.1, 7.5, 7.6, 10.0];
        let expected = [0..1, 0..1, 0..2, 0..3, 1..3, 1..3, 2..3, 2..3];
        assert_eq!(intervals(&values, 3, 0.5), expected);
        assert_eq!(intervals(&[0.0, 4.9, 5.0, 9.0, 10.0], 2, 0.0), [0..1, 0..1, 0..2, 1..2, 1..2]);
        assert_eq!(intervals(&[7.0; 2], 4, 0.5), [0..1, 0..1]);
        assert_eq!(intervals(&[1.0, 2.0], 1, 0.5), [0..1, 0..1]);
    }

    #[test]
    fn balanced_intervals_are_equally_full() {
        let lens = array![[0.0], [1.0], [10.0], [100.0], [1e3], [1e4]];
        assert_eq!(Cover::Balanced.pull_back(lens.view(), 2, 0.0), [[0, 1, 2], [3, 4, 5]]);
        assert_eq!(Cover::Interval.pull_back(lens.view(), 2, 0.0), [vec![0, 1, 2, 3, 4], vec![5]]);
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [1.5, 0.0, 1.5]);
    }

    #[test]
    fn columns_of_the_lens_are_multiplied() {
        let lens = array![[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [1.0, 2.0]];
        let pieces = Cover::Interval.pull_back(lens.view(), 2, 0.0);
        assert_eq!(pieces, [vec![0], vec![2, 3], vec![1], vec![3]]);
    }
}
