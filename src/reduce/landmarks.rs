//! The Gaussian kernel of rows with landmarks, which kernel PCA and diffusion maps are made of.

use super::ReduceError;
use super::features::{check, squared_norms, times};
use crate::collection::Features;
use crate::distance::{dot, product};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Up to this many rows all are landmarks: the kernel takes 400 MB then.
pub(super) const ALL: usize = 10_000;
/// As long as they take no more values than this (512 MB).
const MOST_VALUES: usize = 1 << 27;
/// Landmarks of more rows.
pub(super) const SOME: usize = 1000;
/// Rows whose kernel is held at a time.
pub(super) const BLOCK: usize = 4096;

/// Landmarks and the width of the kernel exp(-gamma |x - y|^2).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Landmarks {
    /// Their mean: far from 0 distances would lose their digits.
    pub centre: Array1<f32>,
    /// The landmarks less that, shape (n_landmarks, n_features).
    pub rows: Array2<f32>,
    pub gamma: f64,
    /// The squared length of each row.
    norms: Vec<f64>,
}

impl Landmarks {
    pub fn new(centre: Array1<f32>, rows: Array2<f32>, gamma: f64) -> Self {
        let norms = squared_norms(&rows.view().into());
        Self { centre, rows, gamma, norms }
    }

    /// All rows of `x`, or some drawn with the seed where there are too many or `few` are asked for.
    ///
    /// # Errors
    /// As [`check`].
    pub fn draw(x: &Features<'_>, gamma: Option<f64>, few: bool, seed: u64) -> Result<Self, ReduceError> {
        check(x)?;
        let (n, d) = x.dim();
        let mut rows = if !few && n <= ALL && n * d <= MOST_VALUES {
            x.to_dense().into_owned()
        } else {
            let mut rows = index::sample(&mut ChaCha8Rng::seed_from_u64(seed), n, n.min(SOME)).into_vec();
            rows.sort_unstable();
            x.select(&rows).to_dense().into_owned()
        };
        let mean =
            |column: ArrayView1<'_, f32>| column.iter().map(|&v| f64::from(v)).sum::<f64>() / column.len() as f64;
        let centre: Array1<f32> = rows.axis_iter(Axis(1)).map(|column| mean(column) as f32).collect();
        rows -= &centre;
        Ok(Self::new(centre, rows, gamma.unwrap_or(1.0 / d as f64)))
    }

    pub fn len(&self) -> usize {
        self.rows.nrows()
    }

    /// The squared distances from rows, shape (n, n_landmarks).
    pub fn squared_distances(&self, x: &Features<'_>) -> Array2<f32> {
        match x {
            Features::Dense(x) => self.centred_distances(&(x - &self.centre).into(), None),
            Features::Sparse(_) => self.centred_distances(x, Some(&self.centre)),
        }
    }

    /// Those between the landmarks.
    pub fn own_squared_distances(&self) -> Array2<f32> {
        self.centred_distances(&self.rows.view().into(), None)
    }

    /// From rows that are less the centre already, or less the one given.
    fn centred_distances(&self, x: &Features<'_>, centre: Option<&Array1<f32>>) -> Array2<f32> {
        let mut norms = squared_norms(x);
        let mut offsets = vec![0.0; self.len()];
        if let Some(centre) = centre {
            let length = dot(contiguous(centre.view()), contiguous(centre.view()));
            let along = times(x, centre.view().insert_axis(Axis(0)));
            norms.iter_mut().zip(&along).for_each(|(norm, &along)| *norm += length - 2.0 * f64::from(along));
            let rows = self.rows.outer_iter();
            offsets = rows.map(|row| dot(contiguous(row), contiguous(centre.view()))).collect();
        }
        // |x - c|^2 - 2 (x - c).l + |l|^2.
        let mut products = times(x, self.rows.view());
        products.outer_iter_mut().into_par_iter().zip(norms).for_each(|(mut row, norm)| {
            for ((value, own), offset) in row.iter_mut().zip(&self.norms).zip(&offsets) {
                let squared = norm - 2.0 * (f64::from(*value) - offset) + own;
                // Of rows so far that products overflow, all that is known.
                *value = if squared.is_finite() { (squared.max(0.0) as f32).min(f32::MAX) } else { f32::MAX };
            }
        });
        products
    }

    /// The kernel of rows, shape (n, n_landmarks).
    pub fn kernel(&self, x: &Features<'_>) -> Array2<f32> {
        self.kernel_of(self.squared_distances(x))
    }

    /// That of the landmarks.
    pub fn own_kernel(&self) -> Array2<f32> {
        let mut kernel = self.kernel_of(self.own_squared_distances());
        kernel.diag_mut().fill(1.0);
        kernel
    }

    fn kernel_of(&self, mut kernel: Array2<f32>) -> Array2<f32> {
        kernel.par_mapv_inplace(|squared| (-self.gamma * f64::from(squared)).exp() as f32);
        kernel
    }
}

/// Rows times a large symmetric matrix, of which no copy is made.
pub(super) fn symmetric_times(matrix: &Array2<f32>, rows: &Array2<f32>) -> Array2<f64> {
    product(matrix.view(), rows.t()).t().as_standard_layout().mapv(f64::from)
}

fn contiguous<'a>(row: ArrayView1<'a, f32>) -> &'a [f32] {
    row.to_slice().expect("rows are contiguous")
}
