//! `alike raster visual`: clusters as a network sees them.

use std::time::Instant;

use ndarray::Ix2;
use serde_json::json;

use super::args::VisualArgs;
use super::film::write_png;
use super::points::{self, Points};
use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::raster::{VisualParams, picture, visual};

/// Runs the command.
pub fn run(args: &VisualArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let points = Points::read(&args.points.points)?;
    let grid = points::grid(&args.points, &points.x)?;
    let params = VisualParams { denoise: args.denoise as usize, reach: args.reach, split: args.split_by_density };
    let map = visual(&grid, &params, printer)?;
    let out = &args.points.out;
    points::new_directory(out)?;
    let labels = map.assign(points.x.view());
    points::write_labels(out, &points.ids, &labels, |cluster| cluster.to_string())?;
    write_png(&out.join("labels.png"), &picture::labels(&map))?;
    let counts = grid.counts.mapv(f64::from).into_dimensionality::<Ix2>()?;
    write_png(&out.join("density.png"), &picture::density(counts.view()))?;
    let n_noise = labels.iter().filter(|label| label.cluster.is_none()).count();
    let (n, k) = (labels.len(), map.n_clusters());
    let json = json!({
        "n_samples": n, "n_clusters": k, "n_noise": n_noise, "out": out, "seconds": started.elapsed().as_secs_f64(),
    });
    printer.result(&json, &format!("{k} clusters of {n} points, {n_noise} of them noise; all in {}", out.display()))?;
    Ok(Exit::Done)
}
