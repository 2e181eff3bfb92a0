//! The trees against all pairs of rows, and cases worked by hand.

use super::*;
use crate::distance::{Metric, squared_euclidean};
use crate::progress::Silent;
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, d), || rng.random::<f32>())
}

fn distance(x: &Array2<f32>, a: usize, b: usize) -> f64 {
    squared_euclidean(x.row(a).as_slice().unwrap(), x.row(b).as_slice().unwrap()).sqrt()
}

/// Of each row the distances to all others with those, rising.
fn sorted(x: &Array2<f32>) -> Vec<Vec<(f64, usize)>> {
    let of = |row: usize| {
        let mut all: Vec<_> = (0..x.nrows()).filter(|&b| b != row).map(|b| (distance(x, row, b), b)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all
    };
    (0..x.nrows()).map(of).collect()
}

/// The minimum spanning tree over all pairs.
fn plain_spanning_tree(x: &Array2<f32>, min_samples: usize) -> Vec<Edge> {
    let sorted = sorted(x);
    let core: Vec<f64> = sorted.iter().map(|all| if min_samples > 1 { all[min_samples - 2].0 } else { 0.0 }).collect();
    let mut edges = Vec::new();
    for a in 0..x.nrows() {
        edges.extend((0..a).map(|b| Edge::new(a, b, distance(x, a, b).max(core[a]).max(core[b]))));
    }
    edges.sort();
    let mut forest = Forest::new(x.nrows());
    edges.retain(|edge| forest.join(edge.low as usize, edge.high as usize));
    edges
}

/// The graph of the k nearest neighbours, by comparing all.
fn graph(x: &Array2<f32>, k: usize) -> KnnGraph {
    let sorted = sorted(x);
    let round = |all: &Vec<(f64, usize)>| {
        let mut all: Vec<(f32, u32)> = all.iter().map(|&(distance, row)| (distance as f32, row as u32)).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all
    };
    let sorted: Vec<_> = sorted.iter().map(round).collect();
    let indices = Array2::from_shape_fn((x.nrows(), k), |(i, j)| sorted[i][j].1);
    let distances = Array2::from_shape_fn((x.nrows(), k), |(i, j)| sorted[i][j].0);
    KnnGraph::new(Metric::Euclidean, indices, distances)
}

#[test]
fn the_exact_tree_is_that_of_all_pairs_on_any_number_of_threads() {
    let steps = random(300, 2, 1).mapv(|v| (v * 6.0).round());
    let trials = [random(400, 2, 2), random(300, 5, 3), steps, Array2::from_elem((60, 3), 0.5), random(2, 1, 4)];
    for (x, min_samples) in trials.iter().flat_map(|x| [1, 2, 8].map(|s| (x, s.min(x.nrows())))) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| exact_spanning_tree(x.view(), min_samples, &Silent).unwrap())
        };
        let found = on(1);
        assert_eq!(on(3), found);
        let plain = plain_spanning_tree(x, min_samples);
        assert_eq!(found.len(), plain.len());
        for (found, plain) in found.iter().zip(&plain) {
            assert!((found.distance - plain.distance).abs() < 1e-12, "{found:?}, {plain:?}");
            assert_eq!((found.low, found.high), (plain.low, plain.high), "{min_samples} of {:?}", x.dim());
        }
    }
    assert!(exact_spanning_tree(Array2::zeros((1, 2)).view(), 5, &Silent).unwrap().is_empty());
}

#[test]
fn the_tree_of_a_graph_of_all_neighbours_is_the_exact_one() {
    let x = random(120, 20, 5);
    let found = graph_spanning_tree(&graph(&x, 119), x.view(), 6, &Silent).unwrap();
    for (found, plain) in found.iter().zip(&plain_spanning_tree(&x, 6)) {
        assert!((found.distance - plain.distance).abs() < 1e-6, "{found:?}, {plain:?}");
    }
    assert_eq!(found.len(), 119);
}

#[test]
fn parts_are_joined_where_they_are_nearest() {
    let mut x = random(90, 3, 6);
    for (row, mut values) in x.outer_iter_mut().enumerate() {
        values[0] += (row % 3) as f32 * 20.0;
    }
    let found = graph_spanning_tree(&graph(&x, 4), x.view(), 3, &Silent).unwrap();
    let plain = plain_spanning_tree(&x, 3);
    assert_eq!(found.len(), 89);
    for (found, plain) in found[87..].iter().zip(&plain[87..]) {
        assert!(plain.distance > 15.0 && (found.distance - plain.distance).abs() < 1e-6, "{found:?}, {plain:?}");
    }
    let mut forest = Forest::new(90);
    assert!(found.iter().all(|edge| forest.join(edge.low as usize, edge.high as usize)), "a tree");
    assert!(found.is_sorted());
}

/// Three rows 1 apart, three 2 apart, 12 from those; and one 32 from the last.
fn line() -> CondensedTree {
    let x = Array2::from_shape_vec((7, 1), vec![0.0, 1.0, 2.0, 14.0, 16.0, 18.0, 50.0]).unwrap();
    CondensedTree::new(7, &exact_spanning_tree(x.view(), 1, &Silent).unwrap(), 3)
}

#[test]
fn a_tree_worked_by_hand() {
    let tree = line();
    let [root, a, b] = tree.clusters[..] else { panic!("{tree:?}") };
    assert_eq!((root.parent, root.size, root.birth, root.death), (None, 7, 0.0, 1.0 / 12.0));
    let (dense, loose) = if a.death > b.death { (1, 2) } else { (2, 1) };
    let cluster = |birth, death| CondensedCluster { parent: Some(0), size: 3, birth, death };
    assert_eq!(tree.clusters[dense], cluster(1.0 / 12.0, 1.0));
    assert_eq!(tree.clusters[loose], cluster(1.0 / 12.0, 0.5));
    assert_eq!(tree.leaving[0], (dense, 1.0));
    assert_eq!(tree.leaving[6], (0, 1.0 / 32.0));
    let stabilities = tree.stabilities();
    for (found, expected) in [(0, 1.0 / 32.0 + 0.5), (dense, 3.0 - 0.25), (loose, 1.5 - 0.25)] {
        assert!((stabilities[found] - expected).abs() < 1e-12, "{stabilities:?}");
    }
    assert_eq!(tree.outlier_scores(), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0 - 1.0 / 32.0]);
    let members = tree.cut(&Cut::default());
    let (d, l) = (Some(dense - 1), Some(loose - 1));
    assert_eq!(members.labels, [d, d, d, l, l, l, None]);
    assert_eq!(members.strengths, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
}

#[test]
fn equal_edges_are_cut_at_once() {
    let x = Array2::from_shape_vec((9, 1), vec![0.0, 0.1, 1.1, 1.2, 2.2, 2.3, 3.3, 3.4, 4.4]).unwrap() * 16.0f32;
    let x = x.mapv(f32::round);
    for order in [(0..9).collect::<Vec<_>>(), vec![8, 3, 1, 5, 7, 0, 2, 4, 6]] {
        let x = x.select(Axis(0), &order);
        let tree = CondensedTree::new(9, &exact_spanning_tree(x.view(), 1, &Silent).unwrap(), 2);
        assert_eq!(tree.clusters.len(), 5, "four pairs from one: {tree:?}");
        assert!(tree.clusters[1..].iter().all(|cluster| cluster.parent == Some(0) && cluster.size == 2));
    }
}

/// Two pairs of groups: the groups of a pair 5 apart, the pairs 40.
fn pairs() -> CondensedTree {
    let starts = [0.0f32, 5.4, 45.0, 50.6];
    let x = Array2::from_shape_fn((40, 1), |(row, _)| starts[row / 10] + (row % 10) as f32 * 0.05);
    CondensedTree::new(40, &exact_spanning_tree(x.view(), 2, &Silent).unwrap(), 5)
}

fn sizes(tree: &CondensedTree, cut: Cut) -> Vec<usize> {
    let members = tree.cut(&cut);
    let count = |label| members.labels.iter().filter(|&&found| found == Some(label)).count();
    (0..members.clusters.len()).map(count).collect()
}

#[test]
fn cuts_keep_to_what_they_are_asked() {
    let tree = pairs();
    let cut = Cut::default();
    assert_eq!(sizes(&tree, cut), [10; 4]);
    assert_eq!(sizes(&tree, Cut { epsilon: 10.0, ..cut }), [20; 2], "groups less than 10 apart are one");
    assert_eq!(sizes(&tree, Cut { epsilon: 100.0, ..cut }), [20; 2], "all rows are not a cluster");
    let single = Cut { epsilon: 100.0, allow_single_cluster: true, ..cut };
    assert_eq!(sizes(&tree, single), [40]);
    assert_eq!(sizes(&tree, Cut { max_cluster_size: Some(15), ..single }), [10; 4]);
    assert_eq!(sizes(&tree, Cut { max_cluster_size: Some(7), ..cut }), [7; 4]);
    let leaves = Cut { selection: Selection::Leaf, ..cut };
    assert_eq!(sizes(&tree, leaves), [10; 4]);
    assert_eq!(sizes(&tree, Cut { epsilon: 10.0, ..leaves }), [20; 2]);
}

#[test]
fn excess_of_mass_prefers_what_lasts() {
    // A cluster of 20 that lasts from 1/30 to 1/1.2 and then parts for a moment.
    let values = |row: usize| {
        let group = row / 10;
        [0.0f32, 10.2, 60.0, 70.0][group] + (row % 10) as f32 * [1.0, 1.0, 0.1, 0.1][group]
    };
    let x = Array2::from_shape_fn((40, 1), |(row, _)| values(row));
    let tree = CondensedTree::new(40, &exact_spanning_tree(x.view(), 1, &Silent).unwrap(), 5);
    let mut found = sizes(&tree, Cut::default());
    found.sort_unstable();
    assert_eq!(found, [10, 10, 20]);
    let leaves = Cut { selection: Selection::Leaf, ..Cut::default() };
    assert_eq!(sizes(&tree, leaves), [10; 4]);
    let oversize = Cut { max_cluster_size: Some(19), ..Cut::default() };
    assert_eq!(sizes(&tree, oversize), [10; 4], "what is too large gives way to its parts");
}

#[test]
fn one_row_and_equal_rows_make_a_tree() {
    let tree = CondensedTree::new(1, &[], 5);
    assert_eq!((tree.clusters.len(), tree.cut(&Cut::default()).labels), (1, vec![None]));
    let equal = exact_spanning_tree(Array2::zeros((9, 2)).view(), 3, &Silent).unwrap();
    let tree = CondensedTree::new(9, &equal, 3);
    assert!(tree.stabilities()[0].is_finite());
    assert_eq!(tree.outlier_scores(), [0.0; 9]);
    let single = Cut { allow_single_cluster: true, ..Cut::default() };
    assert_eq!(tree.cut(&single).labels, [Some(0); 9]);
}
