//! Points along curves that no straight line separates, and a square without any structure.

use std::f64::consts::{PI, TAU};

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{Points, SynthError, require, require_spread};

/// Parameters of [`moons`].
#[derive(Clone, Debug, PartialEq)]
pub struct MoonsParams {
    /// Number of points; the second moon takes an odd one.
    pub n_samples: usize,
    /// Standard deviation of the normal noise on both axes.
    pub noise: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for MoonsParams {
    fn default() -> Self {
        Self { n_samples: 2000, noise: 0.05, seed: 0 }
    }
}

/// Parameters of [`circles`].
#[derive(Clone, Debug, PartialEq)]
pub struct CirclesParams {
    /// Number of points; the inner circle takes an odd one.
    pub n_samples: usize,
    /// Standard deviation of the normal noise on both axes.
    pub noise: f64,
    /// Radius of the inner circle (the outer one has 1), from 0 to below 1.
    pub factor: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for CirclesParams {
    fn default() -> Self {
        Self { n_samples: 2000, noise: 0.05, factor: 0.5, seed: 0 }
    }
}

/// Parameters of [`uniform`].
#[derive(Clone, Debug, PartialEq)]
pub struct UniformParams {
    /// Number of points.
    pub n_samples: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for UniformParams {
    fn default() -> Self {
        Self { n_samples: 2000, seed: 0 }
    }
}

/// Two interleaved half circles, in random order: class 0 around (0, 0) opens downwards, class 1 around (1, 1/2)
/// upwards. The points of a half are evenly spaced, both its ends included. O(`n_samples`).
///
/// # Errors
/// If `noise` is negative or not finite.
///
/// ```
/// let points = alike::synth::moons(&Default::default())?;
/// assert_eq!(points.data.dim(), (2000, 2));
/// # Ok::<(), alike::synth::SynthError>(())
/// ```
pub fn moons(params: &MoonsParams) -> Result<Points, SynthError> {
    let &MoonsParams { n_samples, noise, seed } = params;
    curves(n_samples, noise, seed, |label, i, n| {
        let (sin, cos) = if n > 1 { PI * i as f64 / (n - 1) as f64 } else { 0.0 }.sin_cos();
        if label == 0 { [cos, sin] } else { [1.0 - cos, 0.5 - sin] }
    })
}

/// A circle of radius 1, class 0, and one of radius `factor` inside, class 1, in random order and evenly spaced.
/// O(`n_samples`).
///
/// # Errors
/// If `noise` is negative or not finite, or `factor` is not in 0..1.
pub fn circles(params: &CirclesParams) -> Result<Points, SynthError> {
    let &CirclesParams { n_samples, noise, factor, seed } = params;
    require((0.0..1.0).contains(&factor), "factor", factor, "a number from 0 to below 1")?;
    curves(n_samples, noise, seed, |label, i, n| {
        let (sin, cos) = (TAU * i as f64 / n as f64).sin_cos();
        let radius = if label == 0 { 1.0 } else { factor };
        [radius * cos, radius * sin]
    })
}

/// Points drawn uniformly from the unit square, all of class 0: what a method should find no clusters in.
/// O(`n_samples`).
pub fn uniform(params: &UniformParams) -> Points {
    let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
    let data = Array2::from_shape_simple_fn((params.n_samples, 2), || rng.random());
    Points { data, labels: vec![0; params.n_samples] }
}

/// Two curves of n/2 points each, with noise; `point(label, i, n)` is the i-th of the n points of curve `label`.
fn curves(
    n_samples: usize,
    noise: f64,
    seed: u64,
    point: impl Fn(usize, usize, usize) -> [f64; 2],
) -> Result<Points, SynthError> {
    require_spread("noise", noise)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let first = n_samples / 2;
    let place = |row: usize| if row < first { (0, row, first) } else { (1, row - first, n_samples - first) };
    let labels = (0..n_samples).map(|row| place(row).0).collect();
    let mut data = Array2::zeros((n_samples, 2));
    for (row, mut value) in data.outer_iter_mut().enumerate() {
        let (label, i, n) = place(row);
        let [x, y] = point(label, i, n);
        value[0] = x + noise * rng.sample::<f64, _>(StandardNormal);
        value[1] = y + noise * rng.sample::<f64, _>(StandardNormal);
    }
    Ok(Points { data, labels }.shuffled(&mut rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every expected point is there once, with its label.
    fn assert_same_points(points: &Points, expected: &[[f64; 2]], labels: &[usize]) {
        assert_eq!(points.data.dim(), (expected.len(), 2));
        for ([x, y], label) in expected.iter().zip(labels) {
            let same = |row: usize| {
                points.labels[row] == *label
                    && (points.data[[row, 0]] - x).abs() < 1e-12
                    && (points.data[[row, 1]] - y).abs() < 1e-12
            };
            assert_eq!((0..expected.len()).filter(|&row| same(row)).count(), 1, "{x} {y}");
        }
    }

    /// scikit-learn 1.9.1: `make_moons(n_samples=7, shuffle=False)`.
    #[test]
    fn moons_without_noise_are_scikit_learns() {
        let points = moons(&MoonsParams { n_samples: 7, noise: 0.0, seed: 3 }).unwrap();
        let expected = [
            [1.0, 0.0],
            [0.0, 1.0],
            [-1.0, 0.0],
            [0.0, 0.5],
            [0.5, -0.3660254037844386],
            [1.5, -0.3660254037844386],
            [2.0, 0.5],
        ];
        assert_same_points(&points, &expected, &[0, 0, 0, 1, 1, 1, 1]);
    }

    /// scikit-learn 1.9.1: `make_circles(n_samples=7, factor=.5, shuffle=False)`.
    #[test]
    fn circles_without_noise_are_scikit_learns() {
        let points = circles(&CirclesParams { n_samples: 7, noise: 0.0, factor: 0.5, seed: 3 }).unwrap();
        let expected = [
            [1.0, 0.0],
            [-0.5, 0.8660254037844386],
            [-0.5, -0.8660254037844386],
            [0.5, 0.0],
            [0.0, 0.5],
            [-0.5, 0.0],
            [0.0, -0.5],
        ];
        assert_same_points(&points, &expected, &[0, 0, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn noise_has_the_deviation_asked_for() {
        let points = circles(&CirclesParams { n_samples: 20_000, noise: 0.05, factor: 0.0, seed: 0 }).unwrap();
        let inner: Vec<f64> =
            (0..20_000).filter(|&i| points.labels[i] == 1).flat_map(|i| points.data.row(i).to_vec()).collect();
        let std = (inner.iter().map(|v| v * v).sum::<f64>() / inner.len() as f64).sqrt();
        assert!((std - 0.05).abs() < 0.002, "{std}");
    }

    #[test]
    fn uniform_fills_the_unit_square() {
        let points = uniform(&UniformParams { n_samples: 10_000, seed: 5 });
        assert!(points.data.iter().all(|v| (0.0..1.0).contains(v)));
        assert!((points.data.mean().unwrap() - 0.5).abs() < 0.01);
        assert!(points.labels.iter().all(|&l| l == 0));
    }

    #[test]
    fn few_points_and_bad_parameters() {
        for n_samples in 0..3 {
            let points = moons(&MoonsParams { n_samples, ..Default::default() }).unwrap();
            assert!(points.data.iter().all(|v| v.is_finite()));
            assert_eq!(points.labels.len(), n_samples);
        }
        assert!(moons(&MoonsParams { noise: -0.1, ..Default::default() }).is_err());
        assert!(circles(&CirclesParams { factor: 1.0, ..Default::default() }).is_err());
        assert!(circles(&CirclesParams { factor: f64::NAN, ..Default::default() }).is_err());
    }
}
