//! Visual clustering: what a network sees in a picture of the rows.

use ndarray::ArrayView2;

use super::guard::{enough, linfa_params};
use super::raster::clustering;
use super::{ClusterError, Clustering};
use crate::progress::Reporter;
use crate::raster::{self, Grid, GridParams, Transform};

/// Parameters of visual clustering, not checked yet.
///
/// Rows of two features are plotted on a raster, on which a network sees where clusters are and what parts them
/// ([`raster::visual`]). The number of clusters follows from the picture; rows far from all clusters are noise. Nothing is
/// random.
///
/// For clusters of any shape that the eye tells apart, from some hundred rows to many millions. Not for features of which
/// two tell too little: clusters that lie on one another in the picture are one. O(n) and some tens of milliseconds; the
/// assigner keeps the label of each cell.
///
/// ```
/// use alike::cluster::VisualParams;
/// use linfa::{DatasetBase, traits::Fit};
/// use linfa::ParamGuard;
/// let circles = alike::synth::circles(&Default::default())?.data.mapv(|v| v as f32);
/// let clustering = VisualParams::new().check()?.fit(&DatasetBase::from(circles))?;
/// assert_eq!(clustering.n_clusters(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VisualParams(VisualValidParams);

/// Checked parameters of visual clustering.
#[derive(Clone, Debug, PartialEq)]
pub struct VisualValidParams(raster::VisualParams);

linfa_params!(VisualParams, VisualValidParams);

impl Default for VisualParams {
    fn default() -> Self {
        Self::new()
    }
}

impl VisualParams {
    /// A raster of 256 x 256 cells, the proportions kept, no denoising.
    pub fn new() -> Self {
        Self(VisualValidParams(raster::VisualParams::default()))
    }

    /// Cells that a label reaches beyond what is seen as a cluster; at least 0.
    pub fn reach(mut self, reach: f64) -> Self {
        self.0.0.reach = reach;
        self
    }

    /// Cells on every side with which a count's median is taken first; 0: none.
    pub fn denoise(mut self, denoise: usize) -> Self {
        self.0.0.denoise = denoise;
        self
    }

    /// Whether clusters are split where their density has peaks of its own.
    pub fn split(mut self, split: bool) -> Self {
        self.0.0.split = split;
        self
    }
}

impl VisualValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        Ok(self.0.verify()?)
    }

    /// Fits the rows of `x`, shape (n_samples, 2). There is no inertia.
    ///
    /// # Errors
    /// Other than two features, values that are not finite, all noise, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        enough(x.dim(), 1)?;
        let grid = Grid::draw(Transform::fit(x, &GridParams::default())?, x);
        let map = raster::visual(&grid, &self.0, reporter)?;
        Ok(clustering(map, &grid))
    }
}
