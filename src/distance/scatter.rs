//! The symmetric product X'X of rows, in f64.

use super::kernel::{BUNDLE, Bundles, Multiply, PANEL, STRETCH};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView2, Axis, Slice};
use rayon::prelude::*;

/// Values of a tile of the result.
const TILE: usize = PANEL * PANEL;
/// Least number of tiles to work on at a time, so that every core has some.
const MIN_TASKS: usize = 32;
/// Rows that are looked at for the shift of each column.
const SAMPLE: usize = 256;

/// Second moments of some rows.
pub(crate) struct Scatter {
    /// The mean of each column.
    pub means: Vec<f64>,
    /// The sum of (x - mean)(x - mean)', or of x x' if that was asked for; shape (d, d).
    pub matrix: Array2<f64>,
}

/// Second moments of the rows of `x`, shape (n, d) with n > 0, about their mean if `centred`. One pass, which copies a
/// few hundred rows at a time. Products are summed in f32 over 512 rows, those sums in f64, in an order that the number
/// of threads doesn't change. A value that is not finite, or of which the square is not, shows in the diagonal.
/// O(n d^2), of which half is done, and nothing where columns side by side are zero; memory 12 d^2 bytes.
pub(crate) fn scatter(x: ArrayView2<'_, f32>, centred: bool, reporter: &dyn Reporter) -> Result<Scatter, Interrupted> {
    let x = x.as_standard_layout();
    let (n, d) = x.dim();
    let n_panels = d.div_ceil(PANEL);
    let (shift, order) = survey(x.view(), centred);
    let pairs: Vec<(usize, usize)> = (0..n_panels)
        .flat_map(|i| order[i..].iter().map(|&q| (i, q)).collect::<Vec<_>>())
        .map(|(i, q)| (order[i], q))
        .collect();
    // Few features: several blocks of rows at a time, each with sums of its own.
    let n_blocks = MIN_TASKS.div_ceil(pairs.len()).min(n.div_ceil(STRETCH));
    let mut tiles = vec![0f64; n_blocks * pairs.len() * TILE];
    let packed = || (0..n_blocks * n_panels).map(|_| Packed::default()).collect::<Vec<_>>();
    let (mut now, mut next) = (packed(), packed());
    let mut chunks = x.axis_chunks_iter(Axis(0), n_blocks * STRETCH);
    // One core reads the next rows while the others multiply.
    rayon::scope(|_| -> Result<(), Interrupted> {
        let mut more = pack(chunks.next(), &shift, &mut now);
        while more {
            reporter.check()?;
            let multiply = || {
                tiles.par_chunks_mut(TILE).enumerate().for_each(|(i, tile)| {
                    let (block, (p, q)) = (i / pairs.len(), pairs[i % pairs.len()]);
                    let n_columns = PANEL.min(d - q * PANEL);
                    let (bundles, panel) = (&now[block * n_panels + p].bundles, &now[block * n_panels + q].rows);
                    for (b, sums) in tile.chunks_exact_mut(BUNDLE * PANEL).enumerate() {
                        pulp::Arch::new().dispatch(Multiply { bundle: bundles.get(b), panel, n_columns, sums });
                    }
                });
            };
            (more, ()) = rayon::join(|| pack(chunks.next(), &shift, &mut next), multiply);
            std::mem::swap(&mut now, &mut next);
        }
        Ok(())
    })?;
    let mut matrix = Array2::<f64>::zeros((d, d));
    for (i, tile) in tiles.chunks_exact(TILE).enumerate() {
        let (p, q) = pairs[i % pairs.len()];
        let tile = ArrayView2::from_shape((PANEL, PANEL), tile).expect("a tile");
        let mut add = |p: usize, q: usize, tile: ArrayView2<'_, f64>| {
            let span = |panel: usize| Slice::from(panel * PANEL..d.min((panel + 1) * PANEL));
            let mut to = matrix.slice_axis_mut(Axis(0), span(p));
            let mut to = to.slice_axis_mut(Axis(1), span(q));
            let tile = tile.slice_axis(Axis(0), Slice::from(..to.nrows()));
            to += &tile.slice_axis(Axis(1), Slice::from(..to.ncols()));
        };
        add(p, q, tile);
        if p != q {
            add(q, p, tile.t());
        }
    }
    // How far the mean is from the shift.
    let left: Vec<f64> = (0..d)
        .map(|j| {
            let packed = now.iter().chain(&next).skip(j / PANEL).step_by(n_panels);
            packed.map(|p| p.sums[j % PANEL]).sum::<f64>() / n as f64
        })
        .collect();
    if centred {
        for (mut row, a) in matrix.outer_iter_mut().zip(&left) {
            row.iter_mut().zip(&left).for_each(|(value, b)| *value -= n as f64 * a * b);
        }
    }
    let means = left.iter().zip(&shift).map(|(left, &shift)| left + f64::from(shift)).collect();
    Ok(Scatter { means, matrix })
}

/// What to subtract from each column so that products in f32 keep their digits, and the panels in the order of how
/// little is in them, from a sample of rows. A column's mean is subtracted where it is far from 0 beside the spread;
/// elsewhere zeros stay zeros.
fn survey(x: ArrayView2<'_, f32>, centred: bool) -> (Vec<f32>, Vec<usize>) {
    let (n, d) = x.dim();
    let step = n.div_ceil(SAMPLE);
    let n_sample = n.div_ceil(step) as f64;
    let mut sums = vec![(0f64, 0f64, 0usize); d];
    for row in x.outer_iter().step_by(step) {
        for ((sum, squares, filled), &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
            *squares += f64::from(value).powi(2);
            *filled += usize::from(value != 0.0);
        }
    }
    let shift = |&(sum, squares, _): &(f64, f64, usize)| {
        let (mean, square) = (sum / n_sample, squares / n_sample);
        // Beyond twice the standard deviation: mean^2 > 4 (square - mean^2).
        if centred && 5.0 * mean * mean > 4.0 * square { mean as f32 } else { 0.0 }
    };
    let shift: Vec<f32> = sums.iter().map(shift).collect();
    let filled = |panel: usize| -> usize {
        let columns = panel * PANEL..d.min((panel + 1) * PANEL);
        columns.map(|j| if shift[j] == 0.0 { sums[j].2 } else { n }).sum()
    };
    let mut order: Vec<usize> = (0..d.div_ceil(PANEL)).collect();
    order.sort_by_cached_key(|&panel| filled(panel));
    (shift, order)
}

/// Up to 64 columns of some rows, in both of the kernel's forms.
struct Packed {
    rows: Vec<[f32; PANEL]>,
    bundles: Bundles<f32>,
    /// The sum of each column over all rows so far.
    sums: [f64; PANEL],
}

impl Default for Packed {
    fn default() -> Self {
        Self { rows: Vec::new(), bundles: Bundles::default(), sums: [0.0; PANEL] }
    }
}

impl Packed {
    /// The rows are there: adds them up, and makes the bundles.
    fn prepare(&mut self) {
        pulp::Arch::new().dispatch(Sum { rows: &self.rows, sums: &mut self.sums });
        self.bundles.fill_all(&self.rows);
    }
}

struct Sum<'a> {
    rows: &'a [[f32; PANEL]],
    sums: &'a mut [f64; PANEL],
}

impl pulp::WithSimd for Sum<'_> {
    type Output = ();

    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let mut sums = [0f64; PANEL];
        for i in 0..self.rows.len() {
            for j in 0..PANEL {
                sums[j] += self.rows[i][j] as f64;
            }
        }
        for j in 0..PANEL {
            self.sums[j] += sums[j];
        }
    }
}

/// Copies rows, shifted, into the panels of their blocks, and says whether there were any. Whole rows are read in the
/// order of memory.
fn pack(rows: Option<ArrayView2<'_, f32>>, shift: &[f32], packed: &mut [Packed]) -> bool {
    const ROWS: usize = 64;
    let Some(rows) = rows else { return false };
    let blocks: Vec<_> = rows.axis_chunks_iter(Axis(0), STRETCH).collect();
    let n_panels = shift.len().div_ceil(PANEL);
    packed.iter_mut().skip(blocks.len() * n_panels).for_each(|packed| packed.rows.clear());
    let mut tasks = Vec::new();
    for (rows, packed) in blocks.iter().zip(packed.chunks_exact_mut(n_panels)) {
        packed.iter_mut().for_each(|packed| packed.rows.resize(rows.nrows(), [0.0; PANEL]));
        let mut panels: Vec<_> = packed.iter_mut().map(|packed| packed.rows.chunks_mut(ROWS)).collect();
        for rows in rows.axis_chunks_iter(Axis(0), ROWS) {
            let to: Vec<_> = panels.iter_mut().map(|panel| panel.next().expect("as many rows")).collect();
            tasks.push((rows, to));
        }
    }
    tasks.into_par_iter().for_each(|(rows, mut to)| {
        for (i, row) in rows.outer_iter().enumerate() {
            let row = row.to_slice().expect("rows are contiguous");
            for ((to, values), shift) in to.iter_mut().zip(row.chunks(PANEL)).zip(shift.chunks(PANEL)) {
                for ((to, value), shift) in to[i].iter_mut().zip(values).zip(shift) {
                    *to = value - shift;
                }
            }
        }
    });
    packed.par_iter_mut().for_each(Packed::prepare);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn moments_are_those_in_f64_with_any_number_of_threads() {
        for (n, d, offset) in [(1, 1, 0.0), (700, 3, 1e4), (1100, 70, 100.0), (40, 600, 0.0)] {
            let value = |i: usize, j: usize| ((i * 7 + j * 13 + i * j) % 23) as f32 / 23.0;
            let x = Array2::from_shape_fn((n, d), |(i, j)| if j % 3 == 0 { value(i, j) + offset } else { value(i, j) });
            for centred in [false, true] {
                let on = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| scatter(x.view(), centred, &Silent).unwrap())
                };
                let found = on(1);
                for threads in [2, 4] {
                    let other = on(threads);
                    assert!(found.matrix == other.matrix && found.means == other.means, "threads change the result");
                }
                let exact = x.mapv(f64::from);
                let means = exact.mean_axis(Axis(0)).unwrap();
                assert!(found.means.iter().zip(&means).all(|(f, e)| (f - e).abs() < 1e-9 * e.abs().max(1.0)));
                let exact = if centred { exact - means } else { exact };
                let exact = exact.t().dot(&exact);
                let near = |f: &f64, e: &f64| (f - e).abs() < 1e-5 * (n as f64 + e.abs());
                assert!(found.matrix.iter().zip(&exact).all(|(f, e)| near(f, e)), "{n} {d} {centred}");
            }
        }
    }
}
