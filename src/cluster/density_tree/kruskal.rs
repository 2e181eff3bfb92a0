//! The spanning forest of a graph of neighbours (J. Kruskal, On the shortest spanning subtree of a graph, 1956).

use super::spanning::{Edge, Forest};
use crate::neighbors::KnnGraph;
use rayon::prelude::*;

/// The distance of each row to its nearest of so many rows, itself the first; to the last that the graph knows where
/// those are fewer.
pub(super) fn core_distances(graph: &KnnGraph, n_nearest: usize) -> Vec<f64> {
    let others = n_nearest.saturating_sub(1).min(graph.n_neighbors());
    let distances = graph.distances();
    (0..graph.n_samples()).map(|row| if others == 0 { 0.0 } else { f64::from(distances[[row, others - 1]]) }).collect()
}

/// The edges by rising mutual reachability, and what they join.
pub(super) fn spanning_forest(graph: &KnnGraph, core: &[f64]) -> (Vec<Edge>, Forest) {
    let edges = (0..graph.n_samples()).into_par_iter().flat_map_iter(|row| {
        let reach = move |(to, distance): (usize, f32)| f64::from(distance).max(core[row]).max(core[to]);
        graph.neighbors(row).map(move |(to, distance)| Edge::new(row, to, reach((to, distance))))
    });
    let mut edges: Vec<Edge> = edges.collect();
    edges.par_sort_unstable();
    let mut forest = Forest::new(graph.n_samples());
    edges.retain(|edge| forest.join(edge.low as usize, edge.high as usize));
    (edges, forest)
}
