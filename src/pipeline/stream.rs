//! Fit and predict for rows that don't fit in memory: read a block at a time, several times over.

use super::fit::{asked, number, reduce, tell};
use super::outcome::{cluster_names, reach};
use super::{Context, FitParams, PipelineError, Sweep};
use crate::cluster::{ClusterError, Clustering};
use crate::collection::{Blocks, BlocksError, HELD};
use crate::evaluate::{EvaluateParams, Evaluation, SampleUsed, Sampling, evaluate, sample_rows};
use crate::model::{ClusterEntry, Model, Provenance};
use crate::progress::Reporter;
use crate::reduce::Reducer;
use ndarray::Array2;
use std::time::{Duration, Instant};

/// Rows clustered and scored, with the model that does the same to new ones.
#[derive(Debug)]
pub struct Streamed {
    /// The clusters.
    pub clustering: Clustering,
    /// The sweep over a sample, if the number of clusters was left open.
    pub sweep: Option<Sweep>,
    /// The scores: those against classes of all rows, those without classes of a sample.
    pub evaluation: Evaluation,
    /// The model.
    pub model: Model,
    /// Features after the reducer.
    pub n_reduced: usize,
    /// Time the reducer took.
    pub reduce_time: Duration,
    /// Time the sweep and the clusterer took.
    pub fit_time: Duration,
    /// Time the scores took.
    pub score_time: Duration,
}

/// Reduces, clusters and scores rows that are read in blocks. The reducer, the number of clusters where it is left open,
/// and the scores without classes go by a uniform sample of 10,000 rows, or of 256 MiB; inertia and the scores against
/// classes by all rows. Memory: that sample, and some 30 bytes a row beside what the reducer and the clusterer take; a
/// clusterer other than mini-batch k-means takes all rows at once.
///
/// # Errors
/// Those of the stages, or rows that can't be read.
pub fn run_blocks(
    rows: &mut dyn Blocks,
    params: &FitParams,
    context: &Context<'_>,
    reporter: &dyn Reporter,
) -> Result<Streamed, PipelineError> {
    let started = Instant::now();
    let (n_samples, n_features) = rows.dim();
    let max_samples = Sampling::default().max_samples.min(MAX_VALUES / n_features.max(1)).max(1);
    let sampling = Sampling { max_samples, seed: params.seed };
    let sampled = sample_rows(n_samples, sampling).unwrap_or_else(|| (0..n_samples).collect());
    reporter.begin("sample", None);
    let sample = gather(rows, &sampled, reporter)?;
    reporter.end();
    let (reducer, sample) = reduce(sample.into(), n_samples, params, reporter)?;
    let mut reduced = Reduced { rows, reducer: reducer.as_ref() };
    let reduce_time = started.elapsed();

    let started = Instant::now();
    let (n_clusters, sweep) = number(&sample, params, reporter)?;
    reporter.begin("cluster", None);
    let clustering = asked(&params.algorithm, n_clusters).fit_blocks(&mut reduced, reporter)?;
    let clusters = entries(&mut reduced, &clustering, reporter)?;
    let fit_time = started.elapsed();
    reporter.end();
    tell(&clustering, params, reporter);

    let started = Instant::now();
    reporter.begin("score", None);
    let scoring = EvaluateParams { noise: context.noise, sampling };
    let mut evaluation = evaluate(&clustering.labels, context.truth, None, &scoring)?;
    let labels: Vec<_> = sampled.iter().map(|&row| clustering.labels[row]).collect();
    add_sampled(&mut evaluation, evaluate(&labels, None, Some(sample.view()), &scoring)?, sampling, sampled.len());
    evaluation.scores.inertia = clustering.inertia;
    reporter.end();
    let n_reduced = sample.dim().1;
    let model = Model {
        extractor: context.extractor.cloned(),
        reducer,
        assigner: clustering.assigner.clone(),
        clusters,
        provenance: Provenance {
            alike: env!("CARGO_PKG_VERSION").to_owned(),
            n_samples,
            settings: context.settings.clone(),
            scores: evaluation.scores,
        },
    };
    let score_time = started.elapsed();
    Ok(Streamed { clustering, sweep, evaluation, model, n_reduced, reduce_time, fit_time, score_time })
}

/// Most values of the sample.
const MAX_VALUES: usize = 1 << 26;

/// Some rows, given in rising order.
fn gather(rows: &mut dyn Blocks, some: &[usize], reporter: &dyn Reporter) -> Result<Array2<f32>, PipelineError> {
    let mut values = Vec::with_capacity(some.len() * rows.dim().1);
    let block_rows = rows.block_rows();
    for blocks in rows.groups() {
        reporter.check()?;
        let (first, end) = (blocks[0] * block_rows, (blocks[blocks.len() - 1] + 1) * block_rows);
        let wanted = some.partition_point(|&row| row < first)..some.partition_point(|&row| row < end);
        let read = rows.load(&blocks).map_err(ClusterError::from)?;
        some[wanted].iter().for_each(|row| values.extend(read.row(row - first)));
    }
    Ok(Array2::from_shape_vec((some.len(), rows.dim().1), values).expect("rows of one length"))
}

/// Rows on their way through the reducer.
struct Reduced<'a> {
    rows: &'a mut dyn Blocks,
    reducer: Option<&'a Reducer>,
}

impl Blocks for Reduced<'_> {
    fn dim(&self) -> (usize, usize) {
        let (n_samples, n_features) = self.rows.dim();
        (n_samples, self.reducer.map_or(n_features, |reducer| reducer.n_components()))
    }

    fn block_rows(&self) -> usize {
        self.rows.block_rows()
    }

    fn read(&mut self, blocks: &[usize], out: &mut Vec<f32>) -> Result<(), BlocksError> {
        let Some(reducer) = self.reducer else { return self.rows.read(blocks, out) };
        let n_features = self.rows.dim().1;
        // Few at a time, since they take more room before than after.
        for some in blocks.chunks((HELD / (self.rows.block_rows() * n_features)).max(1)) {
            out.extend(reducer.transform_features(self.rows.load(some)?.view()).iter());
        }
        Ok(())
    }
}

/// What the model says of the clusters.
fn entries(
    rows: &mut dyn Blocks,
    clustering: &Clustering,
    reporter: &dyn Reporter,
) -> Result<Vec<ClusterEntry>, PipelineError> {
    let mut distances: Vec<Vec<f32>> = vec![Vec::new(); clustering.n_clusters()];
    for blocks in rows.groups() {
        reporter.check()?;
        let found = clustering.assigner.assign(rows.load(&blocks).map_err(ClusterError::from)?.view());
        found.iter().filter_map(|a| Some((a.cluster?, a.distance))).for_each(|(c, d)| distances[c].push(d as f32));
    }
    let names = cluster_names(distances.len());
    let entry = |(name, distances): (String, Vec<f32>)| ClusterEntry {
        name,
        size: distances.len(),
        reach: reach(distances.into_iter().map(f64::from).collect()),
    };
    Ok(names.into_iter().zip(distances).map(entry).collect())
}

/// Adds the scores without classes, which are those of a sample.
fn add_sampled(evaluation: &mut Evaluation, sampled: Evaluation, sampling: Sampling, n_samples: usize) {
    if n_samples < evaluation.n_samples {
        evaluation.sample = Some(SampleUsed { n_samples, seed: sampling.seed });
    }
    let (all, some) = (&mut evaluation.scores, sampled.scores);
    all.silhouette = some.silhouette;
    all.calinski_harabasz = some.calinski_harabasz;
    all.davies_bouldin = some.davies_bouldin;
    all.dunn = some.dunn;
    for row in &mut evaluation.clusters {
        let same = sampled.clusters.iter().find(|other| other.cluster == row.cluster);
        row.silhouette = same.and_then(|other| other.silhouette);
        row.mean_distance = same.and_then(|other| other.mean_distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Algorithm, DbscanParams, KMeansParams, MiniBatchParams};
    use crate::device::Device;
    use crate::pipeline::{NClusters, Reduction, run};
    use crate::progress::Silent;
    use crate::reduce::Method;

    fn rows() -> Array2<f32> {
        let waves = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 7) % 211) as f32 / 211.0;
        Array2::from_shape_fn((3000, 6), |(i, j)| waves(i, j) + (i * 4 / 3000) as f32 * [5.0, 1.0, 0.0][j % 3])
    }

    fn params(algorithm: Algorithm, n_clusters: NClusters) -> FitParams {
        let reduction = Reduction::To(Method::Pca, 2);
        FitParams { reduction, n_clusters, algorithm, seed: 3, device: Device::default() }
    }

    /// Up to 10,000 rows the sample is all of them, so everything must be the same.
    #[test]
    fn rows_in_blocks_give_what_rows_in_memory_give() {
        let (x, context) = (rows(), Context::default());
        for algorithm in [Algorithm::MiniBatch(MiniBatchParams::new(1)), Algorithm::KMeans(KMeansParams::new(1))] {
            for n_clusters in [NClusters::Fixed(4), NClusters::Auto] {
                let params = params(algorithm.clone(), n_clusters);
                let whole = run(x.view(), &params, &context, &Silent).unwrap();
                let streamed = run_blocks(&mut x.view(), &params, &context, &Silent).unwrap();
                assert_eq!(streamed.clustering, whole.fitted.clustering);
                assert_eq!(streamed.sweep, whole.fitted.sweep);
                assert_eq!(streamed.evaluation.clusters, whole.evaluation.clusters);
                let (mut ours, theirs) = (streamed.evaluation.scores, whole.evaluation.scores);
                let (inertia, expected) = (ours.inertia.unwrap(), theirs.inertia.unwrap());
                // About the centroids, and about the means.
                assert!((inertia - expected).abs() < 1e-4 * expected, "{inertia} {expected}");
                ours.inertia = theirs.inertia;
                assert_eq!(ours, theirs);
                let (ours, theirs) = (streamed.model.clusters, whole.model.clusters);
                assert_eq!(ours.len(), theirs.len());
                assert!(ours.iter().zip(&theirs).all(|(a, b)| a.size == b.size && (a.reach - b.reach).abs() < 1e-6));
                assert_eq!(streamed.evaluation.sample, None);
            }
        }
    }

    #[test]
    fn an_algorithm_that_finds_the_number_itself_is_not_asked_for_one() {
        let (x, context) = (rows(), Context::default());
        let params = params(Algorithm::Dbscan(DbscanParams::new()), NClusters::Auto);
        let whole = run(x.view(), &params, &context, &Silent).unwrap();
        assert_eq!(run_blocks(&mut x.view(), &params, &context, &Silent).unwrap().clustering, whole.fitted.clustering);
    }

    #[test]
    fn no_rows_are_left_to_the_clusterer() {
        let x = Array2::zeros((0, 100));
        let algorithm = Algorithm::MiniBatch(MiniBatchParams::new(1));
        let params = FitParams { reduction: Reduction::Auto, ..params(algorithm, NClusters::Fixed(2)) };
        let context = Context::default();
        assert!(matches!(run(x.view(), &params, &context, &Silent), Err(PipelineError::Cluster(_))));
        assert!(matches!(run_blocks(&mut x.view(), &params, &context, &Silent), Err(PipelineError::Cluster(_))));
    }

    /// The reducer of a sample has the landmarks of all rows' reducer, not every row of the sample.
    #[test]
    fn a_sample_has_few_landmarks() {
        let x = Array2::from_shape_fn((10_001, 3), |(i, j)| ((i * 37 + j * 101 + i * j * 7) % 211) as f32 / 211.0);
        let reduction = Reduction::To(Method::KernelPca, 2);
        let algorithm = Algorithm::MiniBatch(MiniBatchParams::new(1));
        let params = FitParams { reduction, ..params(algorithm, NClusters::Fixed(2)) };
        let model = run_blocks(&mut x.view(), &params, &Context::default(), &Silent).unwrap().model;
        let landmarks = model.reducer.unwrap().parts().1[0].1.nrows();
        assert_eq!(landmarks, 1000);
    }

    #[test]
    fn rows_that_are_not_finite_are_named() {
        let mut x = rows();
        x[[2345, 1]] = f32::NAN;
        let params = params(Algorithm::MiniBatch(MiniBatchParams::new(1)), NClusters::Fixed(2));
        let error = run_blocks(&mut x.view(), &params, &Context::default(), &Silent).unwrap_err();
        assert!(error.to_string().contains("row 2345"), "{error}");
    }
}
