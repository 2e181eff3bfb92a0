//! The report of a sort: thumbnails, and the outcome in the report's terms.

use super::args::InputArgs;
use super::{results, settings};
use crate::cluster::{Assigner, Metric};
use crate::collection::{ClusterId, Features, Skipped, Truth, n_clusters};
use crate::decode::decode;
use crate::embed::{Embedded, Extractors};
use crate::evaluate::{Sampling, sample_rows};
use crate::model::Verdict;
use crate::neighbors::{NeighborsParams, nearest};
use crate::pipeline::Outcome;
use crate::progress::Reporter;
use crate::raster::picture;
use crate::reduce::{Method, ReducerParams};
use crate::report::{self, Cluster, Confusion, Contents, Member, Overlay, OverlayValues, Score};
use crate::source::{Collection, Content};
use crate::topology::{Graph, cluster_graph};
use image::DynamicImage;
use linfa::ParamGuard;
use ndarray::Array2;
use rayon::prelude::*;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Sparse rows that the map's directions are found from, at most.
const MAX_SPARSE: usize = 2_000;
/// How many rows the map shows by their neighbours, and of how many of them it is fitted.
const NEIGHBORLY: RangeInclusive<usize> = 50..=100_000;
const MAX_NEIGHBORLY: usize = 20_000;
/// Clusters in the graph, the largest, and rows whose neighbours are searched for it, at most.
const MAX_NODES: usize = 150;
const MAX_JOINED: usize = 10_000;
/// How near alike images may come on the map, so that they can be told apart.
const MIN_DIST: f64 = 0.1;
/// What the map's places say.
const BY_NEIGHBORS: &str = "placed near those most like it (by UMAP): distances between groups say little";
const BY_FEATURES: &str = "placed by the two features that were clustered";
const BY_COMPONENTS: &str = "placed along the two directions in which the collection varies most";

/// What the report is about.
pub struct Gallery<'a, 'x> {
    /// The images.
    pub collection: &'a Collection,
    /// Their features.
    pub embedded: &'a Embedded,
    /// What made them.
    pub extractor: &'a Extractors,
    /// Their true classes.
    pub truth: Option<&'a Truth>,
    /// What the map can be coloured by, beside what the clusterer says of each image.
    pub overlays: &'a [Overlay],
    /// What was found.
    pub outcome: &'a Outcome<'x>,
    /// Where each image is put, below OUT.
    pub destinations: &'a [Option<PathBuf>],
    /// Images left out.
    pub skipped: &'a [Skipped],
    /// Name and value of what was asked for.
    pub facts: Vec<(String, String)>,
}

/// Writes the report into `directory`, where the thumbnails of decoded images already are.
pub fn write(
    directory: &Path,
    gallery: &Gallery<'_, '_>,
    input: &InputArgs,
    reporter: &dyn Reporter,
) -> anyhow::Result<()> {
    let thumbnails = thumbnails(directory, gallery, input, reporter)?;
    let items = gallery.embedded.kept.iter().map(|&i| &gallery.collection.source.items()[i]);
    let verdicts = gallery.outcome.verdicts.iter();
    let members: Vec<Member<'_>> = items
        .zip(verdicts)
        .zip(thumbnails)
        .enumerate()
        .map(|(row, ((item, verdict), thumbnail))| Member {
            id: &item.id,
            thumbnail,
            target: gallery.destinations[row].clone(),
            cluster: verdict.cluster,
            confidence: verdict.confidence.map(|c| c as f32),
            distance: Some(verdict.distance as f32),
            class: gallery.truth.and_then(|t| Some(t.names[t.classes[row]?].as_str())),
            size: None,
        })
        .collect();
    let evaluation = &gallery.outcome.evaluation;
    let confusion = evaluation.confusion.as_ref().map(|c| Confusion {
        classes: &c.classes,
        rows: c.rows.iter().map(|r| (r.cluster, r.counts.as_slice())).collect(),
    });
    let scores: Vec<Score> = results::explained(&evaluation.scores)
        .into_iter()
        .map(|(name, value, meaning)| Score { name: name.into(), value, meaning: meaning.into() })
        .collect();
    let (places, meaning) = layout(&gallery.outcome.fitted.reduced, reporter)?;
    let title = input.input.file_name().map_or_else(|| "images".into(), |n| n.to_string_lossy());
    let drawing = drawing(gallery);
    let overlays = [found(gallery.outcome), gallery.overlays.to_vec()].concat();
    let graph = graph(gallery.outcome, reporter)?;
    let contents = Contents {
        title: &title,
        facts: &gallery.facts,
        scores: &scores,
        members: &members,
        clusters: &clusters(gallery),
        layout: Some(report::Layout { places: places.view(), meaning }),
        overlays: &overlays,
        graph: graph.as_ref(),
        confusion: confusion.as_ref(),
        sweep: gallery.outcome.fitted.sweep.as_ref(),
        drawing: drawing.as_ref(),
        skipped: gallery.skipped,
    };
    Ok(report::write(directory, &contents, reporter)?)
}

/// What the clusterer says of each image, where it isn't the same of all: how sure it is and how far the image is from its
/// cluster, and the clusters of other granularities.
fn found(outcome: &Outcome<'_>) -> Vec<Overlay> {
    // As many digits as are looked at.
    let short = |value: f64| format!("{value:.3e}").parse().ok();
    let numbers = |name: &str, value: &dyn Fn(&Verdict) -> Option<f64>| {
        let values: Vec<Option<f64>> = outcome.verdicts.iter().map(|v| value(v).and_then(short)).collect();
        let first = values.iter().flatten().next();
        let differ = values.iter().flatten().any(|value| Some(value) != first);
        differ.then(|| Overlay { name: name.into(), values: OverlayValues::Numbers(values) })
    };
    let confidence = numbers("confidence", &|verdict| verdict.confidence);
    let distance = numbers("distance", &|verdict| Some(verdict.distance));
    let level = |(number, level): (usize, &Vec<Option<ClusterId>>)| Overlay {
        name: format!("level {}: {} clusters", number + 1, n_clusters(level)),
        values: OverlayValues::Texts(Truth::from_names(level.iter().map(|cluster| cluster.map(|c| c.to_string())))),
    };
    let levels = outcome.fitted.clustering.levels.iter().enumerate().rev().map(level);
    confidence.into_iter().chain(distance).chain(levels).collect()
}

/// Which clusters, of the largest, have images near one another: by the neighbours the clusterer went by, or else by those of
/// a sample.
fn graph(outcome: &Outcome<'_>, reporter: &dyn Reporter) -> anyhow::Result<Option<Graph>> {
    let (rows, clustering) = (&outcome.fitted.reduced, &outcome.fitted.clustering);
    let names: Vec<String> = outcome.model.clusters.iter().map(|cluster| cluster.name.clone()).collect();
    if names.len() < 2 {
        return Ok(None);
    }
    let shown = |row: usize| clustering.labels[row].filter(|&cluster| cluster < MAX_NODES);
    if let (Some(neighbors), Features::Dense(x)) = (&clustering.neighbors, rows) {
        let clusters: Vec<_> = (0..x.nrows()).map(shown).collect();
        return Ok(Some(cluster_graph(neighbors, &clusters, x.view(), &names)?));
    }
    let max_samples = if matches!(rows, Features::Sparse(_)) { MAX_SPARSE } else { MAX_JOINED };
    let n_samples = clustering.labels.len();
    let sample = sample_rows(n_samples, Sampling { max_samples, seed: 0 });
    let sample = sample.unwrap_or_else(|| (0..n_samples).collect());
    let x = rows.select(&sample).to_dense().into_owned();
    let clusters: Vec<_> = sample.iter().map(|&row| shown(row)).collect();
    let metric = outcome.model.assigner.metric();
    let neighbors = nearest(x.view(), &NeighborsParams { metric, ..Default::default() }, reporter)?;
    let mut graph = cluster_graph(&neighbors, &clusters, x.view(), &names)?;
    for node in &mut graph.nodes {
        node.medoid = sample[node.medoid];
        node.members.iter_mut().for_each(|row| *row = sample[*row]);
    }
    Ok(Some(graph))
}

/// The label map of a clusterer that draws in the plane.
fn drawing(gallery: &Gallery<'_, '_>) -> Option<DynamicImage> {
    match &gallery.outcome.fitted.clustering.assigner {
        Assigner::Raster(map) if map.transform.n_axes() == 2 => Some(picture::labels(map).into()),
        _ => None,
    }
}

/// Each cluster's figures, and its middle where the extractor can draw it.
fn clusters(gallery: &Gallery<'_, '_>) -> Vec<Cluster> {
    let model = &gallery.outcome.model;
    let mut features = model.assigner.centers().and_then(|centers| match &model.reducer {
        Some(reducer) => reducer.inverse_transform(centers),
        None => Some(centers.to_owned()),
    });
    let by_direction = model.assigner.centroids().is_some_and(|c| c.metric == Metric::Cosine);
    if let (Some(directions), true) = (&mut features, by_direction) {
        // A direction has no brightness: it is drawn with all there is.
        for mut direction in directions.outer_iter_mut() {
            let most = direction.fold(0f32, |most, value| most.max(*value));
            if most > 0.0 {
                direction /= most;
            }
        }
    }
    let rows = gallery.outcome.evaluation.clusters.iter().filter_map(|row| Some((row.cluster?, row)));
    rows.map(|(cluster, row)| {
        let percent = |v: f64| format!("{:.1} %", 100.0 * v);
        let facts = [
            row.purity.map(|p| ("mostly", format!("{} ({})", row.class.as_deref().unwrap_or_default(), percent(p)))),
            row.silhouette.map(|s| ("silhouette", format!("{s:.3}"))),
            row.mean_distance.map(|d| ("mean distance", format!("{d:.3}"))),
        ];
        Cluster {
            name: model.clusters[cluster].name.clone(),
            facts: facts.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect(),
            picture: features.as_ref().and_then(|features| gallery.extractor.picture(features.row(cluster))),
        }
    })
    .collect()
}

/// Places of the rows that were clustered on the map, shape (n_samples, 2), and what they say: UMAP where there are
/// neither too few nor too many, otherwise two principal components, which two features are themselves, turned. Of many
/// rows those of a sample are fitted.
fn layout(rows: &Features<'_>, reporter: &dyn Reporter) -> anyhow::Result<(Array2<f32>, &'static str)> {
    let (n_samples, n_features) = rows.dim();
    let sparse = matches!(rows, Features::Sparse(_));
    let by_neighbors = !sparse && NEIGHBORLY.contains(&n_samples) && n_features > 2;
    let n_components = n_samples.min(n_features).min(2);
    let (method, most, meaning) = match by_neighbors {
        true => (Method::Umap, MAX_NEIGHBORLY, BY_NEIGHBORS),
        false => (
            Method::Pca,
            if sparse { MAX_SPARSE } else { n_samples },
            if n_features == 2 { BY_FEATURES } else { BY_COMPONENTS },
        ),
    };
    let sample = sample_rows(n_samples, Sampling { max_samples: most, seed: 0 });
    let sample = sample.map_or_else(|| rows.view(), |sample| rows.select(&sample));
    let params = ReducerParams::new(method, n_components).min_dist(MIN_DIST).check()?;
    let reducer = params.fit_features(&sample, reporter)?;
    let whole = reducer.fitted().filter(|fitted| fitted.nrows() == n_samples);
    let placed = whole.unwrap_or_else(|| reducer.transform_features(rows));
    let places = Array2::from_shape_fn((n_samples, 2), |(i, j)| if j < n_components { placed[[i, j]] } else { 0.0 });
    Ok((places, meaning))
}

/// The thumbnail of each row; those of images that were not decoded in this run are made now.
fn thumbnails(
    directory: &Path,
    gallery: &Gallery<'_, '_>,
    input: &InputArgs,
    reporter: &dyn Reporter,
) -> anyhow::Result<Vec<Option<String>>> {
    let embedded = gallery.embedded;
    let mut found: Vec<Option<String>> =
        embedded.hashes.iter().map(|hash| report::find_thumbnail(directory, hash.as_bytes())).collect();
    let missing: Vec<usize> = (0..found.len()).filter(|&row| found[row].is_none()).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    reporter.begin("thumbnail", Some(missing.len() as u64));
    let source = &*gallery.collection.source;
    let limits = settings::limits(input);
    let make = |row: usize, content: Content| -> Option<String> {
        let image = match content {
            Content::Encoded(bytes) => decode(&bytes, &limits).ok()?,
            Content::Pixels(image) => image,
        };
        report::store_thumbnail(directory, embedded.hashes[row].as_bytes(), &image).ok()
    };
    let one = |row: usize| {
        reporter.check().ok()?;
        let made = source.read(embedded.kept[row]).ok().and_then(|content| make(row, content));
        reporter.advance(1);
        made
    };
    let made: Vec<Option<String>> = if source.sequential() {
        missing.iter().map(|&row| one(row)).collect()
    } else {
        missing.par_iter().map(|&row| one(row)).collect()
    };
    reporter.check()?;
    reporter.end();
    missing.into_iter().zip(made).for_each(|(row, url)| found[row] = url);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::Csr;
    use crate::progress::Silent;

    #[test]
    fn sparse_rows_lie_where_dense_ones_would() {
        let x =
            Array2::from_shape_fn((40, 8), |(i, j)| ((i * 7 + j * 5) % 11 * usize::from((i + j) % 3 == 0) * j) as f32);
        let sparse = Csr::csr_from_dense(x.view(), 0.0);
        let (dense, meaning) = layout(&x.view().into(), &Silent).unwrap();
        assert_eq!(meaning, BY_COMPONENTS);
        let (sparse, _) = layout(&(&sparse).into(), &Silent).unwrap();
        assert!(dense.iter().zip(&sparse).all(|(a, b)| (a - b).abs() < 0.1), "{dense} {sparse}");
        assert!(dense.columns().into_iter().all(|column| column.std(0.0) > 5.0));
    }

    #[test]
    fn alike_images_lie_near_one_another() {
        const HEAPS: usize = 5;
        let spread = |i: usize, j: usize| ((i * 31 + j * 17 + i * i * 7) % 29) as f32 / 29.0;
        let x = Array2::from_shape_fn((200, 12), |(i, j)| spread(i, j) + if j == i % HEAPS { 3.0 } else { 0.0 });
        let (places, meaning) = layout(&x.view().into(), &Silent).unwrap();
        assert_eq!((meaning, places.dim()), (BY_NEIGHBORS, (200, 2)));
        let squared = |i: usize, j: usize| (&places.row(i) - &places.row(j)).mapv(|v| v * v).sum();
        for i in 0..200 {
            let others = (0..200).filter(|&j| j != i);
            let nearest = others.min_by(|&a, &b| squared(i, a).total_cmp(&squared(i, b))).unwrap();
            assert_eq!(nearest % HEAPS, i % HEAPS);
        }
        let plane = x.slice_axis(ndarray::Axis(1), (0..2).into());
        assert_eq!(layout(&plane.into(), &Silent).unwrap().1, BY_FEATURES);
    }
}
