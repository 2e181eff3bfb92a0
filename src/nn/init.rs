//! Where training begins.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Sets every variable of two axes or more, in the order of their names, to normal deviates of variance 2 / fan-in (all
/// axes but the first), by which a ReLU hands on as much variance as it gets. The same seed gives the same bytes.
///
/// K. He et al., Delving deep into rectifiers, 2015.
///
/// # Errors
/// If a device fails.
pub fn kaiming_normal(variables: &BTreeMap<String, Var>, seed: u64) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for variable in variables.values().filter(|variable| variable.rank() > 1) {
        let fan_in: usize = variable.dims()[1..].iter().product();
        let scale = (2.0 / fan_in as f32).sqrt();
        let normal = |_| -> f32 { scale * <StandardNormal as Distribution<f32>>::sample(&StandardNormal, &mut rng) };
        let values: Vec<f32> = (0..variable.elem_count()).map(normal).collect();
        variable.set(&Tensor::from_vec(values, variable.shape(), variable.device())?)?;
    }
    Ok(())
}
