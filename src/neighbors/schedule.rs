//! What it takes to lay out a graph pass by pass: nodes in a random order, and when each edge acts.

use crate::collection::{Csr, sparse_row, square};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

/// All passes, as a share of them.
const WHOLE: u32 = 1 << 16;

/// A symmetric graph with its nodes in a random order, and the old number of each: nodes that are visited in that order lie
/// one after the other in memory, as their edges do. O(edges) for rows of a bounded number of them.
pub(crate) fn shuffled(graph: &Csr, rng: &mut impl Rng) -> (Csr, Vec<u32>) {
    let mut nodes: Vec<u32> = (0..graph.rows() as u32).collect();
    nodes.shuffle(rng);
    let mut place = vec![0; nodes.len()];
    nodes.iter().zip(0..).for_each(|(&node, at)| place[node as usize] = at);
    let row = |&node: &u32| {
        let (to, weights) = sparse_row(graph, node as usize);
        let mut edges: Vec<(u32, f32)> = to.iter().map(|&to| place[to as usize]).zip(weights.iter().copied()).collect();
        edges.sort_unstable_by_key(|&(to, _)| to);
        edges
    };
    let rows: Vec<Vec<(u32, f32)>> = nodes.par_iter().map(row).collect();
    (square(rows), nodes)
}

/// Of each edge the share of all passes in which it acts.
pub(crate) struct Schedule(Vec<u32>);

impl Schedule {
    /// Of shares from 0 to 1.
    pub fn new(shares: impl Iterator<Item = f32>) -> Self {
        Self(shares.map(|share| (share * WHOLE as f32).round() as u32).collect())
    }

    /// Those of `edges` that act in a pass, less than 2^16 before it: evenly over the passes. `room` is for them.
    ///
    /// Guesses at whether an edge acts are mostly wrong, so nothing here hangs on it.
    pub fn due<'a>(
        &self,
        edges: impl ExactSizeIterator<Item = usize>,
        pass: usize,
        room: &'a mut Vec<usize>,
    ) -> &'a [usize] {
        let pass = pass as u32;
        if room.len() <= edges.len() {
            room.resize(edges.len() + 1, 0);
        }
        let mut n_due = 0;
        for edge in edges {
            room[n_due] = edge;
            let share = self.0[edge];
            n_due += (share * (pass + 1) / WHOLE - share * pass / WHOLE) as usize;
        }
        &room[..n_due]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_shuffled_graph_is_the_same_under_other_numbers() {
        let near = ndarray::Array2::from_shape_fn((50, 3), |(row, i)| ((row + i * i + 1) % 50) as u32);
        let weights = ndarray::Array2::from_shape_fn((50, 3), |(row, i)| (row * 3 + i) as f32);
        let graph = crate::neighbors::symmetric(near.view(), weights.view(), f32::max);
        let (shuffled, nodes) = shuffled(&graph, &mut ChaCha8Rng::seed_from_u64(0));
        assert!(nodes.iter().enumerate().filter(|&(at, &node)| at == node as usize).count() < 10);
        assert_eq!(shuffled.nnz(), graph.nnz());
        for (&weight, (row, to)) in shuffled.iter() {
            assert_eq!(graph.get(nodes[row as usize] as usize, nodes[to as usize] as usize), Some(&weight));
        }
    }

    #[test]
    fn edges_act_evenly_in_their_share_of_the_passes() {
        let schedule = Schedule::new([1.0, 0.5, 0.0, 0.3].into_iter());
        let mut room = Vec::new();
        let passes: Vec<Vec<usize>> = (0..1000).map(|pass| schedule.due(0..4, pass, &mut room).to_vec()).collect();
        let acts = |edge: usize| passes.iter().map(move |due| due.iter().filter(|&&due| due == edge).count());
        assert!(acts(0).all(|n| n == 1));
        assert!(acts(1).enumerate().all(|(pass, n)| n == pass % 2));
        assert_eq!(acts(2).sum::<usize>(), 0);
        assert!((299..=300).contains(&acts(3).sum::<usize>()));
        let gaps: Vec<usize> = (0..1000).filter(|&pass| passes[pass].contains(&3)).collect();
        assert!(gaps.windows(2).all(|pair| (3..=4).contains(&(pair[1] - pair[0]))));
        assert_eq!(schedule.due([3, 0].into_iter(), 998, &mut room), [0]);
    }
}
