//! The middle value of each window.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::Boundary;

/// The middle of the values of `x` over the cells at most `window` away along both axes; outside of a plain raster x is 0.
///
/// A window's counts of the distinct values are kept while it moves along a row (Huang, Yang and Tang, *A fast
/// two-dimensional median filtering algorithm*, 1979): O(n window), and more where the middle runs over many values.
///
/// ```
/// use alike::raster::filter::{Boundary, median};
/// let x = ndarray::array![[1.0, 1.0, 0.0], [1.0, 9.0, 0.0], [1.0, 1.0, 0.0]];
/// assert_eq!(median(x.view(), 1, Boundary::Plain)[[1, 1]], 1.0);
/// assert_eq!(median(x.view(), 1, Boundary::Plain)[[1, 2]], 0.0);
/// ```
pub fn median(x: ArrayView2<'_, f64>, window: usize, boundary: Boundary) -> Array2<f64> {
    let (n_rows, n_columns) = x.dim();
    let mut middle = Array2::zeros(x.raw_dim());
    if x.is_empty() {
        return middle;
    }
    let mut values: Vec<f64> = x.iter().copied().chain([0.0]).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    let level = |value: f64| values.partition_point(|other| *other < value);
    let (rows, columns) = (boundary.places(window, n_rows), boundary.places(window, n_columns));
    let levels: Vec<usize> = rows
        .par_iter()
        .flat_map_iter(|row| columns.iter().map(move |column| Some(x[[(*row)?, (*column)?]])))
        .map(|value| level(value.unwrap_or(0.0)))
        .collect();
    let lines = middle.as_slice_mut().expect("standard layout").par_chunks_mut(n_columns);
    lines.enumerate().with_min_len(8).for_each_init(
        || Ranked::new(values.len(), (2 * window + 1).pow(2) / 2),
        |ranked, (row, line)| {
            let wide = columns.len();
            let column = |at: usize| (row..=row + 2 * window).map(move |row| row * wide + at);
            let added = |ranked: &mut Ranked, at| column(at).for_each(|cell| ranked.add(levels[cell]));
            let removed = |ranked: &mut Ranked, at| column(at).for_each(|cell| ranked.remove(levels[cell]));
            (0..2 * window).for_each(|at| added(ranked, at));
            for (at, middle) in line.iter_mut().enumerate() {
                added(ranked, at + 2 * window);
                *middle = values[ranked.settle()];
                removed(ranked, at);
            }
            (n_columns..n_columns + 2 * window).for_each(|at| removed(ranked, at));
        },
    );
    middle
}

/// How often each level occurs, and the level that holds a rank.
struct Ranked {
    counts: Vec<u32>,
    rank: usize,
    level: usize,
    /// Values of lower levels.
    below: usize,
}

impl Ranked {
    fn new(n_levels: usize, rank: usize) -> Self {
        Self { counts: vec![0; n_levels], rank, level: 0, below: 0 }
    }

    fn add(&mut self, level: usize) {
        self.counts[level] += 1;
        self.below += usize::from(level < self.level);
    }

    fn remove(&mut self, level: usize) {
        self.counts[level] -= 1;
        self.below -= usize::from(level < self.level);
    }

    /// Walks to the level of the rank.
    fn settle(&mut self) -> usize {
        while self.below > self.rank {
            self.level -= 1;
            self.below -= self.counts[self.level] as usize;
        }
        while self.below + self.counts[self.level] as usize <= self.rank {
            self.below += self.counts[self.level] as usize;
            self.level += 1;
        }
        self.level
    }
}
