//! Features to clusters: reduce, choose the number of clusters, cluster.

use super::remarks::remark;
use super::{ChooseParams, PipelineError, Sweep, choose_n_clusters};
use crate::cluster::{Algorithm, Clustering};
use crate::collection::Features;
use crate::device::Device;
use crate::embed::Layout;
use crate::progress::Reporter;
use crate::reduce::{Method, Reducer, ReducerParams};
use linfa::ParamGuard;
use std::time::{Duration, Instant};

/// What stands between features and clusterer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// PCA to 50 components where there are more features than that, to 2 for an algorithm that draws, nothing for one that
    /// trains on the features; for HDBSCAN* of more than 10 features UMAP to 2.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// To so many components.
    To(Method, usize),
}

impl std::fmt::Display for Reduction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::To(method, n) => write!(f, "{}:{n}", method.name()),
        }
    }
}

/// How many clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NClusters {
    /// As [`choose_n_clusters`] suggests.
    #[default]
    Auto,
    /// So many.
    Fixed(usize),
}

impl std::fmt::Display for NClusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(n) => write!(f, "{n}"),
        }
    }
}

/// Parameters of [`fit`].
#[derive(Clone, Debug)]
pub struct FitParams {
    /// The reducer.
    pub reduction: Reduction,
    /// How many clusters; overrides the algorithm's own number.
    pub n_clusters: NClusters,
    /// The clusterer.
    pub algorithm: Algorithm,
    /// Seed of the reducer and of the sweep's sample.
    pub seed: u64,
    /// Where matrix products run.
    pub device: Device,
}

impl FitParams {
    /// How rows should come: sparse where most values are zero, if the first stage that meets them can use that.
    pub fn layout(&self) -> Layout {
        match (self.reduction, &self.algorithm) {
            (Reduction::Auto, algorithm) if algorithm.trains() => Layout::Dense,
            (Reduction::Auto | Reduction::To(..), _) | (_, Algorithm::KMeans(_)) => Layout::Auto,
            _ => Layout::Dense,
        }
    }
}

/// What [`fit`] found.
#[derive(Debug)]
pub struct Fitted<'a> {
    /// The reducer, if any.
    pub reducer: Option<Reducer>,
    /// The rows that were clustered: reduced, or the input itself.
    pub reduced: Features<'a>,
    /// The clusters.
    pub clustering: Clustering,
    /// The sweep, if the number of clusters was left open.
    pub sweep: Option<Sweep>,
    /// Time the reducer took.
    pub reduce_time: Duration,
    /// Time the sweep and the clusterer took.
    pub fit_time: Duration,
}

/// Principal components of [`Reduction::Auto`].
const AUTO_COMPONENTS: usize = 50;
/// Of more features HDBSCAN* takes a layout: near and far differ too little there for density to tell clusters apart.
const HDBSCAN_FEATURES: usize = 10;

/// Reduces and clusters the rows of `x`, shape (n_samples, n_features), dense or sparse. The input is not copied (but by
/// kernel PCA and diffusion map, as their landmarks, and by UMAP and t-SNE), and sparse rows are never made dense: memory
/// beyond it is that of the reduced rows and of the clusterer.
///
/// # Errors
/// Those of the stages; a message names the stage.
pub fn fit<'a>(
    x: impl Into<Features<'a>>,
    params: &FitParams,
    reporter: &dyn Reporter,
) -> Result<Fitted<'a>, PipelineError> {
    let started = Instant::now();
    let x = x.into();
    let n_samples = x.dim().0;
    let (reducer, reduced) = reduce(x, n_samples, params, reporter)?;
    let reduce_time = started.elapsed();
    let started = Instant::now();
    let (n_clusters, sweep) = number(&reduced, params, reporter)?;
    reporter.begin("cluster", None);
    let algorithm = asked(&params.algorithm, n_clusters);
    // What several extractors gave is mixed by a reducer.
    let algorithm = if reducer.is_some() { algorithm.with_spaces(Vec::new()) } else { algorithm };
    let clustering = algorithm.fit(&reduced, reporter)?;
    reporter.end();
    tell(&clustering, params, reporter);
    Ok(Fitted { reducer, reduced, clustering, sweep, reduce_time, fit_time: started.elapsed() })
}

/// Reduces the rows of `x` as [`fit`] does and judges the numbers of clusters ([`choose_n_clusters`]).
///
/// # Errors
/// Those of the stages.
pub fn choose<'a>(
    x: impl Into<Features<'a>>,
    params: &FitParams,
    choose: &ChooseParams,
    reporter: &dyn Reporter,
) -> Result<Sweep, PipelineError> {
    let x = x.into();
    let n_samples = x.dim().0;
    let (_, reduced) = reduce(x, n_samples, params, reporter)?;
    choose_n_clusters(&reduced, &params.algorithm, choose, reporter)
}

/// The algorithm asked for that number of clusters, if there is one.
pub(super) fn asked(algorithm: &Algorithm, n_clusters: Option<usize>) -> Algorithm {
    n_clusters.map_or_else(|| algorithm.clone(), |n_clusters| algorithm.with_n_clusters(n_clusters))
}

/// Warns of clusters of odd sizes, if nobody asked for their number.
pub(super) fn tell(clustering: &Clustering, params: &FitParams, reporter: &dyn Reporter) {
    if params.n_clusters == NClusters::Auto {
        remark(&clustering.labels, clustering.n_clusters()).iter().for_each(|remark| reporter.warn(remark));
    }
}

/// The number of clusters to fit, `None` if the algorithm is to find it, and the sweep over `x` that found it, if one did.
pub(super) fn number(
    x: &Features<'_>,
    params: &FitParams,
    reporter: &dyn Reporter,
) -> Result<(Option<usize>, Option<Sweep>), PipelineError> {
    match params.n_clusters {
        NClusters::Auto if !params.algorithm.finds_n_clusters() => {
            let choose = ChooseParams { seed: params.seed, ..ChooseParams::default() };
            let sweep = choose_n_clusters(x, &params.algorithm, &choose, reporter)?;
            reporter.detail(&format!("{} clusters are suggested", sweep.suggestion.n_clusters));
            sweep.suggestion.reasons.iter().for_each(|reason| reporter.detail(reason));
            Ok((Some(sweep.suggestion.n_clusters), Some(sweep)))
        }
        NClusters::Auto => Ok((None, None)),
        NClusters::Fixed(n) => {
            if !params.algorithm.takes_n_clusters() {
                reporter.warn(&format!("the algorithm finds the number of clusters itself: {n} is passed over"));
            }
            Ok((Some(n), None))
        }
    }
}

/// The reducer of `x`, which are all or some of `n_samples` rows, and what it makes of them.
pub(super) fn reduce<'a>(
    x: Features<'a>,
    n_samples: usize,
    params: &FitParams,
    reporter: &dyn Reporter,
) -> Result<(Option<Reducer>, Features<'a>), PipelineError> {
    let (n_rows, n_features) = x.dim();
    reporter.begin("reduce", None);
    reporter.detail(&format!("products run on {}", params.device));
    let reducer = reducer_params(x.dim(), params)
        .map(|params| params.few_landmarks(n_rows < n_samples).check()?.fit_features(&x, reporter))
        .transpose()?;
    let reduced = match &reducer {
        Some(reducer) => reducer.fitted().unwrap_or_else(|| reducer.transform_features(&x)).into(),
        None => x,
    };
    reporter.end();
    if let Some(reducer) = &reducer {
        reporter.detail(&format!("{n_features} features reduced by {}", describe(reducer)));
    }
    Ok((reducer, reduced))
}

fn reducer_params((n_samples, n_features): (usize, usize), params: &FitParams) -> Option<ReducerParams> {
    let (method, n_components) = match params.reduction {
        Reduction::None => return None,
        Reduction::To(method, n_components) => (method, n_components),
        Reduction::Auto => {
            let (most, method, n_components) = match &params.algorithm {
                algorithm if algorithm.trains() => return None,
                algorithm if algorithm.draws() => (2, Method::Pca, 2),
                Algorithm::Hdbscan(_) => (HDBSCAN_FEATURES, Method::Umap, 2),
                _ => (AUTO_COMPONENTS, Method::Pca, AUTO_COMPONENTS),
            };
            if n_features <= most || n_samples == 0 {
                return None;
            }
            // Fewer images than components: as many as the images span.
            (method, n_components.min(n_samples))
        }
    };
    Some(ReducerParams::new(method, n_components).seed(params.seed).device(params.device.clone()))
}

/// A reducer in a few words.
pub fn describe(reducer: &Reducer) -> String {
    let kept = reducer.explained_variance_ratio().map(|ratio| 100.0 * ratio.iter().sum::<f64>());
    let kept = kept.map(|kept| format!(", which keep {kept:.1} % of the variance")).unwrap_or_default();
    format!("{} to {} components{kept}", reducer.method().name(), reducer.n_components())
}
