//! Where the rows of t-SNE stand before they move.

use crate::progress::Reporter;
use crate::reduce::{LinearParams, ReduceError};
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Noise where the features have no more directions.
const NOISE: f32 = 1e-3;

/// The first principal components of the rows, shape (n_samples, n_components), and a little noise where there are no
/// more.
pub(super) fn components(
    x: ArrayView2<'_, f32>,
    n_components: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Array2<f32>, ReduceError> {
    let count = n_components.min(x.nrows()).min(x.ncols());
    let reduced = LinearParams::pca(count).seed(seed).check()?.fit_rows(x, reporter)?.transform_view(x);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Ok(Array2::from_shape_fn((x.nrows(), n_components), |(row, component)| {
        if component < count { reduced[[row, component]] } else { NOISE * (rng.random::<f32>() - 0.5) }
    }))
}

/// Each coordinate brought to a mean of 0 and this standard deviation, at most three of them away.
pub(super) fn scale<const D: usize>(places: &mut [[f32; D]], deviation: f64) {
    let n = places.len().max(1) as f64;
    for d in 0..D {
        let mean = places.iter().map(|place| f64::from(place[d])).sum::<f64>() / n;
        let variance = places.iter().map(|place| (f64::from(place[d]) - mean).powi(2)).sum::<f64>() / n;
        let factor = if variance > 0.0 { deviation / variance.sqrt() } else { 0.0 };
        let most = 3.0 * deviation;
        places.iter_mut().for_each(|p| p[d] = ((f64::from(p[d]) - mean) * factor).clamp(-most, most) as f32);
    }
}
