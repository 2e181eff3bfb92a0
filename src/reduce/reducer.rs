//! Every reduction through one type: parameters, and the fitted map.

use super::layout::{Layout, Settings};
use super::{DiffusionMap, KernelPca, LinearParams, LinearReducer, Method, RandomProjection, ReduceError};
use crate::collection::Features;
use crate::device::Device;
use crate::progress::{Reporter, Silent};
use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Transformer};
use ndarray::{Array2, ArrayBase, ArrayView2, Data, Ix2};

/// Parameters of a reduction, not checked yet. What each is for, and when not to use it, stands with its [`Method`].
///
/// ```
/// use alike::reduce::{Method, ReducerParams};
/// use linfa::{DatasetBase, traits::{Fit, Transformer}};
/// let x = ndarray::Array2::from_shape_fn((30, 4), |(i, j)| ((i * 7 + j * 5) % 11) as f32);
/// let reducer = ReducerParams::new(Method::KernelPca, 2).gamma(0.05).fit(&DatasetBase::from(x.clone()))?;
/// assert_eq!(reducer.transform(x).dim(), (30, 2));
/// # Ok::<(), alike::reduce::ReduceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReducerParams(ReducerValidParams);

/// Checked parameters.
#[derive(Clone, Debug)]
pub struct ReducerValidParams {
    method: Method,
    n_components: usize,
    gamma: Option<f64>,
    few_landmarks: bool,
    n_neighbors: Option<usize>,
    min_dist: f64,
    seed: u64,
    device: Device,
}

impl ReducerParams {
    /// A reduction to `n_components`.
    pub fn new(method: Method, n_components: usize) -> Self {
        Self(ReducerValidParams {
            method,
            n_components,
            gamma: None,
            few_landmarks: false,
            n_neighbors: None,
            min_dist: 0.0,
            seed: 0,
            device: Device::Cpu,
        })
    }

    /// Kernel PCA and diffusion map: the kernel is exp(-gamma |x - y|^2). By default 1 / n_features for kernel PCA, and
    /// one over the median squared distance for the diffusion map.
    pub fn gamma(self, gamma: f64) -> Self {
        Self(ReducerValidParams { gamma: Some(gamma), ..self.0 })
    }

    /// UMAP and t-SNE: neighbours of each row that count, 15 by default for UMAP, 90 for t-SNE, which is three times its
    /// perplexity. The row itself is not counted, as it is by umap-learn. More of them show the whole, fewer the parts.
    pub fn n_neighbors(self, n_neighbors: usize) -> Self {
        Self(ReducerValidParams { n_neighbors: Some(n_neighbors), ..self.0 })
    }

    /// UMAP: how near rows may come that belong together, 0 to 3. By default 0, which is best for clustering; 0.1 leaves
    /// more to see within clusters.
    pub fn min_dist(self, min_dist: f64) -> Self {
        Self(ReducerValidParams { min_dist, ..self.0 })
    }

    /// As few landmarks as many rows get: the rows stand for more.
    pub(crate) fn few_landmarks(self, few_landmarks: bool) -> Self {
        Self(ReducerValidParams { few_landmarks, ..self.0 })
    }

    /// Seed of whatever is drawn.
    pub fn seed(self, seed: u64) -> Self {
        Self(ReducerValidParams { seed, ..self.0 })
    }

    /// PCA, SVD and whitening: where the products with the data run.
    pub fn device(self, device: Device) -> Self {
        Self(ReducerValidParams { device, ..self.0 })
    }
}

impl ParamGuard for ReducerParams {
    type Checked = ReducerValidParams;
    type Error = ReduceError;

    fn check_ref(&self) -> Result<&ReducerValidParams, ReduceError> {
        match self.0 {
            ReducerValidParams { n_components: 0, .. } => Err(ReduceError::NoComponents),
            ReducerValidParams { gamma: Some(gamma), .. } if !(gamma.is_finite() && gamma > 0.0) => {
                Err(ReduceError::Gamma { gamma })
            }
            ReducerValidParams { min_dist, .. } if !(0.0..=3.0).contains(&min_dist) => {
                Err(ReduceError::MinDist { min_dist })
            }
            _ => Ok(&self.0),
        }
    }

    fn check(self) -> Result<ReducerValidParams, ReduceError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl ReducerValidParams {
    /// Fits the rows of `x`, shape (n_samples, n_features), dense or sparse.
    ///
    /// # Errors
    /// More components than the data can have, values that are not finite, a failing device, or an interruption.
    pub fn fit_features<'a>(
        &self,
        x: impl Into<Features<'a>>,
        reporter: &dyn Reporter,
    ) -> Result<Reducer, ReduceError> {
        let x = &x.into();
        let (n_samples, n_features) = x.dim();
        let n_components = self.n_components;
        let most = self.method.most_components(n_samples, n_features);
        if n_samples == 0 || n_features == 0 || n_components > most {
            return Err(ReduceError::TooMany { n_components, n_samples, n_features, most });
        }
        let (gamma, few, seed) = (self.gamma, self.few_landmarks, self.seed);
        Ok(match self.method {
            Method::Pca | Method::Svd | Method::Whiten => {
                let params =
                    LinearParams::new(self.method, n_components).seed(seed).device(self.device.clone()).check()?;
                Reducer::Linear(params.fit_features(x, reporter)?)
            }
            Method::KernelPca => Reducer::KernelPca(KernelPca::fit(x, n_components, gamma, few, seed, reporter)?),
            Method::Random => Reducer::Random(RandomProjection::fit(x, n_components, seed)?),
            Method::Diffusion => Reducer::Diffusion(DiffusionMap::fit(x, n_components, gamma, few, seed, reporter)?),
            Method::Umap | Method::Tsne => {
                let settings = Settings::new(self.method, self.n_neighbors, self.min_dist);
                Reducer::Layout(Layout::fit(x, n_components, settings, seed, reporter)?)
            }
        })
    }
}

/// A fitted reduction.
#[derive(Clone, Debug, PartialEq)]
pub enum Reducer {
    /// PCA, truncated SVD, or whitening.
    Linear(LinearReducer),
    /// Kernel PCA.
    KernelPca(KernelPca),
    /// Random projection.
    Random(RandomProjection),
    /// Diffusion map.
    Diffusion(DiffusionMap),
    /// UMAP or t-SNE.
    Layout(Layout),
}

impl Reducer {
    /// Which reduction this is.
    pub fn method(&self) -> Method {
        match self {
            Self::Linear(reducer) => reducer.method(),
            Self::KernelPca(_) => Method::KernelPca,
            Self::Random(_) => Method::Random,
            Self::Diffusion(_) => Method::Diffusion,
            Self::Layout(reducer) => reducer.method(),
        }
    }

    /// Number of features of a row.
    pub fn n_features(&self) -> usize {
        match self {
            Self::Linear(reducer) => reducer.components.ncols(),
            Self::KernelPca(KernelPca { landmarks, .. }) | Self::Diffusion(DiffusionMap { landmarks, .. }) => {
                landmarks.rows.ncols()
            }
            Self::Random(reducer) => reducer.components.ncols(),
            Self::Layout(reducer) => reducer.rows.ncols(),
        }
    }

    /// Number of features of a reduced row.
    pub fn n_components(&self) -> usize {
        match self {
            Self::Linear(reducer) => reducer.components.nrows(),
            Self::KernelPca(reducer) => reducer.projection.nrows(),
            Self::Random(reducer) => reducer.components.nrows(),
            Self::Diffusion(reducer) => reducer.coordinates.nrows(),
            Self::Layout(reducer) => reducer.places.nrows(),
        }
    }

    /// The share of the variance along each component, 0 to 1; for kernel PCA that of the kernel's feature space. `None`
    /// where there is no such thing.
    pub fn explained_variance_ratio(&self) -> Option<&[f64]> {
        match self {
            Self::Linear(reducer) => Some(&reducer.ratio),
            Self::KernelPca(reducer) => Some(&reducer.ratio),
            Self::Random(_) | Self::Diffusion(_) | Self::Layout(_) => None,
        }
    }

    /// Reduces rows of shape (n, n_features) to (n, n_components). O(n d c), or O(n m (d + c)) with m landmarks;
    /// for layouts m are the rows of the fit.
    ///
    /// # Panics
    /// If the number of features is not the one of the fit.
    pub fn transform_features<'a>(&self, x: impl Into<Features<'a>>) -> Array2<f32> {
        let x = &x.into();
        match self {
            Self::Linear(reducer) => reducer.transform_features(x),
            Self::KernelPca(reducer) => reducer.transform(x),
            Self::Random(reducer) => reducer.transform(x),
            Self::Diffusion(reducer) => reducer.transform(x),
            Self::Layout(reducer) => reducer.transform(x),
        }
    }

    /// What [`transform_features`](Self::transform_features) gives for the rows of the fit, where the reducer keeps it:
    /// layouts do.
    pub fn fitted(&self) -> Option<Array2<f32>> {
        match self {
            Self::Layout(reducer) => Some(reducer.fitted()),
            Self::Linear(_) | Self::KernelPca(_) | Self::Random(_) | Self::Diffusion(_) => None,
        }
    }

    /// Takes reduced rows back to n_features, as near as the components reach; `None` where there is no way back.
    ///
    /// # Panics
    /// If the number of components is not the one of the fit.
    pub fn inverse_transform(&self, reduced: ArrayView2<'_, f32>) -> Option<Array2<f32>> {
        match self {
            Self::Linear(reducer) => Some(reducer.inverse_transform(reduced)),
            Self::KernelPca(_) | Self::Random(_) | Self::Diffusion(_) | Self::Layout(_) => None,
        }
    }
}

impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, ReduceError> for ReducerValidParams {
    type Object = Reducer;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Reducer, ReduceError> {
        self.fit_features(dataset.records.view(), &Silent)
    }
}

impl<D: Data<Elem = f32>> Transformer<ArrayBase<D, Ix2>, Array2<f32>> for Reducer {
    fn transform(&self, x: ArrayBase<D, Ix2>) -> Array2<f32> {
        self.transform_features(x.view())
    }
}
