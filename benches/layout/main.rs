//! Layouts: `cargo bench --bench layout -- rows.npy umap|tsne places.npy`, one fit. `rival.py` beside this does the same
//! with umap-learn and openTSNE, in turns, and scores the places.

use alike::progress::Silent;
use alike::reduce::{Method, ReducerParams};
use linfa::ParamGuard;
use ndarray::Array2;
use npyz::WriterBuilder;
use std::fs;
use std::time::Instant;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [rows, method, places] = args.as_slice() else { return println!("no rows given: see benches/README.md") };
    let method = if method == "tsne" { Method::Tsne } else { Method::Umap };
    let x = read(rows);
    let params = ReducerParams::new(method, 2).check().expect("parameters");
    let (before, cpu, start) = (peak(), processor_seconds(), Instant::now());
    let reducer = params.fit_features(x.view(), &Silent).expect("a layout");
    let (wall, cpu) = (start.elapsed().as_secs_f64(), processor_seconds() - cpu);
    println!("{wall:.2} s, {cpu:.2} s of processor time, {} MB on top of the rows", peak() - before);
    write(places, &reducer.fitted().expect("places"));
}

fn read(path: &str) -> Array2<f32> {
    let file =
        npyz::NpyFile::new(fs::File::open(path).map(std::io::BufReader::new).expect("a file")).expect("an array");
    let &[n, d] = file.shape() else { panic!("{path} holds no matrix") };
    Array2::from_shape_vec((n as usize, d as usize), file.into_vec().expect("f32")).expect("as many values")
}

fn write(path: &str, places: &Array2<f32>) {
    let options = npyz::WriteOptions::new().default_dtype().shape(&[places.nrows() as u64, places.ncols() as u64]);
    let mut file = options.writer(fs::File::create(path).expect("a file")).begin_nd().expect("a header");
    file.extend(places.iter().copied()).expect("written");
    file.finish().expect("written");
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
