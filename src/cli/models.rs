//! `alike models`: the extractors, and the weights of published ones.

use super::args::{ModelsAction, ModelsArgs};
use super::{Exit, printer::Printer};
use crate::embed::{BuiltinSpec, ExtractorSpec, GradientsSpec, Hub, HubModel, LearnMethod};
use serde_json::json;

/// Runs the command.
pub fn run(args: &ModelsArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let hub = Hub::from_env();
    match &args.action {
        None => list(&hub, printer),
        Some(ModelsAction::Fetch { names }) => fetch(names, &hub, printer),
    }
}

/// A line of the list.
#[derive(serde::Serialize)]
struct Row<'a> {
    name: &'a str,
    /// None: it depends.
    n_features: Option<usize>,
    description: &'a str,
    /// A file, or "built in"; none: it has to be fetched.
    location: Option<String>,
    bytes: u64,
    licence: &'a str,
}

fn list(hub: &Hub, printer: &Printer) -> anyhow::Result<Exit> {
    let gradients = ExtractorSpec::Gradients(GradientsSpec::default()).n_features()?;
    let builtin = ExtractorSpec::Builtin(BuiltinSpec::default()).n_features()?;
    let built_in = |name, n_features, description| {
        let location = Some("built in".to_owned());
        Row { name, n_features, description, location, bytes: 0, licence: "MIT OR Apache-2.0" }
    };
    let learned = |method: LearnMethod, what| built_in(method.name(), Some(method.n_features()), what);
    let published = HubModel::all().iter().map(|model| Row {
        name: &model.name,
        n_features: Some(model.n_features),
        description: &model.description,
        location: hub.cached(model).map(|file| file.display().to_string()),
        bytes: model.bytes,
        licence: &model.licence,
    });
    let rows: Vec<Row> = [
        built_in("pixels", None, "the pixels themselves, resized, grey or RGB; centroids can be drawn"),
        built_in("gradients", Some(gradients), "histograms of oriented gradients and of colour"),
        built_in(
            "builtin",
            Some(builtin),
            "a small residual network for photos, and what auto takes where there is no other",
        ),
        learned(LearnMethod::Contrastive, "trained on the images: tells each from others in any view, without labels"),
        learned(LearnMethod::Autoencoder, "trained on the images: draws them from 32 numbers, by convolutions"),
        learned(LearnMethod::Dense, "the same by fully connected layers"),
    ]
    .into_iter()
    .chain(published)
    .collect();
    let line = |row: &Row| {
        let n_features = row.n_features.map_or("w x h".to_owned(), |n| n.to_string());
        let size = if row.bytes == 0 { "-".to_owned() } else { format!("{} MB", row.bytes.div_ceil(1_000_000)) };
        let location = row.location.as_deref().unwrap_or("not fetched");
        let Row { name, licence, description, .. } = row;
        format!("{name:<17} {n_features:>8} {size:>8}  {licence:<17}  {description}\n{:>36}{location}\n", "")
    };
    let header =
        format!("{:<17} {:>8} {:>8}  {:<17}  {}\n", "NAME", "FEATURES", "WEIGHTS", "LICENCE", "WHAT, AND WHERE");
    let advice = "\nSeveral together, with weights: --model pixels+builtin:2\n";
    let text = header + &rows.iter().map(line).collect::<String>() + advice;
    printer.result(&json!({ "models": rows }), &text)?;
    Ok(Exit::Done)
}

fn fetch(models: &[&HubModel], hub: &Hub, printer: &Printer) -> anyhow::Result<Exit> {
    let mut fetched = Vec::new();
    let mut text = String::new();
    for model in models {
        let cached = hub.cached(model).is_some();
        let weights = hub.weights(model, None, printer)?;
        let (name, path, sha256) = (&model.name, weights.path().display(), weights.sha256());
        let done = if cached { "was there, and is intact" } else { "fetched" };
        text += &format!("{name} {done}: {path}\n{:>9} SHA-256 {sha256}\n", "");
        fetched.push(json!({"name": name, "path": path.to_string(), "sha256": sha256, "cached": cached}));
    }
    printer.result(&json!({ "models": fetched }), &text)?;
    Ok(Exit::Done)
}
