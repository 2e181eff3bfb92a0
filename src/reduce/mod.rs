//! Fewer features: principal components and truncated singular vectors, both linear maps with an inverse.
//!
//! The parameter types implement linfa's [`ParamGuard`](linfa::ParamGuard) and [`Fit`](linfa::traits::Fit), the fitted
//! [`LinearReducer`] its [`Transformer`](linfa::traits::Transformer).

mod linear;
mod moments;
mod subspace;

pub use linear::{LinearParams, LinearReducer, LinearValidParams};
pub(crate) use subspace::rough_basis;

use crate::device::DeviceError;
use crate::progress::Interrupted;

/// Which linear reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Principal components: features centred first.
    Pca,
    /// Truncated singular value decomposition: not centred, so that zeros stay zeros.
    Svd,
}

/// Why rows could not be reduced.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// No components asked for.
    #[error("0 components: ask for at least 1")]
    NoComponents,
    /// More components than the data can have.
    #[error("{n_components} components of {n_samples} images with {n_features} features: ask for at most {}", n_samples.min(n_features))]
    TooMany {
        /// Asked for.
        n_components: usize,
        /// Rows.
        n_samples: usize,
        /// Columns.
        n_features: usize,
    },
    /// NaN or infinite input.
    #[error("row {row} holds a value that is not finite")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// Values whose products overflow.
    #[error("row {row} holds a value beyond 1e17: scale the features down")]
    TooLarge {
        /// The first such row.
        row: usize,
    },
    /// The small eigenproblem did not converge.
    #[error("the decomposition failed: {0}")]
    Decomposition(#[from] linfa_linalg::LinalgError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Stopped by the user.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// From linfa's own traits.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}
