//! Graphs for tests.

use crate::collection::{Csr, square};

/// Edges with weights as a symmetric matrix.
pub fn graph_of(n: usize, edges: &[(usize, usize, f32)]) -> Csr {
    let mut rows = vec![Vec::new(); n];
    for &(a, b, weight) in edges {
        rows[a].push((b as u32, weight));
        rows[b].push((a as u32, weight));
    }
    rows.iter_mut().for_each(|row| row.sort_by_key(|&(to, _)| to));
    square(rows)
}
