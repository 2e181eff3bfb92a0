//! `alike raster`: points drawn, filtered and labelled, as pictures.

mod args;
mod classify;
mod cluster;
mod film;
mod fractal;
pub(super) mod points;
mod visual;

pub use args::RasterArgs;

use args::RasterAction;

use super::Exit;
use super::printer::Printer;

/// Runs the command.
pub fn run(args: &RasterArgs, printer: &Printer) -> anyhow::Result<Exit> {
    match &args.action {
        RasterAction::Classify(args) => classify::run(args, printer),
        RasterAction::Cluster(args) => cluster::run(args, printer),
        RasterAction::Fractal(args) => fractal::run(args, printer),
        RasterAction::Visual(args) => visual::run(args, printer),
    }
}
