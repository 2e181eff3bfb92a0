//! Sparse rows against dense ones and plain loops.

use super::*;
use crate::cluster::{Centroids, Init, KMeansParams, Metric};
use crate::collection::sparse_row;
use crate::progress::Silent;
use linfa::ParamGuard;
use rand::{Rng, SeedableRng};

/// Problem number `seed`: rows of many kinds, some of them meant to make rounding tell.
fn problem(seed: u64) -> (Csr, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (n, d) = (rng.random_range(1..400), rng.random_range(1..300));
    let k = match seed % 5 {
        0 => n,
        1 => rng.random_range(1..=n.min(5)),
        _ => rng.random_range(1..=n.min(170)),
    };
    let share = rng.random_range(0.01..0.3);
    let mut x = Array2::from_shape_simple_fn((n, d), || if rng.random::<f32>() < share { rng.random() } else { 0.0 });
    match seed % 8 {
        0 => x.mapv_inplace(|v: f32| (v * 3.0).round()), // ties, equal and blank rows
        1 => x.mapv_inplace(|v| if v > 0.0 { 1.0 } else { 0.0 }),
        2 => x.mapv_inplace(|v| v - 0.5 * v.signum() * f32::from(v != 0.0)),
        3 => x.mapv_inplace(|v| v * 1e25),  // beyond f32 when squared
        4 => x.mapv_inplace(|v| v * 1e-22), // and below
        5 => x.mapv_inplace(|v| v * 1e-40),
        // Heaps of rows, one after the other.
        _ => (0..n).for_each(|i| (0..d).filter(|j| j % 20 == i * 20 / n).for_each(|j| x[[i, j]] = 3.0)),
    }
    (Csr::csr_from_dense(x.view(), 0.0), k)
}

fn fit(params: KMeansParams, x: &Csr) -> Result<Clustering, ClusterError> {
    params.check()?.fit_sparse(x, &Silent)
}

/// The score of a row with a centroid as a plain loop makes it.
fn plain(x: &Csr, i: usize, metric: Metric, centroid: &[f32]) -> f64 {
    let (columns, values) = sparse_row(x, i);
    let mut product = 0.0;
    for (&j, &v) in columns.iter().zip(values) {
        product += f64::from(v) * f64::from(centroid[j as usize]);
    }
    if metric == Metric::Cosine { -product } else { crate::distance::squared_norm(centroid) / 2.0 - product }
}

#[test]
fn every_label_is_the_nearest_centroids() {
    for seed in 0..96 {
        let (x, k) = problem(seed);
        let init = if seed % 2 == 0 { Init::Random } else { Init::KMeansPlusPlus };
        for params in [KMeansParams::new(k), KMeansParams::spherical(k)] {
            for rounds in [1, 3, 300] {
                let params = params.clone().init(init.clone()).n_restarts(1).tolerance(0.0).max_iterations(rounds);
                let fitted = fit(params, &x).unwrap();
                let Centroids { metric, centroids, blank } = fitted.assigner.centroids().unwrap();
                for (i, label) in fitted.labels.iter().enumerate() {
                    let label = label.unwrap();
                    if *metric == Metric::Cosine && sparse_row(&x, i).1.is_empty() {
                        assert_eq!(Some(label), *blank);
                        continue;
                    }
                    let score = |c: usize| plain(&x, i, *metric, centroids.row(c).to_slice().unwrap());
                    let own = score(label);
                    for c in (0..centroids.nrows()).filter(|c| Some(*c) != *blank) {
                        let close = 1e-12 * own.abs().max(score(c).abs());
                        assert!(own <= score(c) + close, "problem {seed}, {metric:?}: row {i} after {rounds} rounds");
                    }
                }
            }
        }
    }
}

#[test]
fn sparse_rows_end_where_dense_ones_do() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let centres = Array2::from_shape_simple_fn((9, 400), || rng.random::<f32>() < 0.06);
    let x = Array2::from_shape_fn((700, 400), |(i, j)| {
        let ink = centres[[i % 9, j]] && rng.random::<f32>() < 0.8 || rng.random::<f32>() < 0.01;
        if ink && i != 333 { rng.random_range(0.2..1.0f32) } else { 0.0 }
    });
    let sparse = Csr::csr_from_dense(x.view(), 0.0);
    // The draws of k-means++ are the same until rounding decides one of them.
    let many = KMeansParams::spherical(200).init(Init::Random);
    for params in [KMeansParams::new(9), KMeansParams::spherical(9), many] {
        let params = params.n_restarts(3).tolerance(0.0);
        let dense = params.check_ref().unwrap().fit_rows(x.view(), &Silent).unwrap();
        let fitted = fit(params, &sparse).unwrap();
        assert!(fitted.labels == dense.labels && fitted.n_iterations == dense.n_iterations);
        let (inertia, expected) = (fitted.inertia.unwrap(), dense.inertia.unwrap());
        assert!((inertia - expected).abs() < 1e-6 * expected);
        assert_eq!(fitted.assigner.centroids().unwrap().blank, dense.assigner.centroids().unwrap().blank);
        let (of_sparse, of_dense) = (fitted.assigner.assign(&sparse), fitted.assigner.assign(x.view()));
        for ((a, b), label) in of_sparse.iter().zip(&of_dense).zip(&fitted.labels) {
            assert_eq!((a.cluster, b.cluster), (*label, *label));
            assert!((a.distance - b.distance).abs() < 1e-6);
            assert!((a.confidence.unwrap_or(0.0) - b.confidence.unwrap_or(0.0)).abs() < 1e-6);
        }
    }
}

#[test]
fn threads_make_no_difference() {
    for seed in [2, 6, 7, 14] {
        let (x, k) = problem(seed);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(KMeansParams::spherical(k), &x).unwrap())
        };
        let one = with(1);
        assert!([2, 3, 8].into_iter().all(|threads| with(threads) == one));
    }
}

#[test]
fn the_objective_never_falls() {
    let (x, _) = problem(7);
    let k = 12.min(x.rows());
    let mut last = f64::INFINITY;
    for rounds in 1..30 {
        let params = KMeansParams::spherical(k).init(Init::Random).n_restarts(1).tolerance(0.0);
        let inertia = fit(params.max_iterations(rounds), &x).unwrap().inertia.unwrap();
        assert!(inertia <= last * (1.0 + 1e-9), "{inertia} after {last}");
        last = inertia;
    }
}

#[test]
fn impossible_requests_are_errors() {
    let x = |values: Vec<f32>| Csr::new((3, 4), vec![0, 1, 1, 2], vec![0, 3], values);
    let fit = |k, x: &Csr| fit(KMeansParams::spherical(k), x);
    assert!(matches!(fit(0, &x(vec![1.0, 1.0])), Err(ClusterError::Parameter { .. })));
    assert!(matches!(fit(4, &x(vec![1.0, 1.0])), Err(ClusterError::TooFewSamples { n_samples: 3, .. })));
    assert!(matches!(fit(2, &x(vec![1.0, f32::NAN])), Err(ClusterError::NotFinite { row: 2 })));
    assert!(matches!(fit(1, &Csr::zero((0, 4))), Err(ClusterError::TooFewSamples { n_samples: 0, .. })));
    for init in [Init::Random, Init::KMeansPlusPlus] {
        let blank = super::tests::fit(KMeansParams::spherical(2).init(init), &Csr::zero((5, 4))).unwrap();
        assert_eq!((blank.n_clusters(), blank.assigner.centroids().unwrap().blank), (1, Some(0)));
    }
    let given = KMeansParams::spherical(2).init(Init::Given(Array2::zeros((2, 3))));
    assert!(matches!(super::tests::fit(given, &x(vec![1.0; 2])), Err(ClusterError::InitShape { .. })));
    let blank = KMeansParams::spherical(1).init(Init::Given(Array2::zeros((1, 4))));
    assert!(matches!(super::tests::fit(blank, &x(vec![1.0; 2])), Err(ClusterError::InitBlank)));
}
