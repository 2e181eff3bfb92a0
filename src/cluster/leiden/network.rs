//! The graph that communities are looked for in, and the coarser graph that its parts make.

use super::Quality;
use crate::collection::{Csr, sparse_row};

/// A symmetric graph without loops, whose nodes have masses.
pub(super) struct Network {
    /// Where the edges of each node begin.
    starts: Vec<usize>,
    to: Vec<u32>,
    weights: Vec<f64>,
    /// What each node adds to the mass of its community, which is charged for the square of it.
    pub masses: Vec<f64>,
    /// Of all edges of the finest graph, in both directions.
    pub total: f64,
}

impl Network {
    /// The edges of positive weight of a symmetric graph, shape (n_nodes, n_nodes); one from a node to itself adds to what
    /// modularity takes for its mass.
    pub fn new(graph: &Csr, quality: Quality) -> Self {
        assert_eq!(graph.rows(), graph.cols(), "as many rows as columns");
        let mut network = Self::empty(graph.nnz(), 0.0);
        for row in 0..graph.rows() {
            let (to, weights) = sparse_row(graph, row);
            let mut strength = 0.0;
            for (&to, &weight) in to.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
                strength += f64::from(weight);
                if to as usize != row {
                    network.to.push(to);
                    network.weights.push(f64::from(weight));
                }
            }
            network.starts.push(network.to.len());
            network.total += strength;
            network.masses.push(match quality {
                Quality::Modularity => strength,
                Quality::Cpm => 1.0,
            });
        }
        network
    }

    fn empty(n_edges: usize, total: f64) -> Self {
        let (to, weights) = (Vec::with_capacity(n_edges), Vec::with_capacity(n_edges));
        Self { starts: vec![0], to, weights, masses: Vec::new(), total }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.masses.len()
    }

    /// Where the edges of a node lead, and their weights.
    pub fn edges(&self, node: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[node]..self.starts[node + 1];
        self.to[range.clone()].iter().map(|&to| to as usize).zip(self.weights[range].iter().copied())
    }

    /// The graph whose nodes are the parts that nodes are in, numbered from 0, none of them empty; edges within a part are
    /// left out.
    pub fn of_parts(&self, parts: &Parts) -> Self {
        let mut members = vec![Vec::new(); parts.n_parts];
        parts.of.iter().zip(0..).for_each(|(&part, node)| members[part as usize].push(node));
        let mut coarse = Self::empty(0, self.total);
        let mut sums = Sums::new(parts.n_parts);
        for (part, members) in members.iter().enumerate() {
            let edges = members.iter().flat_map(|&node: &usize| self.edges(node));
            sums.gather(edges.map(|(to, weight)| (parts.of[to] as usize, weight)));
            for (to, weight) in sums.iter().filter(|&(to, _)| to != part) {
                coarse.to.push(to as u32);
                coarse.weights.push(weight);
            }
            coarse.starts.push(coarse.to.len());
            coarse.masses.push(members.iter().map(|&node| self.masses[node]).sum());
        }
        coarse
    }
}

/// A division of nodes into parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parts {
    /// The part of each node, numbered from 0 in the order of their first nodes.
    pub of: Vec<u32>,
    pub n_parts: usize,
}

impl Parts {
    /// Each node by itself.
    pub fn single(n_nodes: usize) -> Self {
        Self { of: (0..n_nodes as u32).collect(), n_parts: n_nodes }
    }

    /// Those of the same name, which is less than the number of nodes.
    pub fn named(mut names: Vec<u32>) -> Self {
        let mut numbers = vec![u32::MAX; names.len()];
        let mut n_parts = 0;
        for name in &mut names {
            let number = &mut numbers[*name as usize];
            if *number == u32::MAX {
                *number = n_parts;
                n_parts += 1;
            }
            *name = *number;
        }
        Self { of: names, n_parts: n_parts as usize }
    }
}

/// Weights added up by where they lead, for one node after the other.
pub(super) struct Sums {
    sums: Vec<f64>,
    places: Vec<usize>,
}

impl Sums {
    pub fn new(n_places: usize) -> Self {
        Self { sums: vec![0.0; n_places], places: Vec::new() }
    }

    /// Adds up positive weights; what was added up before is forgotten.
    pub fn gather(&mut self, weights: impl Iterator<Item = (usize, f64)>) {
        self.places.drain(..).for_each(|place| self.sums[place] = 0.0);
        for (place, weight) in weights {
            if self.sums[place] == 0.0 {
                self.places.push(place);
            }
            self.sums[place] += weight;
        }
    }

    /// What leads to a place.
    pub fn to(&self, place: usize) -> f64 {
        self.sums[place]
    }

    /// Places in the order in which they were met, and what leads there.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> {
        self.places.iter().map(|&place| (place, self.sums[place]))
    }
}
