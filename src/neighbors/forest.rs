//! Random projection trees (Dasgupta & Freund, *Random projection trees and low dimensional manifolds*, 2008): rows that
//! are near one another mostly share a leaf.

use super::differences::squared_distances;
use super::rows::Rows;
use crate::progress::Interrupted;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows a task takes at a time.
const CHUNK: usize = 512;

/// Grows a tree over the rows `ids`, which end in the order of its leaves, and calls `leaf` on each, from several threads.
/// A node is cut in the middle, across the line between two of its rows, so that no row, however far from all others,
/// makes the tree deep. Leaves hold more than half of `leaf_size` and no more than that. O(n d log n).
///
/// # Errors
/// That of `leaf`.
pub(super) fn grow(
    rows: &Rows<'_>,
    ids: &mut [u32],
    leaf_size: usize,
    seed: u64,
    leaf: &(impl Fn(&[u32]) -> Result<(), Interrupted> + Sync),
) -> Result<(), Interrupted> {
    if ids.len() <= leaf_size {
        return leaf(ids);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ends = rand::seq::index::sample(&mut rng, ids.len(), 2);
    let (a, b) = (rows.row(ids[ends.index(0)] as usize), rows.row(ids[ends.index(1)] as usize));
    let margins = |ids: &[u32]| {
        let mut some = vec![a, b];
        some.extend(ids.iter().map(|&id| rows.row(id as usize)));
        let mut squared = Vec::new();
        squared_distances(&some, 2, &mut squared);
        let (to_a, to_b) = squared.split_at(some.len());
        let margins = to_a.iter().zip(to_b).skip(2).map(|(a, b)| a - b);
        margins.zip(ids.iter().copied()).collect::<Vec<(f32, u32)>>()
    };
    let mut margins: Vec<(f32, u32)> = ids.par_chunks(CHUNK).flat_map_iter(margins).collect();
    let middle = ids.len() / 2;
    margins.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    ids.iter_mut().zip(margins).for_each(|(id, margin)| *id = margin.1);
    let (left, right) = ids.split_at_mut(middle);
    let seeds: [u64; 2] = [rng.random(), rng.random()];
    let (left, right) =
        rayon::join(|| grow(rows, left, leaf_size, seeds[0], leaf), || grow(rows, right, leaf_size, seeds[1], leaf));
    left.and(right)
}
