//! Points of a perturbed lattice, superimposed once per class.
//!
//! A published experiment draws this process with CPython's generator, so this file does too: its figures can then
//! be met point by point.

use ndarray::Array2;
use rand_mt::Mt;

use super::{Points, SynthError, require, require_spread};

/// How points deviate from their lattice node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Deviate {
    /// `s ln(U / (1 - U))`: standard deviation `s pi / sqrt(3)`.
    Logistic,
    /// `2 s (U - 1/2)`: within `s` of the node.
    Uniform,
    /// `s tan(pi (U - 1/2))`: heavy tails.
    Cauchy,
}

/// Parameters of [`lattice`].
#[derive(Clone, Debug, PartialEq)]
pub struct LatticeParams {
    /// Number of superimposed processes, each a class; at least 1.
    pub n_processes: usize,
    /// Nodes run from `-half_width` to `half_width` on both axes.
    pub half_width: u32,
    /// Distance of neighbouring nodes along x and y, positive. A process has `1 / (a b)` points per unit area.
    pub stretch: [f64; 2],
    /// Scale `s` of the deviations: how much the classes overlap.
    pub spread: f64,
    /// Distribution of the deviations.
    pub deviate: Deviate,
    /// Points are kept where `-window < x < window`. The published process bounds x alone.
    pub window: f64,
    /// Seeds the Mersenne Twister as CPython's `random.seed` does with an integer.
    pub seed: u64,
}

impl Default for LatticeParams {
    fn default() -> Self {
        Self {
            n_processes: 5,
            half_width: 25,
            stretch: [1.0; 2],
            spread: 0.15,
            deviate: Deviate::Logistic,
            window: 20.0,
            seed: 82431,
        }
    }
}

/// Draws a superposition of perturbed lattice processes (Granville, *Stochastic Processes and Simulations*, 2022).
///
/// Process p is shifted by `(mx, my)`, uniform in the unit square. Its point at node (h, k) is
/// `(mx + a h + deviation, my + b k + deviation)`. Rows run over h, then k, then p. O(`half_width`² `n_processes`).
///
/// # Errors
/// If a parameter is out of its range.
///
/// ```
/// let points = alike::synth::lattice(&Default::default())?;
/// assert_eq!(points.data.dim(), (10_202, 2));
/// # Ok::<(), alike::synth::SynthError>(())
/// ```
pub fn lattice(params: &LatticeParams) -> Result<Points, SynthError> {
    let &LatticeParams { n_processes, half_width, stretch: [a, b], spread, deviate, window, seed } = params;
    require(n_processes > 0, "n_processes", n_processes, "1 or more")?;
    require(half_width <= 10_000, "half_width", half_width, "10000 or less")?;
    for stretch in [a, b] {
        require(stretch.is_finite() && stretch > 0.0, "stretch", stretch, "a finite number above 0")?;
    }
    require_spread("spread", spread)?;
    require(window > 0.0, "window", window, "a number above 0")?;

    let mut rng = seeded(seed);
    let shifts: Vec<[f64; 2]> = (0..n_processes).map(|_| [uniform(&mut rng), uniform(&mut rng)]).collect();
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    let nodes = || (-i64::from(half_width)..=i64::from(half_width)).map(|node| node as f64);
    for h in nodes() {
        for k in nodes() {
            for (p, [mx, my]) in shifts.iter().enumerate() {
                let x = mx + a * h + deviation(deviate, spread, &mut rng);
                let y = my + b * k + deviation(deviate, spread, &mut rng);
                if x.abs() < window {
                    values.extend([x, y]);
                    labels.push(p);
                }
            }
        }
    }
    let data = Array2::from_shape_vec((labels.len(), 2), values).expect("two values a label");
    Ok(Points { data, labels })
}

fn deviation(deviate: Deviate, spread: f64, rng: &mut Mt) -> f64 {
    let u = uniform(rng);
    spread
        * match deviate {
            Deviate::Logistic => (u / (1.0 - u)).ln(),
            Deviate::Uniform => 2.0 * (u - 0.5),
            Deviate::Cauchy => (std::f64::consts::PI * (u - 0.5)).tan(),
        }
}

/// The state after `random.seed(seed)`: the key is the seed's 32-bit words, lowest first, without leading zeros.
pub(super) fn seeded(seed: u64) -> Mt {
    let words = [seed as u32, (seed >> 32) as u32];
    Mt::new_with_key(words[..if words[1] == 0 { 1 } else { 2 }].iter().copied())
}

/// `random.random()`: 53 random bits in [0, 1).
pub(super) fn uniform(rng: &mut Mt) -> f64 {
    let (high, low) = (f64::from(rng.next_u32() >> 5), f64::from(rng.next_u32() >> 6));
    (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// CPython 3.11.7: `random.seed(s); [random.random() for _ in range(2)]`.
    #[test]
    fn draws_cpythons_sequence() {
        for (seed, expected) in [
            (0, [0.8444218515250481, 0.7579544029403025]),
            (82431, [0.7921670238476817, 0.764835685462108]),
            (0x1234_5678_9abc, [0.3751789931276527, 0.20739564738097083]),
        ] {
            let mut rng = seeded(seed);
            assert_eq!([uniform(&mut rng), uniform(&mut rng)], expected, "seed {seed}");
        }
    }

    /// The published bitmap folds the points onto 400 x 400 pixels, the last write wins. The counts are those of the
    /// same process written in CPython 3.11.7.
    #[test]
    fn meets_the_published_process() {
        let points = lattice(&LatticeParams::default()).unwrap();
        assert_eq!(points.labels.len(), 10_202);
        for (row, expected) in
            [(0, [-19.998985298980532, -18.430504214072354]), (10_201, [19.75706939886305, 25.15381959494879])]
        {
            for (value, expected) in points.data.row(row).iter().zip(expected) {
                assert!((value - expected).abs() < 1e-12, "row {row}: {value} for {expected}");
            }
        }
        let pixel = |value: f64, flip: bool| {
            let folded = 1.0 + value.fract();
            (200.0 * if flip { 2.0 - folded } else { folded }).floor() as usize
        };
        let mut pixels = HashMap::new();
        for (row, &label) in points.data.outer_iter().zip(&points.labels) {
            pixels.insert((pixel(row[0], false), pixel(row[1], true)), label);
        }
        assert_eq!(pixels.len(), 9_877);
        let mut counts = [0; 5];
        pixels.values().for_each(|&label| counts[label] += 1);
        assert_eq!(counts, [1976, 1981, 1965, 1980, 1975]);
    }

    /// Without deviations, 40 of the 51 columns of nodes lie in the window.
    #[test]
    fn is_a_lattice_without_spread() {
        for deviate in [Deviate::Logistic, Deviate::Uniform, Deviate::Cauchy] {
            let points = lattice(&LatticeParams { spread: 0.0, deviate, ..Default::default() }).unwrap();
            assert_eq!(points.labels.len(), 40 * 51 * 5);
            assert_eq!(points.data[[0, 1]].fract(), points.data[[5, 1]].fract());
        }
    }

    #[test]
    fn uniform_deviations_stay_within_the_spread() {
        let params = LatticeParams { n_processes: 1, half_width: 40, deviate: Deviate::Uniform, ..Default::default() };
        let nodes = lattice(&LatticeParams { spread: 0.0, window: 1e9, ..params.clone() }).unwrap();
        let points = lattice(&LatticeParams { window: 1e9, ..params }).unwrap();
        let distance = (&points.data - &nodes.data).mapv(f64::abs);
        let largest = distance.iter().fold(0.0_f64, |a, &b| a.max(b));
        assert!((0.149..=0.15).contains(&largest), "{largest}");
    }

    #[test]
    fn refuses_parameters_out_of_range() {
        for params in [
            LatticeParams { n_processes: 0, ..Default::default() },
            LatticeParams { spread: f64::NAN, ..Default::default() },
            LatticeParams { stretch: [1.0, 0.0], ..Default::default() },
            LatticeParams { window: -1.0, ..Default::default() },
            LatticeParams { half_width: u32::MAX, ..Default::default() },
        ] {
            assert!(lattice(&params).is_err(), "{params:?}");
        }
    }
}
