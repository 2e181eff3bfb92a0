//! The two passes over the nodes of a graph: moving them between communities, and dividing each community into parts that
//! are connected for certain.

use super::network::{Network, Parts, Sums};
use crate::progress::{Interrupted, Reporter};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// The least gain for which a node moves, as a share of all weight: rounding must not move it to and fro.
const LEAST_GAIN: f64 = 1e-12;
/// Nodes between two questions whether to stop.
const CHECKED: usize = 1 << 16;

/// The communities that nodes are moved between, as many as there are nodes, some of them empty.
struct Places {
    of: Vec<u32>,
    masses: Vec<f64>,
    sizes: Vec<u32>,
    empty: Vec<usize>,
}

impl Places {
    fn new(network: &Network, communities: &Parts) -> Self {
        let (mut masses, mut sizes) = (vec![0.0; network.len()], vec![0; network.len()]);
        for (&community, mass) in communities.of.iter().zip(&network.masses) {
            masses[community as usize] += mass;
            sizes[community as usize] += 1;
        }
        let empty = (communities.n_parts..network.len()).rev().collect();
        Self { of: communities.of.clone(), masses, sizes, empty }
    }

    /// Moves a node of such a mass; an empty community must be the last of them.
    fn shift(&mut self, node: usize, mass: f64, to: usize) {
        let from = std::mem::replace(&mut self.of[node], to as u32) as usize;
        if self.sizes[to] == 0 {
            self.empty.pop();
        }
        self.sizes[to] += 1;
        self.masses[to] += mass;
        self.sizes[from] -= 1;
        self.masses[from] -= mass;
        if self.sizes[from] == 0 {
            // What rounding left of it goes too.
            self.masses[from] = 0.0;
            self.empty.push(from);
        }
    }
}

/// Moves nodes, in random order, to the community where they are worth the most, or to one of their own; and again those
/// whose neighbours moved elsewhere. `rate` is what a community is charged for the square of its mass.
pub(super) fn move_nodes(
    network: &Network,
    rate: f64,
    communities: &Parts,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<Parts, Interrupted> {
    let mut places = Places::new(network, communities);
    let mut queue: VecDeque<usize> = shuffled(network.len(), rng).into();
    let mut queued = vec![true; network.len()];
    let mut links = Sums::new(network.len());
    let least = LEAST_GAIN * network.total;
    let mut seen = 0;
    while let Some(node) = queue.pop_front() {
        seen += 1;
        if seen % CHECKED == 0 {
            reporter.check()?;
        }
        queued[node] = false;
        let (from, mass) = (places.of[node] as usize, network.masses[node]);
        links.gather(network.edges(node).map(|(to, weight)| (places.of[to] as usize, weight)));
        let alone = places.sizes[from] == 1;
        let stay = if alone { 0.0 } else { links.to(from) - rate * mass * (places.masses[from] - mass) };
        let (mut most, mut to) = (stay, from);
        for (community, weight) in links.iter().filter(|&(community, _)| community != from) {
            let worth = weight - rate * mass * places.masses[community];
            if worth > most {
                (most, to) = (worth, community);
            }
        }
        if most < 0.0 {
            // It isn't alone, so that there are fewer communities than nodes.
            (most, to) = (0.0, places.empty[places.empty.len() - 1]);
        }
        if most <= stay + least {
            continue;
        }
        places.shift(node, mass, to);
        for (other, _) in network.edges(node).filter(|&(other, _)| places.of[other] as usize != to) {
            if !std::mem::replace(&mut queued[other], true) {
                queue.push_back(other);
            }
        }
    }
    Ok(Parts::named(places.of))
}

/// Divides communities into parts: nodes, in random order, that are still alone and well connected to the rest of their
/// community join that part of it, if it is well connected too, with which they gain the most. Each part is connected,
/// because what joins is joined by an edge.
pub(super) fn refine(network: &Network, rate: f64, communities: &Parts, rng: &mut ChaCha8Rng) -> Parts {
    let n_nodes = network.len();
    let mut whole = vec![0.0; communities.n_parts];
    communities.of.iter().zip(&network.masses).for_each(|(&of, mass)| whole[of as usize] += mass);
    // A part has the name of its first node.
    let mut parts: Vec<u32> = (0..n_nodes as u32).collect();
    let mut alone = vec![true; n_nodes];
    let mut masses = network.masses.clone();
    // Of each part to the rest of its community.
    let inside = |node: usize| network.edges(node).filter(move |&(to, _)| communities.of[to] == communities.of[node]);
    let mut outward: Vec<f64> = (0..n_nodes).map(|node| inside(node).map(|(_, weight)| weight).sum()).collect();
    let mut links = Sums::new(n_nodes);
    for node in shuffled(n_nodes, rng) {
        let whole = whole[communities.of[node] as usize];
        let connected = |outward: f64, mass: f64| outward >= rate * mass * (whole - mass);
        let mass = network.masses[node];
        if !alone[node] || !connected(outward[node], mass) {
            continue;
        }
        links.gather(inside(node).map(|(to, weight)| (parts[to] as usize, weight)));
        let mut best = (0.0, node, 0.0);
        for (part, weight) in links.iter().filter(|&(part, _)| connected(outward[part], masses[part])) {
            let gain = weight - rate * mass * masses[part];
            if gain > best.0 {
                best = (gain, part, weight);
            }
        }
        let (_, part, weight) = best;
        if part != node {
            parts[node] = part as u32;
            masses[part] += mass;
            outward[part] += outward[node] - 2.0 * weight;
            (alone[node], alone[part]) = (false, false);
        }
    }
    Parts::named(parts)
}

fn shuffled(n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(rng);
    order
}
