//! A matrix of features whose rows know their images.

use ndarray::{Array2, ArrayView2};

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
    data: Array2<f32>,
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
    /// Joins `ids` with the rows of `data`, shape (n_samples, n_features), in standard layout.
    ///
    /// # Errors
    /// If the counts differ or a value is not finite.
    pub fn new(ids: Vec<String>, data: Array2<f32>) -> Result<Self, EmbeddingsError> {
        if ids.len() != data.nrows() {
            return Err(EmbeddingsError::Length { ids: ids.len(), rows: data.nrows() });
        }
        let data = if data.is_standard_layout() { data } else { data.as_standard_layout().into_owned() };
        for (row, id) in data.outer_iter().zip(&ids) {
            if let Some(feature) = row.iter().position(|v| !v.is_finite()) {
                return Err(EmbeddingsError::NotFinite { id: id.clone(), feature });
            }
        }
        Ok(Self { ids, data })
    }

    /// The ids, one a row.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The rows, shape (n_samples, n_features), in standard layout.
    pub fn view(&self) -> ArrayView2<'_, f32> {
        self.data.view()
    }

    /// Number of rows.
    pub fn n_samples(&self) -> usize {
        self.data.nrows()
    }

    /// Number of columns.
    pub fn n_features(&self) -> usize {
        self.data.ncols()
    }

    /// Takes the parts back.
    pub fn into_parts(self) -> (Vec<String>, Array2<f32>) {
        (self.ids, self.data)
    }
}
