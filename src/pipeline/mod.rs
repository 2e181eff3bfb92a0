//! Fit and predict: the stages composed.

mod choose;
mod fit;
mod outcome;
mod remarks;
mod stream;

pub use choose::{ChooseParams, Sweep, choose_n_clusters};
pub use fit::{FitParams, Fitted, NClusters, Reduction, choose, describe, fit};
pub use outcome::{Context, Outcome, cluster_names, run};
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
    /// A sweep with an algorithm that is not told a number.
    #[error("the algorithm finds the number of clusters itself: there is nothing to choose")]
    FindsNumber,
    /// A sweep from more clusters than it goes to.
    #[error("from {from} to {to} clusters: the first number must not be the larger")]
    Range {
        /// The first number.
        from: usize,
        /// The last.
        to: usize,
    },
    /// A sweep from more clusters than can be judged.
    #[error("of {n_samples} images at most {most} clusters can be judged: {from} are too many")]
    TooMany {
        /// The first number.
        from: usize,
        /// Rows looked at.
        n_samples: usize,
        /// The largest number that can be judged.
        most: usize,
    },
    /// A sweep by direction over rows that have none.
    #[error("no image has a direction to be clustered by: all are blank")]
    Blank,
    /// Stopped by the user.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
