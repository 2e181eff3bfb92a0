//! Everything a run found out, for whoever writes it down.

use super::{FitParams, Fitted, PipelineError, fit};
use crate::cluster::Assigner;
use crate::collection::{Features, Truth};
use crate::embed::ExtractorSpec;
use crate::evaluate::{EvaluateParams, Evaluation, NoiseRule, Sampling, evaluate};
use crate::model::{ClusterEntry, Model, Provenance, Verdict};
use crate::progress::Reporter;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Share of a cluster's members within its reach.
const REACH: f64 = 0.99;

/// Features clustered and scored, with the model that does the same to new ones.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The clusters and the rows they were found in.
    pub fitted: Fitted<'a>,
    /// The scores.
    pub evaluation: Evaluation,
    /// The model.
    pub model: Model,
    /// What the model says of each row; its clusters are those of the fit.
    pub verdicts: Vec<Verdict>,
    /// Time the scores took.
    pub score_time: Duration,
}

/// What is known of the rows beside their features.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// The true classes.
    pub truth: Option<&'a Truth>,
    /// How noise counts in the scores.
    pub noise: NoiseRule,
    /// Where the features came from; `None` if embeddings were given.
    pub extractor: Option<&'a ExtractorSpec>,
    /// The settings as typed, kept in the model.
    pub settings: BTreeMap<String, String>,
}

/// Reduces, clusters and scores the rows of `x`, shape (n_samples, n_features), dense or sparse. An algorithm that tells
/// spaces apart is told those of several extractors.
///
/// # Errors
/// Those of the stages.
pub fn run<'a>(
    x: impl Into<Features<'a>>,
    params: &FitParams,
    context: &Context<'_>,
    reporter: &dyn Reporter,
) -> Result<Outcome<'a>, PipelineError> {
    let spaces = context.extractor.and_then(|extractor| extractor.widths().ok()).unwrap_or_default();
    let algorithm = params.algorithm.with_spaces(spaces);
    let fitted = fit(x, &FitParams { algorithm, ..params.clone() }, reporter)?;
    reporter.check()?;
    let started = Instant::now();
    reporter.begin("score", None);
    let scoring =
        EvaluateParams { noise: context.noise, sampling: Sampling { seed: params.seed, ..Sampling::default() } };
    let labels = &fitted.clustering.labels;
    let evaluation = evaluate(labels, context.truth, Some(fitted.reduced.view()), &scoring)?;
    reporter.end();
    let score_time = started.elapsed();
    let assignments = fitted.clustering.assigner.assign(&fitted.reduced);
    let mut distances = vec![Vec::new(); fitted.clustering.n_clusters()];
    assignments.iter().filter_map(|a| Some((a.cluster?, a.distance))).for_each(|(c, d)| distances[c].push(d));
    let names = cluster_names(distances.len());
    // Rows of the fit are at no distance from themselves: what assigns by them says how far others may be.
    let own_reach = |cluster: usize| match &fitted.clustering.assigner {
        Assigner::Neighbors(neighbors) => Some(neighbors.reach[cluster]),
        _ => None,
    };
    let clusters = names.into_iter().zip(distances).enumerate().map(|(cluster, (name, distances))| ClusterEntry {
        name,
        size: distances.len(),
        reach: own_reach(cluster).unwrap_or_else(|| reach(distances)),
    });
    let model = Model {
        extractor: context.extractor.cloned(),
        reducer: fitted.reducer.clone(),
        assigner: fitted.clustering.assigner.clone(),
        clusters: clusters.collect(),
        provenance: Provenance {
            alike: env!("CARGO_PKG_VERSION").to_owned(),
            n_samples: labels.len(),
            settings: context.settings.clone(),
            scores: evaluation.scores,
        },
    };
    let verdicts = assignments.iter().map(|a| model.verdict(a)).collect();
    Ok(Outcome { fitted, evaluation, model, verdicts, score_time })
}

/// The names that clusters get: `cluster-000` and so on, with more digits where they are needed.
pub fn cluster_names(n_clusters: usize) -> Vec<String> {
    let digits = n_clusters.saturating_sub(1).to_string().len().max(3);
    (0..n_clusters).map(|c| format!("cluster-{c:0digits$}")).collect()
}

/// The distance that [`REACH`] of the members keep.
pub(super) fn reach(mut distances: Vec<f64>) -> f64 {
    distances.sort_unstable_by(f64::total_cmp);
    let within = (distances.len() as f64 * REACH).ceil() as usize;
    within.checked_sub(1).map_or(0.0, |last| distances[last])
}
