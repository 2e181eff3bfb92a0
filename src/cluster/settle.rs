//! From centroids to a clustering: every row to its nearest one, clusters by falling size.

use super::{Assigner, Centroids, ClusterError, Clustering, Metric};
use crate::collection::{Blocks, ClusterId};
use crate::progress::Reporter;
use ndarray::{Array2, Axis};
use std::cmp::Reverse;

/// Labels, assigner and inertia of the rows by their nearest centroids, shape (n_clusters, n_features). Centroids
/// without rows are dropped, the others are numbered by falling size, equal ones by their first row; of equally near
/// ones the lowest number counts. O(n k d), and no more than some megabytes beside the labels.
///
/// # Errors
/// If rows can't be read or are not finite, or an interruption.
pub(super) fn settle(
    rows: &mut dyn Blocks,
    centroids: Array2<f32>,
    reporter: &dyn Reporter,
) -> Result<Clustering, ClusterError> {
    let mut centroids = Centroids { metric: Metric::Euclidean, centroids, blank: None };
    let mut labels: Vec<Option<ClusterId>> = Vec::new();
    let (mut tied, mut inertia) = (Vec::new(), 0.0);
    for blocks in rows.groups() {
        reporter.check()?;
        for assignment in centroids.assign(rows.load(&blocks)?.view()) {
            if assignment.confidence == Some(0.0) {
                tied.push(labels.len());
            }
            labels.push(assignment.cluster);
            inertia += assignment.distance * assignment.distance;
        }
    }
    let block_rows = rows.block_rows();
    while let Some(order) = out_of_order(&labels, centroids.centroids.nrows()) {
        centroids.centroids = centroids.centroids.select(Axis(0), &order);
        renumber(&mut labels, &order);
        // Which of equally near centroids has the lowest number is another matter now.
        for rows_of_block in tied.chunk_by(|a, b| a / block_rows == b / block_rows) {
            reporter.check()?;
            let block = rows_of_block[0] / block_rows;
            let places: Vec<usize> = rows_of_block.iter().map(|row| row % block_rows).collect();
            let values = rows.load(&[block])?.select(Axis(0), &places);
            for (&row, assignment) in rows_of_block.iter().zip(centroids.assign(values.view())) {
                labels[row] = assignment.cluster;
            }
        }
    }
    let assigner = Assigner::Centroids(centroids);
    Ok(Clustering { inertia: Some(inertia), n_iterations: 0, ..Clustering::new(labels, assigner) })
}

/// The clusters that have rows, by falling size, equal ones by their first row.
pub(super) fn by_size(labels: &[Option<ClusterId>], n_clusters: usize) -> Vec<ClusterId> {
    let mut found = vec![(0usize, usize::MAX); n_clusters];
    for (row, &cluster) in labels.iter().enumerate().filter_map(|(row, label)| Some((row, label.as_ref()?))) {
        let (size, first) = &mut found[cluster];
        *size += 1;
        *first = row.min(*first);
    }
    let mut order: Vec<ClusterId> = (0..n_clusters).filter(|&c| found[c].0 > 0).collect();
    order.sort_by_key(|&c| (Reverse(found[c].0), found[c].1));
    order
}

/// That order, if the clusters are not numbered by it yet. Where rows are equally near to several clusters and go to the
/// lowest number, numbering changes sizes: done again and again it ends, since rows only move to larger clusters.
pub(super) fn out_of_order(labels: &[Option<ClusterId>], n_clusters: usize) -> Option<Vec<ClusterId>> {
    let order = by_size(labels, n_clusters);
    (!order.iter().copied().eq(0..n_clusters)).then_some(order)
}

/// Numbers the clusters by their place in `order`, which holds all that have rows.
pub(super) fn renumber(labels: &mut [Option<ClusterId>], order: &[ClusterId]) {
    let mut place = vec![0; order.iter().max().map_or(0, |most| most + 1)];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
    labels.iter_mut().flatten().for_each(|label| *label = place[*label]);
}
