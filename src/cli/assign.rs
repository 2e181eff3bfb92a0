//! `alike assign`: new images into the clusters of a saved model.

use super::args::AssignArgs;
use super::printer::Printer;
use super::{Exit, inputs, results};
use crate::device::Device;
use crate::embed::{Hub, Layout, Setup};
use crate::files::{At, write_whole};
use crate::model::{Model, Verdict};
use anyhow::bail;
use serde_json::json;
use std::io::Write;

/// Runs the command.
pub fn run(args: &AssignArgs, printer: &Printer) -> anyhow::Result<Exit> {
    if let Some(out) = &args.out {
        inputs::check_results(&args.input.input, &[&args.model], &[out])?;
    }
    let model = Model::load(&args.model)?;
    if let Some(embeddings) = inputs::embeddings(&args.input.input)? {
        let verdicts = model.assign(embeddings.features())?;
        let rows: Vec<Row> = embeddings.ids().iter().zip(verdicts).map(|(id, v)| Row::new(id, "", v, &model)).collect();
        return write(args, &rows, &[], printer);
    }
    let Some(spec) = &model.extractor else {
        bail!(
            "{} was fitted to embeddings, so it takes embeddings: embed the images the same way first",
            args.model.display()
        );
    };
    let collection = inputs::open(&args.input, None, printer)?;
    let setup = Setup { hub: Hub::from_env(), files: args.weights.clone(), device: Device::open(args.device)? };
    let extractor = spec.build_with(&setup, printer)?;
    let embedded = inputs::embed(&collection, &extractor, Layout::Auto, &args.input, None, printer)?;
    let verdicts = model.assign(embedded.embeddings.features())?;
    let items = embedded.kept.iter().map(|&i| &collection.source.items()[i]);
    let rows: Vec<Row> = items
        .zip(verdicts)
        .map(|(item, verdict)| {
            let path = item.path.as_ref().map(|p| p.to_string_lossy()).unwrap_or_default();
            Row::new(&item.id, &path, verdict, &model)
        })
        .collect();
    let skipped = inputs::skipped(&collection, &embedded);
    results::warn_of(&skipped, printer);
    write(args, &rows, &skipped, printer)
}

/// A line of the result.
#[derive(serde::Serialize)]
struct Row {
    id: String,
    path: String,
    cluster: Option<usize>,
    name: String,
    confidence: Option<f64>,
    distance: f64,
    outlier: bool,
}

impl Row {
    fn new(id: &str, path: &str, verdict: Verdict, model: &Model) -> Self {
        let Verdict { cluster, distance, confidence, outlier } = verdict;
        let name = cluster.map_or(crate::model::UNCLUSTERED, |c| &model.clusters[c].name).to_owned();
        // As many digits as clusters.csv has.
        let round = |value: f64| (value * 1e6).round() / 1e6;
        let (confidence, distance) = (confidence.map(round), round(distance));
        Self { id: id.to_owned(), path: path.to_owned(), cluster, name, confidence, distance, outlier }
    }
}

fn write(
    args: &AssignArgs,
    rows: &[Row],
    skipped: &[crate::collection::Skipped],
    printer: &Printer,
) -> anyhow::Result<Exit> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in rows {
        csv.serialize(row)?;
    }
    let bytes = csv.into_inner()?;
    let outliers = rows.iter().filter(|r| r.outlier).count();
    let json =
        json!({"n_samples": rows.len(), "outliers": outliers, "images": rows, "skipped": skipped, "out": args.out});
    match &args.out {
        Some(out) => {
            write_whole(out, |file| file.write_all(&bytes))?;
            let text = format!("{} images assigned, {outliers} of them outliers, in {}", rows.len(), out.display());
            printer.result(&json, &text)?;
        }
        None if printer.is_json() => printer.result(&json, "")?,
        None => std::io::stdout().lock().write_all(&bytes).at("write", "standard output".as_ref())?,
    }
    Ok(Exit::of_skipped(skipped.len()))
}
