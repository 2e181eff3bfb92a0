//! A graph's nodes as points of few dimensions: edges pull, random pairs push.

use crate::collection::Csr;
use crate::neighbors::{Schedule, shuffled};
use crate::progress::{Interrupted, Reporter};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::ops::Range;

/// Dimensions of the embedding.
pub(super) const DIM: usize = 4;

/// Where a node lies.
pub(super) type Place = [f32; DIM];

/// The first step of a graph's own nodes.
pub(super) const RATE: f32 = 0.1;
/// Passes over the edges.
pub(super) const EPOCHS: usize = 50;
/// Blocks of nodes that move one after another; within one, all see the others where they were.
const BLOCKS: usize = 8;
/// Fewest nodes of a block.
const LEAST_BLOCK: usize = 1024;
/// Nodes that are drawn together, which lie one after the other in memory.
const RUN: usize = 16;
/// Nodes a task takes at a time.
const TASK: usize = 256;
/// Pushes for each pull, at most 1.
const PUSHES: f32 = 2.0 / 3.0;
/// Strength of a push in the first and the last pass.
const GAMMA: [f32; 2] = [0.5, 1.0];
/// What a node keeps of its last step.
const MOMENTUM: f32 = 0.5;
/// The longest push along an axis.
const MOST: f32 = 4.0;
/// Nodes nearer than this, squared, don't push each other.
const TOUCHING: f32 = 1e-2;

/// Moves the nodes of `graph`, a symmetric matrix of weights, from `places`: those that an edge joins together, the more
/// often the greater its weight, and each away from nodes met at random. The step shrinks from `rate` to 0. The same at
/// any number of threads.
///
/// O(epochs edges), all but for the lightest edges' share; memory as for another graph and two embeddings.
pub(super) fn embed(
    graph: &Csr,
    places: &mut [Place],
    rate: f32,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<(), Interrupted> {
    let n = places.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (graph, nodes) = shuffled(graph, &mut rng);
    let mut moving: Vec<Place> = nodes.iter().map(|&node| places[node as usize]).collect();
    let heaviest = graph.data().iter().copied().fold(0.0, f32::max);
    let shares = graph.data().iter().map(|weight| (weight / heaviest).max(1.0 / EPOCHS as f32));
    let (pulls, pushes) = (Schedule::new(shares.clone()), Schedule::new(shares.map(|share| PUSHES * share)));
    let mut order: Vec<Range<usize>> = (0..n).step_by(RUN).map(|first| first..n.min(first + RUN)).collect();
    let mut steps = vec![[0.0f32; DIM]; n];
    let mut alpha = rate;
    let last = (EPOCHS - 1).max(1) as f32;
    for epoch in 0..EPOCHS {
        let pass = Pass {
            graph: &graph,
            pulls: &pulls,
            pushes: &pushes,
            epoch,
            alpha,
            gamma: GAMMA[0] + (GAMMA[1] - GAMMA[0]) * epoch as f32 / last,
            key: mix(seed ^ mix(epoch as u64)),
        };
        for block in order.chunks((order.len() / BLOCKS).max(LEAST_BLOCK / RUN)) {
            reporter.check()?;
            let moved: Vec<Vec<Place>> = block
                .par_chunks(TASK / RUN)
                .map_init(Default::default, |room, runs| {
                    let rows = runs.iter().flat_map(Range::clone);
                    rows.map(|row| pass.step(row, &moving, steps[row], room)).collect()
                })
                .collect();
            for (row, step) in block.iter().flat_map(Range::clone).zip(moved.into_iter().flatten()) {
                steps[row] = step;
                (0..DIM).for_each(|d| moving[row][d] += step[d]);
            }
        }
        let kept = (1.0 - alpha) * (1.0 - alpha) * MOMENTUM;
        steps.iter_mut().flatten().for_each(|step| *step *= kept);
        order.shuffle(&mut rng);
        alpha = rate * (1.0 - epoch as f32 / EPOCHS as f32);
    }
    nodes.iter().zip(moving).for_each(|(&node, place)| places[node as usize] = place);
    Ok(())
}

/// One pass over the edges.
struct Pass<'a> {
    graph: &'a Csr,
    /// When each edge pulls.
    pulls: &'a Schedule,
    /// When one that pulls pushes too.
    pushes: &'a Schedule,
    epoch: usize,
    alpha: f32,
    gamma: f32,
    /// Where the random numbers of this pass begin.
    key: u64,
}

impl Pass<'_> {
    /// The step of a node, what is kept of its last one counted. `pulls` and `pushes` are room for its edges.
    fn step(&self, row: usize, places: &[Place], mut step: Place, [pulls, pushes]: &mut [Vec<usize>; 2]) -> Place {
        let here = places[row];
        let (edges, to) = (self.graph.indptr().outer_inds_sz(row), self.graph.indices());
        let pulls = self.pulls.due(edges, self.epoch, pulls);
        let pushes = self.pushes.due(pulls.iter().copied(), self.epoch, pushes);
        for &edge in pulls {
            pull(&mut step, here, places[to[edge] as usize], self.alpha);
        }
        for &edge in pushes {
            let draw = mix(self.key.wrapping_add(edge as u64));
            // The high bits of the product: uniform without a division.
            let other = ((u128::from(draw) * places.len() as u128) >> 64) as usize;
            push(&mut step, here, places[other], self.gamma, self.alpha);
        }
        step
    }
}

fn squared(a: Place, b: Place) -> f32 {
    (0..DIM).map(|d| (a[d] - b[d]) * (a[d] - b[d])).sum()
}

fn pull(step: &mut Place, here: Place, other: Place, alpha: f32) {
    let squared = squared(here, other);
    let force = -2.0 * alpha / (2.0 * squared - 0.5 * squared.sqrt() + 1.0);
    (0..DIM).for_each(|d| step[d] += force * (here[d] - other[d]));
}

fn push(step: &mut Place, here: Place, other: Place, gamma: f32, alpha: f32) {
    let squared = squared(here, other);
    if squared > TOUCHING {
        let force = gamma * 4.0 / ((1.0 + 0.25 * squared) * squared);
        (0..DIM).for_each(|d| step[d] += alpha * (force * (here[d] - other[d])).clamp(-MOST, MOST));
    }
}

/// 64 bits that look random, of a number (the finaliser of splitmix64; Steele, Lea, Flood 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
