//! Nearest neighbours, exact and by descent: `cargo bench --bench neighbors -- rows.npy [euclidean|cosine] [exact]`.
//! `rival.py` beside this does the same with pynndescent and scikit-learn. Times and peak memory are of one search, so
//! that each wants a run of its own.

#[path = "../process/mod.rs"]
mod process;

use alike::distance::Metric;
use alike::neighbors::{KnnGraph, NeighborsParams, Search, nearest, nearest_of};
use alike::progress::Silent;
use ndarray::{ArrayView2, Axis, Slice};
use process::{peak, processor_seconds, read};
use std::time::Instant;

/// Rows whose neighbours are compared with the exact ones.
const SAMPLE: usize = 2000;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Some(path) = args.first() else { return println!("no rows given: see benches/README.md") };
    let metric = if args.iter().any(|arg| arg == "cosine") { Metric::Cosine } else { Metric::Euclidean };
    let search = if args.iter().any(|arg| arg == "exact") { Search::Exact } else { Search::Descent };
    let x = read(path);
    let (peak, cpu, start) = (peak(), processor_seconds(), Instant::now());
    let graph = nearest(x.view(), &NeighborsParams { metric, search, ..Default::default() }, &Silent).expect("a graph");
    let (wall, cpu) = (start.elapsed().as_secs_f64(), processor_seconds() - cpu);
    println!("{search:?}, {metric:?}, {:?}: {wall:.2} s, {cpu:.2} s of processor time", x.dim());
    println!("peak {} MB, {} of them on top of the rows", self::peak(), self::peak() - peak);
    println!("recall {:.4}", recall(x.view(), &graph));
}

fn recall(x: ArrayView2<'_, f32>, graph: &KnnGraph) -> f64 {
    let k = graph.n_neighbors();
    let every = Slice::new(0, None, (x.nrows() / SAMPLE).max(1) as isize);
    let (_, exact) = nearest_of(x.slice_axis(Axis(0), every), x, k + 1, graph.metric());
    let found = graph.distances().slice_axis(Axis(0), every).to_owned();
    let hits = found
        .outer_iter()
        .zip(exact.outer_iter())
        .flat_map(|(found, exact)| found.to_vec().into_iter().map(move |d| d <= exact[k]));
    hits.filter(|&hit| hit).count() as f64 / found.len() as f64
}
