//! The nearest neighbours of every row, found once and shared: graph and density clusterers, layouts and neighbour scores
//! all begin with them.

mod fuzzy;
mod graph;

pub use fuzzy::fuzzy_simplicial_set;
pub use graph::KnnGraph;
