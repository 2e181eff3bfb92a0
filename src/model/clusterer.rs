//! An assigner as a part of the manifest and some arrays, and back.

use super::file::array;
use super::manifest::Clusterer;
use crate::cluster::{Assigner, Centroids, Density, Mixture, Tree};
use crate::collection::ClusterId;
use ndarray::ArrayView2;
use safetensors::tensor::SafeTensors;

/// Arrays by name.
pub(super) type Arrays<'a> = Vec<(String, ArrayView2<'a, f32>)>;

/// The assigner without its arrays, and those.
pub(super) fn parts(assigner: &Assigner) -> (Clusterer, Arrays<'_>) {
    match assigner {
        Assigner::Centroids(Centroids { metric, centroids, blank }) => {
            (Clusterer::Centroids { metric: *metric, blank: *blank }, vec![("centroids".into(), centroids.view())])
        }
        Assigner::Tree(Tree { levels, parents }) => {
            let arrays = levels.iter().enumerate().map(|(level, centroids)| (level_name(level), centroids.view()));
            (Clusterer::Tree { parents: parents.clone() }, arrays.collect())
        }
        Assigner::Mixture(Mixture { weights, means, whitening }) => {
            let arrays = vec![("means".into(), means.view()), ("whitening".into(), whitening.view())];
            (Clusterer::Mixture { weights: weights.clone() }, arrays)
        }
        Assigner::Density(Density { eps, core, clusters }) => {
            (Clusterer::Density { eps: *eps, clusters: clusters.clone() }, vec![("core".into(), core.view())])
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
    }
}

/// The array of a level, counted from the finest, which is level 1.
fn level_name(level: usize) -> String {
    format!("level-{}", level + 1)
}
