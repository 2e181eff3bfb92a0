//! The graph of neighbours as weights that say how surely two rows belong together, whatever the density where they lie:
//! the fuzzy simplicial set of UMAP.

use super::KnnGraph;
use crate::collection::{Csr, square};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows a task takes at a time.
const BLOCK: usize = 512;
/// Halvings of the interval of the width.
const HALVINGS: usize = 64;
/// How near to its target the sum of the weights must come.
const TOLERANCE: f64 = 1e-5;
/// The least width, as a share of the mean distance to the neighbours.
const LEAST_WIDTH: f64 = 1e-3;

/// How surely rows belong together, 0 (not kept) to 1: symmetric, shape (n_samples, n_samples), nothing on the diagonal.
///
/// A row sees a neighbour at distance d with the weight exp(-max(0, d - rho) / sigma), where rho is its distance to the
/// nearest row that isn't equal to it, and sigma such that its k weights add up to log2(k + 1): the row itself counts as
/// one of the neighbours, as in umap-learn. Two rows are joined by a + b - ab of what they see of each other (McInnes,
/// Healy, Melville 2018). O(n k log k); memory 8 bytes an edge and as much again meanwhile, of at most 2 n k edges.
///
/// ```
/// use alike::distance::Metric;
/// use alike::neighbors::{KnnGraph, fuzzy_simplicial_set};
/// use ndarray::array;
/// // Three rows on a line, at 0, 1 and 3.
/// let graph = KnnGraph::new(Metric::Euclidean, array![[1], [0], [1]], array![[1.0], [1.0], [2.0]]);
/// let set = fuzzy_simplicial_set(&graph);
/// assert_eq!(set.get(0, 1), Some(&1.0));
/// assert_eq!(set.get(1, 2), set.get(2, 1));
/// assert_eq!(set.get(0, 2), None);
/// ```
pub fn fuzzy_simplicial_set(graph: &KnnGraph) -> Csr {
    symmetric(graph.indices(), memberships(graph.distances()).view(), |a, b| a + b - a * b)
}

/// What rows see of their neighbours, shapes (n_samples, n_neighbors), joined with what those see of them, 0 where they
/// don't; what joins to 0 isn't kept.
pub(crate) fn symmetric(
    indices: ArrayView2<'_, u32>,
    weights: ArrayView2<'_, f32>,
    join: impl Fn(f32, f32) -> f32 + Sync,
) -> Csr {
    let n_samples = indices.nrows();
    let (ends, incoming) = transposed(indices, weights);
    let rows: Vec<usize> = (0..n_samples).collect();
    let blocks: Vec<Vec<Vec<(u32, f32)>>> = rows
        .par_chunks(BLOCK)
        .map(|rows| {
            let joined = |&row: &usize| {
                let mut seen: Vec<(u32, f32)> =
                    indices.row(row).iter().copied().zip(weights.row(row).iter().copied()).collect();
                seen.sort_unstable_by_key(|&(to, _)| to);
                let start = if row == 0 { 0 } else { ends[row - 1] };
                union(&seen, &incoming[start..ends[row]], &join)
            };
            rows.iter().map(joined).collect()
        })
        .collect();
    square(blocks.into_iter().flatten())
}

/// What each row sees of its neighbours at these distances, the nearest first; shapes (n_samples, n_neighbors).
pub(crate) fn memberships(distances: ArrayView2<'_, f32>) -> Array2<f32> {
    let sums: Vec<f64> =
        distances.outer_iter().into_par_iter().map(|row| row.iter().map(|&d| f64::from(d)).sum()).collect();
    // The row itself, at distance 0, is one more neighbour.
    let per_row = (distances.ncols() + 1) as f64;
    let mean = sums.iter().sum::<f64>() / (per_row * sums.len() as f64);
    let mut weights = distances.to_owned();
    weights.axis_iter_mut(Axis(0)).into_par_iter().zip(sums).for_each(|(mut row, sum)| {
        let rho = row.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
        let beyond: Vec<f64> = row.iter().map(|&d| f64::from(d) - f64::from(rho)).collect();
        let least = LEAST_WIDTH * if rho > 0.0 { sum / per_row } else { mean };
        let sigma = width(&beyond, per_row.log2()).max(least);
        row.iter_mut()
            .zip(beyond)
            .for_each(|(w, beyond)| *w = if beyond > 0.0 { (-beyond / sigma).exp() as f32 } else { 1.0 });
    });
    weights
}

/// The width for which the weights of distances beyond the first add up to `target`.
fn width(beyond: &[f64], target: f64) -> f64 {
    let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..HALVINGS {
        let sum: f64 = beyond.iter().map(|&d| if d > 0.0 { (-d / sigma).exp() } else { 1.0 }).sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = sigma
        } else {
            low = sigma
        }
        sigma = if high.is_finite() { (low + high) / 2.0 } else { 2.0 * sigma };
    }
    sigma
}

/// By which rows, in order, each row is seen, and how; and where the part of each row ends.
fn transposed(indices: ArrayView2<'_, u32>, weights: ArrayView2<'_, f32>) -> (Vec<usize>, Vec<(u32, f32)>) {
    let mut at = vec![0usize; indices.nrows()];
    indices.iter().for_each(|&to| at[to as usize] += 1);
    let mut total = 0;
    for start in &mut at {
        total += std::mem::replace(start, total);
    }
    let mut incoming = vec![(0, 0.0); total];
    for (row, (indices, weights)) in indices.outer_iter().zip(weights.outer_iter()).enumerate() {
        for (&to, &weight) in indices.iter().zip(weights) {
            incoming[at[to as usize]] = (row as u32, weight);
            at[to as usize] += 1;
        }
    }
    (at, incoming)
}

/// Two lists sorted by row, joined.
fn union(a: &[(u32, f32)], b: &[(u32, f32)], join: impl Fn(f32, f32) -> f32) -> Vec<(u32, f32)> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut joined = Vec::with_capacity(a.len() + b.len());
    loop {
        let to = match (a.peek(), b.peek()) {
            (Some(&&(a, _)), Some(&&(b, _))) => a.min(b),
            (Some(&&(to, _)), None) | (None, Some(&&(to, _))) => to,
            (None, None) => return joined,
        };
        let mine = a.next_if(|&&(row, _)| row == to).map_or(0.0, |&(_, w)| w);
        let theirs = b.next_if(|&&(row, _)| row == to).map_or(0.0, |&(_, w)| w);
        let weight = join(mine, theirs);
        if weight > 0.0 {
            joined.push((to, weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;
    use ndarray::ArrayView1;

    /// The graph of rows, every distance looked at.
    fn graph(x: &Array2<f32>, k: usize) -> KnnGraph {
        let distance = |a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>| (&a - &b).mapv(|v| v * v).sum().sqrt();
        let lists: Vec<Vec<(f32, u32)>> = (0..x.nrows())
            .map(|i| {
                let others = (0..x.nrows()).filter(|&j| j != i);
                let mut list: Vec<_> = others.map(|j| (distance(x.row(i), x.row(j)), j as u32)).collect();
                list.sort_by(|a, b| a.partial_cmp(b).unwrap());
                list
            })
            .collect();
        let k = k.min(x.nrows().saturating_sub(1));
        let shape = (x.nrows(), k);
        let indices = Array2::from_shape_fn(shape, |(i, j)| lists[i][j].1);
        KnnGraph::new(Metric::Euclidean, indices, Array2::from_shape_fn(shape, |(i, j)| lists[i][j].0))
    }

    /// umap-learn 0.5.12: `fuzzy_simplicial_set(x, 4, RandomState(0), "euclidean", knn_indices, knn_dists)` of the same
    /// neighbours, each row its own first.
    #[test]
    fn weights_equal_those_of_umap_learn() {
        let mut x = Array2::from_shape_fn((10, 2), |(i, j)| {
            if j == 0 { (i * i * 7 % 23) as f32 / 5.0 } else { (i * 13 % 17) as f32 / 4.0 }
        });
        let third = x.row(2).to_owned();
        x.row_mut(9).assign(&third);
        let set = fuzzy_simplicial_set(&graph(&x, 3));
        let above: [(usize, usize, f32); 17] = [
            (0, 2, 0.499999),
            (0, 8, 1.0),
            (0, 9, 0.499999),
            (1, 2, 1.0),
            (1, 5, 1.0),
            (1, 9, 1.0),
            (2, 5, 0.413436),
            (2, 8, 0.403416),
            (2, 9, 1.0),
            (3, 4, 1.0),
            (3, 6, 0.568963),
            (3, 7, 1.0),
            (3, 8, 1.0),
            (4, 7, 0.863588),
            (4, 8, 0.681962),
            (5, 6, 0.764772),
            (6, 7, 1.0),
        ];
        let mut expected = Array2::<f32>::zeros((10, 10));
        for (i, j, weight) in above {
            expected[[i, j]] = weight;
            expected[[j, i]] = weight;
        }
        let far = (&set.to_dense() - &expected).mapv(f32::abs);
        assert!(far.iter().all(|&far| far < 2e-5), "{far}");
    }

    #[test]
    fn weights_are_symmetric_and_the_same_on_every_number_of_threads() {
        let x = Array2::from_shape_fn((1500, 3), |(i, j)| ((i * 37 + j * 101 + i * j * 7) % 211) as f32);
        let graph = graph(&x, 7);
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fuzzy_simplicial_set(&graph))
        };
        let set = on(1);
        assert_eq!(on(3), set);
        assert_eq!(set.transpose_view().to_csr(), set);
        assert!(set.data().iter().all(|w| *w > 0.0 && *w <= 1.0));
    }

    #[test]
    fn equal_rows_and_few_rows_have_weights() {
        let equal = fuzzy_simplicial_set(&graph(&Array2::zeros((6, 2)), 3));
        assert!(equal.data().iter().all(|&w| w == 1.0) && equal.nnz() >= 18);
        let alone = fuzzy_simplicial_set(&graph(&Array2::zeros((1, 2)), 3));
        assert_eq!((alone.shape(), alone.nnz()), ((1, 1), 0));
        assert_eq!(fuzzy_simplicial_set(&graph(&Array2::zeros((0, 2)), 3)).shape(), (0, 0));
    }
}
