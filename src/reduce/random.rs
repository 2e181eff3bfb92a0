//! Gaussian random projection.

use super::ReduceError;
use super::features::{check, times};
use crate::collection::Features;
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A drawn projection.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomProjection {
    /// Shape (n_components, n_features).
    pub(super) components: Array2<f32>,
}

impl RandomProjection {
    pub(super) fn fit(x: &Features<'_>, n_components: usize, seed: u64) -> Result<Self, ReduceError> {
        let (n_samples, n_features) = x.dim();
        if n_components > n_features {
            return Err(ReduceError::TooMany { n_components, n_samples, n_features, most: n_features });
        }
        check(x)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scale = (n_components as f64).powf(-0.5);
        let mut draw = || {
            let value: f64 = StandardNormal.sample(&mut rng);
            (value * scale) as f32
        };
        Ok(Self { components: Array2::from_shape_simple_fn((n_components, n_features), &mut draw) })
    }

    pub(super) fn transform(&self, x: &Features<'_>) -> Array2<f32> {
        times(x, self.components.view())
    }
}

/// Components that keep all distances between `n_samples` rows to a factor of 1 +- `eps` with good odds, whatever the
/// number of features (Johnson, Lindenstrauss 1984; Dasgupta, Gupta 2003): 4 ln n / (eps^2 / 2 - eps^3 / 3), `None`
/// unless 0 < eps < 1.
///
/// ```
/// use alike::reduce::johnson_lindenstrauss;
/// assert_eq!(johnson_lindenstrauss(60_000, 0.5), Some(528));
/// assert_eq!(johnson_lindenstrauss(60_000, 1.5), None);
/// ```
pub fn johnson_lindenstrauss(n_samples: usize, eps: f64) -> Option<usize> {
    let per_log = eps * eps / 2.0 - eps.powi(3) / 3.0;
    (eps > 0.0 && eps < 1.0).then(|| (4.0 * (n_samples.max(1) as f64).ln() / per_log) as usize)
}
