//! Exact k-means against linfa-clustering's, from the same start for the same number of rounds:
//! `cargo bench --bench kmeans`. Clustered is MNIST where `ALIKE_BENCH_MNIST` names its `train-images-idx3-ubyte.gz`, data
//! of that shape elsewhere. What both end with is printed beside the times.

use std::io::Read;

use alike::cluster::{Init, KMeansParams};
use alike::progress::Silent;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROUNDS: usize = 5;

fn kmeans(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let x = std::env::var_os("ALIKE_BENCH_MNIST").map_or_else(|| pictures(&mut rng), |path| mnist(&path));
    let (n, d) = x.dim();
    let mut group = c.benchmark_group("kmeans");
    group.sample_size(10);
    for k in [10, 100] {
        let start = x.select(Axis(0), &rand::seq::index::sample(&mut rng, n, k).into_vec());
        let size = format!("{n}x{d}, k={k}, {ROUNDS} rounds");

        let init = Init::Given(start.clone());
        let params = KMeansParams::new(k).init(init).n_restarts(1).tolerance(0.0).max_iterations(ROUNDS);
        let params = params.check().expect("they are in range");
        let fit = || params.fit_rows(x.view(), &Silent).expect("finite rows");
        println!("alike {size}: inertia {:.1}", fit().inertia.expect("k-means has one"));
        group.bench_function(BenchmarkId::new("alike", &size), |bench| bench.iter(fit));

        // linfa does one round more than its limit, tells the inertia before the last, and counts a cluster's old
        // centroid among its members.
        let data = DatasetBase::from(x.view());
        let params = KMeans::params(k).init_method(KMeansInit::Precomputed(start)).n_runs(1);
        let params = params.tolerance(f32::MIN_POSITIVE).max_n_iterations(ROUNDS as u64 - 1);
        let fit = || params.fit(&data).expect("finite rows");
        println!("linfa {size}: inertia {:.1}", f64::from(fit().inertia()) * n as f64);
        group.bench_function(BenchmarkId::new("linfa", &size), |bench| bench.iter(fit));
    }
}

/// Ten classes of 28x28 pictures, mostly blank.
fn pictures(rng: &mut ChaCha8Rng) -> Array2<f32> {
    let classes = Array2::from_shape_simple_fn((10, 784), || rng.random_range(-1.0..0.6_f32));
    Array2::from_shape_fn((60_000, 784), |(i, j)| (classes[[i % 10, j]] + rng.random_range(-0.4..0.4)).clamp(0.0, 1.0))
}

fn mnist(path: &std::ffi::OsStr) -> Array2<f32> {
    let file = std::fs::File::open(path).expect("ALIKE_BENCH_MNIST is a file");
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    let pixels: Vec<f32> = bytes[16..].iter().map(|&byte| f32::from(byte) / 255.0).collect();
    Array2::from_shape_vec((pixels.len() / 784, 784), pixels).expect("28x28 pictures")
}

criterion_group!(benches, kmeans);
criterion_main!(benches);
