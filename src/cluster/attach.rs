//! The rows of the fit as an assigner, for clusters that have no centre; and noise attached to clusters.

use super::settle::{by_size, renumber};
use super::{Assigner, Assignment, Clustering, Metric};
use crate::collection::{ClusterId, Csr, sparse_row};
use crate::distance::as_seen;
use crate::neighbors::{KnnGraph, nearest_of};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, CowArray, Ix2};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Rows of known clusters, noise among them: a row belongs to the cluster of the nearest one, if that is near enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    /// How distance is measured.
    pub metric: Metric,
    /// Shape (rows, n_features).
    pub rows: Array2<f32>,
    /// The cluster of each; that of equal rows is the same.
    pub labels: Vec<Option<ClusterId>>,
    /// How firmly each is in its cluster, 0 to 1; that of equal rows is the same.
    pub strengths: Vec<f32>,
    /// How far a row may be from the nearest of each cluster.
    pub reach: Vec<f64>,
}

impl Neighbors {
    /// The cluster of the nearest row and the distance to it; the confidence is that row's strength, less the more the
    /// distance is of the cluster's reach. Rows equal to one of the fit are looked up; the others are O(n m d) for m rows
    /// of the fit.
    ///
    /// # Panics
    /// If the number of features is another than in the fit.
    pub fn assign(&self, x: ArrayView2<'_, f32>) -> Vec<Assignment> {
        if x == self.rows {
            return (0..x.nrows()).map(|row| self.assignment(row, 0.0)).collect();
        }
        let all: Vec<usize> = (0..self.rows.nrows()).collect();
        let found = Known::new(self.rows.view(), self.metric, &all).find(as_seen(x, self.metric).view());
        let new: Vec<usize> = (0..found.len()).filter(|&row| found[row].is_none()).collect();
        let (rows, distances) = nearest_of(x.select(Axis(0), &new).view(), self.rows.view(), 1, self.metric);
        let mut searched = rows.into_iter().zip(distances);
        let nearest = found.into_iter().map(|row| match row {
            Some(row) => (row, 0.0),
            None => searched.next().map(|(row, d)| (row as usize, f64::from(d))).expect("all others were searched"),
        });
        nearest.map(|(row, distance)| self.assignment(row, distance)).collect()
    }

    fn assignment(&self, row: usize, distance: f64) -> Assignment {
        let cluster = self.labels[row].filter(|&cluster| distance <= self.reach[cluster]);
        let confidence = cluster.map(|cluster| {
            let share = if distance > 0.0 { distance / self.reach[cluster] } else { 0.0 };
            f64::from(self.strengths[row]) * (1.0 - share)
        });
        Assignment { cluster, distance, confidence }
    }
}

/// Some rows, found by what the metric sees of them.
struct Known<'a> {
    seen: CowArray<'a, f32, Ix2>,
    /// The first of equal rows, and others of the same hash, by hash.
    rows: HashMap<u64, Vec<usize>>,
}

impl<'a> Known<'a> {
    fn new(rows: ArrayView2<'a, f32>, metric: Metric, some: &[usize]) -> Self {
        let mut known = Self { seen: as_seen(rows, metric), rows: HashMap::new() };
        let hashes: Vec<u64> = some.par_iter().map(|&row| hash(known.seen.row(row))).collect();
        for (&row, hash) in some.iter().zip(hashes) {
            let same = known.rows.entry(hash).or_default();
            if same.iter().all(|&other| known.seen.row(other) != known.seen.row(row)) {
                same.push(row);
            }
        }
        known
    }

    /// The first row that is equal to each of others as the metric sees them.
    fn find(&self, seen: ArrayView2<'_, f32>) -> Vec<Option<usize>> {
        let first = |row: ArrayView1<'_, f32>| {
            let same = self.rows.get(&hash(row))?;
            same.iter().copied().find(|&other| self.seen.row(other) == row)
        };
        (0..seen.nrows()).into_par_iter().map(|row| first(seen.row(row))).collect()
    }
}

/// Equal for equal rows.
fn hash(row: ArrayView1<'_, f32>) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Adding 0 makes one zero of both.
    row.iter().map(|value| (value + 0.0).to_bits()).collect::<Vec<u32>>().hash(&mut hasher);
    hasher.finish()
}

/// Of each cluster the farthest that a member is from its nearest fellow among its neighbours.
pub(super) fn reach(graph: &KnnGraph, labels: &[Option<ClusterId>], n_clusters: usize) -> Vec<f64> {
    let mut reach = vec![0.0f64; n_clusters];
    for (row, cluster) in labels.iter().enumerate().filter_map(|(row, label)| Some((row, (*label)?))) {
        let fellow = graph.neighbors(row).find(|&(to, _)| labels[to] == Some(cluster));
        reach[cluster] = reach[cluster].max(fellow.map_or(0.0, |(_, distance)| f64::from(distance)));
    }
    reach
}

/// Which part of the weight of a row's edges leads to a cluster; 0 where there is none.
pub(super) fn share(graph: &Csr, labels: &[Option<ClusterId>], row: usize, cluster: Option<ClusterId>) -> f64 {
    let (to, weights) = sparse_row(graph, row);
    let edges = || to.iter().zip(weights).map(|(&to, &weight)| (to, f64::from(weight.max(0.0))));
    let all: f64 = edges().map(|(_, weight)| weight).sum();
    let own: f64 = edges().filter(|&(to, _)| labels[to as usize] == cluster).map(|(_, weight)| weight).sum();
    if cluster.is_some() && all > 0.0 { own / all } else { 0.0 }
}

/// What a density clusterer found in rows of shape (n_samples, n_features).
pub(super) struct Found {
    pub labels: Vec<Option<ClusterId>>,
    /// Of each row, 0 to 1.
    pub strengths: Vec<f64>,
    /// Of each cluster: how far a new row may be from the nearest member.
    pub reach: Vec<f64>,
}

impl Found {
    /// Clusters of one label for equal rows, that of the first which has one, numbered by falling size.
    pub fn clustering(mut self, x: ArrayView2<'_, f32>, metric: Metric) -> Clustering {
        let labelled: Vec<usize> = (0..self.labels.len()).filter(|&row| self.labels[row].is_some()).collect();
        let known = Known::new(x, metric, &labelled);
        for (row, first) in known.find(known.seen.view()).into_iter().enumerate() {
            if let Some(first) = first {
                (self.labels[row], self.strengths[row]) = (self.labels[first], self.strengths[first]);
            }
        }
        let Self { mut labels, strengths, reach } = self;
        let order = by_size(&labels, reach.len());
        renumber(&mut labels, &order);
        let assigner = Assigner::Neighbors(Neighbors {
            metric,
            rows: x.to_owned(),
            labels: labels.clone(),
            strengths: strengths.into_iter().map(|strength| strength as f32).collect(),
            reach: order.iter().map(|&cluster| reach[cluster]).collect(),
        });
        Clustering::new(labels, assigner)
    }
}

/// Attaches noise to the cluster of the nearest row that has one, with a confidence of 0, so that no row is noise, new
/// ones neither; if there are clusters, and they are assigned by [`Neighbors`]. O(n m d) for n rows of noise among m.
///
/// ```
/// use alike::cluster::{HdbscanParams, attach_noise};
/// use linfa::prelude::*;
///
/// let x = ndarray::Array2::from_shape_fn((41, 1), |(i, _)| if i < 40 { (i / 20 * 50 + i % 20) as f32 } else { 500.0 });
/// let mut clusters = HdbscanParams::new().fit(&DatasetBase::from(x))?;
/// assert_eq!((clusters.n_clusters(), clusters.labels[40]), (2, None));
/// attach_noise(&mut clusters);
/// assert_eq!(clusters.labels[40], clusters.labels[39]);
/// # Ok::<_, alike::cluster::ClusterError>(())
/// ```
pub fn attach_noise(clustering: &mut Clustering) {
    let Assigner::Neighbors(Neighbors { metric, rows, labels, strengths, reach }) = &clustering.assigner else {
        return;
    };
    let (members, noise): (Vec<_>, Vec<_>) = (0..labels.len()).partition(|&row| labels[row].is_some());
    if members.is_empty() {
        return;
    }
    let (nearest, _) =
        nearest_of(rows.select(Axis(0), &noise).view(), rows.select(Axis(0), &members).view(), 1, *metric);
    let mut labels = labels.clone();
    noise.iter().zip(&nearest).for_each(|(&row, &to)| labels[row] = labels[members[to as usize]]);
    let strengths = strengths.iter().map(|&strength| f64::from(strength)).collect();
    let found = Found { labels, strengths, reach: vec![f64::MAX; reach.len()] };
    let Clustering { labels, assigner, .. } = found.clustering(rows.view(), *metric);
    (clustering.labels, clustering.assigner) = (labels, assigner);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::ClusterId;
    use ndarray::array;

    fn found(labels: &[Option<ClusterId>]) -> Found {
        Found { labels: labels.to_vec(), strengths: vec![0.5; labels.len()], reach: vec![2.0, 4.0] }
    }

    #[test]
    fn a_row_belongs_where_its_nearest_does() {
        let x = array![[0.0f32], [1.0], [10.0], [11.0], [12.0], [30.0]];
        let clusters =
            found(&[Some(0), Some(0), Some(1), Some(1), Some(1), None]).clustering(x.view(), Metric::Euclidean);
        assert_eq!(clusters.labels, [Some(1), Some(1), Some(0), Some(0), Some(0), None]);
        let say = |value: f32| {
            let assignment = clusters.assigner.assign(array![[value]].view())[0];
            (assignment.cluster, assignment.distance, assignment.confidence)
        };
        assert_eq!(say(1.0), (Some(1), 0.0, Some(0.5)));
        assert_eq!(say(2.0), (Some(1), 1.0, Some(0.25)), "half of the reach");
        assert_eq!(say(4.0), (None, 3.0, None), "out of reach");
        assert_eq!(say(14.0), (Some(0), 2.0, Some(0.25)));
        assert_eq!(say(29.0), (None, 1.0, None), "the nearest is noise");
    }

    #[test]
    fn equal_rows_have_one_label() {
        let x = array![[0.0f32], [-0.0], [5.0], [5.0], [5.0]];
        let clusters = found(&[None, Some(1), Some(1), Some(0), None]).clustering(x.view(), Metric::Euclidean);
        assert_eq!(clusters.labels, [Some(0); 5]);
        assert_eq!(clusters.n_clusters(), 1);
        let x = array![[0.0f32, 0.0], [1.0, 1.0], [3.0, 3.0], [0.0, 2.0]];
        let clusters = found(&[None, Some(0), Some(1), Some(1)]).clustering(x.view(), Metric::Cosine);
        assert_eq!(clusters.labels, [None, Some(0), Some(0), Some(1)]);
        let assigned = clusters.assigner.assign(array![[0.0f32, 9.0], [7.0, 7.0], [0.0, 0.0]].view());
        assert!(assigned.iter().map(|a| (a.cluster, a.distance)).eq([(Some(1), 0.0), (Some(0), 0.0), (None, 0.0)]));
    }

    #[test]
    fn attached_noise_is_no_more() {
        let x = array![[0.0f32], [1.0], [10.0], [11.0], [12.0], [30.0], [-9.0]];
        let labels = [Some(0), Some(0), Some(1), Some(1), Some(1), None, None];
        let mut clusters = found(&labels).clustering(x.view(), Metric::Euclidean);
        attach_noise(&mut clusters);
        assert_eq!(clusters.labels, [Some(1), Some(1), Some(0), Some(0), Some(0), Some(0), Some(1)]);
        let assigned = clusters.assigner.assign(array![[30.0f32], [-1e9]].view());
        assert!(assigned.iter().map(|a| a.cluster).eq([Some(0), Some(1)]));
        let mut none = Found { labels: vec![None; 7], strengths: vec![0.0; 7], reach: vec![] }
            .clustering(x.view(), Metric::Euclidean);
        attach_noise(&mut none);
        assert_eq!(none.labels, [None; 7]);
    }
}
