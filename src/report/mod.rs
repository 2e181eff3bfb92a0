//! What a person looks at: `report.html` with its folder `report/`, thumbnails, and sheets of pictures.
//!
//! The report needs no server and nothing from elsewhere. No page grows with the collection: a cluster's members
//! are spread over pages, cards over index pages, and the map loads the names of its points in chunks, so 70,000
//! images open as fast as 70. Names and ids come from strangers' files: markup is escaped by maud, data scripts
//! escape `<`, links are percent-encoded, and a content policy admits local files alone.

mod cards;
mod confusion;
mod contents;
mod curves;
mod figure;
mod graph;
mod groups;
mod kin;
mod link;
mod map;
mod members;
mod overlay;
mod overview;
mod page;
mod raster;
mod sheet;
mod sweep;
mod thumbnail;
mod write;

#[cfg(test)]
mod tests;

pub use contents::{Cluster, Confusion, Contents, Layout, Member, ReportError, Score};
pub use curves::{coverage_figure, grid_figure, neighbour_figure};
pub use figure::Figure;
pub use graph::graph_figure;
pub use overlay::{Overlay, OverlayValues};
pub use sheet::{SheetLayout, sheet};
pub use sweep::sweep_figure;
pub use thumbnail::{THUMBNAIL_SIDE, Thumbnail, ThumbnailFormat, find_thumbnail, store_thumbnail, thumbnail};
pub use write::write;
