//! `alike score`: labels against the truth, and by themselves.

use super::args::ScoreArgs;
use super::printer::Printer;
use super::raster::points::new_directory;
use super::{Exit, curves, inputs, results};
use crate::embed::files;
use crate::evaluate::files::read_labels;
use crate::evaluate::{EvaluateParams, Sampling, evaluate};
use anyhow::Context;
use serde_json::json;

/// Runs the command.
pub fn run(args: &ScoreArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let labels = read_labels(&args.labels)?;
    let embeddings = args.embeddings.as_deref().map(files::read).transpose()?;
    // The rows of the embeddings lead, if they are given.
    let (ids, clusters) = match &embeddings {
        Some(embeddings) => {
            (embeddings.ids().to_vec(), inputs::aligned(&labels, embeddings.ids(), printer).context("--embeddings")?)
        }
        None => (labels.ids.unwrap_or_else(|| files::numbers(labels.values.len())), labels.values),
    };
    let truth = args.truth.as_deref().map(|file| inputs::truth_file(file, &ids, printer)).transpose()?;
    if let Some(plots) = &args.plots {
        new_directory(plots)?;
    }
    let sampling = Sampling { seed: args.seed, ..Sampling::default() };
    let params = EvaluateParams { noise: args.noise, sampling };
    let evaluation = evaluate(&clusters, truth.as_ref(), embeddings.as_ref().map(|e| e.features()), &params)?;
    let coverage = evaluation.coverage.unwrap_or(0.0);
    let mut text = format!(
        "{} images, {} with a class, {} clusters, coverage {:.1} %\n{}",
        evaluation.n_samples,
        evaluation.n_known,
        evaluation.n_clusters,
        100.0 * coverage,
        results::scores(&evaluation.scores)
    );
    let mut json = json!(evaluation);
    if let Some(truth) = &truth {
        curves::add(args, &clusters, truth, embeddings.as_ref(), &ids, (&mut json, &mut text), printer)?;
    }
    printer.result(&json, &text)?;
    Ok(Exit::Done)
}
