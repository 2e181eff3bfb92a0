//! Diffusion maps, with an extension to new rows.

use super::ReduceError;
use super::features::blocks;
use super::landmarks::{BLOCK, Landmarks, symmetric_times};
use super::subspace::{BY_KERNEL, eigen};
use crate::collection::Features;
use crate::distance::product;
use crate::progress::Reporter;
use ndarray::{Array1, Array2, Axis};

/// Eigenvalues below this are rounding; the largest is 1.
const LEAST: f64 = 1e-6;
/// Rows whose distances are looked at for the width of the kernel.
const SAMPLE: usize = 500;

/// A fitted diffusion map: coordinates of landmarks, of which a row gets the mean over a step of a random walk.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffusionMap {
    pub(super) landmarks: Landmarks,
    /// One over the density at each landmark.
    pub(super) weights: Array1<f32>,
    /// Shape (n_components, n_landmarks).
    pub(super) coordinates: Array2<f32>,
    pub(super) eigenvalues: Vec<f64>,
}

impl DiffusionMap {
    /// Coifman, Lafon 2006, with the density divided out (alpha = 1) and one step of time.
    pub(super) fn fit(
        x: &Features<'_>,
        count: usize,
        gamma: Option<f64>,
        few_landmarks: bool,
        seed: u64,
        reporter: &dyn Reporter,
    ) -> Result<Self, ReduceError> {
        let mut landmarks = Landmarks::draw(x, gamma, few_landmarks, seed)?;
        let m = landmarks.len();
        if m < x.dim().0 {
            reporter.detail(&format!("the map is that of {m} images drawn as landmarks, carried over to all"));
        }
        if gamma.is_none() {
            landmarks.gamma = width(&landmarks);
        }
        let kernel = landmarks.own_kernel();
        reporter.check()?;
        let sums = |weights: &Array1<f64>| -> Array1<f64> {
            kernel
                .outer_iter()
                .map(|row| row.iter().zip(weights).map(|(&k, w)| f64::from(k) * w).sum::<f64>())
                .collect()
        };
        let weights = sums(&Array1::ones(m)).mapv(f64::recip);
        let degrees = &sums(&weights) * &weights;
        // The walk's matrix made symmetric: its entries are scale * kernel * scale.
        let scale = &weights / &degrees.mapv(f64::sqrt);
        let walk = || Array2::from_shape_fn((m, m), |(i, j)| scale[i] * f64::from(kernel[[i, j]]) * scale[j]);
        let times = |q: &Array2<f64>| {
            let scaled = (q * &scale).mapv(|v| v as f32);
            Ok(symmetric_times(&kernel, &scaled) * &scale)
        };
        // The first eigenvector is the same for all rows and says nothing.
        let (values, vectors) = eigen(m, count + 1, seed, &BY_KERNEL, reporter, walk, times)?;
        let total = degrees.sum();
        let coordinates = Array2::from_shape_fn((count, m), |(c, i)| {
            let counts = values[c + 1] > LEAST;
            if counts { (vectors[[c + 1, i]] * (total / degrees[i]).sqrt()) as f32 } else { 0.0 }
        });
        let eigenvalues = values[1..].to_vec();
        Ok(Self { landmarks, weights: weights.mapv(|w| w as f32), coordinates, eigenvalues })
    }

    pub(super) fn transform(&self, x: &Features<'_>) -> Array2<f32> {
        let mut reduced = Array2::zeros((x.dim().0, self.coordinates.nrows()));
        for (rows, x) in blocks(x, BLOCK) {
            let mut steps = self.landmarks.squared_distances(&x);
            ndarray::Zip::from(steps.rows_mut()).par_for_each(|mut row| {
                // Only ratios count: relative to the nearest none vanish, however far the row.
                let nearest = row.iter().copied().fold(f32::INFINITY, f32::min);
                let mut sum = 0.0;
                for (value, &weight) in row.iter_mut().zip(&self.weights) {
                    let step = (-self.landmarks.gamma * f64::from(*value - nearest)).exp() * f64::from(weight);
                    sum += step;
                    *value = step as f32;
                }
                row.mapv_inplace(|v| (f64::from(v) / sum) as f32);
            });
            reduced.slice_axis_mut(Axis(0), rows.into()).assign(&product(steps.view(), self.coordinates.t()));
        }
        reduced
    }
}

/// One over the median squared distance between landmarks.
fn width(landmarks: &Landmarks) -> f64 {
    let step = landmarks.len().div_ceil(SAMPLE);
    let rows: Vec<usize> = (0..landmarks.len()).step_by(step).collect();
    let some = Landmarks::new(landmarks.centre.clone(), landmarks.rows.select(Axis(0), &rows), 1.0);
    let squares = some.own_squared_distances();
    let apart = squares.indexed_iter().filter(|((i, j), _)| i < j);
    let mut apart: Vec<f32> = apart.map(|(_, &v)| v).filter(|&v| v > 0.0).collect();
    apart.sort_unstable_by(f32::total_cmp);
    apart.get(apart.len() / 2).map_or(1.0, |&median| 1.0 / f64::from(median))
}
