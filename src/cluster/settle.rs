//! From centroids to a clustering: every row to its nearest one, clusters by falling size.

use super::{Assigner, Centroids, ClusterError, Clustering, Metric, Work};
use crate::collection::{Blocks, ClusterId};
use crate::progress::Reporter;
use ndarray::{Array2, Axis};
use std::cmp::Reverse;

/// Values that are held at a time.
const HELD: usize = 4 << 20;

/// The rows of some blocks, given in rising order.
///
/// # Errors
/// If they can't be read or are not finite.
pub(super) fn load(rows: &mut dyn Blocks, blocks: &[usize]) -> Result<Array2<f32>, ClusterError> {
    let ((n_samples, n_features), block_rows) = (rows.dim(), rows.block_rows());
    let end = |block: usize| n_samples.min((block + 1) * block_rows);
    let n_rows: usize = blocks.iter().map(|&block| end(block) - block * block_rows).sum();
    let mut values = Vec::with_capacity(n_rows * n_features);
    rows.read(blocks, &mut values)?;
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        let row = at / n_features;
        return Err(ClusterError::NotFinite { row: blocks[row / block_rows] * block_rows + row % block_rows });
    }
    Ok(Array2::from_shape_vec((n_rows, n_features), values).expect("as many values as the blocks have"))
}

/// So many consecutive blocks are held at a time.
pub(super) fn blocks_held(rows: &dyn Blocks) -> usize {
    (HELD / (rows.block_rows() * rows.dim().1).max(1)).clamp(1, rows.n_blocks().max(1))
}

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
    let step = blocks_held(rows);
    let mut labels: Vec<Option<ClusterId>> = Vec::with_capacity(rows.dim().0);
    let (mut tied, mut inertia) = (Vec::new(), 0.0);
    for first in (0..rows.n_blocks()).step_by(step) {
        reporter.check()?;
        let blocks: Vec<usize> = (first..rows.n_blocks().min(first + step)).collect();
        for assignment in centroids.assign(load(rows, &blocks)?.view()) {
            if assignment.confidence == Some(0.0) {
                tied.push(labels.len());
            }
            labels.push(assignment.cluster);
            inertia += assignment.distance * assignment.distance;
        }
    }
    let order = by_size(&labels, centroids.centroids.nrows());
    centroids.centroids = centroids.centroids.select(Axis(0), &order);
    renumber(&mut labels, &order);
    // Which of equally near centroids has the lowest number is another matter now.
    let block_rows = rows.block_rows();
    for rows_of_block in tied.chunk_by(|a, b| a / block_rows == b / block_rows) {
        let block = rows_of_block[0] / block_rows;
        let places: Vec<usize> = rows_of_block.iter().map(|row| row % block_rows).collect();
        let values = load(rows, &[block])?.select(Axis(0), &places);
        for (&row, assignment) in rows_of_block.iter().zip(centroids.assign(values.view())) {
            labels[row] = assignment.cluster;
        }
    }
    if by_size(&labels, order.len()).len() < order.len() {
        return settle(rows, centroids.centroids, reporter);
    }
    Ok(Clustering {
        labels,
        assigner: Assigner::Centroids(centroids),
        inertia: Some(inertia),
        n_iterations: 0,
        converged: true,
        work: Work::default(),
    })
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

/// Numbers the clusters by their place in `order`, which holds all that have rows.
pub(super) fn renumber(labels: &mut [Option<ClusterId>], order: &[ClusterId]) {
    let mut place = vec![0; order.iter().max().map_or(0, |most| most + 1)];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
    labels.iter_mut().flatten().for_each(|label| *label = place[*label]);
}
