//! Which peaks are clusters.

use std::f64::consts::{PI, SQRT_2};

use ndarray::ArrayD;

use super::super::filter::{Boundary, gaussian};
use super::super::{Connectivity, RasterError};
use super::{ComponentTree, bandwidth, component_tree};
use crate::progress::Reporter;

/// Points that the kernel must hold where a point lies, on average, for a narrower bandwidth to be looked at.
const HELD: f64 = 16.0;
/// How far up its peak the pass to a cluster may lie, if it isn't asked for: a shallower dip is no border, however sure it is.
const SHALLOW: f64 = 0.9;
/// The narrowest such bandwidth, in cells: below it, thin shapes show the steps of the cells.
const NARROWEST: f64 = 2.0;
/// How many times as many clusters a narrower bandwidth must show.
const MORE: usize = 2;

/// The peaks that are clusters.
pub(super) struct Peaks {
    /// The cell of each.
    pub cells: Vec<usize>,
    /// How likely chance is to give each; logarithms.
    pub ln_chance: Vec<f64>,
    pub density: ArrayD<f64>,
    pub tree: ComponentTree,
    pub bandwidth: f64,
}

/// The peaks of the counts, smoothed as far as the points say, or less.
pub(super) fn find(
    counts: &ArrayD<f64>,
    n_clusters: Option<usize>,
    chance: f64,
    connectivity: Connectivity,
    reporter: &dyn Reporter,
) -> Result<Peaks, RasterError> {
    let mut best: Option<Peaks> = None;
    let mut width = bandwidth(counts);
    loop {
        reporter.check()?;
        let density = gaussian(counts.view(), width, Boundary::Plain);
        // Points that the kernel holds, by the density at its middle: those of a window of the same variance.
        let window = (4.0 * PI * width * width).powf(counts.ndim() as f64 / 2.0);
        let held = window * density.iter().map(|v| v * v).sum::<f64>() / density.sum();
        if best.is_some() && held < HELD {
            break;
        }
        let tree = component_tree(density.view(), connectivity);
        let ln_patches = (counts.sum() / held).ln();
        let mut found: Vec<(f64, usize)> = tree
            .branches
            .iter()
            .filter(|branch| n_clusters.is_some() || branch.death < SHALLOW * branch.birth)
            .map(|branch| {
                let root = |density: f64| (window * density + 0.375).sqrt();
                let z = 2.0 * (root(branch.birth) - root(branch.death));
                (ln_patches - z * z / 2.0, branch.peak)
            })
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let n_found = found.iter().filter(|(ln, _)| *ln < chance.ln()).count().max(1);
        found.truncate(n_clusters.unwrap_or(n_found));
        let (ln_chance, cells) = found.into_iter().unzip();
        let found = Peaks { cells, ln_chance, density, tree, bandwidth: width };
        if best.as_ref().is_none_or(|best| better(&found, best, n_clusters)) {
            best = Some(found);
        }
        width /= SQRT_2;
        if width < NARROWEST {
            break;
        }
    }
    Ok(best.expect("the first bandwidth is looked at"))
}

/// Whether peaks tell more than those of a wider bandwidth.
fn better(found: &Peaks, best: &Peaks, n_clusters: Option<usize>) -> bool {
    let last = |peaks: &Peaks| peaks.ln_chance.last().copied().unwrap_or(0.0);
    match n_clusters {
        None => found.cells.len() >= MORE * best.cells.len(),
        // As many as asked for, and the least of them as clear as can be.
        Some(_) if found.cells.len() == best.cells.len() => last(found) < last(best),
        Some(_) => found.cells.len() > best.cells.len(),
    }
}
