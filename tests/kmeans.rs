//! k-means against scikit-learn from the same starts: labels, inertia and rounds, with 1, 2 and 4 threads
//! (tests/data/kmeans.py is the recipe); and what k-means++ and k-means|| leave to be done (tests/data/seeding.py).

use std::path::Path;

use alike::cluster::{Centroids, Clustering, Init, KMeansParams, Metric, seed};
use alike::progress::Silent;
use linfa::ParamGuard;
use ndarray::{Array2, Axis, concatenate};
use serde_json::Value;

/// A set by its name in the recipe, and its number of clusters.
fn set(name: &str) -> (Array2<f32>, usize) {
    let formula = |columns: usize, value: fn(f64, f64) -> f64| {
        Array2::from_shape_fn((3000, columns), |(i, j)| value(i as f64, j as f64) as f32)
    };
    match name {
        "digits" => (digits().mapv(|v| (v / 255.0) as f32), 10),
        "digits' profiles" => {
            let pictures = digits().into_shape_with_order((1797, 8, 8)).unwrap();
            let profiles = concatenate![Axis(1), pictures.sum_axis(Axis(1)), pictures.sum_axis(Axis(2))];
            (profiles.mapv(|v| (v / 2040.0) as f32), 25)
        }
        "waves" => {
            (formula(12, |i, j| ((i * 37.0 + j * 101.0 + i * j * 7.0) % 211.0) / 211.0 * 10.0 / (j + 1.0) + 1000.0), 7)
        }
        "rings" => {
            let turn = |i: f64, j: f64| if j == 0.0 { (i * 0.7).cos() } else { (i * 0.7).sin() };
            (Array2::from_shape_fn((3000, 2), |(i, j)| ((1 + i % 3) as f64 * turn(i as f64, j as f64)) as f32), 9)
        }
        "cube" => (formula(5, |i, j| i * (j + 2.5).sqrt() % 1.0), 12),
        _ => unreachable!("{name}"),
    }
}

/// The 8x8 digits of the repository, 0 to 255, in the order of their paths.
fn digits() -> Array2<f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits");
    let files = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
    let pictures = files.filter(|file| file.file_type().is_file());
    let values: Vec<f64> =
        pictures.flat_map(|file| image::open(file.path()).unwrap().into_luma8().into_raw()).map(f64::from).collect();
    Array2::from_shape_vec((1797, 64), values).unwrap()
}

#[test]
fn labels_inertia_and_rounds_are_those_of_scikit_learn() {
    let expected: Value = serde_json::from_str(include_str!("data/kmeans.json")).unwrap();
    let sets = expected["sets"].as_object().unwrap();
    assert_eq!(sets.len(), 5);
    for (name, expected) in sets {
        let (x, k) = set(name);
        let start: Vec<usize> = serde_json::from_value(expected["start"].clone()).unwrap();
        let params = KMeansParams::new(k).init(Init::Given(x.select(Axis(0), &start))).tolerance(0.0);
        let params = params.max_iterations(1000).check().unwrap();
        let fit = |threads| -> Clustering {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| params.fit_rows(x.view(), &Silent).unwrap())
        };
        let ours = fit(1);
        assert!(ours == fit(2) && ours == fit(4), "{name}: threads change the result");
        let inertia = expected["inertia"].as_f64().unwrap();
        let found = ours.inertia.expect("k-means has one");
        assert!((found - inertia).abs() < 1e-5 * inertia, "{name}: inertia {found} {inertia}");
        assert_eq!(ours.n_iterations as u64, expected["n_iterations"].as_u64().unwrap(), "{name}");
        // Ours are numbered by size, theirs in the order of the start: one name for each of the other.
        let theirs = expected["labels"].as_str().unwrap().bytes();
        let mut names = vec![None; k];
        for (row, (ours, theirs)) in ours.labels.iter().zip(theirs).enumerate() {
            let name_of = names[usize::from(theirs - b'A')].get_or_insert(*ours);
            assert_eq!(name_of, ours, "{name}: row {row}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ours.n_clusters(), "{name}: clusters were merged");
    }
}

#[test]
fn starts_are_as_good_as_those_of_scikit_learn() {
    let expected: Value = serde_json::from_str(include_str!("data/seeding.json")).unwrap();
    let x = digits().mapv(|v| (v / 255.0) as f32);
    for (k, expected) in expected["potentials"].as_object().unwrap() {
        let k: usize = k.parse().unwrap();
        let potential = |init: &Init, number: u64| -> f64 {
            let centroids = seed(x.view(), Metric::Euclidean, k, init, number, &Silent).unwrap();
            let start = Centroids { metric: Metric::Euclidean, centroids, blank: None };
            start.assign(x.view()).iter().map(|a| a.distance * a.distance).sum()
        };
        let mean = |init: &Init| (0..30).map(|number| potential(init, number)).sum::<f64>() / 30.0;
        let theirs = expected["mean"].as_f64().unwrap();
        // Four deviations of a difference between means of 30 and of 100 starts.
        let close = 4.0 * expected["deviation"].as_f64().unwrap() * (1.0f64 / 30.0 + 1.0 / 100.0).sqrt();
        let (ours, parallel) = (mean(&Init::KMeansPlusPlus), mean(&Init::KMeansParallel));
        assert!((ours - theirs).abs() < close, "k-means++, k = {k}: {ours} {theirs}");
        assert!(parallel < 1.03 * theirs, "k-means||, k = {k}: {parallel} {theirs}");
        assert!(mean(&Init::Random) > 1.05 * theirs, "drawn by distance is no better than by chance, k = {k}");
    }
}
