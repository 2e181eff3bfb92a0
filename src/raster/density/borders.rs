//! Borders between clusters that look normal.
//!
//! The valley between a wide and a narrow cluster lies too near to the wide one: points of its slope go to the narrow one.
//! Where the clusters look normal, fitted normal densities tell the shares of each (as Bertin & Arnouts 1996 part the
//! light of stars); others keep their valleys.

use ndarray::ArrayD;
use rayon::prelude::*;

use super::super::{CellLabel, Transform};
use crate::collection::ClusterId;

/// Least Bhattacharyya coefficient between a cluster's density and the normal one of its mean and covariance: 0.95 and
/// more for normal clusters of some hundred points, 0.76 for a bent one, 0.7 for a ring.
const NORMAL: f64 = 0.9;
/// Rounds of expectation and maximisation (Dempster, Laird & Rubin 1977).
const ROUNDS: usize = 6;
/// Logarithm of the share below which a cluster has no part in a cell.
const NONE: f64 = -20.0;
const AXES: usize = Transform::MAX_AXES;

/// Moves the borders between normal clusters to where their fitted densities are equal. Nothing moves if one would lose
/// more than half of its points.
pub(in crate::raster) fn by_normals(
    counts: &ArrayD<f64>,
    density: &ArrayD<f64>,
    labels: &mut [CellLabel],
    n_clusters: usize,
) {
    let places: Vec<Place> = counts.indexed_iter().map(|(at, _)| place(ndarray::Dimension::slice(&at))).collect();
    let n_axes = counts.ndim();
    let mut members: Vec<Vec<(usize, f64)>> = vec![Vec::new(); n_clusters];
    for (cell, (label, &density)) in labels.iter().zip(density).enumerate() {
        label.cluster.into_iter().for_each(|cluster| members[cluster].push((cell, density)));
    }
    let normal: Vec<ClusterId> = (0..n_clusters)
        .filter(|&c| Normal::fit(&members[c], &places, n_axes).is_some_and(|n| n.is_like(&members[c], &places)))
        .collect();
    if normal.len() < 2 {
        return;
    }
    let mut inside = vec![false; labels.len()];
    normal.iter().flat_map(|&cluster| &members[cluster]).for_each(|&(cell, _)| inside[cell] = true);
    let held: Vec<(usize, f64)> =
        counts.iter().copied().enumerate().filter(|&(cell, count)| inside[cell] && count > 0.0).collect();
    let mut parts: Vec<Vec<(usize, f64)>> = vec![Vec::new(); normal.len()];
    for &(cell, count) in &held {
        let part =
            normal.iter().position(|&cluster| labels[cell].cluster == Some(cluster)).expect("of a normal cluster");
        parts[part].push((cell, count));
    }
    let before: Vec<f64> = parts.iter().map(|part| part.iter().map(|(_, count)| count).sum()).collect();
    let mut normals = Vec::new();
    for _ in 0..ROUNDS {
        let Some(fitted) = parts.iter().map(|part| Normal::fit(part, &places, n_axes)).collect() else { return };
        normals = fitted;
        let shares: Vec<Vec<(usize, f64)>> =
            held.par_iter().map(|&(cell, _)| shares(&normals, &places[cell])).collect();
        parts.iter_mut().for_each(Vec::clear);
        for (&(cell, count), shares) in held.iter().zip(shares) {
            shares.into_iter().for_each(|(part, share)| parts[part].push((cell, share * count)));
        }
    }
    let moved: Vec<Option<CellLabel>> = (0..labels.len())
        .into_par_iter()
        .map(|cell| inside[cell].then(|| shares(&normals, &places[cell])))
        .map(|shares| {
            let (part, share) = shares?.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
            Some(CellLabel { cluster: Some(normal[part]), confidence: share as f32 })
        })
        .collect();
    let mut after = vec![0.0; n_clusters];
    held.iter()
        .filter_map(|&(cell, count)| Some((moved[cell]?.cluster?, count)))
        .for_each(|(c, count)| after[c] += count);
    if normal.iter().zip(before).all(|(&cluster, before)| after[cluster] >= before / 2.0) {
        labels.iter_mut().zip(moved).for_each(|(label, moved)| *label = moved.unwrap_or(*label));
    }
}

/// The index of a cell along each axis, zeros beyond.
type Place = [f64; AXES];

fn place(at: &[usize]) -> Place {
    std::array::from_fn(|axis| at.get(axis).map_or(0.0, |&at| at as f64))
}

/// The shares of the normal densities in a cell, but for very small ones.
fn shares(normals: &[Normal], place: &Place) -> Vec<(usize, f64)> {
    let heights: Vec<f64> = normals.iter().map(|normal| normal.ln_weight + normal.ln_density(place)).collect();
    let most = heights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let near = heights.into_iter().enumerate().filter(|(_, height)| height - most > NONE);
    let mut shares: Vec<(usize, f64)> = near.map(|(part, height)| (part, (height - most).exp())).collect();
    let total: f64 = shares.iter().map(|(_, share)| share).sum();
    shares.iter_mut().for_each(|(_, share)| *share /= total);
    shares
}

/// A normal density.
struct Normal {
    ln_weight: f64,
    mean: Place,
    /// The lower Cholesky factor of the covariance.
    factor: [Place; AXES],
    ln_norm: f64,
    n_axes: usize,
}

impl Normal {
    /// Of weighted cells; `None` if their weights are nothing.
    fn fit(cells: &[(usize, f64)], places: &[Place], n_axes: usize) -> Option<Self> {
        let weight: f64 = cells.iter().map(|(_, weight)| weight).sum();
        if weight <= 0.0 {
            return None;
        }
        let mut mean = Place::default();
        for (cell, weight) in cells {
            (0..n_axes).for_each(|axis| mean[axis] += weight * places[*cell][axis]);
        }
        mean.iter_mut().for_each(|mean| *mean /= weight);
        let mut factor = [Place::default(); AXES];
        for (cell, weight) in cells {
            for a in 0..n_axes {
                for b in 0..=a {
                    factor[a][b] += weight * (places[*cell][a] - mean[a]) * (places[*cell][b] - mean[b]);
                }
            }
        }
        // Points lie anywhere in their cell.
        (0..n_axes).for_each(|a| factor[a][..=a].iter_mut().for_each(|value| *value /= weight));
        (0..n_axes).for_each(|a| factor[a][a] += 1.0 / 12.0);
        for a in 0..n_axes {
            for b in 0..=a {
                let known: f64 = (0..b).map(|c| factor[a][c] * factor[b][c]).sum();
                let rest = factor[a][b] - known;
                factor[a][b] = if a == b { rest.sqrt() } else { rest / factor[b][b] };
            }
        }
        let ln_norm = (0..n_axes).map(|a| factor[a][a].ln() + 0.5 * (2.0 * std::f64::consts::PI).ln()).sum::<f64>();
        Some(Self { ln_weight: weight.ln(), mean, factor, ln_norm, n_axes })
    }

    fn ln_density(&self, place: &Place) -> f64 {
        let mut solved = Place::default();
        for a in 0..self.n_axes {
            let known: f64 = (0..a).map(|b| self.factor[a][b] * solved[b]).sum();
            solved[a] = (place[a] - self.mean[a] - known) / self.factor[a][a];
        }
        -0.5 * solved.iter().map(|v| v * v).sum::<f64>() - self.ln_norm
    }

    /// Whether these cells have about this density.
    fn is_like(&self, cells: &[(usize, f64)], places: &[Place]) -> bool {
        let weight = self.ln_weight.exp();
        let overlap =
            |&(cell, density): &(usize, f64)| (density / weight * self.ln_density(&places[cell]).exp()).sqrt();
        cells.iter().map(overlap).sum::<f64>() >= NORMAL
    }
}
