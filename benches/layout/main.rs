//! Layouts: `cargo bench --bench layout -- rows.npy umap|tsne places.npy`, one fit. `rival.py` beside this does the same
//! with umap-learn and openTSNE, in turns, and scores the places.

#[path = "../process/mod.rs"]
mod process;

use alike::progress::Silent;
use alike::reduce::{Method, ReducerParams};
use linfa::ParamGuard;
use ndarray::Array2;
use npyz::WriterBuilder;
use process::{peak, processor_seconds, read};
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

fn write(path: &str, places: &Array2<f32>) {
    let options = npyz::WriteOptions::new().default_dtype().shape(&[places.nrows() as u64, places.ncols() as u64]);
    let mut file = options.writer(fs::File::create(path).expect("a file")).begin_nd().expect("a header");
    file.extend(places.iter().copied()).expect("written");
    file.finish().expect("written");
}
