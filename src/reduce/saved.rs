//! A fitted reduction as plain data and named arrays, and back.

use super::landmarks::Landmarks;
use super::layout::Settings;
use super::{DiffusionMap, KernelPca, Layout, LinearReducer, Method, RandomProjection, Reducer};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// A reduction without its arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Which.
    pub method: Method,
    /// PCA, SVD, whitening: variance along each component. Diffusion map: the eigenvalues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explained_variance: Vec<f64>,
    /// The share of the total variance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explained_variance_ratio: Vec<f64>,
    /// Kernel PCA, diffusion map: the kernel is exp(-gamma |x - y|^2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// UMAP, t-SNE: neighbours that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_neighbors: Option<usize>,
    /// UMAP: how near rows may come that belong together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_dist: Option<f64>,
}

impl Reducer {
    /// The reduction without its arrays, and those by name; a vector is one row.
    pub(crate) fn parts(&self) -> (Saved, Vec<(&'static str, ArrayView2<'_, f32>)>) {
        let saved = |variance: &[f64], ratio: &[f64], gamma| Saved {
            method: self.method(),
            explained_variance: variance.to_vec(),
            explained_variance_ratio: ratio.to_vec(),
            gamma,
            n_neighbors: None,
            min_dist: None,
        };
        match self {
            Self::Linear(LinearReducer { mean, components, variance, ratio, .. }) => {
                let mean = mean.iter().map(|mean| ("mean", row(mean)));
                (saved(variance, ratio, None), std::iter::once(("components", components.view())).chain(mean).collect())
            }
            Self::KernelPca(KernelPca { landmarks, projection, offset, ratio }) => {
                let mut arrays = landmark_arrays(landmarks);
                arrays.extend([("components", projection.view()), ("offset", row(offset))]);
                (saved(&[], ratio, Some(landmarks.gamma)), arrays)
            }
            Self::Random(RandomProjection { components }) => {
                (saved(&[], &[], None), vec![("components", components.view())])
            }
            Self::Diffusion(DiffusionMap { landmarks, weights, coordinates, eigenvalues }) => {
                let mut arrays = landmark_arrays(landmarks);
                arrays.extend([("components", coordinates.view()), ("weights", row(weights))]);
                (saved(eigenvalues, &[], Some(landmarks.gamma)), arrays)
            }
            Self::Layout(Layout { settings, rows, places }) => {
                let layout = Saved {
                    n_neighbors: Some(settings.n_neighbors),
                    min_dist: Some(settings.min_dist),
                    ..saved(&[], &[], None)
                };
                (layout, vec![("components", places.view()), ("rows", rows.view())])
            }
        }
    }

    /// The reduction of these parts, if they fit together; `array` hands out finite matrices by name.
    pub(crate) fn from_parts(
        saved: Saved,
        array: impl Fn(&str) -> Result<Array2<f32>, String>,
    ) -> Result<Self, String> {
        let vector = |name: &str, length: usize| -> Result<Array1<f32>, String> {
            let rows = array(name)?;
            let shape = rows.dim();
            if shape == (1, length) { Ok(rows.row(0).to_owned()) } else { Err(format!("{name} has shape {shape:?}")) }
        };
        let Saved { method, explained_variance: variance, explained_variance_ratio: ratio, gamma, .. } = saved;
        let components = array("components")?;
        let (count, width) = components.dim();
        let landmarks = || -> Result<Landmarks, String> {
            let rows = array("landmarks")?;
            let gamma = gamma.filter(|g| g.is_finite() && *g > 0.0).ok_or("the kernel has no width")?;
            let centre = vector("centre", rows.ncols())?;
            if rows.nrows() == width { Ok(Landmarks::new(centre, rows, gamma)) } else { Err(mismatch()) }
        };
        let n_figures = |variance_needed: usize, ratio_needed: usize| {
            if (variance.len(), ratio.len()) == (variance_needed, ratio_needed) { Ok(()) } else { Err(mismatch()) }
        };
        if count == 0 || width == 0 {
            return Err(mismatch());
        }
        Ok(match method {
            Method::Pca | Method::Svd | Method::Whiten => {
                n_figures(count, count)?;
                let mean = if method == Method::Svd { None } else { Some(vector("mean", width)?) };
                Self::Linear(LinearReducer { method, mean, components, variance, ratio })
            }
            Method::KernelPca => {
                n_figures(0, count)?;
                let (landmarks, offset) = (landmarks()?, vector("offset", count)?);
                Self::KernelPca(KernelPca { landmarks, projection: components, offset, ratio })
            }
            Method::Random => {
                n_figures(0, 0)?;
                Self::Random(RandomProjection { components })
            }
            Method::Diffusion => {
                n_figures(count, 0)?;
                let (landmarks, weights) = (landmarks()?, vector("weights", width)?);
                Self::Diffusion(DiffusionMap { landmarks, weights, coordinates: components, eigenvalues: variance })
            }
            Method::Umap | Method::Tsne => {
                n_figures(0, 0)?;
                let rows = array("rows")?;
                match (saved.n_neighbors, saved.min_dist) {
                    (Some(n_neighbors @ 1..), Some(min_dist @ 0.0..=3.0)) if rows.nrows() == width => {
                        let settings = Settings { method, n_neighbors, min_dist };
                        Self::Layout(Layout { settings, rows, places: components })
                    }
                    _ => return Err(mismatch()),
                }
            }
        })
    }
}

fn landmark_arrays(landmarks: &Landmarks) -> Vec<(&'static str, ArrayView2<'_, f32>)> {
    vec![("landmarks", landmarks.rows.view()), ("centre", row(&landmarks.centre))]
}

fn row(vector: &Array1<f32>) -> ArrayView2<'_, f32> {
    let vector: ArrayView1<'_, f32> = vector.view();
    vector.insert_axis(Axis(0))
}

fn mismatch() -> String {
    "the reducer's arrays don't fit together".into()
}
