//! The published experiment, against the classes that are most probable in truth.

use ndarray::Array2;

use super::*;
use crate::progress::{Interrupted, Silent, Watch};
use crate::raster::{GridParams, Transform};
use crate::synth::{LatticeParams, Points, blobs, lattice};

const SIDE: usize = 400;

/// The density of each class at every cell of the torus: shape (n_classes, n_cells).
fn densities(params: &LatticeParams, transform: &Transform) -> Array2<f64> {
    // Without deviations, points lie at the processes' shifts.
    let nodes = lattice(&LatticeParams { spread: 0.0, ..params.clone() }).unwrap();
    let s = params.spread;
    let logistic = |z: f64| (-z / s).exp() / (s * (1.0 + (-z / s).exp()).powi(2));
    let wrapped = |z: f64| (-9..=9).map(|turn| logistic(z - f64::from(turn))).sum::<f64>();
    let shift = |class: usize, axis: usize| nodes.data[[class, axis]].rem_euclid(1.0);
    let along: Vec<[Vec<f64>; 2]> = (0..params.n_processes)
        .map(|class| {
            [0, 1].map(|axis| {
                let step = if axis == 0 { SIDE } else { 1 };
                let at = |i: usize| transform.center(i * step)[axis].rem_euclid(1.0);
                (0..SIDE).map(|i| wrapped(at(i) - shift(class, axis))).collect()
            })
        })
        .collect();
    Array2::from_shape_fn((params.n_processes, SIDE * SIDE), |(class, cell)| {
        along[class][0][cell / SIDE] * along[class][1][cell % SIDE]
    })
}

/// What the paper's experiment is judged by.
struct Oracle {
    points: Points,
    known: Vec<Option<usize>>,
    transform: Transform,
    densities: Array2<f64>,
    bayes: Vec<usize>,
}

impl Oracle {
    fn new() -> Self {
        let params = LatticeParams::default();
        let points = lattice(&params).unwrap();
        let known = points.labels.iter().map(|&label| Some(label)).collect();
        let transform = Transform::folded(SIDE);
        let densities = densities(&params, &transform);
        let best = |cell: ndarray::ArrayView1<'_, f64>| (0..cell.len()).max_by(|&a, &b| cell[a].total_cmp(&cell[b]));
        let bayes = densities.columns().into_iter().map(|cell| best(cell).unwrap()).collect();
        Self { points, known, transform, densities, bayes }
    }

    fn drawn(&self) -> LabelMap {
        LabelMap::draw(self.transform.clone(), self.points.data.view(), &self.known)
    }

    /// How often a point drawn anew would be classified rightly.
    fn accuracy(&self, class: impl Fn(usize) -> Option<usize>) -> f64 {
        let right: f64 = (0..SIDE * SIDE).filter_map(|cell| Some(self.densities[[class(cell)?, cell]])).sum();
        right / self.densities.sum()
    }

    /// Agreement with the most probable classes, accuracy, agreement on the training points, share relabelled.
    fn figures(&self, after: Loop<'_>) -> [f64; 4] {
        let cells = &after.map.cells;
        let agreeing = cells.iter().zip(&self.bayes).filter(|(cell, bayes)| cell.cluster == Some(**bayes)).count();
        let assigned = after.map.assign(self.points.data.view());
        let fitted = assigned.iter().zip(&self.known).filter(|(found, known)| found.cluster == **known).count();
        [
            agreeing as f64 / cells.len() as f64,
            self.accuracy(|cell| cells[cell].cluster),
            fitted as f64 / self.known.len() as f64,
            after.n_relabelled as f64 / after.n_labelled as f64,
        ]
    }
}

fn params(weighting: Weighting) -> ClassifyParams {
    ClassifyParams { weighting, boundary: Boundary::Torus, ..ClassifyParams::default() }
}

/// The figures were measured with numpy and scipy 1.17.1, sums by transforms; the least probable class of equal sums may
/// differ by rounding there.
#[test]
fn meets_the_published_experiment() {
    let oracle = Oracle::new();
    let best = oracle.accuracy(|cell| Some(oracle.bayes[cell]));
    assert!((best - 0.380).abs() < 0.0005, "{best}");
    assert_eq!(oracle.drawn().cells.iter().filter(|cell| cell.cluster.is_some()).count(), 9_877);
    for (weighting, expected) in [
        (
            Weighting::InverseDistance,
            [[0.798, 0.367, 0.555, 0.437], [0.847, 0.373, 0.414, 0.089], [0.857, 0.374, 0.405, 0.023]],
        ),
        (Weighting::Equal, [[0.841, 0.372, 0.396, 0.603], [0.869, 0.375, 0.397, 0.080], [0.876, 0.376, 0.395, 0.025]]),
    ] {
        let mut figures = Vec::new();
        let mut see = |after: Loop<'_>| figures.push(oracle.figures(after));
        let map = classify(oracle.drawn(), &params(weighting), &mut see, &Silent).unwrap();
        for (figure, expected) in figures.iter().flatten().zip(expected.iter().flatten()) {
            assert!((figure - expected).abs() <= 0.002, "{weighting:?}: {figure:.4} for {expected}");
        }
        if weighting == Weighting::InverseDistance {
            let mut areas = [0_usize; 5];
            map.cells.iter().for_each(|cell| areas[cell.cluster.unwrap()] += 1);
            for (area, expected) in areas.iter().zip([39_839_usize, 20_325, 22_157, 43_242, 34_437]) {
                assert!(area.abs_diff(expected) <= 320, "{areas:?}");
            }
        }
    }
}

/// Two loops that keep their sums by changes, by transforms or running sums, and by a candle device.
#[test]
fn every_way_to_the_sums_gives_the_same_classes() {
    let points = blobs(&Default::default()).unwrap();
    let known: Vec<Option<usize>> = points.labels.iter().map(|&label| Some(label)).collect();
    let transform = Transform::fit(points.data.view(), &GridParams { side: 48, ..Default::default() }).unwrap();
    let drawn = LabelMap::draw(transform, points.data.view(), &known);
    for weighting in [Weighting::Equal, Weighting::InverseDistance] {
        for boundary in [Boundary::Plain, Boundary::Torus] {
            let params = ClassifyParams { weighting, boundary, window: 3, ..ClassifyParams::default() };
            let on = ClassifyParams { device: Device::Candle(candle_core::Device::Cpu), ..params.clone() };
            let n_classes = drawn.n_clusters();
            let classes = ClassSums::classes(&drawn.cells);
            let none = ClassSums::classes(&vec![CellLabel::default(); drawn.cells.len()]);
            let shape = &drawn.transform.shape;
            let sums = |params, renew: fn(&mut ClassSums<'_>, &[u32])| {
                let mut sums = ClassSums::new(shape, n_classes, params).unwrap();
                renew(&mut sums, &classes);
                sums.rows().flat_map_iter(|row| row.iter().copied()).collect::<Vec<f64>>()
            };
            let mut by_changes = ClassSums::new(shape, n_classes, &params).unwrap();
            by_changes.by_changes(&ClassSums::changes(&none, &classes));
            let by_changes: Vec<f64> = by_changes.rows().flat_map_iter(|row| row.iter().copied()).collect();
            let anew = sums(&params, |sums, cells| sums.renew(cells));
            let on_device = sums(&on, |sums, cells| sums.renew_on(&candle_core::Device::Cpu, cells).unwrap());
            for ((a, b), c) in by_changes.iter().zip(&anew).zip(&on_device) {
                assert!((a - b).abs() < 1e-9 && (a - c).abs() < 1e-3, "{weighting:?} {boundary:?}: {a} {b} {c}");
            }
        }
    }
}

/// As much as the sums by changes, where all cells have a class and the last one's sums are what the others leave.
#[test]
fn the_last_class_has_what_is_left() {
    let params = ClassifyParams { window: 8, ..params(Weighting::InverseDistance) };
    let classes: Vec<u32> = (0..30 * 24).map(|cell| cell * cell % 31 % 3).collect();
    let none = ClassSums::classes(&vec![CellLabel::default(); classes.len()]);
    let [mut anew, mut by_changes] = [(); 2].map(|_| ClassSums::new(&[30, 24], 3, &params).unwrap());
    anew.renew(&classes);
    by_changes.by_changes(&ClassSums::changes(&none, &classes));
    let values = |sums: &ClassSums<'_>| sums.rows().flat_map_iter(|row| row.iter().copied()).collect::<Vec<f64>>();
    assert!(values(&anew).iter().zip(values(&by_changes)).all(|(a, b)| (a - b).abs() < 1e-9 && *a > 1.0));
}

#[test]
fn ties_go_to_the_lowest_class_and_empty_windows_to_none() {
    let transform = Transform { origin: vec![0.0; 2], scale: vec![1.0; 2], shape: vec![9, 30], folded: false };
    let x = ndarray::array![[4.5, 2.5], [4.5, 6.5]];
    for weighting in [Weighting::Equal, Weighting::InverseDistance] {
        let drawn = LabelMap::draw(transform.clone(), x.view(), &[Some(2), Some(1)]);
        let params = ClassifyParams { window: 3, n_loops: 1, weighting, ..ClassifyParams::default() };
        let map = classify(drawn, &params, &mut |_| (), &Silent).unwrap();
        let label = |x: usize, y: usize| map.cells[x * 30 + y];
        assert_eq!(label(4, 4), CellLabel { cluster: Some(1), confidence: 0.5 });
        assert_eq!(label(4, 1), CellLabel { cluster: Some(2), confidence: 1.0 });
        assert_eq!([label(4, 9).cluster, label(4, 10).cluster], [Some(1), None]);
        assert_eq!([label(1, 6).cluster, label(0, 6).cluster], [Some(1), None]);
    }
}

/// The weights of both points, the second loop counting a tenth.
#[test]
fn densities_add_up_over_loops() {
    let transform = Transform { origin: vec![0.0; 2], scale: vec![1.0; 2], shape: vec![9, 30], folded: false };
    let x = ndarray::array![[4.5, 2.5], [4.5, 6.5]];
    let drawn = LabelMap::draw(transform, x.view(), &[Some(0), Some(1)]);
    let params = ClassifyParams { window: 3, n_loops: 2, ..ClassifyParams::default() };
    let mut densities = Vec::new();
    let mut see =
        |after: Loop<'_>| densities.push([after.density[[4, 4]], after.density[[4, 1]], after.density[[8, 0]]]);
    classify(drawn, &params, &mut see, &Silent).unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let [both, one, none] = densities[0];
    assert!(near(both, 2.0 / 5.0_f64.sqrt()) && near(one, 0.5_f64.sqrt()) && near(none, 0.0), "{densities:?}");
    // All cells of the window are labelled now.
    let window = (-3..=3).flat_map(|x: i32| (-3..=3).map(move |y: i32| 1.0 / f64::from(1 + x * x + y * y).sqrt()));
    assert!(near(densities[1][0], both + 0.1 * window.sum::<f64>()), "{densities:?}");
}

#[test]
fn four_dimensions() {
    let shape = vec![12; 4];
    let transform = Transform { origin: vec![0.0; 4], scale: vec![1.0; 4], shape, folded: false };
    let x = ndarray::array![[2.5, 2.5, 2.5, 2.5], [9.5, 9.5, 9.5, 9.5]];
    let drawn = LabelMap::draw(transform, x.view(), &[Some(0), Some(1)]);
    let params = ClassifyParams { window: 4, n_loops: 3, ..ClassifyParams::default() };
    let mut labelled = Vec::new();
    let map = classify(drawn, &params, &mut |after| labelled.push(after.n_labelled), &Silent).unwrap();
    let new = map.assign(ndarray::array![[4.0, 3.0, 2.0, 5.0], [8.0, 9.0, 7.0, 8.0]].view());
    assert_eq!([new[0].cluster, new[1].cluster], [Some(0), Some(1)]);
    assert_eq!(labelled[..2], [2, 2 * 7_usize.pow(4) - 2_usize.pow(4)]);
}

#[test]
fn the_same_bits_at_any_thread_count() {
    let oracle = Oracle::new();
    let run = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| classify(oracle.drawn(), &params(Weighting::InverseDistance), &mut |_| (), &Silent).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn refuses_and_stops() {
    let x = ndarray::array![[0.0, 0.0], [1.0, 1.0]];
    let drawn = |classes: &[Option<usize>]| LabelMap::draw(Transform::folded(16), x.view(), classes);
    let run = |drawn, params: &ClassifyParams, reporter: &dyn Reporter| classify(drawn, params, &mut |_| (), reporter);
    let usual = ClassifyParams::default();
    for params in [
        ClassifyParams { window: 0, ..usual.clone() },
        ClassifyParams { window: 2000, ..usual.clone() },
        ClassifyParams { n_loops: 0, ..usual.clone() },
    ] {
        let refused = run(drawn(&[Some(0), Some(1)]), &params, &Silent);
        assert!(matches!(refused, Err(RasterError::Parameter { .. })), "{params:?}");
    }
    assert!(matches!(run(drawn(&[None, None]), &usual, &Silent), Err(RasterError::Parameter { .. })));
    let many = run(drawn(&[Some(1 << 21), None]), &usual, &Silent);
    assert!(matches!(many, Err(RasterError::Parameter { name: "cells x classes", .. })));
    let watch = Watch::stopping_after(1);
    let stopped = run(drawn(&[Some(0), Some(1)]), &usual, &watch);
    assert!(matches!(stopped, Err(RasterError::Interrupted(Interrupted))) && watch.steps() == 1);
}

/// The published labels are signed bytes, which end at 127.
#[test]
fn three_hundred_classes() {
    let transform = Transform { origin: vec![0.0; 2], scale: vec![1.0; 2], shape: vec![60, 60], folded: false };
    let x = Array2::from_shape_fn((300, 2), |(i, axis)| (if axis == 0 { i / 20 * 4 } else { i % 20 * 3 }) as f64 + 0.5);
    let known: Vec<Option<usize>> = (0..300).map(Some).collect();
    let params = ClassifyParams { window: 2, n_loops: 2, ..ClassifyParams::default() };
    let map = classify(LabelMap::draw(transform, x.view(), &known), &params, &mut |_| (), &Silent).unwrap();
    assert!(map.assign(x.view()).iter().zip(&known).all(|(found, known)| found.cluster == *known));
}
