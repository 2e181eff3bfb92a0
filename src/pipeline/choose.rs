//! How many clusters: the silhouette over a sweep, in the space that is clustered.
//!
//! Silhouette measured in the reduced space follows true quality better than in the raw one (arXiv 2406.02465).

use super::PipelineError;
use crate::cluster::Algorithm;
use crate::collection::{ClusterId, Features};
use crate::evaluate::{Sampling, choose_k, sample_rows, silhouettes};
use crate::progress::Reporter;

/// Rows the sweep looks at; more are sampled.
const MAX_ROWS: usize = 5_000;
/// The largest number of clusters tried.
const MAX_CLUSTERS: usize = 100;

/// What a sweep over the number of clusters found.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sweep {
    /// Number of clusters and the mean silhouette at it, -1 to 1; `None` where undefined.
    pub candidates: Vec<(usize, Option<f64>)>,
    /// The number with the highest silhouette; 1 if it is undefined everywhere.
    pub chosen: usize,
    /// Rows the sweep looked at.
    pub n_samples: usize,
}

/// Tries 2 clusters and more (every number to 30, then in steps of an eighth, to 100 or a third of the rows) and takes
/// the one with the highest mean silhouette, the smaller of equals.
///
/// Above 5,000 rows a uniform sample drawn with `seed` is used. O(s^2 d) for s rows, and a fit of the sample for each
/// number tried.
///
/// # Errors
/// Those of the fits, or an interruption.
///
/// ```
/// use alike::{cluster::{Algorithm, KMeansParams}, pipeline::choose_n_clusters, progress::Silent};
/// let x = ndarray::Array2::from_shape_fn((30, 1), |(i, _)| (i % 3 * 10) as f32 + i as f32 / 100.0);
/// let sweep = choose_n_clusters(x.view(), &Algorithm::KMeans(KMeansParams::new(2)), 0, &Silent)?;
/// assert_eq!(sweep.chosen, 3);
/// # Ok::<(), alike::pipeline::PipelineError>(())
/// ```
pub fn choose_n_clusters<'a>(
    x: impl Into<Features<'a>>,
    algorithm: &Algorithm,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Sweep, PipelineError> {
    let x = x.into();
    let x = match sample_rows(x.dim().0, Sampling { max_samples: MAX_ROWS, seed }) {
        Some(rows) => x.select(&rows),
        None => x,
    };
    let n_samples = x.dim().0;
    let numbers = candidates(n_samples);
    let labellings = numbers
        .iter()
        .map(|&k| Ok(algorithm.with_n_clusters(k).fit(&x, reporter)?.labels))
        .collect::<Result<Vec<_>, PipelineError>>()?;
    let labellings: Vec<&[Option<ClusterId>]> = labellings.iter().map(Vec::as_slice).collect();
    let means = silhouettes(&x, &labellings)?.into_iter().map(|s| s.mean);
    let candidates: Vec<_> = numbers.into_iter().zip(means).collect();
    let chosen = choose_k(candidates.iter().copied()).unwrap_or(1);
    Ok(Sweep { candidates, chosen, n_samples })
}

fn candidates(n_samples: usize) -> Vec<usize> {
    let most = (n_samples / 3).clamp(2, MAX_CLUSTERS);
    let step = |k: &usize| Some(if *k < 30 { k + 1 } else { k + k / 8 });
    std::iter::successors(Some(2), step).take_while(|&k| k <= most && k < n_samples).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::KMeansParams;
    use crate::progress::Silent;
    use ndarray::Array2;

    #[test]
    fn candidates_suit_the_number_of_rows() {
        assert!(candidates(1).is_empty() && candidates(2).is_empty());
        assert_eq!(candidates(3), [2]);
        assert_eq!(candidates(12), [2, 3, 4]);
        assert_eq!(candidates(100_000).last(), Some(&91));
    }

    #[test]
    fn identical_rows_are_one_cluster() {
        let x = Array2::<f32>::ones((20, 3));
        let sweep = choose_n_clusters(x.view(), &Algorithm::KMeans(KMeansParams::new(2)), 0, &Silent).unwrap();
        assert_eq!(sweep.chosen, 1);
    }
}
