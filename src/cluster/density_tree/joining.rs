//! Edges between the parts that a graph of neighbours falls into.
//!
//! The parts' means are joined by a minimum spanning tree. For each of its edges a pair of rows is found by going back and
//! forth: from the mean of one part to the row of the other that is nearest, from there to the row of the first that is
//! nearest to it, until the pair stays. That is mostly the nearest pair, and it only says how far apart groups are that no
//! list of neighbours connects.

use super::spanning::{Edge, Forest};
use crate::distance::{Metric, as_seen, squared_euclidean};
use crate::progress::{Interrupted, Reporter};
use ndarray::{ArrayView2, CowArray, Ix2};
use rayon::prelude::*;

/// Edges of mutual reachability that make one tree of the forest of the rows `x`. O(m^2 d) for m parts, and O(n d) for
/// each part that is joined to one of n rows.
pub(super) fn join(
    x: ArrayView2<'_, f32>,
    metric: Metric,
    core: &[f64],
    forest: &mut Forest,
    reporter: &dyn Reporter,
) -> Result<Vec<Edge>, Interrupted> {
    let rows = Rows { metric, values: as_seen(x, metric) };
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); x.nrows()];
    (0..x.nrows()).for_each(|row| parts[forest.root(row)].push(row));
    parts.retain(|part| !part.is_empty());
    let means: Vec<Vec<f32>> = parts.par_iter().map(|part| rows.mean(part)).collect();
    let mut edges = Vec::new();
    for (a, b) in tree_of(&means, reporter)? {
        reporter.check()?;
        let (low, high) = rows.near_pair(&parts[a], &parts[b], &means[b]);
        let reach = rows.distance(low, high).max(core[low]).max(core[high]);
        forest.join(low, high);
        edges.push(Edge::new(low, high, reach));
    }
    Ok(edges)
}

/// The minimum spanning tree of the means (R. Prim, Shortest connection networks, 1957).
fn tree_of(means: &[Vec<f32>], reporter: &dyn Reporter) -> Result<Vec<(usize, usize)>, Interrupted> {
    // Each mean outside of the tree, the squared distance to the nearest inside, and that one.
    let mut outside: Vec<(usize, f64, usize)> = (1..means.len()).map(|mean| (mean, f64::INFINITY, 0)).collect();
    let (mut edges, mut latest) = (Vec::new(), 0);
    while !outside.is_empty() {
        reporter.check()?;
        outside.par_iter_mut().with_min_len(64).for_each(|(mean, nearest, to)| {
            let squared = squared_euclidean(&means[*mean], &means[latest]);
            if squared < *nearest {
                (*nearest, *to) = (squared, latest);
            }
        });
        let before =
            |&a: &usize, &b: &usize| outside[a].1.total_cmp(&outside[b].1).then(outside[a].0.cmp(&outside[b].0));
        let next = (0..outside.len()).min_by(before).expect("some are outside");
        let (mean, _, to) = outside.swap_remove(next);
        edges.push((mean, to));
        latest = mean;
    }
    Ok(edges)
}

/// The rows as the metric sees them.
struct Rows<'a> {
    metric: Metric,
    values: CowArray<'a, f32, Ix2>,
}

impl Rows<'_> {
    fn row(&self, row: usize) -> &[f32] {
        let d = self.values.ncols();
        &self.values.as_slice().expect("standard layout")[row * d..][..d]
    }

    fn mean(&self, rows: &[usize]) -> Vec<f32> {
        let mut sums = vec![0.0; self.values.ncols()];
        rows.iter().for_each(|&row| sums.iter_mut().zip(self.row(row)).for_each(|(s, &v)| *s += f64::from(v)));
        sums.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
    }

    /// One of `rows` that is nearest to a point, of equal ones the first.
    fn nearest(&self, rows: &[usize], point: &[f32]) -> usize {
        let keyed = rows.par_iter().with_min_len(256).map(|&row| (squared_euclidean(self.row(row), point), row));
        keyed.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).expect("parts have rows").1
    }

    /// A row of `a` and one of `b`, which has this mean, each the nearest to the other.
    fn near_pair(&self, a: &[usize], b: &[usize], mean: &[f32]) -> (usize, usize) {
        let mut from = self.nearest(a, mean);
        loop {
            let to = self.nearest(b, self.row(from));
            let back = self.nearest(a, self.row(to));
            if back == from {
                return (from, to);
            }
            from = back;
        }
    }

    fn distance(&self, a: usize, b: usize) -> f64 {
        let squared = squared_euclidean(self.row(a), self.row(b));
        let is_blank = |row: usize| self.row(row).iter().all(|&value| value == 0.0);
        match self.metric {
            Metric::Euclidean => squared.sqrt(),
            Metric::Cosine if is_blank(a) || is_blank(b) => 1.0,
            Metric::Cosine => squared / 2.0,
        }
    }
}
