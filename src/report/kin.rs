//! The clusters as a graph on the report: the nodes show what they hold and lead to their clusters.

use maud::{Markup, html};

use super::cards::card_place;
use super::contents::Contents;
use super::figure::Place;
use super::graph::{Inset, fitted};
use super::groups::Group;
use super::link::shown;
use super::page::count;
use crate::collection::ClusterId;
use crate::topology::{Edge, Graph, places};

/// Size of the drawing, and what is left free around the nodes.
const SIZE: (f32, f32) = (1000.0, 620.0);
const INSET: Inset = (50.0, 50.0, 50.0, 65.0);
/// Edges of a node that are drawn, the strongest, beside those that are so for the node at their other end.
const NEAREST: usize = 5;
/// Radius of the largest node, such that none overlap as far as these limits allow, and of the smallest.
const LARGEST: (f32, f32) = (18.0, 46.0);
const SMALLEST: f32 = 9.0;
/// Width of the strongest edge.
const WIDTH: f32 = 8.0;

/// A cluster in the drawing.
struct Node<'a> {
    cluster: ClusterId,
    group: &'a Group<'a>,
    at: Place,
    radius: f32,
}

/// The part of `report.html` with the graph, unless that has too many nodes.
pub(super) fn section(graph: &Graph, contents: &Contents<'_>, groups: &[Group<'_>]) -> Option<Markup> {
    let nodes = nodes(graph, contents, groups)?;
    let (edges, nearest) = strongest(graph);
    let strength = |edge: &Edge| (edge.weight / edges[0].weight).sqrt() as f32;
    Some(html! {
        section #kin aria-labelledby="kin-title" {
            h2 #kin-title { "Which clusters are kin" }
            p.lead {
                "Clusters are joined where images of one have near neighbours in the other: the wider, the more. Point at "
                "one to see its kin; click to go there."
                @if nodes.len() < contents.clusters.len() {
                    " " (nodes.len()) " of " (count(contents.clusters.len(), "cluster")) " are shown."
                }
            }
            svg.kin viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } role="group" aria-labelledby="kin-title" {
                @for edge in &edges {
                    @let ends = [edge.from, edge.to].map(|node| nodes[node].at);
                    line data-ends={ (edge.from) " " (edge.to) }
                        x1=(tenths(ends[0].0)) y1=(tenths(ends[0].1)) x2=(tenths(ends[1].0)) y2=(tenths(ends[1].1))
                        stroke-width=(tenths(WIDTH * strength(edge))) stroke-opacity=(tenths(strength(edge))) {}
                }
                @for (place, node) in nodes.iter().enumerate() {
                    a href=(card_place(groups, node.cluster)) data-node=(place) {
                        title { (described(node, &nearest[place], &nodes)) }
                        (drawn(node, contents))
                    }
                }
            }
        }
    })
}

/// The nodes of `graph`, by its numbers.
fn nodes<'a>(graph: &Graph, contents: &Contents<'_>, groups: &'a [Group<'a>]) -> Option<Vec<Node<'a>>> {
    let places = fitted(&places(graph)?, SIZE, INSET);
    let clusters = graph.nodes.iter().map(|node| contents.members[node.medoid].cluster);
    let clusters: Vec<ClusterId> = clusters.collect::<Option<_>>()?;
    let size = |cluster: ClusterId| groups[cluster].rows.len() as f32;
    let largest = clusters.iter().map(|&cluster| size(cluster)).fold(1.0, f32::max);
    let shares: Vec<f32> = clusters.iter().map(|&cluster| (size(cluster) / largest).sqrt()).collect();
    let room = |(a, b): (usize, usize)| {
        let (dx, dy) = (places[a].0 - places[b].0, places[a].1 - places[b].1);
        dx.hypot(dy) / (shares[a] + shares[b])
    };
    let pairs = (0..places.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let most = pairs.map(room).fold(LARGEST.1, f32::min).max(LARGEST.0);
    let node = |(place, cluster): (usize, ClusterId)| Node {
        cluster,
        group: &groups[cluster],
        at: places[place],
        radius: (most * shares[place]).max(SMALLEST),
    };
    Some(clusters.into_iter().enumerate().map(node).collect())
}

/// The edges to draw, the strongest first, and of each node the ends and weights of its [`NEAREST`] strongest.
fn strongest(graph: &Graph) -> (Vec<Edge>, Vec<Vec<(usize, f64)>>) {
    let mut nearest = vec![Vec::new(); graph.nodes.len()];
    let mut edges = graph.edges.clone();
    edges.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    edges.retain(|edge| {
        let mut is_wanted = false;
        for (node, other) in [(edge.from, edge.to), (edge.to, edge.from)] {
            if nearest[node].len() < NEAREST {
                nearest[node].push((other, edge.weight));
                is_wanted = true;
            }
        }
        is_wanted
    });
    (edges, nearest)
}

/// A node in words.
fn described(node: &Node<'_>, nearest: &[(usize, f64)], nodes: &[Node<'_>]) -> String {
    let group = node.group;
    let mut text = format!("{}: {}", shown(group.name), count(group.rows.len(), "image"));
    for (name, value) in group.facts {
        text += &format!(", {} {}", shown(name), shown(value));
    }
    for (place, &(other, weight)) in nearest.iter().enumerate() {
        let before = if place == 0 { "\nkin to " } else { ", " };
        text += &format!("{before}{} ({weight:.2})", shown(nodes[other].group.name));
    }
    text
}

/// A node with the picture of its most typical member, in the colour of its cluster, over its number.
fn drawn(node: &Node<'_>, contents: &Contents<'_>) -> Markup {
    let Node { cluster, group, at: (x, y), radius } = *node;
    let thumbnail = group.rows.first().and_then(|&row| contents.members[row].thumbnail.as_deref());
    html! {
        circle cx=(tenths(x)) cy=(tenths(y)) r=(tenths(radius)) data-cluster=(cluster) {}
        @if let Some(thumbnail) = thumbnail {
            image href=(thumbnail) x=(tenths(x - radius)) y=(tenths(y - radius)) width=(tenths(2.0 * radius))
                height=(tenths(2.0 * radius)) preserveAspectRatio="xMidYMid slice" {}
        }
        text x=(tenths(x)) y=(tenths(y + radius + 15.0)) { (cluster) }
    }
}

fn tenths(value: f32) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    #[test]
    fn an_edge_is_drawn_if_it_is_among_the_strongest_of_either_end() {
        // A hub, and a node that is nearer to all the others.
        let edge = |from, to, weight| Edge { from, to, count: 1, weight };
        let mut edges: Vec<Edge> = (1..8).map(|to| edge(0, to, to as f64 / 10.0)).collect();
        edges.extend((2..8).map(|to| edge(1, to, 0.8)));
        let graph = Graph { nodes: vec![topology::Node::default(); 8], edges };
        let (edges, nearest) = strongest(&graph);
        assert!(edges.windows(2).all(|pair| pair[0].weight >= pair[1].weight));
        let drawn = |from, to| edges.iter().any(|edge| (edge.from, edge.to) == (from, to));
        // The edge to 1 is among the five strongest of neither end, that to 2 among those of 2.
        assert!(!drawn(0, 1) && drawn(0, 2) && drawn(0, 7) && drawn(1, 7));
        assert_eq!(nearest[0], [(7, 0.7), (6, 0.6), (5, 0.5), (4, 0.4), (3, 0.3)]);
    }
}
