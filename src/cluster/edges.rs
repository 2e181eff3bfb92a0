//! Graphs for tests.

use crate::collection::Csr;

/// Edges with weights as a symmetric matrix.
pub fn graph_of(n: usize, edges: &[(usize, usize, f32)]) -> Csr {
    let mut rows = vec![Vec::new(); n];
    for &(a, b, weight) in edges {
        rows[a].push((b as u32, weight));
        rows[b].push((a as u32, weight));
    }
    let (mut starts, mut to, mut weights) = (vec![0], Vec::new(), Vec::new());
    for row in &mut rows {
        row.sort_by_key(|&(to, _)| to);
        to.extend(row.iter().map(|&(to, _)| to));
        weights.extend(row.iter().map(|&(_, weight)| weight));
        starts.push(to.len());
    }
    Csr::new((n, n), starts, to, weights)
}
