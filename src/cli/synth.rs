//! `alike synth`: synthetic data.

use super::args::SynthArgs;
use super::exit::UsageError;
use super::{Exit, printer::Printer};
use crate::synth::{
    BlobsParams, CirclesParams, DotsParams, Kind, MoonsParams, Recipe, UniformParams, random_centers, write,
};
use serde_json::json;

/// Runs the command.
pub fn run(args: &SynthArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let summary = write(&recipe(args)?, &args.out, printer)?;
    let (n, d, k) = (summary.n_samples, summary.n_features, summary.n_classes);
    let json = json!({"n_samples": n, "n_features": d, "n_classes": k, "out": args.out, "files": summary.files});
    printer.result(&json, &format!("{n} samples of {k} classes, {d} features each, in {}", args.out.display()))?;
    Ok(Exit::Done)
}

/// The usual recipe with what was typed in its place; an option that the kind doesn't have is refused.
fn recipe(args: &SynthArgs) -> Result<Recipe, UsageError> {
    let mut unused = args.clone();
    let seed = args.seed.unwrap_or(if matches!(args.kind, Kind::Lattice | Kind::Radial) { 82431 } else { 0 });
    let recipe = match Recipe::new(args.kind, seed) {
        Recipe::Lattice(_) | Recipe::Radial(_) => Recipe::new(args.kind, seed),
        Recipe::Blobs(params) => {
            let n_samples = unused.count.take().unwrap_or(params.n_samples);
            let centers = match unused.classes.take() {
                Some(k) => random_centers(k, 2, (-10.0, 10.0), seed),
                None => params.centers,
            };
            Recipe::Blobs(BlobsParams { n_samples, centers, ..params })
        }
        Recipe::Moons(params) => {
            let n_samples = unused.count.take().unwrap_or(params.n_samples);
            Recipe::Moons(MoonsParams { n_samples, ..params })
        }
        Recipe::Circles(params) => {
            let n_samples = unused.count.take().unwrap_or(params.n_samples);
            Recipe::Circles(CirclesParams { n_samples, ..params })
        }
        Recipe::Uniform(params) => {
            let n_samples = unused.count.take().unwrap_or(params.n_samples);
            Recipe::Uniform(UniformParams { n_samples, ..params })
        }
        Recipe::Dots(params) => Recipe::Dots(DotsParams {
            n_samples: unused.count.take().unwrap_or(params.n_samples),
            n_classes: unused.classes.take().unwrap_or(params.n_classes),
            size: unused.size.take().unwrap_or(params.size),
            ..params
        }),
    };
    let left = [
        ("--count", unused.count.is_some()),
        ("--classes", unused.classes.is_some()),
        ("--size", unused.size.is_some()),
    ];
    match left.iter().find(|(_, typed)| *typed) {
        Some((option, _)) => Err(UsageError(format!("{option} means nothing for {:?}: leave it out", args.kind))),
        None => Ok(recipe),
    }
}
