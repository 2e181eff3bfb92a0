//! Edges in a total order, and sets of rows that edges join.

use std::cmp::Ordering;

/// Two rows and their distance. Edges are ordered by distance, then by rows: no two are equal, so there is one minimum
/// spanning tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// At least 0.
    pub distance: f64,
    /// The lower row.
    pub low: u32,
    /// The higher.
    pub high: u32,
}

impl Edge {
    /// Between two rows in either order.
    pub fn new(a: usize, b: usize, distance: f64) -> Self {
        Self { distance, low: a.min(b) as u32, high: a.max(b) as u32 }
    }
}

impl Eq for Edge {}

impl Ord for Edge {
    fn cmp(&self, other: &Self) -> Ordering {
        let rows = |edge: &Self| (edge.low, edge.high);
        self.distance.total_cmp(&other.distance).then_with(|| rows(self).cmp(&rows(other)))
    }
}

impl PartialOrd for Edge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Disjoint sets of rows, each with its lowest as the root.
pub struct Forest(Vec<u32>);

impl Forest {
    /// Every row by itself.
    pub fn new(n: usize) -> Self {
        Self((0..n as u32).collect())
    }

    /// The lowest row of the set that a row is in.
    pub fn root(&mut self, row: usize) -> usize {
        let mut at = row;
        while self.0[at] as usize != at {
            self.0[at] = self.0[self.0[at] as usize];
            at = self.0[at] as usize;
        }
        at
    }

    /// Makes the sets of two rows one; whether they were two.
    pub fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b) as u32;
        a != b
    }
}
