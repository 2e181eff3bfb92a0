//! Sparse rows against dense ones and plain loops.

use super::*;
use crate::cluster::seeding::{Draws, Sieve, plus_plus};
use crate::cluster::{Centroids, Init, KMeansParams, Metric};
use crate::collection::sparse_row;
use crate::progress::{Silent, Watch};
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
                    let squared: f64 = sparse_row(&x, i).1.iter().map(|&v| f64::from(v).powi(2)).sum();
                    if *metric == Metric::Cosine && squared.sqrt() < f64::from(f32::MIN_POSITIVE) {
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

/// The squared distance of two vectors; by cosine twice 1 - cos.
fn squared(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    match metric {
        Metric::Euclidean => crate::distance::squared_euclidean(a, b),
        Metric::Cosine => {
            let length = |v| crate::distance::squared_norm(v).sqrt();
            (2.0 - 2.0 * crate::distance::dot(a, b) / (length(a) * length(b))).max(0.0)
        }
    }
}

#[test]
fn distances_between_rows_are_those_of_dense_ones_and_no_near_candidate_is_passed_over() {
    for (seed, metric) in (0..32).flat_map(|seed| [(seed, Metric::Euclidean), (seed, Metric::Cosine)]) {
        let (x, _) = problem(seed);
        let (rows, dense) = (Rows::new(&x, metric), x.to_dense());
        let row = |i| dense.row(i).to_slice().unwrap();
        let candidates: Vec<usize> = rows.eligible().step_by(7).take(9).collect();
        for i in rows.eligible() {
            for &c in &candidates {
                let (found, expected) = (rows.between(i, c), squared(metric, row(i), row(c)));
                assert!((found - expected).abs() <= 1e-12 * (expected + 1.0), "{seed}: {found} {expected}");
                assert!(metric == Metric::Cosine || (found == 0.0) == (row(i) == row(c)), "{seed}: {i} and {c}");
            }
        }
        if candidates.is_empty() {
            continue;
        }
        // Of distances just above those to a candidate that one must be found, of those far below none.
        for (share, all) in [(1.0 + 1e-9, true), (0.5, false)] {
            let (mut found, mut n_near) = (0, 0);
            for (t, &c) in candidates.iter().enumerate() {
                let limits: Vec<f64> = (0..rows.len()).map(|i| share * rows.between(i, c)).collect();
                n_near += limits.iter().filter(|limit| **limit > 0.0).count();
                let near = |i: usize, other| found += usize::from(other == t && limits[i] > 0.0);
                rows.sieve(&candidates).each(0..rows.len(), &limits, &mut Vec::new(), near);
            }
            let fits_f32 = !matches!(seed % 8, 3..=5);
            assert!(
                if all { found == n_near } else { !fits_f32 || 10 * found <= n_near },
                "{seed}: {found} of {n_near}"
            );
        }
    }
}

#[test]
fn starts_are_as_good_as_those_of_dense_rows_and_can_be_stopped() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let x = Array2::from_shape_fn((600, 80), |(i, j)| {
        if j % 30 == i % 30 || rng.random::<f32>() < 0.05 { rng.random_range(0.5..1.0f32) } else { 0.0 }
    });
    let sparse = Csr::csr_from_dense(x.view(), 0.0);
    for metric in [Metric::Euclidean, Metric::Cosine] {
        let rows = Rows::new(&sparse, metric);
        let potential = |start: Array2<f32>| -> f64 {
            let start = Centroids { metric, centroids: start, blank: None };
            let of = |distance: f64| if metric == Metric::Euclidean { distance * distance } else { distance };
            start.assign(x.view()).iter().map(|found| of(found.distance)).sum()
        };
        for init in [Init::KMeansPlusPlus, Init::KMeansParallel] {
            let mean = |start: &dyn Fn(u64) -> Array2<f32>| (0..20).map(|seed| potential(start(seed))).sum::<f64>();
            let dense = mean(&|seed| crate::cluster::seed(x.view(), metric, 30, &init, seed, &Silent).unwrap());
            let ours =
                mean(&|seed| seeding::draw(&rows, 30, &init, &mut seeding::generator(seed, 0), &Silent).unwrap());
            assert!((ours - dense).abs() < 0.02 * dense, "{init:?}, {metric:?}: {ours} {dense}");
        }
        let asked = Watch::default();
        plus_plus::choose(&rows, None, 30, &mut rng, &asked).unwrap();
        assert!(asked.asked() >= 29, "asked {} times for 30 rows", asked.asked());
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
