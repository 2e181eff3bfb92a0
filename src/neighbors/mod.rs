//! The nearest neighbours of every row, found once and shared: graph and density clusterers, layouts and neighbour scores
//! all begin with them.

mod descent;
mod differences;
mod exact;
mod file;
mod forest;
mod fuzzy;
mod graph;
mod lists;
mod rows;
mod schedule;

pub use file::GraphFileError;
pub use fuzzy::fuzzy_simplicial_set;
pub(crate) use fuzzy::{memberships, symmetric};
pub(crate) use graph::Growth;
pub use graph::KnnGraph;
pub(crate) use schedule::{Schedule, shuffled};

use crate::distance::Metric;
use crate::progress::{Interrupted, Reporter, Silent};
use ndarray::{Array2, ArrayView2};
use rows::Rows;

/// How neighbours are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// Exactly, or by descent where that is faster.
    #[default]
    Auto,
    /// Every row is compared with every other.
    Exact,
    /// Among neighbours of neighbours: nearly all of the nearest are found.
    Descent,
}

/// What neighbours are asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeighborsParams {
    /// Neighbours of each row; where there are fewer other rows, all of them.
    pub n_neighbors: usize,
    /// What is near.
    pub metric: Metric,
    /// How they are looked for.
    pub search: Search,
    /// Of what a descent draws.
    pub seed: u64,
}

impl Default for NeighborsParams {
    /// 15 neighbours by euclidean distance.
    fn default() -> Self {
        Self { n_neighbors: 15, metric: Metric::Euclidean, search: Search::Auto, seed: 0 }
    }
}

/// Rows from which on a descent is preferred: it takes less than half the time there, and all pairs some seconds.
const DESCENT_FROM: usize = 30_000;
/// Rows of which a descent's neighbours are compared with the exact ones.
const SAMPLE: usize = 128;

/// The nearest neighbours of each row of `x`, shape (n_samples, n_features), whose values must be finite.
///
/// The exact search is O(n^2 d), and a part of that for pictures of ink on paper; neighbours are those of the least
/// distance in f64, rounded to f32, then of the lower number. A descent is about O(n^1.1 d) and finds most of them, at
/// the same distances; the reporter is told how many of a sample, as the recall. Either takes O(n k) memory, and gives
/// the same with any number of threads. By cosine distance a row of zeros is at a distance of 1 from all others.
///
/// # Errors
/// An interruption.
///
/// # Panics
/// If there are 2^31 rows or more.
///
/// ```
/// use alike::neighbors::{NeighborsParams, nearest};
///
/// let x = ndarray::array![[0.0], [1.0], [3.0]];
/// let params = NeighborsParams { n_neighbors: 1, ..Default::default() };
/// let graph = nearest(x.view(), &params, &alike::progress::Silent)?;
/// assert_eq!(graph.indices(), ndarray::array![[1], [0], [1]]);
/// assert_eq!(graph.distances(), ndarray::array![[1.0], [1.0], [2.0]]);
/// # Ok::<(), alike::progress::Interrupted>(())
/// ```
pub fn nearest(
    x: ArrayView2<'_, f32>,
    params: &NeighborsParams,
    reporter: &dyn Reporter,
) -> Result<KnnGraph, Interrupted> {
    let NeighborsParams { metric, search, seed, .. } = *params;
    let n = x.nrows();
    check_number(n);
    let k = params.n_neighbors.min(n.saturating_sub(1));
    if k == 0 {
        return Ok(KnnGraph::new(metric, Array2::zeros((n, 0)), Array2::zeros((n, 0))));
    }
    let rows = Rows::new(x, metric);
    if search == Search::Exact || (search == Search::Auto && n < DESCENT_FROM) {
        let (indices, distances) = exact::search(&rows, None, k, reporter)?;
        return Ok(KnnGraph::new(metric, indices, distances));
    }
    let (indices, distances) = descent::search(&rows, k, seed, reporter)?;
    let graph = KnnGraph::new(metric, indices, distances);
    let recall = recall(&graph, &rows, reporter)?;
    reporter.detail(&format!("neighbours by descent: {:.1} % of a sample's nearest were found", 100.0 * recall));
    Ok(graph)
}

/// The share of the nearest neighbours of evenly spaced rows that the graph has, or others as near.
fn recall(graph: &KnnGraph, rows: &Rows<'_>, reporter: &dyn Reporter) -> Result<f64, Interrupted> {
    let (n, k) = graph.indices().dim();
    let sample: Vec<usize> = (0..n).step_by(n.div_ceil(SAMPLE)).collect();
    let some = rows.select(&sample);
    // A row's nearest is itself.
    let (_, exact) = exact::search(&some, Some(rows), k + 1, reporter)?;
    let found = sample.iter().zip(exact.outer_iter()).map(|(&row, exact)| {
        let farthest = exact[k];
        graph.distances().row(row).iter().filter(|&&distance| distance <= farthest).count()
    });
    Ok(found.sum::<usize>() as f64 / (sample.len() * k) as f64)
}

fn check_number(n: usize) {
    assert!(n < 1 << 31, "{n} rows");
}

/// The nearest of the `kept` rows to each of `rows`, the nearest first, and their distances, both of shape (rows, k); k is
/// `n_neighbors`, or the number of kept rows if that is less. A row that is kept as well has itself as its first
/// neighbour, or one equal to it. All values must be finite. O(n m d) for n rows and m kept ones.
///
/// # Panics
/// If the numbers of features differ, or there are 2^31 kept rows or more.
///
/// ```
/// use alike::{distance::Metric, neighbors::nearest_of};
///
/// let kept = ndarray::array![[0.0], [1.0], [3.0]];
/// let (indices, distances) = nearest_of(ndarray::array![[2.5]].view(), kept.view(), 2, Metric::Euclidean);
/// assert_eq!((indices, distances), (ndarray::array![[2, 1]], ndarray::array![[0.5, 1.5]]));
/// ```
pub fn nearest_of(
    rows: ArrayView2<'_, f32>,
    kept: ArrayView2<'_, f32>,
    n_neighbors: usize,
    metric: Metric,
) -> (Array2<u32>, Array2<f32>) {
    assert_eq!(rows.ncols(), kept.ncols(), "rows of different length");
    check_number(kept.nrows());
    let k = n_neighbors.min(kept.nrows());
    if k == 0 {
        return (Array2::zeros((rows.nrows(), 0)), Array2::zeros((rows.nrows(), 0)));
    }
    let (rows, kept) = (Rows::new(rows, metric), Rows::new(kept, metric));
    let found = exact::search(&rows, Some(&kept), k, &Silent);
    found.expect("nobody interrupts")
}

#[cfg(test)]
mod tests;
