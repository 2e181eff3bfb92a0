//! The leading eigenvectors of X'X for centred or plain rows X, by subspace iteration.

use super::ReduceError;
use crate::device::Device;
use crate::distance::product;
use crate::progress::{Interrupted, Reporter};
use linfa_linalg::eigh::{EigSort, Eigh};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Up to this many features X'X is formed once (32 MB at the limit); beyond, every round passes over X instead.
const MAX_GRAM: usize = 2048;
/// Extra directions, which carry the error of the last wanted ones.
const OVERSAMPLING: usize = 10;
/// Rounds over X; each squares the ratio of wanted to unwanted singular values.
const PASSES: usize = 8;
/// Rounds over X'X, which are cheap: to convergence.
const MAX_ROUNDS: usize = 500;
/// Converged when no wanted vector's residual exceeds this share of the largest eigenvalue.
const TOLERANCE: f64 = 1e-8;
/// Values in a block of rows (16 MB).
const BLOCK_VALUES: usize = 1 << 22;

/// The data, centred on the fly.
pub(super) struct Rows<'a> {
    pub x: ArrayView2<'a, f32>,
    pub mean: Option<&'a Array1<f32>>,
    pub device: &'a Device,
}

/// Eigenvectors as rows, largest eigenvalue first; the largest entry of each in magnitude is positive.
pub(super) struct Leading {
    pub vectors: Array2<f64>,
    pub values: Vec<f64>,
}

impl Rows<'_> {
    /// The sum over blocks of rows B (centred copies) of `term(B)`, in order.
    fn sum(
        &self,
        columns: usize,
        reporter: &dyn Reporter,
        term: impl Fn(Array2<f32>) -> Result<Array2<f32>, ReduceError>,
    ) -> Result<Array2<f64>, ReduceError> {
        let d = self.x.ncols();
        let mut sum = Array2::<f64>::zeros((d, columns));
        for block in self.x.axis_chunks_iter(Axis(0), (BLOCK_VALUES / d).max(64)) {
            reporter.check()?;
            let block = match self.mean {
                Some(mean) => &block - mean,
                None => block.to_owned(),
            };
            ndarray::Zip::from(&mut sum).and(&term(block)?).par_for_each(|sum, &term| *sum += f64::from(term));
        }
        Ok(sum)
    }

    /// X'X, shape (d, d).
    fn gram(&self, reporter: &dyn Reporter) -> Result<Array2<f64>, ReduceError> {
        self.sum(self.x.ncols(), reporter, |b| Ok(self.device.product(b.t(), b.view())?))
    }

    /// X'(X q) for q of shape (d, m).
    fn gram_times(&self, q: &Array2<f64>, reporter: &dyn Reporter) -> Result<Array2<f64>, ReduceError> {
        let q = q.mapv(|v| v as f32);
        self.sum(q.ncols(), reporter, |b| {
            let projected = self.device.product(b.view(), q.view())?;
            Ok(self.device.product(b.t(), projected.view())?)
        })
    }
}

/// The `count` leading eigenvectors of X'X.
pub(super) fn leading(
    rows: &Rows<'_>,
    count: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Leading, ReduceError> {
    let d = rows.x.ncols();
    let width = (count + OVERSAMPLING).min(d);
    if d > MAX_GRAM {
        let times = |q: &Array2<f64>| rows.gram_times(q, reporter);
        return iterate(times, start(d, width, seed), count, PASSES, reporter);
    }
    let gram = rows.gram(reporter)?;
    if 2 * width >= d {
        let (values, vectors) = gram.eigh()?.sort_eig_desc();
        return Ok(take(values, vectors, count));
    }
    iterate(|q| Ok(product(gram.view(), q.view())), start(d, width, seed), count, MAX_ROUNDS, reporter)
}

/// An orthonormal basis, shape (d, count), near the span of the leading eigenvectors of the centred rows' X'X: `rounds`
/// of subspace iteration from a fixed start. O(n d count) a round.
pub(crate) fn rough_basis<'a>(
    x: ArrayView2<'a, f32>,
    mean: &'a Array1<f32>,
    count: usize,
    rounds: usize,
    reporter: &dyn Reporter,
) -> Result<Array2<f64>, Interrupted> {
    let rows = Rows { x, mean: Some(mean), device: &Device::Cpu };
    let mut basis = start(x.ncols(), count, 0);
    for _ in 0..rounds {
        reporter.check()?;
        basis = orthonormalise(rows.gram_times(&basis, reporter).map_err(|_| Interrupted)?);
    }
    Ok(basis)
}

fn start(d: usize, width: usize, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    orthonormalise(Array2::from_shape_simple_fn((d, width), || rng.random::<f64>() - 0.5))
}

/// Subspace iteration with a Rayleigh-Ritz step a round.
fn iterate(
    times: impl Fn(&Array2<f64>) -> Result<Array2<f64>, ReduceError>,
    mut q: Array2<f64>,
    count: usize,
    rounds: usize,
    reporter: &dyn Reporter,
) -> Result<Leading, ReduceError> {
    for round in 1.. {
        reporter.check()?;
        let image = times(&q)?;
        let (values, rotation) = q.t().dot(&image).eigh()?.sort_eig_desc();
        let vectors = q.dot(&rotation);
        let residuals = image.dot(&rotation) - &vectors * &values;
        let worst = residuals.columns().into_iter().take(count).map(|r| r.dot(&r)).fold(0.0, f64::max).sqrt();
        if worst <= TOLERANCE * values[0].abs() || round == rounds {
            return Ok(take(values, vectors, count));
        }
        q = orthonormalise(image);
    }
    unreachable!("the last round returns")
}

/// The first `count` columns as rows, with their sign fixed.
fn take(values: Array1<f64>, vectors: Array2<f64>, count: usize) -> Leading {
    let mut vectors = vectors.slice_axis(Axis(1), (..count).into()).t().as_standard_layout().into_owned();
    for mut vector in vectors.outer_iter_mut() {
        let largest = vector.iter().fold(0.0, |m: f64, &v| if v.abs() > m.abs() { v } else { m });
        if largest < 0.0 {
            vector.mapv_inplace(|v| -v);
        }
    }
    Leading { vectors, values: values.iter().take(count).map(|v| v.max(0.0)).collect() }
}

/// Gram-Schmidt, twice over for orthogonality to the last bit; a column that depends on the ones before it becomes 0.
fn orthonormalise(columns: Array2<f64>) -> Array2<f64> {
    let mut rows = columns.reversed_axes().as_standard_layout().into_owned();
    for i in 0..rows.nrows() {
        let (done, mut rest) = rows.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        let before = row.dot(&row).sqrt();
        for _ in 0..2 {
            let overlaps = done.dot(&row);
            row -= &done.t().dot(&overlaps);
        }
        let norm = row.dot(&row).sqrt();
        let scale = if norm > 1e-12 * before { 1.0 / norm } else { 0.0 };
        row.mapv_inplace(|v| v * scale);
    }
    rows.reversed_axes().as_standard_layout().into_owned()
}
