//! DBSCAN of points in the plane, exact, for many settings of one radius.
//!
//! The plane is cut into cells so small that the points of a cell are all within the radius of one another: their core
//! points are in one cluster, and only pairs of near cells are left to compare (A. Gunawan, A faster algorithm for DBSCAN,
//! 2013). A pair of cells is compared by halves, so that crowded ones cost little more than sparse ones.

use std::f64::consts::FRAC_1_SQRT_2;

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::collection::ClusterId;

type Point = [f64; 2];

/// The side of a cell over the radius: a hair less than the diagonal allows, for rounding.
const SIDE: f64 = 0.99999 * FRAC_1_SQRT_2;
/// Cells to either side that the radius reaches.
const REACH: i64 = 2;
/// Pairs of points that are compared one by one.
const FEW: usize = 256;

/// Points in cells, with the points near each counted.
pub(super) struct Plane {
    squared_eps: f64,
    /// Sorted by cell, then row.
    points: Vec<Point>,
    rows: Vec<usize>,
    /// Points within the radius, itself counted, up to the most asked for.
    counts: Vec<usize>,
    /// Those with points, sorted by place.
    cells: Vec<Cell>,
}

struct Cell {
    place: [i64; 2],
    from: usize,
    to: usize,
}

impl Plane {
    /// The `points`, of shape (n_samples, 2), finite, with how many others lie within `eps`, above 0, of each: told apart
    /// up to `most`.
    pub fn new(points: ArrayView2<'_, f32>, eps: f64, most: usize) -> Self {
        let axes = [0, 1].map(|axis| cells_along(points.column(axis).iter().map(|&v| f64::from(v)), SIDE * eps));
        let place = |row: usize| [axes[0][row], axes[1][row]];
        let mut rows: Vec<usize> = (0..points.nrows()).collect();
        rows.par_sort_unstable_by_key(|&row| (place(row), row));
        let mut cells = Vec::new();
        let mut from = 0;
        for run in rows.chunk_by(|&a, &b| place(a) == place(b)) {
            cells.push(Cell { place: place(run[0]), from, to: from + run.len() });
            from += run.len();
        }
        let points = rows.iter().map(|&row| [0, 1].map(|axis| f64::from(points[[row, axis]]))).collect();
        let mut plane = Self { squared_eps: eps * eps, points, rows, counts: Vec::new(), cells };
        plane.counts = plane.cells.par_iter().flat_map_iter(|cell| plane.counted(cell, most)).collect();
        plane
    }

    /// How many points each of a cell has near.
    fn counted(&self, cell: &Cell, most: usize) -> Vec<usize> {
        let own = cell.to - cell.from;
        let mut counts = vec![own.min(most); own];
        for (count, at) in counts.iter_mut().zip(cell.from..) {
            for other in self.near(cell).filter(|&other| self.cells[other].from != cell.from) {
                if *count >= most {
                    break;
                }
                let near = self.points_of(other).iter().filter(|&&p| self.within(p, self.points[at])).count();
                *count = (*count + near).min(most);
            }
        }
        counts
    }

    fn within(&self, a: Point, b: Point) -> bool {
        (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) <= self.squared_eps
    }

    fn points_of(&self, cell: usize) -> &[Point] {
        &self.points[self.cells[cell].from..self.cells[cell].to]
    }

    /// The cells that the radius may reach from a cell, itself among them.
    fn near(&self, cell: &Cell) -> impl Iterator<Item = usize> {
        let [x, y] = cell.place;
        (x - REACH..=x + REACH).flat_map(move |x| {
            let from = self.cells.partition_point(|other| other.place < [x, y - REACH]);
            let to = from + self.cells[from..].partition_point(|other| other.place <= [x, y + REACH]);
            from..to
        })
    }

    /// The cluster of each row. A core point has `min_samples` points near, itself counted; clusters are numbered by their
    /// first core point, and of several clusters a point on the border belongs to the first: as in scikit-learn.
    pub fn dbscan(&self, min_samples: usize) -> Vec<Option<ClusterId>> {
        let is_core = |at: usize| self.counts[at] >= min_samples;
        let core = |cell: &Cell| (cell.from..cell.to).filter(|&at| is_core(at)).map(|at| self.points[at]).collect();
        let mut cores: Vec<Vec<Point>> = self.cells.iter().map(core).collect();
        let labels = self.numbered(&self.joined(&mut cores), is_core);
        let mut found = vec![None; self.rows.len()];
        for (cell, label) in self.cells.iter().zip(&labels) {
            for at in cell.from..cell.to {
                found[self.rows[at]] = if is_core(at) { *label } else { self.border(at, cell, &cores, &labels) };
            }
        }
        found
    }

    /// Which cells' core points are in one cluster, as a number a cell.
    fn joined(&self, cores: &mut [Vec<Point>]) -> Vec<usize> {
        let mut above: Vec<usize> = (0..self.cells.len()).collect();
        for (a, cell) in self.cells.iter().enumerate() {
            for b in self.near(cell).filter(|&b| b > a) {
                let (low, high) = cores.split_at_mut(b);
                let (root_a, root_b) = (root(&mut above, a), root(&mut above, b));
                let empty = low[a].is_empty() || high[0].is_empty();
                if !empty && root_a != root_b && are_close(&mut low[a], &mut high[0], self.squared_eps) {
                    above[root_b.max(root_a)] = root_a.min(root_b);
                }
            }
        }
        (0..above.len()).map(|cell| root(&mut above, cell)).collect()
    }

    /// The cluster of each cell that has core points, by their first rows.
    fn numbered(&self, joined: &[usize], is_core: impl Fn(usize) -> bool) -> Vec<Option<ClusterId>> {
        let mut first = vec![usize::MAX; self.cells.len()];
        for (cell, &root) in self.cells.iter().zip(joined) {
            let own = (cell.from..cell.to).find(|&at| is_core(at)).map_or(usize::MAX, |at| self.rows[at]);
            first[root] = first[root].min(own);
        }
        let mut order: Vec<usize> = first.iter().copied().filter(|&row| row != usize::MAX).collect();
        order.sort_unstable();
        joined.iter().map(|&root| order.binary_search(&first[root]).ok()).collect()
    }

    /// The first cluster that has a core point near a point that is none.
    fn border(&self, at: usize, cell: &Cell, cores: &[Vec<Point>], labels: &[Option<ClusterId>]) -> Option<ClusterId> {
        let reaches = |cell: &usize| cores[*cell].iter().any(|&core| self.within(core, self.points[at]));
        let mut best: Option<ClusterId> = None;
        for cell in self.near(cell) {
            if labels[cell].is_some_and(|label| best.is_none_or(|best| label < best)) && reaches(&cell) {
                best = labels[cell];
            }
        }
        best
    }
}

/// The place of each value's cell along an axis. Empty stretches beyond reach are left out, so that places stay small
/// however far the values lie.
fn cells_along(values: impl Iterator<Item = f64>, side: f64) -> Vec<i64> {
    let floors: Vec<f64> = values.map(|value| (value / side).floor()).collect();
    let mut order: Vec<usize> = (0..floors.len()).collect();
    order.par_sort_unstable_by(|&a, &b| floors[a].total_cmp(&floors[b]));
    let mut places = vec![0; floors.len()];
    for pair in order.windows(2) {
        let step = (floors[pair[1]] - floors[pair[0]]).min((REACH + 1) as f64);
        places[pair[1]] = places[pair[0]] + step as i64;
    }
    places
}

fn root(above: &mut [usize], mut cell: usize) -> usize {
    while above[cell] != cell {
        above[cell] = above[above[cell]];
        cell = above[cell];
    }
    cell
}

/// Whether some point of `a` is near some point of `b`. Reorders them.
fn are_close(a: &mut [Point], b: &mut [Point], squared_eps: f64) -> bool {
    let ([a_low, a_high], [b_low, b_high]) = (bounds(a), bounds(b));
    let gap = |axis: usize| (b_low[axis] - a_high[axis]).max(a_low[axis] - b_high[axis]).max(0.0);
    let span = |axis: usize| (b_high[axis] - a_low[axis]).max(a_high[axis] - b_low[axis]);
    let squares = |along: &dyn Fn(usize) -> f64| along(0).powi(2) + along(1).powi(2);
    if squares(&gap) > squared_eps {
        return false;
    }
    if squares(&span) <= squared_eps {
        return true;
    }
    if a.len() * b.len() <= FEW {
        let near = |p: &Point, q: &Point| (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2) <= squared_eps;
        return a.iter().any(|p| b.iter().any(|q| near(p, q)));
    }
    let (more, less, low, high) = if a.len() >= b.len() { (a, b, a_low, a_high) } else { (b, a, b_low, b_high) };
    let axis = usize::from(high[1] - low[1] > high[0] - low[0]);
    let middle = more.len() / 2;
    more.select_nth_unstable_by(middle, |p, q| p[axis].total_cmp(&q[axis]));
    let (left, right) = more.split_at_mut(middle);
    are_close(left, less, squared_eps) || are_close(right, less, squared_eps)
}

/// The corners of the box around some points.
fn bounds(points: &[Point]) -> [Point; 2] {
    let start = [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]];
    points
        .iter()
        .fold(start, |[low, high], p| [[low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[derive(serde::Deserialize)]
    struct Case {
        points: Vec<[f32; 2]>,
        runs: Vec<(f64, usize, Vec<i64>)>,
    }

    #[test]
    fn clusters_equal_scikit_learn() {
        let all: serde_json::Value = serde_json::from_str(include_str!("../../tests/data/neighbours.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_value(all["dbscan"].clone()).unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let points = Array2::from(case.points);
            for (eps, min_samples, expected) in case.runs {
                let expected: Vec<_> = expected.iter().map(|&label| usize::try_from(label).ok()).collect();
                let plane = Plane::new(points.view(), eps, 50);
                assert_eq!(plane.dbscan(min_samples), expected, "eps {eps}, min_samples {min_samples}");
            }
        }
    }

    /// DBSCAN as it is defined.
    fn by_definition(points: &Array2<f32>, eps: f64, min_samples: usize) -> Vec<Option<usize>> {
        let n = points.nrows();
        let at = |i: usize| [f64::from(points[[i, 0]]), f64::from(points[[i, 1]])];
        let near = |i: usize, j: usize| (at(i)[0] - at(j)[0]).powi(2) + (at(i)[1] - at(j)[1]).powi(2) <= eps * eps;
        let core: Vec<bool> = (0..n).map(|i| (0..n).filter(|&j| near(i, j)).count() >= min_samples).collect();
        let mut labels = vec![None; n];
        let mut cluster = 0;
        for start in 0..n {
            if labels[start].is_some() || !core[start] {
                continue;
            }
            let mut ahead = vec![start];
            while let Some(i) = ahead.pop() {
                if labels[i].is_none() {
                    labels[i] = Some(cluster);
                    if core[i] {
                        ahead.extend((0..n).filter(|&j| near(i, j)));
                    }
                }
            }
            cluster += 1;
        }
        labels
    }

    #[test]
    fn clusters_are_those_of_the_definition() {
        for seed in 0..60 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let n = [1, 2, 30, 400][seed as usize % 4];
            // Coarse coordinates give many equal points and distances that are the radius itself.
            let step = [0.0, 0.25, 1.0][seed as usize % 3];
            let spread = if seed % 5 == 0 { 1e6 } else { 1.0 };
            let points = Array2::from_shape_simple_fn((n, 2), || {
                let v: f32 = rng.random_range(-6.0..6.0) * if rng.random_bool(0.05) { spread } else { 1.0 };
                if step > 0.0 { (v / step).round() * step } else { v }
            });
            for eps in [0.25, 0.5, 1.0, 30.0] {
                let plane = Plane::new(points.view(), eps, 40);
                for min_samples in [1, 3, 8, 40] {
                    let expected = by_definition(&points, eps, min_samples);
                    assert_eq!(plane.dbscan(min_samples), expected, "seed {seed}, eps {eps}, {min_samples}");
                }
            }
        }
    }

    #[test]
    fn points_at_the_ends_of_f32_stay_apart() {
        let points = ndarray::array![[1e30f32, 0.0], [2e30, 0.0], [1e30, 0.0], [-3e38, 3e38], [0.0, 0.0], [0.5, 0.0]];
        let found = Plane::new(points.view(), 1.0, 2).dbscan(2);
        assert_eq!(found, [Some(0), None, Some(0), None, Some(1), Some(1)]);
        assert!(Plane::new(Array2::zeros((0, 2)).view(), 1.0, 2).dbscan(2).is_empty());
    }
}
