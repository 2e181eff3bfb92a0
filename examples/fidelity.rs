//! How far our features are from those of timm and transformers, for every published network in full size.
//!
//! ```text
//! python tests/data/fidelity.py DIR [PHOTOS]
//! cargo run --release --example fidelity -- DIR [PHOTOS]
//! ```
//!
//! Of the same pixels: the largest difference of a feature over the largest feature. Of photos, from the JPEG file on,
//! the model's own preprocessing included: the mean difference of a channel's value, of 255, and the least cosine between
//! our row and theirs, as they are and less the mean of their rows (random weights make all rows nearly alike). Theirs
//! ignore colour profiles, which we apply: photos that have one other than sRGB differ by that first of all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use alike::decode::{Limits, decode};
use alike::embed::{HubModel, Network};
use candle_core::{D, DType, Device, Tensor, safetensors};
use candle_nn::VarBuilder;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).map(PathBuf::from);
    let folder = args.next().ok_or("usage: fidelity DIR [PHOTOS]")?;
    let photos = args.next().map(|folder| paths(&folder)).transpose()?.unwrap_or_default();
    println!("{:<18} {:>10}  {:>6} {:>8} {:>9}", "model", "difference", "pixels", "cosine", "centred");
    for model in HubModel::all() {
        let file = |suffix: &str| folder.join(format!("{}{suffix}.safetensors", model.name));
        if !file("").exists() {
            continue;
        }
        let weights = VarBuilder::from_buffered_safetensors(std::fs::read(file(""))?, DType::F32, &Device::Cpu)?;
        let network = model.architecture.build(weights)?;
        let expected = safetensors::load(file(".expected"), &Device::Cpu)?;
        let features = network.forward(&expected["images"])?;
        let difference = largest(&(&features - &expected["features"])?)? / largest(&expected["features"])?;
        print!("{:<18} {difference:>10.1e}", model.name);
        if !photos.is_empty() && expected.contains_key("photos.pixels") {
            end_to_end(model, &*network, &photos, &expected)?;
        }
        println!();
    }
    Ok(())
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<std::result::Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn end_to_end(
    model: &HubModel,
    network: &dyn Network,
    photos: &[PathBuf],
    expected: &HashMap<String, Tensor>,
) -> Result<()> {
    let (mut pixels, mut features) = (Vec::new(), Vec::new());
    for path in photos {
        let picture = model.preprocess.prepare(&decode(&std::fs::read(path)?, &Limits::default())?);
        let prepared = model.preprocess.tensor(&[picture], &Device::Cpu)?;
        features.push(network.forward(&prepared)?);
        pixels.push(prepared);
    }
    let apart = (Tensor::cat(&pixels, 0)? - &expected["photos.pixels"])?.abs()?;
    let scale = Tensor::new(&model.preprocess.std.map(|std| 255.0 * std), &Device::Cpu)?;
    let apart = apart.broadcast_mul(&scale)?.mean_all()?.to_scalar::<f32>()?;
    let (features, theirs) = (Tensor::cat(&features, 0)?, &expected["photos.features"]);
    let mean = theirs.mean_keepdim(0)?;
    let centred = least_cosine(&features.broadcast_sub(&mean)?, &theirs.broadcast_sub(&mean)?)?;
    print!("  {apart:>6.3} {:>8.6} {centred:>9.6}", least_cosine(&features, theirs)?);
    Ok(())
}

fn largest(x: &Tensor) -> Result<f32> {
    Ok(x.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

/// The least cosine between rows of the same number.
fn least_cosine(a: &Tensor, b: &Tensor) -> Result<f32> {
    let dot = |a: &Tensor, b: &Tensor| (a * b)?.sum(D::Minus1);
    Ok((dot(a, b)? / (dot(a, a)? * dot(b, b)?)?.sqrt()?)?.min(0)?.to_scalar()?)
}
