//! `alike raster`: points drawn, filtered and labelled, as pictures.

mod args;
mod classify;
mod film;
mod fractal;
mod points;

pub use args::RasterArgs;

use args::RasterAction;

use super::Exit;
use super::printer::Printer;

/// Runs the command.
pub fn run(args: &RasterArgs, printer: &Printer) -> anyhow::Result<Exit> {
    match &args.action {
        RasterAction::Classify(args) => classify::run(args, printer),
        RasterAction::Fractal(args) => fractal::run(args, printer),
    }
}
