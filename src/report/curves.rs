//! Scores that are curves, as charts side by side.

use super::figure::{Anchor, Colour, FAINT, Figure, INK, LINE, PICK, Place, SOFT};
use crate::evaluate::{CoveragePoint, DbscanGrid, DbscanRun, NeighbourAccuracy, ScaledGrid};

/// Size of a chart with its surroundings.
const CELL: (f32, f32) = (480.0, 340.0);
/// The chart within its cell: left, top, right, bottom.
const INSET: (f32, f32, f32, f32) = (56.0, 62.0, 18.0, 46.0);
/// Steps of an axis, at most.
const STEPS: f64 = 6.0;

/// One chart.
struct Chart {
    title: String,
    /// What the axis to the right is.
    along: &'static str,
    curves: Vec<Curve>,
}

struct Curve {
    name: String,
    colour: Colour,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// Both accuracies against the number of neighbours. 480 x 340.
pub fn neighbour_figure(accuracy: &NeighbourAccuracy) -> Figure {
    let curve = |name: &str, colour, values: &[f64]| Curve {
        name: name.into(),
        colour,
        dashed: false,
        points: values.iter().zip(1..).map(|(&value, k)| (f64::from(k), value)).collect(),
    };
    let curves = vec![
        curve("share of the K nearest in the class", LINE, &accuracy.precision),
        curve("majority vote", PICK, &accuracy.majority_vote),
    ];
    figure(&[Chart { title: "Accuracy by K nearest neighbours".into(), along: "K", curves }])
}

/// The adjusted Rand index of every run against its number of points, for each radius and both noise rules; a chart for each
/// scale. 480 x 340 each.
pub fn grid_figure(grid: &DbscanGrid) -> Figure {
    let scales = [("own scale", Some(&grid.native)), ("diagonal 200", grid.common.as_ref())];
    let charts: Vec<Chart> = scales.into_iter().filter_map(|(name, scale)| Some(grid_chart(name, scale?))).collect();
    figure(&charts)
}

fn grid_chart(name: &str, scale: &ScaledGrid) -> Chart {
    let mut curves = Vec::new();
    for (runs, colour) in scale.runs.chunk_by(|a, b| a.eps == b.eps).zip([LINE, PICK, INK, SOFT].into_iter().cycle()) {
        let eps = runs[0].eps;
        let curve = |name: String, dashed, ari: fn(&DbscanRun) -> Option<f64>| Curve {
            name,
            colour,
            dashed,
            points: runs.iter().filter_map(|run| Some((run.min_samples as f64, ari(run)?))).collect(),
        };
        curves.push(curve(format!("eps {eps}"), false, |run| run.ari_one_cluster));
        curves.push(curve(format!("eps {eps}, without noise"), true, |run| run.ari_excluded));
    }
    let mean = scale.ari_one_cluster.map_or_else(String::new, |s| format!(", mean {:.3}, sd {:.3}", s.mean, s.sd));
    Chart { title: format!("ARI of DBSCAN, {name}{mean}"), along: "points that make a core", curves }
}

/// Purity, the least pure cluster and the adjusted Rand index against the coverage, with the number of clusters beside them.
/// 960 x 340.
pub fn coverage_figure(curve: &[CoveragePoint]) -> Figure {
    let of = |name: &str, colour, value: fn(&CoveragePoint) -> Option<f64>| Curve {
        name: name.into(),
        colour,
        dashed: false,
        points: curve.iter().filter_map(|point| Some((point.coverage, value(point)?))).collect(),
    };
    let scores = vec![
        of("purity", LINE, |point| point.purity),
        of("worst cluster", SOFT, |point| point.purity_worst),
        of("ARI", PICK, |point| point.ari),
    ];
    let number = vec![of("clusters", LINE, |point| Some(point.n_clusters as f64))];
    let chart = |title: &str, curves| Chart { title: title.into(), along: "coverage", curves };
    figure(&[chart("Purity of what is covered", scores), chart("Number of clusters", number)])
}

fn figure(charts: &[Chart]) -> Figure {
    let width = CELL.0 * charts.len().max(1) as f32;
    let mut figure = Figure { width, height: CELL.1, marks: Vec::new() };
    for (at, chart) in charts.iter().enumerate() {
        chart.draw(&mut figure, at as f32 * CELL.0);
    }
    figure
}

/// The least and largest value, and the distance between lines of a grid, a round number.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let (low, high) = (values.clone().reduce(f64::min)?, values.reduce(f64::max)?);
        let least = if high > low { high - low } else { 1.0 } / STEPS;
        let power = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|&s| s >= least).unwrap_or(10.0 * power);
        let low = (low / step).floor();
        Some(Self { low: low * step, high: (high / step).ceil().max(low + 1.0) * step, step })
    }

    /// From 0 to 1 within the axis.
    fn place(&self, value: f64) -> f32 {
        ((value - self.low) / (self.high - self.low)) as f32
    }

    /// With as many digits as the steps have.
    fn label(&self, value: f64) -> String {
        format!("{value:.0$}", (-self.step.log10()).ceil().clamp(0.0, 9.0) as usize)
    }

    fn lines(&self) -> impl Iterator<Item = f64> {
        let n = ((self.high - self.low) / self.step).round() as usize;
        (0..=n).map(|at| self.low + at as f64 * self.step)
    }
}

impl Chart {
    fn draw(&self, figure: &mut Figure, left: f32) {
        let (x0, y0) = (left + INSET.0, INSET.1);
        let (x1, y1) = (left + CELL.0 - INSET.2, CELL.1 - INSET.3);
        figure.text((x0, 26.0), 14.0, Anchor::Start, INK, self.title.clone());
        figure.text(((x0 + x1) / 2.0, y1 + 34.0), 11.0, Anchor::Middle, SOFT, self.along.into());
        let points = || self.curves.iter().flat_map(|curve| curve.points.iter().copied());
        let axes = (Axis::of(points().map(|point| point.0)), Axis::of(points().map(|point| point.1)));
        let (Some(along), Some(up)) = axes else {
            figure.text(((x0 + x1) / 2.0, (y0 + y1) / 2.0), 11.0, Anchor::Middle, SOFT, "not defined".into());
            return;
        };
        let place = |(x, y): (f64, f64)| -> Place { (x0 + (x1 - x0) * along.place(x), y1 - (y1 - y0) * up.place(y)) };
        for value in up.lines() {
            let (_, y) = place((along.low, value));
            figure.line(vec![(x0, y), (x1, y)], 1.0, FAINT, false);
            figure.text((x0 - 6.0, y + 4.0), 10.0, Anchor::End, SOFT, up.label(value));
        }
        for value in along.lines() {
            let (x, y) = place((value, up.low));
            figure.line(vec![(x, y), (x, y + 4.0)], 1.0, SOFT, false);
            figure.text((x, y + 17.0), 10.0, Anchor::Middle, SOFT, along.label(value));
        }
        for (at, curve) in self.curves.iter().enumerate() {
            // Two names a line.
            let (x, y) = (x0 + (at % 2) as f32 * (x1 - x0) / 2.0, y0 - 20.0 + 13.0 * (at / 2) as f32);
            figure.line(vec![(x, y - 3.5), (x + 20.0, y - 3.5)], 2.0, curve.colour, curve.dashed);
            figure.text((x + 26.0, y), 10.0, Anchor::Start, INK, curve.name.clone());
            figure.line(curve.points.iter().map(|&point| place(point)).collect(), 2.0, curve.colour, curve.dashed);
            if let [alone] = curve.points[..] {
                figure.dot(place(alone), 3.0, curve.colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::Mark;

    #[test]
    fn axes_have_round_steps() {
        let axis = Axis::of([0.713, 0.948].into_iter()).unwrap();
        assert_eq!((axis.step, axis.lines().count()), (0.05, 6));
        assert!((axis.low - 0.7).abs() < 1e-9 && (axis.high - 0.95).abs() < 1e-9);
        let labels = |axis: &Axis| axis.lines().map(|value| axis.label(value)).collect::<Vec<_>>();
        assert_eq!(labels(&axis), ["0.70", "0.75", "0.80", "0.85", "0.90", "0.95"]);
        assert_eq!(labels(&Axis::of([1.0, 100.0].into_iter()).unwrap()), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(&Axis::of([0.0, 0.0].into_iter()).unwrap()), ["0.0", "0.2"]);
        assert!(Axis::of(std::iter::empty()).is_none());
    }

    #[test]
    fn curves_lie_within_their_chart() {
        let accuracy = NeighbourAccuracy {
            n_samples: 9,
            precision: (1..=100).map(|k| 1.0 - f64::from(k) / 300.0).collect(),
            majority_vote: vec![0.9; 100],
        };
        let figure = neighbour_figure(&accuracy);
        let inside = |&(x, y): &Place| (0.0..=CELL.0).contains(&x) && (0.0..=CELL.1).contains(&y);
        let lines = figure.marks.iter().filter_map(|mark| match mark {
            Mark::Line { places, .. } => Some(places),
            _ => None,
        });
        assert!(lines.clone().all(|places| places.iter().all(inside)));
        assert_eq!(lines.filter(|places| places.len() == 100).count(), 2);
    }

    #[test]
    fn nothing_to_show_is_said() {
        assert!(coverage_figure(&[]).svg().matches("not defined").count() == 2);
    }
}
