//! Where the nodes of a graph begin: like the parts they belong to, which begin like theirs.

use super::embedding::{DIM, Place, embed};
use super::partition::Partition;
use crate::collection::{Csr, sparse_row};
use crate::progress::{Interrupted, Reporter};
use linfa_linalg::eigh::{EigSort, Eigh};
use ndarray::{Array1, Array2, ArrayView2};

/// A graph of fewer nodes begins at the principal axes of their means.
const FEW: usize = 64;
/// Fewer parts from level to level.
const SHRINK: usize = 4;
/// The first step of parts.
const RATE: f32 = 0.05;
/// How much the nodes are drawn together before they move themselves.
const SCALE: f32 = 0.5;

/// Where the nodes of `graph`, the rows of `x`, shape (n_samples, n_features), begin: the graph is cut into parts, the graph
/// of the parts into fewer, until there are few. Those begin at the principal components of their means; level by level
/// the parts then move as [`embed`] says, and what they are parts of begins among them.
pub(super) fn start(
    graph: &Csr,
    x: ArrayView2<'_, f32>,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<Place>, Interrupted> {
    let n = graph.rows();
    let nodes: Vec<u32> = (0..n as u32).collect();
    let n_parts = (8.0 * (n as f64).sqrt()) as usize;
    level(graph, x, &nodes, n_parts.clamp(256, 16384), seed, reporter)
}

/// The same of one level, whose node of each row of `x` is given.
fn level(
    graph: &Csr,
    x: ArrayView2<'_, f32>,
    node_of: &[u32],
    n_parts: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Vec<Place>, Interrupted> {
    let n = graph.rows();
    if n < FEW {
        return Ok(principal(means(x, node_of, n)));
    }
    let partition = Partition::new(graph, n_parts.clamp(1, n / 2), seed);
    let coarse = partition.coarsen(graph);
    let part_of: Vec<u32> = node_of.iter().map(|&node| partition.parts[node as usize]).collect();
    let mut places = level(&coarse, x, &part_of, n_parts / SHRINK, seed.wrapping_add(1), reporter)?;
    embed(&coarse, &mut places, RATE, seed, reporter)?;
    Ok(expand(graph, &partition, &places))
}

/// Each node between its part and its neighbours' parts, the middle at 0.
fn expand(graph: &Csr, partition: &Partition, places: &[Place]) -> Vec<Place> {
    let place = |node: usize| {
        let own = places[partition.parts[node] as usize];
        let (to, weights) = sparse_row(graph, node);
        let mut sum = [0.0f64; DIM];
        let mut total = 0.0;
        for (&to, &weight) in to.iter().zip(weights) {
            let part = partition.parts[to as usize] as usize;
            let weight = f64::from(weight).powi(2) / (partition.sizes[part] as f64).sqrt();
            (0..DIM).for_each(|d| sum[d] += weight * f64::from(places[part][d]));
            total += weight;
        }
        if total > 0.0 { std::array::from_fn(|d| (own[d] + (sum[d] / total) as f32) / 2.0) } else { own }
    };
    let mut expanded: Vec<Place> = (0..graph.rows()).map(place).collect();
    for d in 0..DIM {
        let mean = expanded.iter().map(|p| f64::from(p[d])).sum::<f64>() / expanded.len() as f64;
        expanded.iter_mut().for_each(|p| p[d] = SCALE * (p[d] - mean as f32));
    }
    expanded
}

/// The mean of the rows of each node.
fn means(x: ArrayView2<'_, f32>, node_of: &[u32], n: usize) -> Array2<f64> {
    let mut sums = Array2::<f64>::zeros((n, x.ncols()));
    let mut counts = Array1::<f64>::zeros(n);
    for (row, &node) in x.outer_iter().zip(node_of) {
        let mut sum = sums.row_mut(node as usize);
        sum.zip_mut_with(&row, |sum, &v| *sum += f64::from(v));
        counts[node as usize] += 1.0;
    }
    sums.outer_iter_mut().zip(counts).for_each(|(mut sum, count)| sum /= f64::max(count, 1.0));
    sums
}

/// The leading principal components of a few rows, from -1 to 1 or so.
fn principal(mut x: Array2<f64>) -> Vec<Place> {
    let n = x.nrows();
    let Some(mean) = x.mean_axis(ndarray::Axis(0)) else { return Vec::new() };
    x -= &mean;
    let mut places = vec![[0.0; DIM]; n];
    // Rows of values too great to multiply begin all at one place.
    if let Ok((values, vectors)) = x.dot(&x.t()).eigh().map(|found| found.sort_eig_desc()) {
        for d in 0..DIM.min(n) {
            let vector = vectors.column(d);
            let sign = vector.iter().find(|v| v.abs() > 1e-9).map_or(1.0, |v| v.signum());
            let length = sign * values[d].max(0.0).sqrt();
            places.iter_mut().zip(vector).for_each(|(place, v)| place[d] = (length * v) as f32);
        }
    }
    let (low, high) = places.iter().flatten().fold((0.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
    if high > low {
        places.iter_mut().flatten().for_each(|v| *v *= 2.0 / (high - low));
    }
    places
}
