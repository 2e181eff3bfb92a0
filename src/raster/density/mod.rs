//! Clusters as the peaks of a density.
//!
//! The counts are smoothed, the component tree of what comes of it is grown, and the branches that stand out farther than
//! chance lets them are the clusters. Every other cell belongs to the peak that it is led to, but for borders between
//! clusters that look normal, which lie where the fitted normal densities are equal.

mod bandwidth;
mod borders;
mod equalise;
mod loops;
mod peaks;
mod split;
#[cfg(test)]
mod tests;
mod tree;

use ndarray::{ArrayD, ArrayViewD};

pub use bandwidth::bandwidth;
pub(super) use borders::by_normals;
pub use equalise::{Equaliser, equalise};
pub use loops::by_loops;
pub use split::split_by_density;
pub use tree::{Branch, ComponentTree, component_tree};

use super::filter::{Boundary, gaussian};
use super::{CellLabel, Connectivity, Flood, Grid, LabelMap, RasterError, require, watershed};
use crate::collection::ClusterId;
use crate::progress::Reporter;

/// Bandwidth of the density whose valleys are the borders, in those that peaks are looked for at.
pub(super) const BORDER: f64 = 2.0 / 3.0;

/// Parameters of [`clusters`].
#[derive(Clone, Debug, PartialEq)]
pub struct DensityParams {
    /// How many clusters: the peaks that stand out most. Without a number, as many as stand out.
    pub n_clusters: Option<usize>,
    /// How likely chance alone may be to give another cluster, above 0 and below 1. Not used where a number is given.
    pub chance: f64,
    /// Share of the points, those where the density is lowest, that are noise; from 0 to below 1.
    pub noise: f64,
}

impl Default for DensityParams {
    fn default() -> Self {
        Self { n_clusters: None, chance: 0.005, noise: 0.0 }
    }
}

/// What [`clusters`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct DensityClusters {
    /// The cluster of each cell, by falling number of points. A cell's confidence is the share of its cluster in the
    /// fitted densities where borders are made by them; elsewhere it is how far the density rises above the level where
    /// the cluster meets another, in parts of the density.
    pub map: LabelMap,
    /// The smoothed counts in which the peaks were found.
    pub density: ArrayD<f64>,
    /// Their component tree: the hierarchy.
    pub tree: ComponentTree,
    /// The bandwidth of the smoothing, in cells.
    pub bandwidth: f64,
    /// How likely chance alone is to give each of the clusters, by their number; logarithms.
    pub ln_chance: Vec<f64>,
}

/// Clusters the points of a grid by the peaks of their density.
///
/// The counts are smoothed by a Gaussian of the [`bandwidth`] of the points, or finer where that shows at least twice as
/// many clusters. A peak stands out by z = 2 (sqrt(N + 3/8) - sqrt(M + 3/8)), with N and M the points that the kernel
/// holds at the peak and at the pass to a higher one (Anscombe 1948: a normal deviate where the counts are Poisson's), and
/// chance lifts one of the K patches of so many points as high with a probability of about K exp(-z^2 / 2): a square
/// filled evenly is one cluster, however many points there are. A pass above nine tenths of the peak parts nothing.
///
/// O(cells log cells) for each of a few bandwidths, and O(cells clusters) for the borders.
///
/// # Errors
/// Parameters out of their range, no points, or an interruption.
pub fn clusters(grid: &Grid, params: &DensityParams, reporter: &dyn Reporter) -> Result<DensityClusters, RasterError> {
    let &DensityParams { n_clusters, chance, noise } = params;
    require(n_clusters != Some(0), "the number of clusters", 0, "at least 1")?;
    require(chance > 0.0 && chance < 1.0, "the chance of another cluster", chance, "above 0 and below 1")?;
    require((0.0..1.0).contains(&noise), "the share of noise", noise, "from 0 to below 1")?;
    let counts = grid.counts.mapv(f64::from);
    if counts.sum() == 0.0 {
        return Err(RasterError::Empty);
    }
    let connectivity = connectivity(counts.ndim());
    let peaks = peaks::find(&counts, n_clusters, chance, connectivity, reporter)?;
    reporter.check()?;
    let (valleys, passes) = valleys(&counts, &peaks, connectivity);
    let mut labels: Vec<CellLabel> = valleys
        .iter()
        .zip(&peaks.density)
        .map(|(&cluster, &density)| {
            let above = cluster.map_or(0.0, |cluster| 1.0 - passes[cluster] / density.max(f64::MIN_POSITIVE));
            CellLabel { cluster, confidence: above.clamp(0.0, 1.0) as f32 }
        })
        .collect();
    by_normals(&counts, &fine(&counts, &peaks), &mut labels, peaks.cells.len());
    sparse_as_noise(&counts, &peaks.density, noise, &mut labels);
    let order = by_points(&counts, &labels, peaks.cells.len());
    let map = LabelMap { transform: grid.transform.clone(), cells: labels }.renumbered(&order);
    let ln_chance = order.iter().map(|&cluster| peaks.ln_chance[cluster]).collect();
    Ok(DensityClusters { map, density: peaks.density, tree: peaks.tree, bandwidth: peaks.bandwidth, ln_chance })
}

/// The density that borders are looked for in; where that is empty, what falls off from afar leads on.
fn fine(counts: &ArrayD<f64>, peaks: &peaks::Peaks) -> ArrayD<f64> {
    gaussian(counts.view(), BORDER * peaks.bandwidth, Boundary::Plain) + &peaks.density * 1e-9
}

/// The cluster that each cell is led to, and the highest pass from each cluster to another.
fn valleys(
    counts: &ArrayD<f64>,
    peaks: &peaks::Peaks,
    connectivity: Connectivity,
) -> (ArrayD<Option<ClusterId>>, Vec<f64>) {
    let mask = counts.mapv(|_| true);
    let flood = |density: &ArrayD<f64>, markers| {
        watershed(density.mapv(|v| v as f32).view(), Flood::High, &markers, mask.view(), connectivity)
    };
    let mut markers = ArrayD::from_elem(counts.raw_dim(), None);
    let cells = markers.as_slice_mut().expect("standard layout");
    peaks.cells.iter().enumerate().for_each(|(cluster, &cell)| cells[cell] = Some(cluster));
    let basins = flood(&peaks.density, markers);
    let passes = passes(&basins, &peaks.density, peaks.cells.len(), connectivity);
    let mut cores = basins;
    cores.zip_mut_with(&peaks.density, |cluster, &density| *cluster = cluster.filter(|&c| density > passes[c]));
    (flood(&fine(counts, peaks), cores), passes)
}

/// The highest level at which each cluster touches another; 0 where it touches none.
fn passes(
    basins: &ArrayD<Option<ClusterId>>,
    density: &ArrayD<f64>,
    n_clusters: usize,
    connectivity: Connectivity,
) -> Vec<f64> {
    let neighbours = super::segment::Neighbours::new(basins.shape(), connectivity);
    let basins = basins.as_slice().expect("standard layout");
    let density = density.as_slice().expect("standard layout");
    let mut passes = vec![0.0f64; n_clusters];
    for (cell, cluster) in basins.iter().enumerate() {
        let &Some(cluster) = cluster else { continue };
        neighbours.visit(cell, |other| {
            if basins[other].is_some_and(|other| other != cluster) {
                passes[cluster] = passes[cluster].max(density[cell].min(density[other]));
            }
        });
    }
    passes
}

/// Takes the cells of lowest density, with at most this share of the points, out of their clusters.
fn sparse_as_noise(counts: &ArrayD<f64>, density: &ArrayD<f64>, share: f64, labels: &mut [CellLabel]) {
    let mut order: Vec<(f64, f64)> = density.iter().copied().zip(counts.iter().copied()).collect();
    order.retain(|(_, count)| *count > 0.0);
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut left, mut floor) = (share * counts.sum(), 0.0);
    for cells in order.chunk_by(|a, b| a.0 == b.0) {
        left -= cells.iter().map(|(_, count)| count).sum::<f64>();
        floor = cells[0].0;
        if left < 0.0 {
            break;
        }
    }
    if share > 0.0 {
        let sparse = labels.iter_mut().zip(density).filter(|(_, density)| **density < floor);
        sparse.for_each(|(label, _)| *label = CellLabel::default());
    }
}

/// The clusters that hold points, by falling number of them.
fn by_points(counts: &ArrayD<f64>, labels: &[CellLabel], n_clusters: usize) -> Vec<ClusterId> {
    let mut points = vec![0.0; n_clusters];
    labels.iter().zip(counts).for_each(|(label, count)| {
        if let Some(cluster) = label.cluster {
            points[cluster] += count;
        }
    });
    let mut order: Vec<ClusterId> = (0..n_clusters).filter(|&cluster| points[cluster] > 0.0).collect();
    order.sort_by(|&a, &b| points[b].total_cmp(&points[a]));
    order
}

/// Corners join in the plane; in more axes they would join nearly everything.
fn connectivity(n_axes: usize) -> Connectivity {
    if n_axes > 2 { Connectivity::Faces } else { Connectivity::Corners }
}

/// Of each level, the connected components of the cells that reach it: the hierarchy as pictures, the lowest level first.
/// The clusters of a level lie within those of the levels below.
pub fn hierarchy(density: ArrayViewD<'_, f64>, levels: &[f64]) -> Vec<(ArrayD<Option<ClusterId>>, usize)> {
    let connectivity = connectivity(density.ndim());
    levels.iter().map(|&level| super::components(density.mapv(|v| v >= level).view(), connectivity)).collect()
}
