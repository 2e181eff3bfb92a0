//! Trains the network of the visual clusterer on synthetic sets, or says how well it does on sets that it never saw.
//!
//! ```text
//! cargo run --release --example train_unet -- train OUT.safetensors [STEPS [SEED]]
//! cargo run --release --example train_unet -- test WEIGHTS.safetensors
//! cargo run --release --example train_unet -- show WEIGHTS.safetensors OUT.png
//! ```
//!
//! The sets are drawn by the very functions that draw what is to be clustered. What the network learns of each cell:
//! whether it lies within the outline of a cluster, by the rule of Naous et al., and whether in a core, which clusters
//! that a valley parts don't share.

mod hull;
mod sets;
mod shapes;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use alike::nn::kaiming_normal;
use alike::raster::UNet;
use candle_core::{DType, Device, Tensor};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use rayon::prelude::*;
use sets::{KINDS, Picture, SIDE, TRAINED, picture};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BATCH: usize = 8;
const RATE: f64 = 3e-3;
/// Where the numbers of the sets that are kept apart begin.
const HELD_OUT: u64 = 1 << 40;
/// Of each kind.
const N_HELD_OUT: u64 = 25;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| args.get(at).map_or(Ok(default), |arg| arg.parse());
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["train", out, ..] => train(Path::new(out), number(2, 4000)? as usize, number(3, 0)?),
        ["test", weights] => test(&frozen(Path::new(weights))?),
        ["show", weights, out] => show(&frozen(Path::new(weights))?, Path::new(out)),
        _ => Err("usage: train_unet train OUT [STEPS [SEED]] | test WEIGHTS | show WEIGHTS OUT.png".into()),
    }
}

fn frozen(weights: &Path) -> Result<UNet> {
    let vb = VarBuilder::from_buffered_safetensors(std::fs::read(weights)?, DType::F32, &Device::Cpu)?;
    Ok(UNet::load(vb, false)?)
}

/// The same steps and seed give the same weights, at any number of threads.
fn train(out: &Path, steps: usize, seed: u64) -> Result<()> {
    let map = VarMap::new();
    let network = UNet::load(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu), true)?;
    let variables: BTreeMap<_, _> = map.data().lock().expect("no thread panicked").clone().into_iter().collect();
    kaiming_normal(&variables, seed)?;
    let mut optimizer = AdamW::new(map.all_vars(), ParamsAdamW { weight_decay: 1e-3, ..Default::default() })?;
    let start = Instant::now();
    let mut losses = Vec::new();
    for step in 0..steps {
        let first = (seed << 32) + (step * BATCH) as u64;
        let batch: Vec<Picture> = (first..first + BATCH as u64)
            .into_par_iter()
            .map(|number| picture(TRAINED[number as usize % TRAINED.len()], number))
            .collect();
        let done = step as f64 / steps as f64;
        optimizer.set_learning_rate(RATE * (20.0 * done).min(1.0) * (0.5 + 0.5 * (std::f64::consts::PI * done).cos()));
        let (x, answers) = tensors(&batch)?;
        let loss = rayon::scope(|_| -> candle_core::Result<f32> {
            let loss = loss(&network.forward(&x)?, &answers)?;
            optimizer.backward_step(&loss)?;
            loss.to_scalar()
        })?;
        losses.push(loss);
        if (step + 1) % 100 == 0 || step + 1 == steps {
            let recent = &losses[losses.len().saturating_sub(100)..];
            let mean = recent.iter().sum::<f32>() / recent.len() as f32;
            println!("step {} loss {mean:.4} {:.0} s", step + 1, start.elapsed().as_secs_f64());
        }
        if (step + 1) % 500 == 0 || step + 1 == steps {
            save(&map, out)?;
        }
    }
    test(&frozen(out)?)
}

/// Cross-entropy of the log-odds, and 1 less the overlap of each answer.
fn loss(odds: &Tensor, answers: &Tensor) -> candle_core::Result<Tensor> {
    let entropy = ((odds.relu()? - (odds * answers)?)? + (odds.abs()?.neg()?.exp()? + 1.0)?.log()?)?.mean_all()?;
    let share = candle_nn::ops::sigmoid(odds)?;
    let sum = |x: &Tensor| x.sum((1, 2));
    let overlap = ((sum(&(&share * answers)?)? * 2.0)? + 1.0)?.div(&((sum(&share)? + sum(answers)?)? + 1.0)?)?;
    entropy + (1.0 - overlap.mean_all()?)? * 0.3
}

fn tensors(batch: &[Picture]) -> candle_core::Result<(Tensor, Tensor)> {
    let inputs = batch.iter().map(|picture| UNet::input(&picture.grid)).collect::<candle_core::Result<Vec<_>>>()?;
    let answers: Vec<f32> = batch.iter().flat_map(|picture| &picture.answers).flatten().copied().collect();
    let answers = Tensor::from_vec(answers, (batch.len(), SIDE, SIDE, 2), &Device::Cpu)?;
    Ok((Tensor::cat(&inputs, 0)?, alike::nn::avg_pool2d(&answers, 2, 2)?))
}

fn save(map: &VarMap, out: &Path) -> Result<()> {
    let variables = map.data().lock().expect("no thread panicked");
    let halves = variables.iter().map(|(name, variable)| Ok((name.clone(), variable.to_dtype(DType::F16)?)));
    let halves: std::collections::HashMap<_, _> = halves.collect::<candle_core::Result<_>>()?;
    Ok(candle_core::safetensors::save(&halves, out)?)
}

/// Intersection over union of what is told with the answers, of each kind.
fn test(network: &UNet) -> Result<()> {
    println!("{:<8} {:>8} {:>6}   (intersection over union, mean of {N_HELD_OUT} sets)", "kind", "clusters", "cores");
    let mut means: BTreeMap<_, [f64; 2]> = BTreeMap::new();
    for (k, kind) in KINDS.into_iter().enumerate() {
        let numbers = (0..N_HELD_OUT).map(|i| HELD_OUT + i * KINDS.len() as u64 + k as u64);
        for number in numbers {
            let picture = picture(kind, number);
            let odds = network.odds(&picture.grid)?;
            for (channel, mean) in means.entry(kind).or_default().iter_mut().enumerate() {
                let told = odds.iter().map(|odds| odds[channel] > 0.0);
                let pairs = told.zip(picture.answers.iter().map(|answer| answer[channel] > 0.5));
                let (both, any) = pairs.fold((0, 0), |(both, any), (told, answer)| {
                    (both + usize::from(told && answer), any + usize::from(told || answer))
                });
                *mean += both as f64 / any.max(1) as f64 / N_HELD_OUT as f64;
            }
        }
        let [clusters, cores] = means[&kind];
        println!("{:<8} {clusters:>8.3} {cores:>6.3}", format!("{kind:?}").to_lowercase());
    }
    Ok(())
}

/// One held-out set of each kind: what is seen, what is to be told, and what is told.
fn show(network: &UNet, out: &Path) -> Result<()> {
    let side = SIDE as u32;
    let mut sheet = image::RgbImage::new(3 * side, KINDS.len() as u32 * side);
    for (k, kind) in KINDS.into_iter().enumerate() {
        let picture = picture(kind, HELD_OUT + k as u64);
        let odds = network.odds(&picture.grid)?;
        let seen = UNet::input(&picture.grid)?.flatten_all()?.to_vec1::<f32>()?;
        for cell in 0..SIDE * SIDE {
            let (x, y) = ((cell / SIDE) as u32, side - 1 - (cell % SIDE) as u32);
            let grey = |value: f32| (value.clamp(0.0, 1.0) * 255.0) as u8;
            let told = odds[cell].map(|odds| 1.0 / (1.0 + (-odds).exp()));
            let looks = [[seen[2 * cell], seen[2 * cell + 1]], picture.answers[cell], told];
            for (column, [red, green]) in looks.into_iter().enumerate() {
                let pixel = image::Rgb([grey(red), grey(green), 60]);
                sheet.put_pixel(column as u32 * side + x, k as u32 * side + y, pixel);
            }
        }
    }
    Ok(sheet.save(out)?)
}
