//! Extractors on prepared images, a batch at a time: `cargo bench --bench embed`. With ALIKE_BENCH_WEIGHTS=DIR, where
//! `benches/embed/rival.py save DIR` left them, published networks too; the rival then runs the same weights. With
//! ALIKE_BENCH_PHOTOS=DIR, pictures from files to what ResNet-18 wants to see, on one thread.

use std::path::{Path, PathBuf};

use alike::decode::{Limits, decode_at_least};
use alike::embed::{BuiltinSpec, Colour, ExtractorSpec, GradientsSpec, HubModel, PixelsSpec, PretrainedSpec, Setup};
use alike::progress::Silent;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use image::{DynamicImage, RgbImage};
use ndarray::Array2;

const BATCH: usize = 8;

/// Noise: no layer's time depends on what is seen.
fn picture(seed: u32) -> DynamicImage {
    let value =
        |x: u32, y: u32| [x * 7919, y * 104_729, x * y + seed].map(|v| (v.wrapping_mul(2_654_435_761) >> 24) as u8);
    DynamicImage::ImageRgb8(RgbImage::from_fn(256, 256, |x, y| value(x, y).into()))
}

fn published(folder: &Path) -> impl Iterator<Item = (PretrainedSpec, PathBuf)> {
    HubModel::all().iter().filter_map(move |model| {
        let file = folder.join(format!("{}.safetensors", model.name));
        file.exists().then(|| (PretrainedSpec::with_file(model, &file, &Silent).expect("a checkpoint"), file))
    })
}

fn embed(c: &mut Criterion) {
    let mut specs = vec![
        (ExtractorSpec::Pixels(PixelsSpec::new(32, 32, Colour::Rgb)), vec![]),
        (ExtractorSpec::Gradients(GradientsSpec::default()), vec![]),
        (ExtractorSpec::Builtin(BuiltinSpec::default()), vec![]),
    ];
    if let Some(folder) = std::env::var_os("ALIKE_BENCH_WEIGHTS") {
        let networks = published(Path::new(&folder));
        specs.extend(networks.map(|(spec, file)| (ExtractorSpec::Pretrained(spec), vec![file])));
    }
    let mut group = c.benchmark_group(format!("embed, batch of {BATCH}"));
    group.sample_size(10).throughput(Throughput::Elements(BATCH as u64));
    for (spec, files) in specs {
        let extractors = spec.build_with(&Setup { files, ..Setup::default() }, &Silent).expect("an extractor");
        let extractor = &*extractors.parts()[0];
        let batch: Vec<_> = (0..BATCH as u32).map(|seed| extractor.prepare(&picture(seed))).collect();
        let mut rows = Array2::zeros((BATCH, extractor.n_features()));
        group.bench_function(spec.name(), |bench| {
            bench.iter(|| extractor.embed(&batch, rows.view_mut()).expect("rows"));
        });
    }
}

/// Decoding, at reduced scale where the build can, and 224 x 224 pixels from the middle.
fn prepare(c: &mut Criterion) {
    let Some(folder) = std::env::var_os("ALIKE_BENCH_PHOTOS") else { return };
    let entries = std::fs::read_dir(folder).expect("a directory of photos");
    let files: Vec<_> = entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file")).collect();
    let preprocess = HubModel::find("resnet18").expect("listed").preprocess;
    let side = 2 * preprocess.shortest.unwrap_or(preprocess.side);
    let mut group = c.benchmark_group("prepare");
    group.sample_size(10).throughput(Throughput::Elements(files.len() as u64));
    group.bench_function("all files", |bench| {
        bench.iter(|| {
            for file in &files {
                let picture = decode_at_least(file, &Limits::default(), side).expect("a picture");
                std::hint::black_box(preprocess.prepare(&picture));
            }
        });
    });
}

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(benches, embed, prepare);
criterion_main!(benches);
