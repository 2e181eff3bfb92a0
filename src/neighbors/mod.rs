//! The nearest neighbours of every row, found once and shared: graph and density clusterers, layouts and neighbour scores
//! all begin with them.

mod graph;

pub use graph::KnnGraph;
