//! The published process by its curve, and the pinned one by its average.

use rand_mt::Mt;

use super::*;
use crate::progress::{Silent, Watch};
use crate::raster::filter::Boundary;
use crate::raster::{LabelMap, RasterError, Transform};

/// CPython's `random.random()`.
fn uniform(rng: &mut Mt) -> f64 {
    let (high, low) = (f64::from(rng.next_u32() >> 5), f64::from(rng.next_u32() >> 6));
    (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
}

/// The published draw: four points a node of the lattice, each of a class drawn anew, whose shift it takes.
fn published() -> LabelMap {
    let mut rng = Mt::new_with_key([82431]);
    let shifts: Vec<[f64; 2]> = (0..4).map(|_| [uniform(&mut rng), uniform(&mut rng)]).collect();
    let (mut values, mut classes) = (Vec::new(), Vec::new());
    for (h, k) in (-25..=25).flat_map(|h| (-25..=25).map(move |k| (h, k))) {
        for _ in 0..4 {
            let [x, y] = [0; 2].map(|_| {
                let u = uniform(&mut rng);
                0.15 * (u / (1.0 - u)).ln()
            });
            let drawn = uniform(&mut rng);
            let class = [0.2, 0.6, 0.9].iter().filter(|&&bound| drawn >= bound).count();
            let x = shifts[class][0] + f64::from(h) + x;
            if x.abs() < 3.0 {
                values.extend([x, shifts[class][1] + f64::from(k) + y]);
                classes.push(Some(class));
            }
        }
    }
    assert_eq!(classes.len(), 1_219);
    let x = ndarray::Array2::from_shape_vec((classes.len(), 2), values).unwrap();
    LabelMap::draw(Transform::folded(800), x.view(), &classes)
}

/// Measured on a numpy program of the same process with other random choices.
#[test]
fn meets_the_published_curve() {
    let drawn = published();
    let mut counts = [0; 4];
    drawn.cells.iter().filter_map(|cell| cell.cluster).for_each(|class| counts[class] += 1);
    assert_eq!(counts, [261, 511, 340, 105]);
    let params = FractalParams { boundary: Boundary::Torus, seed: 1, ..FractalParams::default() };
    let mut curve = Vec::new();
    let mut see = |after: FractalLoop<'_>| curve.push((after.unlabelled, after.changed, after.interface, after.shares));
    fractal(drawn, &params, &mut see, &Silent).unwrap();
    for (number, expected) in [(10, 0.92), (20, 0.71), (30, 0.45), (50, 0.116), (80, 0.007), (100, 0.0005)] {
        let found = curve[number - 1].0;
        assert!((found - expected).abs() <= 0.01, "{number}: {found} for {expected}");
    }
    for (number, expected) in [(51, 0.042), (80, 0.212), (100, 0.265), (150, 0.345), (200, 0.396), (250, 0.428)] {
        let found = curve[number - 1].1;
        assert!((found - expected).abs() <= 0.01, "{number}: {found} for {expected}");
    }
    for (found, expected) in curve[249].3.iter().zip([0.239, 0.390, 0.264, 0.107]) {
        assert!((found - expected).abs() <= 0.01, "{:?}", curve[249].3);
    }
}

/// A raster with these training cells.
fn small(shape: [usize; 2], cells: &[(usize, usize, usize)]) -> LabelMap {
    let transform = Transform { origin: vec![0.0; 2], scale: vec![1.0; 2], shape: shape.to_vec(), folded: false };
    let x = ndarray::Array2::from_shape_fn((cells.len(), 2), |(i, axis)| {
        (if axis == 0 { cells[i].0 } else { cells[i].1 }) as f64 + 0.5
    });
    let classes: Vec<Option<usize>> = cells.iter().map(|cell| Some(cell.2)).collect();
    LabelMap::draw(transform, x.view(), &classes)
}

/// Over 20,000 loops, averages of correlated draws deviate by .005 in the mean and by .03 where they do most.
#[test]
fn the_pinned_process_spends_its_time_by_the_harmonic_probabilities() {
    for boundary in [Boundary::Plain, Boundary::Torus] {
        let drawn = small([9, 12], &[(1, 1, 0), (7, 9, 1), (2, 8, 2), (6, 3, 2)]);
        let params = FractalParams { n_loops: 20_000, pinned: true, boundary, ..FractalParams::default() };
        let mut times = ndarray::Array2::<f64>::zeros((3, 108));
        let mut n_seen = 0.0;
        let mut see = |after: FractalLoop<'_>| {
            if after.number > 500 {
                n_seen += 1.0;
                after.labels.iter().enumerate().for_each(|(cell, label)| times[[label.unwrap(), cell]] += 1.0);
            }
        };
        fractal(drawn.clone(), &params, &mut see, &Silent).unwrap();
        times /= n_seen;
        let params = HarmonicParams { boundary, ..HarmonicParams::default() };
        let found = harmonic(&drawn, &params, &Silent).unwrap();
        let difference = (&times - &found.probabilities).mapv(f64::abs);
        let (mean, most) = (difference.mean().unwrap(), difference.iter().fold(0.0, |a: f64, b| a.max(*b)));
        assert!(mean < 0.015 && most < 0.06, "{boundary:?}: {mean} {most}");
    }
}

/// Each value is the mean of its neighbours' and between 0 and 1, and the most lie in training cells.
#[test]
fn harmonic_probabilities_are_their_neighbours_mean() {
    for boundary in [Boundary::Plain, Boundary::Torus] {
        let shape = [60, 47];
        let drawn = small(shape, &[(3, 4, 0), (50, 40, 1), (30, 7, 2), (31, 7, 0), (59, 0, 3)]);
        let params = HarmonicParams { boundary, ..HarmonicParams::default() };
        let found = harmonic(&drawn, &params, &Silent).unwrap();
        for (class, values) in found.probabilities.outer_iter().enumerate() {
            for (cell, &value) in values.iter().enumerate() {
                assert!((0.0..=1.0).contains(&value));
                let (x, y) = ((cell / shape[1]) as isize, (cell % shape[1]) as isize);
                let beside = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)].into_iter().filter_map(|(x, y)| {
                    Some(values[boundary.place(x, shape[0])? * shape[1] + boundary.place(y, shape[1])?])
                });
                let beside: Vec<f64> = beside.collect();
                match drawn.cells[cell].cluster {
                    Some(pinned) => assert_eq!(value, f64::from(u8::from(pinned == class))),
                    None => {
                        let mean = beside.iter().sum::<f64>() / beside.len() as f64;
                        assert!((value - mean).abs() < 4e-6, "{boundary:?} {class} {cell}: {value} {mean}");
                        let (least, most) =
                            beside.iter().fold((1.0, 0.0), |(a, b): (f64, f64), &v| (a.min(v), b.max(v)));
                        assert!((least - 4e-6..=most + 4e-6).contains(&value));
                    }
                }
            }
        }
        for cell in found.probabilities.columns() {
            assert!((cell.sum() - 1.0).abs() < 1e-5, "{}", cell.sum());
        }
    }
}

/// Between two ends of a line, the chance to meet one first falls evenly.
#[test]
fn the_gambler_s_ruin() {
    let drawn = small([11, 1], &[(0, 0, 0), (10, 0, 1)]);
    let found = harmonic(&drawn, &HarmonicParams { tolerance: 1e-12, ..Default::default() }, &Silent).unwrap();
    for cell in 0..11 {
        assert!((found.probabilities[[1, cell]] - cell as f64 / 10.0).abs() < 1e-9);
    }
    assert_eq!(found.map.cells[5].cluster, Some(0), "the lowest of equal ones");
    assert_eq!(found.map.cells[6].cluster, Some(1));
}

#[test]
fn one_class_takes_all() {
    let drawn = small([8, 8], &[(3, 3, 0)]);
    let found = harmonic(&drawn, &HarmonicParams::default(), &Silent).unwrap();
    assert!(found.probabilities.iter().all(|&value| value == 1.0));
    let mut unlabelled = Vec::new();
    let map = fractal(drawn, &FractalParams::default(), &mut |after| unlabelled.push(after.unlabelled), &Silent);
    assert!(map.unwrap().cells.iter().all(|cell| cell.cluster == Some(0) && cell.confidence == 1.0));
    assert!(unlabelled.is_sorted_by(|a, b| a >= b) && unlabelled[249] == 0.0);
}

#[test]
fn the_same_bits_at_any_thread_count() {
    let drawn = small([90, 120], &[(3, 4, 0), (50, 40, 1), (30, 7, 2), (80, 110, 1)]);
    let run = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let params = FractalParams { seed: 3, ..FractalParams::default() };
            let copied = fractal(drawn.clone(), &params, &mut |_| (), &Silent).unwrap();
            (copied, harmonic(&drawn, &HarmonicParams::default(), &Silent).unwrap())
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn refuses_and_stops() {
    let usual = FractalParams::default();
    let drawn = small([8, 8], &[(3, 3, 0)]);
    let run = |drawn, params: &FractalParams| fractal(drawn, params, &mut |_| (), &Silent);
    for drawn in [
        small([8, 8], &[]),
        LabelMap { transform: Transform { shape: vec![64], ..drawn.transform.clone() }, ..drawn.clone() },
    ] {
        assert!(matches!(harmonic(&drawn, &Default::default(), &Silent), Err(RasterError::Parameter { .. })));
        assert!(matches!(run(drawn, &usual), Err(RasterError::Parameter { .. })));
    }
    assert!(run(drawn.clone(), &FractalParams { n_loops: 0, ..usual.clone() }).is_err());
    assert!(harmonic(&drawn, &HarmonicParams { tolerance: 0.0, ..Default::default() }, &Silent).is_err());
    let watch = Watch::stopping_after(3);
    let stopped = fractal(drawn, &usual, &mut |_| (), &watch);
    assert!(matches!(stopped, Err(RasterError::Interrupted(_))) && watch.steps() == 3);
}
