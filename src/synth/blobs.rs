//! Normal clusters: round, of several widths, or stretched.

use ndarray::{Array2, array};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{Points, SynthError, require, require_spread};

/// Parameters of [`blobs`].
#[derive(Clone, Debug, PartialEq)]
pub struct BlobsParams {
    /// Number of points, as evenly over the clusters as it goes; the first clusters take what is left.
    pub n_samples: usize,
    /// Shape (n_clusters, n_features); at least one cluster. See [`random_centers`].
    pub centers: Array2<f64>,
    /// Standard deviation: one for all clusters, or one each.
    pub std: Vec<f64>,
    /// Every point, as a row, times this matrix (n_features, n_features).
    pub transform: Option<Array2<f64>>,
    /// Seed.
    pub seed: u64,
}

impl Default for BlobsParams {
    /// Three clusters far apart.
    fn default() -> Self {
        Self {
            n_samples: 2000,
            centers: array![[7.46859, 9.37081], [7.38389, 0.61711], [-5.34543, -9.77202]],
            std: vec![1.0],
            transform: None,
            seed: 0,
        }
    }
}

impl BlobsParams {
    /// Clusters of three widths that touch: the Bayes rule itself reaches an AMI of 0.93 only.
    pub fn varied() -> Self {
        Self {
            centers: array![[-8.94709, -5.46276], [-4.58939, 0.08876], [1.93875, 0.50514]],
            std: vec![1.0, 2.5, 0.5],
            ..Self::default()
        }
    }

    /// Clusters stretched along a diagonal.
    pub fn aniso() -> Self {
        Self { std: vec![1.0], transform: Some(array![[0.6, -0.6], [-0.4, 0.8]]), ..Self::varied() }
    }
}

/// Draws normal clusters of equal size around given centres, in random order. O(`n_samples` `n_features`).
///
/// # Errors
/// If a parameter is out of its range or the shapes don't fit.
///
/// ```
/// use alike::synth::{BlobsParams, blobs, random_centers};
/// let params = BlobsParams { centers: random_centers(10, 4, (0.0, 256.0), 1), std: vec![4.0], ..Default::default() };
/// let points = blobs(&params)?;
/// assert_eq!(points.data.dim(), (2000, 4));
/// assert_eq!(points.labels.iter().max(), Some(&9));
/// # Ok::<(), alike::synth::SynthError>(())
/// ```
pub fn blobs(params: &BlobsParams) -> Result<Points, SynthError> {
    let BlobsParams { n_samples, centers, std, transform, seed } = params;
    let (n_clusters, n_features) = centers.dim();
    require(n_clusters > 0, "the number of centers", n_clusters, "1 or more")?;
    require(centers.iter().all(|c| c.is_finite()), "a center", "not finite", "finite numbers")?;
    require(std.len() == 1 || std.len() == n_clusters, "the number of stds", std.len(), "1, or as many as centers")?;
    std.iter().try_for_each(|&std| require_spread("std", std))?;
    if let Some(transform) = transform {
        let square = transform.dim() == (n_features, n_features);
        require(square, "the shape of transform", format!("{:?}", transform.dim()), "(n_features, n_features)")?;
    }

    let mut rng = ChaCha8Rng::seed_from_u64(*seed);
    let labels: Vec<usize> = (0..n_clusters)
        .flat_map(|c| std::iter::repeat_n(c, n_samples / n_clusters + usize::from(c < n_samples % n_clusters)))
        .collect();
    let mut data = Array2::zeros((*n_samples, n_features));
    for (mut row, &label) in data.outer_iter_mut().zip(&labels) {
        for (value, center) in row.iter_mut().zip(centers.row(label)) {
            *value = center + std[label % std.len()] * rng.sample::<f64, _>(StandardNormal);
        }
    }
    if let Some(transform) = transform {
        data = data.dot(transform);
    }
    Ok(Points { data, labels }.shuffled(&mut rng))
}

/// Centres drawn uniformly from a box, shape (`n_clusters`, `n_features`), each coordinate in `low..high`.
///
/// # Panics
/// If `low` is not below `high`, or one is not finite.
pub fn random_centers(n_clusters: usize, n_features: usize, (low, high): (f64, f64), seed: u64) -> Array2<f64> {
    // A stream of its own, so that centres and points of the same seed share no numbers.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    Array2::from_shape_simple_fn((n_clusters, n_features), || rng.random_range(low..high))
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;

    use super::*;

    fn class(points: &Points, label: usize) -> Array2<f64> {
        let rows: Vec<usize> = (0..points.labels.len()).filter(|&i| points.labels[i] == label).collect();
        points.data.select(Axis(0), &rows)
    }

    #[test]
    fn means_and_deviations_are_the_ones_asked_for() {
        for (params, stds) in [(BlobsParams::default(), [1.0; 3]), (BlobsParams::varied(), [1.0, 2.5, 0.5])] {
            let params = BlobsParams { n_samples: 30_000, ..params };
            let points = blobs(&params).unwrap();
            for (label, std) in stds.into_iter().enumerate() {
                let rows = class(&points, label);
                assert_eq!(rows.nrows(), 10_000);
                for (axis, column) in rows.columns().into_iter().enumerate() {
                    // Five standard errors.
                    assert!((column.mean().unwrap() - params.centers[[label, axis]]).abs() < 0.05 * std);
                    assert!((column.std(0.0) / std - 1.0).abs() < 0.036);
                }
            }
        }
    }

    #[test]
    fn aniso_is_the_round_clusters_transformed() {
        let aniso = BlobsParams::aniso();
        let round = blobs(&BlobsParams { transform: None, ..aniso.clone() }).unwrap();
        let points = blobs(&aniso).unwrap();
        assert_eq!(points.labels, round.labels);
        let (x, y) = (round.data[[0, 0]], round.data[[0, 1]]);
        assert!((points.data[[0, 0]] - (0.6 * x - 0.4 * y)).abs() < 1e-12);
        assert!((points.data[[0, 1]] - (-0.6 * x + 0.8 * y)).abs() < 1e-12);
    }

    #[test]
    fn points_are_their_centers_without_spread_and_come_in_random_order() {
        let points = blobs(&BlobsParams { n_samples: 8, std: vec![0.0], ..Default::default() }).unwrap();
        let centers = BlobsParams::default().centers;
        for (row, &label) in points.data.outer_iter().zip(&points.labels) {
            assert_eq!(row, centers.row(label));
        }
        assert_eq!([0, 1, 2].map(|c| class(&points, c).nrows()), [3, 3, 2]);
        assert!(!points.labels.is_sorted());
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| blobs(&BlobsParams { seed, n_samples: 50, ..Default::default() }).unwrap();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let centers = random_centers(100, 3, (-10.0, 10.0), 1);
        assert_eq!(centers, random_centers(100, 3, (-10.0, 10.0), 1));
        assert!(centers.iter().all(|c| (-10.0..10.0).contains(c)));
    }

    #[test]
    fn refuses_parameters_out_of_range() {
        for params in [
            BlobsParams { centers: Array2::zeros((0, 2)), ..Default::default() },
            BlobsParams { centers: array![[f64::NAN]], ..Default::default() },
            BlobsParams { std: vec![1.0, 2.0], ..Default::default() },
            BlobsParams { std: vec![-1.0], ..Default::default() },
            BlobsParams { transform: Some(Array2::zeros((3, 3))), ..Default::default() },
        ] {
            assert!(blobs(&params).is_err(), "{params:?}");
        }
    }
}
