//! What k-means++ and k-means|| need of rows, and what dense rows make of it.

use super::super::bounds::Bounds;
use super::super::images::Images;
use super::super::rows::{Points, Rows};
use super::super::search::Search;
use super::super::{ClusterError, Metric};
use super::{Sieve, plus_plus, sieve};
use crate::distance::{dot, squared_euclidean};
use crate::progress::Reporter;
use ndarray::{Array2, Axis};
use rand_chacha::ChaCha8Rng;

/// Rows to draw from.
pub(in super::super) trait Draws: Sync {
    type Rows: Points;

    fn rows(&self) -> &Self::Rows;

    /// Squared distance between rows; by cosine twice 1 - cos, and 0 from rows without a direction.
    fn between(&self, i: usize, j: usize) -> f64;

    /// Makes candidates ready to be compared with rows.
    fn sieve(&self, candidates: &[usize]) -> impl Sieve;

    /// Rows as vectors, shape (n_chosen, n_features).
    fn vectors(&self, chosen: &[usize]) -> Array2<f32>;

    /// The nearest of some centroids to each row that has a direction.
    fn nearest(&self, centroids: &Array2<f32>) -> Vec<u32>;

    /// Chooses among `some` rows alone, which count as often as `masses` says; by their place in `some`.
    fn choose_among(
        &self,
        some: &[usize],
        masses: &[f64],
        n_clusters: usize,
        rng: &mut ChaCha8Rng,
        reporter: &dyn Reporter,
    ) -> Result<Vec<usize>, ClusterError>;
}

/// Dense rows and their images.
pub(super) struct Dense<'a> {
    pub rows: &'a Rows<'a>,
    pub images: &'a Images<'a>,
}

impl<'a> Draws for Dense<'a> {
    type Rows = Rows<'a>;

    fn rows(&self) -> &Rows<'a> {
        self.rows
    }

    fn between(&self, i: usize, j: usize) -> f64 {
        let rows = self.rows;
        if i == j || rows.is_blank(i) {
            return 0.0;
        }
        match rows.metric() {
            Metric::Euclidean => squared_euclidean(rows.row(i), rows.row(j)),
            Metric::Cosine => (2.0 - 2.0 * dot(rows.row(i), rows.row(j)) * rows.weight(i) * rows.weight(j)).max(0.0),
        }
    }

    fn sieve(&self, candidates: &[usize]) -> impl Sieve {
        sieve::OfImages::new(self.rows, self.images, candidates)
    }

    fn vectors(&self, chosen: &[usize]) -> Array2<f32> {
        self.rows.view().select(Axis(0), chosen)
    }

    fn nearest(&self, centroids: &Array2<f32>) -> Vec<u32> {
        let mut bounds = Bounds::new(self.rows.len());
        Search::new(self.rows, self.images, centroids).update(&mut bounds);
        bounds.labels
    }

    fn choose_among(
        &self,
        some: &[usize],
        masses: &[f64],
        n_clusters: usize,
        rng: &mut ChaCha8Rng,
        reporter: &dyn Reporter,
    ) -> Result<Vec<usize>, ClusterError> {
        let x = self.vectors(some);
        let x = x.view();
        let rows = &Rows::new(&x, self.rows.metric());
        let among = Dense { rows, images: &Images::identity(rows) };
        plus_plus::choose(&among, Some(masses), n_clusters, rng, reporter)
    }
}
