//! `alike cluster` of an embeddings file that need not fit in memory.

use super::args::ClusterArgs;
use super::printer::Printer;
use super::{Exit, inputs, results, settings};
use crate::embed::files::EmbeddingsFile;
use crate::evaluate::files::write_columns;
use crate::pipeline::{self, Context, FitParams};
use serde_json::json;
use std::borrow::Cow;
use std::time::Instant;

/// Runs the command.
pub fn run(args: &ClusterArgs, params: &FitParams, printer: &Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let mut file = EmbeddingsFile::open(&args.input.input)?;
    let truth = match &args.truth.truth {
        Some(truth) => {
            let ids: Vec<String> = file.ids().map(Cow::into_owned).collect();
            Some(inputs::truth_file(truth, &ids, printer)?)
        }
        None => None,
    };
    let context = Context {
        truth: truth.as_ref(),
        noise: args.truth.noise,
        extractor: None,
        settings: settings::typed(&args.input, &args.extractor, &args.fit, &args.truth),
    };
    let found = pipeline::run_blocks(&mut file, params, &context, printer)?;
    write_columns(&args.out, file.ids(), &found.clustering.labels, &[])?;
    if let Some(path) = &args.save {
        found.model.save(path)?;
    }
    let times = [found.reduce_time, found.fit_time, found.score_time];
    let mut json = results::run(&found.clustering, &found.evaluation, found.sweep.as_ref(), None, times);
    json["n_features"] = json!(found.model.n_features());
    json["skipped"] = json!([]);
    json["out"] = json!(args.out);
    json["model"] = json!(args.save);
    json["neighbours"] = json!(args.save_neighbours);
    json["reduced"] = json!(args.save_reduced);
    json["seconds"]["total"] = json!(started.elapsed().as_secs_f64());
    let basis = results::basis(&found.model, &found.evaluation, "all but inertia");
    let text = results::text(&found.evaluation, &basis);
    printer.result(&json, &format!("{text}labels in {}", args.out.display()))?;
    Ok(Exit::Done)
}
