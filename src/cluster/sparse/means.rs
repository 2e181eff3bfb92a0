//! Mean or mean direction of each cluster's sparse rows.

use super::rows::{Centroids, Rows};
use crate::cluster::Metric;
use crate::cluster::search::Move;
use crate::collection::ClusterId;
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How badly each row fits its centroid: the squared distance, by cosine 1 - cos.
pub(super) fn misfits(rows: &Rows<'_>, labels: &[u32], centroids: &Centroids<'_>) -> Vec<f64> {
    let scale = if rows.metric == Metric::Cosine { 0.5 } else { 1.0 };
    let misfit = |(i, &c): (usize, &u32)| match rows.is_blank(i) {
        true => 0.0,
        false => scale * centroids.squared(rows, i, c as usize),
    };
    labels.par_iter().enumerate().map(misfit).collect()
}

/// Sum and number of each cluster's rows, kept up to date with their moves.
pub(super) struct Sums {
    sums: Array2<f64>,
    counts: Vec<usize>,
}

impl Sums {
    pub fn new(shape: (usize, usize)) -> Self {
        Self { sums: Array2::zeros(shape), counts: vec![0; shape.0] }
    }

    /// Rows leave and join clusters in their order, one task a cluster, so that threads make no difference.
    pub fn update(&mut self, rows: &Rows<'_>, moves: &[Move], labels: &[u32]) {
        let mut changes: Vec<Vec<(u32, f64)>> = vec![Vec::new(); self.counts.len()];
        for &Move { row, from } in moves {
            if let Some(left) = changes.get_mut(from as usize) {
                left.push((row, -1.0));
                self.counts[from as usize] -= 1;
            }
            let to = labels[row as usize] as usize;
            changes[to].push((row, 1.0));
            self.counts[to] += 1;
        }
        self.sums.axis_iter_mut(Axis(0)).into_par_iter().zip(changes).with_max_len(1).for_each(|(sum, changes)| {
            let sum = sum.into_slice().expect("sums are contiguous");
            changes.into_iter().for_each(|(row, sign)| rows.add_to(sum, row as usize, sign));
        });
    }

    fn sum(&self, c: ClusterId) -> &[f64] {
        self.sums.row(c).to_slice().expect("sums are contiguous")
    }

    /// The mean (cosine: mean direction) of each cluster's rows. A cluster without rows takes the row that fits its own
    /// cluster worst, which leaves that cluster.
    pub fn means(&self, rows: &Rows<'_>, labels: &[u32], old: &Centroids<'_>) -> Array2<f32> {
        let mut changed: BTreeMap<ClusterId, (Vec<f64>, usize)> = BTreeMap::new();
        let empty: Vec<ClusterId> = (0..self.counts.len()).filter(|&c| self.counts[c] == 0).collect();
        if !empty.is_empty() {
            let misfits = misfits(rows, labels, old);
            let mut worst: Vec<usize> = (0..labels.len()).filter(|&i| misfits[i] > 0.0).collect();
            worst.sort_by(|&a, &b| misfits[b].total_cmp(&misfits[a]).then(a.cmp(&b)));
            let mut worst = worst.into_iter();
            for cluster in empty {
                // A row alone in its cluster stays: to take it would only empty another one.
                let from = |i: usize| labels[i] as usize;
                let left = |c: ClusterId| changed.get(&c).map_or(self.counts[c], |(_, count)| *count);
                let Some(row) = worst.find(|&i| left(from(i)) > 1) else { break };
                let (rest, count) =
                    changed.entry(from(row)).or_insert_with(|| (self.sum(from(row)).to_vec(), self.counts[from(row)]));
                rows.add_to(rest, row, -1.0);
                *count -= 1;
                let mut alone = vec![0.0; rows.n_features()];
                rows.add_to(&mut alone, row, 1.0);
                changed.insert(cluster, (alone, 1));
            }
        }
        let mut means = old.values.clone();
        means.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(c, mut mean)| {
            let (sum, count) = changed.get(&c).map_or((self.sum(c), self.counts[c]), |(sum, count)| (sum, *count));
            let scale = match rows.metric {
                Metric::Euclidean => count as f64,
                Metric::Cosine if count == 0 => 0.0,
                Metric::Cosine => sum.iter().map(|v| v * v).sum::<f64>().sqrt(),
            };
            if scale > 0.0 {
                mean.iter_mut().zip(sum).for_each(|(m, &s)| *m = (s / scale) as f32);
            }
        });
        means
    }

    /// The features' mean variance, which makes the tolerance independent of scale; every row must be in a cluster.
    pub fn mean_variance(&self, rows: &Rows<'_>) -> f64 {
        let n = self.counts.iter().sum::<usize>().max(1) as f64;
        let of_mean: f64 = self.sums.sum_axis(Axis(0)).iter().map(|sum| (sum / n).powi(2)).sum();
        let squares: f64 = (0..rows.len()).filter(|&i| !rows.is_blank(i)).map(|i| rows.squared_length(i)).sum();
        (squares / n - of_mean).max(0.0) / rows.n_features().max(1) as f64
    }
}
