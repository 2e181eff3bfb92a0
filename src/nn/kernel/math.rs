//! Activations value by value, in code without branches that the compiler turns into vectors.

use pulp::{Simd, WithSimd};

use crate::nn::Activation;

/// e^x to 1e-7 of its value for x up to 88, 3e38 beyond; 0 to 2e-38 from -87 down.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Added, it leaves the nearest whole number in the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    let x = x.clamp(-87.3, 88.7);
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let whole = shifted - WHOLE;
    // ln 2 in two parts, the first with few enough bits for an exact product.
    let rest = x - whole * 0.693_359_4 - whole * -2.121_944_4e-4;
    let series = (1.0 / 5040.0 * rest + 1.0 / 720.0) * rest + 1.0 / 120.0;
    let series = (series * rest + 1.0 / 24.0) * rest + 1.0 / 6.0;
    let series = ((series * rest + 0.5) * rest + 1.0) * rest + 1.0;
    series * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The normal distribution function of -x for x from 0 on, by the fit to erfc in Press et al., Numerical Recipes,
/// section 6.2: 1e-6 of its value.
#[inline(always)]
fn normal_tail(x: f32) -> f32 {
    const FIT: [f64; 10] = [
        0.17087277,
        -0.82215223,
        1.48851587,
        -1.13520398,
        0.27886807,
        -0.18628806,
        0.09678418,
        0.37409196,
        1.00002368,
        -1.26551223,
    ];
    let z = x * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut fit = 0.0;
    for term in FIT {
        fit = fit * t + term as f32;
    }
    0.5 * t * exp(fit - z * z)
}

/// The normal distribution function.
#[inline(always)]
fn normal(x: f32) -> f32 {
    let tail = normal_tail(x.abs());
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// Twice the argument of the hyperbolic tangent in GELU's approximation, and its derivative.
#[inline(always)]
fn gelu_argument(x: f32) -> (f32, f32) {
    const SCALE: f32 = 1.595_769;
    (SCALE * (x + 0.044_715 * x * x * x), SCALE * (1.0 + 0.134_145 * x * x))
}

/// Applies an activation to all values.
pub fn activate(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::None => {}
        Activation::Relu => map(values, |x| if x < 0.0 { 0.0 } else { x }),
        Activation::Relu6 => map(values, |x| x.clamp(0.0, 6.0)),
        Activation::Silu => map(values, |x| x * sigmoid(x)),
        Activation::HardSwish => map(values, |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
        Activation::Gelu => map(values, |x| x * normal(x)),
        Activation::GeluTanh => map(values, |x| x * sigmoid(gelu_argument(x).0)),
        Activation::QuickGelu => map(values, |x| x * sigmoid(1.702 * x)),
    }
}

/// Multiplies `gradient` by the derivative of an activation at `values`.
pub fn activation_gradient(activation: Activation, values: &[f32], gradient: &mut [f32]) {
    // x s(x) has the derivative s (1 + x (1 - s) a') for s = sigmoid(a(x)).
    let gate = |x: f32, (a, derivative): (f32, f32)| {
        let s = sigmoid(a);
        s + x * derivative * s * (1.0 - s)
    };
    match activation {
        Activation::None => {}
        Activation::Relu => zip(values, gradient, |x| if x > 0.0 { 1.0 } else { 0.0 }),
        Activation::Relu6 => zip(values, gradient, |x| if x > 0.0 && x < 6.0 { 1.0 } else { 0.0 }),
        Activation::Silu => zip(values, gradient, |x| gate(x, (x, 1.0))),
        Activation::HardSwish => zip(values, gradient, |x| {
            let slope = if x > -3.0 && x < 3.0 { x / 6.0 } else { 0.0 };
            (x + 3.0).clamp(0.0, 6.0) / 6.0 + slope
        }),
        Activation::Gelu => zip(values, gradient, |x| normal(x) + x * 0.398_942_3 * exp(-0.5 * x * x)),
        Activation::GeluTanh => zip(values, gradient, |x| gate(x, gelu_argument(x))),
        Activation::QuickGelu => zip(values, gradient, |x| gate(x, (1.702 * x, 1.702))),
    }
}

#[inline(always)]
fn map(values: &mut [f32], function: impl Fn(f32) -> f32) {
    vectorised(
        #[inline(always)]
        || {
            for value in values {
                *value = function(*value);
            }
        },
    );
}

#[inline(always)]
fn zip(values: &[f32], gradient: &mut [f32], derivative: impl Fn(f32) -> f32) {
    vectorised(
        #[inline(always)]
        || {
            for (gradient, x) in gradient.iter_mut().zip(values) {
                *gradient *= derivative(*x);
            }
        },
    );
}

/// The sum of a function of all values, over sixteen lanes.
#[inline(always)]
pub fn sum(values: &[f32], function: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; 16];
    let (whole, rest) = values.as_chunks::<16>();
    for chunk in whole {
        for lane in 0..16 {
            lanes[lane] += function(chunk[lane]);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += function(*value);
    }
    lanes.iter().sum()
}

/// The sum of the products of two slices of one length, over sixteen lanes.
#[inline(always)]
pub fn sum_of_products(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += a * b;
    }
    lanes.iter().sum()
}

/// The greatest value, over sixteen lanes.
#[inline(always)]
pub fn greatest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (whole, rest) = values.as_chunks::<16>();
    for chunk in whole {
        for lane in 0..16 {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = lane.max(*value);
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Adds values to others. A loop: what iterators call is not compiled for the widest instructions if it isn't inlined.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
pub fn add(to: &mut [f32], values: &[f32]) {
    let n = to.len().min(values.len());
    let (to, values) = (&mut to[..n], &values[..n]);
    for i in 0..n {
        to[i] += values[i];
    }
}

/// Multiplies all values.
#[inline(always)]
pub fn scale(values: &mut [f32], by: f32) {
    for value in values {
        *value *= by;
    }
}

/// Brings all values between bounds; what is not a number stays so.
#[inline(always)]
pub fn clamp(values: &mut [f32], [low, high]: [f32; 2]) {
    for value in values {
        *value = value.clamp(low, high);
    }
}

/// Runs code compiled for the machine's widest instructions.
#[inline(always)]
pub fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    struct Work<F>(F);

    impl<T, F: FnOnce() -> T> WithSimd for Work<F> {
        type Output = T;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> T {
            (self.0)()
        }
    }

    pulp::Arch::new().dispatch(Work(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_near_those_in_f64() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 2e-7 * exact, "exp({x}) is {}, not {exact}", exp(x));
        }
        assert!(exp(-1000.0) < 2e-38 && exp(f32::NEG_INFINITY) < 2e-38 && exp(f32::NAN).is_nan());
        // Values of the normal distribution function by scipy 1.17.
        for (x, expected) in [(0.0, 0.5), (1.0, 0.841_344_8), (-1.0, 0.158_655_25), (-4.0, 3.167_124_2e-5), (6.0, 1.0)]
        {
            assert!((normal(x) - expected).abs() <= 1e-6 * expected, "normal({x}) is {}, not {expected}", normal(x));
        }
    }
}
