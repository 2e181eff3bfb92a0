//! Filters of rasters, and the published classification by them: `cargo bench --bench raster`. `rival.py` beside this
//! does the same with scipy.

use alike::progress::Silent;
use alike::raster::filter::{Boundary, Weighting, box_sum, gaussian, inverse_distance, maximum, median};
use alike::raster::{ClassifyParams, LabelMap, Transform, classify};
use alike::synth::lattice;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::{Array2, Ix2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 400;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn filters(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    // As many cells hold something as on the published raster.
    let x = Array2::from_shape_simple_fn((SIDE, SIDE), || f64::from(u8::from(rng.random_bool(0.06)))).into_dyn();
    let mut group = c.benchmark_group("filter");
    for window in [2, 20, 100] {
        let size = format!("{SIDE}x{SIDE}, window {window}");
        let torus = Boundary::Torus;
        group.bench_function(BenchmarkId::new("box", &size), |b| b.iter(|| box_sum(x.view(), window, torus)));
        let id = BenchmarkId::new("inverse distance", &size);
        group.bench_function(id, |b| b.iter(|| inverse_distance(x.view(), window, torus)));
        group.bench_function(BenchmarkId::new("maximum", &size), |b| b.iter(|| maximum(x.view(), window, torus)));
    }
    let size = format!("{SIDE}x{SIDE}");
    let id = BenchmarkId::new("Gaussian of 3", &size);
    group.bench_function(id, |b| b.iter(|| gaussian(x.view(), 3.0, Boundary::Torus)));
    let plane = x.view().into_dimensionality::<Ix2>().expect("two axes");
    let id = BenchmarkId::new("median, window 2", &size);
    group.bench_function(id, |b| b.iter(|| median(plane, 2, Boundary::Torus)));
}

fn classification(c: &mut Criterion) {
    let points = lattice(&Default::default()).expect("usual parameters");
    let known: Vec<Option<usize>> = points.labels.iter().map(|&label| Some(label)).collect();
    let drawn = LabelMap::draw(Transform::folded(SIDE), points.data.view(), &known);
    let mut group = c.benchmark_group("classify");
    for weighting in [Weighting::InverseDistance, Weighting::Equal] {
        let params = ClassifyParams { weighting, boundary: Boundary::Torus, ..ClassifyParams::default() };
        let run = || classify(drawn.clone(), &params, &mut |_| (), &Silent).expect("classes");
        let map = run();
        let share = |class| map.cells.iter().filter(|cell| cell.cluster == Some(class)).count();
        println!("{weighting:?}: {:?} cells of each class", [0, 1, 2, 3, 4].map(share));
        let id = BenchmarkId::new(format!("{weighting:?}"), format!("{SIDE}x{SIDE}, 5 classes, window 20, 3 loops"));
        group.bench_function(id, |b| b.iter(run));
    }
}

criterion_group!(benches, filters, classification);
criterion_main!(benches);
