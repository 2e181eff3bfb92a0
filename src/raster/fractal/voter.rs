//! The process itself.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::collection::ClusterId;
use crate::progress::Reporter;
use crate::raster::filter::Boundary;
use crate::raster::{CellLabel, LabelMap, RasterError, require};

/// Cells whose neighbours 32 random bits choose.
const DRAWS: usize = 16;
/// Cells of a task.
const TASK: usize = 1 << 12;

/// Parameters of [`fractal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FractalParams {
    /// How often cells copy, 1 to 1,000,000.
    pub n_loops: usize,
    /// Loops at the start in which cells that have a class keep it.
    pub n_growing: usize,
    /// Whether training cells keep their class for ever.
    pub pinned: bool,
    /// What lies beyond the edges.
    pub boundary: Boundary,
    /// Seed of the choices.
    pub seed: u64,
}

impl Default for FractalParams {
    /// The published settings, but for the torus.
    fn default() -> Self {
        Self { n_loops: 250, n_growing: 50, pinned: false, boundary: Boundary::Plain, seed: 0 }
    }
}

/// How the raster stands after a loop. Shares are of all cells.
#[derive(Clone, Debug, PartialEq)]
pub struct FractalLoop<'a> {
    /// From 1.
    pub number: usize,
    /// The class of each cell.
    pub labels: &'a [Option<ClusterId>],
    /// Share of the cells whose class is new.
    pub changed: f64,
    /// Share of the cells without a class.
    pub unlabelled: f64,
    /// Share of the neighbouring cells with classes whose classes differ: the length of the boundaries.
    pub interface: f64,
    /// Share of each class.
    pub shares: Vec<f64>,
}

/// Lets cells copy the class of a neighbour, chosen at random among the four at the sides, all at once and `n_loops` times:
/// first the cells that have none, then all (Granville, *Fast Classification and Clustering via Image Convolution Filters*,
/// 2022). A neighbour without a class, or beyond a plain edge, is not copied.
///
/// `drawn` is a raster of two axes with the classes of training points. Comes back with the last classes, each of
/// confidence 1. O(n_loops n) for n cells; the same at any thread count.
///
/// The result is one draw of a process that goes on: for labels to keep, take [`harmonic`](super::harmonic()).
///
/// # Errors
/// A parameter out of its range, a raster of another number of axes, nothing labelled, or an interruption.
///
/// ```
/// use alike::progress::Silent;
/// use alike::raster::{FractalParams, LabelMap, Transform, fractal};
/// let x = ndarray::array![[0.2, 0.2], [0.7, 0.7]];
/// let drawn = LabelMap::draw(Transform::folded(16), x.view(), &[Some(0), Some(1)]);
/// let map = fractal(drawn, &FractalParams::default(), &mut |_| (), &Silent)?;
/// assert!(map.cells.iter().all(|cell| cell.cluster.is_some()));
/// # Ok::<(), alike::raster::RasterError>(())
/// ```
pub fn fractal(
    mut drawn: LabelMap,
    params: &FractalParams,
    on_loop: &mut dyn FnMut(FractalLoop<'_>),
    reporter: &dyn Reporter,
) -> Result<LabelMap, RasterError> {
    let &FractalParams { n_loops, n_growing, pinned, boundary, seed } = params;
    require((1..=1_000_000).contains(&n_loops), "loops", n_loops, "from 1 to 1000000")?;
    let side = plane(&drawn)?;
    let n_classes = drawn.n_clusters();
    let training: Vec<bool> = drawn.cells.iter().map(|cell| pinned && cell.cluster.is_some()).collect();
    let mut labels: Vec<Option<ClusterId>> = drawn.cells.iter().map(|cell| cell.cluster).collect();
    let mut next = labels.clone();
    let mut rows: Vec<ChaCha8Rng> = (0..labels.len() / side)
        .map(|row| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(row as u64);
            rng
        })
        .collect();
    reporter.begin("fractal", Some(n_loops as u64));
    for number in 1..=n_loops {
        reporter.check()?;
        let all_act = number > n_growing;
        let acts = |cell: usize| !training[cell] && (all_act || labels[cell].is_none());
        let lines = next.par_chunks_mut(side).zip(&mut rows).enumerate().with_min_len(TASK.div_ceil(side));
        lines.for_each(|(row, (next, rng))| {
            let beside = Beside::new(row, labels.len() / side, side, boundary);
            for (part, next) in next.chunks_mut(DRAWS).enumerate() {
                let mut bits = rng.next_u32();
                for (at, next) in next.iter_mut().enumerate() {
                    let column = part * DRAWS + at;
                    let cell = row * side + column;
                    let copied = || labels[beside.cell(column, bits & 3)?];
                    *next = if acts(cell) { copied().or(labels[cell]) } else { labels[cell] };
                    bits >>= 2;
                }
            }
        });
        let changed = labels.par_iter().zip(&next).with_min_len(TASK).filter(|(before, now)| before != now).count();
        std::mem::swap(&mut labels, &mut next);
        on_loop(stand(number, &labels, side, changed, n_classes));
        reporter.advance(1);
    }
    reporter.end();
    for (cell, cluster) in drawn.cells.iter_mut().zip(labels) {
        *cell = CellLabel { cluster, confidence: f32::from(u8::from(cluster.is_some())) };
    }
    Ok(drawn)
}

/// The cells of a row of a raster of two axes on which something is labelled.
pub(super) fn plane(drawn: &LabelMap) -> Result<usize, RasterError> {
    let n_axes = drawn.transform.n_axes();
    require(n_axes == 2, "axes", n_axes, "2: reduce the points first, as with --reduce pca:2")?;
    require(drawn.n_clusters() > 0, "labelled points", 0, "at least 1 inside the raster")?;
    Ok(drawn.transform.shape[1])
}

/// The neighbours of a row's cells.
pub(super) struct Beside {
    side: usize,
    boundary: Boundary,
    row: usize,
    lower: Option<usize>,
    upper: Option<usize>,
}

impl Beside {
    pub fn new(row: usize, n_rows: usize, side: usize, boundary: Boundary) -> Self {
        let place = |row| boundary.place(row, n_rows);
        Self { side, boundary, row, lower: place(row as isize - 1), upper: place(row as isize + 1) }
    }

    /// The neighbour in one of the directions 0 to 3.
    pub fn cell(&self, column: usize, direction: u32) -> Option<usize> {
        match direction {
            0 => Some(self.lower? * self.side + column),
            1 => Some(self.upper? * self.side + column),
            2 if column > 0 => Some(self.row * self.side + column - 1),
            3 if column + 1 < self.side => Some(self.row * self.side + column + 1),
            _ if self.boundary == Boundary::Plain => None,
            2 => Some((self.row + 1) * self.side - 1),
            _ => Some(self.row * self.side),
        }
    }
}

fn stand(
    number: usize,
    labels: &[Option<ClusterId>],
    side: usize,
    changed: usize,
    n_classes: usize,
) -> FractalLoop<'_> {
    let n = labels.len() as f64;
    let mut counts = vec![0_usize; n_classes];
    labels.iter().flatten().for_each(|&label| counts[label] += 1);
    let rows = || labels.par_chunks(side).with_min_len(TASK.div_ceil(side));
    let along = rows().flat_map_iter(|row| row.iter().zip(&row[1..]));
    let across = rows().zip(rows().skip(1)).flat_map_iter(|(row, next)| row.iter().zip(next));
    let (pairs, different) = along
        .chain(across)
        .filter_map(|(a, b)| Some((*a)? != (*b)?))
        .map(|differ| (1_usize, usize::from(differ)))
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    FractalLoop {
        number,
        labels,
        changed: changed as f64 / n,
        unlabelled: 1.0 - counts.iter().sum::<usize>() as f64 / n,
        interface: if pairs == 0 { 0.0 } else { different as f64 / pairs as f64 },
        shares: counts.iter().map(|&count| count as f64 / n).collect(),
    }
}
