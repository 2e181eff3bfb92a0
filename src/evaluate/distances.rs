//! All distances between points, a block of rows at a time, without ever holding the n x n matrix.
//!
//! |x - y|^2 = |x|^2 + |y|^2 - 2 x.y turns most of the work into matrix products, which are in f32. The difference
//! cancels digits: dense points are centred first (sparse ones would become dense), and where it is far below the
//! lengths the distance is computed anew from the rows, in f64.

use std::ops::Range;

use ndarray::{CowArray, Ix2};
use rayon::prelude::*;
use sprs::vec::{NnzEither, SparseIterTools};

use crate::collection::{Csr, Features, sparse_row};
use crate::distance::sparse::{PANEL, Panels};
use crate::distance::{Gram, TILE, squared_euclidean};

/// Sparse points that meet a block of rows at a time.
const POINTS: usize = 512;
/// Squared distances below this share of the squared lengths are computed anew.
const RESOLVED: f64 = 0.05;

/// Points with their squared norms.
pub(super) struct Points<'a> {
    data: Data<'a>,
    norms: Vec<f64>,
}

enum Data<'a> {
    Dense(CowArray<'a, f32, Ix2>, Gram),
    Sparse(&'a Csr),
}

/// Writes the products of some points with a block's rows into a tile.
type Fill<'a> = Box<dyn FnMut(Range<usize>, &mut [f64]) + 'a>;

impl<'a> Points<'a> {
    /// From the rows of `data`, shape (n_samples, n_features).
    pub fn new(data: &'a Features<'_>) -> Self {
        match data {
            Features::Dense(x) => {
                let (gram, norms) = Gram::new(x.view());
                Self { data: Data::Dense(x.as_standard_layout(), gram), norms }
            }
            Features::Sparse(x) => {
                let norm = |i| sparse_row(x, i).1.iter().map(|&v| f64::from(v).powi(2)).sum();
                Self { data: Data::Sparse(x), norms: (0..x.rows()).map(norm).collect() }
            }
        }
    }

    /// For every block of rows, the caller's own fold over all points: `start` makes its state, `step` is told point
    /// by point the distances to the block's rows, `finish` draws the result. Blocks run in parallel and come back
    /// in order; what happens within one doesn't depend on the number of threads.
    ///
    /// Distances are off by less than 1e-6 of themselves as a rule, at most 1e-4. O(n^2 n_features), 32 kB a thread besides the state; for
    /// sparse points O(n) for each of their values, 200 kB and 128 bytes a feature.
    pub fn fold_blocks<A, B: Send>(
        &self,
        start: impl Fn(Range<usize>) -> A + Sync,
        step: impl Fn(&mut A, usize, &[f64]) + Sync,
        finish: impl Fn(A) -> B + Sync,
    ) -> Vec<B> {
        let n = self.norms.len();
        let (width, height) = if matches!(self.data, Data::Sparse(_)) { (PANEL, POINTS) } else { (TILE, TILE) };
        let blocks = (0..n.div_ceil(width)).into_par_iter().map(|block| {
            let rows = block * width..n.min((block + 1) * width);
            let mut products = self.products(rows.clone());
            let mut state = start(rows.clone());
            let mut tile = vec![0.0; width * height];
            for first in (0..n).step_by(height) {
                let points = first..n.min(first + height);
                products(points.clone(), &mut tile);
                for (point, tile) in points.zip(tile.chunks_exact_mut(width)) {
                    let distances = &mut tile[..rows.len()];
                    self.distances(point, rows.clone(), distances);
                    step(&mut state, point, distances);
                }
            }
            finish(state)
        });
        blocks.collect()
    }

    /// What writes the products of some points (its rows) with `rows` (its columns) into a tile.
    fn products(&self, rows: Range<usize>) -> Fill<'_> {
        match &self.data {
            Data::Dense(_, gram) => {
                Box::new(move |points, tile| gram.tile(points.start / TILE, gram, rows.start / TILE, tile))
            }
            Data::Sparse(x) => {
                let panels = Panels::of_rows(x, rows);
                let (mut numbers, mut products) = (Vec::new(), Vec::new());
                Box::new(move |points, tile| {
                    numbers.clear();
                    numbers.extend(points);
                    products.resize(numbers.len() * PANEL, 0.0);
                    panels.products(x, &numbers, &mut products);
                    tile.iter_mut().zip(&products).for_each(|(to, &product)| *to = f64::from(product));
                })
            }
        }
    }

    /// Turns the products of a point with `rows` into distances.
    fn distances(&self, point: usize, rows: Range<usize>, values: &mut [f64]) {
        const OPEN: f64 = -1.0;
        let norm = self.norms[point];
        let mut all = true;
        for (value, other) in values.iter_mut().zip(&self.norms[rows.clone()]) {
            let sum = norm + other;
            let squared = sum - 2.0 * *value;
            let resolved = squared > RESOLVED * sum;
            *value = if resolved { squared.sqrt() } else { OPEN };
            all &= resolved;
        }
        if !all {
            let open = rows.zip(values).filter(|(_, value)| **value == OPEN);
            open.for_each(|(row, value)| *value = self.squared(point, row).sqrt());
        }
    }

    /// The squared distance of two points from their rows.
    fn squared(&self, i: usize, j: usize) -> f64 {
        match &self.data {
            Data::Dense(x, _) => {
                let row = |i: usize| x.row(i).to_slice().expect("standard layout");
                squared_euclidean(row(i), row(j))
            }
            Data::Sparse(x) => {
                let row = |i: usize| x.outer_view(i).expect("a row of the matrix");
                let difference = |either: NnzEither<'_, f32, f32>| match either {
                    NnzEither::Left((_, &value)) | NnzEither::Right((_, &value)) => f64::from(value),
                    NnzEither::Both((_, &a, &b)) => f64::from(a) - f64::from(b),
                };
                row(i).iter().nnz_or_zip(row(j).iter()).map(|either| difference(either).powi(2)).sum()
            }
        }
    }
}
