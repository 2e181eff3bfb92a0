//! k-means and spherical k-means on rows that are mostly zero, which are never made dense: the contract of
//! [`lloyd`](super::lloyd), at a price in proportion to the values that there are.
//!
//! Labels are those of a plain f64 loop over a row's values and the centroids, to the rounding of f64; ties go to the
//! lowest cluster.

mod draws;
mod rows;
mod search;

use super::bounds::{Bounds, Found};
use super::lloyd::{self, Compare};
use super::rows::Points;
use super::summary::{FitSeconds, timed};
use super::{Assignment, ClusterError, Clustering, KMeansValidParams, Strategy, seeding};
use crate::collection::Csr;
use crate::progress::Reporter;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rows::{Centroids, Rows};
use search::Search;

/// Fits sparse rows.
pub(super) fn fit(x: &Csr, settings: &KMeansValidParams, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
    let rows = Rows::new(x, settings.metric);
    rows.check(settings.n_clusters)?;
    let start = |rng: &mut ChaCha8Rng| seeding::draw(&rows, settings.n_clusters, &settings.init, rng, reporter);
    // Each restart has dense centroids, which may be more than the rows.
    let n_values = x.nnz().max(settings.n_clusters * x.cols());
    lloyd::best(&rows, settings, n_values, FitSeconds::default(), start, |_| Sparse(&rows), reporter)
}

/// As [`assign`](super::Centroids::assign) of dense rows.
pub(super) fn assign(x: &Csr, assigner: &super::Centroids) -> Vec<Assignment> {
    assert_eq!(x.cols(), assigner.centroids.ncols(), "rows of the centroids' features");
    let rows = Rows::new(x, assigner.metric);
    let centroids = Centroids::new(&assigner.centroids, assigner.metric);
    Search::new(&rows, &centroids).two_nearest().into_iter().map(|found| assigner.assignment(found)).collect()
}

/// Sparse rows, compared by their values.
struct Sparse<'a>(&'a Rows<'a>);

impl<'a> Sparse<'a> {
    fn known<'c>(&self, centroids: &'c Array2<f32>) -> Centroids<'c> {
        Centroids::new(centroids, self.0.metric())
    }
}

impl Compare for Sparse<'_> {
    fn assign(
        &mut self,
        centroids: &Array2<f32>,
        _: &[usize],
        bounds: &mut Bounds,
        seconds: &mut FitSeconds,
        _: &dyn Reporter,
    ) -> Result<Found, ClusterError> {
        Ok(timed(&mut seconds.assign, || Search::new(self.0, &self.known(centroids)).update(bounds)))
    }

    fn shifts(&self, old: &Array2<f32>, new: &Array2<f32>) -> Vec<(f64, f64)> {
        search::shifts(&self.known(old), &self.known(new), self.0.metric())
    }

    fn squared<'c>(&'c self, centroids: &'c Array2<f32>) -> impl Fn(usize, usize) -> f64 + Sync + 'c {
        let centroids = self.known(centroids);
        move |i, c| centroids.squared(self.0, i, c)
    }

    fn strategy(&self) -> Strategy {
        Strategy::Sparse
    }
}

#[cfg(test)]
mod tests;
