//! `alike graph`: clusters, or the groups of Mapper, and which of them belong beside one another.

mod args;

pub use args::GraphArgs;

use args::MapperChoice;

use super::printer::Printer;
use super::raster::points::new_directory;
use super::{Exit, curves, inputs};
use crate::collection::{Embeddings, Truth, n_clusters};
use crate::distance::Metric;
use crate::evaluate::files::read_labels;
use crate::files::write_whole;
use crate::neighbors::{KnnGraph, NeighborsParams, nearest};
use crate::pipeline::cluster_names;
use crate::progress::Reporter;
use crate::reduce::LinearParams;
use crate::report::graph_figure;
use crate::topology::{
    self, BallMapperParams, Cover, Graph, Inside, MAX_PLACED, MapperParams, SameClass, ball_mapper, cluster_graph,
    graphml, mapper, same_class,
};
use anyhow::Context;
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// Columns of the lens where none is given.
const LENS: usize = 2;

/// Runs the command.
pub fn run(args: &GraphArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let embeddings = inputs::embeddings(&args.embeddings)?
        .with_context(|| format!("{}: not a file of embeddings", args.embeddings.display()))?;
    let ids = embeddings.ids();
    let truth = args.truth.as_deref().map(|file| inputs::truth_file(file, ids, printer)).transpose()?;
    let layout = args.layout.as_deref().map(|file| layout(file, ids)).transpose()?;
    new_directory(&args.out)?;
    let features = embeddings.features();
    let x = features.to_dense();
    let (graph, same_class) = match args.mapper {
        Some(choice) => (mapped(args, choice, x.view(), layout.as_ref(), truth.as_ref(), printer)?, None),
        None => clustered(args, &embeddings, x.view(), truth.as_ref(), printer)?,
    };
    let places = match &layout {
        Some(layout) => Some(means(&graph, layout.view())),
        None => topology::places(&graph),
    };
    let mut json = topology::json(&graph, ids, places.as_deref());
    json["same_class"] = json!(same_class);
    write_whole(&args.out.join("graph.json"), |out| Ok(serde_json::to_writer(out, &json)?))?;
    let xml = graphml(&graph, ids, places.as_deref());
    write_whole(&args.out.join("graph.graphml"), |out| out.write_all(xml.as_bytes()))?;
    match &places {
        Some(places) => {
            let title = if args.mapper.is_some() { "Mapper" } else { "Clusters and their kin" };
            curves::picture(&args.out.join("graph"), &graph_figure(&graph, places, title))?;
        }
        None => printer.warn(&format!("no picture of more than {MAX_PLACED} groups; --layout FILE places any number")),
    }
    let (n_nodes, n_edges) = (graph.nodes.len(), graph.edges.len());
    let (n_components, n_cycles) = (graph.n_components(), graph.n_cycles());
    let json = json!({
        "n_samples": embeddings.n_samples(), "n_nodes": n_nodes, "n_edges": n_edges, "n_components": n_components,
        "n_cycles": n_cycles, "same_class": same_class, "out": args.out,
        "seconds": {"total": started.elapsed().as_secs_f64()},
    });
    let mut text = format!("{n_nodes} groups, {n_edges} edges, {n_components} components, {n_cycles} cycles\n");
    if let Some(SameClass { share, baseline }) = same_class {
        text += &format!(
            "{:.1} % of the edges' weight joins clusters of one class; by chance {:.1} %, sd {:.1} %\n",
            100.0 * share,
            100.0 * baseline.mean,
            100.0 * baseline.sd
        );
    }
    text += &format!("in {}\n", args.out.display());
    printer.result(&json, &text)?;
    Ok(Exit::Done)
}

/// The graph of the clusters in LABELS, and whether it joins clusters of one class.
fn clustered(
    args: &GraphArgs,
    embeddings: &Embeddings,
    x: ArrayView2<'_, f32>,
    truth: Option<&Truth>,
    printer: &Printer,
) -> anyhow::Result<(Graph, Option<SameClass>)> {
    let labels = args.labels.as_deref().context("--labels is missing")?;
    let clusters = inputs::aligned(&read_labels(labels)?, embeddings.ids(), printer).context("--labels")?;
    let neighbours = match &args.saved_neighbours {
        Some(file) => {
            let graph = KnnGraph::read(file)?;
            let (file, found, n) = (file.display(), graph.n_samples(), x.nrows());
            anyhow::ensure!(found == n, "--saved-neighbours {file}: those of {found} rows, where there are {n}");
            graph
        }
        None => {
            let metric = if args.cosine { Metric::Cosine } else { Metric::Euclidean };
            let n_neighbors = args.neighbours as usize;
            nearest(x, &NeighborsParams { n_neighbors, metric, seed: args.seed, ..Default::default() }, printer)?
        }
    };
    let n_clusters = n_clusters(&clusters);
    let mut graph = cluster_graph(&neighbours, &clusters, x, &cluster_names(n_clusters))?;
    let Some(truth) = truth else { return Ok((graph, None)) };
    graph.set_classes(truth)?;
    let same_class = same_class(&graph, &neighbours, &clusters, args.seed, printer)?;
    Ok((graph, same_class))
}

/// The Mapper graph.
fn mapped(
    args: &GraphArgs,
    choice: MapperChoice,
    x: ArrayView2<'_, f32>,
    layout: Option<&Array2<f32>>,
    truth: Option<&Truth>,
    printer: &Printer,
) -> anyhow::Result<Graph> {
    let min_intersection = args.min_intersection as usize;
    let cover = match choice {
        MapperChoice::Interval => Some(Cover::Interval),
        MapperChoice::Balanced => Some(Cover::Balanced),
        MapperChoice::Ball => None,
    };
    let mut graph = match cover {
        Some(cover) => {
            let inside = match args.eps {
                Some(eps) => Inside::Dbscan { eps, min_points: args.min_points as usize },
                None => MapperParams::default().inside,
            };
            let (n_intervals, overlap) = (args.intervals as usize, args.overlap);
            let params = MapperParams { cover, n_intervals, overlap, inside, min_intersection };
            match layout {
                Some(layout) => mapper(x, layout.view(), &params, printer)?,
                None => mapper(x, lens(x, args.seed, printer)?.view(), &params, printer)?,
            }
        }
        None => {
            let radius = args.radius.context("--radius is missing")?;
            ball_mapper(x, &BallMapperParams { radius, min_intersection }, printer)?
        }
    };
    if let Some(truth) = truth {
        graph.set_classes(truth)?;
    }
    Ok(graph)
}

/// The first principal components.
fn lens(x: ArrayView2<'_, f32>, seed: u64, printer: &Printer) -> anyhow::Result<Array2<f32>> {
    if x.ncols() <= LENS || x.nrows() <= LENS {
        return Ok(x.to_owned());
    }
    printer.detail("the lens is the first two principal components");
    Ok(LinearParams::pca(LENS).seed(seed).check()?.fit_rows(x, printer)?.transform_view(x))
}

/// The places of the rows in a file of two columns.
fn layout(file: &Path, ids: &[String]) -> anyhow::Result<Array2<f32>> {
    let layout = inputs::embeddings(file)?.with_context(|| format!("{}: not a file of embeddings", file.display()))?;
    let (n, columns) = (layout.n_samples(), layout.n_features());
    if n != ids.len() || columns != 2 {
        let file = file.display();
        anyhow::bail!("--layout {file}: {n} rows of {columns} columns, where {} rows of 2 are needed", ids.len());
    }
    Ok(layout.into_parts().1.to_dense().into_owned())
}

/// The mean place of each node's members.
fn means(graph: &Graph, layout: ArrayView2<'_, f32>) -> Vec<[f64; 2]> {
    let mean = |members: &[usize], axis: usize| {
        members.iter().map(|&row| f64::from(layout[[row, axis]])).sum::<f64>() / members.len() as f64
    };
    graph.nodes.iter().map(|node| [0, 1].map(|axis| mean(&node.members, axis))).collect()
}
