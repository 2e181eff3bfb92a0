//! Clustering by drawing: points on a raster, and what image processing makes of it.
//!
//! A [`Transform`] lays points on a [`Grid`] of cells, which are then filtered, classified or segmented. What comes of it
//! is a [`LabelMap`]: a point gets the label of the cell it falls into, so that any number of points costs little more
//! than drawing them.

mod classify;
mod density;
pub mod filter;
mod fractal;
mod grid;
mod label_map;
pub mod picture;
mod segment;
mod transform;
mod unet;
mod visual;

pub use classify::{ClassifyParams, Loop, SparseMap, SparseParams, classify};
pub use density::{
    Branch, ComponentTree, DensityClusters, DensityParams, Equaliser, bandwidth, by_loops, clusters, component_tree,
    equalise, hierarchy, split_by_density,
};
pub use fractal::{FractalLoop, FractalParams, Harmonic, HarmonicParams, fractal, harmonic};
pub use grid::Grid;
pub use label_map::{CellLabel, LabelMap};
pub use segment::{Connectivity, Flood, components, distance, grow, watershed};
pub use transform::{Aspect, GridParams, Transform};
pub use unet::UNet;
pub use visual::{VisualParams, visual};

/// Why points can't be drawn.
#[derive(Debug, thiserror::Error)]
pub enum RasterError {
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
    /// Nothing to draw.
    #[error("there are no points: at least one is needed")]
    Empty,
    /// NaN or infinite input.
    #[error("row {row} holds a value that is not finite")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// More axes than a raster has.
    #[error(
        "points of {found} dimensions: a raster of {side} cells along each takes at most {most}; reduce them first, as with --reduce \
         pca:2, or draw fewer cells"
    )]
    TooManyDimensions {
        /// Of the points.
        found: usize,
        /// Cells along an axis.
        side: usize,
        /// Allowed.
        most: usize,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] crate::device::DeviceError),
    /// Points that are not in the plane, for what looks at a picture.
    #[error("points of {found} dimensions: a picture takes 2; reduce them first, as with --reduce pca:2")]
    NotPlane {
        /// Of the points.
        found: usize,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] crate::progress::Interrupted),
}

/// Refuses a parameter out of its range.
fn require(valid: bool, name: &'static str, found: impl ToString, expected: &'static str) -> Result<(), RasterError> {
    if valid { Ok(()) } else { Err(RasterError::Parameter { name, found: found.to_string(), expected }) }
}
