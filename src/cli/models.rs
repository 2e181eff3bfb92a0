//! `alike models`: the extractors.

use super::{Exit, printer::Printer};
use crate::embed::{ExtractorSpec, GradientsSpec};
use serde_json::json;

/// Runs the command.
pub fn run(printer: &Printer) -> anyhow::Result<Exit> {
    let gradients = ExtractorSpec::Gradients(GradientsSpec::default()).build()?.n_features();
    let rows = [
        ("pixels", None, "the pixels themselves, resized, grey or RGB; centroids can be drawn"),
        ("gradients", Some(gradients), "histograms of oriented gradients and of colour; the default"),
    ];
    let models: Vec<_> = rows
        .iter()
        .map(|(name, n_features, description)| {
            json!({"name": name, "n_features": n_features, "description": description, "location": "built in",
                   "bytes": 0, "licence": "MIT OR Apache-2.0"})
        })
        .collect();
    let line = |(name, n_features, description): &(&str, Option<usize>, &str)| {
        let n_features = n_features.map_or("w x h".to_owned(), |n| n.to_string());
        format!("{name:<10} {n_features:>8}  built in, no weights  MIT OR Apache-2.0  {description}\n")
    };
    let header = format!("{:<10} {:>8}  {:<20}  {:<17}  {}\n", "NAME", "FEATURES", "WEIGHTS", "LICENCE", "WHAT");
    let joined = "\nSeveral together, with weights: --model pixels+gradients:2\n";
    let text = header + &rows.iter().map(line).collect::<String>() + joined;
    printer.result(&json!({ "models": models }), &text)?;
    Ok(Exit::Done)
}
