//! What `alike score` adds where it is asked: accuracy by neighbours, the grid of DBSCAN, the purity-coverage curve; as
//! figures, tables and pictures.

use super::args::ScoreArgs;
use super::printer::Printer;
use crate::collection::{ClusterId, Embeddings, Truth};
use crate::distance::Metric;
use crate::evaluate::files::{align, read_confidence};
use crate::evaluate::{self, CoveragePoint, DbscanGrid, DbscanGridParams, NeighbourAccuracy, ScaledGrid, Spread};
use crate::files::write_whole;
use crate::neighbors::{NeighborsParams, Search, nearest};
use crate::report::{self, Figure};
use anyhow::Context;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Numbers of neighbours whose accuracy is printed; all are in the table.
const SHOWN: [usize; 6] = [1, 5, 10, 20, 50, 100];
/// Coverages at which the curve is printed.
const COVERAGES: [f64; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Adds what `args` ask for to the JSON object and the text of the scores.
pub fn add(
    args: &ScoreArgs,
    clusters: &[Option<ClusterId>],
    truth: &Truth,
    embeddings: Option<&Embeddings>,
    ids: &[String],
    (json, text): (&mut Value, &mut String),
    printer: &Printer,
) -> anyhow::Result<()> {
    let plots = args.plots.as_deref();
    if let (true, Some(embeddings)) = (args.dbscan_grid, embeddings) {
        let layout = embeddings.features();
        let layout = layout.to_dense();
        let found = evaluate::dbscan_grid(layout.view(), truth, &DbscanGridParams::default(), printer)?;
        if let Some(plots) = plots {
            grid_table(&plots.join("dbscan-grid.csv"), &found)?;
            picture(&plots.join("dbscan-grid"), &report::grid_figure(&found))?;
        }
        *text += &grid_text(&found);
        json["dbscan_grid"] = json!(found);
    }
    if args.coverage_curve {
        let confidence = align(ids, &read_confidence(&args.labels)?).context("--coverage-curve")?.values;
        let found = evaluate::purity_coverage(clusters, &confidence, truth)?;
        if let Some(plots) = plots {
            coverage_table(&plots.join("coverage.csv"), &found)?;
            picture(&plots.join("coverage"), &report::coverage_figure(&found))?;
        }
        *text += &coverage_text(&found);
        json["purity_coverage"] = json!(found);
    }
    // Last, for it takes longest: what the others refuse is refused at once.
    if let (Some(k), Some(embeddings)) = (args.neighbours, embeddings) {
        let metric = if args.cosine { Metric::Cosine } else { Metric::Euclidean };
        let found = neighbours(embeddings, truth, k as usize, metric, printer)?;
        if let (Some(plots), Some(found)) = (plots, &found) {
            let share = |values: &[f64], at: usize| values[at].to_string();
            let row = |at: usize| {
                [(at + 1).to_string(), share(&found.precision, at), share(&found.majority_vote, at)].to_vec()
            };
            table(
                &plots.join("neighbours.csv"),
                &["k", "precision", "majority_vote"],
                (0..found.precision.len()).map(row),
            )?;
            picture(&plots.join("neighbours"), &report::neighbour_figure(found))?;
        }
        json["neighbours"] = json!(found);
        *text += &found.map_or_else(String::new, |found| neighbour_text(&found));
    }
    Ok(())
}

/// The accuracies of the rows whose class is known.
fn neighbours(
    embeddings: &Embeddings,
    truth: &Truth,
    n_neighbors: usize,
    metric: Metric,
    printer: &Printer,
) -> anyhow::Result<Option<NeighbourAccuracy>> {
    let known: Vec<usize> = (0..truth.classes.len()).filter(|&row| truth.classes[row].is_some()).collect();
    let classes = known.iter().map(|&row| truth.classes[row]).collect();
    let features = embeddings.features();
    let features = if known.len() == truth.classes.len() { features } else { features.select(&known) };
    let params = NeighborsParams { n_neighbors, metric, search: Search::Exact, ..NeighborsParams::default() };
    let graph = nearest(features.to_dense().view(), &params, printer)?;
    Ok(evaluate::neighbour_accuracy(&graph, &Truth { names: truth.names.clone(), classes })?)
}

fn neighbour_text(found: &NeighbourAccuracy) -> String {
    let most = found.precision.len();
    let mut text = format!("accuracy by neighbours, of {} images\n", found.n_samples);
    for k in SHOWN.into_iter().filter(|&k| k < most).chain((most > 0).then_some(most)) {
        let (precision, vote) = (found.precision[k - 1], found.majority_vote[k - 1]);
        line(
            &mut text,
            format_args!("  K = {k:<4} {precision:.4} of the nearest in the class, {vote:.4} by majority vote"),
        );
    }
    text
}

/// The scales with their names in tables.
fn scales(grid: &DbscanGrid) -> impl Iterator<Item = (&'static str, &ScaledGrid)> {
    [Some(("native", &grid.native)), grid.common.as_ref().map(|common| ("common", common))].into_iter().flatten()
}

fn grid_text(grid: &DbscanGrid) -> String {
    let mut text = String::new();
    for (scale, found) in scales(grid) {
        let (runs, factor) = (found.runs.len(), found.factor);
        line(&mut text, format_args!("DBSCAN, {runs} runs, {scale} scale (times {factor:.4})"));
        let figures = [
            ("ARI, noise one cluster", found.ari_one_cluster),
            ("ARI, noise excluded", found.ari_excluded),
            ("coverage", found.coverage),
        ];
        for (name, spread) in figures {
            let Some(Spread { mean, min, max, sd }) = spread else { continue };
            line(&mut text, format_args!("  {name:<23} mean {mean:.4}  min {min:.4}  max {max:.4}  sd {sd:.4}"));
        }
    }
    text
}

fn grid_table(path: &Path, grid: &DbscanGrid) -> anyhow::Result<()> {
    let header =
        ["scale", "eps", "min_samples", "n_clusters", "coverage", "ari_one_cluster", "ari_excluded", "purity_excluded"];
    let rows = scales(grid).flat_map(|(scale, found)| {
        found.runs.iter().map(move |run| {
            let set = [scale.to_owned(), run.eps.to_string(), run.min_samples.to_string(), run.n_clusters.to_string()];
            let found = [run.coverage, run.ari_one_cluster, run.ari_excluded, run.purity_excluded];
            set.into_iter().chain(found.map(cell)).collect()
        })
    });
    table(path, &header, rows)
}

fn coverage_text(curve: &[CoveragePoint]) -> String {
    let mut text = String::from("purity of the images that are surest of their cluster\n");
    for least in COVERAGES {
        // The last point may cover less than 1: what is in a cluster.
        let Some(point) = curve.iter().find(|point| point.coverage >= least).or(curve.last()) else { continue };
        let [purity, worst] = [point.purity, point.purity_worst].map(|value| value.unwrap_or_default());
        line(
            &mut text,
            format_args!(
                "  {:>5.1} % covered: purity {purity:.4}, {} clusters, the worst {worst:.4}, from confidence {:.4}",
                100.0 * point.coverage,
                point.n_clusters,
                point.threshold
            ),
        );
        if point.coverage < least {
            break;
        }
    }
    text
}

fn coverage_table(path: &Path, curve: &[CoveragePoint]) -> anyhow::Result<()> {
    let header = ["threshold", "coverage", "n_clusters", "purity", "purity_mean", "purity_worst", "ari"];
    let rows = curve.iter().map(|point| {
        let found = [point.purity, point.purity_mean, point.purity_worst, point.ari];
        let set = [point.threshold.to_string(), point.coverage.to_string(), point.n_clusters.to_string()];
        set.into_iter().chain(found.map(cell)).collect()
    });
    table(path, &header, rows)
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes all");
}

/// Writes a CSV table.
fn table(path: &Path, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> anyhow::Result<()> {
    Ok(write_whole(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(header)?;
        for row in rows {
            csv.write_record(row)?;
        }
        csv.flush()
    })?)
}

/// Writes a figure as .svg and .png.
pub fn picture(path: &Path, figure: &Figure) -> anyhow::Result<()> {
    write_whole(&path.with_extension("svg"), |out| out.write_all(figure.svg().as_bytes()))?;
    Ok(write_whole(&path.with_extension("png"), |out| out.write_all(&figure.png()))?)
}
