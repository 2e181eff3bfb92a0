//! Draws against a plain loop and against chances worked by hand; every start on what goes wrong.

use super::potential::Potential;
use super::*;
use crate::cluster::{KMeansParams, Metric::*};
use crate::progress::{Silent, Watch};
use linfa::ParamGuard;
use ndarray::array;
use rand::Rng;

const DRAWN: [Init; 4] = [Init::Auto, Init::Random, Init::KMeansPlusPlus, Init::KMeansParallel];

fn uniform(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut rng = generator(seed, 0);
    Array2::from_shape_simple_fn((n, d), || rng.random::<f32>())
}

/// Rows along few directions, enough of them for images.
fn flat() -> Array2<f32> {
    0.2 * uniform(4200, 260, 6) + uniform(4200, 12, 5).dot(&uniform(12, 260, 7))
}

fn started(x: &Array2<f32>, metric: Metric, k: usize, init: &Init) -> Array2<f32> {
    seed(x.view(), metric, k, init, 3, &Silent).unwrap()
}

/// Greedy k-means++ in plain loops over all rows.
fn plain(draws: &impl Draws, k: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let rows = draws.rows();
    let draw = |squared: &[f64], rng: &mut ChaCha8Rng| {
        let mut left = rng.random::<f64>() * squared.iter().sum::<f64>();
        let drawn = squared.iter().position(|&s| {
            left -= s;
            left < 0.0
        });
        drawn.unwrap()
    };
    let equal: Vec<f64> = (0..rows.len()).map(|i| if rows.is_blank(i) { 0.0 } else { 1.0 }).collect();
    let mut chosen = vec![draw(&equal, rng)];
    let mut nearest: Vec<f64> = (0..rows.len()).map(|i| draws.between(i, chosen[0])).collect();
    while chosen.len() < k {
        let drawn: Vec<usize> = (0..2 + (k as f64).ln() as usize).map(|_| draw(&nearest, rng)).collect();
        let joined = drawn.into_iter().map(|c| {
            let joined: Vec<f64> = nearest.iter().enumerate().map(|(i, &s)| s.min(draws.between(i, c))).collect();
            (joined.iter().sum::<f64>(), joined, c)
        });
        let best = joined.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        nearest = best.1;
        chosen.push(best.2);
    }
    chosen
}

#[test]
fn draws_are_those_of_a_plain_loop() {
    let mut with_blanks = uniform(900, 17, 1).mapv(|v| v - 0.5);
    (0..900).step_by(3).for_each(|i| with_blanks.row_mut(i).fill(0.0));
    let sets = [
        ("uniform", uniform(1500, 30, 2)),
        ("far away", uniform(700, 9, 3).mapv(|v| v + 3e4)),
        ("beyond f32 when squared", uniform(600, 20, 4).mapv(|v| (v - 0.5) * 1e25)),
        ("below f32 when squared", uniform(600, 20, 5).mapv(|v| v * 1e-24)),
        ("blanks", with_blanks),
        ("images", flat()),
    ];
    for (name, x) in &sets {
        let x = x.view();
        for metric in [Euclidean, Cosine] {
            let rows = Rows::new(&x, metric);
            let images = Images::new(&rows, &Silent).unwrap();
            assert_eq!(images.are_rows(), *name != "images");
            let dense = Dense { rows: &rows, images: &images };
            let expected = plain(&dense, 40, &mut generator(8, 0));
            let ours = plus_plus::choose(&dense, None, 40, &mut generator(8, 0), &Silent).unwrap();
            assert_eq!(ours, expected, "{name}, {metric:?}");
        }
    }
}

/// Pearson's statistic of counts against chances.
fn chi_square(counts: &[usize], chances: &[f64]) -> f64 {
    let n: usize = counts.iter().sum();
    counts
        .iter()
        .zip(chances)
        .map(|(&count, chance)| (count as f64 - chance * n as f64).powi(2) / (chance * n as f64))
        .sum()
}

#[test]
fn chances_are_those_worked_by_hand() {
    // Rows 0, 1 and 3. After 0, row 1 is drawn with chance 1/10 and leaves more than row 3, so that it is kept only if
    // both trials draw it; after 1 likewise row 0, drawn with 1/5. After 3 both leave 1, and the first trial decides.
    let x = array![[0.0f32], [1.0], [3.0]];
    let x = x.view();
    let rows = &Rows::new(&x, Euclidean);
    let dense = Dense { rows, images: &Images::identity(rows) };
    let pairs = [(0, 1, 0.01), (0, 2, 0.99), (1, 0, 0.04), (1, 2, 0.96), (2, 0, 9.0 / 13.0), (2, 1, 4.0 / 13.0)];
    let mut counts = [0; 6];
    for stream in 0..6000 {
        let chosen = plus_plus::choose(&dense, None, 2, &mut generator(1, stream), &Silent).unwrap();
        counts[pairs.iter().position(|&(a, b, _)| chosen == [a, b]).unwrap()] += 1;
    }
    // 99.9 % of such statistics of five degrees of freedom are below 20.5.
    let statistic = chi_square(&counts, &pairs.map(|(_, _, chance)| chance / 3.0));
    assert!(statistic < 20.5, "{counts:?}: {statistic}");
}

#[test]
fn rows_are_drawn_by_mass() {
    let x = array![[0.0f32], [1.0], [2.0], [4.0]];
    let x = x.view();
    let rows = &Rows::new(&x, Euclidean);
    let dense = Dense { rows, images: &Images::identity(rows) };
    let masses = [5.0, 2.0, 1.0, 0.5];
    let mut potential = Potential::new(&dense, Some(&masses));
    let mut rng = generator(2, 0);
    let mut count = |potential: &Potential<'_, Dense<'_>>| {
        let mut counts = [0; 4];
        (0..4000).for_each(|_| counts[potential.draw(&mut rng).unwrap()] += 1);
        counts
    };
    assert!(chi_square(&count(&potential), &masses.map(|m| m / 8.5)) < 16.3);
    potential.begin(0);
    let counts = count(&potential);
    assert_eq!(counts[0], 0);
    // 2 * 1, 1 * 4 and 0.5 * 16 of 14.
    assert!(chi_square(&counts[1..], &[1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0]) < 13.8, "{counts:?}");
}

#[test]
fn threads_make_no_difference() {
    for (x, k) in [(uniform(3000, 10, 1), 300), (flat(), 20)] {
        for (metric, init) in [Euclidean, Cosine].into_iter().flat_map(|metric| DRAWN.map(|init| (metric, init))) {
            let with = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| started(&x, metric, k, &init))
            };
            let one = with(1);
            assert!([2, 4, 8].into_iter().all(|threads| with(threads) == one), "{init:?}, {metric:?}");
        }
    }
}

#[test]
fn a_fit_begins_where_seed_says() {
    let x = uniform(300, 5, 9);
    for init in DRAWN {
        let params = KMeansParams::new(4).n_restarts(1).max_iterations(1).tolerance(0.0).seed(3);
        let fit = |init| params.clone().init(init).check().unwrap().fit_rows(x.view(), &Silent).unwrap();
        let given = Init::Given(started(&x, Euclidean, 4, &init));
        assert_eq!(fit(init).labels, fit(given).labels);
    }
}

#[test]
fn many_clusters_are_begun_by_k_means_parallel() {
    let x = uniform(2000, 3, 4);
    assert_eq!(started(&x, Euclidean, 256, &Init::Auto), started(&x, Euclidean, 256, &Init::KMeansPlusPlus));
    assert_eq!(started(&x, Euclidean, 257, &Init::Auto), started(&x, Euclidean, 257, &Init::KMeansParallel));
    assert_ne!(started(&x, Euclidean, 257, &Init::Auto), started(&x, Euclidean, 257, &Init::KMeansPlusPlus));
}

/// The rows that a start consists of, of rows whose first value tells them apart.
fn firsts(start: &Array2<f32>) -> Vec<f32> {
    let mut firsts = start.column(0).to_vec();
    firsts.sort_by(f32::total_cmp);
    firsts.dedup();
    firsts
}

#[test]
fn starts_are_different_rows_while_there_are_any() {
    let x = Array2::from_shape_fn((40, 2), |(i, j)| if j == 0 { i as f32 } else { (i % 7) as f32 });
    // Ten different rows, four times each.
    let repeated = Array2::from_shape_fn((40, 2), |(i, j)| if j == 0 { (i % 10) as f32 } else { 1.0 });
    for init in DRAWN {
        for k in [1, 2, 39, 40] {
            assert_eq!(firsts(&started(&x, Euclidean, k, &init)).len(), k, "{init:?}, {k}");
        }
        let start = started(&repeated, Euclidean, 25, &init);
        assert_eq!(start.nrows(), 25);
        assert!(init == Init::Random || firsts(&start).len() == 10, "{init:?}");
        for metric in [Euclidean, Cosine] {
            let same = started(&Array2::from_elem((6, 3), 0.5), metric, 4, &init);
            assert!(same.dim() == (4, 3) && same.outer_iter().all(|row| row == same.row(0)), "{init:?}");
        }
    }
}

#[test]
fn blank_rows_are_no_directions() {
    let mut x = Array2::zeros((30, 2));
    (0..5).for_each(|i| x.row_mut(6 * i + 1).assign(&array![1.0, i as f32]));
    for init in DRAWN {
        for k in [1, 3, 5] {
            let start = started(&x, Cosine, k, &init);
            assert_eq!(firsts(&start).len(), k, "{init:?}");
            assert!(start.outer_iter().all(|row| (row.dot(&row) - 1.0).abs() < 1e-6));
        }
        assert_eq!(started(&x, Cosine, 9, &init).nrows(), 5);
        assert_eq!(started(&Array2::zeros((4, 3)), Cosine, 2, &init).dim(), (0, 3));
        assert_eq!(started(&Array2::zeros((4, 3)), Euclidean, 2, &init).dim(), (2, 3));
        let params = KMeansParams::spherical(2).init(init).check().unwrap();
        let blank = params.fit_rows(Array2::zeros((4, 3)).view(), &Silent).unwrap();
        assert_eq!(blank.labels, [Some(0); 4]);
    }
}

#[test]
fn bad_requests_are_errors() {
    let x = array![[0.0f32], [1.0]];
    let seed = |x: &Array2<f32>, k, init| seed(x.view(), Euclidean, k, &init, 0, &Silent);
    assert!(matches!(seed(&x, 0, Init::Auto), Err(ClusterError::Parameter { .. })));
    assert!(matches!(seed(&x, 3, Init::Auto), Err(ClusterError::TooFewSamples { .. })));
    assert!(matches!(seed(&array![[f32::NAN]], 1, Init::Random), Err(ClusterError::NotFinite { row: 0 })));
    assert!(matches!(seed(&x, 2, Init::Given(x.t().to_owned())), Err(ClusterError::InitShape { .. })));
    assert!(matches!(seed(&x, 2, Init::Given(array![[0.0], [f32::NAN]])), Err(ClusterError::InitNotFinite)));
    assert!(matches!(seed(&Array2::zeros((3, 0)), 2, Init::Auto), Err(ClusterError::NoFeatures)));
    let blank = KMeansParams::spherical(2).init(Init::Given(Array2::zeros((2, 1)))).check().unwrap();
    assert!(matches!(blank.fit_rows(x.view(), &Silent), Err(ClusterError::InitBlank)));
}

#[test]
fn seeding_and_restarts_can_be_stopped() {
    let x = uniform(100, 2, 1);
    for init in [Init::KMeansPlusPlus, Init::KMeansParallel] {
        let stopped = seed(x.view(), Euclidean, 5, &init, 0, &Watch::stopping_after(0));
        assert!(matches!(stopped, Err(ClusterError::Interrupted(_))));
    }
    let fit = KMeansParams::new(5).init(Init::Random).check().unwrap().fit_rows(x.view(), &Watch::stopping_after(0));
    assert!(matches!(fit, Err(ClusterError::Interrupted(_))));
}
