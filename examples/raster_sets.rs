//! How well a clusterer that draws finds the classes of the comparison suite, at one fixed setting: fresh draws of each
//! set, the adjusted mutual information's mean and worst, and beside it what the Bayes rule on the true densities reaches.
//!
//! ```text
//! cargo run --release --example raster_sets [filter [N_SAMPLES [N_DRAWS]]]
//! ```

use std::time::Instant;

use alike::cluster::{Algorithm, FilterParams};
use alike::collection::Truth;
use alike::evaluate::{EvaluateParams, evaluate};
use alike::progress::Silent;
use alike::synth::{
    BlobsParams, CirclesParams, Kind, MoonsParams, Points, Recipe, UniformParams, blobs, circles, moons, uniform,
};
use ndarray::{Array2, ArrayView1};

const SETS: [Kind; 6] = [Kind::Circles, Kind::Moons, Kind::Blobs, Kind::Aniso, Kind::Varied, Kind::Uniform];
/// Points that the Bayes rule is asked about.
const ASKED: usize = 5000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let name = args.first().map_or("filter", String::as_str);
    let algorithm = match name {
        "filter" => Algorithm::Filter(FilterParams::new()),
        other => panic!("no algorithm {other:?}: give filter"),
    };
    let number = |at: usize| args.get(at).map(|text| text.parse::<usize>().expect("a number"));
    let sizes = number(1).map_or(vec![2000, 20_000, 500_000], |n| vec![n]);
    println!("algorithm  n_samples  set      clusters  ami mean  worst (seed)  bayes mean  worst  seconds a draw");
    for n_samples in sizes {
        for kind in SETS {
            let (mut found, mut ceiling, mut clusters, mut seconds) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
            for seed in 0..number(2).unwrap_or(20) as u64 {
                let points = draw(kind, n_samples, seed);
                let x = points.data.mapv(|value| value as f32);
                let started = Instant::now();
                let clustering = algorithm.fit(x.view(), &Silent).expect("a fit");
                seconds += started.elapsed().as_secs_f64();
                clusters.push(clustering.n_clusters());
                found.push(ami(&clustering.labels, &points.labels));
                ceiling.push(bayes(kind, &points));
            }
            let n = found.len() as f64;
            let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
            let worst =
                |values: &[f64]| (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).expect("draws");
            let (least, most) = (clusters.iter().min().expect("draws"), clusters.iter().max().expect("draws"));
            println!(
                "{name:<10} {n_samples:>9}  {:<8} {least:>3} to {most:<3} {:>8.4} {:>7.4} ({:>2}) {:>11.4} {:>6.4} {:>15.4}",
                format!("{kind:?}"),
                mean(&found),
                found[worst(&found)],
                worst(&found),
                mean(&ceiling),
                ceiling[worst(&ceiling)],
                seconds / n
            );
        }
    }
}

fn draw(kind: Kind, n_samples: usize, seed: u64) -> Points {
    match Recipe::new(kind, seed) {
        Recipe::Blobs(params) => blobs(&BlobsParams { n_samples, ..params }),
        Recipe::Moons(params) => moons(&MoonsParams { n_samples, ..params }),
        Recipe::Circles(params) => circles(&CirclesParams { n_samples, ..params }),
        Recipe::Uniform(params) => Ok(uniform(&UniformParams { n_samples, ..params })),
        other => panic!("{other:?} is no set of the suite"),
    }
    .expect("the usual parameters are in range")
}

/// 1 where there is one class and one cluster.
fn ami(labels: &[Option<usize>], classes: &[usize]) -> f64 {
    if classes.iter().all(|&class| class == classes[0]) {
        return f64::from(u8::from(labels.iter().flatten().max().is_none_or(|&most| most == 0)));
    }
    let truth = Truth::from_names(classes.iter().map(|class| Some(class.to_string())));
    let scores =
        evaluate(labels, Some(&truth), None, &EvaluateParams::default()).expect("as many labels as classes").scores;
    scores.ami.expect("there are classes")
}

/// What the most probable class by the densities that the points were drawn from reaches.
fn bayes(kind: Kind, points: &Points) -> f64 {
    let rows = points.data.outer_iter().take(ASKED);
    let labels: Vec<Option<usize>> = match Recipe::new(kind, 0) {
        Recipe::Blobs(params) => rows.map(|row| Some(most_probable_blob(&params, row))).collect(),
        Recipe::Moons(MoonsParams { noise, .. }) | Recipe::Circles(CirclesParams { noise, .. }) => {
            let curves = curves(kind);
            rows.map(|row| Some(nearest_curve(&curves, noise, row))).collect()
        }
        _ => rows.map(|_| Some(0)).collect(),
    };
    ami(&labels, &points.labels[..labels.len()])
}

fn most_probable_blob(params: &BlobsParams, row: ArrayView1<'_, f64>) -> usize {
    let mut row = row.to_owned();
    if let Some(m) = &params.transform {
        // Back through the 2 x 2 matrix that points, as rows, were multiplied by.
        let determinant = m[[0, 0]] * m[[1, 1]] - m[[0, 1]] * m[[1, 0]];
        let inverse = Array2::from_shape_fn((2, 2), |(i, j)| {
            let cofactor = if i == j { m[[1 - i, 1 - j]] } else { -m[[i, j]] };
            cofactor / determinant
        });
        row = row.dot(&inverse);
    }
    let height = |class: usize| {
        let std = params.std[class % params.std.len()];
        let squared: f64 = row.iter().zip(params.centers.row(class)).map(|(v, c)| (v - c).powi(2)).sum();
        -squared / (2.0 * std * std) - 2.0 * std.ln()
    };
    (0..params.centers.nrows()).max_by(|&a, &b| height(a).total_cmp(&height(b))).expect("clusters")
}

/// The curves without their noise.
fn curves(kind: Kind) -> Points {
    let curves = match Recipe::new(kind, 0) {
        Recipe::Moons(params) => moons(&MoonsParams { n_samples: 400, noise: 0.0, ..params }),
        Recipe::Circles(params) => circles(&CirclesParams { n_samples: 400, noise: 0.0, ..params }),
        other => panic!("{other:?} is no curve"),
    };
    curves.expect("the usual parameters are in range")
}

fn nearest_curve(curves: &Points, noise: f64, row: ArrayView1<'_, f64>) -> usize {
    let mut heights = [0.0; 2];
    for (point, &class) in curves.data.outer_iter().zip(&curves.labels) {
        let squared: f64 = point.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum();
        heights[class] += (-squared / (2.0 * noise * noise)).exp();
    }
    usize::from(heights[1] > heights[0])
}
