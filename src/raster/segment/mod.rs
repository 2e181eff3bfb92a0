//! Cells to segments: connected components, distances, floods, and labels that grow.
//!
//! All take a raster of any number of axes, count its cells with the last axis fastest, treat its borders as ends, and
//! give the same result on any number of threads.

mod components;
mod distance;
mod grow;
mod neighbours;
mod watershed;

pub use components::components;
pub(super) use components::root;
pub use distance::distance;
pub use grow::grow;
pub use neighbours::Connectivity;
pub use watershed::{Flood, watershed};

pub(super) use neighbours::Neighbours;
