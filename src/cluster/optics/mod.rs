//! OPTICS: rows in an order in which clusters of every density come one after the other.
//!
//! M. Ankerst, M. Breunig, H.-P. Kriegel, J. Sander, OPTICS: ordering points to identify the clustering structure, 1999.
//! linfa's has no predecessors and begins a cluster with its densest row, so that its plots don't show where one ends.

mod plot;
#[cfg(test)]
mod tests;
mod xi;

pub use plot::ReachabilityPlot;

use super::attach::Found;
use super::guard::{at_least, check_rows, comparable, linfa_params, not_negative};
use super::levels::levels;
use super::{ClusterError, Clustering, Metric};
use crate::collection::{ClusterId, n_clusters};
use crate::progress::Reporter;
use ndarray::ArrayView2;

/// Parameters of OPTICS, not checked yet.
///
/// From row to row the one is next that is nearest to those before, distances below which a row has fewer than
/// `min_points` rows around it counting as equal: in a cluster it is never far, between clusters it is. Clusters are the
/// valleys of that plot which are left by a steep way, the innermost ones; or what a radius cuts it into. Rows on the
/// slopes are noise. The strength of a row is the least core distance of its cluster as a share of its own.
///
/// For clusters of different density among noise, and for the plot, which shows clusters within clusters
/// ([`plot`](OpticsValidParams::plot)). Not for many features, in which all distances are alike: reduce to some tens at
/// most. HDBSCAN* has no steepness to choose. O(n^2 d) and O(n) memory; the assigner keeps all rows.
///
/// ```
/// use alike::cluster::OpticsParams;
/// use linfa::{DatasetBase, traits::Fit};
/// let x = ndarray::Array2::from_shape_fn((61, 2), |(i, j)| match i {
///     60 => 400.0,
///     _ => (i / 30 * 50 + (i * (j + 3)) % 7) as f32,
/// });
/// let clusters = OpticsParams::new().eps(5.0).fit(&DatasetBase::from(x))?;
/// assert_eq!((clusters.sizes(), clusters.labels[60]), (vec![30, 30], None));
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OpticsParams(OpticsValidParams);

/// Checked parameters of OPTICS.
#[derive(Clone, Debug, PartialEq)]
pub struct OpticsValidParams {
    min_points: usize,
    min_cluster_size: Option<usize>,
    xi: f64,
    eps: Option<f64>,
}

linfa_params!(OpticsParams, OpticsValidParams);

impl Default for OpticsParams {
    fn default() -> Self {
        Self::new()
    }
}

impl OpticsParams {
    /// 5 points, and clusters of as many rows or more between ways of a steepness of .05.
    pub fn new() -> Self {
        Self(OpticsValidParams { min_points: 5, min_cluster_size: None, xi: 0.05, eps: None })
    }

    /// Rows within the core distance of a row, itself counted; at least 2. The more, the smoother is the plot.
    pub fn min_points(self, min_points: usize) -> Self {
        Self(OpticsValidParams { min_points, ..self.0 })
    }

    /// Fewest rows of a cluster; at least 2. As many as the points where it isn't set; of a cut, any number.
    pub fn min_cluster_size(self, min_cluster_size: usize) -> Self {
        Self(OpticsValidParams { min_cluster_size: Some(min_cluster_size), ..self.0 })
    }

    /// By which share of itself reachability falls or rises from one row to the next where a cluster begins or ends;
    /// above 0 and below 1.
    pub fn xi(self, xi: f64) -> Self {
        Self(OpticsValidParams { xi, ..self.0 })
    }

    /// Clusters by a radius instead; at least 0.
    pub fn eps(self, eps: f64) -> Self {
        Self(OpticsValidParams { eps: Some(eps), ..self.0 })
    }
}

impl OpticsValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least("number of points", self.min_points, 2, "at least 2")?;
        at_least("smallest cluster", self.min_cluster_size.unwrap_or(2), 2, "at least 2")?;
        not_negative("radius", self.eps.unwrap_or(0.0))?;
        match self.xi > 0.0 && self.xi < 1.0 {
            true => Ok(()),
            false => Err(ClusterError::Parameter {
                name: "steepness",
                found: self.xi.to_string(),
                expected: "above 0 and below 1",
            }),
        }
    }

    /// The plot of the rows of `x`, shape (n_samples, n_features), which clusters are cut from: at every radius and every
    /// steepness anew.
    ///
    /// # Errors
    /// No rows, more than can be compared, values that are not finite, or an interruption.
    pub fn plot(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<ReachabilityPlot, ClusterError> {
        check_rows(x, 1)?;
        comparable(x.dim())?;
        Ok(ReachabilityPlot::new(x.as_standard_layout().view(), self.min_points, reporter)?)
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). There is no inertia.
    ///
    /// # Errors
    /// No cluster, no rows, more than can be compared, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        let plot = self.plot(x, reporter)?;
        let least = self.min_cluster_size.unwrap_or(self.min_points);
        let labels = match self.eps {
            Some(eps) => large(plot.cut(eps), self.min_cluster_size.unwrap_or(1)),
            None => plot.labels(&plot.clusters(self.xi, self.min_points, least)),
        };
        let Some(last) = labels.iter().flatten().max() else {
            return Err(ClusterError::NoClusters { min_cluster_size: least });
        };
        let mut core = vec![0.0; labels.len()];
        plot.order.iter().zip(&plot.core_distances).for_each(|(&row, &distance)| core[row] = distance);
        let (mut densest, mut reach) = (vec![f64::INFINITY; last + 1], vec![0.0f64; last + 1]);
        for (cluster, &core) in labels.iter().zip(&core).filter_map(|(label, core)| Some(((*label)?, core))) {
            densest[cluster] = densest[cluster].min(core);
            reach[cluster] = reach[cluster].max(core).min(self.eps.unwrap_or(f64::MAX));
        }
        let strength = |(label, &core): (&Option<ClusterId>, &f64)| match label {
            Some(cluster) if core > 0.0 => densest[*cluster] / core,
            Some(_) => 1.0,
            None => 0.0,
        };
        let strengths = labels.iter().zip(&core).map(strength).collect();
        let levels = levels(&labels, plot.joins(&labels));
        Ok(Clustering { levels, ..Found { labels, strengths, reach }.clustering(x, Metric::Euclidean) })
    }
}

/// Noise instead of clusters of fewer than `least` rows, and the others numbered anew.
fn large(mut labels: Vec<Option<ClusterId>>, least: usize) -> Vec<Option<ClusterId>> {
    let mut sizes = vec![0; n_clusters(&labels)];
    labels.iter().flatten().for_each(|&cluster| sizes[cluster] += 1);
    let mut next = 0;
    let number = |&size: &usize| {
        next += usize::from(size >= least);
        (size >= least).then(|| next - 1)
    };
    let numbers: Vec<Option<ClusterId>> = sizes.iter().map(number).collect();
    labels.iter_mut().for_each(|label| *label = label.and_then(|cluster| numbers[cluster]));
    labels
}
