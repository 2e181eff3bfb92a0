//! Layouts: places for rows such that near rows lie near one another, for looking at or for clustering.

mod curve;
mod start;
mod umap;

use super::features::{blocks, check};
use super::{Method, ReduceError};
use crate::collection::{Csr, Features};
use crate::distance::Metric;
use crate::neighbors::{NeighborsParams, fuzzy_simplicial_set, memberships, nearest, nearest_of};
use crate::progress::Reporter;
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use umap::Forces;

/// Most components.
pub(super) const MOST: usize = 64;
/// Neighbours looked at, by default.
pub(super) const N_NEIGHBORS: usize = 15;
/// How spread the start of UMAP is.
const DEVIATION: f64 = 3.0;
/// New rows placed at a time.
const BLOCK: usize = 4096;

/// A fitted layout: the rows that it was made of, and their places.
///
/// It is as large as they are: a new row is placed by those that it is near to.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Shape (n_samples, n_features).
    pub(super) rows: Array2<f32>,
    /// Shape (n_components, n_samples).
    pub(super) places: Array2<f32>,
    pub(super) n_neighbors: usize,
    pub(super) min_dist: f64,
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
    /// UMAP of rows, dense or sparse.
    pub(super) fn fit(
        x: &Features<'_>,
        n_components: usize,
        n_neighbors: usize,
        min_dist: f64,
        seed: u64,
        reporter: &dyn Reporter,
    ) -> Result<Self, ReduceError> {
        check(x)?;
        let rows = x.to_dense().as_standard_layout().into_owned();
        let params = NeighborsParams { n_neighbors, seed, ..NeighborsParams::default() };
        let graph = nearest(rows.view(), &params, reporter)?;
        let start = start::components(rows.view(), n_components, seed, reporter)?;
        let set = fuzzy_simplicial_set(&graph);
        let mut places = with_coordinates!(n_components, fit, &set, &start, min_dist, seed, reporter)?;
        // Equal rows have one place, as `transform` gives it.
        for row in 0..graph.n_samples() {
            if let Some((first, _)) = graph.neighbors(row).next().filter(|&(to, distance)| distance == 0.0 && to < row)
            {
                for component in 0..n_components {
                    places[[component, row]] = places[[component, first]];
                }
            }
        }
        Ok(Self { rows, places, n_neighbors, min_dist })
    }

    /// Which reduction this is.
    pub fn method(&self) -> Method {
        Method::Umap
    }

    /// The places of the rows of the fit, shape (n_samples, n_components): what [`transform`](Self::transform) gives
    /// for them, without a search.
    pub fn fitted(&self) -> Array2<f32> {
        self.places.t().as_standard_layout().into_owned()
    }

    pub(super) fn transform(&self, x: &Features<'_>) -> Array2<f32> {
        let mut out = Array2::zeros((x.dim().0, self.places.nrows()));
        let forces = Forces::new(self.min_dist);
        for (rows, x) in blocks(x, BLOCK) {
            let x = x.to_dense();
            let (near, distances) = nearest_of(x.view(), self.rows.view(), self.n_neighbors, Metric::Euclidean);
            let placed = with_coordinates!(self.places.nrows(), place, &self.places, &near, &distances, &forces);
            out.slice_axis_mut(Axis(0), rows.into()).assign(&placed);
        }
        out
    }
}

/// The places, shape (n_components, n_samples).
fn fit<const D: usize>(
    set: &Csr,
    start: &Array2<f32>,
    min_dist: f64,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Array2<f32>, ReduceError> {
    let coordinates = |row: ndarray::ArrayView1<'_, f32>| std::array::from_fn(|d| row.get(d).copied().unwrap_or(0.0));
    let mut places: Vec<[f32; D]> = start.outer_iter().map(coordinates).collect();
    start::scale(&mut places, DEVIATION);
    let mut places = start::smooth(set, places, reporter)?;
    start::scale(&mut places, DEVIATION);
    let places = umap::arrange(set, places, &Forces::new(min_dist), seed, reporter)?;
    Ok(Array2::from_shape_fn((start.ncols(), places.len()), |(component, row)| places[row][component]))
}

/// Places of new rows with these neighbours, shape (n, n_components).
fn place<const D: usize>(
    places: &Array2<f32>,
    near: &Array2<u32>,
    distances: &Array2<f32>,
    forces: &Forces,
) -> Array2<f32> {
    let coordinates = |row: ndarray::ArrayView1<'_, f32>| std::array::from_fn(|d| row.get(d).copied().unwrap_or(0.0));
    let fixed: Vec<[f32; D]> = places.axis_iter(Axis(1)).map(coordinates).collect();
    let weights = memberships(distances.view());
    let mut out = Array2::zeros((near.nrows(), places.nrows()));
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut out)| {
        let near = near.row(row).to_vec();
        let place = if distances[[row, 0]] == 0.0 {
            fixed[near[0] as usize]
        } else {
            umap::place(&near, &weights.row(row).to_vec(), &fixed, forces)
        };
        out.iter_mut().zip(place).for_each(|(out, place)| *out = place);
    });
    out
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

    fn fit(x: &Array2<f32>, n_components: usize, min_dist: f64) -> Layout {
        Layout::fit(&x.view().into(), n_components, 10, min_dist, 0, &Silent).unwrap()
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
        for n_components in [1, 2, 5] {
            let layout = fit(&x, n_components, 0.0);
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
        let layout = fit(&x, 2, 0.0);
        assert_eq!(layout.transform(&x.view().into()), layout.fitted());
        assert_eq!(layout.fitted().row(91), layout.fitted().row(3));
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
        let stopped = Layout::fit(&x.view().into(), 2, 10, 0.0, 0, &Watch::stopping_after(110));
        assert!(matches!(stopped, Err(ReduceError::Interrupted(_))));
    }
}
