//! What every clusterer must keep to, tested over all of them.

use super::*;
use crate::cluster::density_tree::Cut;
use crate::progress::{Silent, Watch};
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Every clusterer that takes a number of clusters, asked for so many clusters.
fn clusterers(n_clusters: usize) -> Vec<Algorithm> {
    vec![
        Algorithm::KMeans(KMeansParams::new(n_clusters)),
        Algorithm::KMeans(KMeansParams::spherical(n_clusters)),
        Algorithm::MiniBatch(MiniBatchParams::new(n_clusters)),
        Algorithm::MiniBatch(MiniBatchParams::new(n_clusters).batch(30).init(Init::Random)),
        Algorithm::Bisecting(BisectingParams::new(n_clusters)),
        Algorithm::Bisecting(BisectingParams::new(n_clusters).split(Split::Size)),
        Algorithm::Hierarchical(HierarchicalParams::new(n_clusters)),
        Algorithm::Mixture(MixtureParams::new(n_clusters)),
    ]
}

/// Those that train on the rows, a little.
fn trained(n_clusters: usize) -> Vec<Algorithm> {
    let turtle = TurtleParams::new(n_clusters).learning_rate(Some(0.03)).warm_start(Some(true)).n_steps(60);
    vec![Algorithm::Turtle(turtle), Algorithm::Temi(TemiParams::new(n_clusters).n_heads(2).n_steps(120).batch(64))]
}

/// The same, and those that need some rows for each cluster, or find their number.
fn clusterers_of_many(n_clusters: usize) -> Vec<Algorithm> {
    let deep = HierarchicalParams::new(n_clusters).levels(vec![3 * n_clusters]);
    let dense = DbscanParams::new().eps(1.5);
    let lasting = HdbscanParams::new().cut(Cut { allow_single_cluster: true, ..Cut::default() });
    let found = vec![
        Algorithm::Hierarchical(deep),
        Algorithm::Dbscan(dense),
        Algorithm::Optics(OpticsParams::new().xi(0.5)),
        Algorithm::Optics(OpticsParams::new().eps(1.5)),
        Algorithm::Hdbscan(lasting.clone()),
        Algorithm::Hdbscan(lasting.min_samples(8).attach_noise(true)),
        Algorithm::Layers(LayersParams::new().metric(Metric::Euclidean)),
        Algorithm::Leiden(LeidenParams::new().metric(Metric::Euclidean).n_clusters(n_clusters)),
        Algorithm::Tomato(TomatoParams::new().n_clusters(n_clusters)),
        Algorithm::Tomato(TomatoParams::new().min_cluster_size(1)),
    ];
    [clusterers(n_clusters), found, trained(n_clusters)].concat()
}

fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, d), || rng.random::<f32>())
}

/// Four heaps, far apart in place and direction, of 80, 90, 100 and 110 rows in mixed order, and the heap of each row.
fn heaps() -> (Array2<f32>, Vec<usize>) {
    let mut heap: Vec<usize> = (0..4).flat_map(|h| vec![h; 80 + 10 * h]).collect();
    heap.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    let mut x = random(heap.len(), 5, 2);
    x.outer_iter_mut().zip(&heap).for_each(|(mut row, &h)| row[h] += 30.0);
    (x, heap)
}

fn fit(algorithm: &Algorithm, x: &Array2<f32>) -> Clustering {
    algorithm.fit(x.view(), &Silent).unwrap_or_else(|e| panic!("{algorithm:?}: {e}"))
}

/// Whether two labellings are one partition.
fn same<A: Copy + Ord, B: Copy + Ord>(a: &[A], b: &[B]) -> bool {
    let pairs: BTreeSet<_> = a.iter().zip(b).map(|(a, b)| (*a, *b)).collect();
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = pairs.iter().copied().unzip();
    pairs.len() == left.len() && pairs.len() == right.len()
}

#[test]
fn heaps_are_found_and_numbered_by_falling_size() {
    let (x, heap) = heaps();
    for algorithm in clusterers_of_many(4) {
        let found = fit(&algorithm, &x);
        assert!(same(&found.labels, &heap), "{algorithm:?}");
        assert_eq!(found.sizes(), [110, 100, 90, 80], "{algorithm:?}");
        assert_eq!((found.n_clusters(), found.assigner.n_features()), (4, 5), "{algorithm:?}");
        assert!(found.converged, "{algorithm:?}");
    }
}

/// Rows without structure, rows of few values, which are equally near to several centroids, and some with an offset.
fn trials() -> Vec<Array2<f32>> {
    let steps = random(300, 2, 4).mapv(|v| (v * 4.0).round());
    vec![random(500, 6, 3), steps.clone(), steps + 1000.0, random(40, 30, 5) * 0.4]
}

/// Heaps at 100, 8 and 0, and two rows as near to the larger of the last two as to the mean of the other and themselves.
fn tied() -> Array2<f32> {
    let heaps = [(100.0, 10), (8.0, 10), (0.0, 3), (5.0, 2)];
    let values = heaps.into_iter().flat_map(|(value, n)| vec![value; n]);
    Array2::from_shape_vec((25, 1), values.collect()).expect("25 rows")
}

#[test]
fn clusters_are_numbered_by_falling_size_where_rows_are_tied() {
    let start = Init::Given(ndarray::array![[2.0f32], [8.0], [100.0]]);
    let given = Algorithm::MiniBatch(MiniBatchParams::new(3).init(start));
    let x = tied();
    for algorithm in [vec![given], clusterers_of_many(3)].concat() {
        let found = fit(&algorithm, &x);
        assert!(found.assigner.assign(x.view()).iter().map(|a| a.cluster).eq(found.labels.iter().copied()));
        let sizes = found.sizes();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{algorithm:?}: {sizes:?}");
    }
}

#[test]
fn the_assigner_repeats_the_labels_of_the_fit() {
    for (x, k) in trials().iter().flat_map(|x| [1, 2, 9].map(|k| (x, k))) {
        for algorithm in clusterers_of_many(k) {
            let found = fit(&algorithm, x);
            assert_eq!(found.labels.len(), x.nrows());
            let used: BTreeSet<usize> = found.labels.iter().flatten().copied().collect();
            assert!(used.into_iter().eq(0..found.n_clusters()), "{algorithm:?}: each cluster has rows");
            let assigned = found.assigner.assign(x.view());
            for (row, (assignment, label)) in assigned.iter().zip(&found.labels).enumerate() {
                assert_eq!(assignment.cluster, *label, "{algorithm:?}: row {row}");
                assert!(assignment.distance >= 0.0);
                assert!(assignment.confidence.is_none_or(|c| (0.0..=1.0).contains(&c)), "{assignment:?}");
                let alone = found.assigner.assign(x.slice_axis(Axis(0), (row..row + 1).into()));
                assert_eq!(&alone[0], assignment, "{algorithm:?}: row {row} alone");
            }
        }
    }
}

#[test]
fn every_thread_count_gives_the_same_bytes() {
    let x = random(2100, 7, 6);
    for algorithm in clusterers_of_many(5) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&algorithm, &x))
        };
        let one = on(1);
        for threads in [2, 4, 8] {
            assert_eq!(on(threads), one, "{algorithm:?} on {threads} threads");
        }
    }
}

#[test]
fn the_order_of_the_rows_makes_no_difference() {
    let (x, _) = heaps();
    let mut order: Vec<usize> = (0..x.nrows()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(7));
    let shuffled = x.select(Axis(0), &order);
    for algorithm in clusterers_of_many(4) {
        let (plain, other) = (fit(&algorithm, &x), fit(&algorithm, &shuffled));
        let expected: Vec<_> = order.iter().map(|&row| plain.labels[row]).collect();
        assert!(other.labels == expected, "{algorithm:?}");
        let inertia = plain.inertia.zip(other.inertia);
        // Other draws end in other optima, the more so within heaps that are cut in three.
        let close = if matches!(algorithm, Algorithm::Hierarchical(_)) { 0.15 } else { 0.05 };
        assert!(inertia.is_none_or(|(a, b)| (a - b).abs() < close * a), "{algorithm:?}: {inertia:?}");
    }
}

#[test]
fn one_row_and_equal_rows_are_one_cluster() {
    for (n, k) in [(1, 1), (30, 1), (30, 4)] {
        let x = Array2::from_elem((n, 3), 0.3);
        for algorithm in [clusterers(k), trained(k)].concat() {
            let found = fit(&algorithm, &x);
            assert_eq!(found.labels, vec![Some(0); n], "{algorithm:?}");
            assert!(found.inertia.is_none_or(|inertia| inertia < 1e-6), "{algorithm:?}");
        }
    }
}

#[test]
fn every_row_can_be_its_own_cluster() {
    let x = random(12, 3, 8);
    for algorithm in clusterers(12) {
        assert_eq!(fit(&algorithm, &x).sizes(), [1; 12], "{algorithm:?}");
    }
}

#[test]
fn bad_input_is_an_error() {
    let (mut x, none) = (random(10, 3, 9), Array2::zeros((0, 3)));
    let of = |algorithm: &Algorithm, x: &Array2<f32>| algorithm.fit(x.view(), &Silent).unwrap_err();
    for algorithm in [clusterers(11), trained(11)].concat() {
        let error = of(&algorithm, &x);
        assert!(matches!(error, ClusterError::TooFewSamples { n_clusters: 11, n_samples: 10 }), "{error}");
    }
    for algorithm in clusterers_of_many(1) {
        let error = of(&algorithm, &Array2::zeros((4, 0)));
        assert!(matches!(error, ClusterError::NoFeatures), "{algorithm:?}: {error}");
    }
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        x[[7, 1]] = value;
        for algorithm in [clusterers(2), trained(2)].concat() {
            let error = of(&algorithm, &x);
            assert!(matches!(error, ClusterError::NotFinite { row: 7 }), "{algorithm:?}: {error}");
        }
    }
    for algorithm in [clusterers(1), trained(1)].concat() {
        let error = of(&algorithm, &none);
        assert!(matches!(error, ClusterError::TooFewSamples { n_samples: 0, .. }), "{algorithm:?}: {error}");
    }
    for algorithm in [clusterers(0), trained(0)].concat() {
        let error = of(&algorithm, &random(10, 3, 9));
        assert!(matches!(error, ClusterError::Parameter { .. }), "{algorithm:?}: {error}");
    }
}

#[test]
fn a_fit_can_be_stopped() {
    for algorithm in [clusterers(3), trained(3)].concat() {
        let error = algorithm.fit(random(50, 3, 10).view(), &Watch::stopping_after(0)).unwrap_err();
        assert!(matches!(error, ClusterError::Interrupted(_)), "{algorithm:?}: {error}");
    }
}

#[test]
fn another_number_of_clusters_changes_nothing_else() {
    for (three, five) in clusterers(3).into_iter().zip(clusterers(5)) {
        assert_eq!(three.with_n_clusters(5), five);
        let counts: BTreeMap<_, _> =
            [(3, &three), (5, &five)].map(|(k, a)| (k, fit(a, &random(90, 4, 11)).n_clusters())).into();
        assert_eq!(counts, BTreeMap::from([(3, 3), (5, 5)]), "{three:?}");
    }
}

/// Those that draw rows of two features.
fn drawing(n_clusters: usize) -> Vec<Algorithm> {
    vec![
        Algorithm::Filter(FilterParams::new()),
        Algorithm::Filter(FilterParams::new().n_clusters(n_clusters)),
        Algorithm::Visual(VisualParams::new()),
        Algorithm::Visual(VisualParams::new().reach(60.0).denoise(1)),
    ]
}

#[test]
fn what_is_drawn_keeps_to_the_contract() {
    let (heaps, heap) = heaps();
    let plane = ndarray::array![[1.0f32, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [0.1, 0.1]];
    let trials = [heaps.dot(&plane), random(500, 2, 3), random(300, 2, 4).mapv(|v| (v * 4.0).round()), tied_plane()];
    for (trial, algorithm) in trials.iter().enumerate().flat_map(|(i, _)| drawing(4).into_iter().map(move |a| (i, a))) {
        let x = &trials[trial];
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&algorithm, x))
        };
        let found = on(1);
        assert_eq!(on(3), found, "{algorithm:?} on 3 threads");
        assert!(trial != 0 || same(&found.labels, &heap), "{algorithm:?}");
        assert!(found.sizes().is_sorted_by(|a, b| a >= b) && !found.sizes().contains(&0));
        let assigned = found.assigner.assign(x.view());
        for (row, (assignment, label)) in assigned.iter().zip(&found.labels).enumerate() {
            assert_eq!(assignment.cluster, *label, "{algorithm:?}: row {row}");
            assert!(assignment.distance >= 0.0 && assignment.confidence.is_none_or(|c| (0.0..=1.0).contains(&c)));
            assert_eq!(&found.assigner.assign(x.slice_axis(Axis(0), (row..row + 1).into()))[0], assignment);
        }
        let order: Vec<usize> = (0..x.nrows()).rev().collect();
        let reversed = fit(&algorithm, &x.select(Axis(0), &order));
        assert!(reversed.labels.iter().rev().eq(&found.labels) || trial > 0, "{algorithm:?}");
    }
}

/// Equal rows, and one beside them.
fn tied_plane() -> Array2<f32> {
    let mut x = Array2::from_elem((40, 2), 0.3);
    x[[7, 1]] = 0.4;
    x
}

#[test]
fn what_can_not_be_drawn_is_an_error() {
    for algorithm in drawing(11) {
        let of = |x: &Array2<f32>| algorithm.fit(x.view(), &Silent).unwrap_err();
        assert!(matches!(of(&Array2::zeros((0, 2))), ClusterError::TooFewSamples { n_samples: 0, .. }));
        assert!(matches!(of(&Array2::zeros((20, 0))), ClusterError::NoFeatures));
        assert!(matches!(of(&Array2::from_elem((20, 2), f32::NAN)), ClusterError::NotFinite { row: 0 }));
        let stopped = algorithm.fit(random(50, 2, 10).view(), &Watch::stopping_after(0)).unwrap_err();
        assert!(matches!(stopped, ClusterError::Interrupted(_)));
    }
}
