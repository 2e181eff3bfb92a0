//! A matrix of features whose rows know their images.

use super::{Features, sparse_row};
use ndarray::ArrayView2;

/// `n_samples` rows of `n_features` values each, with one id a row.
///
/// ```
/// use alike::collection::Embeddings;
/// let e = Embeddings::new(vec!["a".into(), "b".into()], ndarray::array![[0.0, 1.0], [1.0, 0.0]])?;
/// assert_eq!((e.n_samples(), e.n_features()), (2, 2));
/// assert_eq!(e.ids()[1], "b");
/// # Ok::<(), alike::collection::EmbeddingsError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    ids: Vec<String>,
    data: Features<'static>,
}

/// Why rows and ids don't make embeddings.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EmbeddingsError {
    /// As many ids as rows are needed.
    #[error("{ids} ids for {rows} rows: each row needs one id")]
    Length {
        /// Ids given.
        ids: usize,
        /// Rows given.
        rows: usize,
    },
    /// NaN or infinite.
    #[error("the value of feature {feature} of {id:?} is not finite: embeddings must hold finite numbers only")]
    NotFinite {
        /// The row's id.
        id: String,
        /// Zero-based column.
        feature: usize,
    },
}

impl Embeddings {
    /// Joins `ids` with the rows of `data`, shape (n_samples, n_features), dense or sparse.
    ///
    /// # Errors
    /// If the counts differ or a value is not finite.
    pub fn new(ids: Vec<String>, data: impl Into<Features<'static>>) -> Result<Self, EmbeddingsError> {
        let data = match data.into() {
            Features::Dense(x) if !x.is_standard_layout() => x.as_standard_layout().into_owned().into(),
            data => data,
        };
        let n_samples = data.dim().0;
        if ids.len() != n_samples {
            return Err(EmbeddingsError::Length { ids: ids.len(), rows: n_samples });
        }
        for (row, id) in ids.iter().enumerate() {
            let wrong = |v: &f32| !v.is_finite();
            let feature = match &data {
                Features::Dense(x) => x.row(row).iter().position(wrong),
                Features::Sparse(x) => {
                    let (columns, values) = sparse_row(x, row);
                    values.iter().position(wrong).map(|at| columns[at] as usize)
                }
            };
            if let Some(feature) = feature {
                return Err(EmbeddingsError::NotFinite { id: id.clone(), feature });
            }
        }
        Ok(Self { ids, data })
    }

    /// The ids, one a row.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The rows, shape (n_samples, n_features).
    pub fn features(&self) -> Features<'_> {
        self.data.view()
    }

    /// Dense rows, shape (n_samples, n_features), in standard layout.
    ///
    /// # Panics
    /// If the rows are sparse; [`features`](Self::features) takes either.
    pub fn view(&self) -> ArrayView2<'_, f32> {
        match &self.data {
            Features::Dense(x) => x.view(),
            Features::Sparse(_) => panic!("sparse rows have no dense view"),
        }
    }

    /// Number of rows.
    pub fn n_samples(&self) -> usize {
        self.data.dim().0
    }

    /// Number of columns.
    pub fn n_features(&self) -> usize {
        self.data.dim().1
    }

    /// Takes the parts back.
    pub fn into_parts(self) -> (Vec<String>, Features<'static>) {
        (self.ids, self.data)
    }
}
