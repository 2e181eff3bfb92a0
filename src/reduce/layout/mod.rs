//! Layouts: places for rows such that near rows lie near one another, for looking at or for clustering.

mod curve;
mod repulsion;
mod spectral;
mod start;
mod tsne;
mod umap;

use super::features::{blocks, check};
use super::{Method, ReduceError};
use crate::collection::{Csr, Features};
use crate::distance::Metric;
use crate::neighbors::{NeighborsParams, fuzzy_simplicial_set, memberships, nearest, nearest_of};
use crate::progress::{Interrupted, Reporter};
use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;
use umap::Forces;

/// Most components.
pub(super) const MOST: usize = 64;
/// Most components of t-SNE.
pub(super) const MOST_OF_TSNE: usize = 2;
/// Neighbours that count, by default: for t-SNE a perplexity of 30. A new row is placed by as many as UMAP's.
const N_NEIGHBORS: usize = 15;
const N_NEIGHBORS_OF_TSNE: usize = 90;
/// How spread the start is of t-SNE.
const DEVIATION_OF_TSNE: f64 = 1e-4;
/// New rows placed at a time.
const BLOCK: usize = 4096;

/// A fitted layout: the rows that it was made of, and their places.
///
/// It is as large as they are: a new row is placed by those that it is near to.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub(super) settings: Settings,
    /// Shape (n_samples, n_features).
    pub(super) rows: Array2<f32>,
    /// Shape (n_components, n_samples).
    pub(super) places: Array2<f32>,
}

/// What makes a layout, but for the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Settings {
    /// UMAP or t-SNE.
    pub method: Method,
    pub n_neighbors: usize,
    /// UMAP: how near rows may come.
    pub min_dist: f64,
}

impl Settings {
    pub fn new(method: Method, n_neighbors: Option<usize>, min_dist: f64) -> Self {
        let usual = if method == Method::Tsne { N_NEIGHBORS_OF_TSNE } else { N_NEIGHBORS };
        Self { method, n_neighbors: n_neighbors.unwrap_or(usual), min_dist }
    }

    /// UMAP's forces.
    fn forces(&self) -> Option<Forces> {
        (self.method == Method::Umap).then(|| Forces::new(self.min_dist))
    }
}

/// Calls a function with as many coordinates as `$n` needs, filled up to a power of two.
macro_rules! with_coordinates {
    ($n:expr, $f:ident, $($argument:expr),*) => {
        match $n {
            ..=2 => $f::<2>($($argument),*),
            3..=4 => $f::<4>($($argument),*),
            5..=8 => $f::<8>($($argument),*),
            9..=16 => $f::<16>($($argument),*),
            17..=32 => $f::<32>($($argument),*),
            _ => $f::<MOST>($($argument),*),
        }
    };
}

impl Layout {
    /// The layout of rows, dense or sparse.
    pub(super) fn fit(
        x: &Features<'_>,
        n_components: usize,
        settings: Settings,
        seed: u64,
        reporter: &dyn Reporter,
    ) -> Result<Self, ReduceError> {
        check(x)?;
        let rows = x.to_dense().as_standard_layout().into_owned();
        let params = NeighborsParams { n_neighbors: settings.n_neighbors, seed, ..NeighborsParams::default() };
        let graph = nearest(rows.view(), &params, reporter)?;
        let mut places = match settings.forces() {
            Some(forces) => {
                let set = fuzzy_simplicial_set(&graph);
                let start = spectral::start(&set, rows.view(), n_components, seed, reporter)?;
                with_coordinates!(n_components, by_umap, &set, &start, &forces, seed, reporter)?
            }
            None => {
                let start = start::components(rows.view(), n_components, seed, reporter)?;
                by_tsne(&tsne::affinities(&graph), &start, reporter)?
            }
        };
        // Equal rows have one place, as `transform` gives it.
        for row in 0..graph.n_samples() {
            if let Some((first, _)) = graph.neighbors(row).next().filter(|&(to, distance)| distance == 0.0 && to < row)
            {
                for component in 0..n_components {
                    places[[component, row]] = places[[component, first]];
                }
            }
        }
        Ok(Self { settings, rows, places })
    }

    /// Which reduction this is.
    pub fn method(&self) -> Method {
        self.settings.method
    }

    /// The places of the rows of the fit, shape (n_samples, n_components): what `transform` gives
    /// for them, without a search.
    pub fn fitted(&self) -> Array2<f32> {
        self.places.t().as_standard_layout().into_owned()
    }

    pub(super) fn transform(&self, x: &Features<'_>) -> Array2<f32> {
        let mut out = Array2::zeros((x.dim().0, self.places.nrows()));
        let forces = self.settings.forces();
        let n_neighbors = self.settings.n_neighbors.min(N_NEIGHBORS);
        for (rows, x) in blocks(x, BLOCK) {
            let x = x.to_dense();
            let (near, distances) = nearest_of(x.view(), self.rows.view(), n_neighbors, Metric::Euclidean);
            let placed =
                with_coordinates!(self.places.nrows(), place, &self.places, &near, &distances, forces.as_ref());
            out.slice_axis_mut(Axis(0), rows.into()).assign(&placed);
        }
        out
    }
}

/// A row of coordinates, filled up with zeros.
fn coordinates<const D: usize>(row: ArrayView1<'_, f32>) -> [f32; D] {
    std::array::from_fn(|d| row.get(d).copied().unwrap_or(0.0))
}

/// The places as they are kept, shape (n_components, n_samples).
fn kept<const D: usize>(places: &[[f32; D]], n_components: usize) -> Array2<f32> {
    Array2::from_shape_fn((n_components, places.len()), |(component, row)| places[row][component])
}

fn by_umap<const D: usize>(
    set: &Csr,
    start: &Array2<f32>,
    forces: &Forces,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Array2<f32>, Interrupted> {
    let places: Vec<[f32; D]> = start.outer_iter().map(coordinates).collect();
    Ok(kept(&umap::arrange(set, places, forces, seed, reporter)?, start.ncols()))
}

fn by_tsne(affinities: &Csr, start: &Array2<f32>, reporter: &dyn Reporter) -> Result<Array2<f32>, Interrupted> {
    let mut places: Vec<_> = start.outer_iter().map(coordinates).collect();
    start::scale(&mut places, DEVIATION_OF_TSNE);
    Ok(kept(&tsne::arrange(affinities, places, reporter)?, start.ncols()))
}

/// Places of new rows with these neighbours, shape (n, n_components).
fn place<const D: usize>(
    places: &Array2<f32>,
    near: &Array2<u32>,
    distances: &Array2<f32>,
    forces: Option<&Forces>,
) -> Array2<f32> {
    let fixed: Vec<[f32; D]> = places.axis_iter(Axis(1)).map(coordinates).collect();
    let weights = if forces.is_some() { memberships(distances.view()) } else { tsne::attention(distances.view()) };
    let mut out = Array2::zeros((near.nrows(), places.nrows()));
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut out)| {
        let (near, weights) = (near.row(row).to_vec(), weights.row(row).to_vec());
        let place = match forces {
            _ if distances[[row, 0]] == 0.0 => fixed[near[0] as usize],
            Some(forces) => umap::place(&near, &weights, &fixed, forces),
            None => mean(&near, &weights, &fixed),
        };
        out.iter_mut().zip(place).for_each(|(out, place)| *out = place);
    });
    out
}

/// The mean of some places with weights.
fn mean<const D: usize>(near: &[u32], weights: &[f32], places: &[[f32; D]]) -> [f32; D] {
    let (mut mean, sum) = ([0.0; D], weights.iter().sum::<f32>());
    for (&to, weight) in near.iter().zip(weights) {
        mean.iter_mut().zip(places[to as usize]).for_each(|(mean, place)| *mean += weight / sum * place);
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Silent, Watch};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const HEAPS: usize = 4;

    /// Four heaps in ten dimensions, row `i` in heap `i % 4`.
    fn heaps(n: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((n, 10), |(i, j)| rng.random::<f32>() + if j == i % HEAPS { 4.0 } else { 0.0 })
    }

    fn fit_by(x: &Array2<f32>, method: Method, n_components: usize, min_dist: f64) -> Layout {
        let n_neighbors = if method == Method::Tsne { 30 } else { 10 };
        let settings = Settings::new(method, Some(n_neighbors), min_dist);
        Layout::fit(&x.view().into(), n_components, settings, 0, &Silent).unwrap()
    }

    fn fit(x: &Array2<f32>, n_components: usize, min_dist: f64) -> Layout {
        fit_by(x, Method::Umap, n_components, min_dist)
    }

    fn centre(places: &Array2<f32>, heap: usize) -> ndarray::Array1<f32> {
        let rows: Vec<usize> = (heap..places.nrows()).step_by(HEAPS).collect();
        places.select(Axis(0), &rows).mean_axis(Axis(0)).unwrap()
    }

    /// The heap whose centre is nearest to each place.
    fn nearest_heaps(places: &Array2<f32>, centres: &[ndarray::Array1<f32>]) -> Vec<usize> {
        let squared =
            |place: &ndarray::ArrayView1<'_, f32>, heap: usize| (place - &centres[heap]).mapv(|v| v * v).sum();
        let nearest = |place: ndarray::ArrayView1<'_, f32>| {
            (0..HEAPS).min_by(|&a, &b| squared(&place, a).total_cmp(&squared(&place, b))).unwrap()
        };
        places.outer_iter().map(nearest).collect()
    }

    #[test]
    fn heaps_stay_apart_and_take_in_new_rows() {
        let x = heaps(400, 0);
        for (method, n_components) in [(Method::Umap, 1), (Method::Umap, 2), (Method::Umap, 5), (Method::Tsne, 2)] {
            let layout = fit_by(&x, method, n_components, 0.0);
            let places = layout.fitted();
            let centres: Vec<_> = (0..HEAPS).map(|heap| centre(&places, heap)).collect();
            let own = |n: usize| (0..n).map(|i| i % HEAPS).collect::<Vec<_>>();
            assert_eq!(nearest_heaps(&places, &centres), own(400));
            let new = layout.transform(&heaps(100, 1).view().into());
            assert_eq!(nearest_heaps(&new, &centres), own(100));
        }
    }

    #[test]
    fn rows_of_the_fit_keep_their_places_and_equal_ones_share_theirs() {
        let mut x = heaps(200, 2);
        let first = x.row(3).to_owned();
        for row in [57, 90, 91] {
            x.row_mut(row).assign(&first);
        }
        for method in [Method::Umap, Method::Tsne] {
            let layout = fit_by(&x, method, 2, 0.0);
            assert_eq!(layout.transform(&x.view().into()), layout.fitted());
            assert_eq!(layout.fitted().row(91), layout.fitted().row(3));
        }
    }

    /// The mean distance of a row to the one nearest to it in the layout.
    fn gap(places: &Array2<f32>) -> f64 {
        let params = NeighborsParams { n_neighbors: 1, ..NeighborsParams::default() };
        let graph = nearest(places.view(), &params, &Silent).unwrap();
        graph.distances().iter().map(|&d| f64::from(d)).sum::<f64>() / places.nrows() as f64
    }

    #[test]
    fn min_dist_keeps_rows_apart() {
        let x = heaps(400, 3);
        let (near, far) = (gap(&fit(&x, 2, 0.0).fitted()), gap(&fit(&x, 2, 1.0).fitted()));
        assert!(far > 2.0 * near, "{near} {far}");
    }

    #[test]
    fn a_fit_can_be_stopped() {
        let x = heaps(100, 4);
        for method in [Method::Umap, Method::Tsne] {
            let settings = Settings::new(method, Some(10), 0.0);
            let watch = Watch::stopping_after(110);
            let stopped = Layout::fit(&x.view().into(), 2, settings, 0, &watch);
            assert!(matches!(stopped, Err(ReduceError::Interrupted(_))) && watch.steps() < 400);
        }
    }
}
