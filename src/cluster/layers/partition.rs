//! A graph cut into many small parts by the spread of labels, and the graph of those parts.

use crate::collection::{Csr, sparse_row, square};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Rounds in which labels spread from sure node to sure node.
const ROUNDS: usize = 20;
/// The sum of the weights of its edges to a part from which a node surely belongs to it.
const SURE: f32 = 1.0;
/// Nodes a task takes at a time.
const TASK: usize = 512;
/// No part yet.
const NONE: u32 = u32::MAX;

/// The nodes of a graph in parts.
pub(super) struct Partition {
    /// The part of each node.
    pub(super) parts: Vec<u32>,
    /// Nodes of each part, none of them empty.
    pub(super) sizes: Vec<usize>,
}

impl Partition {
    /// At most `n_parts` parts around as many nodes drawn at random: a node joins the part that the most of its weight
    /// leads to, first where that is much. O(rounds edges), the same at any number of threads.
    ///
    /// # Panics
    /// If `n_parts` is 0 or greater than the number of nodes.
    pub(super) fn new(graph: &Csr, n_parts: usize, seed: u64) -> Self {
        let n = graph.rows();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut parts = vec![NONE; n];
        let drawn = rand::seq::index::sample(&mut rng, n, n_parts);
        drawn.into_iter().zip(0..).for_each(|(node, part)| parts[node] = part);
        for _ in 0..ROUNDS {
            if !spread(graph, &mut parts, SURE) {
                break;
            }
        }
        while spread(graph, &mut parts, 0.0) {}
        // What no drawn node reaches: a component of the graph goes into one part.
        for node in 0..n {
            if parts[node] == NONE {
                flood(graph, &mut parts, node, (node % n_parts) as u32);
            }
        }
        let mut numbers = vec![NONE; n_parts];
        let mut sizes = Vec::new();
        for part in &mut parts {
            let number = &mut numbers[*part as usize];
            if *number == NONE {
                *number = sizes.len() as u32;
                sizes.push(0);
            }
            *part = *number;
            sizes[*part as usize] += 1;
        }
        Self { parts, sizes }
    }

    /// The graph of the parts: the weight between two is that of all edges between them over the root of their sizes'
    /// product, at most 1.
    pub(super) fn coarsen(&self, graph: &Csr) -> Csr {
        let mut members = vec![Vec::new(); self.sizes.len()];
        self.parts.iter().enumerate().for_each(|(node, &part)| members[part as usize].push(node));
        let rows: Vec<Vec<(u32, f32)>> = members
            .par_iter()
            .enumerate()
            .map(|(part, members)| {
                let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
                for &node in members {
                    let (to, weights) = sparse_row(graph, node);
                    for (&to, &weight) in to.iter().zip(weights) {
                        *sums.entry(self.parts[to as usize]).or_default() += f64::from(weight);
                    }
                }
                sums.remove(&(part as u32));
                let scale = |to: u32| ((members.len() * self.sizes[to as usize]) as f64).sqrt();
                sums.into_iter().map(|(to, sum)| (to, (sum / scale(to)).min(1.0) as f32)).collect()
            })
            .collect();
        square(rows)
    }
}

/// One round: a node without a part joins that to which the most weight leads, if that is at least `least`. Whether any
/// did.
fn spread(graph: &Csr, parts: &mut Vec<u32>, least: f32) -> bool {
    let joined = |node: usize, votes: &mut Vec<(u32, f32)>| {
        if parts[node] != NONE {
            return parts[node];
        }
        votes.clear();
        let (to, weights) = sparse_row(graph, node);
        for (&to, &weight) in to.iter().zip(weights) {
            match votes.iter_mut().find(|(part, _)| *part == parts[to as usize]) {
                _ if parts[to as usize] == NONE => {}
                Some((_, sum)) => *sum += weight,
                None => votes.push((parts[to as usize], weight)),
            }
        }
        let most = votes.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        most.filter(|&&(_, sum)| sum >= least).map_or(NONE, |&(part, _)| part)
    };
    let nodes: Vec<usize> = (0..parts.len()).collect();
    let next: Vec<Vec<u32>> = nodes
        .par_chunks(TASK)
        .map(|nodes| {
            let mut votes = Vec::new();
            nodes.iter().map(|&node| joined(node, &mut votes)).collect()
        })
        .collect();
    let next = next.concat();
    let any = next != *parts;
    *parts = next;
    any
}

/// Gives the whole component of a node to a part.
fn flood(graph: &Csr, parts: &mut [u32], node: usize, part: u32) {
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        if parts[node] == NONE {
            parts[node] = part;
            stack.extend(sparse_row(graph, node).0.iter().map(|&to| to as usize));
        }
    }
}
