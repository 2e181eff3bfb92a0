//! Rows that are mostly zero, of which only the other values are kept.

/// Compressed sparse rows, shape (n_samples, n_features). Columns rise within a row.
///
/// A row takes 8 bytes a value that is not zero. Worth it where fewer than about a tenth of the values are.
pub type Csr = sprs::CsMatI<f32, u32, usize>;
