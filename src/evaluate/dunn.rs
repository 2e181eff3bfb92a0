//! The Dunn index: the narrowest gap between clusters over the widest cluster.

use ndarray::ArrayView2;

use super::EvaluateError;
use super::grouping::Grouping;
use super::separation::compare;
use crate::collection::ClusterId;

/// Least distance between rows of different clusters over the greatest within one; from 0, higher is better.
///
/// Single linkage between, complete diameter within, Euclidean; noise is left out. Two stray rows decide it, so read
/// it beside the others. `None` with fewer than two clusters, or if every cluster's rows are equal. `data` has the
/// shape (n_samples, n_features) and must be finite. O(n^2 n_features): give a sample
/// ([`sample_rows`](super::sample_rows)) above some 20,000 rows, whose gaps are no narrower and whose clusters no
/// wider than those of the whole: it flatters.
/// Dunn, "A fuzzy relative of the ISODATA process", Journal of Cybernetics 3 (1973).
///
/// # Errors
/// If `data` and `clusters` differ in length.
///
/// ```
/// let data = ndarray::array![[0.0], [1.0], [4.0], [6.0]];
/// assert_eq!(alike::evaluate::dunn(data.view(), &[Some(0), Some(0), Some(1), Some(1)])?, Some(1.5));
/// # Ok::<(), alike::evaluate::EvaluateError>(())
/// ```
pub fn dunn(data: ArrayView2<'_, f32>, clusters: &[Option<ClusterId>]) -> Result<Option<f64>, EvaluateError> {
    let grouping = Grouping::checked(data.nrows(), clusters)?;
    let (_, dunn) = compare(&data.into(), std::slice::from_ref(&grouping)).remove(0);
    Ok(dunn)
}

/// A block of rows: the least distance of each to another cluster and the greatest to its own.
pub(super) struct Extremes<'a> {
    group: &'a [Option<usize>],
    /// The rows' groups; noise has a number that no group has.
    own: Vec<usize>,
    between: Vec<f64>,
    within: Vec<f64>,
}

impl<'a> Extremes<'a> {
    pub fn new(grouping: &'a Grouping, rows: std::ops::Range<usize>) -> Self {
        let own: Vec<usize> = grouping.group[rows].iter().map(|group| group.unwrap_or(usize::MAX)).collect();
        let n = own.len();
        Self { group: &grouping.group, own, between: vec![f64::INFINITY; n], within: vec![0.0; n] }
    }

    pub fn add(&mut self, point: usize, distances: &[f64]) {
        let Some(group) = self.group[point] else { return };
        let extremes = self.between.iter_mut().zip(&mut self.within);
        for ((&own, &distance), (between, within)) in self.own.iter().zip(distances).zip(extremes) {
            let same = own == group;
            *within = within.max(if same { distance } else { 0.0 });
            *between = between.min(if same { f64::INFINITY } else { distance });
        }
    }

    /// The index from all blocks.
    pub fn ratio<'b>(blocks: impl IntoIterator<Item = &'b Extremes<'a>>) -> Option<f64>
    where
        'a: 'b,
    {
        let rows = blocks.into_iter().flat_map(|block| block.own.iter().zip(&block.between).zip(&block.within));
        let (mut between, mut within) = (f64::INFINITY, 0.0_f64);
        for ((&own, &row_between), &row_within) in rows {
            if own != usize::MAX {
                between = between.min(row_between);
                within = within.max(row_within);
            }
        }
        (within > 0.0).then(|| between / within)
    }
}
