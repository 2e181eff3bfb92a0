//! OPTICS: order, reachability and clusters are scikit-learn's.

use super::*;
use crate::cluster::Assigner;
use crate::progress::{Silent, Watch};
use linfa::ParamGuard;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeSet;

fn plot(params: OpticsParams, x: &Array2<f32>) -> ReachabilityPlot {
    params.check().unwrap().plot(x.view(), &Silent).unwrap()
}

fn fit(params: OpticsParams, x: &Array2<f32>) -> Clustering {
    params.check().unwrap().fit_rows(x.view(), &Silent).unwrap()
}

/// Whether labels are the same, whatever the clusters are called; theirs have -1 for noise.
fn same(ours: &[Option<ClusterId>], theirs: &[i64]) -> bool {
    let pairs: BTreeSet<_> = ours.iter().copied().zip(theirs.iter().copied()).collect();
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = pairs.iter().copied().unzip();
    let noise = pairs.iter().all(|(ours, theirs)| ours.is_none() == (*theirs == -1));
    noise && ours.len() == theirs.len() && pairs.len() == left.len() && pairs.len() == right.len()
}

/// `tests/data/optics.py` has the version and the recipe.
#[test]
fn order_reachability_and_clusters_are_those_of_scikit_learn() {
    fn read<T: serde::de::DeserializeOwned>(value: &Value, name: &str) -> T {
        serde_json::from_value(value[name].clone()).unwrap()
    }
    let sets: Vec<Value> = serde_json::from_str(include_str!("../../../tests/data/optics.json")).unwrap();
    assert_eq!(sets.len(), 5);
    for (set, value) in sets.iter().enumerate() {
        let rows: Vec<Vec<f32>> = read(value, "rows");
        let x = Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap();
        let params = OpticsParams::new().min_points(read(value, "min_points"));
        let plot = plot(params.clone(), &x);
        assert_eq!(plot.order, read::<Vec<usize>>(value, "order"), "set {set}");
        let reachability: Vec<f64> = read(value, "reachability");
        let far = plot.reachability.iter().zip(reachability).map(|(ours, theirs)| (ours.min(1e9) - theirs).abs());
        assert!(far.fold(0.0, f64::max) < 1e-6, "set {set}");
        for (xi, least, labels) in read::<Vec<(f64, usize, Vec<i64>)>>(value, "xi") {
            let found = fit(params.clone().xi(xi).min_cluster_size(least), &x);
            assert!(same(&found.labels, &labels), "set {set}, {xi} {least}: {:?}", found.labels);
        }
        for (eps, labels) in read::<Vec<(f64, Vec<i64>)>>(value, "eps") {
            let found = fit(params.clone().eps(eps), &x);
            assert!(same(&found.labels, &labels), "set {set}, {eps}: {:?}", found.labels);
        }
    }
}

/// Heaps of 40, 30 and 20 rows, the first two near each other.
fn heaps() -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let middles = [(0.0, 40), (4.0, 30), (100.0, 20)];
    let rows: Vec<f32> = middles.into_iter().flat_map(|(middle, n)| vec![middle; 2 * n]).collect();
    Array2::from_shape_vec((90, 2), rows).unwrap().mapv(|middle| middle + rng.random::<f32>())
}

#[test]
fn clusters_are_within_clusters() {
    let x = heaps();
    let plot = plot(OpticsParams::new(), &x);
    let clusters = plot.clusters(0.5, 5, 5);
    for expected in [0..40, 40..70, 0..70, 70..90, 0..90] {
        assert!(clusters.contains(&expected), "{expected:?} of {clusters:?}");
    }
    let within = |inner: usize, outer: usize| {
        let (inner, outer) = (&clusters[inner], &clusters[outer]);
        outer.start <= inner.start && inner.end <= outer.end
    };
    let n = clusters.len();
    assert!((0..n).all(|outer| (outer + 1..n).all(|later| !within(later, outer))), "the inner ones first");
    assert_eq!(fit(OpticsParams::new().xi(0.5), &x).sizes(), [40, 30, 20]);
    let labels = plot.cut(10.0);
    assert!(labels[..70].iter().all(|&label| label == Some(0)) && labels[70..].iter().all(|&label| label == Some(1)));
}

#[test]
fn rows_are_assigned_as_far_as_their_cluster_reaches() {
    let found = fit(OpticsParams::new().xi(0.5), &heaps());
    let Assigner::Neighbors(neighbors) = &found.assigner else { panic!("rows") };
    assert!(neighbors.strengths.iter().all(|strength| (0.0..=1.0).contains(strength)));
    assert!((0..3).all(|c| (0..90).any(|row| found.labels[row] == Some(c) && neighbors.strengths[row] == 1.0)));
    let say = |at: f32| found.assigner.assign(ndarray::array![[at, at]].view())[0].cluster;
    assert_eq!((say(0.5), say(4.5), say(100.5), say(50.0)), (Some(0), Some(1), Some(2), None));
    let cut = fit(OpticsParams::new().eps(0.4), &heaps());
    let Assigner::Neighbors(neighbors) = &cut.assigner else { panic!("rows") };
    assert!(neighbors.reach.iter().all(|&reach| reach <= 0.4));
}

#[test]
fn a_cut_has_clusters_of_some_size() {
    let sizes = |least| fit(OpticsParams::new().eps(10.0).min_cluster_size(least), &heaps()).sizes();
    assert_eq!((sizes(20), sizes(21)), (vec![70, 20], vec![70]));
}

#[test]
fn parameters_and_rows_of_no_use_are_errors() {
    let wrong = [
        OpticsParams::new().min_points(1),
        OpticsParams::new().min_cluster_size(1),
        OpticsParams::new().xi(0.0),
        OpticsParams::new().xi(1.0),
        OpticsParams::new().xi(f64::NAN),
        OpticsParams::new().eps(-1.0),
    ];
    for params in wrong {
        assert!(matches!(params.check(), Err(ClusterError::Parameter { .. })));
    }
    let of = |x: &Array2<f32>| OpticsParams::new().check().unwrap().fit_rows(x.view(), &Silent);
    assert!(matches!(of(&Array2::zeros((4, 2))).unwrap_err(), ClusterError::NoClusters { min_cluster_size: 5 }));
    assert!(matches!(of(&Array2::zeros((0, 2))).unwrap_err(), ClusterError::TooFewSamples { n_samples: 0, .. }));
    assert!(matches!(of(&Array2::from_elem((9, 2), f32::NAN)).unwrap_err(), ClusterError::NotFinite { row: 0 }));
    assert_eq!(of(&Array2::zeros((40, 2))).unwrap().sizes(), [40], "equal rows");
    let stopped = OpticsParams::new().check().unwrap().plot(heaps().view(), &Watch::stopping_after(0));
    assert!(matches!(stopped.unwrap_err(), ClusterError::Interrupted(_)));
}

#[test]
fn clusters_join_where_the_plot_is_low_between_them() {
    // Pairs of heaps, at distances of 20 and of 30 within a pair and of 200 between them.
    let middles = [0.0, 20.0, 220.0, 250.0];
    let x = Array2::from_shape_fn((80, 1), |(row, _)| middles[row / 20] + (row % 20) as f32 / 10.0);
    for params in [OpticsParams::new().eps(3.0), OpticsParams::new().xi(0.3)] {
        let found = fit(params, &x);
        assert_eq!(found.sizes(), [20; 4]);
        assert_eq!(found.levels, [(0..80).map(|row| Some(row / 40)).collect::<Vec<_>>()]);
    }
}
