//! What a bench reads beside a clock: rows from a file, and what the system says of this process.

use ndarray::Array2;
use std::fs;

/// The rows of a `.npy` of f32.
pub fn read(path: &str) -> Array2<f32> {
    let file =
        npyz::NpyFile::new(fs::File::open(path).map(std::io::BufReader::new).expect("a file")).expect("an array");
    let &[n, d] = file.shape() else { panic!("{path} holds no matrix") };
    Array2::from_shape_vec((n as usize, d as usize), file.into_vec().expect("f32")).expect("as many values")
}

/// Megabytes in memory at most so far; 0 where the system doesn't say.
pub fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Of all threads, in the hundredths that Linux counts in; 0 elsewhere.
pub fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
