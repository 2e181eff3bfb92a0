//! The graph of clusters.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use super::{Edge, Graph, Node, TopologyError};
use crate::collection::{ClusterId, n_clusters};
use crate::neighbors::KnnGraph;

/// The clusters that have rows, joined where a row of one has a neighbour in the other. The weight of an edge is the number
/// of such neighbours, in either direction, over k times the size of the smaller cluster: 1 if there are as many as all
/// that the smaller has. Rows in no cluster count for nothing. O(n k + n n_features).
///
/// `x`, shape (n_samples, n_features), are the rows that `graph` is of; `names` are those of the clusters by their numbers.
///
/// # Errors
/// Other numbers of rows, values that are not finite, or a cluster without a name.
///
/// ```
/// use alike::distance::Metric;
/// use alike::neighbors::KnnGraph;
/// use alike::topology::cluster_graph;
/// use ndarray::array;
/// let x = array![[0.0], [1.0], [3.0], [7.0]];
/// let nearest = array![[1], [0], [1], [2]];
/// let graph = KnnGraph::new(Metric::Euclidean, nearest, array![[1.0], [1.0], [2.0], [4.0]]);
/// let clusters = [Some(0), Some(0), Some(1), Some(1)];
/// let graph = cluster_graph(&graph, &clusters, x.view(), &["low".into(), "high".into()])?;
/// assert_eq!((graph.edges[0].count, graph.edges[0].weight), (1, 0.5));
/// # Ok::<(), alike::topology::TopologyError>(())
/// ```
pub fn cluster_graph(
    graph: &KnnGraph,
    clusters: &[Option<ClusterId>],
    x: ArrayView2<'_, f32>,
    names: &[String],
) -> Result<Graph, TopologyError> {
    TopologyError::check_rows("labels", graph.n_samples(), clusters.len())?;
    TopologyError::check_rows("rows of features", graph.n_samples(), x.nrows())?;
    TopologyError::check_finite("features", x)?;
    let n_clusters = n_clusters(clusters);
    if names.len() < n_clusters {
        return Err(TopologyError::Rows { what: "names", expected: n_clusters, found: names.len() });
    }
    let mut members: BTreeMap<ClusterId, Vec<usize>> = BTreeMap::new();
    clusters.iter().enumerate().for_each(|(row, c)| c.iter().for_each(|c| members.entry(*c).or_default().push(row)));
    let place: BTreeMap<ClusterId, usize> = members.keys().copied().zip(0..).collect();
    let mut counts = BTreeMap::new();
    for (a, b) in crossings(graph, clusters) {
        *counts.entry((place[&a.min(b)], place[&a.max(b)])).or_insert(0_u64) += 1;
    }
    let nodes: Vec<Node> =
        members.into_iter().map(|(cluster, members)| Node::new(x, names[cluster].clone(), members)).collect();
    let edge = |((from, to), count): ((usize, usize), u64)| {
        let smaller = nodes[from].members.len().min(nodes[to].members.len());
        Edge { from, to, count, weight: count as f64 / (graph.n_neighbors() * smaller) as f64 }
    };
    let edges = counts.into_iter().map(edge).collect();
    Ok(Graph { nodes, edges })
}

/// The clusters of a row and of its neighbour, where they differ: by row, then neighbour.
pub(super) fn crossings(
    graph: &KnnGraph,
    clusters: &[Option<ClusterId>],
) -> impl Iterator<Item = (ClusterId, ClusterId)> {
    (0..graph.n_samples()).flat_map(move |row| {
        graph.neighbors(row).filter_map(move |(to, _)| clusters[row].zip(clusters[to])).filter(|(a, b)| a != b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;
    use ndarray::{Array2, array};

    fn names() -> Vec<String> {
        (0..6).map(|c| format!("c{c}")).collect()
    }

    #[test]
    fn weights_by_hand() {
        // Clusters 2 = {0, 1, 2}, 5 = {3, 4}; row 5 is noise.
        let nearest = array![[1, 2], [0, 3], [1, 3], [2, 4], [3, 5], [4, 3]];
        let graph = KnnGraph::new(Metric::Euclidean, nearest, Array2::from_shape_fn((6, 2), |(_, j)| j as f32));
        let clusters = [Some(2), Some(2), Some(2), Some(5), Some(5), None];
        let x = array![[0.0], [1.0], [2.5], [4.0], [6.0], [9.0]];
        let found = cluster_graph(&graph, &clusters, x.view(), &names()).unwrap();
        // 1 -> 3, 2 -> 3 and 3 -> 2, of 2 * 2.
        assert_eq!(found.edges, [Edge { from: 0, to: 1, count: 3, weight: 0.75 }]);
        let nodes: Vec<_> = found.nodes.iter().map(|n| (n.name.as_str(), n.members.len(), n.medoid)).collect();
        assert_eq!(nodes, [("c2", 3, 1), ("c5", 2, 3)]);
    }

    #[test]
    fn nothing_to_join_and_wrong_input() {
        let graph = KnnGraph::new(Metric::Euclidean, Array2::zeros((1, 0)), Array2::zeros((1, 0)));
        let x = array![[1.0]];
        let found = cluster_graph(&graph, &[Some(0)], x.view(), &names()).unwrap();
        assert_eq!((found.nodes.len(), found.edges.len()), (1, 0));
        assert_eq!(cluster_graph(&graph, &[None], x.view(), &[]).unwrap(), Graph::default());
        assert!(cluster_graph(&graph, &[Some(0), None], x.view(), &names()).is_err());
        assert!(cluster_graph(&graph, &[Some(6)], x.view(), &names()).is_err());
        assert!(cluster_graph(&graph, &[Some(0)], array![[f32::NAN]].view(), &names()).is_err());
    }
}
