//! `alike cluster`: labels without arranging.

use super::args::ClusterArgs;
use super::printer::Printer;
use super::{Exit, inputs, results, settings};
use crate::collection::Labels;
use crate::evaluate::files::write_labels;
use crate::files::check_writable;
use crate::pipeline::{self, Context};
use serde_json::json;
use std::time::Instant;

/// Runs the command.
pub fn run(args: &ClusterArgs, printer: &Printer) -> anyhow::Result<Exit> {
    for path in std::iter::once(&args.out).chain(&args.save) {
        check_writable(path)?;
    }
    let params = settings::fit_params(&args.fit)?;
    let started = Instant::now();
    let input = match inputs::embeddings(&args.input.input)? {
        Some(embeddings) => inputs::Features::given(embeddings, args.truth.truth.as_deref(), printer)?,
        None => inputs::Features::of_images(&args.input, &args.extractor, args.truth.truth.as_deref(), printer)?,
    };
    let context = Context {
        truth: input.truth.as_ref(),
        noise: args.truth.noise,
        extractor: input.extractor.as_ref(),
        settings: settings::typed(&args.input, &args.extractor, &args.fit, &args.truth),
    };
    let outcome = pipeline::run(input.embeddings.view(), &params, &context, printer)?;
    let labels = Labels { ids: input.embeddings.ids().to_vec(), clusters: outcome.fitted.clustering.labels.clone() };
    write_labels(&args.out, &labels)?;
    if let Some(path) = &args.save {
        outcome.model.save(path)?;
    }
    results::warn_of(&input.skipped, printer);
    let mut json = results::json(&outcome, input.embeddings.n_features(), input.seconds.as_ref());
    json["skipped"] = json!(input.skipped);
    json["out"] = json!(args.out);
    json["model"] = json!(args.save);
    json["seconds"]["total"] = json!(started.elapsed().as_secs_f64());
    printer.result(&json, &format!("{}labels in {}", results::text(&outcome), args.out.display()))?;
    Ok(Exit::of_skipped(input.skipped.len()))
}
