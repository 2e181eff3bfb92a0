//! `alike cluster`: labels without arranging.

use super::args::ClusterArgs;
use super::printer::Printer;
use super::{Exit, UsageError, inputs, results, settings, stream};
use crate::cluster::Algorithm;
use crate::collection::Embeddings;
use crate::embed::files;
use crate::evaluate::files::{check_labels, write_columns};
use crate::neighbors::{NeighborsParams, nearest};
use crate::pipeline::{self, Context};
use serde_json::json;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs the command.
pub fn run(args: &ClusterArgs, printer: &Printer) -> anyhow::Result<Exit> {
    check_labels(&args.out)?;
    let from: Vec<&Path> =
        args.truth.truth.iter().map(PathBuf::as_path).chain(settings::start_file(&args.fit)).collect();
    args.save_reduced.as_deref().map(files::check_name).transpose()?;
    let saved = [&args.save, &args.save_neighbours, &args.save_reduced].into_iter().flatten();
    let results: Vec<&Path> = [&args.out].into_iter().chain(saved).map(PathBuf::as_path).collect();
    inputs::check_results(&args.input.input, &from, &results)?;
    inputs::check_truth(args.truth.truth.as_deref())?;
    let params = settings::fit_params(&args.fit, args.extractor.device)?;
    if matches!(params.algorithm, Algorithm::MiniBatch(_)) && files::is_embeddings(&args.input.input) {
        let whole = [("--save-neighbours", &args.save_neighbours), ("--save-reduced", &args.save_reduced)];
        if let Some((option, _)) = whole.into_iter().find(|(_, file)| file.is_some()) {
            let message = "mini-batch k-means of a file never holds all of it: choose another clusterer";
            return Err(UsageError(format!("{option}: {message}")).into());
        }
        return stream::run(args, &params, printer);
    }
    let started = Instant::now();
    let input = match inputs::embeddings(&args.input.input)? {
        Some(embeddings) => inputs::Features::given(embeddings, args.truth.truth.as_deref(), printer)?,
        None => {
            let truth = args.truth.truth.as_deref();
            inputs::Features::of_images(&args.input, &args.extractor, args.fit.seed, params.layout(), truth, printer)?
        }
    };
    let context = Context {
        truth: input.truth.as_ref(),
        noise: args.truth.noise,
        extractor: input.extractor.as_ref(),
        settings: settings::typed(&args.input, &args.extractor, &args.fit, &args.truth),
    };
    let outcome = pipeline::run(input.embeddings.features(), &params, &context, printer)?;
    let clustering = &outcome.fitted.clustering;
    let ids = input.embeddings.ids().iter().map(|id| Cow::from(id.as_str()));
    write_columns(&args.out, ids, &clustering.labels, &clustering.levels)?;
    if let Some(path) = &args.save {
        outcome.model.save(path)?;
    }
    if let Some(path) = &args.save_neighbours {
        match &clustering.neighbors {
            Some(neighbors) => neighbors.write(path)?,
            None => {
                let x = outcome.fitted.reduced.to_dense();
                let (metric, seed) = (clustering.assigner.metric(), args.fit.seed);
                nearest(x.view(), &NeighborsParams { metric, seed, ..Default::default() }, printer)?.write(path)?;
            }
        }
    }
    if let Some(path) = &args.save_reduced {
        let rows = outcome.fitted.reduced.to_dense().into_owned();
        files::write(path, &Embeddings::new(input.embeddings.ids().to_vec(), rows)?)?;
    }
    results::warn_of(&input.skipped, printer);
    let mut json = results::json(&outcome, input.embeddings.n_features(), input.seconds.as_ref());
    json["skipped"] = json!(input.skipped);
    json["out"] = json!(args.out);
    json["model"] = json!(args.save);
    json["neighbours"] = json!(args.save_neighbours);
    json["reduced"] = json!(args.save_reduced);
    json["seconds"]["total"] = json!(started.elapsed().as_secs_f64());
    let basis = results::basis(&outcome.model, &outcome.evaluation, results::SAMPLED);
    let text = results::text(&outcome.evaluation, &basis);
    printer.result(&json, &format!("{text}labels in {}", args.out.display()))?;
    Ok(Exit::of_skipped(input.skipped.len()))
}
