//! A map of labels as an assigner.

use std::cmp::Reverse;

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use super::{Assigner, Assignment, Clustering};
use crate::collection::ClusterId;
use crate::raster::{Grid, LabelMap};

/// Rows of a task.
const BLOCK: usize = 1 << 14;

/// The clusters that a map gives to the rows of a grid, numbered by falling size, equal ones by their first row.
pub(super) fn clustering(map: LabelMap, grid: &Grid) -> Clustering {
    let order = by_size(&map, grid);
    let map = map.renumbered(&order);
    // Half as wide as the labels, so that the caches hold it.
    let names: Vec<Option<u32>> = map.cells.iter().map(|cell| cell.cluster.map(|cluster| cluster as u32)).collect();
    let name = |cell: &u32| names.get(*cell as usize).copied().flatten().map(|cluster| cluster as ClusterId);
    let labels = grid.cells.par_iter().with_min_len(BLOCK).map(name).collect();
    Clustering::new(labels, Assigner::Raster(map))
}

/// The clusters that hold rows in that order.
fn by_size(map: &LabelMap, grid: &Grid) -> Vec<ClusterId> {
    let mut found = vec![(0, 0); map.n_clusters()];
    for (cell, &count) in map.cells.iter().zip(&grid.counts) {
        cell.cluster.into_iter().for_each(|cluster| found[cluster].0 += count);
    }
    let mut order: Vec<ClusterId> = (0..found.len()).filter(|&cluster| found[cluster].0 > 0).collect();
    order.sort_by_key(|&cluster| Reverse(found[cluster].0));
    if order.windows(2).any(|next| found[next[0]].0 == found[next[1]].0) {
        for (row, cell) in grid.cells.iter().enumerate().rev() {
            let cluster = map.cells.get(*cell as usize).and_then(|cell| cell.cluster);
            cluster.into_iter().for_each(|cluster| found[cluster].1 = row);
        }
        order.sort_by_key(|&cluster| (Reverse(found[cluster].0), found[cluster].1));
    }
    order
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::{CellLabel, Transform};

    #[test]
    fn clusters_of_as_many_rows_are_numbered_by_their_first() {
        let x = ndarray::array![
            [3.5, 0.5],
            [1.5, 0.5],
            [9.0, 0.5],
            [0.5, 0.5],
            [1.5, 0.5],
            [2.5, 0.5],
            [2.5, 0.5],
            [2.5, 0.5]
        ];
        let transform = Transform { origin: vec![0.0; 2], scale: vec![1.0; 2], shape: vec![5, 1], folded: false };
        let label = |cluster| CellLabel { cluster, confidence: 1.0 };
        let cells = [Some(0), Some(1), Some(2), Some(3), Some(4)].map(label).to_vec();
        let found = clustering(LabelMap { transform: transform.clone(), cells }, &Grid::draw(transform, x.view()));
        let [first, second, third, fourth] = [0, 1, 2, 3].map(Some);
        assert_eq!(found.labels, [third, second, None, fourth, second, first, first, first]);
        assert_eq!(found.n_clusters(), 4);
    }
}
