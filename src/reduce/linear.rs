//! PCA and truncated SVD: parameters and the fitted map.

use super::features::times;
use super::{Method, ReduceError, sparse, subspace};
use crate::collection::Features;
use crate::device::Device;
use crate::distance::{dot, product};
use crate::progress::{Reporter, Silent};
use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Transformer};
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, Data, Ix2};

/// Parameters of a linear reduction, not checked yet.
///
/// The covariance (for SVD: X'X) is formed in one pass, without a centred copy of the rows, where that is cheaper than
/// seven passes of a randomised range finder (Halko, Martinsson, Tropp 2011): always up to 256 features, never beyond
/// 4,096, and between if d (n + 100 w) <= 28 n w, with w = c + max(10, c / 4) directions for c components. Its leading
/// eigenvectors are found by Chebyshev-accelerated subspace iteration to convergence; the range finder stops when their
/// residuals are below 1e-3 of their eigenvalues, or after seven passes. Cost O(n d^2) / 2 or O(n d w) a pass, less
/// where features are often zero; memory beyond the input d^2 f64, or a few blocks of 16 MB and d w f64.
///
/// ```
/// use alike::reduce::LinearParams;
/// use linfa::{DatasetBase, traits::{Fit, Transformer}};
/// let x = ndarray::array![[1.0f32, 2.0, 0.0], [2.0, 4.0, 0.0], [3.0, 6.1, 0.0], [4.0, 8.0, 0.1]];
/// let pca = LinearParams::pca(1).fit(&DatasetBase::from(x.clone()))?;
/// assert!(pca.explained_variance_ratio()[0] > 0.99);
/// let reduced = pca.transform(x.clone());
/// assert_eq!(reduced.dim(), (4, 1));
/// assert!(pca.inverse_transform(reduced.view()).iter().zip(&x).all(|(a, b)| (a - b).abs() < 0.1));
/// # Ok::<(), alike::reduce::ReduceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LinearParams(LinearValidParams);

/// Checked parameters.
#[derive(Clone, Debug)]
pub struct LinearValidParams {
    method: Method,
    n_components: usize,
    seed: u64,
    device: Device,
}

impl LinearParams {
    /// PCA to `n_components`, at most min(n_samples, n_features).
    pub fn pca(n_components: usize) -> Self {
        Self::new(Method::Pca, n_components)
    }

    /// Truncated SVD to `n_components`, at most min(n_samples, n_features).
    pub fn svd(n_components: usize) -> Self {
        Self::new(Method::Svd, n_components)
    }

    /// Whitening to `n_components`, at most min(n_samples, n_features): PCA, then each component divided by the standard
    /// deviation along it. A component without variance becomes 0.
    pub fn whiten(n_components: usize) -> Self {
        Self::new(Method::Whiten, n_components)
    }

    pub(super) fn new(method: Method, n_components: usize) -> Self {
        Self(LinearValidParams { method, n_components, seed: 0, device: Device::Cpu })
    }

    /// Seed of the random start.
    pub fn seed(self, seed: u64) -> Self {
        Self(LinearValidParams { seed, ..self.0 })
    }

    /// Where the products with the data run.
    pub fn device(self, device: Device) -> Self {
        Self(LinearValidParams { device, ..self.0 })
    }
}

impl ParamGuard for LinearParams {
    type Checked = LinearValidParams;
    type Error = ReduceError;

    fn check_ref(&self) -> Result<&LinearValidParams, ReduceError> {
        if self.0.n_components == 0 { Err(ReduceError::NoComponents) } else { Ok(&self.0) }
    }

    fn check(self) -> Result<LinearValidParams, ReduceError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl LinearValidParams {
    /// Fits the rows of `x`, shape (n_samples, n_features).
    ///
    /// # Errors
    /// More components than rows or features, values that are not finite, a failing device, or an interruption.
    pub fn fit_rows(&self, x: ArrayView2<'_, f32>, reporter: &dyn Reporter) -> Result<LinearReducer, ReduceError> {
        self.fit_features(&x.into(), reporter)
    }

    /// Fits rows dense or sparse, shape (n_samples, n_features). Sparse rows are never made dense, and always take the
    /// range finder; PCA takes their mean into account without subtracting it. Where the mean is a thousand times as
    /// large as the spread, the components are right to some four digits.
    ///
    /// # Errors
    /// As [`fit_rows`](Self::fit_rows).
    pub fn fit_features(&self, x: &Features<'_>, reporter: &dyn Reporter) -> Result<LinearReducer, ReduceError> {
        let ((n_samples, n_features), n_components) = (x.dim(), self.n_components);
        let most = n_samples.min(n_features);
        if n_components > most {
            return Err(ReduceError::TooMany { n_components, n_samples, n_features, most });
        }
        let centred = self.method != Method::Svd;
        let leading = match x {
            Features::Dense(x) => {
                subspace::leading(x.view(), centred, n_components, self.seed, &self.device, reporter)?
            }
            Features::Sparse(x) => sparse::leading(x, centred, n_components, self.seed, reporter)?,
        };
        let moments = leading.moments;
        let mean = centred.then(|| moments.means.iter().map(|&m| m as f32).collect());
        let components = leading.vectors.mapv(|v| v as f32);
        // scikit-learn's conventions: n - 1 for PCA, the variance of the scores over n for SVD.
        let n = n_samples as f64;
        let divisor = if centred { (n - 1.0).max(1.0) } else { n };
        let total: f64 = moments.squares.iter().sum::<f64>() / divisor;
        let variance: Vec<f64> = if centred {
            leading.values.iter().map(|v| v / divisor).collect()
        } else {
            let centre = leading.vectors.dot(&Array1::from(moments.means));
            leading.values.iter().zip(centre).map(|(v, c)| (v / n - c * c).max(0.0)).collect()
        };
        let ratio = variance.iter().map(|v| if total > 0.0 { v / total } else { 0.0 }).collect();
        Ok(LinearReducer { method: self.method, mean, components, variance, ratio })
    }
}

/// A fitted linear map to fewer features, with its inverse.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearReducer {
    pub(crate) method: Method,
    pub(crate) mean: Option<Array1<f32>>,
    pub(crate) components: Array2<f32>,
    pub(crate) variance: Vec<f64>,
    pub(crate) ratio: Vec<f64>,
}

impl LinearReducer {
    /// Which reduction this is.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The components, shape (n_components, n_features), orthonormal, largest variance first. The entry of largest
    /// magnitude of each is positive, which fixes the sign.
    pub fn components(&self) -> ArrayView2<'_, f32> {
        self.components.view()
    }

    /// Variance of the rows along each component.
    pub fn explained_variance(&self) -> &[f64] {
        &self.variance
    }

    /// The same as a share of the total variance, 0 to 1; 0 if the rows are all equal.
    pub fn explained_variance_ratio(&self) -> &[f64] {
        &self.ratio
    }

    /// Reduces rows of shape (n, n_features) to (n, n_components). O(n d c).
    ///
    /// # Panics
    /// If the number of features is not the one of the fit.
    pub fn transform_view(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        self.transform_features(&x.into())
    }

    /// The same for rows dense or sparse; O(values that are not zero x c) for those.
    ///
    /// # Panics
    /// If the number of features is not the one of the fit.
    pub fn transform_features(&self, x: &Features<'_>) -> Array2<f32> {
        let mut reduced = times(x, self.components.view());
        if let Some(mean) = &self.mean {
            // (x - mean) c = x c - mean c: no centred copy of x.
            let mean = mean.as_slice().expect("the mean is contiguous");
            let inner = |c: ArrayView1<'_, f32>| dot(c.as_slice().expect("components are contiguous"), mean) as f32;
            reduced -= &self.components.outer_iter().map(inner).collect::<Array1<f32>>();
        }
        if self.method == Method::Whiten {
            reduced *= &self.deviations().mapv(|d| if d > 0.0 { 1.0 / d } else { 0.0 });
        }
        reduced
    }

    /// Takes rows of shape (n, n_components) back to (n, n_features), as near as the components reach. O(n d c).
    ///
    /// # Panics
    /// If the number of components is not the one of the fit.
    pub fn inverse_transform(&self, reduced: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut x = match self.method {
            Method::Whiten => product((&reduced * &self.deviations()).view(), self.components.view()),
            _ => product(reduced, self.components.view()),
        };
        if let Some(mean) = &self.mean {
            x += mean;
        }
        x
    }

    /// Standard deviation along each component; 0 where it is nothing but rounding.
    fn deviations(&self) -> Array1<f32> {
        let least = 1e-10 * self.variance.first().copied().unwrap_or(0.0);
        self.variance.iter().map(|&v| if v > least { v.sqrt() as f32 } else { 0.0 }).collect()
    }
}

impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, ReduceError> for LinearValidParams {
    type Object = LinearReducer;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<LinearReducer, ReduceError> {
        self.fit_rows(dataset.records.view(), &Silent)
    }
}

impl<D: Data<Elem = f32>> Transformer<ArrayBase<D, Ix2>, Array2<f32>> for LinearReducer {
    fn transform(&self, x: ArrayBase<D, Ix2>) -> Array2<f32> {
        self.transform_view(x.view())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Axis;

    /// Anisotropic rows with an offset, from a fixed formula that the recipe below repeats.
    fn rows(n: usize, d: usize) -> Array2<f32> {
        Array2::from_shape_fn((n, d), |(i, j)| {
            let wave = ((i * 37 + j * 101 + i * j * 7) % 211) as f64 / 211.0;
            (wave * 10.0 / (j + 1) as f64 + 3.0) as f32
        })
    }

    fn close(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance * b.abs().max(1e-12)
    }

    /// scikit-learn 1.9.1: PCA(3, svd_solver="full") and TruncatedSVD(3, algorithm="arpack") on these rows.
    #[test]
    fn variances_equal_scikit_learn() {
        let x = rows(120, 40);
        let pca = LinearParams::pca(3).check().unwrap().fit_rows(x.view(), &Silent).unwrap();
        for (ours, theirs) in pca.explained_variance().iter().zip([8.476604993, 2.0903478801, 0.9545128569]) {
            assert!(close(*ours, theirs, 1e-5), "{ours} {theirs}");
        }
        assert!(close(pca.explained_variance_ratio()[0], 0.62115477699, 1e-5));
        let svd = LinearParams::svd(3).check().unwrap().fit_rows(x.view(), &Silent).unwrap();
        for (ours, theirs) in svd.explained_variance().iter().zip([1.2648637319, 7.4337456836, 1.9220546759]) {
            assert!(close(*ours, theirs, 2e-4), "{ours} {theirs}");
        }
        let reduced = pca.transform_view(x.view());
        for (ours, theirs) in reduced.row(0).iter().zip([-5.0286825368, -0.4116816834, 1.4470344797]) {
            assert!(close((*ours).into(), theirs, 1e-3), "{ours} {theirs}");
        }
    }

    #[test]
    fn wide_rows_agree_with_the_gram_path() {
        // 2,100 features take the range finder; the same rows without their all-zero columns take the gram matrix.
        let narrow = rows(60, 30);
        let mut wide = Array2::zeros((60, 2100));
        wide.slice_axis_mut(Axis(1), (0..30).into()).assign(&narrow);
        let fit = |x: &Array2<f32>| LinearParams::pca(5).check().unwrap().fit_rows(x.view(), &Silent).unwrap();
        let (narrow, wide) = (fit(&narrow), fit(&wide));
        for (a, b) in wide.explained_variance().iter().zip(narrow.explained_variance()) {
            assert!(close(*a, *b, 1e-4), "{a} {b}");
        }
    }

    /// Both ways of the search; candle's CPU stands for a device.
    #[test]
    fn a_device_finds_what_the_cpu_finds() {
        let device = Device::Candle(candle_core::Device::Cpu);
        for x in [rows(5000, 40), rows(300, 5000)] {
            for params in [LinearParams::pca(3), LinearParams::svd(3), LinearParams::new(Method::Whiten, 3)] {
                let fit = |params: LinearParams| params.check().unwrap().fit_rows(x.view(), &Silent).unwrap();
                let (cpu, device) = (fit(params.clone()), fit(params.device(device.clone())));
                assert_ne!(cpu, device, "products are summed in another order");
                assert_eq!(cpu.mean, device.mean);
                for (ours, theirs) in device.variance.iter().zip(&cpu.variance) {
                    // That of SVD is a small difference where rows lie far from zero.
                    assert!(
                        (ours - theirs).abs() < 3e-4 * cpu.variance.iter().copied().fold(0.0, f64::max),
                        "{ours} {theirs}"
                    );
                }
                for (ours, theirs) in device.components.outer_iter().zip(cpu.components.outer_iter()) {
                    assert!(ours.dot(&theirs) > 0.9999, "{}", ours.dot(&theirs));
                }
            }
        }
    }

    #[test]
    fn all_components_give_the_rows_back() {
        let x = rows(20, 8);
        for params in [LinearParams::pca(8), LinearParams::svd(8)] {
            let reducer = params.check().unwrap().fit_rows(x.view(), &Silent).unwrap();
            let back = reducer.inverse_transform(reducer.transform_view(x.view()).view());
            assert!(back.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }

    #[test]
    fn identical_rows_have_no_variance() {
        let x = Array2::from_elem((5, 4), 2.0f32);
        let pca = LinearParams::pca(2).check().unwrap().fit_rows(x.view(), &Silent).unwrap();
        assert_eq!(pca.explained_variance(), [0.0, 0.0]);
        assert!(pca.transform_view(x.view()).iter().all(|v| v.abs() < 1e-6));
    }

    #[test]
    fn impossible_requests_are_errors() {
        let fit = |n, x: Array2<f32>| LinearParams::pca(n).check().and_then(|p| p.fit_rows(x.view(), &Silent));
        assert!(matches!(fit(0, rows(5, 4)), Err(ReduceError::NoComponents)));
        assert!(matches!(fit(5, rows(5, 4)), Err(ReduceError::TooMany { n_components: 5, .. })));
        let mut x = rows(5, 4);
        x[[3, 1]] = f32::NAN;
        assert!(matches!(fit(2, x), Err(ReduceError::NotFinite { row: 3 })));
    }
}
