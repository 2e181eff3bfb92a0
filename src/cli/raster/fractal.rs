//! `alike raster fractal`: classes by copying neighbours.

use std::time::Instant;

use serde_json::{Value, json};

use super::args::{FractalArgs, FractalMethod};
use super::film::{Film, write_png};
use super::points::{self, Points};
use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::collection::Truth;
use crate::files::write_whole;
use crate::raster::{FractalLoop, FractalParams, HarmonicParams, LabelMap, fractal, harmonic, picture};

/// Milliseconds of a frame.
const FRAME: u32 = 60;

/// Runs the command.
pub fn run(args: &FractalArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let points = Points::read(&args.points.points)?;
    let truth = points.classes(&args.points.points, args.classes.truth.as_deref(), printer)?;
    let out = &args.points.out;
    let drawn = points::draw(&args.points, &args.classes, &points.x, &truth)?;
    points::new_directory(out)?;
    write_png(&out.join("labels-drawn.png"), &picture::labels(&drawn))?;
    let (map, told, text) = match args.method {
        FractalMethod::Harmonic => solve(args, &drawn, &truth, printer)?,
        FractalMethod::Voter | FractalMethod::Pinned => copy(args, drawn, printer)?,
    };
    let labels = map.assign(points.x.view());
    points::write_labels(out, &points.ids, &labels, |class| truth.names[class].clone())?;
    let agreement = points::agreement(&labels, &truth);
    let json = json!({
        "n_samples": labels.len(), "n_known": truth.n_known(), "classes": truth.names, "process": told,
        "agreement": agreement, "out": out, "seconds": started.elapsed().as_secs_f64(),
    });
    let last = format!(
        "{:.1} % of {} points with a class are in a cell of it; all in {}",
        100.0 * agreement,
        truth.n_known(),
        out.display()
    );
    printer.result(&json, &format!("{text}\n{last}"))?;
    Ok(Exit::Done)
}

type Told = anyhow::Result<(LabelMap, Value, String)>;

/// The process, with a picture every so many loops and all in motion.
fn copy(args: &FractalArgs, drawn: LabelMap, printer: &Printer) -> Told {
    let params = FractalParams {
        n_loops: args.loops,
        n_growing: args.growing,
        pinned: args.method == FractalMethod::Pinned,
        boundary: args.classes.boundary,
        seed: args.seed,
    };
    let (out, shape) = (&args.points.out, drawn.transform.shape.clone());
    let mut gif = Vec::new();
    let mut film = Film::new(out, &mut gif, FRAME);
    let (mut loops, mut text) = (Vec::new(), String::new());
    let mut see = |after: FractalLoop<'_>| {
        let number = after.number;
        let labels = picture::labels_of(&shape, |cell| after.labels[cell]);
        if number == args.loops || number.is_multiple_of(args.every as usize) {
            film.still(&format!("labels-{number:04}.png"), &labels);
        }
        film.frame(labels);
        text = format!(
            "after {number} loops {:.1} % of the cells changed in the last, {:.1} % of neighbours differ",
            100.0 * after.changed,
            100.0 * after.interface
        );
        loops.push(json!({
            "number": number, "changed": after.changed, "unlabelled": after.unlabelled, "interface": after.interface,
            "shares": after.shares,
        }));
    };
    let map = fractal(drawn, &params, &mut see, printer)?;
    film.finish()?;
    write_whole(&out.join("animation.gif"), |file| file.write_all(&gif))?;
    Ok((map, json!({"loops": loops}), text))
}

/// The probabilities, a picture for each class.
fn solve(args: &FractalArgs, drawn: &LabelMap, truth: &Truth, printer: &Printer) -> Told {
    let params = HarmonicParams { boundary: args.classes.boundary, ..HarmonicParams::default() };
    let found = harmonic(drawn, &params, printer)?;
    let out = &args.points.out;
    let labels = picture::labels(&found.map);
    write_png(&out.join("labels.png"), &labels)?;
    write_png(&out.join("first-last.png"), &picture::side_by_side(&[&picture::labels(drawn), &labels]))?;
    let shape = (drawn.transform.shape[0], drawn.transform.shape[1]);
    for (class, probabilities) in found.probabilities.outer_iter().enumerate() {
        let plane = probabilities.to_shape(shape)?;
        write_png(&out.join(format!("probability-{class:03}.png")), &picture::shares(plane.view()))?;
    }
    let share = 1.0 / found.map.cells.len() as f64;
    let mut shares = vec![0.0; truth.names.len()];
    found.map.cells.iter().filter_map(|cell| cell.cluster).for_each(|class| shares[class] += share);
    let text = format!("solved in {} rounds", found.n_rounds);
    Ok((found.map, json!({"n_rounds": found.n_rounds, "shares": shares}), text))
}
