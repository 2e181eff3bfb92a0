//! A graph in the plane.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Graph;

/// Nodes that are placed, at most: every pair is looked at, again and again.
pub const MAX_PLACED: usize = 1500;

/// Rounds, at most, and the step of the farthest-moving node, in lengths of the shortest edge, that ends them.
const ROUNDS: usize = 300;
const STILL: f64 = 1e-4;
/// Distance between parts that no edge joins, over the longest way within one.
const APART: f64 = 1.2;
/// The golden angle, which spreads any number of directions.
const GOLDEN: f64 = 2.399_963_229_728_653;

/// A place for each node such that distances are those along the edges, as far as the plane has room: an edge is 1 long if
/// its groups are the closest, and longer by the logarithm of how much less close they are. Nothing is random. `None` of more than
/// [`MAX_PLACED`] nodes. O(nodes (edges log nodes + 300 nodes)).
///
/// Gansner, Koren and North, "Graph drawing by stress majorization", 2004, with one node moved at a time.
///
/// ```
/// use alike::topology::{Edge, Graph, Node, places};
/// let edge = |from, to| Edge { from, to, count: 1, weight: 1.0 };
/// let path = Graph { nodes: vec![Node::default(); 3], edges: vec![edge(0, 1), edge(1, 2)] };
/// let places = places(&path).unwrap();
/// assert!((places[0][0] - places[2][0]).hypot(places[0][1] - places[2][1]) > 1.9);
/// ```
pub fn places(graph: &Graph) -> Option<Vec<[f64; 2]>> {
    let n = graph.nodes.len();
    if n > MAX_PLACED {
        return None;
    }
    let distances = distances(graph);
    let mut places = start(&distances);
    for _ in 0..ROUNDS {
        let mut farthest = 0.0_f64;
        for node in 0..n {
            let to = pulled(node, &places, &distances[node]);
            farthest = farthest.max((to[0] - places[node][0]).hypot(to[1] - places[node][1]));
            places[node] = to;
        }
        if farthest < STILL {
            break;
        }
    }
    Some(places)
}

/// Where a node would be at rest if the others stood still, near ones counting most.
fn pulled(node: usize, places: &[[f64; 2]], distances: &[f64]) -> [f64; 2] {
    let (mut sum, mut total) = ([0.0; 2], 0.0);
    for (other, (place, &distance)) in places.iter().zip(distances).enumerate() {
        if other == node {
            continue;
        }
        let weight = distance.powi(-2);
        let away = [places[node][0] - place[0], places[node][1] - place[1]];
        let stretch = distance / away[0].hypot(away[1]).max(1e-9);
        total += weight;
        (0..2).for_each(|axis| sum[axis] += weight * (place[axis] + stretch * away[axis]));
    }
    if total > 0.0 { sum.map(|sum| sum / total) } else { places[node] }
}

/// Places by the distances to two pairs of far nodes (Harel and Koren, "Graph drawing by high-dimensional embedding", 2002),
/// each a little off so that no two are one.
fn start(distances: &[Vec<f64>]) -> Vec<[f64; 2]> {
    let n = distances.len();
    let farthest = |from: &dyn Fn(usize) -> f64| (0..n).rev().max_by(|&a, &b| from(a).total_cmp(&from(b))).unwrap_or(0);
    if n == 0 {
        return Vec::new();
    }
    let a = farthest(&|node| distances[0][node]);
    let b = farthest(&|node| distances[a][node]);
    let c = farthest(&|node| distances[a][node].min(distances[b][node]));
    let d = farthest(&|node| distances[c][node]);
    let place = |node: usize| {
        let (sine, cosine) = (GOLDEN * node as f64).sin_cos();
        [distances[a][node] - distances[b][node] + 0.1 * cosine, distances[c][node] - distances[d][node] + 0.1 * sine]
    };
    (0..n).map(place).collect()
}

/// The shortest way between every two nodes.
fn distances(graph: &Graph) -> Vec<Vec<f64>> {
    let strongest = graph.edges.iter().map(|edge| graph.closeness(edge)).fold(0.0, f64::max);
    let mut ways = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        let length = 1.0 + (strongest / graph.closeness(edge)).ln();
        ways[edge.from].push((edge.to, length));
        ways[edge.to].push((edge.from, length));
    }
    let mut distances: Vec<Vec<f64>> = (0..ways.len()).map(|from| shortest(from, &ways)).collect();
    let longest = distances.iter().flatten().copied().filter(|d| d.is_finite()).fold(1.0, f64::max);
    distances.iter_mut().flatten().filter(|d| d.is_infinite()).for_each(|d| *d = APART * longest);
    distances
}

/// Dijkstra's algorithm. Lengths of 0 or more sort as their bits do.
fn shortest(from: usize, ways: &[Vec<(usize, f64)>]) -> Vec<f64> {
    let mut distances = vec![f64::INFINITY; ways.len()];
    distances[from] = 0.0;
    let mut ahead = BinaryHeap::from([Reverse((0, from))]);
    while let Some(Reverse((bits, node))) = ahead.pop() {
        if f64::from_bits(bits) > distances[node] {
            continue;
        }
        for &(to, length) in &ways[node] {
            let distance = distances[node] + length;
            if distance < distances[to] {
                distances[to] = distance;
                ahead.push(Reverse((distance.to_bits(), to)));
            }
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Edge, Node};

    fn placed(n: usize, edges: &[(usize, usize)]) -> Vec<[f64; 2]> {
        let edge = |&(from, to): &(usize, usize)| Edge { from, to, count: 1, weight: 0.5 };
        places(&Graph { nodes: vec![Node::default(); n], edges: edges.iter().map(edge).collect() }).unwrap()
    }

    fn apart(a: [f64; 2], b: [f64; 2]) -> f64 {
        (a[0] - b[0]).hypot(a[1] - b[1])
    }

    #[test]
    fn a_ring_is_drawn_round() {
        let ring: Vec<(usize, usize)> = (0..12).map(|i| (i.min((i + 1) % 12), i.max((i + 1) % 12))).collect();
        let places = placed(12, &ring);
        let centre = [0, 1].map(|axis| places.iter().map(|place| place[axis]).sum::<f64>() / 12.0);
        let radii: Vec<f64> = places.iter().map(|&place| apart(place, centre)).collect();
        let (low, high) = (radii.iter().copied().fold(9.0, f64::min), radii.iter().copied().fold(0.0, f64::max));
        assert!(low > 0.95 * high, "{radii:?}");
        // Chords are shorter than ways along the ring: the least sum of (1 - chord / way)^2, worked by hand. If every pair
        // counted the same, far ones would widen the ring to 2.446.
        assert!((radii.iter().sum::<f64>() / 12.0 / 2.1855 - 1.0).abs() < 0.005, "{radii:?}");
    }

    #[test]
    fn twins_and_strangers_stand_apart() {
        let star = placed(6, &[(0, 1), (0, 2), (0, 3), (0, 4)]);
        for a in 0..6 {
            assert!(star.iter().all(|place| place.iter().all(|v| v.is_finite())));
            assert!((0..a).all(|b| apart(star[a], star[b]) > 0.8), "{star:?}");
        }
        assert_eq!(placed(0, &[]).len(), 0);
        assert_eq!(placed(1, &[]).len(), 1);
        assert!(places(&Graph { nodes: vec![Node::default(); MAX_PLACED + 1], edges: Vec::new() }).is_none());
    }
}
