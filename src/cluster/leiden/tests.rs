//! Communities: as good as those of the authors' package, connected, and as many as are asked for.

use super::find::round;
use super::moves::{move_nodes, refine};
use super::network::Parts;
use super::*;
use crate::cluster::edges::graph_of;
use crate::collection::sparse_row;
use crate::progress::{Silent, Watch};
use linfa::ParamGuard;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeSet;

/// So many cliques of five in a ring, each joined to the next by an edge.
fn ring(n_cliques: usize) -> Csr {
    let pairs = (0..5).flat_map(|a| (a + 1..5).map(move |b| (a, b)));
    let inside = |clique: usize| pairs.clone().map(move |(a, b)| (5 * clique + a, 5 * clique + b, 1.0));
    let joined = |clique: usize| (5 * clique, 5 * ((clique + 1) % n_cliques) + 1, 1.0);
    let edges: Vec<_> = (0..n_cliques).flat_map(|clique| inside(clique).chain([joined(clique)])).collect();
    graph_of(5 * n_cliques, &edges)
}

/// Nodes that are joined at random, to three or so others each.
fn sparse(n: usize, seed: u64) -> Csr {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = |rng: &mut ChaCha8Rng| (rng.random_range(0..n), rng.random_range(0..n));
    let pairs: BTreeSet<_> = (0..3 * n).map(|_| draw(&mut rng)).filter(|(a, b)| a < b).collect();
    graph_of(n, &pairs.into_iter().map(|(a, b)| (a, b, rng.random_range(0.1..2.0))).collect::<Vec<_>>())
}

fn find(params: LeidenParams, graph: &Csr) -> Communities {
    params.check().unwrap().communities(graph, &Silent).unwrap()
}

/// Of any size.
fn any_size() -> LeidenParams {
    LeidenParams::new().min_cluster_size(1)
}

/// Whether within each part a path leads from any node to any other.
fn connected(graph: &Csr, of: &[u32]) -> bool {
    let mut reached = vec![false; of.len()];
    let mut parts = BTreeSet::new();
    for start in 0..of.len() {
        if reached[start] {
            continue;
        }
        if !parts.insert(of[start]) {
            return false;
        }
        let mut open = vec![start];
        reached[start] = true;
        while let Some(node) = open.pop() {
            for &to in sparse_row(graph, node).0 {
                if of[to as usize] == of[node] && !std::mem::replace(&mut reached[to as usize], true) {
                    open.push(to as usize);
                }
            }
        }
    }
    true
}

/// `tests/data/leiden.py` has the versions and the recipe.
#[test]
fn quality_is_that_of_leidenalg() {
    let graphs: Vec<Value> = serde_json::from_str(include_str!("../../../tests/data/leiden.json")).unwrap();
    assert_eq!(graphs.len(), 3);
    for (value, name) in graphs.iter().flat_map(|value| [(value, "modularity"), (value, "cpm")]) {
        let edges: Vec<(usize, usize, f32)> = serde_json::from_value(value["edges"].clone()).unwrap();
        let graph = graph_of(value["n"].as_u64().unwrap() as usize, &edges);
        let kind = if name == "cpm" { Quality::Cpm } else { Quality::Modularity };
        let network = Network::new(&graph, kind);
        let of = |resolution: f64, seed| {
            let found = find(any_size().quality(kind).resolution(resolution).seed(seed), &graph);
            let parts = Parts::named(found.labels.iter().map(|label| label.unwrap() as u32).collect());
            match kind {
                Quality::Modularity => quality(&network, &parts, resolution / network.total),
                // Not by the weight, and a node and itself aren't charged for there.
                Quality::Cpm => {
                    let value = quality(&network, &parts, resolution) * network.total;
                    (value + resolution * network.len() as f64) / 2.0
                }
            }
        };
        let most: Vec<(f64, f64)> = serde_json::from_value(value[name].clone()).unwrap();
        for (resolution, theirs) in most {
            let ours: Vec<f64> = (0..10).map(|seed| of(resolution, seed)).collect();
            let (mean, most) = (ours.iter().sum::<f64>() / 10.0, ours.iter().copied().fold(0.0, f64::max));
            let tolerance = if kind == Quality::Cpm { 0.015 * theirs } else { 0.005 };
            assert!(mean > theirs - tolerance, "{name} {resolution}: {ours:?}, {theirs}");
            assert!((most - theirs).abs() < tolerance / 2.0, "{name} {resolution}: {ours:?}, {theirs}");
        }
    }
}

/// The figure is that of the optimum (Brandes et al., On modularity clustering, 2008).
#[test]
fn the_karate_club_falls_into_four() {
    let graphs: Vec<Value> = serde_json::from_str(include_str!("../../../tests/data/leiden.json")).unwrap();
    let edges: Vec<(usize, usize, f32)> = serde_json::from_value(graphs[0]["edges"].clone()).unwrap();
    assert_eq!(edges.len(), 78);
    for seed in 0..10 {
        let found = find(any_size().seed(seed), &graph_of(34, &edges));
        assert!((found.modularity - 0.41979).abs() < 1e-5, "{seed}: {}", found.modularity);
        assert!(found.n_clusters() == 4 && found.converged);
    }
}

/// Two triangles that only node 0 joins, and a third to which it is joined more.
#[test]
fn a_community_whose_bridge_leaves_is_divided() {
    let triangle = |a: usize| [(a, a + 1, 3.0), (a, a + 2, 3.0), (a + 1, a + 2, 3.0)];
    let bridge: Vec<_> = (1..7).map(|to| (0, to, 1.0)).chain([(0, 7, 10.0)]).collect();
    let graph = graph_of(10, &[&triangle(1)[..], &triangle(4), &triangle(7), &bridge].concat());
    let network = Network::new(&graph, Quality::Modularity);
    let rate = 0.5 / network.total;
    let start = Parts::named(vec![0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let moved = move_nodes(&network, rate, &start, &mut rng, &Silent).unwrap();
    // As far as Louvain goes: no node gains by leaving, though nothing joins the two halves.
    assert_eq!(moved.of, [0, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
    assert!(!connected(&graph, &moved.of));
    let found = round(&network, rate, start, &mut rng, &Silent).unwrap();
    assert!(connected(&graph, &found.of), "{:?}", found.of);
    assert!(quality(&network, &found, rate) > quality(&network, &moved, rate));
}

#[test]
fn communities_are_connected_and_get_no_worse() {
    for seed in 0..20 {
        let graph = sparse(400, seed);
        let network = Network::new(&graph, Quality::Modularity);
        for resolution in [0.3, 1.0, 3.0] {
            let rate = resolution / network.total;
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut parts = Parts::single(400);
            let mut value = quality(&network, &parts, rate);
            for _ in 0..3 {
                parts = round(&network, rate, parts, &mut rng, &Silent).unwrap();
                assert!(connected(&graph, &parts.of), "{seed} {resolution}");
                let next = quality(&network, &parts, rate);
                assert!(next > value - 1e-12, "{seed} {resolution}: {next} after {value}");
                value = next;
            }
            // Small ones joined, and noise each by itself.
            let found = find(LeidenParams::new().resolution(resolution).seed(seed), &graph);
            let name = |(node, label): (usize, &Option<ClusterId>)| label.unwrap_or(400 + node) as u32;
            let names: Vec<u32> = found.labels.iter().enumerate().map(name).collect();
            assert!(connected(&graph, &names), "{seed} {resolution}, small ones joined");
        }
    }
}

#[test]
fn the_constant_potts_model_has_no_resolution_limit() {
    let graph = ring(30);
    let cliques: Vec<_> = (0..150).map(|node| Some(node / 5)).collect();
    assert_eq!(find(any_size().quality(Quality::Cpm).resolution(0.5), &graph).labels, cliques);
    let modular = find(any_size(), &graph);
    assert!(modular.n_clusters() < 20, "modularity joins cliques: {}", modular.n_clusters());
    assert_eq!(find(any_size().n_clusters(30), &graph).labels, cliques, "at a higher resolution it doesn't");
}

#[test]
fn as_many_communities_as_are_asked_for_or_nearly() {
    let graph = ring(24);
    for n_clusters in [1, 2, 3, 8, 12, 24] {
        let found = find(any_size().n_clusters(n_clusters), &graph);
        assert!(found.n_clusters().abs_diff(n_clusters) <= 1 + n_clusters / 8, "{} {n_clusters}", found.n_clusters());
    }
    let counts: Vec<usize> =
        [0.0, 0.2, 1.0, 5.0].iter().map(|&r| find(any_size().resolution(r), &graph).n_clusters()).collect();
    assert!(counts[0] == 1 && counts.is_sorted(), "{counts:?}");
    let apart = graph_of(9, &[(0, 1, 1.0), (1, 2, 1.0), (3, 4, 1.0), (4, 5, 1.0), (6, 7, 1.0), (7, 8, 1.0)]);
    let found = find(any_size().n_clusters(1), &apart);
    assert_eq!(found.n_clusters(), 3, "nothing joins them");
}

#[test]
fn small_communities_join_what_they_lead_to_or_are_noise() {
    // Cliques of five, of three and of two in a row, the last more surely joined to the second; and two nodes apart.
    let clique = |from: usize, n: usize| {
        (0..n).flat_map(move |a| (a + 1..n).map(move |b| (from + a, from + b, 1.0))).collect::<Vec<_>>()
    };
    let between = [(4, 5, 0.1), (7, 8, 0.2), (9, 0, 0.1)];
    let edges = [clique(0, 5), clique(5, 3), clique(8, 2), between.to_vec(), clique(10, 2)].concat();
    let of = |least| find(LeidenParams::new().min_cluster_size(least).resolution(1.5), &graph_of(12, &edges));
    let named = |names: [&[usize]; 4]| -> Vec<_> {
        [5, 3, 2, 2].into_iter().zip(names).flat_map(|(n, name)| vec![name.first().copied(); n]).collect()
    };
    assert_eq!(of(1).labels, named([&[0], &[1], &[2], &[3]]));
    assert_eq!(of(3).labels, named([&[0], &[1], &[1], &[]]));
    assert_eq!(of(6).labels, named([&[0], &[0], &[0], &[]]), "both, one after the other");
    let found = of(3);
    assert_eq!((found.strengths[0], found.strengths[10]), (f64::from(4.0f32) / (4.0 + f64::from(0.1f32)), 0.0));
    assert_eq!(of(13).n_clusters(), 0);
    // A clique of five, one that it is joined to, and two pairs that are joined to that one alone.
    let edges = [clique(0, 5), vec![(0, 5, 0.5), (6, 7, 3.0), (8, 9, 3.0), (5, 6, 0.4), (5, 8, 0.4)]].concat();
    let of = |least| find(LeidenParams::new().min_cluster_size(least).resolution(2.0), &graph_of(10, &edges));
    assert_eq!(of(1).n_clusters(), 4);
    assert_eq!(of(3).labels, [Some(0); 10], "the pairs don't come together without it");
}

#[test]
fn a_part_that_leads_to_little_of_its_community_takes_no_more() {
    let graph = graph_of(4, &[(0, 1, 5.0), (1, 2, 0.3), (1, 3, 0.05), (2, 3, 0.05)]);
    let network = Network::new(&graph, Quality::Cpm);
    let whole = Parts { of: vec![0; 4], n_parts: 1 };
    let found: BTreeSet<_> =
        (0..30).map(|seed| refine(&network, 0.1, &whole, &mut ChaCha8Rng::seed_from_u64(seed)).of).collect();
    // Node 2 joins node 1 if it is the first, but not the two together: .35 leads out of them, where .1 * 2 * 2 is needed.
    // Node 3 leads to too little itself.
    assert_eq!(found, BTreeSet::from([vec![0, 0, 0, 1], vec![0, 0, 1, 2]]));
}

#[test]
fn graphs_of_little_have_communities_too() {
    assert_eq!(find(any_size(), &graph_of(0, &[])).labels, []);
    let none = find(any_size(), &graph_of(3, &[]));
    assert_eq!((none.labels, none.modularity), (vec![Some(0), Some(1), Some(2)], 0.0));
    // A loop, and weights that are none.
    let odd = Csr::new((3, 3), vec![0, 2, 4, 5], vec![0, 1, 0, 2, 1], vec![2.0, 1.0, 1.0, f32::NAN, -1.0]);
    assert_eq!(find(any_size(), &odd).labels, [Some(0), Some(0), Some(1)]);
}

/// Three heaps of 60, 50 and 40 rows in five features, and three rows far from all.
fn heaps() -> (Array2<f32>, Vec<Option<usize>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let heap: Vec<usize> = [60, 50, 40, 3].iter().enumerate().flat_map(|(heap, &n)| vec![heap; n]).collect();
    let x = Array2::from_shape_fn((153, 5), |(row, d)| {
        let at = if d == heap[row] { [20.0, 20.0, 20.0, -900.0][d] } else { 0.0 };
        at + rng.random::<f32>()
    });
    (x, heap.into_iter().map(|heap| (heap < 3).then_some(heap)).collect())
}

#[test]
fn rows_between_which_nothing_leads_are_noise_unless_attached() {
    let (x, heap) = heaps();
    let params = LeidenParams::new().n_neighbors(2).metric(Metric::Euclidean).resolution(0.0);
    let fit = |params: LeidenParams| params.check().unwrap().fit_rows(x.view(), &Silent).unwrap();
    let found = fit(params.clone());
    assert_eq!(found.labels[150..], heap[150..]);
    let far = Array2::from_elem((1, 5), 99.0);
    assert_eq!(found.assigner.assign(far.view())[0].cluster, None, "out of reach");
    let all = fit(params.attach_noise(true));
    assert!(all.labels.iter().all(Option::is_some));
    assert!(all.assigner.assign(far.view())[0].cluster.is_some());
    let asked = fit(LeidenParams::new().metric(Metric::Euclidean).n_clusters(3));
    assert_eq!(asked.labels[..150], heap[..150]);
    assert!(asked.converged);
}

#[test]
fn communities_join_as_the_resolution_falls() {
    // Between pairs of cliques twice the weight; 2 and 3 are the smaller ones; nothing leads to 4.
    let edges = [(0, 4, 1.0), (5, 8, 1.0), (9, 10, 0.5), (8, 10, 1.0), (4, 5, 0.5)];
    let labels: Vec<_> = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4].map(Some).into();
    let network = Network::new(&graph_of(12, &edges), Quality::Cpm);
    // The weight over the product of the sizes: 1 and 3 .25, 2 and 3 .5; then 1 and 2, 3 together .125; 0 and 1 .025.
    assert_eq!(joins(&network, &labels), [[(2, 3)], [(1, 2)], [(0, 1)]]);
    let (x, _) = heaps();
    let params = LeidenParams::new().metric(Metric::Euclidean).resolution(8.0).check().unwrap();
    let found = params.fit_rows(x.view(), &Silent).unwrap();
    let mut more = found.n_clusters();
    assert!(more > 5 && found.levels.len() > 1, "{more}");
    for level in &found.levels {
        assert!(n_clusters(level) <= more / 2, "{more}");
        more = n_clusters(level);
        let apart = |(fine, coarse): (&Option<usize>, &Option<usize>)| fine.is_none() != coarse.is_none();
        assert!(!found.labels.iter().zip(level).any(apart), "noise stays noise");
    }
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let graph = sparse(500, 1);
    assert_eq!(find(any_size().seed(4), &graph), find(any_size().seed(4), &graph));
    assert!(find(any_size().seed(4), &graph).labels != find(any_size().seed(5), &graph).labels);
    let once = find(any_size().max_iterations(1), &graph);
    assert!(once.n_iterations == 1 && !once.converged);
    let stopped = any_size().check().unwrap().communities(&graph, &Watch::stopping_after(0));
    assert!(stopped.is_err());
}

#[test]
fn parameters_and_rows_of_no_use_are_errors() {
    let wrong = [
        LeidenParams::new().n_neighbors(0),
        LeidenParams::new().min_cluster_size(0),
        LeidenParams::new().max_iterations(0),
        LeidenParams::new().n_clusters(0),
        LeidenParams::new().resolution(-1.0),
        LeidenParams::new().resolution(f64::NAN),
    ];
    for params in wrong {
        assert!(matches!(params.check(), Err(ClusterError::Parameter { .. })));
    }
    let fit = |n| LeidenParams::new().check().unwrap().fit_rows(Array2::zeros((n, 2)).view(), &Silent);
    assert!(matches!(fit(3).unwrap_err(), ClusterError::NoClusters { min_cluster_size: 5 }));
    assert!(matches!(fit(0).unwrap_err(), ClusterError::TooFewSamples { n_samples: 0, .. }));
    assert_eq!(fit(40).unwrap().sizes(), [40], "equal rows");
}
