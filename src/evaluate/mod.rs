//! How good the clusters are.
//!
//! External scores compare clusters with known classes and need nothing but a [`Contingency`]; internal ones look at
//! the features alone. Every score is an [`Option`]: `None` only where its formula has no value (no rows, a division
//! by zero that isn't a limit); where scikit-learn documents a limit, such as 1 for two equal partitions of one
//! group, that value is given. [`evaluate`] computes all of them at once.

mod assignment;
mod contingency;
mod coverage;
mod dbscan_grid;
mod dispersion;
mod distances;
mod dunn;
mod evaluation;
pub mod files;
mod grouping;
mod information;
mod neighbours;
mod overlap;
mod pairs;
mod plane;
mod scores;
mod separation;
mod silhouette;
mod spread;
mod stability;
mod suggest;
#[cfg(test)]
mod tests;

pub use assignment::accuracy;
pub use contingency::{Contingency, NoiseRule};
pub use coverage::{CoveragePoint, purity_coverage};
pub use dbscan_grid::{DbscanGrid, DbscanGridParams, DbscanRun, ScaledGrid, Spread, dbscan_grid};
pub use dispersion::{calinski_harabasz, davies_bouldin, inertia};
pub use dunn::dunn;
pub use evaluation::{ClusterRow, Confusion, ConfusionRow, EvaluateParams, Evaluation, SampleUsed, evaluate};
pub use information::{ami, completeness, homogeneity, nmi, v_measure};
pub use neighbours::{NeighbourAccuracy, neighbour_accuracy};
pub use overlap::{bcubed, purity, purity_mean};
pub use pairs::{PrecisionRecall, ari, fowlkes_mallows, pairwise};
pub use scores::Scores;
pub use separation::separations;
pub use silhouette::{Sampling, Silhouette, sample_rows, silhouette};
pub use spread::{Gap, choose_by_gap, elbow, gap};
pub use stability::stability;
pub use suggest::{Candidate, Criterion, Suggestion, Verdict, Vote, suggest};

use crate::progress::Interrupted;

/// Why there are no scores.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EvaluateError {
    /// Two things that go by row don't have the same rows.
    #[error("{found} {what} for {expected} rows: give one a row, in the rows' order")]
    Rows {
        /// What goes by row.
        what: &'static str,
        /// Rows there are.
        expected: usize,
        /// Rows given.
        found: usize,
    },
    /// Not two dimensions.
    #[error("the layout has {found} columns: a grid of DBSCAN is run on two")]
    NoPlane {
        /// Columns given.
        found: usize,
    },
    /// NaN or infinite.
    #[error("row {row} of the layout holds a value that is not finite")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// A setting of DBSCAN that it doesn't have.
    #[error("a grid of DBSCAN needs radii above 0 and numbers of points of 1 or more")]
    Grid,
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl EvaluateError {
    fn check_rows(what: &'static str, expected: usize, found: usize) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self::Rows { what, expected, found }) }
    }
}
