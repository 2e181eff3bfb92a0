//! Every score against scikit-learn (tests/data/metrics.py is the recipe), and a table of metric by property.

use ndarray::{Array2, ArrayView2};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::contingency::{Cell, Part};
use super::*;
use crate::collection::{ClusterId, Csr, Features, Truth};

#[derive(Deserialize)]
struct Fixtures {
    external_keys: Vec<String>,
    external: Vec<ExternalCase>,
    internal: Vec<InternalCase>,
}

#[derive(Deserialize)]
struct ExternalCase {
    noise: NoiseRule,
    truth: Vec<usize>,
    labels: Vec<i64>,
    scores: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct InternalCase {
    name: String,
    data: Vec<Vec<f32>>,
    labels: Vec<i64>,
    silhouette: f64,
    values: Vec<f64>,
    calinski_harabasz: f64,
    davies_bouldin: f64,
    dunn: f64,
    inertia: f64,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("../../tests/data/metrics.json")).unwrap()
}

fn clusters(labels: &[i64]) -> Vec<Option<ClusterId>> {
    labels.iter().map(|&label| usize::try_from(label).ok()).collect()
}

fn truth(classes: &[usize]) -> Truth {
    let names = (0..=classes.iter().max().copied().unwrap_or(0)).map(|name| name.to_string()).collect();
    Truth { names, classes: classes.iter().copied().map(Some).collect() }
}

#[test]
fn external_scores_equal_scikit_learn() {
    let fixtures = fixtures();
    assert!(fixtures.external.len() >= 200);
    for (index, case) in fixtures.external.iter().enumerate() {
        let params = EvaluateParams { noise: case.noise, ..EvaluateParams::default() };
        let found = evaluate(&clusters(&case.labels), Some(&truth(&case.truth)), None, &params).unwrap();
        let found = serde_json::to_value(found.scores).unwrap();
        for (key, expected) in fixtures.external_keys.iter().zip(&case.scores) {
            let same = match (found[key].as_f64(), expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9,
                (None, None) => found[key].is_null(),
                _ => false,
            };
            assert!(same, "case {index}, {key}: {} instead of {expected:?}", found[key]);
        }
    }
}

#[test]
fn internal_scores_equal_scikit_learn() {
    for case in fixtures().internal {
        let data = Array2::from_shape_fn((case.data.len(), case.data[0].len()), |(i, j)| case.data[i][j]);
        let labels = clusters(&case.labels);
        let found = evaluate(&labels, None, Some(data.view().into()), &EvaluateParams::default()).unwrap();
        let close = |name: &str, found: Option<f64>, expected: f64| {
            let found = found.unwrap();
            assert!(
                (found - expected).abs() <= 1e-6 * expected.abs(),
                "{}, {name}: {found}, not {expected}",
                case.name
            );
        };
        close("silhouette", found.scores.silhouette, case.silhouette);
        close("calinski_harabasz", found.scores.calinski_harabasz, case.calinski_harabasz);
        close("davies_bouldin", found.scores.davies_bouldin, case.davies_bouldin);
        close("dunn", found.scores.dunn, case.dunn);
        close("inertia", found.scores.inertia, case.inertia);

        close("calinski_harabasz alone", calinski_harabasz(data.view(), &labels).unwrap(), case.calinski_harabasz);
        close("davies_bouldin alone", davies_bouldin(data.view(), &labels).unwrap(), case.davies_bouldin);
        close("dunn alone", dunn(data.view(), &labels).unwrap(), case.dunn);
        close("inertia alone", inertia(data.view(), &labels).unwrap(), case.inertia);
        let alone = silhouette(data.view(), &labels).unwrap();
        assert_eq!(alone.mean, found.scores.silhouette);
        let values: Vec<f64> = alone.values.iter().copied().flatten().collect();
        assert_eq!(values.len(), case.values.len());
        assert!(values.iter().zip(&case.values).all(|(a, b)| (a - b).abs() < 1e-6), "{}", case.name);
        for (row, (cluster, mean)) in found.clusters.iter().zip(&alone.clusters) {
            assert_eq!((row.cluster, row.silhouette), (Some(*cluster), Some(*mean)));
        }
    }
}

struct Metric {
    name: &'static str,
    of: fn(&Contingency) -> Option<f64>,
    symmetric: bool,
    least: f64,
}

const METRICS: [Metric; 16] = [
    Metric { name: "purity", of: purity, symmetric: false, least: 0.0 },
    Metric { name: "purity_mean", of: purity_mean, symmetric: false, least: 0.0 },
    Metric { name: "ari", of: ari, symmetric: true, least: -0.5 },
    Metric { name: "ami", of: ami, symmetric: true, least: -1.0 },
    Metric { name: "nmi", of: nmi, symmetric: true, least: 0.0 },
    Metric { name: "homogeneity", of: homogeneity, symmetric: false, least: 0.0 },
    Metric { name: "completeness", of: completeness, symmetric: false, least: 0.0 },
    Metric { name: "v_measure", of: v_measure, symmetric: true, least: 0.0 },
    Metric { name: "fowlkes_mallows", of: fowlkes_mallows, symmetric: true, least: 0.0 },
    Metric { name: "accuracy", of: accuracy, symmetric: true, least: 0.0 },
    Metric { name: "pairwise_precision", of: |t| pairwise(t).precision, symmetric: false, least: 0.0 },
    Metric { name: "pairwise_recall", of: |t| pairwise(t).recall, symmetric: false, least: 0.0 },
    Metric { name: "pairwise_f1", of: |t| pairwise(t).f1, symmetric: true, least: 0.0 },
    Metric { name: "bcubed_precision", of: |t| bcubed(t).precision, symmetric: false, least: 0.0 },
    Metric { name: "bcubed_recall", of: |t| bcubed(t).recall, symmetric: false, least: 0.0 },
    Metric { name: "bcubed_f1", of: |t| bcubed(t).f1, symmetric: true, least: 0.0 },
];

fn table(pairs: &[(usize, usize)]) -> Contingency {
    Contingency::from_pairs(pairs.iter().map(|&(cluster, class)| (Some(cluster), class)))
}

#[test]
fn every_metric_keeps_its_properties() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-12,
        (a, b) => a == b,
    };
    for metric in &METRICS {
        let Metric { name, of, .. } = *metric;
        assert_eq!(of(&table(&[])), None, "{name} of nothing");
        for _ in 0..100 {
            let (n, k, l) = (rng.random_range(2..60), rng.random_range(1..9), rng.random_range(1..9));
            let mut pairs: Vec<(usize, usize)> =
                (0..n).map(|_| (rng.random_range(0..k), rng.random_range(0..l))).collect();
            let score = of(&table(&pairs));
            if let Some(score) = score {
                assert!((metric.least..=1.0 + 1e-12).contains(&score), "{name}: {score} for {pairs:?}");
            }

            let swapped: Vec<_> = pairs.iter().map(|&(a, b)| (b, a)).collect();
            assert!(!metric.symmetric || close(of(&table(&swapped)), score), "{name} isn't symmetric: {pairs:?}");

            let mut same: Vec<_> = pairs.iter().map(|&(a, _)| (a, 7 * a + 1)).collect();
            same.extend([(0, 1), (0, 1)]);
            assert!(close(of(&table(&same)), Some(1.0)), "{name} of the same partition: {same:?}");

            let mut names: Vec<usize> = (0..20).collect();
            names.shuffle(&mut rng);
            pairs.iter_mut().for_each(|(a, b)| (*a, *b) = (names[*a], names[*b]));
            pairs.shuffle(&mut rng);
            assert!(close(of(&table(&pairs)), score), "{name} depends on names or order: {pairs:?}");
        }
    }
}

/// 10^7 rows, whose pairs overflow 32 bits and whose products of pairs overflow 64. From scikit-learn 1.9.1's
/// formulas in Python's whole numbers, and its `expected_mutual_information`.
#[test]
fn scores_are_exact_for_ten_million_rows() {
    let counts = [[4_000_000, 1_000_000], [2_000_000, 3_000_000]];
    let cells = (0..4).map(|i| Cell { cluster: i / 2, class: i % 2, count: counts[i / 2][i % 2] }).collect();
    let table = Contingency {
        n_samples: 10_000_000,
        clusters: vec![Part { id: Some(0), size: 5_000_000 }, Part { id: Some(1), size: 5_000_000 }],
        classes: vec![Part { id: 0, size: 6_000_000 }, Part { id: 1, size: 4_000_000 }],
        cells,
    };
    let close = |found: Option<f64>, expected: f64| assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}");
    close(ari(&table), 0.1599999193599842);
    close(ami(&table), 0.12634632964734027);
    close(fowlkes_mallows(&table), 0.5883483247052038);
    assert_eq!(accuracy(&table), Some(0.7));
}

#[test]
fn a_random_clustering_is_worth_nothing_once_chance_is_taken_out() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let pairs: Vec<_> = (0..20_000).map(|_| (rng.random_range(0..50), rng.random_range(0..10))).collect();
    let table = table(&pairs);
    assert!(ari(&table).unwrap().abs() < 0.001 && ami(&table).unwrap().abs() < 0.001);
    assert!(purity(&table).unwrap() > 0.1, "purity is not adjusted for chance");
}

#[test]
fn rows_of_unknown_class_are_left_out_and_counted() {
    let labels = clusters(&[0, 0, 1, -1, 1]);
    let truth = Truth::from_names([Some("a"), None, Some("b"), Some("b"), None]);
    let found = evaluate(&labels, Some(&truth), None, &EvaluateParams::default()).unwrap();
    assert_eq!((found.n_samples, found.n_known, found.n_clusters, found.noise), (5, 3, 2, 1));
    assert_eq!((found.coverage, found.scores.purity, found.scores.accuracy), (Some(0.8), Some(1.0), Some(2.0 / 3.0)));
    let row = &found.clusters[0];
    assert_eq!((row.size, row.class.as_deref(), row.class_count, row.purity), (2, Some("a"), 1, Some(1.0)));
    assert_eq!(found.clusters.last().unwrap().cluster, None);
    let confusion = found.confusion.unwrap();
    assert_eq!(confusion.classes, ["a", "b"]);
    let rows: Vec<_> = confusion.rows.iter().map(|row| (row.cluster, row.counts.clone())).collect();
    assert_eq!(rows, [(Some(0), vec![1, 0]), (Some(1), vec![0, 1]), (None, vec![0, 1])]);

    let params = EvaluateParams { noise: NoiseRule::Excluded, ..EvaluateParams::default() };
    let found = evaluate(&labels, Some(&truth), None, &params).unwrap();
    assert_eq!((found.coverage, found.scores.accuracy), (Some(0.8), Some(1.0)));
    assert_eq!(found.confusion.unwrap().rows.len(), 3, "the noise stays visible");
}

#[test]
fn the_scores_have_the_names_of_the_json() {
    let json = serde_json::to_string(&Scores::default()).unwrap();
    let keys = "purity purity_mean ari ami nmi homogeneity completeness v_measure fowlkes_mallows accuracy silhouette \
                calinski_harabasz davies_bouldin dunn inertia pairwise_precision pairwise_recall pairwise_f1 \
                bcubed_precision bcubed_recall bcubed_f1";
    let expected: Vec<String> = keys.split_whitespace().map(|key| format!("\"{key}\":null")).collect();
    assert_eq!(json, format!("{{{}}}", expected.join(",")));
}

fn random_data(n_samples: usize, n_features: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n_samples, n_features), || rng.random_range(-1.0..1.0))
}

#[test]
fn what_cannot_be_compared_has_no_internal_score() {
    let data = random_data(4, 2, 0);
    for labels in [[0, 0, 0, 0], [0, 1, 2, 3], [-1, -1, -1, -1], [0, -1, -1, 1]] {
        let found = evaluate(&clusters(&labels), None, Some(data.view().into()), &EvaluateParams::default()).unwrap();
        let Scores { silhouette, calinski_harabasz, davies_bouldin, dunn, inertia, .. } = found.scores;
        assert_eq!([silhouette, calinski_harabasz, davies_bouldin, dunn], [None; 4], "{labels:?}");
        assert_eq!(inertia.is_some(), labels != [-1; 4]);
    }
    let nothing = evaluate(&[], Some(&truth(&[])), Some(random_data(0, 2, 0).into()), &EvaluateParams::default());
    let nothing = nothing.unwrap();
    assert_eq!((nothing.scores, nothing.coverage), (Scores::default(), None));
}

#[test]
fn equal_rows_are_not_a_perfect_clustering() {
    let data = Array2::from_elem((6, 3), 0.1_f32);
    let found =
        evaluate(&clusters(&[0, 0, 0, 1, 1, 1]), None, Some(data.view().into()), &EvaluateParams::default()).unwrap();
    let Scores { silhouette, calinski_harabasz, davies_bouldin, dunn, inertia, .. } = found.scores;
    assert_eq!((silhouette, calinski_harabasz, davies_bouldin, dunn), (Some(0.0), None, None, None));
    assert!(inertia.unwrap() < 1e-12);
}

#[test]
fn noise_counts_for_nothing_inside() {
    let data = random_data(400, 3, 4);
    let labels: Vec<_> = (0..400).map(|row| (row % 3 != 0).then_some(row % 5)).collect();
    let kept: Vec<usize> = (0..400).filter(|row| labels[*row].is_some()).collect();
    let kept_labels: Vec<_> = kept.iter().map(|&row| labels[row]).collect();
    let without = data.select(ndarray::Axis(0), &kept);
    let params = EvaluateParams::default();
    let (with, without) = (
        evaluate(&labels, None, Some(data.view().into()), &params).unwrap().scores,
        evaluate(&kept_labels, None, Some(without.view().into()), &params).unwrap().scores,
    );
    let internal =
        |s: Scores| [s.silhouette, s.dunn, s.calinski_harabasz, s.davies_bouldin, s.inertia].map(Option::unwrap);
    for (with, without) in internal(with).into_iter().zip(internal(without)) {
        // Without the noise the mean is another, and distances are rounded otherwise.
        assert!((with - without).abs() < 1e-6 * without.abs(), "{with} {without}");
    }
}

#[test]
fn points_far_from_the_origin_score_as_near_it() {
    let grid = Array2::from_shape_fn((60, 2), |(i, j)| ((i * (j + 3)) % 11) as f32 + 40.0 * (i % 2) as f32);
    let labels: Vec<_> = (0..60).map(|row| Some(row % 2)).collect();
    let scores = |shift: f32| {
        let data = &grid + shift;
        evaluate(&labels, None, Some(data.view().into()), &EvaluateParams::default()).unwrap().scores
    };
    let (near, far) = (scores(0.0), scores(1_048_576.0));
    assert!((near.silhouette.unwrap() - far.silhouette.unwrap()).abs() < 1e-9);
    assert!((near.dunn.unwrap() - far.dunn.unwrap()).abs() < 1e-9);
}

#[test]
fn lengths_that_differ_are_an_error() {
    let data = random_data(3, 2, 0);
    let error = silhouette(data.view(), &[Some(0), Some(1)]).unwrap_err();
    assert_eq!(error, EvaluateError::Rows { what: "labels", expected: 3, found: 2 });
    assert!(evaluate(&[Some(0)], Some(&truth(&[0, 1])), None, &EvaluateParams::default()).is_err());
    assert!(evaluate(&[Some(0)], None, Some(data.view().into()), &EvaluateParams::default()).is_err());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let data = random_data(1500, 17, 1);
    let labels: Vec<_> = (0..1500).map(|row| (row % 11 != 0).then_some(row % 7)).collect();
    let truth = truth(&(0..1500).map(|row| row % 5).collect::<Vec<_>>());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| evaluate(&labels, Some(&truth), Some(data.view().into()), &EvaluateParams::default()).unwrap())
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4) && one == run(7));
}

#[test]
fn a_sample_is_fixed_by_its_seed_and_scores_as_its_own_rows() {
    let (data, sampling) = (random_data(900, 4, 3), Sampling { max_samples: 300, seed: 9 });
    let labels: Vec<_> = (0..900).map(|row| Some(usize::from(data[[row, 0]] > 0.0))).collect();
    let rows = sample_rows(900, sampling).unwrap();
    assert_eq!(Some(&rows), sample_rows(900, sampling).as_ref());
    assert_ne!(Some(&rows), sample_rows(900, Sampling { seed: 10, ..sampling }).as_ref());
    assert!(rows.len() == 300 && rows.is_sorted_by(|a, b| a < b) && rows.iter().all(|&row| row < 900));
    assert_eq!(sample_rows(300, sampling), None);

    let params = EvaluateParams { sampling, ..EvaluateParams::default() };
    let found = evaluate(&labels, None, Some(data.view().into()), &params).unwrap();
    assert_eq!(found.sample, Some(SampleUsed { n_samples: 300, seed: 9 }));
    let sampled: Vec<_> = rows.iter().map(|&row| labels[row]).collect();
    let sample = data.select(ndarray::Axis(0), &rows);
    assert_eq!(found.scores.silhouette, silhouette(sample.view(), &sampled).unwrap().mean);
    assert_eq!(found.scores.dunn, dunn(sample.view(), &sampled).unwrap());
    let whole: ArrayView2<f32> = data.view();
    assert_eq!(found.scores.inertia, inertia(whole, &labels).unwrap(), "linear scores take all rows");
}

#[test]
fn a_cluster_a_row_costs_no_table() {
    let labels: Vec<_> = (0..50_000).map(Some).collect();
    let truth = truth(&(0..50_000).collect::<Vec<_>>());
    let found = evaluate(&labels, Some(&truth), None, &EvaluateParams::default()).unwrap();
    assert_eq!((found.scores.accuracy, found.scores.ami, found.scores.ari), (Some(1.0), Some(1.0), Some(1.0)));
    assert_eq!(found.confusion, None);
}

#[test]
fn sparse_rows_score_as_dense_ones() {
    let mut near = random_data(400, 60, 8);
    near.mapv_inplace(|v| if v > 0.7 { v } else { 0.0 });
    // Far from the origin, all that products in f32 tell of these rows is what they have in common.
    let far = Array2::from_shape_fn(near.dim(), |(i, j)| near[[i, j]] + if j < 10 { 1000.0 } else { 0.0 });
    let labels: Vec<_> = (0..400).map(|row| (row % 7 != 3).then_some(row % 5)).collect();
    for (data, max_samples) in [(&near, 1000), (&near, 150), (&far, 1000)] {
        let sparse = Csr::csr_from_dense(data.view(), 0.0);
        let params = EvaluateParams { sampling: Sampling { max_samples, seed: 1 }, ..EvaluateParams::default() };
        let score = |x: Features<'_>| evaluate(&labels, None, Some(x), &params).unwrap();
        let (dense, sparse) = (score(data.view().into()), score((&sparse).into()));
        assert_eq!(dense.sample, sparse.sample);
        let figures = |e: &Evaluation| {
            let s = &e.scores;
            [s.inertia, s.silhouette, s.calinski_harabasz, s.davies_bouldin, s.dunn].map(Option::unwrap)
        };
        for (a, b) in figures(&dense).into_iter().zip(figures(&sparse)) {
            assert!((a - b).abs() <= 1e-5 * a.abs(), "{a} {b}");
        }
    }
}

#[test]
fn of_many_sparse_rows_fewer_are_looked_at() {
    let data = random_data(2001, 3, 7);
    let labels: Vec<_> = (0..2001).map(|row| Some(row % 3)).collect();
    let sample = |x: Features<'_>| evaluate(&labels, None, Some(x), &EvaluateParams::default()).unwrap().sample;
    let sparse = Csr::csr_from_dense(data.view(), 0.0);
    assert_eq!(sample((&sparse).into()), Some(SampleUsed { n_samples: 2000, seed: 0 }));
    assert_eq!(sample(data.view().into()), None);
}

/// numpy 2: l = log(references); l.mean() - log(inertia), l.std() * sqrt(1 + 1/4).
#[test]
fn the_gap_equals_numpy() {
    let found = gap(12.5, &[30.0, 28.5, 31.25, 29.0]).unwrap();
    assert!((found.value - 0.8643755244681559).abs() < 1e-12 && (found.error - 0.03934826474590719).abs() < 1e-12);
    assert_eq!([gap(0.0, &[1.0]), gap(1.0, &[0.0]), gap(1.0, &[])], [None; 3]);
}

/// The mean of scikit-learn 1.9.1's adjusted_rand_score over the three pairs.
#[test]
fn stability_equals_scikit_learn() {
    let labellings = [[0, 0, 0, 1, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, 1, 1, 2, 2, 0, 2], [1, 1, 1, 0, 0, 2, 2, 2, 2, 2]]
        .map(|l| clusters(&l));
    let views: Vec<&[_]> = labellings.iter().map(Vec::as_slice).collect();
    assert!((stability(&views).unwrap().unwrap() - 0.41492260736865055).abs() < 1e-12);
    assert_eq!([stability(&views[..1]), stability(&[&[], &[]])], [Ok(None), Ok(None)]);
    let error = stability(&[views[0], &views[1][1..]]).unwrap_err();
    assert_eq!(error, EvaluateError::Rows { what: "labels", expected: 9, found: 10 });
}

#[test]
fn many_labellings_at_once_equal_each_alone() {
    let data = random_data(300, 5, 2);
    let labellings: Vec<Vec<_>> =
        [3, 1, 5].map(|k| (0..300).map(|row| (row % 13 != 0).then_some(row % k)).collect()).into();
    let views: Vec<&[_]> = labellings.iter().map(Vec::as_slice).collect();
    let found = separations(data.view(), &views).unwrap();
    for (labels, found) in labellings.iter().zip(found) {
        assert_eq!(found.silhouette, silhouette(data.view(), labels).unwrap().mean);
        assert_eq!(found.dunn, dunn(data.view(), labels).unwrap());
        assert_eq!(found, evaluate(labels, None, Some(data.view().into()), &EvaluateParams::default()).unwrap().scores);
    }
    assert!(separations(data.view(), &[&views[0][1..]]).is_err());
}
