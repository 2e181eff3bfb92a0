//! Nearest neighbours, exact and by descent: `cargo bench --bench neighbors -- rows.npy [euclidean|cosine] [exact]`.
//! `rival.py` beside this does the same with pynndescent and scikit-learn. Times and peak memory are of one search, so
//! that each wants a run of its own.

use alike::distance::Metric;
use alike::neighbors::{KnnGraph, NeighborsParams, Search, nearest, nearest_of};
use alike::progress::Silent;
use ndarray::{Array2, ArrayView2, Axis, Slice};
use std::fs;
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

fn read(path: &str) -> Array2<f32> {
    let file =
        npyz::NpyFile::new(fs::File::open(path).map(std::io::BufReader::new).expect("a file")).expect("an array");
    let &[n, d] = file.shape() else { panic!("{path} holds no matrix") };
    Array2::from_shape_vec((n as usize, d as usize), file.into_vec().expect("f32")).expect("as many values")
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

/// Megabytes in memory at most so far; 0 where the system doesn't say.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Of all threads, in the hundredths that Linux counts in; 0 elsewhere.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
