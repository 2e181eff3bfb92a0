//! The minimum spanning tree of mutual reachability with a kd-tree: in every round each part finds the shortest edge that
//! leaves it (O. Borůvka 1926; W. March, P. Ram, A. Gray, Fast euclidean minimum spanning tree, 2010), but for the largest,
//! which the others join.

use super::kd_tree::{BLOCK, KdTree, Node};
use super::spanning::{Edge, Forest};
use crate::progress::{Interrupted, Reporter};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// No part, where a node has points of several.
const MIXED: u32 = u32::MAX;

/// The edges by rising distance, for the squared core distances of the tree's places.
pub(super) fn spanning_tree(tree: &KdTree, core: &[f64], reporter: &dyn Reporter) -> Result<Vec<Edge>, Interrupted> {
    let n = tree.len();
    let least_core =
        up(tree, |node| core[node.start..node.end].iter().copied().fold(f64::INFINITY, f64::min), f64::min);
    let (mut forest, mut edges) = (Forest::new(n), Vec::with_capacity(n.saturating_sub(1)));
    let mut parts: Vec<u32> = (0..n).map(|place| tree.row(place) as u32).collect();
    while edges.len() + 1 < n {
        let of_node = up(tree, |node| one(&parts[node.start..node.end]), |a, b| if a == b { a } else { MIXED });
        let bounds: Vec<AtomicU64> = (0..n).map(|_| AtomicU64::new(f64::INFINITY.to_bits())).collect();
        let round = Round { tree, core, least_core: &least_core, parts: &parts, of_node: &of_node, bounds: &bounds };
        let largest = largest(&parts);
        let places: Vec<usize> = (0..n).filter(|&place| parts[place] != largest).collect();
        let blocks = places.par_chunks(BLOCK).map(|places| {
            reporter.check()?;
            Ok(places.iter().map(|&place| round.shortest(place)).collect())
        });
        let found = blocks.collect::<Result<Vec<Vec<Option<Edge>>>, Interrupted>>()?.concat();
        let mut shortest: Vec<Option<Edge>> = vec![None; n];
        for (edge, place) in found.into_iter().zip(places) {
            let shortest = &mut shortest[parts[place] as usize];
            *shortest = match (edge, *shortest) {
                (Some(edge), Some(other)) => Some(edge.min(other)),
                (edge, other) => edge.or(other),
            };
        }
        edges.extend(shortest.into_iter().flatten().filter(|e| forest.join(e.low as usize, e.high as usize)));
        parts.iter_mut().for_each(|part| *part = forest.root(*part as usize) as u32);
    }
    edges.iter_mut().for_each(|edge| edge.distance = edge.distance.sqrt());
    edges.sort_unstable();
    Ok(edges)
}

/// The part of the most places, of equal ones the lowest.
fn largest(parts: &[u32]) -> u32 {
    let mut sizes = vec![0u32; parts.len()];
    parts.iter().for_each(|&part| sizes[part as usize] += 1);
    let largest = (0..sizes.len()).rev().max_by_key(|&part| sizes[part]);
    largest.expect("two places") as u32
}

/// A value of each node, from those of the leaves upwards.
fn up<T: Copy>(tree: &KdTree, leaf: impl Fn(&Node) -> T, both: impl Fn(T, T) -> T) -> Vec<T> {
    let nodes = tree.nodes();
    let mut values: Vec<T> = Vec::with_capacity(nodes.len());
    // From the last node on, so that children come first; node i is at the end less i.
    for (i, node) in nodes.iter().enumerate().rev() {
        let of = |child: usize| values[nodes.len() - 1 - child];
        values.push(node.right.map_or_else(|| leaf(node), |right| both(of(i + 1), of(right))));
    }
    values.reverse();
    values
}

/// The part that all places are in.
fn one(parts: &[u32]) -> u32 {
    match parts {
        [first, rest @ ..] if rest.iter().all(|part| part == first) => *first,
        _ => MIXED,
    }
}

struct Round<'a> {
    tree: &'a KdTree,
    /// By place, squared.
    core: &'a [f64],
    /// The least of each node.
    least_core: &'a [f64],
    /// By place: the lowest row of the part.
    parts: &'a [u32],
    /// The part of a node of one alone.
    of_node: &'a [u32],
    /// By part: the bits of the squared distance of the shortest edge so far. Which thread wrote it makes no difference:
    /// only what is longer is passed over.
    bounds: &'a [AtomicU64],
}

impl Round<'_> {
    /// The shortest edge, of squared length, from a place to another part, unless that part surely has a shorter one.
    fn shortest(&self, place: usize) -> Option<Edge> {
        let part = self.parts[place];
        let bound = &self.bounds[part as usize];
        let (point, row, core) = (self.tree.point(place), self.tree.row(place), self.core[place]);
        let mut query = Query { round: self, part, bound, point, row, core, best: None };
        query.visit(0, 0.0);
        query.best
    }
}

struct Query<'a> {
    round: &'a Round<'a>,
    part: u32,
    bound: &'a AtomicU64,
    point: &'a [f32],
    row: usize,
    core: f64,
    best: Option<Edge>,
}

impl Query<'_> {
    /// The edge to a row, or to any of higher rows and no nearer ones, if it can be of use.
    fn useful(&self, row: usize, squared: f64) -> Option<Edge> {
        let edge = Edge::new(self.row, row, squared);
        let is_short = squared.to_bits() <= self.bound.load(Relaxed);
        (is_short && self.best.is_none_or(|best| edge < best)).then_some(edge)
    }

    fn visit(&mut self, node: usize, squared: f64) {
        let Round { tree, core, least_core, parts, of_node, .. } = *self.round;
        let Node { start, end, first_row, .. } = tree.nodes()[node];
        let least = squared.max(self.core).max(least_core[node]);
        if of_node[node] == self.part || self.useful(first_row as usize, least).is_none() {
            return;
        }
        if let Some(children) = tree.children(self.point, node) {
            return children.into_iter().for_each(|(child, squared)| self.visit(child, squared));
        }
        for place in (start..end).filter(|&place| parts[place] != self.part) {
            let reach = tree.squared(self.point, place).max(self.core).max(core[place]);
            if let Some(edge) = self.useful(tree.row(place), reach) {
                self.best = Some(edge);
                self.bound.fetch_min(reach.to_bits(), Relaxed);
            }
        }
    }
}
