//! What a run found, as JSON and as lines for people.

use super::printer::Printer;
use crate::cluster::Clustering;
use crate::collection::{Skipped, n_clusters};
use crate::embed::EmbedSeconds;
use crate::evaluate::{Evaluation, Scores};
use crate::model::Model;
use crate::pipeline::{Outcome, Sweep};
use crate::progress::Reporter;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Skipped images named one by one; the others are counted.
const NAMED: usize = 5;

/// Tells which images were left out.
pub fn warn_of(skipped: &[Skipped], printer: &Printer) {
    for s in skipped.iter().take(NAMED) {
        printer.warn(&format!("skipped \"{}\" ({}): {}", s.id, s.stage, s.reason));
    }
    if skipped.len() > NAMED {
        printer.warn(&format!("and {} more skipped", skipped.len() - NAMED));
    }
}

/// The JSON object of a run; the caller adds what is its own.
pub fn json(outcome: &Outcome<'_>, n_features: usize, seconds: Option<&EmbedSeconds>) -> Value {
    let fitted = &outcome.fitted;
    let times = [fitted.reduce_time, fitted.fit_time, outcome.score_time];
    let mut json = run(&fitted.clustering, &outcome.evaluation, fitted.sweep.as_ref(), seconds, times);
    json["n_features"] = json!(n_features);
    json
}

/// What a run says of features alone; the times are those of the reducer, the clusterer and the scores.
pub fn run(
    clustering: &Clustering,
    evaluation: &Evaluation,
    sweep: Option<&Sweep>,
    embed: Option<&EmbedSeconds>,
    [reduce, fit, score]: [Duration; 3],
) -> Value {
    json!({
        "n_samples": clustering.labels.len(),
        "n_clusters": clustering.n_clusters(),
        "levels": clustering.levels.iter().map(|level| n_clusters(level)).collect::<Vec<_>>(),
        "clusters": evaluation.clusters,
        "noise": evaluation.noise,
        "coverage": evaluation.coverage,
        "noise_rule": evaluation.noise_rule,
        "score_sample": evaluation.sample,
        "inertia": clustering.inertia,
        "iterations": clustering.n_iterations,
        "converged": clustering.converged,
        "fit": clustering.summary,
        "sweep": sweep,
        "scores": evaluation.scores,
        "seconds": {
            "read": embed.map(|s| s.read),
            "decode": embed.map(|s| s.decode),
            "embed": embed.map(|s| s.embed),
            "reduce": reduce.as_secs_f64(),
            "fit": fit.as_secs_f64(),
            "score": score.as_secs_f64(),
        },
    })
}

/// A run in a few lines, with what its scores stand on.
pub fn text(evaluation: &Evaluation, basis: &str) -> String {
    let mut text = format!("{} images in {} clusters", evaluation.n_samples, evaluation.n_clusters);
    if evaluation.noise > 0 {
        write!(text, ", {} in none", evaluation.noise).expect("a string takes all");
    }
    text.push('\n');
    text += &scores(&evaluation.scores);
    writeln!(text, "  (scores without classes are those {basis})").expect("a string takes all");
    text
}

/// What the scores without classes stand on; `sampled` are those that look at a sample where there is one.
pub fn basis(model: &Model, evaluation: &Evaluation, sampled: &str) -> String {
    let space = match &model.reducer {
        Some(reducer) => format!("of the {} reduced features", reducer.n_components()),
        None => "of the features as they are".to_owned(),
    };
    match evaluation.sample {
        Some(sample) => format!("{space}; {sampled} of a sample of {} images", sample.n_samples),
        None => space,
    }
}

/// The scores that a run in memory takes of a sample.
pub const SAMPLED: &str = "silhouette and Dunn";

/// The scores that are defined, one a line, with what they mean.
pub fn scores(scores: &Scores) -> String {
    let line = |(name, value, meaning): (&str, Option<f64>, &str)| {
        value.map(|value| format!("  {name:<20} {value:>12.4}  {meaning}\n"))
    };
    explained(scores).into_iter().filter_map(line).collect()
}

/// Every score with its name in the field and what it means.
pub fn explained(s: &Scores) -> [(&'static str, Option<f64>, &'static str); 21] {
    [
        ("purity", s.purity, "share of images in the majority class of their cluster"),
        ("purity (mean)", s.purity_mean, "share of the majority class of a cluster, averaged over clusters"),
        ("ARI", s.ari, "adjusted Rand index: 1 is the truth, 0 is chance"),
        ("AMI", s.ami, "adjusted mutual information: 1 is the truth, 0 is chance"),
        ("NMI", s.nmi, "normalised mutual information, 0 to 1"),
        ("homogeneity", s.homogeneity, "1 if no cluster mixes classes"),
        ("completeness", s.completeness, "1 if no class is spread over clusters"),
        ("V-measure", s.v_measure, "harmonic mean of homogeneity and completeness"),
        ("Fowlkes-Mallows", s.fowlkes_mallows, "agreement of pairs, geometric mean"),
        ("accuracy", s.accuracy, "share right under the best one-to-one naming of clusters"),
        ("pairwise precision", s.pairwise_precision, "of pairs in one cluster, share in one class"),
        ("pairwise recall", s.pairwise_recall, "of pairs in one class, share in one cluster"),
        ("pairwise F1", s.pairwise_f1, "harmonic mean of pairwise precision and recall"),
        ("B-cubed precision", s.bcubed_precision, "share of an image's cluster in its class, averaged over images"),
        ("B-cubed recall", s.bcubed_recall, "share of an image's class in its cluster, averaged over images"),
        ("B-cubed F1", s.bcubed_f1, "harmonic mean of B-cubed precision and recall"),
        ("silhouette", s.silhouette, "-1 to 1: how much nearer the own cluster than the next"),
        ("Calinski-Harabasz", s.calinski_harabasz, "spread between clusters over spread within; more is better"),
        ("Davies-Bouldin", s.davies_bouldin, "mean likeness to the most alike cluster; less is better"),
        ("Dunn", s.dunn, "narrowest gap over widest cluster; more is better"),
        ("inertia", s.inertia, "sum of squared distances to the clusters' means"),
    ]
}
