//! Seconds for the scores that cost the most: `cargo bench --bench evaluate`. The best of five runs, data built outside.

use std::hint::black_box;
use std::time::Instant;

use alike::collection::ClusterId;
use alike::evaluate::{Contingency, EvaluateParams, accuracy, ami, evaluate, separations, silhouette};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut blobs = |n: usize, d: usize, k: usize| {
        let centres = Array2::from_shape_simple_fn((k, d), || rng.random_range(-1.0..1.0_f32));
        let data = Array2::from_shape_fn((n, d), |(i, j)| centres[[i % k, j]] + rng.random_range(-1.0..1.0_f32));
        let labels: Vec<Option<ClusterId>> = (0..n).map(|row| Some(row % k)).collect();
        (data, labels)
    };

    let (data, labels) = blobs(10_000, 50, 10);
    time("silhouette 10000x50 k=10", || silhouette(data.view(), &labels).unwrap().mean);
    let sweep: Vec<Vec<_>> = (2..22).map(|k| (0..10_000).map(|row| Some(row % k)).collect()).collect();
    let views: Vec<&[_]> = sweep.iter().map(Vec::as_slice).collect();
    time("separations 10000x50 k=2..21", || separations(data.view(), &views).unwrap()[8].silhouette);
    let (data, labels) = blobs(10_000, 784, 10);
    time("silhouette 10000x784 k=10", || silhouette(data.view(), &labels).unwrap().mean);
    let (data, labels) = blobs(60_000, 50, 10);
    let params = EvaluateParams::default();
    time("all internal 60000x50 k=10, 10000 sampled", || {
        evaluate(&labels, None, Some(data.view().into()), &params).unwrap().scores.silhouette
    });

    let mut table = |n: usize, k: usize, l: usize| {
        Contingency::from_pairs((0..n).map(|_| (Some(rng.random_range(0..k)), rng.random_range(0..l))))
    };
    let ten = table(60_000, 10, 10);
    time("ami n=60000 10x10", || ami(&ten));
    let thousand = table(60_000, 1_000, 1_000);
    time("ami n=60000 1000x1000", || ami(&thousand));
    time("accuracy n=60000 1000x1000", || accuracy(&thousand));
    let dense = table(10_000_000, 1_000, 1_000);
    time("accuracy n=10000000 1000x1000, no empty cell", || accuracy(&dense));
    time("ami n=10000000 1000x1000", || ami(&dense));
    time("table n=60000 10x10", || Some(table(60_000, 10, 10).n_clusters() as f64));
    time("table n=10000000 100x10", || Some(table(10_000_000, 100, 10).n_clusters() as f64));
}

fn time(name: &str, mut run: impl FnMut() -> Option<f64>) {
    let mut best = f64::INFINITY;
    let mut value = None;
    for _ in 0..5 {
        let start = Instant::now();
        value = black_box(run());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:48} {best:9.4} s   {:?}", value.unwrap_or(f64::NAN));
}
