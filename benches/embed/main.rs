//! Extractors on prepared images, a batch at a time: `cargo bench --bench embed`. With ALIKE_BENCH_WEIGHTS=DIR, where
//! `benches/embed/rival.py save DIR` left them, published networks too; the rival then runs the same weights.

use std::path::{Path, PathBuf};

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

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(benches, embed);
criterion_main!(benches);
