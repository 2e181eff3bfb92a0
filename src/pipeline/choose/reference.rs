//! Rows without structure to hold the real ones against: uniform in the box that the real ones fill.

use crate::pipeline::PipelineError;
use crate::progress::Reporter;
use crate::reduce::LinearParams;
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `n_references` sets of the shape of `x`, drawn uniformly from the box that bounds its rows along their principal axes
/// (Tibshirani et al. 2001, choice b).
pub fn references(
    x: ArrayView2<'_, f32>,
    n_references: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<Array2<f32>>, PipelineError> {
    if x.nrows() == 0 || n_references == 0 {
        return Ok(Vec::new());
    }
    let axes = LinearParams::pca(x.ncols().min(x.nrows())).seed(seed).check()?.fit_rows(x, reporter)?;
    let along = axes.transform_view(x);
    let bounds: Vec<(f32, f32)> = along
        .columns()
        .into_iter()
        .map(|column| {
            column.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
        })
        .collect();
    let reference = |b: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(b + 1);
        let drawn = Array2::from_shape_fn(along.dim(), |(_, j)| {
            let (low, high) = bounds[j];
            low + (high - low) * rng.random::<f32>()
        });
        axes.inverse_transform(drawn.view())
    };
    Ok((0..n_references as u64).map(reference).collect())
}
