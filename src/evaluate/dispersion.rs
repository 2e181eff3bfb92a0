//! Scores from the clusters' means: inertia, Calinski-Harabasz, Davies-Bouldin. Linear in the rows, so never sampled.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::EvaluateError;
use super::distances::Points;
use super::grouping::Grouping;
use crate::collection::{ClusterId, Features, sparse_row};

/// Sum of squared distances of the rows to the mean of their cluster; noise is left out.
///
/// In squared units of `data`, shape (n_samples, n_features). It falls as clusters are added. `None` without
/// clustered rows. O(n n_features).
///
/// # Errors
/// If `data` and `clusters` differ in length.
pub fn inertia(data: ArrayView2<'_, f32>, clusters: &[Option<ClusterId>]) -> Result<Option<f64>, EvaluateError> {
    Ok(Dispersion::of(&data.into(), &Grouping::checked(data, clusters)?).inertia())
}

/// Calinski-Harabasz index: variance between the clusters over variance within, each by its degrees of freedom; from
/// 0, higher is better; noise is left out.
///
/// `None` with fewer than two clusters, when every row is a cluster of its own, or when every cluster's rows are
/// equal. O(n n_features). Calinski and Harabasz, "A dendrite method for cluster analysis" (1974).
///
/// # Errors
/// If `data` and `clusters` differ in length.
pub fn calinski_harabasz(
    data: ArrayView2<'_, f32>,
    clusters: &[Option<ClusterId>],
) -> Result<Option<f64>, EvaluateError> {
    let grouping = Grouping::checked(data, clusters)?;
    Ok(Dispersion::of(&data.into(), &grouping).calinski_harabasz(&grouping))
}

/// Davies-Bouldin index: for each cluster the worst ratio of spread to separation, averaged; from 0, lower is
/// better; noise is left out.
///
/// Spread is the mean distance to the cluster's mean. `None` with fewer than two clusters, when every row is a
/// cluster of its own, or when two clusters have the same mean. O(n n_features + K^2 n_features).
/// Davies and Bouldin, "A cluster separation measure", IEEE TPAMI 1 (1979).
///
/// # Errors
/// If `data` and `clusters` differ in length.
pub fn davies_bouldin(data: ArrayView2<'_, f32>, clusters: &[Option<ClusterId>]) -> Result<Option<f64>, EvaluateError> {
    let grouping = Grouping::checked(data, clusters)?;
    Ok(Dispersion::of(&data.into(), &grouping).davies_bouldin(&grouping))
}

impl Grouping {
    fn checked(data: ArrayView2<'_, f32>, clusters: &[Option<ClusterId>]) -> Result<Self, EvaluateError> {
        EvaluateError::check_rows("labels", data.nrows(), clusters.len())?;
        Ok(Self::new(clusters))
    }
}

/// Each cluster's mean and how its rows lie around it.
pub(super) struct Dispersion {
    /// Shape (n_clusters, n_features).
    means: Array2<f64>,
    squared: Vec<f64>,
    /// Mean distance of each cluster's rows to its mean.
    pub mean_distances: Vec<f64>,
}

impl Dispersion {
    /// Clusters in parallel, the rows of each in order: the same bits for any number of threads.
    pub fn of(data: &Features<'_>, grouping: &Grouping) -> Self {
        let mut members: Vec<Vec<usize>> = grouping.sizes.iter().map(|&size| Vec::with_capacity(size)).collect();
        for (row, group) in grouping.group.iter().enumerate() {
            if let Some(group) = group {
                members[*group].push(row);
            }
        }
        let mut means = Array2::zeros((members.len(), data.dim().1));
        let spreads = means.axis_iter_mut(Axis(0)).into_par_iter().zip(&members).map(|(mut mean, members)| {
            let n = members.len() as f64;
            for &row in members {
                match data {
                    Features::Dense(x) => mean.zip_mut_with(&x.row(row), |sum, &value| *sum += f64::from(value)),
                    Features::Sparse(x) => {
                        let (columns, values) = sparse_row(x, row);
                        columns.iter().zip(values).for_each(|(&j, &value)| mean[j as usize] += f64::from(value));
                    }
                }
            }
            mean /= n;
            let of_mean = mean.dot(&mean);
            let (mut squared, mut distance) = (0.0, 0.0);
            for &row in members {
                let square: f64 = match data {
                    Features::Dense(x) => {
                        x.row(row).iter().zip(&mean).map(|(&value, mean)| (f64::from(value) - mean).powi(2)).sum()
                    }
                    Features::Sparse(x) => {
                        let (columns, values) = sparse_row(x, row);
                        let values =
                            columns.iter().zip(values).map(|(&j, &value)| (f64::from(value), mean[j as usize]));
                        (of_mean + values.map(|(value, mean)| value * (value - 2.0 * mean)).sum::<f64>()).max(0.0)
                    }
                };
                squared += square;
                distance += square.sqrt();
            }
            (squared, distance / n)
        });
        let (squared, mean_distances) = spreads.unzip();
        Self { means, squared, mean_distances }
    }

    pub fn inertia(&self) -> Option<f64> {
        (!self.squared.is_empty()).then(|| self.squared.iter().sum())
    }

    pub fn calinski_harabasz(&self, grouping: &Grouping) -> Option<f64> {
        let within = self.inertia()?;
        if !grouping.is_comparable() || within == 0.0 {
            return None;
        }
        let n: usize = grouping.sizes.iter().sum();
        let weights: Array1<f64> = grouping.sizes.iter().map(|&size| size as f64).collect();
        let centre = weights.dot(&self.means) / n as f64;
        let offsets = &self.means - &centre;
        let between: f64 =
            offsets.outer_iter().zip(&weights).map(|(offset, weight)| weight * offset.dot(&offset)).sum();
        let k = grouping.ids.len();
        Some(between * (n - k) as f64 / (within * (k - 1) as f64))
    }

    pub fn davies_bouldin(&self, grouping: &Grouping) -> Option<f64> {
        if !grouping.is_comparable() {
            return None;
        }
        let spread = &self.mean_distances;
        let worst = Points::centred(self.means.clone()).fold_blocks(
            |clusters| (clusters.clone(), vec![0.0_f64; clusters.len()]),
            |(clusters, worst), other, distances| {
                for ((cluster, worst), distance) in clusters.clone().zip(worst).zip(distances) {
                    if cluster != other {
                        let ratio =
                            if *distance > 0.0 { (spread[cluster] + spread[other]) / distance } else { f64::INFINITY };
                        *worst = worst.max(ratio);
                    }
                }
            },
            |(_, worst)| worst,
        );
        let mean = worst.iter().flatten().sum::<f64>() / grouping.ids.len() as f64;
        Some(mean).filter(|mean| mean.is_finite())
    }
}
