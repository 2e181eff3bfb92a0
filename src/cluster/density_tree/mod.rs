//! The tree of clusters at every density, and what is read off it.
//!
//! Rows are joined by a minimum spanning tree of their mutual reachability: the distance of two rows, or the larger of
//! their core distances (to the `min_samples`-th nearest row, itself counted) where that is more. Cutting its edges from
//! the longest on gives the single-linkage tree; leaving out of that what splits off with fewer than `min_cluster_size`
//! rows gives the condensed tree.
//!
//! R. Campello, D. Moulavi, J. Sander, Density-based clustering based on hierarchical density estimates, 2013; with
//! A. Zimek, Hierarchical density estimates for data clustering, visualization, and outlier detection, 2015; L. McInnes,
//! J. Healy, Accelerated hierarchical density based clustering, 2017.

mod boruvka;
mod condensed;
mod joining;
mod kd_tree;
mod kruskal;
mod select;
mod spanning;
#[cfg(test)]
mod tests;

pub use condensed::{CondensedCluster, CondensedTree};
pub use select::{Cut, Members, Selection};
pub use spanning::Edge;
pub(super) use spanning::Forest;

use crate::neighbors::KnnGraph;
use crate::progress::{Interrupted, Reporter};
use ndarray::ArrayView2;

/// The minimum spanning tree of mutual reachability by euclidean distance, exactly; its n - 1 edges by rising distance.
/// For some ten features at most: O(n log^2 n) in few dimensions, towards O(n^2 d log n) in many.
///
/// # Errors
/// An interruption.
///
/// ```
/// use alike::{cluster::density_tree::{CondensedTree, Cut, exact_spanning_tree}, progress::Silent};
/// let x = ndarray::array![[0.0f32], [1.0], [2.0], [14.0], [16.0], [18.0], [50.0]];
/// let edges = exact_spanning_tree(x.view(), 1, &Silent)?;
/// let members = CondensedTree::new(7, &edges, 3).cut(&Cut::default());
/// assert_eq!(members.clusters.len(), 2);
/// assert_eq!(members.labels[6], None);
/// # Ok::<_, alike::progress::Interrupted>(())
/// ```
pub fn exact_spanning_tree(
    x: ArrayView2<'_, f32>,
    min_samples: usize,
    reporter: &dyn Reporter,
) -> Result<Vec<Edge>, Interrupted> {
    let tree = kd_tree::KdTree::new(x);
    let core = tree.squared_core_distances(min_samples, reporter)?;
    boruvka::spanning_tree(&tree, &core, reporter)
}

/// The spanning tree of mutual reachability over the edges of a graph of neighbours, by rising distance; in parts that the
/// graph doesn't join, those are joined as `joining` says, with the rows `x` of which it was made. At most as many
/// samples count as the graph has neighbours and the row itself. O(n k log(n k)) beyond the joining.
///
/// # Errors
/// An interruption.
pub fn graph_spanning_tree(
    graph: &KnnGraph,
    x: ArrayView2<'_, f32>,
    min_samples: usize,
    reporter: &dyn Reporter,
) -> Result<Vec<Edge>, Interrupted> {
    let core = kruskal::core_distances(graph, min_samples);
    let (mut edges, mut forest) = kruskal::spanning_forest(graph, &core);
    reporter.check()?;
    if edges.len() + 1 < graph.n_samples() {
        edges.extend(joining::join(x, graph.metric(), &core, &mut forest, reporter)?);
        edges.sort_unstable();
    }
    Ok(edges)
}

/// Edges that join the parts into which a graph of neighbours of the rows `x` falls, as `joining` says, by plain distance.
///
/// # Errors
/// An interruption.
pub(super) fn joining_edges(
    graph: &KnnGraph,
    x: ArrayView2<'_, f32>,
    reporter: &dyn Reporter,
) -> Result<Vec<Edge>, Interrupted> {
    let n_samples = graph.n_samples();
    let mut forest = Forest::new(n_samples);
    for row in 0..n_samples {
        graph.neighbors(row).for_each(|(to, _)| _ = forest.join(row, to));
    }
    joining::join(x, graph.metric(), &vec![0.0; n_samples], &mut forest, reporter)
}
