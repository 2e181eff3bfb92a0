//! The filters against their definitions, cell by cell, in one to four dimensions.

use ndarray::{Array2, ArrayD, Axis, IxDyn, stack};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const SHAPES: [&[usize]; 7] = [&[1], &[23], &[12, 17], &[1, 30], &[40, 3], &[6, 9, 7], &[4, 5, 3, 6]];
const WINDOWS: [usize; 4] = [0, 1, 3, 11];
const BOUNDARIES: [Boundary; 2] = [Boundary::Plain, Boundary::Torus];

/// Every shape with every boundary, and the windows that are not too many cells to go through.
fn cases() -> Vec<(ArrayD<f64>, usize, Boundary)> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut cases = Vec::new();
    for shape in SHAPES {
        let x = ArrayD::from_shape_simple_fn(IxDyn(shape), || f64::from(rng.random_range(-9..9)));
        for window in WINDOWS.into_iter().filter(|&window| x.ndim() < 3 || window < 5) {
            cases.extend(BOUNDARIES.map(|boundary| (x.clone(), window, boundary)));
        }
    }
    cases
}

/// What `fold` makes of the values in each window, `None` where a cell lies outside, and their squared distances.
fn by_definition(
    x: &ArrayD<f64>,
    window: usize,
    boundary: Boundary,
    fold: impl Fn(Vec<(Option<f64>, usize)>) -> f64,
) -> ArrayD<f64> {
    let width = 2 * window + 1;
    ArrayD::from_shape_fn(x.raw_dim(), |at| {
        let value = |mut number: usize| {
            let mut place = Some(vec![0; x.ndim()]);
            let mut squared = 0;
            for axis in 0..x.ndim() {
                let offset = (number % width) as isize - window as isize;
                number /= width;
                squared += offset.pow(2) as usize;
                match (boundary.place(at[axis] as isize + offset, x.shape()[axis]), &mut place) {
                    (Some(to), Some(place)) => place[axis] = to,
                    _ => place = None,
                }
            }
            (place.map(|place| x[&place[..]]), squared)
        };
        fold((0..width.pow(x.ndim() as u32)).map(value).collect())
    })
}

fn largest_difference(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn equal_sum(values: Vec<(Option<f64>, usize)>) -> f64 {
    values.into_iter().filter_map(|(value, _)| value).sum()
}

fn weighted_sum(values: Vec<(Option<f64>, usize)>) -> f64 {
    values.into_iter().filter_map(|(value, squared)| Some(value? / (1.0 + squared as f64).sqrt())).sum()
}

#[test]
fn box_sums_of_whole_numbers_are_exact() {
    for (x, window, boundary) in cases() {
        let expected = by_definition(&x, window, boundary, equal_sum);
        assert_eq!(box_sum(x.view(), window, boundary), expected, "{:?} {window} {boundary:?}", x.shape());
    }
}

#[test]
fn inverse_distance_by_either_way_is_the_definition() {
    for (x, window, boundary) in cases() {
        let expected = by_definition(&x, window, boundary, weighted_sum);
        let case = format!("{:?} {window} {boundary:?}", x.shape());
        let cells: Vec<f64> = x.iter().copied().collect();
        let convolver = Convolver::new(x.shape(), window, boundary);
        let both = convolver.sums(|cell| rustfft::num_complex::Complex::new(cells[cell], -2.0 * cells[cell]));
        let part = |part: fn(&rustfft::num_complex::Complex<f64>) -> f64| {
            ArrayD::from_shape_vec(x.raw_dim(), both.iter().map(part).collect()).unwrap()
        };
        for (way, sums) in [
            ("chosen", inverse_distance(x.view(), window, boundary)),
            ("direct", inverse::direct(x.view(), window, boundary)),
            ("transforms, real", part(|sum| sum.re)),
            ("transforms, imaginary", part(|sum| sum.im / -2.0)),
        ] {
            let difference = largest_difference(&sums, &expected);
            assert!(difference < 1e-9, "{case}, {way}: {difference}");
        }
    }
}

#[test]
fn changes_scattered_are_sums_anew() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (x, window, boundary) in cases() {
        for weighting in [Weighting::Equal, Weighting::InverseDistance] {
            let side = *x.shape().last().unwrap();
            let planes = [0, 1].map(|_| x.mapv(|_| f64::from(rng.random_range(-4..2_i8).max(-1))));
            let changes: Vec<Change> = (0..x.len())
                .flat_map(|cell| [0, 1].map(|plane| (cell, plane)))
                .map(|(cell, plane)| Change { cell, plane, amount: planes[plane].as_slice().unwrap()[cell] })
                .filter(|change| change.amount != 0.0)
                .collect();
            let mut sums = vec![1.0; 2 * x.len()];
            scatter(&mut sums, x.shape(), &changes, weighting, window, boundary);
            for (plane, values) in planes.iter().enumerate() {
                let fold = if weighting == Weighting::Equal { equal_sum } else { weighted_sum };
                let expected = by_definition(values, window, boundary, fold);
                for (cell, expected) in expected.iter().enumerate() {
                    let sum = sums[cell / side * 2 * side + plane * side + cell % side] - 1.0;
                    assert!((sum - expected).abs() < 1e-9, "{:?} {window} {boundary:?}: {sum} {expected}", x.shape());
                }
            }
        }
    }
}

#[test]
fn maximum_is_the_definition() {
    for (x, window, boundary) in cases() {
        let largest = |values: Vec<(Option<f64>, usize)>| {
            values.into_iter().filter_map(|(value, _)| value).fold(f64::NEG_INFINITY, f64::max)
        };
        let expected = by_definition(&x, window, boundary, largest);
        assert_eq!(maximum(x.view(), window, boundary), expected, "{:?} {window} {boundary:?}", x.shape());
    }
}

#[test]
fn median_is_the_definition() {
    for (x, window, boundary) in cases().into_iter().filter(|(x, ..)| x.ndim() == 2) {
        let middle = |values: Vec<(Option<f64>, usize)>| {
            let mut values: Vec<f64> = values.into_iter().map(|(value, _)| value.unwrap_or(0.0)).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let expected = by_definition(&x, window, boundary, middle);
        let plane: Array2<f64> = x.clone().into_dimensionality().unwrap();
        assert_eq!(
            median(plane.view(), window, boundary).into_dyn(),
            expected,
            "{:?} {window} {boundary:?}",
            x.shape()
        );
    }
}

/// scipy 1.17.1: `ndimage.gaussian_filter(numpy.arange(12.).reshape(3, 4) % 5, 0.8, mode=...)`, mode "constant" and
/// "grid-wrap".
#[test]
fn gaussian_is_scipy_s() {
    let x = Array2::from_shape_fn((3, 4), |(i, j)| ((4 * i + j) % 5) as f64).into_dyn();
    for (boundary, expected) in [(Boundary::Plain, GAUSSIAN_PLAIN), (Boundary::Torus, GAUSSIAN_TORUS)] {
        let expected = ArrayD::from_shape_vec(x.raw_dim(), expected.to_vec()).unwrap();
        let difference = largest_difference(&gaussian(x.view(), 0.8, boundary), &expected);
        assert!(difference < 1e-12, "{boundary:?}: {difference}");
    }
    assert_eq!(gaussian(x.view(), 0.0, Boundary::Plain), x);
}

#[test]
fn on_a_candle_device_sums_are_the_same() {
    for (x, window, boundary) in cases().into_iter().filter(|(x, ..)| x.ndim() == 2) {
        let other = x.mapv(|value| 0.5 - value);
        let rasters = stack(Axis(0), &[x.view(), other.view()]).unwrap().into_dimensionality().unwrap();
        let rasters = rasters.mapv(|value: f64| value as f32);
        for weighting in [Weighting::Equal, Weighting::InverseDistance] {
            let sums = sums_on(&candle_core::Device::Cpu, rasters.view(), weighting, window, boundary).unwrap();
            for (sums, x) in sums.outer_iter().zip([&x, &other]) {
                let expected = match weighting {
                    Weighting::Equal => box_sum(x.view(), window, boundary),
                    Weighting::InverseDistance => inverse_distance(x.view(), window, boundary),
                };
                let difference = largest_difference(&sums.mapv(f64::from).into_dyn(), &expected);
                assert!(difference < 1e-2, "{:?} {window} {boundary:?} {weighting:?}: {difference}", x.shape());
            }
        }
    }
}

#[test]
fn empty_rasters_stay_empty() {
    let x = ArrayD::zeros(IxDyn(&[0, 4]));
    for boundary in BOUNDARIES {
        assert_eq!(box_sum(x.view(), 2, boundary), x);
        assert_eq!(inverse_distance(x.view(), 2, boundary), x);
        assert_eq!(gaussian(x.view(), 1.0, boundary), x);
        assert_eq!(maximum(x.view(), 2, boundary), x);
        assert_eq!(median(Array2::zeros((0, 4)).view(), 2, boundary).len(), 0);
    }
}

/// Bits, not values: sums must not depend on who adds them up.
#[test]
fn the_same_bits_at_any_thread_count() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let x = ArrayD::from_shape_simple_fn(IxDyn(&[150, 170]), || rng.random::<f64>());
    let all = |n_threads| {
        rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap().install(|| {
            let boundary = Boundary::Plain;
            [
                box_sum(x.view(), 9, boundary),
                inverse_distance(x.view(), 2, boundary),
                inverse_distance(x.view(), 30, boundary),
                gaussian(x.view(), 3.0, boundary),
                maximum(x.view(), 4, boundary),
            ]
        })
    };
    assert_eq!(all(1), all(3));
}

const GAUSSIAN_PLAIN: [f64; 12] = [
    0.6497787511997055,
    0.8389884397436063,
    1.21733528560182,
    1.2777771459087597,
    1.6186742247060062,
    1.441022450206352,
    1.2319346747001985,
    1.1970666945508837,
    1.6682748901357132,
    1.6402032046807327,
    0.8820202996079107,
    0.6165400989165283,
];

const GAUSSIAN_TORUS: [f64; 12] = [
    1.7859694919943783,
    1.5332591040112975,
    1.5575362094706422,
    1.8738982864131746,
    2.1583248073379355,
    1.5691031044939387,
    1.362829801272313,
    1.909742286895816,
    2.1941688078205765,
    1.9414584198374953,
    1.398673801754954,
    1.7150358786974862,
];
