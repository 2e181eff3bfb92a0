//! Sparse rows as k-means++ and k-means|| meet them.

use super::rows::{Centroids, Rows};
use super::search::Search;
use crate::cluster::bounds::Bounds;
use crate::cluster::rows::Points;
use crate::cluster::seeding::{Draws, Sieve, plus_plus};
use crate::cluster::{ClusterError, Metric};
use crate::collection::{Csr, sparse_row};
use crate::distance::sparse::Panels;
use crate::progress::Reporter;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

impl Draws for Rows<'_> {
    type Rows = Self;

    fn rows(&self) -> &Self {
        self
    }

    fn between(&self, i: usize, j: usize) -> f64 {
        if i == j || self.is_blank(i) {
            return 0.0;
        }
        let pairs = pairs(sparse_row(self.x, i), sparse_row(self.x, j));
        match self.metric {
            Metric::Euclidean => pairs.map(|(a, b)| (a - b) * (a - b)).sum(),
            Metric::Cosine => {
                let product: f64 = pairs.map(|(a, b)| a * b).sum();
                (2.0 - 2.0 * product * self.weight(i) * self.weight(j)).max(0.0)
            }
        }
    }

    fn sieve(&self, candidates: &[usize]) -> impl Sieve {
        let known = candidates.iter().map(|&c| (self.weight(c), self.length(c), self.squared_length(c))).collect();
        Products { rows: self, panels: Panels::of_rows(self.x, candidates.iter().copied()), known }
    }

    fn vectors(&self, chosen: &[usize]) -> Array2<f32> {
        let mut vectors = Array2::zeros((chosen.len(), self.x.cols()));
        for (mut vector, &i) in vectors.outer_iter_mut().zip(chosen) {
            let (columns, values) = sparse_row(self.x, i);
            columns.iter().zip(values).for_each(|(&j, &v)| vector[j as usize] = v);
        }
        vectors
    }

    fn nearest(&self, vectors: &Array2<f32>) -> Vec<u32> {
        let mut bounds = Bounds::new(self.len());
        Search::new(self, &Centroids::new(vectors, self.metric)).update(&mut bounds);
        bounds.labels
    }

    fn choose_among(
        &self,
        some: &[usize],
        masses: &[f64],
        n_clusters: usize,
        rng: &mut ChaCha8Rng,
        reporter: &dyn Reporter,
    ) -> Result<Vec<usize>, ClusterError> {
        let mut x = Csr::empty(sprs::CompressedStorage::CSR, self.x.cols());
        for &i in some {
            let (columns, values) = sparse_row(self.x, i);
            x = x.append_outer_csvec(sprs::CsVecViewI::new(self.x.cols(), columns, values));
        }
        plus_plus::choose(&Rows::new(&x, self.metric), Some(masses), n_clusters, rng, reporter)
    }
}

/// The values of two sparse rows, column by column, 0 where one has none.
fn pairs<'a>(a: (&'a [u32], &'a [f32]), b: (&'a [u32], &'a [f32])) -> impl Iterator<Item = (f64, f64)> + 'a {
    let mut at = [0, 0];
    std::iter::from_fn(move || {
        let column = a.0.get(at[0]).into_iter().chain(b.0.get(at[1])).min()?;
        let value = |(columns, values): (&[u32], &[f32]), at: &mut usize| {
            let found = columns.get(*at) == Some(column);
            *at += usize::from(found);
            if found { f64::from(values[*at - 1]) } else { 0.0 }
        };
        Some((value(a, &mut at[0]), value(b, &mut at[1])))
    })
}

/// Candidates, compared with rows in f32.
struct Products<'a> {
    rows: &'a Rows<'a>,
    panels: Panels,
    /// Weight, length and squared length (by cosine 1) of each.
    known: Vec<(f64, f64, f64)>,
}

impl Sieve for Products<'_> {
    fn each(&self, rows: Range<usize>, squared: &[f64], products: &mut Vec<f32>, mut near: impl FnMut(usize, usize)) {
        let numbers: Vec<usize> = rows.collect();
        products.resize(numbers.len() * self.panels.width(), 0.0);
        self.panels.products(self.rows.x, &numbers, products);
        // Of f64: of this comparison, and of the distance that it stands for.
        let rounding = 4.0 * (self.rows.x.cols() + 8) as f64 * f64::EPSILON;
        for ((&i, &squared), products) in numbers.iter().zip(squared).zip(products.chunks_exact(self.panels.width())) {
            let (n_values, length) = (sparse_row(self.rows.x, i).0.len(), self.rows.length(i));
            let (weight, own) = (self.rows.weight(i), self.rows.squared_length(i));
            let is_near = |(&(of_other, other_length, other), &product): (&(f64, f64, f64), &f32)| {
                let most =
                    weight * of_other * (f64::from(product) + self.panels.rounding(n_values, length, other_length));
                // Beyond f32 anything may be true.
                !product.is_finite() || (own + other) * (1.0 - rounding) - 2.0 * most <= squared
            };
            for (t, _) in self.known.iter().zip(products).enumerate().filter(|(_, of)| is_near(*of)) {
                near(i, t);
            }
        }
    }
}
