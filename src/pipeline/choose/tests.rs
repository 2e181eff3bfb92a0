//! Sweeps over points whose number of clusters is known, and over points that have none.

use super::*;
use crate::cluster::KMeansParams;
use crate::progress::{Interrupted, Silent};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Mutex;

fn kmeans() -> Algorithm {
    Algorithm::KMeans(KMeansParams::new(1))
}

fn quick() -> ChooseParams {
    ChooseParams { to: Some(10), n_references: 3, n_subsamples: 2, ..ChooseParams::default() }
}

/// `k` clouds in a plane, as far apart as they are wide times `distance`.
fn clouds(n: usize, k: usize, distance: f32) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(k as u64);
    let mut draw = || (0..4).map(|_| rng.random::<f32>()).sum::<f32>() / 2.0;
    let turn = |i: usize| std::f32::consts::TAU * (i % k) as f32 / k as f32;
    Array2::from_shape_fn((n, 2), |(i, j)| draw() + distance * if j == 0 { turn(i).sin() } else { turn(i).cos() })
}

/// Uniform in a square.
fn square(n: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    Array2::from_shape_simple_fn((n, 2), || rng.random::<f32>())
}

fn suggested(x: &Array2<f32>, params: &ChooseParams) -> usize {
    choose_n_clusters(x.view(), &kmeans(), params, &Silent).unwrap().suggestion.n_clusters
}

#[test]
fn clouds_are_counted_and_a_square_is_one() {
    assert_eq!(suggested(&clouds(300, 5, 4.0), &quick()), 5);
    assert_eq!(suggested(&clouds(300, 7, 5.0), &quick()), 7);
    assert_eq!(suggested(&square(300), &ChooseParams { n_references: 10, ..quick() }), 1);
}

#[test]
fn every_criterion_is_there_and_none_is_nan() {
    let params = ChooseParams { to: None, ..quick() };
    let sweep = choose_n_clusters(clouds(120, 4, 4.0).view(), &kmeans(), &params, &Silent).unwrap();
    let numbers: Vec<usize> = sweep.candidates.iter().map(|c| c.n_clusters).collect();
    assert_eq!(numbers[..20], (1..=20).collect::<Vec<_>>());
    assert_eq!(numbers[20..], [22, 24, 27, 30, 33, 37]);
    for c in &sweep.candidates {
        let figures = [c.silhouette, c.calinski_harabasz, c.davies_bouldin, c.dunn, c.stability, c.reference_stability];
        assert_eq!(figures.map(|figure| figure.is_some()), [c.n_clusters > 1; 6], "{c:?}");
        assert!(c.gap.is_some() && c.elbow.is_some() && (0.0..=1.0).contains(&c.support), "{c:?}");
    }
    let json = serde_json::to_string(&sweep).unwrap();
    assert_eq!(serde_json::from_str::<Sweep>(&json).unwrap(), sweep);
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let x = clouds(150, 3, 2.0);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| choose_n_clusters(x.view(), &kmeans(), &quick(), &Silent).unwrap())
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
}

#[test]
fn what_has_no_clusters_is_one() {
    for x in [Array2::ones((20, 3)), Array2::ones((1, 3)), Array2::ones((2, 1))] {
        assert_eq!(suggested(&x, &quick()), 1, "{:?}", x.dim());
    }
    let blank = choose_n_clusters(
        Array2::<f32>::zeros((9, 4)).view(),
        &Algorithm::KMeans(KMeansParams::spherical(1)),
        &quick(),
        &Silent,
    );
    assert!(matches!(blank, Err(PipelineError::Blank)));
    let empty = choose_n_clusters(Array2::<f32>::zeros((9, 0)).view(), &kmeans(), &quick(), &Silent);
    assert!(matches!(empty, Err(PipelineError::Cluster(ClusterError::NoFeatures))));
}

#[test]
fn one_number_is_judged_by_its_own_figures() {
    let reasons = |x: &Array2<f32>, n: usize| {
        let params = ChooseParams { from: n, to: Some(n), ..quick() };
        choose_n_clusters(x.view(), &kmeans(), &params, &Silent).unwrap().suggestion.reasons.join(" ")
    };
    for (x, n) in [(clouds(300, 3, 9.0), 3), (Array2::ones((20, 3)), 2), (clouds(300, 3, 9.0), 1)] {
        let reasons = reasons(&x, n);
        for wrong in ["hardly separate", "other samples", "No number"] {
            assert!(!reasons.contains(wrong), "{n}: {reasons}");
        }
    }
    assert!(reasons(&square(300), 9).contains("other samples"));
}

#[test]
fn spherical_kmeans_is_judged_by_direction() {
    let mut x = clouds(300, 5, 4.0);
    // Five directions at any length, far from the origin's own scale.
    x.outer_iter_mut().enumerate().for_each(|(i, mut row)| row *= 1.0 + (i % 17) as f32);
    let sweep = choose_n_clusters(x.view(), &Algorithm::KMeans(KMeansParams::spherical(1)), &quick(), &Silent).unwrap();
    assert_eq!(sweep.suggestion.n_clusters, 5, "{:?}", sweep.suggestion);
}

#[test]
fn wide_and_sparse_rows_are_judged_by_their_components() {
    let narrow = clouds(200, 4, 4.0);
    let wide = Array2::from_shape_fn((200, 400), |(i, j)| if j % 50 == 0 { narrow[[i, j / 50 % 2]] } else { 0.0 });
    assert_eq!(suggested(&wide, &quick()), 4);
    let sparse = crate::collection::Csr::csr_from_dense(wide.view(), 0.0);
    let of_sparse = choose_n_clusters(&sparse, &kmeans(), &quick(), &Silent).unwrap();
    assert_eq!(of_sparse, choose_n_clusters(wide.view(), &kmeans(), &quick(), &Silent).unwrap());
}

/// Hears warnings; stops after so many fits.
struct Listener(Mutex<Vec<String>>, Mutex<u64>);

impl Reporter for Listener {
    fn begin(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, steps: u64) {
        let mut left = self.1.lock().unwrap();
        *left = left.saturating_sub(steps);
    }
    fn end(&self) {}
    fn detail(&self, _: &str) {}
    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
    fn interrupted(&self) -> bool {
        *self.1.lock().unwrap() == 0
    }
}

#[test]
fn ranges_end_before_the_rows_and_say_so() {
    let x = square(10);
    let listener = Listener(Mutex::default(), Mutex::new(u64::MAX));
    let params = ChooseParams { from: 3, to: Some(40), ..quick() };
    let sweep = choose_n_clusters(x.view(), &kmeans(), &params, &listener).unwrap();
    assert_eq!(sweep.candidates.iter().map(|c| c.n_clusters).collect::<Vec<_>>(), (3..=9).collect::<Vec<_>>());
    assert!(listener.0.lock().unwrap()[0].contains("at most 9 clusters"));
    let backwards = choose_n_clusters(x.view(), &kmeans(), &ChooseParams { to: Some(2), ..params }, &Silent);
    assert!(matches!(backwards, Err(PipelineError::Range { from: 3, to: 2 })));
    let beyond = choose_n_clusters(x.view(), &kmeans(), &ChooseParams { from: 30, to: None, ..quick() }, &Silent);
    assert!(matches!(beyond, Err(PipelineError::TooMany { from: 30, n_samples: 10, most: 9 })));
}

#[test]
fn a_sweep_can_be_stopped() {
    let listener = Listener(Mutex::default(), Mutex::new(5));
    let stopped = choose_n_clusters(square(300).view(), &kmeans(), &quick(), &listener);
    let error = stopped.unwrap_err().to_string();
    assert!(error.contains(&Interrupted.to_string()), "{error}");
}

#[test]
fn warm_starts_end_where_ten_restarts_end() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let x = Array2::from_shape_fn((400, 6), |(i, j)| ((i * (j + 3)) % 13) as f32 / 4.0 + rng.random::<f32>());
    let numbers: Vec<usize> = (2..=16).collect();
    let warm: f64 = path(x.view(), &kmeans(), &numbers, 0, &Silent).unwrap().iter().filter_map(|fit| fit.inertia).sum();
    let fit = |&k: &usize| kmeans().with_n_clusters(k).fit(x.view(), &Silent).unwrap().inertia.unwrap();
    let restarted: f64 = numbers.iter().map(fit).sum();
    assert!(warm < 1.02 * restarted, "{warm} {restarted}");
}
