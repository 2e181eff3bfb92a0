//! Classification by filtering a drawing: each cell takes the class that weighs most in the window around it, again and
//! again.

mod boxes;
mod sparse;
mod sums;
#[cfg(test)]
mod tests;

use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;

use super::filter::{Boundary, Weighting};
use super::{CellLabel, LabelMap, RasterError, require};
use crate::device::Device;
use crate::nn::vectorised;
use crate::progress::Reporter;
pub use sparse::{SparseMap, SparseParams};
use sums::ClassSums;

/// Sums nearer than this are equal: what transforms leave of equal ones.
const TIE: f64 = 1e-9;

/// Parameters of [`classify`].
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifyParams {
    /// Cells to each side that a window reaches along each axis, 1 to 1024.
    pub window: usize,
    /// How often all cells are classified, 1 to 1000.
    pub n_loops: usize,
    /// How much a cell of a window counts.
    pub weighting: Weighting,
    /// What lies beyond the edges.
    pub boundary: Boundary,
    /// Where sums in the plane are made, if that pays.
    pub device: Device,
}

impl Default for ClassifyParams {
    /// The published settings, but for the torus.
    fn default() -> Self {
        Self {
            window: 20,
            n_loops: 3,
            weighting: Weighting::InverseDistance,
            boundary: Boundary::Plain,
            device: Device::Cpu,
        }
    }
}

/// How the raster stands after a loop.
#[derive(Clone, Copy, Debug)]
pub struct Loop<'a> {
    /// From 0.
    pub number: usize,
    /// The classes; a cell's confidence is its class's share of the window.
    pub map: &'a LabelMap,
    /// The weights of all labelled cells of each window, those of loop l counting 10^-l, added up.
    pub density: &'a ArrayD<f64>,
    /// Cells that had a class before.
    pub n_labelled: usize,
    /// Those of them that have another now.
    pub n_relabelled: usize,
}

/// Gives every cell the class that weighs most in the window around it, `n_loops` times, all cells at once (Granville,
/// *Fast Classification and Clustering via Image Convolution Filters*, 2022). Of equal ones the lowest class wins; a cell
/// whose window holds no class has none.
///
/// `drawn` holds the classes of training points, as [`LabelMap::draw`] makes it; `on_loop` sees each loop. The sums of each
/// class are renewed by transforms, or kept up to date by what has changed, whichever is less work: per loop O(c n log n)
/// for c classes and n cells, O(c n) for [`Weighting::Equal`], or O(changes (2 window + 1)^d). Eight bytes a cell and class.
///
/// Windows should be wide enough to hold many points: classes of cells without a label nearby are none.
///
/// # Errors
/// A parameter out of its range, nothing labelled, 2^28 sums or more, a device that fails, or an interruption.
///
/// ```
/// use alike::progress::Silent;
/// use alike::raster::{ClassifyParams, GridParams, LabelMap, Transform, classify};
/// let x = ndarray::array![[0.0, 0.0], [0.1, 0.3], [4.0, 4.0], [4.2, 3.9]];
/// let transform = Transform::fit(x.view(), &GridParams { side: 32, ..Default::default() })?;
/// let drawn = LabelMap::draw(transform, x.view(), &[Some(0), Some(0), Some(1), Some(1)]);
/// let map = classify(drawn, &ClassifyParams::default(), &mut |_| (), &Silent)?;
/// let new = map.assign(ndarray::array![[0.5, 0.2], [3.5, 4.1]].view());
/// assert_eq!([new[0].cluster, new[1].cluster], [Some(0), Some(1)]);
/// # Ok::<(), alike::raster::RasterError>(())
/// ```
pub fn classify(
    drawn: LabelMap,
    params: &ClassifyParams,
    on_loop: &mut dyn FnMut(Loop<'_>),
    reporter: &dyn Reporter,
) -> Result<LabelMap, RasterError> {
    let &ClassifyParams { window, n_loops, .. } = params;
    require((1..=1024).contains(&window), "window", window, "from 1 to 1024")?;
    require((1..=1000).contains(&n_loops), "loops", n_loops, "from 1 to 1000")?;
    let n_classes = drawn.n_clusters();
    require(n_classes > 0, "labelled points", 0, "at least 1 inside the raster")?;
    let mut sums = ClassSums::new(&drawn.transform.shape, n_classes, params)?;
    let mut density = ArrayD::zeros(IxDyn(&drawn.transform.shape));
    let mut map = drawn;
    reporter.begin("classify", Some(n_loops as u64));
    for number in 0..n_loops {
        reporter.check()?;
        sums.update(&map.cells)?;
        let share = 0.1_f64.powi(number as i32);
        let density_of_cells = density.as_slice_mut().expect("standard layout");
        let [n_labelled, n_relabelled] = decide(&sums, &mut map.cells, density_of_cells, share);
        on_loop(Loop { number, map: &map, density: &density, n_labelled, n_relabelled });
        reporter.advance(1);
    }
    reporter.end();
    Ok(map)
}

/// The class of each cell by its sums; their total is added to the density. How many cells had a class, and how many of
/// them have another now.
fn decide(sums: &ClassSums, cells: &mut [CellLabel], density: &mut [f64], share: f64) -> [usize; 2] {
    let side = sums.side();
    let rows = cells.par_chunks_mut(side).zip(density.par_chunks_mut(side)).zip(sums.rows());
    let counts = rows.map_init(Best::default, |best, ((cells, density), planes)| {
        best.among(planes, side);
        let [mut n_labelled, mut n_relabelled] = [0; 2];
        let sums = best.most.iter().zip(&best.total).zip(&best.winner);
        for ((cell, density), ((&most, &total), &winner)) in cells.iter_mut().zip(density).zip(sums) {
            *density += share * total.max(0.0);
            let before = cell.cluster;
            *cell = if most > TIE {
                CellLabel { cluster: Some(winner as usize), confidence: (most / total).clamp(0.0, 1.0) as f32 }
            } else {
                CellLabel::default()
            };
            n_labelled += usize::from(before.is_some());
            n_relabelled += usize::from(before.is_some() && before != cell.cluster);
        }
        [n_labelled, n_relabelled]
    });
    counts.reduce(|| [0; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
}

/// What weighs most in the windows of a row.
#[derive(Default)]
struct Best {
    most: Vec<f64>,
    total: Vec<f64>,
    /// Its class, as wide as the sums, so that many cells are looked at together.
    winner: Vec<u64>,
}

impl Best {
    /// Of the sums of one class after the other.
    fn among(&mut self, planes: &[f64], side: usize) {
        let Self { most, total, winner } = self;
        [&mut *most, &mut *total].into_iter().zip([TIE, 0.0]).for_each(|(values, value)| {
            values.clear();
            values.resize(side, value);
        });
        winner.clear();
        winner.resize(side, 0);
        vectorised(
            #[inline(always)]
            || {
                for (class, plane) in planes.chunks_exact(side).enumerate() {
                    let best = most.iter_mut().zip(&mut *total).zip(&mut *winner);
                    for (((most, total), winner), &sum) in best.zip(plane) {
                        *total += sum;
                        let more = sum > *most + TIE;
                        *most = if more { sum } else { *most };
                        *winner = if more { class as u64 } else { *winner };
                    }
                }
            },
        );
    }
}
