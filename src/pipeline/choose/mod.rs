//! How many clusters: every criterion over a sweep, in the space that is clustered, and what they suggest together.
//!
//! Criteria measured in the reduced space follow true quality better than in the raw one (arXiv 2406.02465).

mod path;
mod reference;

use self::path::{path, subsample};
use super::PipelineError;
use crate::cluster::{Algorithm, ClusterError, Clustering};
use crate::collection::{ClusterId, Features};
use crate::evaluate::{
    Candidate, EvaluateError, Sampling, Scores, Suggestion, gap, inertia, sample_rows, separations, stability, suggest,
};
use crate::progress::Reporter;
use crate::reduce::LinearParams;
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, CowArray, Ix2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Parameters of [`choose_n_clusters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChooseParams {
    /// Least number of clusters to try. Below 3, one cluster is judged too.
    pub from: usize,
    /// Largest; by default 40 or a third of the rows, whichever is less. Up to 20 every number is tried, beyond in steps
    /// of an eighth.
    pub to: Option<usize>,
    /// Reference sets of the gap statistic.
    pub n_references: usize,
    /// Subsamples of the stability, each of 80 % of the rows.
    pub n_subsamples: usize,
    /// Rows the sweep looks at; more are sampled.
    pub max_samples: usize,
    /// Seed of the samples, references and fits.
    pub seed: u64,
}

impl Default for ChooseParams {
    fn default() -> Self {
        Self { from: 2, to: None, n_references: 10, n_subsamples: 5, max_samples: 2_000, seed: 0 }
    }
}

/// Largest number tried unless asked for.
const MOST: usize = 40;
/// Every number is tried up to this one.
const DENSE_TO: usize = 20;

/// Beyond so many features the rows' leading components are judged.
const WIDE: usize = 256;
const COMPONENTS: usize = 50;
/// Most values of a sample, 256 MiB.
const MAX_VALUES: usize = 1 << 26;

/// What a sweep over the number of clusters found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// A row a number of clusters, rising.
    pub candidates: Vec<Candidate>,
    /// What to take, and why.
    pub suggestion: Suggestion,
    /// Rows the sweep looked at.
    pub n_samples: usize,
}

/// Judges the numbers of clusters from `from` to `to` by the criteria of [`Candidate`], and suggests one.
///
/// `x` has the shape (n_samples, n_features), finite, dense or sparse; above 2,000 rows a uniform sample is used, and
/// above 256 features the sample's 50 leading components. Each number starts where the one before ended (k-means, which
/// also stands in for mini-batch and hierarchical k-means, TURTLE and TEMI; the others start anew). Spherical k-means is judged on the
/// rows' directions. The numbers end before the rows: at one less than there are, or than are distinct. The cost is that
/// of 1 + references + 2 * subsamples sweeps over the rows looked at, and O(s^2) distances for s rows; the seed gives
/// the same at any thread count.
///
/// # Errors
/// An algorithm that finds the number itself, a range that ends before it begins, rows without features or (by direction)
/// all blank, those of the fits, or an interruption.
///
/// ```
/// use alike::{cluster::{Algorithm, KMeansParams}, pipeline::{ChooseParams, choose_n_clusters}, progress::Silent};
/// let x = ndarray::Array2::from_shape_fn((60, 2), |(i, j)| (i % 3 * (9 + j)) as f32 + ((i * (7 + j)) % 11) as f32 / 50.0);
/// let algorithm = Algorithm::KMeans(KMeansParams::new(2));
/// let sweep = choose_n_clusters(x.view(), &algorithm, &ChooseParams::default(), &Silent)?;
/// assert_eq!(sweep.suggestion.n_clusters, 3);
/// # Ok::<(), alike::pipeline::PipelineError>(())
/// ```
pub fn choose_n_clusters<'a>(
    x: impl Into<Features<'a>>,
    algorithm: &Algorithm,
    params: &ChooseParams,
    reporter: &dyn Reporter,
) -> Result<Sweep, PipelineError> {
    if let Some(to) = params.to.filter(|&to| to < params.from.max(1)) {
        return Err(PipelineError::Range { from: params.from, to });
    }
    if algorithm.finds_n_clusters() {
        return Err(PipelineError::FindsNumber);
    }
    let x = looked_at(x.into(), algorithm, params, reporter)?;
    let numbers = numbers(x.nrows(), params, reporter);
    let (n_samples, most) = (x.nrows(), x.nrows().saturating_sub(1));
    let too_many = PipelineError::TooMany { from: params.from, n_samples, most };
    if numbers == [1] && params.from > 2 {
        return Err(too_many);
    }
    let jobs = 1 + params.n_references + 2 * params.n_subsamples;
    reporter.begin("choose", Some((jobs * numbers.len()) as u64));
    let found = sweep(&x, algorithm, &numbers, params, reporter)?;
    reporter.check()?;
    let mut candidates = judged(x.view(), &numbers, &found)?;
    reporter.end();
    let suggestion = suggest(&mut candidates).ok_or(too_many)?;
    Ok(Sweep { candidates, suggestion, n_samples })
}

/// The rows as the algorithm sees them, or a sample, in few dimensions.
fn looked_at<'a>(
    x: Features<'a>,
    algorithm: &Algorithm,
    params: &ChooseParams,
    reporter: &dyn Reporter,
) -> Result<CowArray<'a, f32, Ix2>, PipelineError> {
    let (n_samples, n_features) = x.dim();
    if n_features == 0 {
        return Err(ClusterError::NoFeatures.into());
    }
    let max_samples = params.max_samples.min(MAX_VALUES / n_features).max(1);
    let mut x = match (sample_rows(n_samples, Sampling { max_samples, seed: params.seed }), x) {
        (Some(rows), x) => CowArray::from(x.select(&rows).to_dense().into_owned()),
        (None, Features::Dense(x)) => x,
        (None, x) => CowArray::from(x.to_dense().into_owned()),
    };
    let spherical = path::is_spherical(algorithm);
    if spherical {
        let directions = directions(x.view());
        if directions.is_empty() && n_samples > 0 {
            return Err(PipelineError::Blank);
        }
        x = directions.into();
    }
    if n_features > WIDE && x.nrows() > 0 {
        let n_components = COMPONENTS.min(x.nrows());
        let reducer = if spherical { LinearParams::svd(n_components) } else { LinearParams::pca(n_components) };
        let reduced = reducer.seed(params.seed).check()?.fit_rows(x.view(), reporter)?.transform_view(x.view());
        x = if spherical { directions(reduced.view()) } else { reduced }.into();
    }
    Ok(x)
}

/// The rows at length 1, without those that have none.
fn directions(x: ArrayView2<'_, f32>) -> Array2<f32> {
    let norm = |row: ArrayView1<'_, f32>| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let kept: Vec<usize> = (0..x.nrows()).filter(|&i| norm(x.row(i)) > 0.0).collect();
    let mut directions = x.select(Axis(0), &kept);
    for mut row in directions.outer_iter_mut() {
        let norm = norm(row.view());
        row.mapv_inplace(|v| (f64::from(v) / norm) as f32);
    }
    directions
}

fn numbers(n_samples: usize, params: &ChooseParams, reporter: &dyn Reporter) -> Vec<usize> {
    let most = n_samples.saturating_sub(1);
    let to = match params.to {
        Some(to) if to > most => {
            reporter.warn(&format!("of {n_samples} images at most {most} clusters can be judged: {to} are too many"));
            most
        }
        Some(to) => to,
        None => MOST.min(n_samples / 3).max(2).max(params.from).min(most),
    };
    let step = |k: &usize| Some(if *k < DENSE_TO { k + 1 } else { k + k / 8 });
    let asked = std::iter::successors(Some(params.from.max(2)), step).take_while(|&k| k <= to);
    (params.from <= 2 || params.from > to).then_some(1).into_iter().chain(asked).collect()
}

/// The fits of a sweep: for each number of clusters that the rows can fill.
struct Found {
    labels: Vec<Vec<Option<ClusterId>>>,
    /// By reference, then number.
    references: Vec<Vec<f64>>,
    /// By subsample, then number.
    subsamples: Vec<Vec<Vec<Option<ClusterId>>>>,
    /// The same, of the first reference.
    structureless: Vec<Vec<Vec<Option<ClusterId>>>>,
}

fn sweep(
    x: &CowArray<'_, f32, Ix2>,
    algorithm: &Algorithm,
    numbers: &[usize],
    params: &ChooseParams,
    reporter: &dyn Reporter,
) -> Result<Found, PipelineError> {
    let references = reference::references(x.view(), params.n_references, params.seed, reporter)?;
    let labels = |fits: Vec<Clustering>| fits.into_iter().map(|fit| fit.labels).collect::<Vec<_>>();
    let of_subsample = |rows: ArrayView2<'_, f32>, seed: u64| {
        let fits = path(subsample(rows, seed).view(), algorithm, numbers, seed, reporter)?;
        let assigned = fits.iter().map(|fit| fit.assigner.assign(rows).into_iter().map(|a| a.cluster).collect());
        Ok::<_, PipelineError>(assigned.collect::<Vec<_>>())
    };
    let subsamples = |rows: ArrayView2<'_, f32>| {
        let seeds = (1..=params.n_subsamples as u64).into_par_iter();
        seeds.map(|seed| of_subsample(rows, params.seed.wrapping_add(seed))).collect::<Result<Vec<_>, _>>()
    };
    let ((whole, subsampled), (references, structureless)) = rayon::join(
        || rayon::join(|| path(x.view(), algorithm, numbers, params.seed, reporter), || subsamples(x.view())),
        || {
            rayon::join(
                || {
                    let inertias = |rows: &Array2<f32>| {
                        let fits = path(rows.view(), algorithm, numbers, params.seed, reporter)?;
                        let of = |fit: &Clustering| Ok(inertia(rows.view(), &fit.labels)?.unwrap_or(0.0));
                        fits.iter().map(of).collect::<Result<Vec<_>, PipelineError>>()
                    };
                    references.par_iter().map(inertias).collect::<Result<Vec<_>, _>>()
                },
                || references.first().map_or(Ok(Vec::new()), |rows| subsamples(rows.view())),
            )
        },
    );
    Ok(Found {
        labels: labels(whole?),
        references: references?,
        subsamples: subsampled?,
        structureless: structureless?,
    })
}

/// The criteria of each number.
fn judged(x: ArrayView2<'_, f32>, numbers: &[usize], found: &Found) -> Result<Vec<Candidate>, EvaluateError> {
    let labellings: Vec<&[Option<ClusterId>]> = found.labels.iter().map(Vec::as_slice).collect();
    let agreement = |fits: &[Vec<Vec<Option<ClusterId>>>], at: usize| {
        let labellings: Vec<_> = fits.iter().filter_map(|fits| Some(fits.get(at)?.as_slice())).collect();
        if numbers[at] > 1 { stability(&labellings) } else { Ok(None) }
    };
    let candidate = |(at, scores): (usize, Scores)| {
        let inertia = scores.inertia.unwrap_or(0.0);
        let references: Vec<f64> = found.references.iter().filter_map(|r| r.get(at).copied()).collect();
        Ok(Candidate {
            n_clusters: numbers[at],
            inertia,
            elbow: None,
            gap: gap(inertia, &references),
            silhouette: scores.silhouette,
            calinski_harabasz: scores.calinski_harabasz,
            davies_bouldin: scores.davies_bouldin,
            dunn: scores.dunn,
            stability: agreement(&found.subsamples, at)?,
            reference_stability: agreement(&found.structureless, at)?,
            support: 0.0,
        })
    };
    separations(x, &labellings)?.into_par_iter().enumerate().map(candidate).collect()
}

#[cfg(test)]
mod tests;
