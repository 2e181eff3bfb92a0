//! A graph as JSON and as GraphML.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Graph;

/// The graph as JSON: `nodes` with name, size, the ids of medoid and members, class, purity, and x and y if there are
/// places; `edges` with the places of both nodes in that list, count and weight.
///
/// # Panics
/// If a member has no id, or there are places but not one a node.
///
/// ```
/// use alike::topology::{Graph, Node, json};
/// let node = Node { name: "one".into(), members: vec![0, 1], medoid: 1, ..Node::default() };
/// let graph = json(&Graph { nodes: vec![node], edges: vec![] }, &["a".into(), "b".into()], None);
/// assert_eq!(graph["nodes"][0]["medoid"], "b");
/// ```
pub fn json(graph: &Graph, ids: &[String], places: Option<&[[f64; 2]]>) -> Value {
    let node = |(at, node): (usize, &super::Node)| {
        let place = places.map(|places| places[at]);
        json!({
            "name": node.name,
            "size": node.members.len(),
            "medoid": ids[node.medoid],
            "class": node.class,
            "purity": node.purity,
            "x": place.map(|place| place[0]),
            "y": place.map(|place| place[1]),
            "members": node.members.iter().map(|&row| &ids[row]).collect::<Vec<_>>(),
        })
    };
    let edge =
        |edge: &super::Edge| json!({"from": edge.from, "to": edge.to, "count": edge.count, "weight": edge.weight});
    json!({
        "nodes": graph.nodes.iter().enumerate().map(node).collect::<Vec<_>>(),
        "edges": graph.edges.iter().map(edge).collect::<Vec<_>>(),
    })
}

/// The fields of nodes and edges: name, of what, type.
const KEYS: [(&str, &str, &str); 9] = [
    ("name", "node", "string"),
    ("size", "node", "long"),
    ("medoid", "node", "string"),
    ("class", "node", "string"),
    ("purity", "node", "double"),
    ("x", "node", "double"),
    ("y", "node", "double"),
    ("count", "edge", "long"),
    ("weight", "edge", "double"),
];

/// The graph as a GraphML document (Brandes and others, 2002), which Gephi, Cytoscape, igraph and networkx read: the fields
/// of [`json()`] without the members. Characters that XML has no place for become U+FFFD.
///
/// # Panics
/// As [`json()`].
pub fn graphml(graph: &Graph, ids: &[String], places: Option<&[[f64; 2]]>) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    // Writing to a string never fails.
    for (name, of, kind) in KEYS {
        let _ = writeln!(xml, "  <key id=\"{name}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{kind}\"/>");
    }
    xml += "  <graph edgedefault=\"undirected\">\n";
    for (at, node) in graph.nodes.iter().enumerate() {
        let place = |axis: usize| places.map(|places| places[at][axis].to_string());
        let data = data(&[
            ("name", Some(node.name.clone())),
            ("size", Some(node.members.len().to_string())),
            ("medoid", Some(ids[node.medoid].clone())),
            ("class", node.class.clone()),
            ("purity", node.purity.map(|purity| purity.to_string())),
            ("x", place(0)),
            ("y", place(1)),
        ]);
        let _ = writeln!(xml, "    <node id=\"n{at}\">{data}</node>");
    }
    for edge in &graph.edges {
        let data = data(&[("count", Some(edge.count.to_string())), ("weight", Some(edge.weight.to_string()))]);
        let _ = writeln!(xml, "    <edge source=\"n{}\" target=\"n{}\">{data}</edge>", edge.from, edge.to);
    }
    xml + "  </graph>\n</graphml>\n"
}

/// The fields that have a value.
fn data(fields: &[(&str, Option<String>)]) -> String {
    let field = |(key, value): &(&str, Option<String>)| {
        value.as_ref().map(|value| format!("<data key=\"{key}\">{}</data>", escaped(value)))
    };
    fields.iter().filter_map(field).collect()
}

/// Text as it stands in XML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\r' => escaped += "&#13;",
            '\t' | '\n' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Edge, Node};

    fn graph() -> (Graph, Vec<String>) {
        let node = |name: &str, members: Vec<usize>| Node {
            name: name.into(),
            medoid: members[0],
            members,
            class: (name == "one").then(|| "4 & <9>".into()),
            purity: None,
        };
        let edges = vec![Edge { from: 0, to: 1, count: 3, weight: 0.75 }];
        (
            Graph { nodes: vec![node("one", vec![0, 2]), node("two", vec![1])], edges },
            ["]]>\u{1}", "b\"", "c"].map(String::from).into(),
        )
    }

    #[test]
    fn json_names_rows_by_their_ids() {
        let (graph, ids) = graph();
        let found = json(&graph, &ids, Some(&[[0.0, 1.0], [2.0, 3.5]]));
        assert_eq!(found["nodes"][0]["members"], json!(["]]>\u{1}", "c"]));
        assert_eq!((&found["nodes"][1]["y"], &found["nodes"][1]["class"]), (&json!(3.5), &Value::Null));
        assert_eq!(found["edges"], json!([{"from": 0, "to": 1, "count": 3, "weight": 0.75}]));
    }

    #[test]
    fn graphml_is_escaped() {
        let (graph, ids) = graph();
        let expected = "    <node id=\"n0\"><data key=\"name\">one</data><data key=\"size\">2</data>\
                        <data key=\"medoid\">]]&gt;\u{fffd}</data><data key=\"class\">4 &amp; &lt;9&gt;</data></node>\n";
        let found = graphml(&graph, &ids, None);
        assert!(found.contains(expected), "{found}");
        assert!(found.contains("<edge source=\"n0\" target=\"n1\"><data key=\"count\">3</data>"), "{found}");
        assert!(graphml(&graph, &ids, Some(&[[0.5; 2]; 2])).contains("<data key=\"x\">0.5</data>"));
    }
}
