//! The leading eigenvectors of X'X for centred or plain rows X, by subspace iteration.
//!
//! Where X'X is cheap it is formed once, in one pass over X; else every round passes over X (a randomised range finder
//! with power iterations: Halko, Martinsson, Tropp 2011). Either way a round ends in a Rayleigh-Ritz step, and the next
//! is sped up by a Chebyshev polynomial (Rutishauser 1970; Zhou, Saad 2007), which takes the wanted directions as much
//! farther from the rest as several plain rounds would.

use super::ReduceError;
use super::device::Rows;
use super::moments::Moments;
use crate::device::Device;
use crate::distance::{Packed, Scatter, product, scatter};
use crate::progress::Reporter;
use linfa_linalg::eigh::{EigSort, Eigh, EighInto};
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Up to this many features X'X may be formed (134 MB at the limit).
const MAX_GRAM: usize = 4096;
/// Up to this many it always is.
const MIN_GRAM: usize = 256;
/// Least number of extra directions, which carry the error of the last wanted ones.
const OVERSAMPLING: usize = 10;
/// Values in a block of rows (16 MB).
const BLOCK_VALUES: usize = 1 << 22;

/// When to stop.
pub(super) struct Effort {
    /// Products with X'X at most.
    pub products: usize,
    /// Converged when the residual of each wanted vector is at most this share of its eigenvalue, or a thousandth of
    /// this share of the largest.
    pub tolerance: f64,
    /// How much farther a polynomial may take the largest from the rest: what the products' digits allow.
    pub growth: f64,
}

/// X'X at hand, in f64: to convergence.
pub(super) const BY_GRAM: Effort = Effort { products: 500, tolerance: 1e-4, growth: 1e14 };
/// A kernel at hand, in f32: to convergence.
pub(super) const BY_KERNEL: Effort = Effort { products: 100, tolerance: 1e-4, growth: 1e7 };
/// Passes over X, in f32: the error of an eigenvalue is about the square of the tolerance.
pub(super) const BY_PASSES: Effort = Effort { products: 7, tolerance: 1e-3, growth: 1e7 };

/// Eigenvectors as rows, largest eigenvalue first; the largest entry of each in magnitude is positive.
pub(super) struct Leading {
    pub vectors: Array2<f64>,
    pub values: Vec<f64>,
    pub moments: Moments,
}

/// (X q')' X for centred X, shape (n, d), and q of shape (m, d).
fn gram_times(
    x: ArrayView2<'_, f32>,
    mean: Option<&Array1<f32>>,
    q: &Array2<f64>,
    reporter: &dyn Reporter,
) -> Result<Array2<f64>, ReduceError> {
    let q = q.mapv(|v| v as f32);
    let mut sum = Array2::<f64>::zeros(q.dim());
    for block in x.axis_chunks_iter(Axis(0), (BLOCK_VALUES / q.ncols()).max(64)) {
        reporter.check()?;
        let block = match mean {
            Some(mean) => &block - mean,
            None => block.to_owned(),
        };
        let term = product(product(block.view(), q.t()).t(), block.view());
        ndarray::Zip::from(&mut sum).and(&term).par_for_each(|sum, &term| *sum += f64::from(term));
    }
    Ok(sum)
}

/// The `count` leading eigenvectors of X'X, or of the same for centred rows.
pub(super) fn leading(
    x: ArrayView2<'_, f32>,
    centred: bool,
    count: usize,
    seed: u64,
    device: &Device,
    reporter: &dyn Reporter,
) -> Result<Leading, ReduceError> {
    let (n, d) = x.dim();
    let width = width(count).min(d);
    let by_gram = by_gram(n, d, width);
    let by_matrix = |matrix: Array2<f64>| {
        let packed = Packed::new(matrix.view());
        eigen(d, count, seed, &BY_GRAM, reporter, || matrix.clone(), |q| Ok(packed.product(q.view())))
    };
    let products = if by_gram { d } else { 2 * width * BY_PASSES.products };
    let device = device.for_work(2.0 * x.len() as f64 * products as f64);
    if by_gram && device.is_none() {
        let Scatter { means, matrix } = scatter(x, centred, reporter)?;
        let moments = Moments::from_scatter(x, means, matrix.diag(), centred)?;
        let (values, vectors) = by_matrix(matrix)?;
        return Ok(Leading { vectors, values, moments });
    }
    let moments = Moments::of(x)?;
    let mean: Option<Array1<f32>> = centred.then(|| moments.means.iter().map(|&m| m as f32).collect());
    let mut on_device =
        device.map(|device| Rows::new(x.view(), mean.as_ref(), if by_gram { d } else { width }, device));
    let (values, vectors) = match &mut on_device {
        Some(rows) if by_gram => by_matrix(rows.gram(reporter)?)?,
        Some(rows) => iterate(|q| rows.gram_times(q, reporter), d, count, seed, &BY_PASSES, reporter)?,
        None => iterate(|q| gram_times(x, mean.as_ref(), q, reporter), d, count, seed, &BY_PASSES, reporter)?,
    };
    Ok(Leading { vectors, values, moments })
}

/// The `count` leading eigenvalues and eigenvectors of a symmetric matrix of `n` rows, which is made as a whole or only
/// multiplies rows, whichever is quicker.
pub(super) fn eigen(
    n: usize,
    count: usize,
    seed: u64,
    effort: &Effort,
    reporter: &dyn Reporter,
    matrix: impl FnOnce() -> Array2<f64>,
    times: impl FnMut(&Array2<f64>) -> Result<Array2<f64>, ReduceError>,
) -> Result<(Vec<f64>, Array2<f64>), ReduceError> {
    if 2 * width(count) < n {
        return iterate(times, n, count, seed, effort, reporter);
    }
    let (values, vectors) = matrix().eigh_into()?.sort_eig_desc();
    Ok(leading_of(values, vectors.reversed_axes(), count))
}

/// Number of directions that are iterated for `count` wanted ones.
fn width(count: usize) -> usize {
    count + OVERSAMPLING.max(count / 4)
}

/// Whether forming X'X and some twenty products with it take less than passing over X in every round.
fn by_gram(n: usize, d: usize, width: usize) -> bool {
    let (gram, pass) = (d * (n + 100 * width), 4 * n * width);
    d <= MIN_GRAM || d <= MAX_GRAM && gram <= BY_PASSES.products * pass
}

fn start(d: usize, width: usize, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    orthonormalise(Array2::from_shape_simple_fn((width, d), || rng.random::<f64>() - 0.5))
}

/// The `count` leading eigenvalues and eigenvectors of a matrix of `n` rows by subspace iteration, with a Rayleigh-Ritz
/// step a round. `times` multiplies rows by the matrix.
pub(super) fn iterate(
    mut times: impl FnMut(&Array2<f64>) -> Result<Array2<f64>, ReduceError>,
    n: usize,
    count: usize,
    seed: u64,
    effort: &Effort,
    reporter: &dyn Reporter,
) -> Result<(Vec<f64>, Array2<f64>), ReduceError> {
    let mut q = start(n, width(count).min(n), seed);
    let mut left = effort.products;
    loop {
        reporter.check()?;
        let image = times(&q)?;
        left -= 1;
        let (values, rotation) = inner(&q, &image).eigh()?.sort_eig_desc();
        let (vectors, image) = (product(rotation.t(), q.view()), product(rotation.t(), image.view()));
        let largest = values[0].abs();
        let converged = (0..count).all(|j| {
            let residual = &image.row(j) - &(&vectors.row(j) * values[j]);
            residual.dot(&residual).sqrt() <= effort.tolerance * values[j].abs().max(1e-3 * largest)
        });
        if converged || left == 0 {
            return Ok(leading_of(values, vectors, count));
        }
        // Eigenvalues up to the least found are unwanted: the polynomial stays within 1 there and grows fast beyond. The
        // least found is never more than the one it stands for.
        let bound = values[values.len() - 1];
        q = orthonormalise(if bound > largest * 1e-12 {
            let per_degree = (2.0 * largest / bound - 1.0).max(1.0 + 1e-9).acosh();
            let degree = ((2.0 * effort.growth).ln() / per_degree) as usize;
            let degree = degree.clamp(1, left);
            left -= degree - 1;
            chebyshev(&mut times, vectors, image, 2.0 / bound, degree)?
        } else {
            image
        });
    }
}

/// The Chebyshev polynomial of some degree, from 1, of the matrix scaled to `scale * A - 1`, times `vectors`, whose
/// product with A is `image`.
fn chebyshev(
    times: &mut impl FnMut(&Array2<f64>) -> Result<Array2<f64>, ReduceError>,
    vectors: Array2<f64>,
    image: Array2<f64>,
    scale: f64,
    degree: usize,
) -> Result<Array2<f64>, ReduceError> {
    let (mut before, mut now) = (vectors, image);
    now.zip_mut_with(&before, |image, v| *image = scale * *image - v);
    for _ in 1..degree {
        let mut next = times(&now)?;
        ndarray::Zip::from(&mut next).and(&now).and(&before).par_for_each(|next, now, before| {
            *next = 2.0 * (scale * *next - now) - before;
        });
        (before, now) = (now, next);
    }
    Ok(now)
}

/// The inner products of long rows, summed over stripes of columns in order.
fn inner(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    const STRIPE: usize = 1024;
    let stripes: Vec<_> = a.axis_chunks_iter(Axis(1), STRIPE).zip(b.axis_chunks_iter(Axis(1), STRIPE)).collect();
    let terms: Vec<Array2<f64>> = stripes.into_par_iter().map(|(a, b)| a.dot(&b.t())).collect();
    terms.into_iter().fold(Array2::zeros((a.nrows(), b.nrows())), |sum, term| sum + term)
}

/// The first `count` eigenvalues and eigenvectors, with their sign fixed.
fn leading_of(values: Array1<f64>, vectors: Array2<f64>, count: usize) -> (Vec<f64>, Array2<f64>) {
    let mut vectors = vectors.slice_axis(Axis(0), (..count).into()).as_standard_layout().into_owned();
    for mut vector in vectors.outer_iter_mut() {
        let largest = vector.iter().fold(0.0, |m: f64, &v| if v.abs() > m.abs() { v } else { m });
        if largest < 0.0 {
            vector.mapv_inplace(|v| -v);
        }
    }
    (values.iter().take(count).map(|v| v.max(0.0)).collect(), vectors)
}

/// Gram-Schmidt by blocks of rows, twice over for orthogonality to the last bit; a row that depends on the ones before it
/// becomes 0.
pub(crate) fn orthonormalise(mut q: Array2<f64>) -> Array2<f64> {
    const BLOCK: usize = 16;
    for first in (0..q.nrows()).step_by(BLOCK) {
        let last = (first + BLOCK).min(q.nrows());
        let rows = |from, to| q.slice_axis(Axis(0), Slice::from(from..to)).to_owned();
        let (done, mut block) = (rows(0, first), rows(first, last));
        let before: Vec<f64> = block.outer_iter().map(|row| row.dot(&row).sqrt()).collect();
        if first > 0 {
            for _ in 0..2 {
                block -= &product(inner(&block, &done).view(), done.view());
            }
        }
        for (i, before) in before.into_iter().enumerate() {
            let (done, mut rest) = block.view_mut().split_at(Axis(0), i);
            let mut row = rest.row_mut(0);
            for _ in 0..2 {
                for other in done.outer_iter() {
                    row.scaled_add(-other.dot(&row), &other);
                }
            }
            let norm = row.dot(&row).sqrt();
            let scale = if norm > 1e-12 * before { 1.0 / norm } else { 0.0 };
            row.mapv_inplace(|v| v * scale);
        }
        q.slice_axis_mut(Axis(0), Slice::from(first..last)).assign(&block);
    }
    q
}
