//! The command line: one file per command, each returning an [`Exit`].

mod args;
mod assign;
mod choose;
mod cluster;
mod clustering;
mod curves;
mod embed;
mod exit;
mod extractor;
mod gallery;
mod graph;
mod inputs;
mod models;
mod printer;
mod raster;
mod results;
mod score;
mod settings;
mod sort;
mod stream;
mod synth;
mod tables;
mod undo;

pub use exit::Exit;

use args::{Cli, Command};
use clap::Parser;
use exit::UsageError;
use printer::Printer;

/// Parses the arguments, runs the command, prints its error if it has one.
pub fn main() -> Exit {
    let cli = Cli::parse();
    if let Some(threads) = cli.common.threads {
        // Fails only if the pool stands already, and nothing before this line starts it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
    }
    let printer = Printer::new(&cli.common);
    run(&cli.command, &printer).unwrap_or_else(|error| {
        use crate::progress::Reporter;
        printer.end();
        if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
            return Exit::Done;
        }
        if printer.interrupted() {
            eprintln!("{}", crate::progress::Interrupted);
            return Exit::Interrupted;
        }
        eprintln!("error: {}", printer::harmless(&told(&error)));
        if error.is::<UsageError>() { Exit::Usage } else { Exit::Failed }
    })
}

/// The error with its causes, leaving out those that a message before tells already.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.contains(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

fn run(command: &Command, printer: &Printer) -> anyhow::Result<Exit> {
    match command {
        Command::Sort(args) => sort::run(args, printer),
        Command::Embed(args) => embed::run(args, printer),
        Command::Cluster(args) => cluster::run(args, printer),
        Command::Choose(args) => choose::run(args, printer),
        Command::Score(args) => score::run(args, printer),
        Command::Graph(args) => graph::run(args, printer),
        Command::Assign(args) => assign::run(args, printer),
        Command::Undo(args) => undo::run(args, printer),
        Command::Models(args) => models::run(args, printer),
        Command::Synth(args) => synth::run(args, printer),
        Command::Raster(args) => raster::run(args, printer),
    }
}
