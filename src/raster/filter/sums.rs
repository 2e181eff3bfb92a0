//! Sums over square windows.

use std::ops::{Add, Mul, Sub};

use ndarray::{ArrayD, ArrayViewD, ArrayViewMut2, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::Boundary;
use crate::nn::vectorised;

/// Cells of a task, so that it is worth handing out.
const TASK: usize = 1 << 12;
/// Neighbouring lines that are summed across at a time.
const PART: usize = 256;

/// The sum of `x` over the cells at most `window` away along each axis.
///
/// A difference of two running sums along one axis after the other, so that the cost does not depend on the window: O(n d).
/// Whole numbers up to 2^53 are summed exactly. On a torus, cells that a wide window reaches several times count as often.
///
/// ```
/// use alike::raster::filter::{Boundary, box_sum};
/// let x = ndarray::array![[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 4.0]].into_dyn();
/// assert_eq!(box_sum(x.view(), 1, Boundary::Plain)[[0, 0]], 1.0);
/// assert_eq!(box_sum(x.view(), 1, Boundary::Torus)[[0, 0]], 5.0);
/// ```
pub fn box_sum(x: ArrayViewD<'_, f64>, window: usize, boundary: Boundary) -> ArrayD<f64> {
    let Some((&side, leading)) = x.shape().split_last().filter(|_| !x.is_empty()) else { return x.to_owned() };
    let rows = x.as_standard_layout();
    let rows = rows.as_slice().expect("standard layout").par_chunks(side);
    let mut sums = vec![0.0; x.len()];
    let sums_of_rows = sums.par_chunks_mut(side).zip(rows).with_min_len(TASK.div_ceil(side));
    sums_of_rows.for_each_init(Vec::new, |running, (sums, row)| {
        sum_along(|at| row[at], |turns| turns as f64, window, boundary, running, sums);
    });
    let (mut length, mut summed) = (side, vec![0.0; x.len()]);
    for &n_lines in leading.iter().rev() {
        sum_across(&sums, n_lines, length, window, boundary, &mut summed);
        std::mem::swap(&mut sums, &mut summed);
        length *= n_lines;
    }
    ArrayD::from_shape_vec(x.raw_dim(), sums).expect("a sum for each cell")
}

/// What the windows along an axis reach.
#[derive(Clone, Copy)]
struct Span {
    /// How often all cells of the axis.
    turns: usize,
    /// Cells before the middle.
    before: usize,
    /// Cells from there on, beside the whole turns.
    width: usize,
}

impl Span {
    fn new(window: usize, boundary: Boundary, side: usize) -> Self {
        match boundary {
            Boundary::Plain => {
                let before = boundary.reach(window, side);
                Self { turns: 0, before, width: 2 * before + 1 }
            }
            Boundary::Torus => {
                Self { turns: (2 * window + 1) / side, before: window % side, width: (2 * window + 1) % side }
            }
        }
    }
}

/// The sums over the windows of a line whose cells hold `value`, given a buffer and whole numbers as values.
pub(in crate::raster) fn sum_along<T>(
    value: impl Fn(usize) -> T,
    number: impl Fn(usize) -> T,
    window: usize,
    boundary: Boundary,
    running: &mut Vec<T>,
    sums: &mut [T],
) where
    T: Copy + Add<Output = T> + Sub<Output = T> + Mul<Output = T>,
{
    let (side, zero) = (sums.len(), number(0));
    let Span { turns, before, width } = Span::new(window, boundary, side);
    let mut sum = zero;
    let mut upto = |at| {
        sum = sum + value(at);
        sum
    };
    running.clear();
    match boundary {
        Boundary::Plain => {
            running.resize(before + 1, zero);
            running.extend((0..side).map(upto));
            running.resize(side + width, sum);
        }
        Boundary::Torus => {
            running.push(zero);
            let first = (side - before) % side;
            running.extend((first..side).chain(0..first).map(&mut upto));
            running.extend((first..side).chain(0..first).take(width).map(upto));
        }
    }
    let whole = number(turns) * (running[side] - running[0]);
    for (sum, (from, to)) in sums.iter_mut().zip(running.iter().zip(&running[width..])) {
        *sum = whole + (*to - *from);
    }
}

/// The sums over windows across lines of `length` cells, `n_lines` of them one after the other, and then the next as many.
pub(in crate::raster) fn sum_across<T: Copy + Into<f64> + Sync>(
    x: &[T],
    n_lines: usize,
    length: usize,
    window: usize,
    boundary: Boundary,
    sums: &mut [f64],
) {
    let n_blocks = x.len() / (n_lines * length);
    let mut sums = ArrayViewMut3::from_shape((n_blocks, n_lines, length), sums).expect("a sum for each cell");
    let blocks = sums.axis_iter_mut(Axis(0)).into_par_iter().zip(x.par_chunks(n_lines * length));
    blocks.for_each(|(mut sums, x)| {
        let parts = sums.axis_chunks_iter_mut(Axis(1), PART).into_par_iter().enumerate();
        parts.for_each(|(part, sums)| {
            vectorised(
                #[inline(always)]
                || sum_part_across(&x[part * PART..], length, Span::new(window, boundary, n_lines), boundary, sums),
            );
        });
    });
}

/// The same for the first cells of each line: a running sum of lines.
#[inline(always)]
fn sum_part_across<T: Copy + Into<f64>>(
    x: &[T],
    length: usize,
    span: Span,
    boundary: Boundary,
    mut sums: ArrayViewMut2<'_, f64>,
) {
    let (n_lines, width) = sums.dim();
    let mut sum = vec![0.0; width];
    let line = |at: isize| boundary.place(at, n_lines).map(|line| &x[line * length..]);
    if span.turns > 0 {
        (0..n_lines as isize).for_each(|at| add(&mut sum, line(at), span.turns as f64));
    }
    let first = -(span.before as isize);
    let end = first + span.width as isize;
    (first..end).for_each(|at| add(&mut sum, line(at), 1.0));
    for (at, mut sums) in sums.outer_iter_mut().enumerate() {
        sums.as_slice_mut().expect("a part of a line").copy_from_slice(&sum);
        add(&mut sum, line(at as isize + first), -1.0);
        add(&mut sum, line(at as isize + end), 1.0);
    }
}

/// Adds so many times what a line holds, if there is one.
#[inline(always)]
fn add<T: Copy + Into<f64>>(sum: &mut [f64], line: Option<&[T]>, times: f64) {
    if let Some(line) = line {
        sum.iter_mut().zip(line).for_each(|(sum, &value)| *sum += times * value.into());
    }
}
