//! How all places push one another apart in t-SNE: sums of a kernel over all pairs, by interpolation on a grid on which
//! they are a convolution (Linderman, Rachh, Hoskins, Steinerberger, Kluger 2019).

use rayon::prelude::*;
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Points of a box in each direction, between which the kernel is a parabola.
const NODES: usize = 3;
/// Boxes in each direction, at least, and the side of one where there are more.
const LEAST_BOXES: usize = 50;
const BOX: f32 = 1.0;
/// Boxes at most: beyond, they grow.
const MOST_BOXES: usize = 400;
/// Places a task takes at a time.
const BLOCK: usize = 1024;

/// A square grid of nodes, and the transformed kernels on it.
pub(super) struct Grid {
    n_boxes: usize,
    side: f32,
    /// Nodes in each direction, filled up so that nothing wraps around.
    padded: usize,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    /// Real part 1 / (1 + d^2)^2, imaginary part 1 / (1 + d^2), both real where transformed.
    kernels: Vec<Complex32>,
}

/// The push on each place, and the sum over all pairs of 1 / (1 + d^2) by which it is to be divided.
pub(super) struct Push {
    pub forces: Vec<[f32; 2]>,
    pub total: f64,
}

impl Grid {
    /// One that holds places over `span` in each direction.
    fn new(span: f32) -> Self {
        let n_boxes = smooth((span / BOX).ceil().clamp(LEAST_BOXES as f32, MOST_BOXES as f32) as usize);
        let side = span / n_boxes as f32;
        let padded = 2 * NODES * n_boxes;
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(padded), planner.plan_fft_inverse(padded));
        let step = side / NODES as f32;
        let mut kernels = vec![Complex32::default(); padded * padded];
        kernels.par_chunks_mut(padded).enumerate().for_each(|(i, row)| {
            let along = i.min(padded - i) as f32 * step;
            for (j, value) in row.iter_mut().enumerate() {
                let across = j.min(padded - j) as f32 * step;
                let near = 1.0 / (1.0 + along * along + across * across);
                *value = Complex32::new(near * near, near);
            }
        });
        let mut grid = Self { n_boxes, side, padded, forward, inverse, kernels: Vec::new() };
        grid.kernels = grid.transform(kernels, &grid.forward, padded, padded);
        grid
    }

    /// A grid for these places: the one there is, if they lie within and fill most of it.
    pub fn around(places: &[[f32; 2]], grid: Option<Self>) -> Self {
        let span = 2.0 * places.iter().flatten().fold(0.0f32, |most, v| most.max(v.abs()));
        match grid {
            Some(grid) if span < grid.span() && span > 0.8 * grid.span() => grid,
            _ => Self::new((1.1 * span).max(f32::MIN_POSITIVE.sqrt())),
        }
    }

    fn span(&self) -> f32 {
        self.side * self.n_boxes as f32
    }

    /// The first node of the box of a place and the weights of its nodes, in one direction.
    fn nodes(&self, coordinate: f32) -> (usize, [f32; NODES]) {
        let at = ((coordinate + self.span() / 2.0) / self.side).clamp(0.0, self.n_boxes as f32 - 0.5);
        let first = at as usize;
        // In nodes from the middle one.
        let t = (at - first as f32) * NODES as f32 - 1.5;
        (NODES * first, [t * (t - 1.0) / 2.0, 1.0 - t * t, t * (t + 1.0) / 2.0])
    }

    /// What all places do to each.
    pub fn push(&self, places: &[[f32; 2]]) -> Push {
        let (n, nodes) = (self.padded, self.padded / 2);
        let empty = || vec![Complex32::default(); n * n];
        let (mut a, mut b) = (empty(), empty());
        // As large as the numbers that they share a transform with.
        let unit = 2.0 / self.span();
        for place in places {
            let ((row, by_row), (column, by_column)) = (self.nodes(place[0]), self.nodes(place[1]));
            for (i, by_row) in by_row.into_iter().enumerate() {
                for (j, by_column) in by_column.into_iter().enumerate() {
                    let (at, weight) = ((row + i) * n + column + j, by_row * by_column);
                    a[at] += Complex32::new(weight, weight * unit * place[0]);
                    b[at] += Complex32::new(weight * unit * place[1], weight);
                }
            }
        }
        let mut a = self.transform(a, &self.forward, nodes, n);
        let b = self.transform(b, &self.forward, nodes, n);
        a.par_iter_mut().zip(&self.kernels).for_each(|(a, kernel)| *a *= kernel.re);
        let mut c = empty();
        c.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
            let mirrored = (n - i) % n * n;
            for (j, value) in row.iter_mut().enumerate() {
                // Of a real sequence the transform at -k is the conjugate: so the two parts come apart.
                let (here, there) = (b[i * n + j], b[mirrored + (n - j) % n].conj());
                let kernel = self.kernels[i * n + j];
                *value = ((here + there) * kernel.re + (here - there) * kernel.im) * 0.5;
            }
        });
        let (a, c) = (self.transform(a, &self.inverse, n, nodes), self.transform(c, &self.inverse, n, nodes));
        let blocks: Vec<(Vec<[f32; 2]>, f64)> =
            places.par_chunks(BLOCK).map(|places| self.gather(places, &a, &c)).collect();
        let total = blocks.iter().map(|(_, total)| total).sum();
        Push { forces: blocks.into_iter().flat_map(|(forces, _)| forces).collect(), total }
    }

    fn gather(&self, places: &[[f32; 2]], a: &[Complex32], c: &[Complex32]) -> (Vec<[f32; 2]>, f64) {
        let (n, mut total) = (self.padded, 0.0);
        let (scale, half) = (1.0 / (n * n) as f32, self.span() / 2.0);
        let push = |place: &[f32; 2]| {
            let ((row, by_row), (column, by_column)) = (self.nodes(place[0]), self.nodes(place[1]));
            let (mut first, mut second) = (Complex32::default(), Complex32::default());
            for (i, by_row) in by_row.into_iter().enumerate() {
                for (j, by_column) in by_column.into_iter().enumerate() {
                    let (at, weight) = ((row + i) * n + column + j, by_row * by_column);
                    first += a[at] * weight;
                    second += c[at] * weight;
                }
            }
            // A place is no neighbour of its own: what it adds is 1 only as nearly as the parabolas are.
            total += f64::from(second.im * scale) - f64::from(self.own(&by_row, &by_column));
            [(place[0] * first.re - half * first.im) * scale, (place[1] * first.re - half * second.re) * scale]
        };
        (places.iter().map(push).collect(), total)
    }

    /// The kernel between a place with these weights and itself, as interpolated.
    fn own(&self, by_row: &[f32; NODES], by_column: &[f32; NODES]) -> f32 {
        // Of nodes 0, 1 and 2 apart.
        let pairs = |[a, b, c]: &[f32; NODES]| [a * a + b * b + c * c, 2.0 * b * (a + c), 2.0 * a * c];
        let (rows, columns, step) = (pairs(by_row), pairs(by_column), self.side / NODES as f32);
        let term = |i: usize, j: usize| rows[i] * columns[j] / (1.0 + (i * i + j * j) as f32 * step * step);
        (0..NODES).map(|i| (0..NODES).map(|j| term(i, j)).sum::<f32>()).sum()
    }

    /// The transform in both directions, rows and columns swapped. Of the input only the first `rows` are not zero, of
    /// the result only the first `kept` are asked for.
    fn transform(&self, x: Vec<Complex32>, fft: &Arc<dyn Fft<f32>>, rows: usize, kept: usize) -> Vec<Complex32> {
        let n = self.padded;
        let along = |x: &mut [Complex32]| {
            x.par_chunks_mut(n).for_each_init(
                || vec![Complex32::default(); fft.get_inplace_scratch_len()],
                |scratch, row| fft.process_with_scratch(row, scratch),
            );
        };
        let mut x = x;
        along(&mut x[..rows * n]);
        let mut turned = vec![Complex32::default(); n * n];
        turned[..kept * n].par_chunks_mut(n).enumerate().for_each(|(j, row)| {
            row[..rows].iter_mut().enumerate().for_each(|(i, value)| *value = x[i * n + j]);
        });
        along(&mut turned[..kept * n]);
        turned
    }
}

/// The least number from this one on that has no prime factor but 2, 3 and 5: transforms of such lengths are fast.
fn smooth(n: usize) -> usize {
    let is_smooth = |mut n: usize| {
        for factor in [2, 3, 5] {
            while n.is_multiple_of(factor) {
                n /= factor;
            }
        }
        n == 1
    };
    (n..).find(|&n| is_smooth(n)).expect("a power of two")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_push_is_that_of_all_pairs() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        // The fewer places to a box, the more of the push is that of near ones, for which the kernel is no parabola.
        for (spread, rough) in [(1e-4f32, 1e-5), (5.0, 1e-3), (60.0, 0.15)] {
            let places: Vec<[f32; 2]> =
                (0..500).map(|_| std::array::from_fn(|_| spread * (rng.random::<f32>() - 0.4))).collect();
            let found = Grid::around(&places, None).push(&places);
            let (mut total, mut largest, mut off) = (0.0f64, 0.0f64, 0.0f64);
            for (i, a) in places.iter().enumerate() {
                let mut force = [0.0f64; 2];
                for b in places.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, b)| b) {
                    let difference = [f64::from(a[0]) - f64::from(b[0]), f64::from(a[1]) - f64::from(b[1])];
                    let near = 1.0 / (1.0 + difference.iter().map(|v| v * v).sum::<f64>());
                    total += near;
                    (0..2).for_each(|d| force[d] += near * near * difference[d]);
                }
                for (force, &found) in force.iter().zip(&found.forces[i]) {
                    largest = largest.max(force.abs());
                    off = off.max((force - f64::from(found)).abs());
                }
            }
            assert!((found.total / total - 1.0).abs() < 1e-3, "{spread}: {} {total}", found.total);
            assert!(off < rough * largest, "{spread}: {off} {largest}");
        }
    }
}
