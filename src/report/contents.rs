//! What a report shows. Plain borrowed values, so that whoever has them can have a report.

use std::path::PathBuf;

use image::DynamicImage;
use ndarray::ArrayView2;

use super::overlay::Overlay;
use crate::collection::{ClusterId, Skipped};
use crate::files::FileError;
use crate::pipeline::Sweep;
use crate::progress::Interrupted;
use crate::topology::Graph;

/// Everything a report shows; names and values are shown as given.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The heading, such as the input's name.
    pub title: &'a str,
    /// How this came about: (name, value), as ("Extractor", "gradients").
    pub facts: &'a [(String, String)],
    /// Scores, in the order to show them.
    pub scores: &'a [Score],
    /// The images, in the collection's order.
    pub members: &'a [Member<'a>],
    /// The clusters, by [`ClusterId`].
    pub clusters: &'a [Cluster],
    /// Where the members lie on the map.
    pub layout: Option<Layout<'a>>,
    /// What the map can be coloured by, beside clusters and classes.
    pub overlays: &'a [Overlay],
    /// The clusters as nodes, whose members are rows of `members`.
    pub graph: Option<&'a Graph>,
    /// Clusters against true classes.
    pub confusion: Option<&'a Confusion<'a>>,
    /// How the number of clusters was chosen, if it was.
    pub sweep: Option<&'a Sweep>,
    /// The clusters as areas of a drawing, if they were made by one.
    pub drawing: Option<&'a DynamicImage>,
    /// The images that were left out. The first 200 are shown, then a link to `skipped.csv` beside the report.
    pub skipped: &'a [Skipped],
}

/// The members' places on a map.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// A place for each member, shape (n_members, 2), any unit; a row that isn't finite is left out.
    pub places: ArrayView2<'a, f32>,
    /// What they say, after "Each point is an image,".
    pub meaning: &'a str,
}

/// A score with its explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it isn't defined.
    pub value: Option<f64>,
    /// What it says, in one line.
    pub meaning: String,
}

/// An image.
///
/// The typical ones of a cluster come first: those of small distance, then of high confidence, then as given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member<'a> {
    /// Its id; any text.
    pub id: &'a str,
    /// URL of its thumbnail below the report's directory, as [`store_thumbnail`](super::store_thumbnail) returns it.
    pub thumbnail: Option<String>,
    /// The file to open, below the report's directory or absolute; any bytes.
    pub target: Option<PathBuf>,
    /// Its cluster; `None` is noise.
    pub cluster: Option<ClusterId>,
    /// How surely it belongs there, 0 to 1.
    pub confidence: Option<f32>,
    /// Distance from the cluster's centre, 0 or more.
    pub distance: Option<f32>,
    /// Its true class.
    pub class: Option<&'a str>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
}

/// A cluster; its size is counted from the members.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Its name, such as its directory's.
    pub name: String,
    /// What to say of it: (name, value), as ("purity", "0.93").
    pub facts: Vec<(String, String)>,
    /// Its centroid, where that can be drawn.
    pub picture: Option<DynamicImage>,
}

/// How many members of each cluster are of each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion<'a> {
    /// Names of the classes.
    pub classes: &'a [String],
    /// A count for each class, by cluster; `None` is noise.
    pub rows: Vec<(Option<ClusterId>, &'a [u64])>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file can't be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A member's cluster isn't among the clusters.
    #[error("{id:?} is in cluster {cluster}, but the report was given {clusters} clusters: give every cluster")]
    Cluster {
        /// The member.
        id: String,
        /// Its cluster.
        cluster: ClusterId,
        /// Clusters given.
        clusters: usize,
    },
    /// The layout isn't one place for each member.
    #[error("the layout has shape {found:?}, expected {expected:?}: give one row of two values for each member")]
    Layout {
        /// Its shape.
        found: [usize; 2],
        /// The members', 2.
        expected: [usize; 2],
    },
    /// An overlay hasn't one value for each member.
    #[error("the overlay {name:?} has {found} values for {expected} members: give each one, or none")]
    Overlay {
        /// Its name.
        name: String,
        /// Its values.
        found: usize,
        /// The members.
        expected: usize,
    },
    /// A node of the graph stands for no cluster.
    #[error("node {node} of the graph has as its medoid the row {row}, which is no member of a cluster")]
    Graph {
        /// Its place.
        node: usize,
        /// The row.
        row: usize,
    },
    /// A row of the confusion table has not one count for each class, or is of no given cluster.
    #[error("row {row} of the confusion table has {found} counts for {classes} classes, or an unknown cluster")]
    Confusion {
        /// Its place.
        row: usize,
        /// Its counts.
        found: usize,
        /// The classes.
        classes: usize,
    },
}

impl Contents<'_> {
    /// Checks that the parts fit each other.
    pub(super) fn check(&self) -> Result<(), ReportError> {
        let clusters = self.clusters.len();
        for member in self.members {
            if let Some(cluster) = member.cluster.filter(|&c| c >= clusters) {
                return Err(ReportError::Cluster { id: member.id.to_owned(), cluster, clusters });
            }
        }
        if let Some(layout) = self.layout {
            let (found, expected) = ([layout.places.nrows(), layout.places.ncols()], [self.members.len(), 2]);
            if found != expected {
                return Err(ReportError::Layout { found, expected });
            }
        }
        let expected = self.members.len();
        if let Some(overlay) = self.overlays.iter().find(|overlay| overlay.len() != expected) {
            return Err(ReportError::Overlay { name: overlay.name.clone(), found: overlay.len(), expected });
        }
        for (node, row) in self.graph.iter().flat_map(|graph| graph.nodes.iter().map(|node| node.medoid).enumerate()) {
            if self.members.get(row).is_none_or(|member| member.cluster.is_none()) {
                return Err(ReportError::Graph { node, row });
            }
        }
        if let Some(confusion) = self.confusion {
            let classes = confusion.classes.len();
            for (row, (cluster, counts)) in confusion.rows.iter().enumerate() {
                if counts.len() != classes || cluster.is_some_and(|c| c >= clusters) {
                    return Err(ReportError::Confusion { row, found: counts.len(), classes });
                }
            }
        }
        Ok(())
    }
}
