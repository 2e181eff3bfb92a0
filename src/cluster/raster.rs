//! A map of labels as an assigner.

use super::settle::{by_size, renumber};
use super::{Assigner, Assignment, Clustering};
use crate::raster::LabelMap;
use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

/// The clusters that a map gives to rows in these cells, numbered by falling size.
pub(super) fn clustering(map: LabelMap, cells: &[Option<u32>]) -> Clustering {
    let mut labels: Vec<_> = cells.par_iter().map(|cell| map.cells[(*cell)? as usize].cluster).collect();
    let order = by_size(&labels, map.n_clusters());
    renumber(&mut labels, &order);
    let assigner = Assigner::Raster(map.renumbered(&order));
    Clustering { labels, assigner, inertia: None, n_iterations: 1, converged: true, summary: None }
}

/// What the cell of each row says. The distance is 0 within a cluster; else it is that to the middle of the nearest cell
/// of one.
pub(super) fn assign(map: &LabelMap, x: ArrayView2<'_, f32>) -> Vec<Assignment> {
    let labels = map.assign(x);
    let middles: Vec<Vec<f64>> = match labels.iter().any(|label| label.cluster.is_none()) {
        true => map.border().into_iter().map(|cell| map.transform.center(cell)).collect(),
        false => Vec::new(),
    };
    let distance = |row: ArrayView1<'_, f32>| {
        let squared = |middle: &Vec<f64>| middle.iter().zip(row).map(|(m, v)| (m - f64::from(*v)).powi(2)).sum::<f64>();
        middles.iter().map(squared).min_by(f64::total_cmp).map_or(0.0, f64::sqrt)
    };
    let assignment = |(row, label): (usize, crate::raster::CellLabel)| Assignment {
        cluster: label.cluster,
        distance: if label.cluster.is_some() { 0.0 } else { distance(x.row(row)) },
        confidence: label.cluster.map(|_| f64::from(label.confidence)),
    };
    labels.into_par_iter().enumerate().map(assignment).collect()
}
