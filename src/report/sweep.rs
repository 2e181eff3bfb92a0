//! The criteria of a sweep over the number of clusters, a small chart each.

use super::figure::{Anchor, FAINT, Figure, INK, LINE, Mark, PICK, Place, SOFT};
use crate::evaluate::{Candidate, Criterion, Suggestion};
use crate::pipeline::Sweep;

const COLUMNS: usize = 4;
/// Size of a chart with its surroundings.
const CELL: (f32, f32) = (250.0, 170.0);
const HEAD: f32 = 46.0;
/// The chart within its cell: left, top, right, bottom.
const INSET: (f32, f32, f32, f32) = (46.0, 34.0, 14.0, 26.0);

/// One chart.
struct Chart<'a> {
    title: &'static str,
    /// What the curve should do.
    hint: &'static str,
    curve: &'a dyn Fn(&Candidate) -> Option<f64>,
    /// To hold it against, in grey.
    other: &'a dyn Fn(&Candidate) -> Option<f64>,
    pick: Option<usize>,
}

/// Every criterion of `sweep` against the number of clusters: its own pick as a dot with its number, the suggestion as a
/// dashed line through all, and the votes together in the last chart. 1,000 x 386.
pub fn sweep_figure(sweep: &Sweep) -> Figure {
    let Suggestion { n_clusters, votes, .. } = &sweep.suggestion;
    let pick = |criterion| votes.iter().find(|vote| vote.criterion == criterion).and_then(|vote| vote.n_clusters);
    let none = |_: &Candidate| None;
    let chart = |title, hint, curve, pick| Chart { title, hint, curve, other: &none, pick };
    let charts = [
        chart("Inertia", "the elbow", &|c| Some(c.inertia), pick(Criterion::Elbow)),
        chart("Gap", "the first level", &|c| c.gap.map(|gap| gap.value), pick(Criterion::Gap)),
        Chart {
            other: &|c| c.reference_stability,
            ..chart("Stability", "above the grey", &|c| c.stability, pick(Criterion::Stability))
        },
        chart("All together", "the highest", &|c| (c.n_clusters > 1).then_some(c.support), Some(*n_clusters)),
        chart("Silhouette", "the highest", &|c| c.silhouette, pick(Criterion::Silhouette)),
        chart("Calinski-Harabasz", "the highest", &|c| c.calinski_harabasz, pick(Criterion::CalinskiHarabasz)),
        chart("Davies-Bouldin", "the lowest", &|c| c.davies_bouldin, pick(Criterion::DaviesBouldin)),
        chart("Dunn", "the highest", &|c| c.dunn, pick(Criterion::Dunn)),
    ];
    let rows = charts.len().div_ceil(COLUMNS);
    let (width, height) = (CELL.0 * COLUMNS as f32, HEAD + CELL.1 * rows as f32);
    let mut figure = Figure { width, height, marks: Vec::new() };
    let plural = if *n_clusters == 1 { "" } else { "s" };
    let title = format!("{n_clusters} cluster{plural} suggested");
    figure.text((16.0, 30.0), 17.0, Anchor::Start, INK, title);
    figure.text((width - 14.0, 29.0), 11.0, Anchor::End, SOFT, format!("judged on {} images", sweep.n_samples));
    for (i, chart) in charts.iter().enumerate() {
        let origin = ((i % COLUMNS) as f32 * CELL.0, HEAD + (i / COLUMNS) as f32 * CELL.1);
        chart.draw(&mut figure, origin, &sweep.candidates, *n_clusters);
    }
    figure
}

/// A few digits.
fn brief(value: f64) -> String {
    match value.abs() {
        size if size >= 1e5 || (size > 0.0 && size < 1e-3) => format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

impl Chart<'_> {
    fn draw(&self, figure: &mut Figure, origin: Place, candidates: &[Candidate], suggested: usize) {
        let (left, top) = (origin.0 + INSET.0, origin.1 + INSET.1);
        let (right, bottom) = (origin.0 + CELL.0 - INSET.2, origin.1 + CELL.1 - INSET.3);
        figure.text((left, top - 14.0), 13.0, Anchor::Start, INK, self.title.into());
        figure.text((right, top - 14.0), 10.0, Anchor::End, SOFT, self.hint.into());
        let numbers = || candidates.iter().map(|c| c.n_clusters);
        let (first, last) = (numbers().min().unwrap_or(1), numbers().max().unwrap_or(1));
        let values = || candidates.iter().flat_map(|c| [(self.curve)(c), (self.other)(c)]).flatten();
        let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let x = |k: usize| left + (right - left) * (k - first) as f32 / (last - first).max(1) as f32;
        let y = |v: f64| bottom - (bottom - top) * if high > low { ((v - low) / (high - low)) as f32 } else { 0.5 };
        figure.line(vec![(left, bottom), (right, bottom)], 1.0, FAINT, false);
        for k in [first, last] {
            figure.text((x(k), bottom + 14.0), 10.0, Anchor::Middle, SOFT, k.to_string());
        }
        if low > high {
            figure.text(((left + right) / 2.0, (top + bottom) / 2.0), 10.0, Anchor::Middle, SOFT, "not defined".into());
            return;
        }
        for v in if high > low { vec![low, high] } else { vec![low] } {
            figure.line(vec![(left, y(v)), (right, y(v))], 1.0, FAINT, false);
            figure.text((left - 5.0, y(v) + 3.5), 10.0, Anchor::End, SOFT, brief(v));
        }
        figure.line(vec![(x(suggested), top - 6.0), (x(suggested), bottom)], 1.2, PICK, true);
        for (of, colour) in [(self.other, SOFT), (self.curve, LINE)] {
            // A gap in the values is a gap in the line.
            for run in candidates.split(|c| of(c).is_none()).filter(|run| !run.is_empty()) {
                let places = run.iter().filter_map(|c| Some((x(c.n_clusters), y(of(c)?)))).collect();
                figure.line(places, 1.8, colour, false);
            }
        }
        let picked = candidates.iter().find(|c| Some(c.n_clusters) == self.pick);
        if let Some((k, v)) = picked.and_then(|c| Some((c.n_clusters, (self.curve)(c)?))) {
            figure.marks.push(Mark::Dot { place: (x(k), y(v)), radius: 4.0, colour: PICK });
            if k > first + (last - first) / 20 && k + (last - first) / 20 < last {
                figure.text((x(k), bottom + 14.0), 11.0, Anchor::Middle, PICK, k.to_string());
            }
        }
    }
}
