//! Rows that are mostly zero, of which only the other values are kept.

/// Compressed sparse rows, shape (n_samples, n_features). Columns rise within a row.
///
/// A row takes 8 bytes a value that is not zero. Worth it where fewer than about a tenth of the values are.
pub type Csr = sprs::CsMatI<f32, u32, usize>;

/// The columns and the values that row number `row` of `x` keeps.
///
/// # Panics
/// If there is no such row.
///
/// ```
/// use alike::collection::{Csr, sparse_row};
/// let x = Csr::new((2, 9), vec![0, 0, 2], vec![3, 7], vec![0.5, 1.0]);
/// assert_eq!(sparse_row(&x, 1), (&[3, 7][..], &[0.5, 1.0][..]));
/// ```
pub fn sparse_row(x: &Csr, row: usize) -> (&[u32], &[f32]) {
    let starts = x.indptr();
    let range = starts.raw_storage()[row]..starts.raw_storage()[row + 1];
    (&x.indices()[range.clone()], &x.data()[range])
}

/// The square matrix of these rows: rising columns, and the values there.
pub(crate) fn square(rows: impl IntoIterator<Item = Vec<(u32, f32)>>) -> Csr {
    let (mut starts, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
    for row in rows {
        for (column, value) in row {
            columns.push(column);
            values.push(value);
        }
        starts.push(columns.len());
    }
    Csr::new((starts.len() - 1, starts.len() - 1), starts, columns, values)
}
