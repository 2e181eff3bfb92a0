//! What every clusterer's parameters have in common: checks, and the way from linfa's traits to ours.

use super::{ClusterError, Clustering};
use linfa::traits::PredictInplace;
use ndarray::{Array1, ArrayBase, ArrayView2, Data, Ix2};

/// Most products of all rows with all: some ten minutes on two cores. What else a pair of rows costs is that of so many
/// features.
const MAX_PRODUCTS: f64 = 2e13;
const PAIR: usize = 50;

/// linfa's [`ParamGuard`](linfa::ParamGuard) for unchecked parameters that wrap the checked ones, and its
/// [`Fit`](linfa::traits::Fit) for those.
macro_rules! linfa_params {
    ($params:ident, $valid:ident) => {
        impl linfa::ParamGuard for $params {
            type Checked = $valid;
            type Error = $crate::cluster::ClusterError;

            fn check_ref(&self) -> Result<&Self::Checked, Self::Error> {
                self.0.verify()?;
                Ok(&self.0)
            }

            fn check(self) -> Result<Self::Checked, Self::Error> {
                self.0.verify()?;
                Ok(self.0)
            }
        }

        impl<D: ndarray::Data<Elem = f32>, T>
            linfa::traits::Fit<ndarray::ArrayBase<D, ndarray::Ix2>, T, $crate::cluster::ClusterError> for $valid
        {
            type Object = $crate::cluster::Clustering;

            fn fit(
                &self,
                dataset: &linfa::dataset::DatasetBase<ndarray::ArrayBase<D, ndarray::Ix2>, T>,
            ) -> Result<Self::Object, $crate::cluster::ClusterError> {
                self.fit_rows(dataset.records.view(), &$crate::progress::Silent)
            }
        }
    };
}
pub(super) use linfa_params;

impl<D: Data<Elem = f32>> PredictInplace<ArrayBase<D, Ix2>, Array1<Option<usize>>> for Clustering {
    fn predict_inplace<'a>(&'a self, x: &'a ArrayBase<D, Ix2>, y: &mut Array1<Option<usize>>) {
        assert_eq!(x.nrows(), y.len(), "as many targets as rows are needed");
        y.iter_mut().zip(self.assigner.assign(x.view())).for_each(|(y, a)| *y = a.cluster);
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<Option<usize>> {
        Array1::from_elem(x.nrows(), None)
    }
}

/// Refuses a count of 0.
pub(super) fn at_least_one(counts: &[(&'static str, usize)]) -> Result<(), ClusterError> {
    match counts.iter().find(|(_, value)| *value == 0) {
        Some(&(name, _)) => Err(ClusterError::Parameter { name, found: "0".into(), expected: "at least 1" }),
        None => Ok(()),
    }
}

/// Refuses a number below the least.
pub(super) fn at_least(
    name: &'static str,
    value: usize,
    least: usize,
    expected: &'static str,
) -> Result<(), ClusterError> {
    match value >= least {
        true => Ok(()),
        false => Err(ClusterError::Parameter { name, found: value.to_string(), expected }),
    }
}

/// Refuses a number that is not finite or below 0.
pub(super) fn not_negative(name: &'static str, value: f64) -> Result<(), ClusterError> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(ClusterError::Parameter { name, found: value.to_string(), expected: "finite and at least 0" }),
    }
}

/// What clusterers check that iterate from several starts.
pub(super) fn iterated(
    n_clusters: usize,
    n_restarts: usize,
    max_iterations: usize,
    tolerance: f64,
) -> Result<(), ClusterError> {
    at_least_one(&[
        ("number of clusters", n_clusters),
        ("number of restarts", n_restarts),
        ("limit of iterations", max_iterations),
    ])?;
    not_negative("tolerance", tolerance)
}

/// Refuses rows that are not finite, rows without features, and fewer rows than clusters.
pub(super) fn check_rows(x: ArrayView2<'_, f32>, n_clusters: usize) -> Result<(), ClusterError> {
    let rows = x.as_standard_layout();
    let values = rows.as_slice().expect("standard layout");
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        return Err(ClusterError::NotFinite { row: at / x.ncols() });
    }
    enough(x.dim(), n_clusters)
}

/// Refuses more rows than can be compared with one another in reasonable time.
pub(super) fn comparable((n_samples, n_features): (usize, usize)) -> Result<(), ClusterError> {
    match (n_samples as f64).powi(2) * (n_features + PAIR) as f64 > MAX_PRODUCTS {
        true => Err(ClusterError::TooManySamples { n_samples, n_features }),
        false => Ok(()),
    }
}

/// Refuses fewer rows than clusters, and rows without features.
pub(super) fn enough((n_samples, n_features): (usize, usize), n_clusters: usize) -> Result<(), ClusterError> {
    match (n_samples < n_clusters.max(1), n_features) {
        (true, _) => Err(ClusterError::TooFewSamples { n_clusters, n_samples }),
        (false, 0) => Err(ClusterError::NoFeatures),
        (false, _) => Ok(()),
    }
}
