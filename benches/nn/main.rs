//! Inference and training with `alike::nn`: `cargo bench --bench nn`. PyTorch does the same in `benches/nn/rival.py`.

mod models;

use alike::nn::Activation;
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Optimizer, SGD, VarBuilder, VarMap};
use criterion::{Criterion, criterion_group, criterion_main};
use models::{ResNet, UNet, ViT};

const BATCH: usize = 8;

fn images(n: usize, side: usize) -> Tensor {
    Tensor::randn(0f32, 1.0, (n, side, side, 3), &Device::Cpu).expect("memory")
}

fn inference(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("inference, batch {BATCH} at 224x224"));
    group.sample_size(10);
    let (images, map) = (images(BATCH, 224), VarMap::new());
    // Random weights, drawn as variables and then frozen.
    let frozen = |build: &dyn Fn(VarBuilder) -> Result<()>| {
        build(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)).expect("drawn weights");
        let vars = map.data().lock().expect("no thread panicked");
        let tensors = vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
        VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
    };
    for (name, bottleneck) in [("resnet18", false), ("resnet50", true)] {
        let vb = frozen(&|vb| ResNet::load(vb.pp(name), bottleneck, true).map(drop));
        let model = ResNet::load(vb.pp(name), bottleneck, false).expect("weights");
        group.bench_function(name, |bench| bench.iter(|| model.forward(&images).expect("logits")));
    }
    let vits = [("dinov2-small", 14, 384, Activation::Gelu), ("clip-base-32", 32, 768, Activation::QuickGelu)];
    for (name, patch, dim, activation) in vits {
        let vb = frozen(&|vb| ViT::load(vb.pp(name), patch, dim, activation).map(drop));
        let model = ViT::load(vb.pp(name), patch, dim, activation).expect("weights");
        group.bench_function(name, |bench| bench.iter(|| model.forward(&images).expect("tokens")));
    }
}

/// Forward, backward, and a step of SGD.
fn step(loss: Tensor, optimizer: &mut SGD) {
    optimizer.backward_step(&loss).expect("gradients");
}

fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("training step");
    group.sample_size(10);

    let map = VarMap::new();
    let model = ResNet::load(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu), false, true).expect("weights");
    let mut optimizer = SGD::new(map.all_vars(), 1e-3).expect("variables");
    let (x, labels) = (images(32, 64), Tensor::zeros(32, DType::U32, &Device::Cpu).expect("memory"));
    group.bench_function("resnet18, batch 32 at 64x64", |bench| {
        bench.iter(|| {
            let logits = model.forward(&x).expect("logits");
            step(candle_nn::loss::cross_entropy(&logits, &labels).expect("a loss"), &mut optimizer);
        });
    });

    let map = VarMap::new();
    let model = UNet::load(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)).expect("weights");
    let mut optimizer = SGD::new(map.all_vars(), 1e-3).expect("variables");
    let x = images(4, 256);
    group.bench_function("unet, batch 4 at 256x256", |bench| {
        bench.iter(|| {
            let loss = model.forward(&x).and_then(|y| y.sqr()?.mean_all()).expect("a loss");
            step(loss, &mut optimizer);
        });
    });
}

criterion_group!(benches, inference, training);
criterion_main!(benches);
