//! Fit and predict: the stages composed.

mod choose;
mod fit;
mod outcome;
mod stream;

pub use choose::{Sweep, choose_n_clusters};
pub use fit::{FitParams, Fitted, NClusters, Reduction, describe, fit};
pub use outcome::{Context, Outcome, run};
pub use stream::{Streamed, run_blocks};

use crate::cluster::ClusterError;
use crate::evaluate::EvaluateError;
use crate::progress::Interrupted;
use crate::reduce::ReduceError;

/// Why the stages between features and clusters failed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The reducer.
    #[error("reducing: {0}")]
    Reduce(#[from] ReduceError),
    /// The clusterer.
    #[error("clustering: {0}")]
    Cluster(#[from] ClusterError),
    /// The scores.
    #[error("scoring: {0}")]
    Evaluate(#[from] EvaluateError),
    /// Stopped by the user.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
