//! Fewer features: linear maps (principal components, truncated singular vectors, whitening, random projection) and maps
//! through a kernel (kernel PCA, diffusion map), and layouts of the graph of neighbours (UMAP, t-SNE). All take new rows;
//! the first three have an inverse.
//!
//! The parameter types implement linfa's [`ParamGuard`](linfa::ParamGuard) and [`Fit`](linfa::traits::Fit), the fitted
//! [`LinearReducer`] and [`Reducer`] its [`Transformer`](linfa::traits::Transformer).

mod device;
mod diffusion;
mod features;
mod kernel_pca;
mod landmarks;
mod layout;
mod linear;
mod moments;
mod random;
mod reducer;
mod saved;
mod sparse;
mod subspace;

pub use diffusion::DiffusionMap;
pub use kernel_pca::KernelPca;
pub use layout::Layout;
pub use linear::{LinearParams, LinearReducer, LinearValidParams};
pub use random::{RandomProjection, johnson_lindenstrauss};
pub use reducer::{Reducer, ReducerParams, ReducerValidParams};
pub use saved::Saved;
pub(crate) use subspace::orthonormalise;

use crate::device::DeviceError;
use crate::progress::Interrupted;

/// The reductions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Principal components: features centred first. The first choice. Not for features of different units (scale them
    /// first), nor where what tells clusters apart has little variance.
    Pca,
    /// Truncated singular value decomposition: not centred, so that zeros stay zeros. Not where the mean is large beside
    /// the spread: it takes the first component.
    Svd,
    /// PCA, and each component divided by the standard deviation along it. Not for many components: the last ones are
    /// mostly noise, and get the weight of the first.
    Whiten,
    /// PCA in the feature space of the Gaussian kernel, of all rows up to 10,000, else from 1,000 of them as landmarks
    /// (Nystrom). Memory up to 10,000 rows 4 n^2 bytes (400 MB), a dense copy of them (512 MB at most), and
    /// 16 KB a row to reduce rows (160 MB); else a copy of the landmarks and some 50 MB. An interruption is not heard
    /// while eigenvectors are taken of a small dense matrix: seconds for a thousand components. Not where clusters are
    /// as good by PCA, which is far faster and has a way back.
    KernelPca,
    /// Gaussian random projection, which knows nothing of the data and keeps distances
    /// ([`johnson_lindenstrauss`]). Not for fewer than some hundred components, where PCA keeps far more.
    Random,
    /// Diffusion map (Coifman, Lafon 2006): coordinates by how a random walk between near rows spreads. Landmarks and
    /// memory as for kernel PCA. For curved shapes; not for round clusters, nor where rows lie apart from all others,
    /// which take a component each.
    Diffusion,
    /// Uniform manifold approximation and projection (McInnes, Healy, Melville 2018), of 15 neighbours by euclidean
    /// distance. Brings out clusters of any shape, in 2 dimensions for looking at or up to 64 for density clusterers;
    /// at most as many as there are rows. Not where distances or densities are to mean anything afterwards: how far
    /// clusters lie apart, and how wide they are, says little. Beside the search for neighbours 200 epochs (500 up to
    /// 10,000 rows) of O(edges x n_components), and at most 200 such products for the start. The model keeps all rows,
    /// for new ones to be placed by.
    Umap,
    /// t-distributed stochastic neighbour embedding (van der Maaten, Hinton 2008) to 1 or 2 components, with a perplexity
    /// of 30. For looking at: it fills the plane evenly and keeps more of the detail within clusters than UMAP. Not for
    /// clustering by density, which it evens out. The model keeps all rows.
    Tsne,
}

impl Method {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pca => "pca",
            Self::Svd => "svd",
            Self::Whiten => "whiten",
            Self::KernelPca => "kernel-pca",
            Self::Random => "random",
            Self::Diffusion => "diffusion",
            Self::Umap => "umap",
            Self::Tsne => "tsne",
        }
    }

    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Pca, Self::Svd, Self::Whiten, Self::KernelPca, Self::Random, Self::Diffusion, Self::Umap, Self::Tsne];

    /// Most components that rows of this shape can have.
    pub fn most_components(self, n_samples: usize, n_features: usize) -> usize {
        match self {
            Self::Pca | Self::Svd | Self::Whiten => n_samples.min(n_features),
            Self::KernelPca => n_samples.min(landmarks::SOME),
            Self::Diffusion => n_samples.min(landmarks::SOME).saturating_sub(1),
            Self::Random => usize::MAX,
            Self::Umap => n_samples.min(layout::MOST),
            Self::Tsne => n_samples.min(layout::MOST_OF_TSNE),
        }
    }
}

/// Why rows could not be reduced.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// No components asked for.
    #[error("0 components: ask for at least 1")]
    NoComponents,
    /// More components than the data can have.
    #[error("{n_components} components of {n_samples} images with {n_features} features: ask for at most {most}")]
    TooMany {
        /// Asked for.
        n_components: usize,
        /// Rows.
        n_samples: usize,
        /// Columns.
        n_features: usize,
        /// As many as there can be.
        most: usize,
    },
    /// A kernel without a width.
    #[error("gamma is {gamma}: it must be a number above 0")]
    Gamma {
        /// As given.
        gamma: f64,
    },
    /// Places that can't be that far apart.
    #[error("min_dist is {min_dist}: it must be a number from 0 to 3")]
    MinDist {
        /// As given.
        min_dist: f64,
    },
    /// NaN or infinite input.
    #[error("row {row} holds a value that is not finite")]
    NotFinite {
        /// The first such row.
        row: usize,
    },
    /// Values whose products overflow.
    #[error("the squares of row {row} add up to more than 1e34: scale the features down")]
    TooLarge {
        /// The first such row.
        row: usize,
    },
    /// The small eigenproblem did not converge.
    #[error("the decomposition failed: {0}")]
    Decomposition(#[from] linfa_linalg::LinalgError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Stopped by the user.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// From linfa's own traits.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}
