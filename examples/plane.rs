//! How well and how fast points in the plane are clustered by drawing them.
//!
//! ```text
//! cargo run --release --example plane -- sets [DRAWS [N...]]
//! cargo run --release --example plane -- speed [N...]
//! ```
//!
//! `sets`: adjusted mutual information at one fixed setting on fresh draws of six sets, the worst of them, and what the
//! Bayes rule reaches on the true densities, which no method exceeds but by chance. `speed`: ten blobs of deviation 4 in a
//! box of 256, from rows in memory to the label of each; the rival is benches/raster/speed.py.

use std::time::Instant;

use alike::cluster::{Algorithm, FilterParams, VisualParams};
use alike::evaluate::{Contingency, ami};
use alike::progress::Silent;
use alike::synth::{self, BlobsParams, CirclesParams, Kind, MoonsParams, Points, Recipe, UniformParams};
use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SETS: [Kind; 6] = [Kind::Circles, Kind::Moons, Kind::Blobs, Kind::Aniso, Kind::Varied, Kind::Uniform];
/// Points that the Bayes rule is tried on.
const TRIED: usize = 20_000;
/// Points that a curve's density is made of.
const ALONG: usize = 1000;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers =
        |from: usize| args.iter().skip(from).map(|arg| arg.parse()).collect::<std::result::Result<Vec<_>, _>>();
    match args.first().map(String::as_str) {
        Some("sets") => {
            let draws = args.get(1).map_or(Ok(20), |arg| arg.parse())?;
            let sizes = Some(numbers(2)?).filter(|sizes| !sizes.is_empty());
            sets(draws, &sizes.unwrap_or(vec![2_000, 20_000, 500_000]))
        }
        Some("speed") => {
            let sizes = Some(numbers(1)?).filter(|sizes| !sizes.is_empty());
            speed(&sizes.unwrap_or(vec![10_000, 50_000, 100_000, 500_000, 1_000_000, 2_000_000]))
        }
        _ => Err("usage: plane sets [DRAWS [N...]] | speed [N...]".into()),
    }
}

fn algorithms() -> [(&'static str, Algorithm); 2] {
    [("visual", Algorithm::Visual(VisualParams::new())), ("filter", Algorithm::Filter(FilterParams::new()))]
}

fn sets(draws: u64, sizes: &[usize]) -> Result<()> {
    println!(
        "{:<8} {:>7} {:<7} {:>6} {:>6} {:>5} {:>7} {:>9}  clusters",
        "set", "n", "by", "mean", "worst", "draw", "noise", "seconds"
    );
    for kind in SETS {
        for &n in sizes {
            let mut bayes = Vec::new();
            for seed in 1..=draws {
                bayes.extend(ceiling(kind, seed, n)?);
            }
            if !bayes.is_empty() {
                println!(
                    "{:<8} {n:>7} {:<7} {:>6.3}",
                    name(kind),
                    "Bayes",
                    bayes.iter().sum::<f64>() / bayes.len() as f64
                );
            }
            for (by, algorithm) in algorithms() {
                let mut found = Vec::new();
                for seed in 1..=draws {
                    let points = draw(kind, seed, n)?;
                    let x = points.data.mapv(|value| value as f32);
                    let start = Instant::now();
                    let clustering = algorithm.fit(x.view(), &Silent)?;
                    let seconds = start.elapsed().as_secs_f64();
                    let noise = clustering.labels.iter().filter(|label| label.is_none()).count() as f64 / n as f64;
                    let n_clusters = clustering.n_clusters();
                    let score = ami(&Contingency::from_pairs(clustering.labels.into_iter().zip(points.labels)));
                    found.push((score.unwrap_or(0.0), seed, n_clusters, noise, seconds));
                }
                let mean =
                    |of: fn(&(f64, u64, usize, f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / draws as f64;
                let worst = found.iter().min_by(|a, b| a.0.total_cmp(&b.0)).ok_or("no draws")?;
                let mut seconds: Vec<f64> = found.iter().map(|found| found.4).collect();
                seconds.sort_unstable_by(f64::total_cmp);
                let clusters = found.iter().map(|found| found.2);
                println!(
                    "{:<8} {n:>7} {by:<7} {:>6.3} {:>6.3} {:>5} {:>7.4} {:>9.4}  {} to {}",
                    name(kind),
                    mean(|found| found.0),
                    worst.0,
                    worst.1,
                    mean(|found| found.3),
                    seconds[seconds.len() / 2],
                    clusters.clone().min().unwrap_or(0),
                    clusters.max().unwrap_or(0),
                );
            }
        }
    }
    Ok(())
}

fn name(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

fn draw(kind: Kind, seed: u64, n: usize) -> Result<Points> {
    Ok(match Recipe::new(kind, seed) {
        Recipe::Blobs(params) => synth::blobs(&BlobsParams { n_samples: n, ..params })?,
        Recipe::Moons(params) => synth::moons(&MoonsParams { n_samples: n, ..params })?,
        Recipe::Circles(params) => synth::circles(&CirclesParams { n_samples: n, ..params })?,
        _ => synth::uniform(&UniformParams { n_samples: n, seed }),
    })
}

/// The adjusted mutual information of the classes with the most probable ones; of up to [`TRIED`] points, the same for
/// any number of them. None for a set of one class.
fn ceiling(kind: Kind, seed: u64, n: usize) -> Result<Option<f64>> {
    let n = n.min(TRIED);
    // Each class is made of normals of one deviation around some centers. Stretching the plane changes nothing.
    let (points, classes): (Points, Vec<(Array2<f64>, f64)>) = match Recipe::new(kind, seed) {
        Recipe::Blobs(params) => {
            let centers = params.centers.outer_iter().map(|center| center.to_owned().insert_axis(Axis(0)));
            let classes = centers.enumerate().map(|(i, center)| (center, params.std[i % params.std.len()])).collect();
            (synth::blobs(&BlobsParams { n_samples: n, transform: None, ..params })?, classes)
        }
        Recipe::Moons(params) => {
            let curves = synth::moons(&MoonsParams { n_samples: 2 * ALONG, noise: 0.0, seed })?;
            (synth::moons(&MoonsParams { n_samples: n, ..params })?, by_class(&curves, params.noise))
        }
        Recipe::Circles(params) => {
            let curves = synth::circles(&CirclesParams { n_samples: 2 * ALONG, noise: 0.0, ..params })?;
            (synth::circles(&CirclesParams { n_samples: n, ..params })?, by_class(&curves, params.noise))
        }
        _ => return Ok(None),
    };
    let density = |point: ArrayView1<'_, f64>, (centers, std): &(Array2<f64>, f64)| -> f64 {
        let near = centers.outer_iter().map(|center| (&center - &point).mapv(|v| v * v).sum());
        let sum: f64 = near.map(|squared: f64| (-0.5 * squared / (std * std)).exp()).sum();
        sum / (std * std * centers.nrows() as f64)
    };
    let most_probable = |row: usize| {
        let densities: Vec<f64> = classes.iter().map(|class| density(points.data.row(row), class)).collect();
        (0..classes.len()).max_by(|&a, &b| densities[a].total_cmp(&densities[b]))
    };
    let found: Vec<Option<usize>> = (0..n).into_par_iter().map(most_probable).collect();
    Ok(ami(&Contingency::from_pairs(found.into_iter().zip(points.labels))))
}

fn by_class(curves: &Points, noise: f64) -> Vec<(Array2<f64>, f64)> {
    let rows = |class: usize| (0..curves.labels.len()).filter(move |&row| curves.labels[row] == class);
    (0..2).map(|class| (curves.data.select(Axis(0), &rows(class).collect::<Vec<_>>()), noise)).collect()
}

fn speed(sizes: &[usize]) -> Result<()> {
    println!("{:>9} {:<7} {:>9} {:>12} {:>6}", "n", "by", "seconds", "ns a point", "AMI");
    for &n in sizes {
        let centers = synth::random_centers(10, 2, (0.0, 256.0), 0);
        let params = BlobsParams { n_samples: n, centers, std: vec![4.0], ..Default::default() };
        let points = synth::blobs(&params)?;
        let x = points.data.mapv(|value| value as f32);
        for (by, algorithm) in algorithms() {
            let mut times = Vec::new();
            let mut labels = Vec::new();
            for _ in 0..7 {
                let start = Instant::now();
                labels = algorithm.fit(x.view(), &Silent)?.labels;
                times.push(start.elapsed().as_secs_f64());
            }
            times.sort_unstable_by(f64::total_cmp);
            let score = ami(&Contingency::from_pairs(labels.into_iter().zip(points.labels.iter().copied())));
            let (seconds, score) = (times[times.len() / 2], score.unwrap_or(0.0));
            println!("{n:>9} {by:<7} {seconds:>9.4} {:>12.1} {score:>6.3}", 1e9 * seconds / n as f64);
        }
    }
    Ok(())
}
