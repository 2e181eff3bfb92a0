//! `alike choose`: how many clusters, by every criterion, with a picture.

use super::args::{ChooseArgs, name};
use super::clustering::AlgorithmChoice;
use super::exit::UsageError;
use super::printer::Printer;
use super::{Exit, inputs, results, settings};
use crate::evaluate::Candidate;
use crate::files::write_whole;
use crate::pipeline::{self, ChooseParams, NClusters, Sweep};
use crate::report::sweep_figure;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs the command.
pub fn run(args: &ChooseArgs, printer: &Printer) -> anyhow::Result<Exit> {
    check(args)?;
    let mut fit = args.fit.clone();
    if fit.algorithm == AlgorithmChoice::Auto {
        fit.algorithm = AlgorithmChoice::Kmeans;
    }
    let params = settings::fit_params(&fit, args.extractor.device)?;
    let started = Instant::now();
    let input = match inputs::embeddings(&args.input.input)? {
        Some(embeddings) => inputs::Features::given(embeddings, None, printer)?,
        None => {
            inputs::Features::of_images(&args.input, &args.extractor, args.fit.seed, params.layout(), None, printer)?
        }
    };
    let choose = ChooseParams {
        from: args.from as usize,
        to: args.to.map(|to| to as usize),
        seed: args.fit.seed,
        ..ChooseParams::default()
    };
    let (n_samples, n_features) = (input.embeddings.n_samples(), input.embeddings.n_features());
    let sweep = pipeline::choose(input.embeddings.features(), &params, &choose, printer)?;
    let figure = sweep_figure(&sweep);
    for plot in &args.plot {
        let bytes = if is_png(plot) { figure.png() } else { figure.svg().into_bytes() };
        write_whole(plot, |file| file.write_all(&bytes))?;
    }
    results::warn_of(&input.skipped, printer);
    let mut json = json!(sweep);
    json["n_features"] = json!(n_features);
    json["sampled_from"] = json!(n_samples);
    json["skipped"] = json!(input.skipped);
    json["plots"] = json!(args.plot);
    json["seconds"] = json!({ "total": started.elapsed().as_secs_f64() });
    printer.result(&json, &text(&sweep, n_samples))?;
    Ok(Exit::of_skipped(input.skipped.len()))
}

fn check(args: &ChooseArgs) -> anyhow::Result<()> {
    if let Some(to) = args.to.filter(|&to| to < args.from) {
        return Err(UsageError(format!("--from {} --to {to}: the first must not be the larger", args.from)).into());
    }
    let asked = match args.fit.clusters {
        NClusters::Fixed(k) => Some(format!("--clusters {k}")),
        NClusters::Auto => (!args.fit.levels.is_empty()).then(|| "--levels".into()),
    };
    if let Some(asked) = asked {
        return Err(UsageError(format!("{asked}: that is what choose is asked; give --from and --to")).into());
    }
    use AlgorithmChoice::{Dbscan, Filter, Hdbscan, Layers, Leiden, Optics, Tomato, Visual};
    if matches!(args.fit.algorithm, Dbscan | Optics | Hdbscan | Layers | Leiden | Tomato | Filter | Visual) {
        let algorithm = name(&args.fit.algorithm);
        let refused = format!("--algorithm {algorithm} finds the number itself: there is nothing to choose");
        return Err(UsageError(refused).into());
    }
    if let Some(file) = settings::start_file(&args.fit) {
        return Err(
            UsageError(format!("--init {}: a given start has its own number of clusters", file.display())).into()
        );
    }
    if let Some(plot) = args.plot.iter().find(|plot| !is_png(plot) && !has_extension(plot, "svg")) {
        return Err(UsageError(format!("--plot {}: give a name that ends in .svg or .png", plot.display())).into());
    }
    let plots: Vec<&Path> = args.plot.iter().map(PathBuf::as_path).collect();
    inputs::check_results(&args.input.input, &[], &plots)
}

fn is_png(path: &Path) -> bool {
    has_extension(path, "png")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// The table, then the suggestion with its reasons.
fn text(sweep: &Sweep, n_samples: usize) -> String {
    let mut text = String::from(
        "   k    inertia  elbow    gap ±error  silhouette  Calinski-H.  Davies-B.    Dunn  stability -reference  support\n",
    );
    let cell = |value: Option<f64>, width: usize, digits: usize| match value {
        Some(value) => format!("{value:>width$.digits$}"),
        None => format!("{:>width$}", "-"),
    };
    let suggested = sweep.suggestion.n_clusters;
    for c in &sweep.candidates {
        let Candidate { n_clusters, inertia, support, .. } = *c;
        let mark = if n_clusters == suggested { '>' } else { ' ' };
        let cells = [
            cell(c.elbow, 7, 3),
            cell(c.gap.map(|gap| gap.value), 7, 3),
            cell(c.gap.map(|gap| gap.error), 7, 3),
            cell(c.silhouette, 12, 3),
            cell(c.calinski_harabasz, 13, 1),
            cell(c.davies_bouldin, 11, 3),
            cell(c.dunn, 8, 3),
            cell(c.stability, 11, 2),
            cell(c.reference_stability, 11, 2),
            cell(Some(support), 9, 2),
        ];
        writeln!(text, "{mark}{n_clusters:>3} {inertia:>10.4e}{}", cells.concat()).expect("a string takes all");
    }
    let s = &sweep.suggestion;
    text += &match suggested {
        1 => "\nSuggestion: 1 cluster\n".to_owned(),
        k => format!("\nSuggestion: {k} clusters\n"),
    };
    for reason in &s.reasons {
        writeln!(text, "  {reason}").expect("a string takes all");
    }
    if sweep.n_samples < n_samples {
        let n = sweep.n_samples;
        writeln!(text, "  (judged on {n} of {n_samples} images)").expect("a string takes all");
    }
    text
}
