//! `alike raster cluster`: clusters by the peaks of a density, and their hierarchy.

use std::time::Instant;

use ndarray::Ix2;
use serde_json::json;

use super::args::ClusterArgs;
use super::film::write_png;
use super::points::{self, Points};
use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::pipeline::NClusters;
use crate::raster::{DensityParams, Equaliser, clusters, equalise, hierarchy, picture};

/// Runs the command.
pub fn run(args: &ClusterArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let points = Points::read(&args.points.points)?;
    let grid = points::grid(&args.points, &points.x)?;
    let n_clusters = match args.clusters {
        NClusters::Auto => None,
        NClusters::Fixed(n) => Some(n),
    };
    let params = DensityParams { n_clusters, noise: args.alone, ..DensityParams::default() };
    let found = clusters(&grid, &params, printer)?;
    let out = &args.points.out;
    points::new_directory(out)?;
    let labels = found.map.assign(points.x.view());
    points::write_labels(out, &points.ids, &labels, |cluster| cluster.to_string())?;
    write_png(&out.join("labels.png"), &picture::labels(&found.map))?;
    let plane = found.density.view().into_dimensionality::<Ix2>()?;
    write_png(&out.join("density.png"), &picture::density(plane))?;
    for (name, equaliser) in [("published", Equaliser::Published), ("histogram", Equaliser::Histogram)] {
        let levels = equalise(found.density.view(), equaliser).into_dimensionality::<Ix2>()?;
        write_png(&out.join(format!("equalised-{name}.png")), &picture::levels(levels.view()))?;
    }
    let most = found.density.iter().copied().fold(0.0, f64::max);
    let levels: Vec<f64> = (1..=args.levels).rev().map(|halvings| most * 0.5f64.powi(halvings as i32)).collect();
    let nested = hierarchy(found.density.view(), &levels);
    for (step, (segments, _)) in nested.iter().enumerate() {
        let segments = segments.as_slice().expect("standard layout");
        let drawn = picture::labels_of(&found.map.transform.shape, |cell| segments[cell]);
        write_png(&out.join(format!("level-{:03}.png", step + 1)), &drawn)?;
    }
    let n_noise = labels.iter().filter(|label| label.cluster.is_none()).count();
    let (n, k) = (labels.len(), found.map.n_clusters());
    let levels: Vec<_> = levels.iter().zip(&nested).map(|(level, (_, n))| json!({"density": level, "n": n})).collect();
    let branch = |b: &crate::raster::Branch| json!({"birth": b.birth, "death": b.death, "parent": b.parent});
    let json = json!({
        "n_samples": n, "n_clusters": k, "n_noise": n_noise, "bandwidth": found.bandwidth,
        "ln_chance": found.ln_chance, "levels": levels,
        "branches": found.tree.branches.iter().map(branch).collect::<Vec<_>>(),
        "out": out, "seconds": started.elapsed().as_secs_f64(),
    });
    let text = format!(
        "{k} clusters of {n} points, {n_noise} of them noise, at a bandwidth of {:.1} cells; all in {}",
        found.bandwidth,
        out.display()
    );
    printer.result(&json, &text)?;
    Ok(Exit::Done)
}
