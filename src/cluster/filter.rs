//! Clusters by drawing: the peaks of the density of rows on a raster.

use super::guard::{at_least_one, enough, linfa_params};
use super::raster::clustering;
use super::{ClusterError, Clustering};
use crate::progress::Reporter;
use crate::raster::{DensityParams, Grid, GridParams, Transform, clusters};
use ndarray::ArrayView2;

/// Cells along each axis, by their number: about as many in all, as far as memory allows.
const SIDES: [usize; 4] = [1024, 256, 96, 32];

/// Parameters of clustering by a filtered drawing, not checked yet.
///
/// Rows are drawn on a raster, their counts smoothed, and the peaks that stand out farther than chance lets them are the
/// clusters ([`clusters`]); a row belongs to the cluster of its cell. The number of clusters is found, or asked for. Rows
/// far out, beyond the raster, are noise. Nothing depends on a seed or on the order of the rows.
///
/// For few features, two at best, and any number of rows, whose cost is that of drawing them: clusters of any shape and
/// density. Not for clusters that overlap so far that there is no valley between them, and not for more than 4 features:
/// reduce them first. O(n d), and some milliseconds for each of a few bandwidths.
///
/// ```
/// use alike::cluster::FilterParams;
/// use linfa::{DatasetBase, traits::Fit};
/// let x = ndarray::Array2::from_shape_fn((60, 2), |(row, axis)| (row % 2 * 9) as f32 + (row * (axis + 2) % 7) as f32 / 7.0);
/// let clustering = FilterParams::new().fit(&DatasetBase::from(x))?;
/// assert_eq!((clustering.n_clusters(), clustering.labels[5]), (2, clustering.labels[7]));
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FilterParams(FilterValidParams);

/// Checked parameters of clustering by a filtered drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterValidParams {
    density: DensityParams,
    side: Option<usize>,
}

linfa_params!(FilterParams, FilterValidParams);

impl Default for FilterParams {
    fn default() -> Self {
        Self::new()
    }
}

impl FilterParams {
    /// As many clusters as stand out, no noise but rows far out, and 256 cells along each axis of the plane.
    pub fn new() -> Self {
        Self(FilterValidParams { density: DensityParams::default(), side: None })
    }

    /// Number of clusters, at least 1: those that stand out most. Fewer are found where there are fewer peaks.
    pub fn n_clusters(self, n_clusters: usize) -> Self {
        let density = DensityParams { n_clusters: Some(n_clusters), ..self.0.density };
        Self(FilterValidParams { density, ..self.0 })
    }

    /// Share of the rows, those where the density is lowest, that are noise; from 0 to below 1.
    pub fn noise(self, noise: f64) -> Self {
        let density = DensityParams { noise, ..self.0.density };
        Self(FilterValidParams { density, ..self.0 })
    }

    /// Cells along each axis, 8 or more.
    pub fn side(self, side: usize) -> Self {
        Self(FilterValidParams { side: Some(side), ..self.0 })
    }
}

impl FilterValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least_one(&[("number of clusters", self.density.n_clusters.unwrap_or(1))])?;
        if !(0.0..1.0).contains(&self.density.noise) {
            let found = self.density.noise.to_string();
            return Err(ClusterError::Parameter { name: "share of noise", found, expected: "from 0 to below 1" });
        }
        Ok(())
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). There is no inertia.
    ///
    /// # Errors
    /// Values that are not finite, fewer rows than clusters, more than 4 features, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        enough(x.dim(), self.density.n_clusters.unwrap_or(1))?;
        let side = self.side.unwrap_or(SIDES[x.ncols().min(SIDES.len()) - 1]);
        let params = GridParams { side, margin: (side / 32).max(1), ..Default::default() };
        let grid = Grid::draw(Transform::fit(x, &params)?, x);
        let found = clusters(&grid, &self.density, reporter)?;
        let least = found.ln_chance.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        reporter.detail(&format!(
            "{} clusters at a bandwidth of {:.1} of {side} cells; chance gives the least of them with a probability of 1e{:.0}",
            found.ln_chance.len(),
            found.bandwidth,
            least.min(0.0) / std::f64::consts::LN_10
        ));
        if let Some(asked) = self.density.n_clusters.filter(|&asked| asked > found.ln_chance.len()) {
            reporter.warn(&format!("the density has {} peaks: there are no {asked} clusters", found.ln_chance.len()));
        }
        Ok(clustering(found.map, &grid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Algorithm, Assigner};
    use crate::progress::Silent;
    use crate::synth::{BlobsParams, blobs};

    #[test]
    fn one_far_outlier_is_noise_and_changes_nothing_else() {
        let x = blobs(&BlobsParams::default()).unwrap().data.mapv(|v| v as f32);
        let mut with = x.clone();
        with.push_row(ndarray::array![1e9, -1e9].view()).unwrap();
        let fit = |x: &ndarray::Array2<f32>| Algorithm::Filter(FilterParams::new()).fit(x.view(), &Silent).unwrap();
        let (plain, found) = (fit(&x), fit(&with));
        assert_eq!((plain.n_clusters(), found.n_clusters()), (3, 3));
        assert_eq!(found.labels[..2000], plain.labels);
        assert_eq!(found.labels[2000], None);
        let far = &found.assigner.assign(with.view())[2000];
        assert!((far.distance / (2f64.sqrt() * 1e9) - 1.0).abs() < 1e-6 && far.confidence.is_none());
    }

    #[test]
    fn too_many_features_are_refused_with_what_to_do() {
        let x = ndarray::Array2::from_shape_fn((40, 5), |(i, j)| (i * j) as f32);
        let error = Algorithm::Filter(FilterParams::new()).fit(x.view(), &Silent).unwrap_err().to_string();
        assert!(error.contains("--reduce pca:2"), "{error}");
    }

    #[test]
    fn the_number_is_found_or_asked_for() {
        let x = blobs(&BlobsParams::varied()).unwrap().data.mapv(|v| v as f32);
        for (params, k) in [(FilterParams::new(), 3), (FilterParams::new().n_clusters(2), 2)] {
            let found = Algorithm::Filter(params).fit(x.view(), &Silent).unwrap();
            assert_eq!(found.n_clusters(), k);
            assert!(matches!(found.assigner, Assigner::Raster(_)));
        }
        assert_eq!(
            Algorithm::Filter(FilterParams::new()).with_n_clusters(7),
            Algorithm::Filter(FilterParams::new().n_clusters(7))
        );
        let refused = Algorithm::Filter(FilterParams::new().noise(1.0)).fit(x.view(), &Silent).unwrap_err();
        assert!(matches!(refused, ClusterError::Parameter { .. }));
    }
}
