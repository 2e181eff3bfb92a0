//! Sparse rows, as the metric sees them.

use crate::cluster::Metric;
use crate::cluster::rows::Points;
use crate::collection::{ClusterId, Csr, sparse_row};
use ndarray::Array2;

/// Rows, and what is known of them. By cosine they stand for the unit vectors of their directions.
pub(super) struct Rows<'a> {
    pub x: &'a Csr,
    pub metric: Metric,
    /// Squared lengths.
    norms: Vec<f64>,
}

impl<'a> Rows<'a> {
    pub fn new(x: &'a Csr, metric: Metric) -> Self {
        let norm = |i| sparse_row(x, i).1.iter().map(|&v| f64::from(v).powi(2)).sum();
        Self { x, metric, norms: (0..x.rows()).map(norm).collect() }
    }

    pub fn length(&self, i: usize) -> f64 {
        self.norms[i].sqrt()
    }

    /// Product with a vector, weighted.
    fn product(&self, i: usize, vector: &[f32]) -> f64 {
        let (columns, values) = sparse_row(self.x, i);
        let sum: f64 = columns.iter().zip(values).map(|(&j, &v)| f64::from(v) * f64::from(vector[j as usize])).sum();
        sum * self.weight(i)
    }
}

impl Points for Rows<'_> {
    fn metric(&self) -> Metric {
        self.metric
    }

    fn n_features(&self) -> usize {
        self.x.cols()
    }

    fn norms(&self) -> &[f64] {
        &self.norms
    }

    fn add_to(&self, sum: &mut [f64], first: usize, i: usize, sign: f64) {
        let weight = sign * self.weight(i);
        let (columns, values) = sparse_row(self.x, i);
        let from = columns.partition_point(|&j| (j as usize) < first);
        let to = columns.partition_point(|&j| (j as usize) < first + sum.len());
        let some = columns[from..to].iter().zip(&values[from..to]);
        some.for_each(|(&j, &v)| sum[j as usize - first] += f64::from(v) * weight);
    }
}

/// Centroids, each with half its squared length, by which alone scores differ from products: by cosine one half for
/// all, and infinite for one without a direction.
pub(super) struct Centroids<'a> {
    pub values: &'a Array2<f32>,
    pub halves: Vec<f64>,
    /// The longest one's length.
    pub longest: f64,
}

impl<'a> Centroids<'a> {
    pub fn new(values: &'a Array2<f32>, metric: Metric) -> Self {
        let squared = crate::distance::squared_norms(values.view());
        let longest = squared.iter().copied().fold(0.0, f64::max).sqrt();
        let half = |&squared: &f64| match metric {
            Metric::Euclidean => squared / 2.0,
            Metric::Cosine if squared == 0.0 => f64::INFINITY,
            Metric::Cosine => 0.5,
        };
        Self { values, halves: squared.iter().map(half).collect(), longest }
    }

    pub fn len(&self) -> usize {
        self.halves.len()
    }

    /// The score |c|^2 / 2 - x.c of a row with a centroid, which orders centroids as their distances do.
    pub fn score(&self, rows: &Rows<'_>, i: usize, c: ClusterId) -> f64 {
        let centroid = self.values.row(c);
        self.halves[c] - rows.product(i, centroid.to_slice().expect("centroids are contiguous"))
    }

    /// Squared distance; by cosine twice 1 - cos.
    pub fn squared(&self, rows: &Rows<'_>, i: usize, c: ClusterId) -> f64 {
        (2.0 * self.score(rows, i, c) + rows.squared_length(i)).max(0.0)
    }
}
