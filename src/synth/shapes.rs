//! The shapes that dots form, each drawn about the unit circle.

use std::f64::consts::{PI, TAU};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A point of the plane, y downwards.
pub(super) type Point = [f64; 2];

/// A shape class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Ring,
    Bar,
    Cross,
    Blobs,
    Grid,
    Spiral,
    Triangle,
    Square,
    Wave,
    Rings,
    Arc,
    Star,
}

impl Shape {
    /// All shapes, in the order in which classes are taken.
    pub(super) const ALL: [Self; 12] = [
        Self::Ring,
        Self::Bar,
        Self::Cross,
        Self::Blobs,
        Self::Grid,
        Self::Spiral,
        Self::Triangle,
        Self::Square,
        Self::Wave,
        Self::Rings,
        Self::Arc,
        Self::Star,
    ];

    /// Name of the class and of its directory.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Bar => "bar",
            Self::Cross => "cross",
            Self::Blobs => "blobs",
            Self::Grid => "grid",
            Self::Spiral => "spiral",
            Self::Triangle => "triangle",
            Self::Square => "square",
            Self::Wave => "wave",
            Self::Rings => "rings",
            Self::Arc => "arc",
            Self::Star => "star",
        }
    }

    /// About `n` places for dots.
    pub(super) fn places(self, n: usize, rng: &mut ChaCha8Rng) -> Vec<Point> {
        match self {
            Self::Bar => (0..n).map(|_| [rng.random_range(-1.0..1.0), rng.random_range(-0.22..0.22)]).collect(),
            Self::Blobs => clumps(n, rng),
            Self::Grid => grid(n),
            _ => spread(&self.strokes(), n, rng),
        }
    }

    /// The lines of a shape that is made of lines.
    fn strokes(self) -> Vec<Vec<Point>> {
        match self {
            Self::Ring => vec![circle(0.0..TAU, 0.9)],
            Self::Rings => vec![circle(0.0..TAU, 1.0), circle(0.0..TAU, 0.45)],
            Self::Arc => vec![circle(PI..TAU, 1.0).iter().map(|[x, y]| [*x, y + 0.5]).collect()],
            Self::Cross => vec![vec![[-1.0, 0.0], [1.0, 0.0]], vec![[0.0, -1.0], [0.0, 1.0]]],
            Self::Triangle => vec![polygon(&[1.1; 3])],
            Self::Square => vec![vec![[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8], [-0.8, -0.8]]],
            Self::Star => vec![polygon(&[1.1, 0.42].repeat(5))],
            Self::Wave => vec![curve(-1.0..1.0, |t| [t, 0.4 * (1.5 * TAU * t).sin()])],
            Self::Spiral => vec![curve(0.1..1.0, |t| [t * (2.25 * TAU * t).cos(), t * (2.25 * TAU * t).sin()])],
            Self::Bar | Self::Blobs | Self::Grid => Vec::new(),
        }
    }
}

/// A curve as a line of many points.
fn curve(range: std::ops::Range<f64>, point: impl Fn(f64) -> Point) -> Vec<Point> {
    const STEPS: u32 = 128;
    let step = (range.end - range.start) / f64::from(STEPS);
    (0..=STEPS).map(|i| point(range.start + step * f64::from(i))).collect()
}

fn circle(angles: std::ops::Range<f64>, radius: f64) -> Vec<Point> {
    curve(angles, |angle| [radius * angle.cos(), radius * angle.sin()])
}

/// A closed line through one corner a radius, the first at the top.
fn polygon(radii: &[f64]) -> Vec<Point> {
    (0..=radii.len())
        .map(|i| {
            let (sin, cos) = (TAU * i as f64 / radii.len() as f64 - PI / 2.0).sin_cos();
            let radius = radii[i % radii.len()];
            [radius * cos, radius * sin]
        })
        .collect()
}

/// `n` places along the strokes, evenly spaced from a random start.
fn spread(strokes: &[Vec<Point>], n: usize, rng: &mut ChaCha8Rng) -> Vec<Point> {
    let segments: Vec<(Point, Point, f64)> = strokes
        .iter()
        .flat_map(|stroke| stroke.windows(2))
        .map(|ends| (ends[0], ends[1], (ends[1][0] - ends[0][0]).hypot(ends[1][1] - ends[0][1])))
        .collect();
    let step = segments.iter().map(|(_, _, length)| length).sum::<f64>() / n as f64;
    let mut next = step * rng.random::<f64>();
    let mut places = Vec::with_capacity(n);
    for (from, to, length) in segments {
        while next < length {
            let t = next / length;
            places.push([from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])]);
            next += step;
        }
        next -= length;
    }
    places
}

/// Three round clumps that keep apart: one in each third of the circle.
fn clumps(n: usize, rng: &mut ChaCha8Rng) -> Vec<Point> {
    let start = rng.random_range(0.0..TAU);
    let centers = [0.0, 1.0, 2.0].map(|third| {
        let (sin, cos) = (start + TAU * (third + rng.random_range(-0.12..0.12)) / 3.0).sin_cos();
        let radius = rng.random_range(0.65..0.95);
        [radius * cos, radius * sin]
    });
    (0..n).map(|i| centers[i % 3].map(|center: f64| center + 0.17 * rng.sample::<f64, _>(StandardNormal))).collect()
}

/// The nodes of a square lattice of about `n`.
fn grid(n: usize) -> Vec<Point> {
    let side = (n as f64).sqrt().round() as usize;
    let at = |i: usize| 1.8 * i as f64 / (side - 1) as f64 - 0.9;
    (0..side * side).map(|i| [at(i % side), at(i / side)]).collect()
}
