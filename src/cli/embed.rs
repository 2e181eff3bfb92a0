//! `alike embed`: images to features.

use super::args::EmbedArgs;
use super::printer::Printer;
use super::{Exit, inputs, results};
use crate::embed::{Layout, files};
use serde_json::json;

/// Runs the command.
pub fn run(args: &EmbedArgs, printer: &Printer) -> anyhow::Result<Exit> {
    files::check_name(&args.out)?;
    inputs::check_results(&args.input.input, &[], &[&args.out])?;
    let collection = inputs::open(&args.input, None, printer)?;
    let extractor = inputs::extractor(&args.extractor, &args.input, args.seed, &collection, printer)?;
    let layout = if files::is_sparse(&args.out) { Layout::Sparse } else { Layout::Dense };
    let embedded = inputs::embed(&collection, &extractor, layout, &args.input, None, printer)?;
    files::write(&args.out, &embedded.embeddings)?;
    let skipped = inputs::skipped(&collection, &embedded);
    results::warn_of(&skipped, printer);
    let (n_samples, n_features) = embedded.embeddings.features().dim();
    let json = json!({
        "n_samples": n_samples, "n_features": n_features, "cached": embedded.n_cached, "model": extractor.spec().name(),
        "skipped": skipped, "seconds": embedded.seconds, "out": args.out,
    });
    let text =
        format!("{n_samples} images x {n_features} features ({}) in {}", extractor.spec().name(), args.out.display());
    printer.result(&json, &text)?;
    Ok(Exit::of_skipped(skipped.len()))
}
