//! Training with `alike::nn`: `cargo bench --bench nn`. PyTorch does the same in `benches/nn/rival.py`.

mod models;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Optimizer, SGD, VarBuilder, VarMap};
use criterion::{Criterion, criterion_group, criterion_main};
use models::{ResNet, UNet};

fn images(n: usize, side: usize) -> Tensor {
    Tensor::randn(0f32, 1.0, (n, side, side, 3), &Device::Cpu).expect("memory")
}

/// Forward, backward, and a step of SGD.
fn step(loss: Tensor, optimizer: &mut SGD) {
    optimizer.backward_step(&loss).expect("gradients");
}

/// Inside rayon's pool, whose idle threads would otherwise compete with candle's.
fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("training step");
    group.sample_size(10);

    let map = VarMap::new();
    let model = ResNet::load(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)).expect("weights");
    let mut optimizer = SGD::new(map.all_vars(), 1e-3).expect("variables");
    let (x, labels) = (images(32, 64), Tensor::zeros(32, DType::U32, &Device::Cpu).expect("memory"));
    group.bench_function("resnet18, batch 32 at 64x64", |bench| {
        bench.iter(|| {
            rayon::scope(|_| {
                let logits = model.forward(&x).expect("logits");
                step(candle_nn::loss::cross_entropy(&logits, &labels).expect("a loss"), &mut optimizer);
            })
        });
    });

    let map = VarMap::new();
    let model = UNet::load(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)).expect("weights");
    let mut optimizer = SGD::new(map.all_vars(), 1e-3).expect("variables");
    let x = images(4, 256);
    group.bench_function("unet, batch 4 at 256x256", |bench| {
        bench.iter(|| {
            rayon::scope(|_| {
                let loss = model.forward(&x).and_then(|y| y.sqr()?.mean_all()).expect("a loss");
                step(loss, &mut optimizer);
            })
        });
    });
}

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(benches, training);
criterion_main!(benches);
