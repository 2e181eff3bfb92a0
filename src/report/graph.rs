//! A graph of groups as a picture.

use super::figure::{Anchor, Colour, Figure, INK, LINE, Place, SOFT};
use crate::collection::Truth;
use crate::raster::picture::colour;
use crate::topology::Graph;

/// Size of the drawing, and what is left free around the nodes.
const SIZE: (f32, f32) = (1000.0, 760.0);
const INSET: Inset = (50.0, 70.0, 150.0, 50.0);
/// Radius of the smallest and the largest node.
const RADII: (f32, f32) = (3.0, 22.0);
/// Width of the edge between the closest groups.
const WIDTH: f32 = 5.0;
/// Nodes with a name, the largest first.
const NAMED: usize = 60;
/// Classes in the legend, and the height of a line there.
const LEGEND: usize = 30;
const LINE_HEIGHT: f32 = 20.0;

/// `graph` with its nodes at `places`, larger the more rows they have and in the colour of their class; edges are wider and
/// darker the closer the groups are. Sixty nodes at most have their names. 1,000 x 760.
///
/// # Panics
/// If there isn't a place a node.
///
/// ```
/// use alike::topology::{Graph, Node};
/// let graph = Graph { nodes: vec![Node { members: vec![0], ..Node::default() }], edges: Vec::new() };
/// assert!(alike::report::graph_figure(&graph, &[[0.0, 0.0]], "One").svg().contains("<circle"));
/// ```
pub fn graph_figure(graph: &Graph, places: &[[f64; 2]], title: &str) -> Figure {
    let mut figure = Figure { width: SIZE.0, height: SIZE.1, marks: Vec::new() };
    figure.text((16.0, 30.0), 17.0, Anchor::Start, INK, title.to_owned());
    let (nodes, edges) = (graph.nodes.len(), graph.edges.len());
    figure.text((SIZE.0 - 16.0, 29.0), 11.0, Anchor::End, SOFT, format!("{nodes} groups, {edges} edges"));
    let at = fitted(places, SIZE, INSET);
    let mut edges: Vec<_> = graph.edges.iter().map(|edge| (graph.closeness(edge), edge)).collect();
    edges.sort_by(|a, b| a.0.total_cmp(&b.0));
    let closest = edges.last().map_or(1.0, |edge| edge.0);
    for (closeness, edge) in edges {
        let strength = (closeness / closest).sqrt() as f32;
        let shade = |ink: u8| (248.0 + (f32::from(ink) - 248.0) * strength) as u8;
        figure.line(vec![at[edge.from], at[edge.to]], 0.6 + WIDTH * strength, SOFT.map(shade), false);
    }
    let classes = Truth::from_names(graph.nodes.iter().map(|node| node.class.as_deref()));
    let colour_of = |class: usize| -> Colour { colour(class).0 };
    let largest = graph.nodes.iter().map(|node| node.members.len()).max().unwrap_or(1) as f32;
    let radius = |node: usize| {
        let share = graph.nodes[node].members.len() as f32 / largest;
        (RADII.1 * share.sqrt()).max(RADII.0)
    };
    let mut order: Vec<usize> = (0..nodes).collect();
    order.sort_by_key(|&node| std::cmp::Reverse(graph.nodes[node].members.len()));
    for &node in &order {
        let class = classes.classes[node];
        figure.dot(at[node], radius(node) + 1.5, [255; 3]);
        figure.dot(at[node], radius(node), class.map_or(if classes.names.is_empty() { LINE } else { SOFT }, colour_of));
    }
    for &node in order.iter().take(NAMED) {
        let (x, y) = at[node];
        figure.text((x, y + radius(node) + 11.0), 9.0, Anchor::Middle, INK, graph.nodes[node].name.clone());
    }
    for (class, name) in classes.names.iter().take(LEGEND).enumerate() {
        let y = INSET.1 + LINE_HEIGHT * class as f32;
        figure.dot((SIZE.0 - INSET.2 + 40.0, y - 4.0), 6.0, colour_of(class));
        figure.text((SIZE.0 - INSET.2 + 54.0, y), 11.0, Anchor::Start, INK, name.clone());
    }
    figure
}

/// What is left free at the left, top, right and bottom.
pub(super) type Inset = (f32, f32, f32, f32);

/// The places in a drawing of that size, y up, with one scale for both directions.
pub(super) fn fitted(places: &[[f64; 2]], size: (f32, f32), inset: Inset) -> Vec<Place> {
    let bounds = |axis: usize| {
        let values = places.iter().map(|place| place[axis]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (x, y) = (bounds(0), bounds(1));
    let room = (size.0 - inset.0 - inset.2, size.1 - inset.1 - inset.3);
    let scale = (f64::from(room.0) / (x.1 - x.0)).min(f64::from(room.1) / (y.1 - y.0));
    let scale = if scale.is_finite() { scale } else { 0.0 };
    let middle = (inset.0 + room.0 / 2.0, inset.1 + room.1 / 2.0);
    let at = |place: &[f64; 2]| {
        let (dx, dy) = (place[0] - (x.0 + x.1) / 2.0, place[1] - (y.0 + y.1) / 2.0);
        (middle.0 + (scale * dx) as f32, middle.1 - (scale * dy) as f32)
    };
    places.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::Mark;
    use crate::topology::{Edge, Node};

    #[test]
    fn nodes_fit_the_drawing_and_close_groups_have_wide_edges() {
        let node = |size: usize| Node { members: (0..size).collect(), class: Some("a".into()), ..Node::default() };
        let edge = |to, count| Edge { from: 0, to, count, weight: 1.0 };
        let graph = Graph { nodes: vec![node(100), node(25), node(1)], edges: vec![edge(1, 50), edge(2, 1)] };
        let figure = graph_figure(&graph, &[[0.0, 0.0], [1e6, 0.0], [0.0, 1e6]], "A graph");
        let dot = |mark: &Mark| match mark {
            Mark::Dot { place, radius, colour } if *colour != [255; 3] => Some((*place, *radius)),
            _ => None,
        };
        let dots: Vec<_> = figure.marks.iter().filter_map(dot).collect();
        assert!(dots.iter().all(|((x, y), _)| (0.0..SIZE.0).contains(x) && (0.0..SIZE.1).contains(y)));
        assert_eq!(dots.iter().map(|dot| dot.1).collect::<Vec<_>>(), [22.0, 11.0, 3.0, 6.0]);
        assert!(dots[2].0.1 < dots[0].0.1, "y points up");
        let width = |mark: &Mark| match mark {
            Mark::Line { width, .. } => Some(*width),
            _ => None,
        };
        let widths: Vec<f32> = figure.marks.iter().filter_map(width).collect();
        assert!(widths.is_sorted() && widths[1] > widths[0]);
    }

    #[test]
    fn one_place_and_none() {
        assert_eq!(graph_figure(&Graph::default(), &[], "Nothing").marks.len(), 2);
        let graph = Graph { nodes: vec![Node { members: vec![0], ..Node::default() }; 2], edges: Vec::new() };
        assert!(graph_figure(&graph, &[[3.0; 2]; 2], "Two").png().starts_with(b"\x89PNG"));
    }
}
