//! An assigner as a part of the manifest and some arrays, and back.

use super::file::array;
use super::manifest::Clusterer;
use crate::cluster::{Assigner, Centroids, Classifier, Density, Head, Layer, Mixture, Neighbors, Then, Tree};
use crate::collection::ClusterId;
use crate::raster::{CellLabel, LabelMap, Transform};
use ndarray::{Array2, ArrayView1, Axis, CowArray, Ix2};
use safetensors::tensor::SafeTensors;

/// Arrays by name.
pub(super) type Arrays<'a> = Vec<(String, CowArray<'a, f32, Ix2>)>;

/// The assigner without its arrays, and those.
pub(super) fn parts(assigner: &Assigner) -> (Clusterer, Arrays<'_>) {
    match assigner {
        Assigner::Centroids(Centroids { metric, centroids, blank }) => (
            Clusterer::Centroids { metric: *metric, blank: *blank },
            vec![("centroids".into(), centroids.view().into())],
        ),
        Assigner::Tree(Tree { levels, parents }) => {
            let arrays =
                levels.iter().enumerate().map(|(level, centroids)| (level_name(level), centroids.view().into()));
            (Clusterer::Tree { parents: parents.clone() }, arrays.collect())
        }
        Assigner::Mixture(Mixture { weights, means, whitening }) => {
            let arrays = vec![("means".into(), means.view().into()), ("whitening".into(), whitening.view().into())];
            (Clusterer::Mixture { weights: weights.clone() }, arrays)
        }
        Assigner::Density(Density { eps, core, clusters }) => {
            (Clusterer::Density { eps: *eps, clusters: clusters.clone() }, vec![("core".into(), core.view().into())])
        }
        Assigner::Neighbors(Neighbors { metric, rows, labels, strengths, reach }) => {
            let strengths = Array2::from_shape_vec((strengths.len(), 1), strengths.clone()).expect("one column");
            (
                Clusterer::Neighbors { metric: *metric, clusters: labels.clone(), reach: reach.clone() },
                vec![("rows".into(), rows.view().into()), ("strengths".into(), strengths.into())],
            )
        }
        Assigner::Classifier(Classifier { heads }) => {
            let layers = heads.iter().enumerate().flat_map(|(h, head)| {
                head.layers.iter().enumerate().flat_map(move |(l, layer)| {
                    let bias = layer.bias.view().insert_axis(Axis(1));
                    let names = layer_names(h, l);
                    names.into_iter().zip([layer.weights.view().into(), bias.into()])
                })
            });
            let thens = |head: &Head| head.layers.iter().map(|layer| layer.then).collect();
            (Clusterer::Classifier { heads: heads.iter().map(thens).collect() }, layers.collect())
        }
        Assigner::Raster(LabelMap { transform, cells }) => {
            // Each cell's cluster, counted from 1 so that 0 is noise, and its confidence.
            let cells = Array2::from_shape_fn((cells.len(), 2), |(cell, column)| match column {
                0 => cells[cell].cluster.map_or(0.0, |cluster| (cluster + 1) as f32),
                _ => cells[cell].confidence,
            });
            (Clusterer::Raster { transform: transform.clone() }, vec![("cells".into(), cells.into())])
        }
    }
}

/// The assigner of these parts, if they fit together.
pub(super) fn assemble(clusterer: Clusterer, tensors: &SafeTensors<'_>) -> Result<Assigner, String> {
    match clusterer {
        Clusterer::Centroids { metric, blank } => {
            let centroids = array(tensors, "centroids")?;
            match blank {
                Some(blank) if blank >= centroids.nrows() => Err("the cluster of blank rows is not there".into()),
                _ => Ok(Assigner::Centroids(Centroids { metric, centroids, blank })),
            }
        }
        Clusterer::Tree { parents } => {
            let levels =
                (0..=parents.len()).map(|level| array(tensors, &level_name(level))).collect::<Result<Vec<_>, _>>()?;
            let fits = |(level, parents): (usize, &Vec<ClusterId>)| {
                parents.len() == levels[level].nrows() && parents.iter().all(|&p| p < levels[level + 1].nrows())
            };
            let whole = levels.iter().all(|level| level.nrows() > 0 && level.ncols() == levels[0].ncols());
            match whole && parents.iter().enumerate().all(fits) {
                true => Ok(Assigner::Tree(Tree { levels, parents })),
                false => Err("the levels don't fit together".into()),
            }
        }
        Clusterer::Mixture { weights } => {
            let (means, whitening) = (array(tensors, "means")?, array(tensors, "whitening")?);
            let (k, d) = means.dim();
            let whole = weights.len() == k && k.checked_mul(d) == Some(whitening.nrows()) && whitening.ncols() == d;
            let positive = |v: &f32| v.is_finite() && *v > 0.0;
            match whole && weights.iter().chain((0..k * d).map(|i| &whitening[[i, i % d]])).all(positive) {
                true => Ok(Assigner::Mixture(Mixture { weights, means, whitening })),
                false => Err("the Gaussians don't fit together".into()),
            }
        }
        Clusterer::Density { eps, clusters } => {
            let core = array(tensors, "core")?;
            // No more clusters than core points: their number sizes what is allocated later.
            let known =
                core.nrows() > 0 && clusters.len() == core.nrows() && clusters.iter().all(|&c| c < clusters.len());
            match known && eps.is_finite() && eps >= 0.0 {
                true => Ok(Assigner::Density(Density { eps, core, clusters })),
                false => Err("the core points don't fit together".into()),
            }
        }
        Clusterer::Neighbors { metric, clusters, reach } => {
            let (rows, strengths) = (array(tensors, "rows")?, array(tensors, "strengths")?);
            let whole = rows.nrows() > 0 && clusters.len() == rows.nrows() && strengths.dim() == (rows.nrows(), 1);
            let known = clusters.iter().flatten().all(|&cluster| cluster < reach.len()) && reach.len() <= rows.nrows();
            let within = strengths.iter().all(|strength| (0.0..=1.0).contains(strength));
            if !(whole && known && within && reach.iter().all(|reach| reach.is_finite() && *reach >= 0.0)) {
                return Err("the rows of the fit don't fit together".into());
            }
            let strengths = strengths.into_iter().collect();
            Ok(Assigner::Neighbors(Neighbors { metric, rows, labels: clusters, strengths, reach }))
        }
        Clusterer::Classifier { heads } => classifier(&heads, tensors).map(Assigner::Classifier),
        Clusterer::Raster { transform } => {
            let cells = array(tensors, "cells")?;
            let whole = is_sound(&transform) && cells.dim() == (transform.n_cells(), 2);
            // No more clusters than cells: their number sizes what is allocated later.
            let known = |cluster: f32| cluster.fract() == 0.0 && (0.0..=cells.nrows() as f32).contains(&cluster);
            let sound = |cell: ArrayView1<'_, f32>| known(cell[0]) && (0.0..=1.0).contains(&cell[1]);
            if !(whole && cells.outer_iter().all(sound)) {
                return Err("the cells don't fit together".into());
            }
            let label = |cell: ArrayView1<'_, f32>| CellLabel {
                cluster: (cell[0] as ClusterId).checked_sub(1),
                confidence: cell[1],
            };
            Ok(Assigner::Raster(LabelMap { cells: cells.outer_iter().map(label).collect(), transform }))
        }
    }
}

/// The classifier of these layers, if each takes what the one before puts out and all heads end in the same clusters.
fn classifier(heads: &[Vec<Then>], tensors: &SafeTensors<'_>) -> Result<Classifier, String> {
    let layer = |head: usize, (at, &then): (usize, &Then)| {
        let [weights, bias] = layer_names(head, at);
        let (weights, bias) = (array(tensors, &weights)?, array(tensors, &bias)?);
        match bias.dim() == (weights.nrows(), 1) && !weights.is_empty() {
            true => Ok(Layer { weights, bias: bias.column(0).to_owned(), then }),
            false => Err("a layer's weights and bias don't fit together".to_owned()),
        }
    };
    let head = |(at, thens): (usize, &Vec<Then>)| {
        let layers = thens.iter().enumerate().map(|then| layer(at, then)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, String>(Head { layers })
    };
    let heads = heads.iter().enumerate().map(head).collect::<Result<Vec<_>, _>>()?;
    let n_clusters = |head: &Head| head.layers.last().filter(|last| last.then == Then::Linear).map(|l| l.bias.len());
    let first = heads.first().and_then(n_clusters).ok_or("a classifier without layers that end in clusters")?;
    let chained = |head: &Head| head.layers.windows(2).all(|pair| pair[0].weights.nrows() == pair[1].weights.ncols());
    match heads.iter().all(|head| n_clusters(head) == Some(first) && chained(head)) {
        true => Ok(Classifier { heads }),
        false => Err("the layers don't fit together".into()),
    }
}

/// Whether a transform has its parts, and no more cells than can be held.
fn is_sound(Transform { origin, scale, shape, .. }: &Transform) -> bool {
    let n_cells = shape
        .iter()
        .try_fold(1usize, |n, &side| n.checked_mul(side).filter(|n| (1..=Transform::MAX_CELLS).contains(n)));
    let numbers = origin.iter().all(|v| v.is_finite()) && scale.iter().all(|v| v.is_finite() && *v > 0.0);
    let n_axes = shape.len();
    numbers
        && n_cells.is_some()
        && (1..=Transform::MAX_AXES).contains(&n_axes)
        && origin.len() == n_axes
        && scale.len() == n_axes
}

/// The arrays of a head's layer, weights and bias, both counted from 1.
fn layer_names(head: usize, layer: usize) -> [String; 2] {
    ["weights", "bias"].map(|name| format!("head-{}.layer-{}.{name}", head + 1, layer + 1))
}

/// The array of a level, counted from the finest, which is level 1.
fn level_name(level: usize) -> String {
    format!("level-{}", level + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;
    use crate::model::{ClusterEntry, Model, Provenance};

    fn model(neighbors: Neighbors) -> Model {
        let cluster = |c| ClusterEntry { name: format!("cluster-{c:03}"), size: 1, reach: 0.5 };
        let clusters = (0..neighbors.reach.len()).map(cluster).collect();
        let assigner = Assigner::Neighbors(neighbors);
        Model { extractor: None, reducer: None, assigner, clusters, provenance: Provenance::default() }
    }

    fn neighbors() -> Neighbors {
        Neighbors {
            metric: Metric::Cosine,
            rows: ndarray::array![[0.1, -1.0], [1.0 / 3.0, 2.0], [0.6, f32::MIN_POSITIVE]],
            labels: vec![Some(1), None, Some(0)],
            strengths: vec![1.0 / 3.0, 0.0, 1.0],
            reach: vec![1.0 / 3.0, f64::MAX],
        }
    }

    #[test]
    fn rows_of_the_fit_come_back_whole() {
        let model = model(neighbors());
        let read = Model::from_bytes(&model.to_bytes(), "x.alike").unwrap();
        assert_eq!(read, model);
        let rows = neighbors().rows;
        assert_eq!(read.assign(rows.view()).unwrap(), model.assign(rows.view()).unwrap());
    }

    #[test]
    fn rows_of_the_fit_that_do_not_fit_together_are_damaged() {
        let edits: [fn(&mut Neighbors); 7] = [
            |n| n.labels[0] = Some(2),
            |n| n.labels.truncate(2),
            |n| n.strengths[1] = 1.5,
            |n| n.strengths[1] = f32::NAN,
            |n| n.reach[0] = -1.0,
            |n| n.reach.extend([1.0; 9]),
            |n| n.rows = Array2::zeros((0, 2)),
        ];
        for edit in edits {
            let mut broken = neighbors();
            edit(&mut broken);
            let error = Model::from_bytes(&model(broken).to_bytes(), "x.alike").unwrap_err().to_string();
            assert!(error.contains("damaged"), "{error}");
        }
    }
}
