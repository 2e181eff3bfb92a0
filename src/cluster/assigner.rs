//! The nearest centroid, exactly.
//!
//! Candidates come from a blocked f32 product; wherever rounding could hide the true nearest centroid (a bound on the
//! product's error says so) the candidates' distances are computed again in f64. So the labels are those of a plain
//! scalar loop in f64, ties going to the lowest cluster, and depend neither on block size nor on threads.

use crate::collection::ClusterId;
use crate::distance::{BLOCK_ROWS, dot, squared_euclidean, squared_norm, squared_norms};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// How near a row is to a centroid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Straight-line distance.
    Euclidean,
    /// 1 - cosine similarity; centroids are unit vectors.
    Cosine,
}

/// Centroids as an assigner.
#[derive(Clone, Debug, PartialEq)]
pub struct Centroids {
    /// How distance is measured.
    pub metric: Metric,
    /// Shape (n_clusters, n_features).
    pub centroids: Array2<f32>,
    /// Cosine only: the cluster of rows without a direction (all zero), if the fit met any.
    pub blank: Option<ClusterId>,
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// The cluster; `None` for a row that fits none (a blank row, by cosine).
    pub cluster: Option<ClusterId>,
    /// Distance to its centroid: euclidean, or 1 - cosine. At least 0.
    pub distance: f64,
    /// (b - a) / b, with a the distance to the own and b to the next nearest centroid: 0 on the border, 1 on the
    /// centroid (the simplified silhouette; Hruschka et al. 2004). `None` if there is no other centroid.
    pub confidence: Option<f64>,
}

impl Centroids {
    /// The cluster, distance and confidence of each row of `x`, shape (n_samples, n_features). O(n k d).
    ///
    /// # Panics
    /// If the number of features differs from the centroids'.
    ///
    /// ```
    /// use alike::cluster::{Centroids, Metric};
    /// let c = Centroids { metric: Metric::Euclidean, centroids: ndarray::array![[0.0f32], [10.0]], blank: None };
    /// let a = &c.assign(ndarray::array![[2.0f32]].view())[0];
    /// assert_eq!((a.cluster, a.distance, a.confidence), (Some(0), 2.0, Some(0.75)));
    /// ```
    pub fn assign(&self, x: ArrayView2<'_, f32>) -> Vec<Assignment> {
        let x = x.as_standard_layout();
        let norms = squared_norms(x.view());
        let labels = nearest(x.view(), &norms, self.metric, self.centroids.view(), self.blank);
        let rows: Vec<_> = x.outer_iter().collect();
        rows.par_iter().zip(&labels).zip(&norms).map(|((row, &label), &norm)| self.measure(*row, label, norm)).collect()
    }

    fn measure(&self, row: ArrayView1<'_, f32>, label: ClusterId, squared: f64) -> Assignment {
        let row = row.as_slice().expect("rows are contiguous");
        if self.metric == Metric::Cosine && squared == 0.0 {
            return Assignment { cluster: self.blank, distance: 0.0, confidence: None };
        }
        let distance = |c: ClusterId| -> f64 {
            let centroid = self.centroids.row(c);
            let centroid = centroid.as_slice().expect("centroids are contiguous");
            match self.metric {
                Metric::Euclidean => squared_euclidean(row, centroid).sqrt(),
                Metric::Cosine => (1.0 - dot(row, centroid) / squared.sqrt()).clamp(0.0, 2.0),
            }
        };
        let own = distance(label);
        let next = (0..self.centroids.nrows())
            .filter(|&c| c != label && Some(c) != self.blank)
            .map(distance)
            .min_by(f64::total_cmp);
        let confidence = next.map(|next| if next > 0.0 { (next - own) / next } else { 0.0 });
        Assignment { cluster: Some(label), distance: own, confidence }
    }
}

/// The nearest centroid of each row (`norms`: the rows' squared norms), ties to the lowest; `blank` is left out. By
/// [`Metric::Cosine`] the label of an all-zero row means nothing.
pub(super) fn nearest(
    x: ArrayView2<'_, f32>,
    norms: &[f64],
    metric: Metric,
    centroids: ArrayView2<'_, f32>,
    blank: Option<ClusterId>,
) -> Vec<ClusterId> {
    let offsets: Vec<f64> = centroids
        .outer_iter()
        .enumerate()
        .map(|(c, centroid)| match metric {
            _ if Some(c) == blank => f64::INFINITY,
            Metric::Euclidean => squared_norm(centroid.as_slice().expect("centroids are contiguous")) / 2.0,
            Metric::Cosine => 0.0,
        })
        .collect();
    let longest = squared_norms(centroids).into_iter().fold(0.0, f64::max).sqrt();
    // An inner product of d terms in f32 errs by at most about d * 2^-24 * |x| * |c|, and two are compared.
    let slack = 2.0 * (centroids.ncols() + 4) as f64 * f64::from(f32::EPSILON) / 2.0 * longest;
    let mut labels = vec![0; x.nrows()];
    labels.par_chunks_mut(BLOCK_ROWS).enumerate().for_each(|(block, labels)| {
        let first = block * BLOCK_ROWS;
        let rows = x.slice_axis(Axis(0), (first..first + labels.len()).into());
        let products = rows.dot(&centroids.t());
        for (i, (label, products)) in labels.iter_mut().zip(products.outer_iter()).enumerate() {
            let margin = slack * norms[first + i].sqrt();
            let score = |c: usize| offsets[c] - f64::from(products[c]);
            let (mut best, mut least, mut second) = (0, f64::INFINITY, f64::INFINITY);
            for c in 0..offsets.len() {
                let score = score(c);
                if score < least {
                    (second, least, best) = (least, score, c);
                } else {
                    second = second.min(score);
                }
            }
            *label = best;
            if second <= least + margin {
                let row = rows.index_axis(Axis(0), i);
                let near = (0..offsets.len()).filter(|&c| score(c) <= least + margin);
                *label = exactly_nearest(row, metric, centroids, near);
            }
        }
    });
    labels
}

/// The nearest of `candidates` in f64, ties to the lowest.
fn exactly_nearest(
    row: ArrayView1<'_, f32>,
    metric: Metric,
    centroids: ArrayView2<'_, f32>,
    candidates: impl Iterator<Item = ClusterId>,
) -> ClusterId {
    let row = row.as_slice().expect("rows are contiguous");
    let score = |c: ClusterId| {
        let centroid = centroids.row(c);
        let centroid = centroid.as_slice().expect("centroids are contiguous");
        match metric {
            Metric::Euclidean => squared_euclidean(row, centroid),
            Metric::Cosine => -dot(row, centroid),
        }
    };
    candidates.map(|c| (score(c), c)).min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, c)| c)
}
