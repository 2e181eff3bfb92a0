//! A graph's nodes as points of few dimensions: edges pull, random pairs push.

use crate::collection::Csr;
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
/// Nodes that move together.
const RUN: usize = 16;
/// Nodes a task takes at a time.
const TASK: usize = 256;
/// Pushes for each pull, a fraction of at most 1.
const PUSHES: [u32; 2] = [2, 3];
/// All passes, as a share of them.
const WHOLE: u32 = 1 << 16;
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
/// O(epochs edges), all but for the lightest edges' share; memory as for two more embeddings.
pub(super) fn embed(
    graph: &Csr,
    places: &mut Vec<Place>,
    rate: f32,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<(), Interrupted> {
    let n = places.len();
    let heaviest = graph.data().iter().copied().fold(0.0, f32::max);
    let share = |weight: &f32| ((weight / heaviest).max(1.0 / EPOCHS as f32) * WHOLE as f32).round() as u32;
    let shares: Vec<u32> = graph.data().iter().map(share).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<Range<usize>> = (0..n).step_by(RUN).map(|first| first..n.min(first + RUN)).collect();
    let mut steps = vec![[0.0f32; DIM]; n];
    let mut alpha = rate;
    let last = (EPOCHS - 1).max(1) as f32;
    for epoch in 0..EPOCHS {
        let pass = Pass {
            graph,
            shares: &shares,
            epoch: epoch as u32,
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
                    rows.map(|row| pass.step(row, places, steps[row], room)).collect()
                })
                .collect();
            for (row, step) in block.iter().flat_map(Range::clone).zip(moved.into_iter().flatten()) {
                steps[row] = step;
                (0..DIM).for_each(|d| places[row][d] += step[d]);
            }
        }
        let kept = (1.0 - alpha) * (1.0 - alpha) * MOMENTUM;
        steps.iter_mut().flatten().for_each(|step| *step *= kept);
        order.shuffle(&mut rng);
        alpha = rate * (1.0 - epoch as f32 / EPOCHS as f32);
    }
    Ok(())
}

/// One pass over the edges.
struct Pass<'a> {
    graph: &'a Csr,
    /// Of each edge the share of the passes in which it pulls, of [`WHOLE`].
    shares: &'a [u32],
    epoch: u32,
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
        // Which edges pull and push is known first, for guesses at it would mostly be wrong.
        let pulls = pick(edges, pulls, |edge| due(self.shares[edge], self.epoch));
        let pushes =
            pick(pulls.iter().copied(), pushes, |edge| due(self.shares[edge] * PUSHES[0] / PUSHES[1], self.epoch));
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

/// Those of `edges` that are counted, each 0 or 1 times.
fn pick(
    edges: impl ExactSizeIterator<Item = usize>,
    room: &mut Vec<usize>,
    count: impl Fn(usize) -> usize,
) -> &[usize] {
    if room.len() <= edges.len() {
        room.resize(edges.len() + 1, 0);
    }
    let mut n = 0;
    for edge in edges {
        room[n] = edge;
        n += count(edge);
    }
    &room[..n]
}

/// How often what happens in a share of all passes happens in this one: 0 or 1.
fn due(share: u32, epoch: u32) -> usize {
    (share * (epoch + 1) / WHOLE - share * epoch / WHOLE) as usize
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
