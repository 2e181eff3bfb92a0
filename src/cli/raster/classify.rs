//! `alike raster classify`: classes by filter.

use std::fmt::Write;
use std::time::Instant;

use ndarray::Ix2;
use serde_json::json;

use super::args::ClassifyArgs;
use super::film::Film;
use super::points::{self, Points};
use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::collection::Truth;
use crate::device::Device;
use crate::files::write_whole;
use crate::progress::Reporter;
use crate::raster::filter::Boundary;
use crate::raster::{CellLabel, ClassifyParams, Loop, SparseMap, SparseParams, Transform, classify, picture};

/// Milliseconds of a frame.
const FRAME: u32 = 800;

/// Runs the command.
pub fn run(args: &ClassifyArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let points = Points::read(&args.points.points)?;
    let truth = points.classes(&args.points.points, args.classes.truth.as_deref(), printer)?;
    let out = &args.points.out;
    let sparse = points.x.ncols() > Transform::MAX_AXES && args.classes.boundary == Boundary::Plain;
    let (labels, loops) = if sparse {
        printer.notice("more than 4 dimensions: points vote in the cells that hold any, without loops or pictures");
        let params = SparseParams { side: args.points.side, aspect: args.points.aspect, ..SparseParams::default() };
        let map = SparseMap::fit(points.x.view(), &truth.classes, &params)?;
        points::new_directory(out)?;
        (map.assign(points.x.view()), Vec::new())
    } else {
        dense(args, &points, &truth, printer)?
    };
    points::write_labels(out, &points.ids, &labels, |class| truth.names[class].clone())?;
    let agreement = points::agreement(&labels, &truth);
    let json = json!({
        "n_samples": labels.len(), "n_known": truth.n_known(), "classes": truth.names, "loops": loops,
        "agreement": agreement, "out": out, "seconds": started.elapsed().as_secs_f64(),
    });
    let mut text = String::new();
    for row in &loops {
        let relabelled = row["relabelled"].as_f64().unwrap_or(0.0);
        // Writing to a string never fails.
        let _ = writeln!(
            text,
            "loop {}: {} cells had a class, {:.1} % of them changed",
            row["number"],
            row["n_labelled"],
            100.0 * relabelled
        );
    }
    let _ = write!(
        text,
        "{:.1} % of {} points with a class are in a cell of it; all in {}",
        100.0 * agreement,
        truth.n_known(),
        out.display()
    );
    printer.result(&json, &text)?;
    Ok(Exit::Done)
}

/// On a raster of all cells, with its pictures if it has two axes.
fn dense(
    args: &ClassifyArgs,
    points: &Points,
    truth: &Truth,
    printer: &Printer,
) -> anyhow::Result<(Vec<CellLabel>, Vec<serde_json::Value>)> {
    let drawn = points::draw(&args.points, &args.classes, &points.x, truth)?;
    let params = ClassifyParams {
        window: args.window,
        n_loops: args.loops,
        weighting: args.weighting,
        boundary: args.classes.boundary,
        device: Device::open(args.device)?,
    };
    points::new_directory(&args.points.out)?;
    let mut gif = Vec::new();
    let mut film = (drawn.transform.n_axes() == 2).then(|| Film::new(&args.points.out, &mut gif, FRAME));
    if let Some(film) = &mut film {
        film.still("labels-drawn.png", &picture::labels(&drawn));
    }
    let mut loops = Vec::new();
    let mut see = |after: Loop<'_>| {
        let number = after.number + 1;
        let mut shares = vec![0.0; truth.names.len()];
        let share = 1.0 / after.map.cells.len() as f64;
        after.map.cells.iter().filter_map(|cell| cell.cluster).for_each(|class| shares[class] += share);
        let relabelled = after.n_relabelled as f64 / after.n_labelled.max(1) as f64;
        loops.push(json!({
            "number": number, "n_labelled": after.n_labelled, "relabelled": relabelled, "shares": shares,
        }));
        if let Some(film) = &mut film {
            let labels = picture::labels(after.map);
            film.still(&format!("labels-{number:03}.png"), &labels);
            film.frame(labels);
            let density = after.density.view().into_dimensionality::<Ix2>().expect("two axes");
            film.still(&format!("density-{number:03}.png"), &picture::density(density));
        }
    };
    let map = classify(drawn, &params, &mut see, printer)?;
    film.map_or(Ok(()), Film::finish)?;
    if !gif.is_empty() {
        write_whole(&args.points.out.join("animation.gif"), |out| out.write_all(&gif))?;
    }
    Ok((map.assign(points.x.view()), loops))
}
