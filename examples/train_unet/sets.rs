//! Sets of points in the plane whose clusters are known, drawn as the program sees them, with the answers.

use std::collections::HashMap;

use alike::raster::{Grid, GridParams, Transform};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::hull;
use crate::shapes::Shape;

/// Cells along a side.
pub const SIDE: usize = 256;
/// A core reaches so many deviations from the middle.
const CORE: f32 = 1.25;
/// Two clusters are one if the ridge between them is at least so high, of the lower one's peak.
const RIDGE: f32 = 0.85;
/// A core is where the own density is so many times that of all others.
const OWN: f32 = 2.0;
/// Points that tell how wide a line is.
const RIM: usize = 1000;
/// Two outlines are joined if they share more than this of either.
const SHARED: f64 = 0.3;

/// Kinds of sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Round normal clusters of one width: those of the paper.
    Blobs,
    /// Round normal clusters of several widths.
    Varied,
    /// Stretched normal clusters.
    Aniso,
    /// Many small ones.
    Many,
    /// Circles around one another.
    Circles,
    /// Half circles that reach into one another.
    Moons,
    /// Winding lines.
    Curves,
    /// Evenly filled polygons, or one.
    Filled,
    /// Some of all.
    Mixed,
}

/// All kinds, once.
pub const KINDS: [Kind; 9] = [
    Kind::Blobs,
    Kind::Varied,
    Kind::Aniso,
    Kind::Many,
    Kind::Circles,
    Kind::Moons,
    Kind::Curves,
    Kind::Filled,
    Kind::Mixed,
];

/// All kinds, the hard ones more often.
pub const TRAINED: [Kind; 14] = [
    Kind::Blobs,
    Kind::Varied,
    Kind::Circles,
    Kind::Aniso,
    Kind::Mixed,
    Kind::Moons,
    Kind::Blobs,
    Kind::Many,
    Kind::Varied,
    Kind::Filled,
    Kind::Aniso,
    Kind::Curves,
    Kind::Blobs,
    Kind::Mixed,
];

/// A raster and what is to be said of its cells.
pub struct Picture {
    pub grid: Grid,
    /// Whether a cell is part of a cluster, and of a core; 1 or 0.
    pub answers: Vec<[f32; 2]>,
}

/// A set of a kind by its number: the same at any time.
pub fn picture(kind: Kind, seed: u64) -> Picture {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let shapes = shapes(kind, &mut rng);
    let n = 10f64.powf(rng.random_range(2.5..5.8)).max(30.0 * shapes.len() as f64);
    let even = rng.random_bool(0.5);
    let weights: Vec<f64> = shapes.iter().map(|_| if even { 1.0 } else { rng.random_range(0.15..1.0) }).collect();
    let total: f64 = weights.iter().sum();
    let members: Vec<Vec<[f64; 2]>> = shapes
        .iter()
        .zip(&weights)
        .map(|(shape, weight)| (0..((n * weight / total) as usize).max(8)).map(|_| shape.draw(&mut rng)).collect())
        .collect();
    let mut points: Vec<[f64; 2]> = members.iter().flatten().copied().collect();
    if kind != Kind::Blobs && rng.random_bool(0.3) {
        points.extend(noise(&points, &mut rng));
    }
    let x = Array2::from_shape_fn((points.len(), 2), |(i, axis)| points[i][axis]);
    let params = GridParams { side: SIDE, ..GridParams::default() };
    let grid = Grid::draw(Transform::fit(x.view(), &params).expect("finite points"), x.view());
    let outlined: Vec<bool> = outlines(&shapes, &members, &grid.transform);
    let cores = cores(&shapes, &members, &grid.transform);
    let answers = outlined.into_iter().zip(cores).map(|(part, core)| [part, core].map(|b| f32::from(u8::from(b))));
    Picture { grid, answers: answers.collect() }
}

fn shapes(kind: Kind, rng: &mut ChaCha8Rng) -> Vec<Shape> {
    let place = |rng: &mut ChaCha8Rng| [rng.random_range(-10.0..10.0), rng.random_range(-10.0..10.0)];
    let log = |rng: &mut ChaCha8Rng, low: f64, high: f64| (rng.random_range(low.ln()..high.ln())).exp();
    match kind {
        Kind::Blobs => {
            let (k, width) = (rng.random_range(2..=10), log(rng, 0.4, 2.0));
            (0..k).map(|_| Shape::round(place(rng), width)).collect()
        }
        Kind::Varied => (0..rng.random_range(2..=8)).map(|_| Shape::round(place(rng), log(rng, 0.3, 3.0))).collect(),
        Kind::Aniso => {
            let (k, width, one) = (rng.random_range(2..=7), log(rng, 0.5, 1.5), rng.random_bool(0.6));
            let map = |rng: &mut ChaCha8Rng| -> [[f64; 2]; 2] {
                std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(-1.0..1.0)))
            };
            let all = map(rng);
            (0..k)
                .map(|_| {
                    let at = place(rng);
                    let own = if one { all } else { map(rng) };
                    let at = if one { std::array::from_fn(|i| all[i][0] * at[0] + all[i][1] * at[1]) } else { at };
                    Shape::Normal { mean: at, map: own.map(|row| row.map(|v| v * width)) }
                })
                .collect()
        }
        Kind::Many => {
            let cells = rng.random_range(4..=18);
            let step = 20.0 / f64::from(cells);
            let (width, shake) = (step * rng.random_range(0.06..0.17), step * rng.random_range(0.0..0.25));
            let mut shapes = Vec::new();
            for node in 0..cells * cells {
                if rng.random_bool(0.85) {
                    let at = [f64::from(node / cells), f64::from(node % cells)];
                    let at = at.map(|at| at * step + rng.random_range(-1.0..1.0) * shake);
                    shapes.push(Shape::round(at, width * rng.random_range(0.7..1.3)));
                }
            }
            shapes
        }
        Kind::Circles => {
            let (mut radius, factor, noise) = (10.0, rng.random_range(0.3..0.7), rng.random_range(0.2..1.0));
            let middle = place(rng);
            let mut rings = Vec::new();
            for _ in 0..rng.random_range(2..=3) {
                rings.push(Shape::arc(middle, radius, [0.0, std::f64::consts::TAU], noise));
                radius *= factor;
            }
            if rng.random_bool(0.2) {
                rings.push(Shape::round(middle, rng.random_range(0.2..0.5) * radius));
            }
            rings
        }
        Kind::Moons => {
            let (turn, noise) = (rng.random_range(0.0..std::f64::consts::TAU), rng.random_range(0.2..1.3));
            let (radius, shift) = (10.0, [rng.random_range(0.8..1.2), rng.random_range(0.3..0.7)]);
            let arc = |middle: [f64; 2], from: f64| {
                let middle =
                    [middle[0] * turn.cos() - middle[1] * turn.sin(), middle[0] * turn.sin() + middle[1] * turn.cos()];
                Shape::arc(middle, radius, [from + turn, from + turn + std::f64::consts::PI], noise)
            };
            vec![arc([0.0; 2], 0.0), arc(shift.map(|s| s * radius), std::f64::consts::PI)]
        }
        Kind::Curves => (0..rng.random_range(1..=5)).map(|_| curve(place(rng), rng)).collect(),
        Kind::Filled => {
            let k = if rng.random_bool(0.4) { 1 } else { rng.random_range(2..=6) };
            (0..k).map(|_| polygon(place(rng), if k == 1 { 10.0 } else { 5.0 }, rng)).collect()
        }
        Kind::Mixed => (0..rng.random_range(1..=8))
            .map(|_| match rng.random_range(0..5) {
                0 => Shape::round(place(rng), log(rng, 0.3, 2.5)),
                1 => {
                    let map = std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(-2.0..2.0)));
                    Shape::Normal { mean: place(rng), map }
                }
                2 => curve(place(rng), rng),
                3 => polygon(place(rng), 4.0, rng),
                _ => {
                    let radius = rng.random_range(1.5..8.0);
                    let from = rng.random_range(0.0..std::f64::consts::TAU);
                    let arc = [from, from + rng.random_range(2.0..std::f64::consts::TAU)];
                    Shape::arc(place(rng), radius, arc, rng.random_range(0.1..0.6))
                }
            })
            .collect(),
    }
}

/// A line whose direction changes slowly.
fn curve(start: [f64; 2], rng: &mut ChaCha8Rng) -> Shape {
    let (steps, step) = (rng.random_range(8..40), 0.6);
    let (mut at, mut heading, mut bend) = (start, rng.random_range(0.0..std::f64::consts::TAU), 0.0);
    let mut line = vec![at];
    for _ in 0..steps {
        bend = 0.8 * bend + 0.12 * rng.sample::<f64, _>(StandardNormal);
        heading += bend;
        at = [at[0] + step * f64::cos(heading), at[1] + step * f64::sin(heading)];
        line.push(at);
    }
    Shape::Tube { line, width: rng.random_range(0.1..0.7) }
}

/// A convex polygon around `middle`.
fn polygon(middle: [f64; 2], reach: f64, rng: &mut ChaCha8Rng) -> Shape {
    let (corners, turn) = (rng.random_range(3..=7), rng.random_range(0.0..std::f64::consts::TAU));
    let stretch = [rng.random_range(0.4..1.0), rng.random_range(0.4..1.0)];
    // A square is what is seen most.
    let (corners, stretch) = if rng.random_bool(0.4) { (4, [0.8; 2]) } else { (corners, stretch) };
    let corner = |i: usize| {
        let angle = turn + std::f64::consts::TAU * i as f64 / corners as f64;
        [middle[0] + reach * stretch[0] * angle.cos(), middle[1] + reach * stretch[1] * angle.sin()]
    };
    Shape::Filled((0..corners).map(corner).collect())
}

/// A few points over the whole of the others' range.
fn noise(points: &[[f64; 2]], rng: &mut ChaCha8Rng) -> Vec<[f64; 2]> {
    let range = |axis: usize| {
        let along = points.iter().map(|point| point[axis]);
        along.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)])
    };
    let ranges = [range(0), range(1)];
    let n = (points.len() as f64 * rng.random_range(0.005..0.12)) as usize;
    (0..n).map(|_| ranges.map(|[low, high]| rng.random_range(low..=high.max(low + 1e-9)))).collect()
}

/// The cells within the outline of each cluster's points, joined or cut where they overlap: the paper's rule, that of two
/// outlines which share more than 30 % of either one makes one, and what others share is part of neither.
fn outlines(shapes: &[Shape], members: &[Vec<[f64; 2]>], transform: &Transform) -> Vec<bool> {
    let n_cells = transform.n_cells();
    let mut outlines: Vec<Vec<u32>> = Vec::new();
    for (shape, members) in shapes.iter().zip(members) {
        outlines.push(match shape {
            Shape::Tube { .. } => {
                let some = members.iter().take(RIM);
                let mut distances: Vec<f64> = some.map(|&point| shape.deviation(point, 0.0)).collect();
                distances.sort_unstable_by(f64::total_cmp);
                let reach = distances[(0.98 * (distances.len() - 1) as f64) as usize];
                let within = |&cell: &u32| shape.deviation(center(transform, cell as usize), 0.0) <= reach;
                shape.window(transform, reach).filter(within).collect()
            }
            _ => hull::filled(members, transform),
        });
    }
    // To whom each cell belongs so far, until no two outlines share too much.
    loop {
        let mut shared: HashMap<(usize, usize), usize> = HashMap::new();
        let mut owners: Vec<Vec<u16>> = vec![Vec::new(); n_cells];
        for (i, outline) in outlines.iter().enumerate() {
            for &cell in outline {
                for &other in &owners[cell as usize] {
                    *shared.entry((usize::from(other), i)).or_default() += 1;
                }
                owners[cell as usize].push(i as u16);
            }
        }
        let share =
            |&((a, b), cells): &((usize, usize), usize)| cells as f64 / outlines[a].len().min(outlines[b].len()) as f64;
        let mut pairs: Vec<_> = shared.into_iter().collect();
        pairs.sort_unstable();
        let most = pairs.iter().copied().max_by(|a, b| share(a).total_cmp(&share(b)));
        match most {
            Some(pair) if share(&pair) > SHARED => {
                let ((a, b), _) = pair;
                let joined = outlines.swap_remove(b);
                outlines[a].extend(joined);
                outlines[a].sort_unstable();
                outlines[a].dedup();
            }
            _ => return owners.iter().map(|owners| owners.len() == 1).collect(),
        }
    }
}

/// The cells of cores: near the middle of one cluster and outside of all others. Clusters that no valley parts are one.
fn cores(shapes: &[Shape], members: &[Vec<[f64; 2]>], transform: &Transform) -> Vec<bool> {
    let least = 1.2 / transform.scale[0];
    let mut found: Vec<Vec<(f32, u16, f32)>> = vec![Vec::new(); transform.n_cells()];
    let mut peaks = Vec::new();
    for (i, (shape, members)) in shapes.iter().zip(members).enumerate() {
        let peak = (members.len() as f64 / shape.area(least)) as f32;
        peaks.push(peak);
        for cell in shape.window(transform, 5.5) {
            let deviation = shape.deviation(center(transform, cell as usize), least) as f32;
            found[cell as usize].push((peak * (-0.5 * deviation * deviation).exp(), i as u16, deviation));
        }
    }
    let mut ridges: HashMap<(u16, u16), f32> = HashMap::new();
    for found in &mut found {
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if let [(_, a, _), (lower, b, _), ..] = found[..] {
            let ridge = ridges.entry((a.min(b), a.max(b))).or_default();
            *ridge = ridge.max(2.0 * lower);
        }
    }
    let mut groups: Vec<usize> = (0..shapes.len()).collect();
    for (&(a, b), &ridge) in &ridges {
        let (a, b) = (usize::from(a), usize::from(b));
        if ridge > RIDGE * peaks[a].min(peaks[b]) {
            let (from, to) = (groups[a].max(groups[b]), groups[a].min(groups[b]));
            groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        }
    }
    let core = |found: &Vec<(f32, u16, f32)>| {
        let Some(&(_, first, _)) = found.first() else { return false };
        let own = groups[usize::from(first)];
        let (mut inside, mut outside, mut near) = (0.0, 0.0, f32::INFINITY);
        for &(density, i, deviation) in found {
            if groups[usize::from(i)] == own {
                inside += density;
                near = near.min(deviation);
            } else {
                outside += density;
            }
        }
        near <= CORE && inside >= OWN * outside
    };
    found.iter().map(core).collect()
}

fn center(transform: &Transform, cell: usize) -> [f64; 2] {
    let center = transform.center(cell);
    [center[0], center[1]]
}
