//! Rows on their way into one matrix, dense or sparse.

use ndarray::Array2;

use super::EmbedError;
use crate::collection::{Csr, Features};

/// Whether rows are kept whole or only their values other than zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Every value.
    #[default]
    Dense,
    /// The values that are not zero.
    Sparse,
    /// Sparse if there are a thousand features or more and at most a tenth of the first 64 rows' values are not zero:
    /// then the time and the memory that clustering takes shrink with them.
    Auto,
}

/// Fewest features, and the share of values other than zero, for which [`Layout::Auto`] chooses sparse rows.
const MIN_FEATURES: usize = 1000;
const MAX_SHARE: f64 = 0.1;
/// Rows that decide.
const SAMPLE: usize = 64;

/// Grows by rows within its one allocation (dense), or by what they hold (sparse).
pub(super) struct Gather {
    layout: Layout,
    /// As many as may come.
    n_samples: usize,
    n_features: usize,
    dense: Vec<f32>,
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Gather {
    /// # Errors
    /// If a dense matrix of this shape doesn't fit into memory.
    pub fn new(layout: Layout, n_samples: usize, n_features: usize) -> Result<Self, EmbedError> {
        let layout = if layout == Layout::Auto && n_features < MIN_FEATURES { Layout::Dense } else { layout };
        let (dense, columns, values) = (vec![], vec![], vec![]);
        let mut gather = Self { layout, n_samples, n_features, dense, starts: vec![0], columns, values };
        if layout == Layout::Dense {
            gather.reserve()?;
        }
        Ok(gather)
    }

    fn reserve(&mut self) -> Result<(), EmbedError> {
        let Self { n_samples, n_features, .. } = *self;
        let reserved = n_samples.checked_mul(n_features).and_then(|len| self.dense.try_reserve_exact(len).ok());
        reserved.ok_or(EmbedError::Memory { n_samples, n_features })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If rows turn out to be dense, and so many don't fit into memory.
    pub fn push(&mut self, row: &[f32]) -> Result<(), EmbedError> {
        if self.layout == Layout::Dense {
            self.dense.extend_from_slice(row);
            return Ok(());
        }
        for (column, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            self.columns.push(column as u32);
            self.values.push(value);
        }
        self.starts.push(self.values.len());
        if self.starts.len() > SAMPLE { self.decide() } else { Ok(()) }
    }

    /// Ends [`Layout::Auto`].
    fn decide(&mut self) -> Result<(), EmbedError> {
        let n_rows = self.starts.len() - 1;
        if self.layout == Layout::Auto {
            self.layout = Layout::Sparse;
            if self.values.len() as f64 > MAX_SHARE * (n_rows * self.n_features) as f64 || n_rows == 0 {
                self.layout = Layout::Dense;
                self.reserve()?;
                let rows = std::mem::replace(&mut self.starts, vec![0]);
                for row in rows.windows(2) {
                    let first = self.dense.len();
                    self.dense.resize(first + self.n_features, 0.0);
                    for at in row[0]..row[1] {
                        self.dense[first + self.columns[at] as usize] = self.values[at];
                    }
                }
                (self.columns, self.values) = (vec![], vec![]);
            }
        }
        Ok(())
    }

    /// The matrix.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(mut self) -> Result<Features<'static>, EmbedError> {
        self.decide()?;
        Ok(match self.layout {
            Layout::Dense => {
                let n_rows = self.dense.len() / self.n_features;
                Array2::from_shape_vec((n_rows, self.n_features), self.dense).expect("whole rows").into()
            }
            _ => {
                self.columns.shrink_to_fit();
                self.values.shrink_to_fit();
                let shape = (self.starts.len() - 1, self.n_features);
                Csr::new(shape, self.starts, self.columns, self.values).into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(layout: Layout, rows: &Array2<f32>) -> Features<'static> {
        let mut gather = Gather::new(layout, rows.nrows(), rows.ncols()).unwrap();
        rows.outer_iter().for_each(|row| gather.push(&row.to_vec()).unwrap());
        gather.finish().unwrap()
    }

    #[test]
    fn a_collection_that_is_mostly_zero_becomes_sparse() {
        let rows = |n: usize, d: usize, every: usize| {
            Array2::from_shape_fn((n, d), |(i, j)| if (i + j).is_multiple_of(every) { 1.0 + j as f32 } else { 0.0 })
        };
        for (n, d, every, sparse) in [
            (100, 1200, 20, true),
            (100, 1200, 5, false),
            (3, 1200, 20, true),
            (3, 1200, 5, false),
            (100, 900, 20, false),
        ] {
            let rows = rows(n, d, every);
            let found = gathered(Layout::Auto, &rows);
            assert_eq!(matches!(found, Features::Sparse(_)), sparse, "{n} rows of {d} features");
            assert_eq!(found.to_dense(), rows);
            assert_eq!(gathered(Layout::Sparse, &rows).to_dense(), rows);
            assert!(matches!(gathered(Layout::Dense, &rows), Features::Dense(_)));
        }
        assert_eq!(gathered(Layout::Auto, &rows(0, 1200, 2)).dim(), (0, 1200));
    }

    /// A million pictures of a million pixels would take 4 TB.
    #[test]
    fn sparse_rows_take_no_more_than_their_values() {
        let (n, d) = (1_000_000, 1_000_000);
        assert!(Gather::new(Layout::Dense, usize::MAX / 8, d).is_err());
        let mut gather = Gather::new(Layout::Auto, n, d).unwrap();
        let mut row = vec![0.0; d];
        for i in 0..100 {
            row[i * 7919] = 1.0;
            gather.push(&row).unwrap();
        }
        let Features::Sparse(x) = gather.finish().unwrap() else { panic!("sparse rows") };
        assert_eq!((x.shape(), x.nnz()), ((100, d), 5050));
    }
}
