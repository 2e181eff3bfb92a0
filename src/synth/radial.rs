//! Clusters of points around the nodes of a perturbed lattice.

use std::f64::consts::TAU;

use ndarray::Array2;

use super::lattice::{seeded, uniform};
use super::{Points, SynthError, require, require_spread};

/// Parameters of [`radial`].
#[derive(Clone, Debug, PartialEq)]
pub struct RadialParams {
    /// Nodes run from `-half_width` to `half_width` on both axes.
    pub half_width: u32,
    /// Distance of neighbouring nodes along x and y, positive.
    pub stretch: [f64; 2],
    /// A centre lies within this of its node, along each axis.
    pub spread: f64,
    /// A centre has fewer children than this, each number as often.
    pub n_children: u32,
    /// Scale of the children's distance from their centre, which is logistic: of the deviation pi / sqrt(3) times this.
    pub radius: f64,
    /// Seeds the Mersenne Twister as CPython's `random.seed` does with an integer.
    pub seed: u64,
}

impl Default for RadialParams {
    fn default() -> Self {
        Self { half_width: 25, stretch: [1.0; 2], spread: 0.15, n_children: 15, radius: 1.0, seed: 82431 }
    }
}

/// Draws a cluster process (Granville, *Stochastic Processes and Simulations*, 2022): centres at the nodes of a lattice,
/// each off by a uniform deviation, and around each `floor(n_children U)` children, at the distance
/// `radius |ln(U / (1 - U))|` in any direction. The centres themselves are not points.
///
/// A centre that has children is a class. Rows run over nodes (h, k), then children. At node (h, k) the numbers drawn are
/// those of x, of y, of the number of children, then of the distance and angle of each. O(`half_width`² `n_children`).
///
/// # Errors
/// If a parameter is out of its range.
///
/// ```
/// use alike::synth::{RadialParams, radial};
/// let points = radial(&RadialParams { half_width: 1, stretch: [50.0; 2], ..Default::default() })?;
/// assert!(points.labels.iter().all(|&class| class < 9));
/// # Ok::<(), alike::synth::SynthError>(())
/// ```
pub fn radial(params: &RadialParams) -> Result<Points, SynthError> {
    let &RadialParams { half_width, stretch: [a, b], spread, n_children, radius, seed } = params;
    require(half_width <= 1_000, "half_width", half_width, "1000 or less")?;
    for stretch in [a, b] {
        require(stretch.is_finite() && stretch > 0.0, "stretch", stretch, "a finite number above 0")?;
    }
    require_spread("spread", spread)?;
    require((2..=1_000).contains(&n_children), "n_children", n_children, "2 to 1000")?;
    require_spread("radius", radius)?;

    let mut rng = seeded(seed);
    let (mut values, mut labels, mut class) = (Vec::new(), Vec::new(), 0);
    let nodes = || (-i64::from(half_width)..=i64::from(half_width)).map(|node| node as f64);
    for h in nodes() {
        for k in nodes() {
            let x = a * h + 2.0 * spread * (uniform(&mut rng) - 0.5);
            let y = b * k + 2.0 * spread * (uniform(&mut rng) - 0.5);
            let children = (f64::from(n_children) * uniform(&mut rng)) as usize;
            for _ in 0..children {
                // A distance below 0 is as far in the opposite direction.
                let u = uniform(&mut rng);
                let distance = radius * (u / (1.0 - u)).ln();
                let (sin, cos) = (TAU * uniform(&mut rng)).sin_cos();
                values.extend([x + distance * cos, y + distance * sin]);
            }
            labels.extend(std::iter::repeat_n(class, children));
            class += usize::from(children > 0);
        }
    }
    let data = Array2::from_shape_vec((labels.len(), 2), values).expect("two values a label");
    Ok(Points { data, labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same process written in CPython 3.11.7, with `random.seed(82431)`.
    #[test]
    fn meets_the_process_in_python() {
        let points = radial(&RadialParams::default()).unwrap();
        assert_eq!((points.labels.len(), points.labels.last()), (18_395, Some(&2_408)));
        for (row, expected) in
            [(0, [-24.305711978175864, -24.874178944740247]), (18_394, [24.508801544633535, 25.11359891798955])]
        {
            for (value, expected) in points.data.row(row).iter().zip(expected) {
                assert!((value - expected).abs() < 1e-12, "row {row}: {value} for {expected}");
            }
        }
    }

    /// The mean of |logistic| is 2 ln 2; the children are 7 on average, and 1 centre in 15 has none.
    #[test]
    fn children_lie_around_their_centre_in_any_direction() {
        let params = RadialParams { spread: 0.0, stretch: [1000.0; 2], ..Default::default() };
        let points = radial(&params).unwrap();
        let off: Vec<[f64; 2]> =
            points.data.outer_iter().map(|p| [0, 1].map(|i| p[i] - (p[i] / 1000.0).round() * 1000.0)).collect();
        let n = off.len() as f64;
        let distance = off.iter().map(|[x, y]| x.hypot(*y)).sum::<f64>() / n;
        assert!((distance - 2.0 * 2.0_f64.ln()).abs() < 0.02, "{distance}");
        for axis in 0..2 {
            let mean = off.iter().map(|off| off[axis]).sum::<f64>() / n;
            assert!(mean.abs() < 0.04, "axis {axis}: {mean}");
        }
        let (centres, classes) = (51.0 * 51.0, (points.labels.last().unwrap() + 1) as f64);
        assert!((n / centres - 7.0).abs() < 0.3 && (classes / centres - 14.0 / 15.0).abs() < 0.02);
    }

    #[test]
    fn refuses_parameters_out_of_range() {
        for params in [
            RadialParams { n_children: 1, ..Default::default() },
            RadialParams { spread: f64::NAN, ..Default::default() },
            RadialParams { radius: -1.0, ..Default::default() },
            RadialParams { stretch: [1.0, 0.0], ..Default::default() },
            RadialParams { half_width: u32::MAX, ..Default::default() },
        ] {
            assert!(radial(&params).is_err(), "{params:?}");
        }
    }
}
