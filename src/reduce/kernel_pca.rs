//! Kernel PCA with the Gaussian kernel, exact or from landmarks.

use super::ReduceError;
use super::features::blocks;
use super::landmarks::{BLOCK, Landmarks, symmetric_times};
use super::subspace::{BY_GRAM, BY_KERNEL, eigen};
use crate::collection::Features;
use crate::distance::{Scatter, product, scatter};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array1, Array2, Axis};

/// Eigenvalues below this share of the largest are rounding.
const LEAST: f64 = 1e-6;

/// A fitted kernel PCA: the linear map from the kernel of a row with each landmark to components.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelPca {
    pub(super) landmarks: Landmarks,
    /// Shape (n_components, n_landmarks).
    pub(super) projection: Array2<f32>,
    /// What the projection makes of the mean kernel.
    pub(super) offset: Array1<f32>,
    pub(super) ratio: Vec<f64>,
}

impl KernelPca {
    pub(super) fn fit(
        x: &Features<'_>,
        n_components: usize,
        gamma: Option<f64>,
        few_landmarks: bool,
        seed: u64,
        reporter: &dyn Reporter,
    ) -> Result<Self, ReduceError> {
        let landmarks = Landmarks::draw(x, gamma, few_landmarks, seed)?;
        if landmarks.len() == x.dim().0 {
            Self::exact(landmarks, n_components, seed, reporter)
        } else {
            reporter.detail(&format!("the kernel is taken of {} images drawn as landmarks", landmarks.len()));
            Self::nystrom(landmarks, x, n_components, seed, reporter)
        }
    }

    /// Every row is a landmark (Schoelkopf, Smola, Mueller 1998).
    fn exact(landmarks: Landmarks, count: usize, seed: u64, reporter: &dyn Reporter) -> Result<Self, ReduceError> {
        let n = landmarks.len();
        let kernel = landmarks.own_kernel();
        reporter.check()?;
        let means: Array1<f64> =
            kernel.outer_iter().map(|row| row.iter().map(|&v| f64::from(v)).sum::<f64>()).collect();
        let means = means / n as f64;
        // The trace of the centred kernel, of which the diagonal is 1.
        let trace = n as f64 - means.sum();
        let centred = || {
            let mean = means.mean().unwrap_or(0.0);
            Array2::from_shape_fn((n, n), |(i, j)| f64::from(kernel[[i, j]]) - means[i] - means[j] + mean)
        };
        let times = |q: &Array2<f64>| {
            let centred = |mut q: Array2<f64>| {
                q.outer_iter_mut().for_each(|mut row| row -= row.mean().unwrap_or(0.0));
                q
            };
            let q = centred(q.clone()).mapv(|v| v as f32);
            Ok(centred(symmetric_times(&kernel, &q)))
        };
        let (values, vectors) = eigen(n, count, seed, &BY_KERNEL, reporter, centred, times)?;
        let scaled = |(vector, &value): (ndarray::ArrayView1<'_, f64>, &f64)| {
            vector.to_owned() * if value > LEAST * values[0] { value.powf(-0.5) } else { 0.0 }
        };
        let rows: Vec<Array1<f64>> = vectors.outer_iter().zip(&values).map(scaled).collect();
        let projection = Array2::from_shape_fn((count, n), |(i, j)| rows[i][j]);
        Ok(Self::of(landmarks, projection, means, &values, trace))
    }

    /// Nystrom features of every row, and their PCA (Williams, Seeger 2000).
    fn nystrom(
        landmarks: Landmarks,
        x: &Features<'_>,
        count: usize,
        seed: u64,
        reporter: &dyn Reporter,
    ) -> Result<Self, ReduceError> {
        let m = landmarks.len();
        let mut kernel = landmarks.own_kernel().mapv(f64::from);
        // Enough for the rounding of f32.
        kernel.diag_mut().mapv_inplace(|v| v + 1e-8 * m as f64);
        let root = cholesky(kernel);
        let Scatter { means, matrix } = moments(&landmarks, x, reporter)?;
        // The covariance of the features, which are the kernel times the inverse of the root.
        let half = solve(&root, matrix);
        let covariance = solve(&root, half.reversed_axes().as_standard_layout().into_owned());
        let trace = covariance.diag().sum();
        let times = |q: &Array2<f64>| Ok(product(q.view(), covariance.view()));
        let (values, vectors) = eigen(m, count, seed, &BY_GRAM, reporter, || covariance.clone(), times)?;
        let projection = solve_transposed(&root, vectors);
        Ok(Self::of(landmarks, projection, Array1::from(means), &values, trace))
    }

    fn of(landmarks: Landmarks, projection: Array2<f64>, means: Array1<f64>, values: &[f64], trace: f64) -> Self {
        let offset = projection.dot(&means).mapv(|v| v as f32);
        let ratio = values.iter().map(|v| if trace > 0.0 { v / trace } else { 0.0 }).collect();
        Self { landmarks, projection: projection.mapv(|v| v as f32), offset, ratio }
    }

    pub(super) fn transform(&self, x: &Features<'_>) -> Array2<f32> {
        let mut reduced = Array2::zeros((x.dim().0, self.projection.nrows()));
        for (rows, x) in blocks(x, BLOCK) {
            let block = product(self.landmarks.kernel(&x).view(), self.projection.t()) - &self.offset;
            reduced.slice_axis_mut(Axis(0), rows.into()).assign(&block);
        }
        reduced
    }
}

/// Second moments of the kernel of all rows, about its mean, merged block by block (Chan, Golub, LeVeque 1983).
fn moments(landmarks: &Landmarks, x: &Features<'_>, reporter: &dyn Reporter) -> Result<Scatter, Interrupted> {
    let m = landmarks.len();
    let mut total = Scatter { means: vec![0.0; m], matrix: Array2::zeros((m, m)) };
    for (rows, x) in blocks(x, BLOCK) {
        let block = scatter(landmarks.kernel(&x).view(), true, reporter)?;
        let (n, more) = (rows.start as f64, rows.len() as f64);
        let apart: Vec<f64> = block.means.iter().zip(&total.means).map(|(new, old)| new - old).collect();
        total.matrix += &block.matrix;
        for (mut row, a) in total.matrix.outer_iter_mut().zip(&apart) {
            row.iter_mut().zip(&apart).for_each(|(value, b)| *value += n * more / (n + more) * a * b);
        }
        total.means.iter_mut().zip(&apart).for_each(|(mean, apart)| *mean += apart * more / (n + more));
    }
    Ok(total)
}

/// L of a = L L', for a positive definite.
fn cholesky(mut a: Array2<f64>) -> Array2<f64> {
    for j in 0..a.nrows() {
        let (mut done, mut rest) = a.view_mut().split_at(Axis(0), j + 1);
        let mut row = done.row_mut(j);
        let pivot = (row[j] - row.iter().take(j).map(|v| v * v).sum::<f64>()).max(1e-12).sqrt();
        row[j] = pivot;
        row.iter_mut().skip(j + 1).for_each(|v| *v = 0.0);
        let row = row.as_slice().expect("rows are contiguous");
        ndarray::Zip::from(rest.rows_mut()).par_for_each(|mut other| {
            let other = other.as_slice_mut().expect("rows are contiguous");
            let inner: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
            other[j] = (other[j] - inner) / pivot;
        });
    }
    a
}

/// L^-1 b.
fn solve(l: &Array2<f64>, mut b: Array2<f64>) -> Array2<f64> {
    for i in 0..l.nrows() {
        let (done, mut rest) = b.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        row -= &l.row(i).slice_axis(Axis(0), (..i).into()).dot(&done);
        row /= l[[i, i]];
    }
    b
}

/// L'^-1 of each row of `b`.
fn solve_transposed(l: &Array2<f64>, mut b: Array2<f64>) -> Array2<f64> {
    for mut x in b.outer_iter_mut() {
        for i in (0..l.nrows()).rev() {
            x[i] /= l[[i, i]];
            let value = x[i];
            x.slice_axis_mut(Axis(0), (..i).into()).scaled_add(-value, &l.row(i).slice_axis(Axis(0), (..i).into()));
        }
    }
    b
}
