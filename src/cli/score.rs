//! `alike score`: labels against the truth, and by themselves.

use super::args::ScoreArgs;
use super::printer::Printer;
use super::{Exit, inputs, results};
use crate::collection::ClusterId;
use crate::embed::files;
use crate::evaluate::files::{Column, align, read_labels};
use crate::evaluate::{EvaluateParams, Sampling, evaluate};
use crate::progress::Reporter;
use anyhow::Context;
use serde_json::json;

/// Runs the command.
pub fn run(args: &ScoreArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let labels = read_labels(&args.labels)?;
    let embeddings = args.embeddings.as_deref().map(files::read).transpose()?;
    // The rows of the embeddings lead, if they are given.
    let (ids, clusters) = match &embeddings {
        Some(embeddings) => (embeddings.ids().to_vec(), aligned(&labels, embeddings.ids(), printer)?),
        None => (labels.ids.unwrap_or_else(|| files::numbers(labels.values.len())), labels.values),
    };
    let truth = args.truth.as_deref().map(|file| inputs::truth_file(file, &ids, printer)).transpose()?;
    let sampling = Sampling { seed: args.seed, ..Sampling::default() };
    let params = EvaluateParams { noise: args.noise, sampling };
    let evaluation = evaluate(&clusters, truth.as_ref(), embeddings.as_ref().map(|e| e.features()), &params)?;
    let coverage = evaluation.coverage.unwrap_or(0.0);
    let text = format!(
        "{} images, {} with a class, {} clusters, coverage {:.1} %\n{}",
        evaluation.n_samples,
        evaluation.n_known,
        evaluation.n_clusters,
        100.0 * coverage,
        results::scores(&evaluation.scores)
    );
    printer.result(&json!(evaluation), &text)?;
    Ok(Exit::Done)
}

/// The cluster of each of `ids`.
fn aligned(
    labels: &Column<Option<ClusterId>>,
    ids: &[String],
    printer: &Printer,
) -> anyhow::Result<Vec<Option<ClusterId>>> {
    // `align` fills gaps with `None`, which here is a row without a label, not noise.
    let column = Column { ids: labels.ids.clone(), values: labels.values.iter().map(|l| Some(*l)).collect() };
    let aligned = align(ids, &column).context("--embeddings")?;
    if aligned.missing > 0 || aligned.unused > 0 {
        let (missing, unused) = (aligned.missing, aligned.unused);
        printer.warn(&format!("{missing} embeddings have no label, {unused} labels no embedding"));
    }
    Ok(aligned.values.into_iter().map(Option::flatten).collect())
}
