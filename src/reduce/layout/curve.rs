//! How near places in the layout say that rows belong together: 1 / (1 + a d^(2b)).

/// Points of the curve that is fitted.
const POINTS: usize = 300;
/// Steps of the fit.
const STEPS: usize = 200;

/// The a and b for which 1 / (1 + a d^(2b)) is nearest, by squares over d up to three times `spread`, to the curve that
/// is 1 up to `min_dist` and exp(-(d - min_dist) / spread) beyond: Levenberg and Marquardt's method.
pub(super) fn fit(min_dist: f64, spread: f64) -> (f64, f64) {
    let points = (0..POINTS).map(|i| 3.0 * spread * i as f64 / (POINTS - 1) as f64);
    let points: Vec<(f64, f64)> =
        points.map(|d| (d, if d < min_dist { 1.0 } else { (-(d - min_dist) / spread).exp() })).collect();
    let error = |(a, b): (f64, f64)| points.iter().map(|&(d, y)| (1.0 / (1.0 + a * d.powf(2.0 * b)) - y).powi(2)).sum();
    let (mut at, mut damping) = ((1.0, 1.0), 1e-3);
    let mut least: f64 = error(at);
    for _ in 0..STEPS {
        // The normal equations of the linearised problem.
        let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for &(d, y) in points.iter().filter(|(d, _)| *d > 0.0) {
            let power = d.powf(2.0 * at.1);
            let value = 1.0 / (1.0 + at.0 * power);
            let by_a = -power * value * value;
            let by_b = at.0 * by_a * 2.0 * d.ln();
            let rest = y - value;
            aa += by_a * by_a;
            ab += by_a * by_b;
            bb += by_b * by_b;
            ra += by_a * rest;
            rb += by_b * rest;
        }
        let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let determinant = aa * bb - ab * ab;
        let next = (at.0 + (ra * bb - rb * ab) / determinant, at.1 + (rb * aa - ra * ab) / determinant);
        let found = error(next);
        if next.0 > 0.0 && next.1 > 0.0 && found < least {
            (at, least, damping) = (next, found, damping / 10.0);
        } else {
            damping *= 10.0;
        }
    }
    at
}

/// Steps an octave is cut into, as a power of two.
const STEPS_BITS: u32 = 4;
/// Bits of a float's mantissa below those that choose the step.
const SHIFT: u32 = f32::MANTISSA_DIGITS - 1 - STEPS_BITS;
/// Octaves, around 1.
const OCTAVES: u32 = 64;
const LEN: usize = (OCTAVES << STEPS_BITS) as usize;
/// The least argument, 2^-32.
const LEAST: f32 = 1.0 / (1u64 << (OCTAVES / 2)) as f32;

/// A smooth function of positive numbers by linear interpolation, 16 steps to an octave, from 2^-32 to 2^32; beyond, as
/// at the ends. Of a power the error is below a thousandth.
pub(super) struct Table(Box<[[f32; 2]; LEN]>);

impl Table {
    pub fn new(f: impl Fn(f64) -> f64) -> Self {
        let knot = |step: usize| f64::from(f32::from_bits(LEAST.to_bits() + ((step as u32) << SHIFT)));
        let mut table = Box::new([[0.0; 2]; LEN]);
        for (step, entry) in table.iter_mut().enumerate() {
            let (value, next) = (f(knot(step)), f(knot(step + 1)));
            *entry = [value as f32, ((next - value) / f64::from(1u32 << SHIFT)) as f32];
        }
        Self(table)
    }

    #[inline(always)]
    pub fn at(&self, x: f32) -> f32 {
        let above = x.max(LEAST).to_bits() - LEAST.to_bits();
        let [value, slope] = self.0[((above >> SHIFT) as usize).min(LEN - 1)];
        value + slope * (above & ((1 << SHIFT) - 1)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// umap-learn 0.5.12: `find_ab_params(spread, min_dist)`.
    #[test]
    fn the_curve_is_that_of_umap_learn() {
        for (min_dist, spread, a, b) in [
            (0.0, 1.0, 1.932808397, 0.790494973),
            (0.1, 1.0, 1.576943460, 0.895060878),
            (0.5, 1.0, 0.583030020, 1.334166992),
        ] {
            let found = fit(min_dist, spread);
            assert!((found.0 - a).abs() < 1e-4 && (found.1 - b).abs() < 1e-4, "{found:?}");
        }
    }

    #[test]
    fn a_table_is_near_its_function() {
        let exact = |x: f64| x.powf(-0.2) / (1.0 + 1.9 * x.powf(0.8));
        let table = Table::new(exact);
        for step in -600..600 {
            let x = 1.0345f64.powi(step);
            let (ours, theirs) = (f64::from(table.at(x as f32)), exact(f64::from(x as f32)));
            assert!((ours / theirs - 1.0).abs() < 1e-3, "{x}: {ours} {theirs}");
        }
        assert_eq!(table.at(0.0), table.at(LEAST));
        assert!(table.at(f32::MAX).is_finite() && table.at(f32::INFINITY).is_finite());
    }
}
