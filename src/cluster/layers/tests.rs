//! Layered clustering, part by part and as a whole.

use super::barcode::Bars;
use super::embedding::{DIM, RATE, embed};
use super::find::{Neighborhood, Start, about, best, coarsest, strengths};
use super::join::{Borders, join};
use super::partition::Partition;
use super::start::start;
use super::votes::{attach, divided, modularity, smooth};
use super::*;
use crate::cluster::density_tree::{CondensedCluster, CondensedTree};
use crate::cluster::edges::graph_of;
use crate::collection::{Csr, n_clusters, sparse_row};
use crate::neighbors::fuzzy_simplicial_set;
use crate::progress::{Silent, Watch};
use crate::synth::{self, BlobsParams};
use linfa::ParamGuard;
use ndarray::Array2;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Two triangles, joined by an edge.
fn triangles() -> Csr {
    let edge = |(a, b)| (a, b, 1.0);
    graph_of(6, &[(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5), (2, 3)].map(edge))
}

/// Rows about which neighbours grow as in the plane, three of each.
fn neighborhood(graph: Csr, reach: Vec<f32>) -> Neighborhood {
    let (n_neighbors, n) = (3, graph.rows());
    let (x, _) = cube(1000, 2);
    let params = NeighborsParams { n_neighbors, ..Default::default() };
    let growth = nearest(x.view(), &params, &Silent).unwrap().growth(0);
    let mut nearest = Array2::zeros((n, n_neighbors));
    for (row, mut nearest) in nearest.outer_iter_mut().enumerate() {
        let (to, weights) = sparse_row(&graph, row);
        let mut order: Vec<usize> = (0..to.len()).collect();
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        // Of fewer edges the row itself takes the other places, which leads nowhere.
        nearest.fill(row as u32);
        nearest.iter_mut().zip(order).for_each(|(nearest, edge)| *nearest = to[edge]);
    }
    Neighborhood { growths: vec![growth; n], graph, reach, nearest }
}

/// Heaps of so many rows in eight dimensions, in mixed order, and the heap of each row.
fn heaps(sizes: &[usize], seed: u64) -> (Array2<f32>, Vec<Option<usize>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut heap: Vec<Option<usize>> = sizes.iter().enumerate().flat_map(|(h, &n)| vec![Some(h); n]).collect();
    heap.shuffle(&mut rng);
    let middles = Array2::from_shape_simple_fn((sizes.len(), 8), || rng.random_range(-8.0f32..8.0));
    let x = Array2::from_shape_fn((heap.len(), 8), |(row, d)| {
        middles[[heap[row].unwrap(), d]] + rng.random::<f32>() + rng.random::<f32>()
    });
    (x, heap)
}

fn fit(params: LayersParams, x: &Array2<f32>) -> Clustering {
    params.check().unwrap().fit_rows(x.view(), &Silent).unwrap()
}

#[test]
fn modularity_is_that_worked_by_hand() {
    let graph = triangles();
    let [a, b] = [Some(0), Some(1)];
    // 12 of 14 ends are inside, and each triangle has half of them.
    assert!((modularity(&graph, &[a, a, a, b, b, b]) - (12.0 / 14.0 - 0.75 * 0.5)).abs() < 1e-12);
    assert_eq!(modularity(&graph, &[a; 6]), 0.25);
    assert!((modularity(&graph, &[a, a, a, None, None, None]) - (6.0 / 14.0 - 0.75 * 0.25)).abs() < 1e-12);
    assert_eq!(modularity(&graph_of(3, &[]), &[a; 3]), 0.0);
}

#[test]
fn noise_goes_where_most_weight_leads_and_members_too() {
    let graph = triangles();
    let [a, b] = [Some(0), Some(1)];
    let mut labels = [a, None, None, None, b, None];
    attach(&graph, &mut labels);
    assert_eq!(labels, [a, a, a, b, b, b]);
    let mut labels = [a, a, b, b, b, b];
    smooth(&graph, &mut labels);
    assert_eq!(labels, [a, a, a, b, b, b]);
    // Of the weight of node 3 a third leads to 2, and two thirds to the others.
    assert!(divided(&graph, &labels, &[2, 3]).is_empty());
    assert_eq!(divided(&graph, &[a, a, a, a, b, None], &[3, 4]), [3, 4]);
    let mut apart = [a, None, None];
    attach(&graph_of(3, &[(0, 1, 1.0)]), &mut apart);
    assert_eq!(apart, [a, a, None], "no path leads to a cluster");
}

#[test]
fn who_moves_makes_neighbours_move() {
    // In a row, each more closely joined to the one before.
    let edges: Vec<_> = (0..8).map(|node| (node, node + 1, 9.0 - node as f32)).collect();
    let mut labels = [0, 0, 1, 1, 1, 1, 1, 1, 1].map(Some);
    smooth(&graph_of(9, &edges), &mut labels);
    assert_eq!(labels, [Some(0); 9]);
}

#[test]
fn borders_of_joined_clusters_are_those_of_the_labels() {
    let (x, _) = cube(400, 3);
    let neighbors = Neighborhood::new(&nearest(x.view(), &NeighborsParams::default(), &Silent).unwrap());
    // Slices, and noise.
    let slice = |value: &f32| (*value < 0.9).then_some(((value + 1.0) * 3.5) as usize);
    let labels: Vec<_> = x.column(1).iter().map(slice).collect();
    let mut borders = Borders::new(&neighbors, &labels);
    let into = borders.join(vec![(1, 2), (0, 4)]);
    assert_eq!(into, [0, 1, 1, 3, 0, 5, 6]);
    let into = borders.join(vec![(1, 3)]);
    let joined: Vec<_> = labels.iter().map(|label| label.map(|c| into[[0, 1, 1, 3, 0, 5, 6][c]])).collect();
    let expected = Borders::new(&neighbors, &joined);
    for pair in [(0, 1), (0, 5), (5, 6)] {
        let all = |borders: &Borders| {
            [borders.share(pair), borders.mutual(pair), borders.depth(pair), borders.heap(pair).depth()]
        };
        let apart = all(&borders).into_iter().zip(all(&expected)).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f64::max) < 1e-12, "{pair:?}");
    }
}

#[test]
fn clusters_are_joined_where_much_of_their_weight_leads_across() {
    // Two squares with their diagonals, each in halves, and an edge between them.
    let square = |at: usize| [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)].map(|(a, b)| (at + a, at + b, 1.0));
    let edges = [&square(0)[..], &square(4), &[(3, 4, 0.1)]].concat();
    let neighbors = neighborhood(graph_of(8, &edges), vec![1.0; 8]);
    let joined = |least, most| {
        let mut labels: Vec<_> = [0, 0, 1, 1, 2, 2, 3, 3].map(Some).into();
        join(&neighbors, &mut labels, least, most);
        labels.into_iter().flatten().collect::<Vec<_>>()
    };
    assert_eq!(joined(1, 8), [0, 0, 0, 0, 2, 2, 2, 2]);
    assert_eq!(joined(3, 8), [0, 0, 0, 0, 2, 2, 3, 3]);
    assert_eq!(joined(1, 3), [0, 0, 1, 1, 2, 2, 3, 3]);
    let mut noise = [None; 8];
    join(&neighbors, &mut noise, 1, 8);
    assert_eq!(noise, [None; 8]);
}

/// Rows of even density in a cube, and which half of it each is in.
fn cube(n: usize, dimension: usize) -> (Array2<f32>, Vec<Option<usize>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(dimension as u64);
    let x = Array2::from_shape_simple_fn((n, dimension), || rng.random_range(-1.0f32..1.0));
    let half = x.column(0).iter().map(|&value| Some(usize::from(value > 0.0))).collect();
    (x, half)
}

#[test]
fn a_flat_cut_through_a_heap_is_as_broad_and_deep_as_expected() {
    for dimension in [2, 3, 5] {
        let (x, half) = cube(3000, dimension);
        let params = NeighborsParams { n_neighbors: 15, metric: Metric::Euclidean, ..Default::default() };
        let neighbors = nearest(x.view(), &params, &Silent).unwrap();
        let found = neighbors.intrinsic_dimension().unwrap();
        assert!((0.8..1.02).contains(&(found / dimension as f64)), "{found} of {dimension}");
        let borders = Borders::new(&Neighborhood::new(&neighbors), &half);
        let heap = borders.heap((0, 1));
        let broad = borders.share((0, 1)) / heap.facet(1500);
        assert!((0.5..2.0).contains(&broad), "{dimension}: {broad}");
        // The farther neighbours, more of which lie across, count as much as the others.
        let mutual = borders.mutual((0, 1)) / heap.facet(1500);
        assert!((0.5..2.5).contains(&mutual), "{dimension}: {mutual}");
        let deep = borders.depth((0, 1)) / heap.depth();
        assert!((0.9..1.3).contains(&deep), "{dimension}: {deep}");
    }
}

#[test]
fn what_is_denser_stays_apart_from_what_lies_around_it() {
    // Rows around the small heap have neighbours there, whose own are all beside them.
    let (wide, _) = cube(1000, 8);
    let (small, _) = cube(100, 8);
    let x = ndarray::concatenate![ndarray::Axis(0), wide, small * 0.1];
    let labels: Vec<_> = (0..1100).map(|row| Some(usize::from(row >= 1000))).collect();
    let neighbors = Neighborhood::new(&nearest(x.view(), &NeighborsParams::default(), &Silent).unwrap());
    let borders = Borders::new(&neighbors, &labels);
    assert!(borders.share((0, 1)) > 0.25 * borders.heap((0, 1)).facet(100));
    assert_eq!(borders.mutual((0, 1)), 0.0);
    let mut joined = labels.clone();
    join(&neighbors, &mut joined, 1, 1100);
    assert_eq!(joined, labels);
}

#[test]
fn two_clusters_are_seen_in_their_own_dimension() {
    // Halves of a square, and of a cube of eight dimensions.
    let (plane, half) = cube(600, 2);
    let (solid, other) = cube(600, 8);
    let x = Array2::from_shape_fn((1200, 8), |(row, d)| match row < 600 {
        true => plane.get((row, d)).map_or(50.0, |&value| value),
        false => solid[[row - 600, d]],
    });
    let labels: Vec<_> = half.into_iter().chain(other.into_iter().map(|half| half.map(|half| half + 2))).collect();
    let neighbors = nearest(x.view(), &NeighborsParams::default(), &Silent).unwrap();
    let borders = Borders::new(&Neighborhood::new(&neighbors), &labels);
    // Depth grows by .0024 a dimension.
    let dimension = |pair| (borders.heap(pair).depth() - 0.25) / 0.0024;
    assert!((1.5..2.1).contains(&dimension((0, 1))), "{}", dimension((0, 1)));
    assert!((4.5..8.1).contains(&dimension((2, 3))), "{}", dimension((2, 3)));
}

#[test]
fn heaps_stay_whole_in_any_dimension() {
    let params = LayersParams::new().metric(Metric::Euclidean);
    for dimension in [2, 10] {
        let (x, _) = cube(1200, dimension);
        assert_eq!(fit(params.clone(), &x).sizes(), [1200], "{dimension}");
    }
    let (x, heap) = heaps(&[1000, 100, 50], 0);
    assert_eq!(fit(params.clone(), &x).labels, heap);
    let places = ndarray::array![[-7.0, 0.0], [0.0, 7.0], [7.0, 0.0]];
    let blobs = BlobsParams { n_samples: 3000, centers: places, ..Default::default() };
    let found = fit(params, &synth::blobs(&blobs).unwrap().data.mapv(|value| value as f32));
    assert_eq!(found.n_clusters(), 3, "{:?}", found.sizes());
}

#[test]
fn a_row_is_as_firm_as_its_neighbours_agree_and_are_near() {
    let reach = vec![1.0, 1.0, 2.0, 1.0, 1.0, 4.0];
    let neighbors = neighborhood(triangles(), reach);
    let [a, b] = [Some(0), Some(1)];
    let found = strengths(&neighbors, &[a, a, a, b, b, b]);
    let by_hand = [1.0, 1.0, 2.0 / 3.0 / 2.0, 2.0 / 3.0, 1.0, 0.25];
    assert!(found.iter().zip(by_hand).all(|(found, by_hand)| (found - by_hand).abs() < 1e-6), "{found:?}");
    assert_eq!(strengths(&neighbors, &[None; 6]), [0.0; 6]);
}

fn layer(n_clusters: usize, modularity: f64) -> ClusterLayer {
    let labels = (0..n_clusters).map(Some).collect();
    ClusterLayer { labels, modularity, ..ClusterLayer::whole(n_clusters, None) }
}

#[test]
fn of_starts_about_as_modular_the_coarsest_is_chosen() {
    let start = |layers: &[(usize, f64)]| Start {
        tree: CondensedTree::new(1, &[], 2),
        unread: Vec::new(),
        read: layers.iter().map(|&(n_clusters, modularity)| layer(n_clusters, modularity)).collect(),
    };
    let torn = [(3, 0.7), (11, 0.8953)];
    let modularity = |starts: &[&[(usize, f64)]]| {
        best(starts.iter().map(|layers| start(layers)).collect()).map(|best| best.modularity())
    };
    assert_eq!(modularity(&[&torn, &[(10, 0.8933)], &[(12, 0.89), (10, 0.894)], &[]]), Some(0.894));
    assert_eq!(modularity(&[&torn, &[(10, 0.8921)]]), Some(0.8953), "too much less");
    assert_eq!(modularity(&[&[], &[]]), None);
}

#[test]
fn of_layers_about_as_modular_the_coarsest_is_chosen() {
    let chosen = |layers: &[ClusterLayer]| coarsest(layers, about(layers)).unwrap();
    let layers = [layer(30, 0.85), layer(11, 0.8961), layer(10, 0.8941), layer(2, 0.57)];
    assert_eq!((chosen(&layers), chosen(&layers[..2])), (2, 1));
    assert_eq!(coarsest(&layers, 0.9), None, "another start has a better one");
    assert_eq!(chosen(&[layer(11, 0.8961), layer(9, 0.887)]), 0);
    assert_eq!(chosen(&[layer(10, 0.895), layer(10, 0.8961), layer(10, 0.8955)]), 1);
    assert_eq!(chosen(&[layer(40, 0.9012), layer(38, 0.9)]), 0, "what two of forty lose");
}

#[test]
fn layers_are_the_peaks_of_persistence() {
    // All rows split into 60 and 40; the 60 into 30 and 20.
    let cluster = |parent, size, birth| CondensedCluster { parent, size, birth, death: 9.0 };
    let clusters = vec![
        cluster(None, 100, 0.0),
        cluster(Some(0), 60, 1.0),
        cluster(Some(0), 40, 1.0),
        cluster(Some(1), 30, 2.0),
        cluster(Some(1), 20, 2.0),
    ];
    let tree = CondensedTree { clusters, leaving: Vec::new() };
    let bars = Bars::new(&tree, 5);
    let layers = bars.layers();
    let weight = |density: f64| (-1.0 / density).exp();
    // From 5 on the three leaves, two of them up to 20; then the 60 and the 40 up to 40.
    assert_eq!(layers.len(), 1);
    assert_eq!((&layers[0].clusters[..], layers[0].size), (&[2, 3, 4][..], 5));
    let persistence = 35.0 * weight(1.0) + 2.0 * 15.0 * weight(2.0);
    assert!((layers[0].persistence - persistence).abs() < 1e-12);
    assert_eq!(bars.nearest(2).unwrap().clusters, [1, 2]);
    assert_eq!(bars.nearest(7).unwrap().clusters, [2, 3, 4]);
    let whole = CondensedTree { clusters: vec![cluster(None, 100, 0.0)], leaving: Vec::new() };
    assert!(Bars::new(&whole, 5).layers().is_empty() && Bars::new(&whole, 5).nearest(3).is_none());
}

#[test]
fn parts_are_connected_and_their_weights_add_up() {
    let graph = triangles();
    let partition = Partition::new(&graph, 2, 3);
    assert_eq!(partition.sizes.iter().sum::<usize>(), 6);
    let coarse = partition.coarsen(&graph);
    assert_eq!(coarse.transpose_view().to_csr(), coarse);
    assert!(coarse.get(0, 0).is_none());
    let two = Partition { parts: vec![0, 0, 0, 1, 1, 1], sizes: vec![3, 3] };
    assert_eq!(two.coarsen(&graph).get(0, 1), Some(&(1.0f32 / 3.0)));
    // A component that no drawn node is in still has a part.
    let apart = graph_of(8, &[(0, 1, 1.0), (2, 3, 1.0), (4, 5, 1.0), (6, 7, 1.0)]);
    let partition = Partition::new(&apart, 1, 0);
    assert_eq!((partition.parts, partition.sizes), (vec![0; 8], vec![8]));
}

#[test]
fn what_is_joined_lies_together_on_every_number_of_threads() {
    let (x, heap) = heaps(&[400, 300, 300], 1);
    let params = NeighborsParams { n_neighbors: 15, metric: Metric::Euclidean, ..Default::default() };
    let graph = fuzzy_simplicial_set(&nearest(x.view(), &params, &Silent).unwrap());
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut places = start(&graph, x.view(), 0, &Silent).unwrap();
            embed(&graph, &mut places, RATE, 0, &Silent).unwrap();
            places
        })
    };
    let places = on(1);
    assert_eq!(on(3), places);
    let squared = |a: usize, b: usize| (0..DIM).map(|d| (places[a][d] - places[b][d]).powi(2)).sum::<f32>();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let pairs: Vec<(usize, usize)> =
        (0..2000).map(|_| (rng.random_range(0..1000), rng.random_range(0..1000))).collect();
    let mean = |same: bool| {
        let of: Vec<f32> =
            pairs.iter().filter(|(a, b)| (heap[*a] == heap[*b]) == same).map(|&(a, b)| squared(a, b)).collect();
        of.iter().sum::<f32>() / of.len() as f32
    };
    assert!(mean(false) > 4.0 * mean(true), "{} {}", mean(false), mean(true));
    let stopped = Watch::stopping_after(0);
    assert!(embed(&graph, &mut places.clone(), RATE, 0, &stopped).is_err());
}

#[test]
fn heaps_are_layers_and_kept_to_sizes() {
    let sizes = [150, 120, 100, 80, 60];
    let (x, heap) = heaps(&sizes, 3);
    for metric in [Metric::Cosine, Metric::Euclidean] {
        assert_eq!(fit(LayersParams::new().metric(metric), &x).labels, heap, "{metric:?}");
    }
    let few = fit(LayersParams::new().n_clusters(2), &x);
    assert!((2..=3).contains(&few.n_clusters()), "{:?}", few.sizes());
    assert_eq!(fit(LayersParams::new().n_clusters(1), &x).sizes(), [510]);
    let small = fit(LayersParams::new().max_cluster_size(90), &x);
    assert!(small.sizes().iter().all(|size| (5..=90).contains(size)), "{:?}", small.sizes());
    let large = fit(LayersParams::new().min_cluster_size(90), &x);
    assert!(large.sizes().iter().all(|&size| size >= 90), "{:?}", large.sizes());
}

#[test]
fn other_layers_are_kept() {
    let params = LayersParams::new().metric(Metric::Euclidean).check().unwrap();
    // Of so many heaps of some rows each, the first set with more than one layer.
    let fit = |sizes: &[usize]| {
        let mut sets = (0..20).map(|seed| {
            let (x, _) = heaps(sizes, seed);
            let found = params.fit_rows(x.view(), &Silent).unwrap();
            let all = params.layers(found.neighbors.as_ref().unwrap(), x.view(), &Silent).unwrap();
            (found, all)
        });
        sets.find(|(_, all)| all.layers.len() > 1).unwrap()
    };
    let counts = |levels: &[Vec<Option<usize>>]| levels.iter().map(|level| n_clusters(level)).collect::<Vec<_>>();
    let (found, Layers { layers, chosen }) = fit(&[40; 40]);
    assert_eq!(found.n_clusters(), 40);
    let mut expected: Vec<usize> = layers.iter().map(ClusterLayer::n_clusters).collect();
    assert_eq!(expected.remove(chosen), 40);
    expected.retain(|&n_clusters| n_clusters != 40);
    assert_eq!(counts(&found.levels), expected);
    assert!(found.levels.iter().all(|level| *level != found.labels));
    // A layer more that has the same.
    let (found, Layers { layers, .. }) = fit(&[300; 6]);
    assert!(layers.iter().all(|layer| layer.n_clusters() == 6) && found.levels.is_empty());
}

#[test]
fn what_does_not_split_is_one_cluster() {
    for n in [1, 2, 9, 40] {
        let found = fit(LayersParams::new(), &Array2::from_elem((n, 3), 0.5));
        assert_eq!(found.labels, vec![Some(0); n]);
    }
}

#[test]
fn a_row_between_clusters_is_noise_unless_attached() {
    let (mut x, heap) = heaps(&[140, 110, 80], 5);
    // Far from all.
    let far = Array2::from_elem((1, 8), -400.0);
    x.append(ndarray::Axis(0), far.view()).unwrap();
    let params = LayersParams::new().metric(Metric::Euclidean);
    let found = fit(params.clone(), &x);
    let same = |found: &Clustering| found.labels[..330] == heap;
    assert!(same(&found));
    let assigned = found.assigner.assign(ndarray::Array2::from_elem((1, 8), 900.0).view());
    assert_eq!(assigned[0].cluster, None, "out of reach");
    let all = fit(params.attach_noise(true), &x);
    assert!(same(&all) && all.labels[330].is_some());
    assert!(all.assigner.assign(ndarray::Array2::from_elem((1, 8), 900.0).view())[0].cluster.is_some());
}

#[test]
fn parameters_are_checked() {
    let wrong = [
        LayersParams::new().n_neighbors(1),
        LayersParams::new().min_cluster_size(1),
        LayersParams::new().min_cluster_size(9).max_cluster_size(8),
        LayersParams::new().n_starts(0),
        LayersParams::new().n_clusters(0),
    ];
    for params in wrong {
        assert!(matches!(params.check(), Err(ClusterError::Parameter { .. })));
    }
}
