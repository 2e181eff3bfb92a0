//! What clusters are made of.

use alike::raster::Transform;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Where the points of a cluster fall.
#[derive(Clone, Debug)]
pub enum Shape {
    /// `mean` and `map` times a standard normal.
    Normal { mean: [f64; 2], map: [[f64; 2]; 2] },
    /// Anywhere along a line, and so far from there as a normal of this deviation.
    Tube { line: Vec<[f64; 2]>, width: f64 },
    /// Evenly in a convex polygon, whose corners run against the clock.
    Filled(Vec<[f64; 2]>),
}

fn minus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn length(a: [f64; 2]) -> f64 {
    (a[0] * a[0] + a[1] * a[1]).sqrt()
}

fn cross(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

/// Deviations from the middle of what is evenly filled to its edge.
const EDGE: f64 = 1.5;

/// From a point to the nearest of a stretch.
fn to_stretch(point: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let (along, way) = (minus(to, from), minus(point, from));
    let squared = along[0] * along[0] + along[1] * along[1];
    let share = if squared > 0.0 { ((way[0] * along[0] + way[1] * along[1]) / squared).clamp(0.0, 1.0) } else { 0.0 };
    length([way[0] - share * along[0], way[1] - share * along[1]])
}

impl Shape {
    pub fn round(mean: [f64; 2], width: f64) -> Self {
        Self::Normal { mean, map: [[width, 0.0], [0.0, width]] }
    }

    pub fn arc(middle: [f64; 2], radius: f64, [from, to]: [f64; 2], width: f64) -> Self {
        let at = |i: usize| {
            let angle = from + (to - from) * i as f64 / 40.0;
            [middle[0] + radius * angle.cos(), middle[1] + radius * angle.sin()]
        };
        Self::Tube { line: (0..=40).map(at).collect(), width }
    }

    pub fn draw(&self, rng: &mut ChaCha8Rng) -> [f64; 2] {
        let normal = |rng: &mut ChaCha8Rng| -> [f64; 2] { [rng.sample(StandardNormal), rng.sample(StandardNormal)] };
        match self {
            Self::Normal { mean, map } => {
                let z = normal(rng);
                std::array::from_fn(|i| mean[i] + map[i][0] * z[0] + map[i][1] * z[1])
            }
            Self::Tube { line, width } => {
                let z = normal(rng);
                let place = rng.random_range(0.0..(line.len() - 1) as f64);
                let (at, share) = (place as usize, place.fract());
                std::array::from_fn(|i| line[at][i] + share * (line[at + 1][i] - line[at][i]) + width * z[i])
            }
            Self::Filled(corners) => {
                let (low, high) = self.bounds();
                loop {
                    let point = std::array::from_fn(|i| rng.random_range(low[i]..=high[i]));
                    if outside(corners, point) == 0.0 {
                        return point;
                    }
                }
            }
        }
    }

    /// How many standard deviations a point is away, none of which is below `least`.
    pub fn deviation(&self, point: [f64; 2], least: f64) -> f64 {
        match self {
            Self::Normal { mean, map } => {
                let [[a, b], [c, d]] = *map;
                let floor = least * least;
                let (xx, xy, yy) = (a * a + b * b + floor, a * c + b * d, c * c + d * d + floor);
                let [x, y] = minus(point, *mean);
                ((yy * x * x - 2.0 * xy * x * y + xx * y * y) / (xx * yy - xy * xy)).max(0.0).sqrt()
            }
            Self::Tube { line, width } => {
                let nearest = line.windows(2).map(|ends| to_stretch(point, ends[0], ends[1]));
                nearest.fold(f64::INFINITY, f64::min) / width.max(least)
            }
            Self::Filled(corners) => {
                // The edge is where the density begins to fall.
                let edge = (0.02 * self.area(0.0).sqrt()).max(least);
                Some(outside(corners, point)).filter(|&way| way > 0.0).map_or(0.0, |way| EDGE + way / edge)
            }
        }
    }

    /// What the density's integral would be if its peak were 1, with deviations of `least` or more.
    pub fn area(&self, least: f64) -> f64 {
        match self {
            Self::Normal { map: [[a, b], [c, d]], .. } => {
                let floor = least * least;
                let (xx, xy, yy) = (a * a + b * b + floor, a * c + b * d, c * c + d * d + floor);
                std::f64::consts::TAU * (xx * yy - xy * xy).sqrt()
            }
            Self::Tube { line, width } => {
                let long: f64 = line.windows(2).map(|ends| length(minus(ends[1], ends[0]))).sum();
                long * std::f64::consts::TAU.sqrt() * width.max(least)
            }
            Self::Filled(corners) => {
                let ends = (0..corners.len()).map(|i| (corners[i], corners[(i + 1) % corners.len()]));
                ends.map(|(a, b)| cross(a, b)).sum::<f64>() / 2.0
            }
        }
    }

    /// A box around the middle: the line, the corners, or the mean.
    fn bounds(&self) -> ([f64; 2], [f64; 2]) {
        let around = |points: &[[f64; 2]]| {
            let start = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
            points.iter().fold(start, |(low, high), point| {
                (std::array::from_fn(|i| low[i].min(point[i])), std::array::from_fn(|i| high[i].max(point[i])))
            })
        };
        match self {
            Self::Normal { mean, .. } => (*mean, *mean),
            Self::Tube { line: points, .. } | Self::Filled(points) => around(points),
        }
    }

    /// The cells that can lie within so many deviations.
    pub fn window(&self, transform: &Transform, deviations: f64) -> impl Iterator<Item = u32> + use<> {
        let (low, high) = self.bounds();
        let least = 1.2 / transform.scale[0];
        let reach: [f64; 2] = match self {
            Self::Normal { map, .. } => map.map(|row| length(row).hypot(least)),
            Self::Tube { width, .. } => [width.max(least); 2],
            Self::Filled(_) => [(0.02 * self.area(0.0).sqrt()).max(least); 2],
        };
        let span = |axis: usize| {
            let at = |value: f64| (value - transform.origin[axis]) * transform.scale[axis];
            let side = transform.shape[axis] as f64;
            let from = at(low[axis] - deviations * reach[axis]).floor().clamp(0.0, side) as u32;
            from..at(high[axis] + deviations * reach[axis]).ceil().clamp(0.0, side) as u32
        };
        let (rows, columns, width) = (span(0), span(1), transform.shape[1] as u32);
        rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }
}

/// The distance from a convex polygon; 0 within.
fn outside(corners: &[[f64; 2]], point: [f64; 2]) -> f64 {
    let ends = || (0..corners.len()).map(|i| (corners[i], corners[(i + 1) % corners.len()]));
    if ends().all(|(a, b)| cross(minus(b, a), minus(point, a)) >= 0.0) {
        return 0.0;
    }
    ends().map(|(a, b)| to_stretch(point, a, b)).fold(f64::INFINITY, f64::min)
}
