//! Mean or mean direction of each cluster's rows, kept up to date with their moves.

use super::bounds::Move;
use super::{Metric, rows::Points};
use crate::collection::ClusterId;
use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Features of a stripe, some times over.
const STRIPE: usize = 16;
/// A row that leaves may have so many times the squared length of the mean it leaves.
const LOSS: f64 = 1e12;

/// Sum and number of each cluster's rows.
pub(super) struct Sums {
    sums: Array2<f64>,
    pub counts: Vec<usize>,
}

impl Sums {
    pub fn new((n_clusters, n_features): (usize, usize)) -> Self {
        Self { sums: Array2::zeros((n_clusters, n_features)), counts: vec![0; n_clusters] }
    }

    /// Rows leave and join clusters in their order, one task a stripe of features, so that threads make no difference.
    pub fn update(&mut self, rows: &impl Points, moves: &[Move], labels: &[u32]) {
        for &Move { row, from } in moves {
            if let Some(count) = self.counts.get_mut(from as usize) {
                *count -= 1;
            }
            self.counts[labels[row as usize] as usize] += 1;
        }
        let stripe = rows.n_features().div_ceil(rayon::current_num_threads()).next_multiple_of(STRIPE);
        let least = grain(rows.n_features() * moves.len()).max(1);
        let stripes: Vec<_> = self.sums.axis_chunks_iter_mut(Axis(1), stripe).collect();
        stripes.into_par_iter().enumerate().with_min_len(least).for_each(|(at, mut sums)| {
            let mut add = |c: u32, row: u32, sign: f64| {
                let sum = sums.row_mut(c as usize).into_slice().expect("a row's features are neighbours");
                rows.add_to(sum, at * stripe, row as usize, sign);
            };
            for &Move { row, from } in moves {
                if from != u32::MAX {
                    add(from, row, -1.0);
                }
                add(labels[row as usize], row, 1.0);
            }
        });
        self.renew(rows, moves, labels);
    }

    /// Sums anew where a row has left beside which the others are next to nothing: rounding has taken them.
    fn renew(&mut self, rows: &impl Points, moves: &[Move], labels: &[u32]) {
        let most: Vec<f64> = self.sums.outer_iter().map(|sum| LOSS * sum.dot(&sum)).collect();
        let is_lost = |&Move { row, from }: &Move| {
            let count = *self.counts.get(from as usize)? as f64;
            (rows.squared_length(row as usize) * count * count > most[from as usize]).then_some(from)
        };
        let lost: BTreeSet<u32> = moves.iter().filter_map(is_lost).collect();
        for c in lost {
            let mut sum = self.sums.row_mut(c as usize);
            let sum = sum.as_slice_mut().expect("sums are contiguous");
            sum.fill(0.0);
            (0..labels.len()).filter(|&i| labels[i] == c).for_each(|i| rows.add_to(sum, 0, i, 1.0));
        }
    }

    fn sum(&self, c: ClusterId) -> &[f64] {
        self.sums.row(c).to_slice().expect("sums are contiguous")
    }

    /// The mean (cosine: mean direction) of each cluster's rows, `old` where there is none. A cluster without rows takes
    /// the row that fits its own cluster worst, which leaves that cluster.
    pub fn means(
        &self,
        rows: &impl Points,
        labels: &[u32],
        old: &Array2<f32>,
        misfits: impl FnOnce() -> Vec<f64>,
    ) -> Array2<f32> {
        let mut changed: BTreeMap<ClusterId, (Vec<f64>, usize)> = BTreeMap::new();
        let empty: Vec<ClusterId> = (0..self.counts.len()).filter(|&c| self.counts[c] == 0).collect();
        if !empty.is_empty() {
            let misfits = misfits();
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
                rows.add_to(rest, 0, row, -1.0);
                *count -= 1;
                let mut alone = vec![0.0; rows.n_features()];
                rows.add_to(&mut alone, 0, row, 1.0);
                changed.insert(cluster, (alone, 1));
            }
        }
        let mut means = old.clone();
        let grain = grain(rows.n_features());
        means.axis_iter_mut(Axis(0)).into_par_iter().enumerate().with_min_len(grain).for_each(|(c, mut mean)| {
            let (sum, count) = changed.get(&c).map_or((self.sum(c), self.counts[c]), |(sum, count)| (sum, *count));
            let scale = match rows.metric() {
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

    /// The objective about the means, from sums alone: the rows' squared lengths, `squares` in all, less what the means
    /// hold of them.
    pub fn inertia(&self, rows: &impl Points, squares: f64) -> f64 {
        let held = |(sum, &count): (ArrayView1<'_, f64>, &usize)| match rows.metric() {
            Metric::Euclidean => sum.dot(&sum) / count.max(1) as f64,
            Metric::Cosine => sum.dot(&sum).sqrt(),
        };
        (squares - self.sums.outer_iter().zip(&self.counts).map(held).sum::<f64>()).max(0.0)
    }

    /// The features' mean variance, which makes the tolerance independent of scale; every row must be in a cluster.
    pub fn mean_variance(&self, rows: &impl Points, squares: f64) -> f64 {
        let n = self.counts.iter().sum::<usize>().max(1) as f64;
        let of_mean: f64 = self.sums.sum_axis(Axis(0)).iter().map(|sum| (sum / n).powi(2)).sum();
        (squares / n - of_mean).max(0.0) / rows.n_features().max(1) as f64
    }
}

/// The sum of squared lengths, blank rows left out.
pub(super) fn squares(rows: &impl Points) -> f64 {
    (0..rows.len()).filter(|&i| !rows.is_blank(i)).map(|i| rows.squared_length(i)).sum()
}

/// How many clusters a task takes if each costs `n_values`: waking a thread costs some thousands.
pub(super) fn grain(n_values: usize) -> usize {
    (1 << 15) / n_values.clamp(1, 1 << 15)
}
