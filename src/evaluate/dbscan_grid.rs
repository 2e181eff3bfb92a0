//! How well a layout in two dimensions lets DBSCAN find the classes, over a grid of its parameters.

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::Serialize;

use super::plane::Plane;
use super::{Contingency, EvaluateError, NoiseRule, ari, purity};
use crate::collection::{ClusterId, Truth, n_clusters};
use crate::progress::Reporter;

/// The diagonal of the box around a layout in the common scale.
const COMMON_DIAGONAL: f64 = 200.0;

/// The settings of DBSCAN: each radius with each number of points.
#[derive(Clone, Debug, PartialEq)]
pub struct DbscanGridParams {
    /// Radii, above 0.
    pub eps: Vec<f64>,
    /// Points within the radius of a core point, itself counted; 1 or more.
    pub min_samples: Vec<usize>,
}

impl Default for DbscanGridParams {
    /// 20 runs: radii 2 and 3, with 5, 10, 15 and so on to 50 points.
    fn default() -> Self {
        Self { eps: vec![2.0, 3.0], min_samples: (5..=50).step_by(5).collect() }
    }
}

/// The grid in both scales.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DbscanGrid {
    /// The layout as it is.
    pub native: ScaledGrid,
    /// The layout scaled to a box with a diagonal of 200; `None` if all points are one.
    pub common: Option<ScaledGrid>,
}

/// The runs in one scale. Spreads are over the runs in which the figure is defined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScaledGrid {
    /// What the layout is multiplied by.
    pub factor: f64,
    /// By radius, then number of points.
    pub runs: Vec<DbscanRun>,
    /// Adjusted Rand index, all noise being one cluster.
    pub ari_one_cluster: Option<Spread>,
    /// Adjusted Rand index without the noise: read it beside the coverage.
    pub ari_excluded: Option<Spread>,
    /// Share of the points in a cluster.
    pub coverage: Option<Spread>,
}

/// One run of DBSCAN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DbscanRun {
    /// The radius.
    pub eps: f64,
    /// Points within it that make a core point.
    pub min_samples: usize,
    /// Clusters found.
    pub n_clusters: usize,
    /// Share of the points of known class in a cluster.
    pub coverage: Option<f64>,
    /// Adjusted Rand index, all noise being one cluster.
    pub ari_one_cluster: Option<f64>,
    /// Adjusted Rand index without the noise; `None` if all is noise.
    pub ari_excluded: Option<f64>,
    /// Purity without the noise.
    pub purity_excluded: Option<f64>,
}

/// How a figure varies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Least.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Standard deviation, of these values themselves (divided by their number).
    pub sd: f64,
}

impl Spread {
    /// Of some values; `None` of none.
    ///
    /// ```
    /// let spread = alike::evaluate::Spread::of(&[1.0, 3.0]).unwrap();
    /// assert_eq!((spread.mean, spread.min, spread.max, spread.sd), (2.0, 1.0, 3.0, 1.0));
    /// ```
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        let (min, max) = (values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?);
        Some(Self { mean, min, max, sd: variance.sqrt() })
    }
}

/// Runs DBSCAN on `layout`, shape (n_samples, 2), finite, with every setting, in the layout's own scale and in a common
/// one, and holds the clusters against `truth`. Clusters are those of scikit-learn's DBSCAN. Some O(n log n) a run: seconds
/// for the usual grid on 70,000 points.
///
/// A radius means something beside the extent of the layout alone, so figures in a layout's own scale can't be compared
/// between methods; those in the common one can.
///
/// # Errors
/// If the layout hasn't two columns, a class a row, or finite values; a setting is out of range; or an interruption.
///
/// ```
/// use alike::collection::Truth;
/// use alike::evaluate::{DbscanGridParams, dbscan_grid};
/// use alike::progress::Silent;
/// let layout = ndarray::array![[0.0, 0.0], [1.0, 0.0], [9.0, 0.0], [9.0, 1.0]];
/// let truth = Truth::from_names(["a", "a", "b", "b"].map(Some));
/// let params = DbscanGridParams { eps: vec![1.5], min_samples: vec![2, 3] };
/// let native = dbscan_grid(layout.view(), &truth, &params, &Silent)?.native;
/// assert_eq!((native.runs[0].n_clusters, native.runs[0].ari_excluded), (2, Some(1.0)));
/// assert_eq!((native.runs[1].n_clusters, native.runs[1].ari_excluded), (0, None));
/// # Ok::<(), alike::evaluate::EvaluateError>(())
/// ```
pub fn dbscan_grid(
    layout: ArrayView2<'_, f32>,
    truth: &Truth,
    params: &DbscanGridParams,
    reporter: &dyn Reporter,
) -> Result<DbscanGrid, EvaluateError> {
    EvaluateError::check_rows("classes", layout.nrows(), truth.classes.len())?;
    if layout.ncols() != 2 {
        return Err(EvaluateError::NoPlane { found: layout.ncols() });
    }
    if let Some(row) = layout.outer_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
        return Err(EvaluateError::NotFinite { row });
    }
    let positive = |eps: &f64| *eps > 0.0 && eps.is_finite();
    if !params.eps.iter().all(positive) || params.min_samples.contains(&0) {
        return Err(EvaluateError::Grid);
    }
    let diagonal = diagonal(layout);
    reporter.begin("dbscan", Some(2 * (params.eps.len() * params.min_samples.len()) as u64));
    let at = |factor| scaled(layout, truth, params, factor, reporter);
    let grid = DbscanGrid {
        native: at(1.0)?,
        common: if diagonal > 0.0 { Some(at(COMMON_DIAGONAL / diagonal)?) } else { None },
    };
    reporter.end();
    Ok(grid)
}

/// Of the box around the points.
fn diagonal(layout: ArrayView2<'_, f32>) -> f64 {
    let extent = |axis: usize| {
        let values = || layout.column(axis).into_iter().map(|&v| f64::from(v));
        values().reduce(f64::max).unwrap_or(0.0) - values().reduce(f64::min).unwrap_or(0.0)
    };
    extent(0).hypot(extent(1))
}

/// The runs on the layout times `factor`: the radius is divided instead.
fn scaled(
    layout: ArrayView2<'_, f32>,
    truth: &Truth,
    params: &DbscanGridParams,
    factor: f64,
    reporter: &dyn Reporter,
) -> Result<ScaledGrid, EvaluateError> {
    let most = params.min_samples.iter().copied().max().unwrap_or(1);
    let mut runs = Vec::new();
    for &eps in &params.eps {
        let plane = Plane::new(layout, eps / factor, most);
        let run = |&min_samples: &usize| -> Result<DbscanRun, EvaluateError> {
            reporter.check()?;
            let run = judged(&plane.dbscan(min_samples), truth, eps, min_samples);
            reporter.advance(1);
            run
        };
        runs.extend(params.min_samples.par_iter().map(run).collect::<Result<Vec<_>, _>>()?);
    }
    let spread = |of: fn(&DbscanRun) -> Option<f64>| Spread::of(&runs.iter().filter_map(of).collect::<Vec<_>>());
    Ok(ScaledGrid {
        factor,
        ari_one_cluster: spread(|run| run.ari_one_cluster),
        ari_excluded: spread(|run| run.ari_excluded),
        coverage: spread(|run| run.coverage),
        runs,
    })
}

fn judged(
    clusters: &[Option<ClusterId>],
    truth: &Truth,
    eps: f64,
    min_samples: usize,
) -> Result<DbscanRun, EvaluateError> {
    let all = Contingency::new(clusters, truth, NoiseRule::OneCluster)?;
    let covered = Contingency::new(clusters, truth, NoiseRule::Excluded)?;
    Ok(DbscanRun {
        eps,
        min_samples,
        n_clusters: n_clusters(clusters),
        coverage: (all.n_samples() > 0).then(|| covered.n_samples() as f64 / all.n_samples() as f64),
        ari_one_cluster: ari(&all),
        ari_excluded: ari(&covered),
        purity_excluded: purity(&covered),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Silent, Watch};
    use ndarray::{Array2, array};

    fn truth(n: usize) -> Truth {
        Truth::from_names((0..n).map(|i| Some((i % 2).to_string())))
    }

    #[test]
    fn scales_and_noise_rules_are_told_apart() {
        // Two groups ten apart, a lone point far away: at scale 1 eps 2 sees both, at the common one nothing but points.
        let layout = array![[0.0f32, 0.0], [10.0, 0.0], [1.0, 0.0], [11.0, 0.0], [100.0, 0.0]];
        let params = DbscanGridParams { eps: vec![2.0], min_samples: vec![2] };
        let grid = dbscan_grid(layout.view(), &truth(5), &params, &Silent).unwrap();
        let run = grid.native.runs[0];
        assert_eq!((run.n_clusters, run.coverage, run.ari_excluded), (2, Some(0.8), Some(1.0)));
        assert!(run.ari_one_cluster.unwrap() < 1.0 && run.purity_excluded == Some(1.0));
        let common = grid.common.unwrap();
        assert_eq!((common.factor, common.runs[0].n_clusters), (2.0, 2), "a point at exactly eps is near");
        let params = DbscanGridParams { eps: vec![1.9], ..params };
        let common = dbscan_grid(layout.view(), &truth(5), &params, &Silent).unwrap().common.unwrap();
        assert_eq!((common.runs[0].n_clusters, common.ari_excluded), (0, None));
        assert_eq!(common.coverage, Spread::of(&[0.0]));
    }

    #[test]
    fn the_usual_grid_has_twenty_runs_in_order() {
        let layout = Array2::from_shape_fn((40, 2), |(i, j)| (i * (j + 1)) as f32);
        let grid = dbscan_grid(layout.view(), &truth(40), &DbscanGridParams::default(), &Silent).unwrap();
        let settings: Vec<_> = grid.native.runs.iter().map(|run| (run.eps, run.min_samples)).collect();
        assert_eq!(settings.len(), 20);
        assert!(settings.is_sorted() && settings[0] == (2.0, 5) && settings[19] == (3.0, 50));
    }

    #[test]
    fn one_place_has_no_common_scale() {
        let grid = dbscan_grid(Array2::zeros((8, 2)).view(), &truth(8), &DbscanGridParams::default(), &Silent).unwrap();
        assert!(grid.common.is_none() && grid.native.runs[0].n_clusters == 1);
        let none = dbscan_grid(Array2::zeros((0, 2)).view(), &truth(0), &DbscanGridParams::default(), &Silent).unwrap();
        assert_eq!((none.native.coverage, none.native.runs[0].coverage), (None, None));
    }

    #[test]
    fn what_is_no_layout_is_refused() {
        let grid =
            |layout: Array2<f32>, n, params| dbscan_grid(layout.view(), &truth(n), &params, &Silent).unwrap_err();
        let usual = DbscanGridParams::default;
        assert_eq!(grid(Array2::zeros((4, 3)), 4, usual()), EvaluateError::NoPlane { found: 3 });
        assert_eq!(grid(array![[0.0, 1.0], [f32::NAN, 1.0]], 2, usual()), EvaluateError::NotFinite { row: 1 });
        assert!(matches!(grid(Array2::zeros((4, 2)), 3, usual()), EvaluateError::Rows { .. }));
        let wrong = DbscanGridParams { eps: vec![0.0], ..usual() };
        assert_eq!(grid(Array2::zeros((4, 2)), 4, wrong), EvaluateError::Grid);
        let stopped = dbscan_grid(Array2::zeros((4, 2)).view(), &truth(4), &usual(), &Watch::stopping_after(3));
        assert!(matches!(stopped, Err(EvaluateError::Interrupted(_))));
    }
}
