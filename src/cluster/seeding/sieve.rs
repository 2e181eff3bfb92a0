//! Which candidates may be nearer to a row than a given distance, by their [`Images`] alone.
//!
//! Images are compared in f32, a few candidates with row after row, so that the rows themselves, which may be ten times
//! longer, are read only where a candidate may be nearer to them. The errors of images and of rounding are counted in.

use super::super::Metric;
use super::super::images::Images;
use super::super::kernel::HALF_ULP;
use super::super::rows::{Points, Rows};
use super::products::Products;
use std::ops::Range;

/// Unit vectors in f32 are this near to unit length, squared; twice.
const UNIT: f64 = 5e-7;
/// The least f32 above 0: what rounding does to the smallest values.
const LEAST: f64 = f32::from_bits(1) as f64;

/// Candidates, ready to be compared with rows.
pub(in super::super) trait Sieve: Sync {
    /// Calls `near` for each of `rows` and each candidate, by its place, that may be nearer to it than `squared` says,
    /// the squared distance of each of the rows.
    fn each(&self, rows: Range<usize>, squared: &[f64], products: &mut Vec<f32>, near: impl FnMut(usize, usize));
}

/// The images of candidates.
pub(super) struct OfImages<'a> {
    images: &'a Images<'a>,
    /// Images of the candidates, shape (n_candidates, width).
    values: Vec<f32>,
    /// Half the squared length of each.
    halves: Vec<f64>,
    /// Length of the longest, and the largest error of one.
    longest: f64,
    error: f64,
    /// What unit vectors add to the error of squared distances.
    slack: f64,
}

impl<'a> OfImages<'a> {
    pub fn new(rows: &'a Rows<'a>, images: &'a Images<'a>, candidates: &[usize]) -> Self {
        let values = candidates.iter().flat_map(|&row| {
            let (values, scale) = images.row(row);
            values.iter().map(move |&v| v * scale)
        });
        let lengths: Vec<f64> = candidates.iter().map(|&row| images.length(row)).collect();
        Self {
            images,
            values: values.collect(),
            halves: lengths.iter().map(|length| length * length / 2.0).collect(),
            longest: lengths.iter().copied().fold(0.0, f64::max),
            error: candidates.iter().map(|&row| images.error(row)).fold(0.0, f64::max),
            slack: if rows.metric() == Metric::Cosine { UNIT } else { 0.0 },
        }
    }

    /// The products of images, shape (n_rows, n_candidates), not scaled by what the rows' values must be.
    fn products(&self, rows: Range<usize>, products: &mut Vec<f32>) {
        products.resize(rows.len() * self.halves.len(), 0.0);
        let rows: Vec<&[f32]> = rows.map(|i| self.images.row(i).0).collect();
        let (vectors, n_features) = (&self.values[..], self.images.width());
        pulp::Arch::new().dispatch(Products { rows: &rows, vectors, n_features, products });
    }

    /// What the product with a candidate at such a squared distance of row `i`, or nearer, is at least, less half the
    /// candidate's squared length; and what products with the row must be multiplied by.
    fn bound(&self, i: usize, squared: f64) -> (f64, f64) {
        let (length, scale) = (self.images.length(i), f64::from(self.images.row(i).1));
        let reach = squared.sqrt() + self.images.error(i) + self.error;
        let n_terms = (self.images.width() + 4) as f64;
        // Of the product, one term after the other, and of what is computed here.
        let error = n_terms * (HALF_ULP * length * self.longest + LEAST * scale)
            + 4.0 * f64::EPSILON * (length * length + self.longest * self.longest);
        ((length * length - reach * reach - self.slack) / 2.0 - error, scale)
    }

    /// Whether candidate `t` is certainly farther than what the bound was for.
    fn is_farther(&self, t: usize, product: f32, scale: f64, bound: f64) -> bool {
        product.is_finite() && f64::from(product) * scale - self.halves[t] < bound
    }
}

impl Sieve for OfImages<'_> {
    fn each(&self, rows: Range<usize>, squared: &[f64], products: &mut Vec<f32>, mut near: impl FnMut(usize, usize)) {
        self.products(rows.clone(), products);
        for ((i, &squared), products) in rows.zip(squared).zip(products.chunks_exact(self.halves.len())) {
            let (bound, scale) = self.bound(i, squared);
            let is_near = |&t: &usize| !self.is_farther(t, products[t], scale, bound);
            (0..products.len()).filter(is_near).for_each(|t| near(i, t));
        }
    }
}
