//! PCA against linfa-reduction's, and truncated SVD of sparse rows: `cargo bench --bench reduce`. The share of variance
//! that is kept is printed beside the times.

use alike::collection::{Csr, Features};
use alike::progress::Silent;
use alike::reduce::LinearParams;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use linfa::traits::Fit;
use linfa::{DatasetBase, ParamGuard};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn pca(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let (n, d, rank, kept) = (20_000, 784, 100, 50);
    // Directions of falling weight, and a little noise.
    let map = Array2::from_shape_fn((rank, d), |(i, _)| rng.random_range(-1.0..1.0) / (1.0 + i as f32));
    let along = Array2::from_shape_simple_fn((n, rank), || rng.random_range(-1.0..1.0_f32));
    let x = along.dot(&map) + Array2::from_shape_simple_fn((n, d), || rng.random_range(-0.02..0.02_f32));
    let size = format!("{n}x{d}, to {kept}");
    let mut group = c.benchmark_group("pca");
    group.sample_size(10);

    let params = LinearParams::pca(kept).check().expect("they are in range");
    let fit = || params.fit_rows(x.view(), &Silent).expect("finite rows");
    println!("alike {size}: {:.6} of the variance", fit().explained_variance_ratio().iter().sum::<f64>());
    group.bench_function(BenchmarkId::new("alike", &size), |bench| bench.iter(fit));

    let data = DatasetBase::from(x.mapv(f64::from));
    let params = linfa_reduction::Pca::params(kept);
    let fit = || params.fit(&data).expect("finite rows");
    // Of the directions kept alone, which is what linfa takes the share of.
    let variance = fit().explained_variance().sum();
    let all: f64 = data.records().var_axis(ndarray::Axis(0), 1.0).sum();
    println!("linfa {size}: {:.6} of the variance", variance / all);
    group.bench_function(BenchmarkId::new("linfa", &size), |bench| bench.iter(fit));
}

fn svd(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let (n, d, classes, kept) = (4_000, 10_000, 30, 30);
    // Pictures of dots: a class draws its dots from a twentieth of the pixels.
    let mut rows = sprs::TriMatI::<f32, u32>::new((n, d));
    for row in 0..n {
        let class = row % classes;
        for column in (0..d).filter(|column| (column * 31 + class * 7).is_multiple_of(20)) {
            if rng.random_bool(0.4) {
                rows.add_triplet(row, column, 1.0);
            }
        }
    }
    let x: Csr = rows.to_csr();
    let size = format!("{n}x{d}, {} values, to {kept}", x.nnz());
    let x = Features::from(&x);
    let mut group = c.benchmark_group("svd");
    group.sample_size(10);
    let params = LinearParams::svd(kept).check().expect("they are in range");
    let fit = || params.fit_features(&x, &Silent).expect("finite rows");
    println!("alike {size}: {:.6} of the variance", fit().explained_variance_ratio().iter().sum::<f64>());
    group.bench_function(BenchmarkId::new("alike", &size), |bench| bench.iter(fit));
}

criterion_group!(benches, pca, svd);
criterion_main!(benches);
