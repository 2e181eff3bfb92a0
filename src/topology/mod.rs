//! The shape of a collection as a graph: what lies beside what.
//!
//! [`cluster_graph`] joins the clusters of a clustering by the nearest neighbours that they have in each other, so that two
//! ways to write a digit are seen to be kin. [`mapper`] and [`ball_mapper`] need no clustering: they cover the rows with
//! overlapping groups and join groups that share rows, so that a loop of rows becomes a cycle. All give a [`Graph`], which
//! [`json`] and [`graphml`] put into files and [`places`] into the plane.

mod ball;
mod clusters;
mod cover;
mod export;
mod first_gap;
mod graph;
mod mapper;
mod place;
mod same_class;

pub use ball::{BallMapperParams, ball_mapper};
pub use clusters::cluster_graph;
pub use cover::Cover;
pub use export::{graphml, json};
pub use graph::{Edge, Graph, Node};
pub use mapper::{Inside, MapperParams, mapper};
pub use place::{MAX_PLACED, places};
pub use same_class::{SameClass, same_class};

use crate::cluster::ClusterError;
use crate::progress::Interrupted;
use ndarray::ArrayView2;

/// Why there is no graph.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// A parameter is out of its range.
    #[error("{name} is {found}: it must be {expected}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// Its value.
        found: String,
        /// Its range.
        expected: &'static str,
    },
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
    /// NaN or infinite input.
    #[error("row {row} of the {what} holds a value that is not finite")]
    NotFinite {
        /// Of what.
        what: &'static str,
        /// The first such row.
        row: usize,
    },
    /// A group could not be clustered.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl TopologyError {
    fn check_rows(what: &'static str, expected: usize, found: usize) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self::Rows { what, expected, found }) }
    }

    fn check_finite(what: &'static str, x: ArrayView2<'_, f32>) -> Result<(), Self> {
        match x.outer_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
            Some(row) => Err(Self::NotFinite { what, row }),
            None => Ok(()),
        }
    }

    fn check_min_intersection(min_intersection: usize) -> Result<(), Self> {
        match min_intersection {
            0 => {
                Err(Self::Parameter { name: "least number of shared rows", found: "0".into(), expected: "at least 1" })
            }
            _ => Ok(()),
        }
    }
}
