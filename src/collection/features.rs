//! Rows of features on their way between the stages.

use super::Csr;
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2};
use std::borrow::Cow;

/// Rows of features, borrowed or owned, shape (n_samples, n_features).
///
/// ```
/// use alike::collection::{Csr, Features};
/// let dense = ndarray::array![[0.0, 0.5], [0.0, 0.0]];
/// let sparse = Csr::new((2, 2), vec![0, 1, 1], vec![1], vec![0.5]);
/// assert_eq!(Features::from(dense.view()).dim(), Features::from(&sparse).dim());
/// assert_eq!(Features::from(&sparse).to_dense(), dense);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Features<'a> {
    /// Every value.
    Dense(CowArray<'a, f32, Ix2>),
    /// The values that are not zero.
    Sparse(Cow<'a, Csr>),
}

impl Features<'_> {
    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Self::Dense(x) => x.dim(),
            Self::Sparse(x) => x.shape(),
        }
    }

    /// The same, borrowed.
    pub fn view(&self) -> Features<'_> {
        match self {
            Self::Dense(x) => Features::Dense(x.view().into()),
            Self::Sparse(x) => Features::Sparse(Cow::Borrowed(x)),
        }
    }

    /// The rows with these numbers, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select<'b>(&self, rows: &[usize]) -> Features<'b> {
        match self {
            Self::Dense(x) => Features::Dense(x.select(Axis(0), rows).into()),
            Self::Sparse(x) => {
                let mut some = Csr::empty(sprs::CompressedStorage::CSR, x.cols());
                for &row in rows {
                    some = some.append_outer_csvec(x.outer_view(row).expect("a row there is"));
                }
                Features::Sparse(Cow::Owned(some))
            }
        }
    }

    /// Every value, which takes 4 bytes each.
    pub fn to_dense(&self) -> CowArray<'_, f32, Ix2> {
        match self {
            Self::Dense(x) => x.view().into(),
            Self::Sparse(x) => x.to_dense().into(),
        }
    }
}

impl<'a> From<ArrayView2<'a, f32>> for Features<'a> {
    fn from(x: ArrayView2<'a, f32>) -> Self {
        Self::Dense(x.into())
    }
}

impl<'a> From<&'a Csr> for Features<'a> {
    fn from(x: &'a Csr) -> Self {
        Self::Sparse(Cow::Borrowed(x))
    }
}

impl<'a> From<&'a Features<'_>> for Features<'a> {
    fn from(x: &'a Features<'_>) -> Self {
        x.view()
    }
}

impl From<Array2<f32>> for Features<'_> {
    fn from(x: Array2<f32>) -> Self {
        Self::Dense(x.into())
    }
}

impl From<Csr> for Features<'_> {
    fn from(x: Csr) -> Self {
        Self::Sparse(Cow::Owned(x))
    }
}
