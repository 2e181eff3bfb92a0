//! Groups of rows, and which of them belong beside one another.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ndarray::{Array1, ArrayView2};

use super::TopologyError;
use crate::collection::Truth;

/// Groups of rows, joined by edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The groups.
    pub nodes: Vec<Node>,
    /// Pairs of them, rising; none twice.
    pub edges: Vec<Edge>,
}

/// A group of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// Its rows, rising; at least one.
    pub members: Vec<usize>,
    /// The row that is nearest to the mean of the members, of equals the first.
    pub medoid: usize,
    /// The class that most members have, of equals the first; `None` if none is known.
    pub class: Option<String>,
    /// Share of the members of known class that have it.
    pub purity: Option<f64>,
}

/// Two groups that belong beside one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The first, by its place among the nodes.
    pub from: usize,
    /// The other, of a higher place.
    pub to: usize,
    /// What it was made from: rows that both share, or neighbours that each has in the other.
    pub count: u64,
    /// The count itself, or its share of what the smaller group has; above 0.
    pub weight: f64,
}

impl Graph {
    /// Of groups called by their numbers, an edge where two share `min_intersection` rows or more, weighted by how many:
    /// the 1-skeleton of the nerve of the groups.
    pub(super) fn nerve(x: ArrayView2<'_, f32>, groups: Vec<Vec<usize>>, min_intersection: usize) -> Self {
        let mut groups_of = vec![Vec::new(); x.nrows()];
        for (group, members) in groups.iter().enumerate() {
            members.iter().for_each(|&row| groups_of[row].push(group));
        }
        let mut shared = BTreeMap::new();
        for groups in &groups_of {
            for (at, &to) in groups.iter().enumerate() {
                groups[..at].iter().for_each(|&from| *shared.entry((from, to)).or_insert(0) += 1);
            }
        }
        let edges = shared.into_iter().filter(|&(_, count)| count >= min_intersection as u64);
        let edges = edges.map(|((from, to), count)| Edge { from, to, count, weight: count as f64 }).collect();
        let node = |(number, members): (usize, Vec<usize>)| Node::new(x, number.to_string(), members);
        Self { nodes: groups.into_iter().enumerate().map(node).collect(), edges }
    }

    /// The component of each node, numbered by their first nodes.
    pub fn components(&self) -> Vec<usize> {
        let mut neighbours = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            neighbours[edge.from].push(edge.to);
            neighbours[edge.to].push(edge.from);
        }
        let mut components = vec![usize::MAX; self.nodes.len()];
        let mut n_components = 0;
        for start in 0..self.nodes.len() {
            if components[start] != usize::MAX {
                continue;
            }
            let mut ahead = vec![start];
            while let Some(node) = ahead.pop() {
                if components[node] == usize::MAX {
                    components[node] = n_components;
                    ahead.extend(&neighbours[node]);
                }
            }
            n_components += 1;
        }
        components
    }

    /// Number of components.
    pub fn n_components(&self) -> usize {
        self.components().into_iter().max().map_or(0, |most| most + 1)
    }

    /// Number of independent cycles: edges - nodes + components, the first Betti number.
    pub fn n_cycles(&self) -> usize {
        self.edges.len() + self.n_components() - self.nodes.len()
    }

    /// How much of the smaller of its groups makes an edge: the count over that group's rows. Comparable between groups of
    /// unequal size, so it says how near they are drawn.
    pub fn closeness(&self, edge: &Edge) -> f64 {
        let size = |node: usize| self.nodes[node].members.len();
        edge.count as f64 / size(edge.from).min(size(edge.to)).max(1) as f64
    }

    /// Gives the nodes the classes of their members.
    ///
    /// # Errors
    /// If a member has no class in `truth`, not even an unknown one.
    pub fn set_classes(&mut self, truth: &Truth) -> Result<(), TopologyError> {
        let n_rows = self.nodes.iter().filter_map(|node| node.members.last()).max().map_or(0, |last| last + 1);
        TopologyError::check_rows("classes", n_rows, truth.classes.len().min(n_rows))?;
        for node in &mut self.nodes {
            let mut counts = BTreeMap::new();
            for class in node.members.iter().filter_map(|&row| truth.classes[row]) {
                *counts.entry(class).or_insert(0_usize) += 1;
            }
            let known: usize = counts.values().sum();
            let most = counts.into_iter().max_by_key(|&(class, count)| (count, Reverse(class)));
            node.class = most.map(|(class, _)| truth.names[class].clone());
            node.purity = most.map(|(_, count)| count as f64 / known as f64);
        }
        Ok(())
    }
}

impl Node {
    /// Of these rows of `x`, at least one.
    pub(super) fn new(x: ArrayView2<'_, f32>, name: String, members: Vec<usize>) -> Self {
        let mut mean = Array1::<f64>::zeros(x.ncols());
        members.iter().for_each(|&row| mean.zip_mut_with(&x.row(row), |sum, &v| *sum += f64::from(v)));
        mean /= members.len() as f64;
        let distance =
            |row: usize| -> f64 { x.row(row).iter().zip(&mean).map(|(&v, mean)| (f64::from(v) - mean).powi(2)).sum() };
        let nearest = members.iter().map(|&row| (distance(row), row)).min_by(|a, b| a.0.total_cmp(&b.0));
        let medoid = nearest.map_or(0, |(_, row)| row);
        Self { name, members, medoid, class: None, purity: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn groups_that_share_rows_are_joined() {
        let x = array![[0.0], [1.0], [2.0], [9.0]];
        let groups = vec![vec![0, 1, 2], vec![1, 2], vec![2, 3], vec![0]];
        let graph = Graph::nerve(x.view(), groups.clone(), 1);
        let edges: Vec<_> = graph.edges.iter().map(|e| (e.from, e.to, e.count)).collect();
        assert_eq!(edges, [(0, 1, 2), (0, 2, 1), (0, 3, 1), (1, 2, 1)]);
        assert_eq!((graph.n_components(), graph.n_cycles()), (1, 1));
        assert_eq!(graph.nodes.iter().map(|node| node.medoid).collect::<Vec<_>>(), [1, 1, 2, 0]);
        let graph = Graph::nerve(x.view(), groups, 2);
        assert_eq!((graph.edges.len(), graph.components()), (1, vec![0, 0, 1, 2]));
        assert_eq!(Graph::default().n_cycles(), 0);
    }

    #[test]
    fn a_node_has_the_class_of_most_of_its_members() {
        let x = array![[0.0], [1.0], [2.0], [9.0]];
        let mut graph = Graph::nerve(x.view(), vec![vec![0, 1, 2], vec![2, 3], vec![3]], 1);
        let truth = Truth::from_names([Some("a"), Some("b"), Some("b"), None]);
        graph.set_classes(&truth).unwrap();
        let classes: Vec<_> = graph.nodes.iter().map(|node| (node.class.as_deref(), node.purity)).collect();
        assert_eq!(classes, [(Some("b"), Some(2.0 / 3.0)), (Some("b"), Some(1.0)), (None, None)]);
        assert!(graph.set_classes(&Truth::from_names([Some("a")])).is_err());
    }
}
