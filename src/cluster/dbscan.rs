//! DBSCAN: clusters are where rows lie close together, whatever their shape; the rest is noise.
//!
//! M. Ester et al., A density-based algorithm for discovering clusters, 1996. The radius by the knee of the distances to
//! the nearest rows: V. Satopaa et al., Finding a "kneedle" in a haystack, 2011.

use super::guard::{at_least_one, check_rows, comparable, linfa_params, not_negative};
use super::settle::{by_size, renumber};
use super::within::Within;
use super::{Assigner, ClusterError, Clustering, Density};
use crate::progress::{Interrupted, Reporter};
use ndarray::{ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Rows whose distances the radius is found from.
const SAMPLE: usize = 1000;

/// Parameters of DBSCAN, not checked yet.
///
/// A core row has `min_points` rows, itself counted, within `eps`. Core rows within `eps` of one another are one cluster;
/// any other row joins the nearest core row within `eps`, or is noise. The number of clusters follows from the rows. The
/// result doesn't depend on the order of the rows, but where a row is equally near to two clusters, nor on a seed once
/// `eps` is given.
///
/// For clusters of winding shape among noise. Not for clusters that differ in density, and not for many features, in
/// which all distances are alike: reduce to some tens. O(n^2 d), in blocks; the assigner keeps the core rows.
///
/// ```
/// use alike::cluster::DbscanParams;
/// use linfa::{DatasetBase, traits::Fit};
/// let x = ndarray::array![[0.0f32], [0.1], [0.2], [5.0], [9.0], [9.1], [9.2], [9.3]];
/// let clustering = DbscanParams::new().eps(0.15).min_points(2).fit(&DatasetBase::from(x))?;
/// let [a, b, noise] = [Some(0), Some(1), None];
/// assert_eq!(clustering.labels, [b, b, b, noise, a, a, a, a]);
/// # Ok::<(), alike::cluster::ClusterError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DbscanParams(DbscanValidParams);

/// Checked parameters of DBSCAN.
#[derive(Clone, Debug, PartialEq)]
pub struct DbscanValidParams {
    eps: Option<f64>,
    min_points: usize,
    seed: u64,
}

linfa_params!(DbscanParams, DbscanValidParams);

impl Default for DbscanParams {
    fn default() -> Self {
        Self::new()
    }
}

impl DbscanParams {
    /// 5 points, and the radius from the rows: the knee of the rising distances from each row (of a sample, above 1,000)
    /// to its 5th nearest, itself counted, which is where the curve lies farthest below its chord.
    pub fn new() -> Self {
        Self(DbscanValidParams { eps: None, min_points: 5, seed: 0 })
    }

    /// The radius; at least 0.
    pub fn eps(self, eps: f64) -> Self {
        Self(DbscanValidParams { eps: Some(eps), ..self.0 })
    }

    /// Rows within the radius of a core row, itself counted; at least 1.
    pub fn min_points(self, min_points: usize) -> Self {
        Self(DbscanValidParams { min_points, ..self.0 })
    }

    /// Seed of the sample that the radius is found from.
    pub fn seed(self, seed: u64) -> Self {
        Self(DbscanValidParams { seed, ..self.0 })
    }
}

impl DbscanValidParams {
    fn verify(&self) -> Result<(), ClusterError> {
        at_least_one(&[("number of points", self.min_points)])?;
        not_negative("radius", self.eps.unwrap_or(0.0))
    }

    /// Fits the rows of `x`, shape (n_samples, n_features). There is no inertia.
    ///
    /// # Errors
    /// No row with enough neighbours, more rows than can be compared, values that are not finite, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<Clustering, ClusterError> {
        check_rows(x, 1)?;
        comparable(x.dim())?;
        let n_samples = x.nrows();
        let rows = x.as_standard_layout();
        let within = Within::new(rows.view());
        let eps = match self.eps {
            Some(eps) => eps,
            None => {
                let eps = self.knee(&within, n_samples, reporter)?;
                reporter.detail(&format!("--eps {eps} is the knee of the distances to the nearest images"));
                eps
            }
        };
        let counts: Vec<AtomicU32> = (0..n_samples).map(|_| AtomicU32::new(0)).collect();
        let count = |i: usize, _: usize| {
            counts[i].fetch_add(1, Relaxed);
        };
        within.each(eps, false, |_| true, count, reporter)?;
        let is_core = |i: usize| counts[i].load(Relaxed) as usize >= self.min_points;
        let joined = Forest::new(n_samples);
        within.each(eps, true, is_core, |i, j| joined.join(i, j), reporter)?;
        let core: Vec<usize> = (0..n_samples).filter(|&i| is_core(i)).collect();
        if core.is_empty() {
            return Err(ClusterError::AllNoise { eps, min_points: self.min_points });
        }
        let roots: Vec<usize> = core.iter().map(|&i| joined.root(i)).collect();
        let names: BTreeMap<usize, usize> =
            roots.iter().copied().collect::<BTreeSet<_>>().into_iter().zip(0..).collect();
        let clusters = roots.iter().map(|root| names[root]).collect();
        let mut assigner = Density { eps, core: rows.select(Axis(0), &core), clusters };
        let mut labels = vec![None; n_samples];
        core.iter().zip(&assigner.clusters).for_each(|(&row, &cluster)| labels[row] = Some(cluster));
        let others: Vec<usize> = (0..n_samples).filter(|&i| !is_core(i)).collect();
        let assigned = assigner.assign(rows.select(Axis(0), &others).view());
        others.iter().zip(assigned).for_each(|(&row, assignment)| labels[row] = assignment.cluster);
        let order = by_size(&labels, names.len());
        renumber(&mut labels, &order);
        assigner.clusters = core.iter().map(|&row| labels[row].expect("core rows are in a cluster")).collect();
        Ok(Clustering::new(labels, Assigner::Density(assigner)))
    }

    /// The distance at the knee.
    fn knee(&self, within: &Within<'_>, n_samples: usize, reporter: &dyn Reporter) -> Result<f64, Interrupted> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let some = rand::seq::index::sample(&mut rng, n_samples, n_samples.min(SAMPLE)).into_vec();
        let mut distances = within.nth_nearest(&some, self.min_points.min(n_samples), reporter)?;
        distances.sort_unstable_by(f64::total_cmp);
        let (least, most) = (distances[0], distances[distances.len() - 1]);
        let last = (distances.len() - 1).max(1) as f64;
        let height = |at: usize| if most > least { (distances[at] - least) / (most - least) } else { 0.0 };
        let below = |at: usize| at as f64 / last - height(at);
        let knee = (0..distances.len()).max_by(|&a, &b| below(a).total_cmp(&below(b)));
        Ok(knee.map_or(0.0, |at| distances[at]))
    }
}

/// Which rows are joined, directly or by others. The root of a group is its lowest row, so threads make no difference.
struct Forest(Vec<AtomicU32>);

impl Forest {
    fn new(n: usize) -> Self {
        Self((0..n as u32).map(AtomicU32::new).collect())
    }

    fn root(&self, mut i: usize) -> usize {
        loop {
            let above = self.0[i].load(Relaxed) as usize;
            if above == i {
                return i;
            }
            // Halve the way for whoever comes next; another thread can only have put a lower row there.
            let next = self.0[above].load(Relaxed);
            self.0[i].fetch_min(next, Relaxed);
            i = above;
        }
    }

    fn join(&self, i: usize, j: usize) {
        let (mut i, mut j) = (self.root(i), self.root(j));
        while i != j {
            let (low, high) = (i.min(j), i.max(j));
            match self.0[high].compare_exchange(high as u32, low as u32, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(_) => (i, j) = (self.root(low), self.root(high)),
            }
        }
    }
}
