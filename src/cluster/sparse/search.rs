//! The nearest centroid of every sparse row, exactly.
//!
//! As among dense rows: a row is passed over while bounds show that its centroid is the nearest still. By cosine the
//! bounds are angles, whose sums and differences bound cosines as tightly as can be (Schubert, Lang and Feher,
//! Accelerating spherical k-means, SISAP 2021). A row that must be read meets all centroids in f32; those that rounding
//! can't tell from the nearest are compared in f64.

use super::rows::{Centroids, Rows};
use crate::cluster::Metric;
use crate::cluster::bounds::{Bounds, Found, Move, down, up};
use crate::cluster::rows::Points;
use crate::collection::{ClusterId, sparse_row};
use crate::distance::sparse::{PANEL, Panels};
use rayon::prelude::*;

/// Rows that a task takes at a time.
const BLOCK: usize = 512;
/// Unit vectors in f32 are this near to unit length; cosines take them to be exact.
const UNIT: f64 = 2.5e-7;
/// Products of lengths beyond this don't fit into f32.
const MAX_PRODUCT: f64 = 1e37;

/// Centroids to be searched.
pub(super) struct Search<'a> {
    rows: &'a Rows<'a>,
    centroids: &'a Centroids<'a>,
    panels: Panels,
}

/// A centroid with its score in f64.
type Scored = (f64, ClusterId);

impl<'a> Search<'a> {
    pub fn new(rows: &'a Rows<'a>, centroids: &'a Centroids<'a>) -> Self {
        Self { rows, centroids, panels: Panels::new(centroids.values.view()) }
    }

    /// Brings labels and bounds up to date; the rows that changed, in order. Rows without a direction (by cosine) are
    /// passed over.
    pub fn update(&self, bounds: &mut Bounds) -> Found {
        let rows = (&mut bounds.labels, &mut bounds.upper, &mut bounds.lower);
        let blocks: Vec<Found> = rows
            .0
            .par_chunks_mut(BLOCK)
            .zip(rows.1.par_chunks_mut(BLOCK))
            .zip(rows.2.par_chunks_mut(BLOCK))
            .enumerate()
            .map_init(Vec::new, |products, (block, ((labels, upper), lower))| {
                Block { search: self, first: block * BLOCK, labels, upper, lower }.update(products)
            })
            .collect();
        blocks.into_iter().sum()
    }

    /// The nearest and the next nearest centroid of each row with their squared distances (by cosine twice 1 - cos);
    /// `None` for rows without a direction, and where there is no other centroid.
    pub fn two_nearest(&self) -> Vec<[Option<Scored>; 2]> {
        let mut found = vec![[None; 2]; self.rows.len()];
        found.par_chunks_mut(BLOCK).enumerate().for_each_init(Vec::new, |products, (chunk, found)| {
            let first = chunk * BLOCK;
            let some: Vec<usize> = (first..first + found.len()).filter(|&i| !self.rows.is_blank(i)).collect();
            for (&i, products) in some.iter().zip(self.products(&some, products)) {
                let (scores, error) = self.scores(i, products);
                let mut second = [f64::INFINITY; 2];
                scores.clone().for_each(|(score, _)| second = least_two(second, score));
                // The highest score that one of the two nearest can have.
                let within = if second[1] < f64::INFINITY { second[1] + 2.0 * error } else { f64::MAX };
                let near = scores.filter(|(score, _)| *score <= within);
                let mut near: Vec<Scored> = near.map(|(_, c)| (self.centroids.squared(self.rows, i, c), c)).collect();
                near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                found[i - first] = [near.first().copied(), near.get(1).copied()];
            }
        });
        found
    }

    /// The products of `rows` with all centroids, a slice a row.
    fn products<'p>(&self, rows: &[usize], products: &'p mut Vec<f32>) -> std::slice::ChunksExact<'p, f32> {
        products.resize(rows.len() * self.panels.width(), 0.0);
        self.panels.products(self.rows.x, rows, products);
        // Rows without directions have no centroids.
        products.chunks_exact(self.panels.width().max(1))
    }

    /// The scores that a row's products make, and how far they may be from the truth. Where products may not fit into
    /// f32, all are equal, and the truth may be anything.
    fn scores<'p>(&'p self, i: usize, products: &'p [f32]) -> (impl Iterator<Item = Scored> + Clone + 'p, f64) {
        let (weight, length, longest) = (self.rows.weight(i), self.rows.length(i), self.centroids.longest);
        let fits = longest * length.max(longest) < MAX_PRODUCT;
        let known = self.centroids.halves.iter().zip(products).enumerate();
        let score = move |(c, (&half, &product)): (ClusterId, (&f64, &f32))| {
            let score = half - weight * f64::from(product);
            (if fits || half == f64::INFINITY { score } else { 0.0 }, c)
        };
        let error = weight * self.panels.rounding(sparse_row(self.rows.x, i).0.len(), length, longest)
            + 1e-15 * longest * longest;
        (known.map(score), if fits { error } else { f64::MAX / 4.0 })
    }

    /// A number above the distance (by cosine the angle) that a score stands for, which may be off by `error`.
    fn above(&self, i: usize, score: f64, error: f64) -> f32 {
        up(self.distance(i, score + error, UNIT))
    }

    /// A number below it.
    fn below(&self, i: usize, score: f64, error: f64) -> f32 {
        down(self.distance(i, score - error, -UNIT))
    }

    fn distance(&self, i: usize, score: f64, slack: f64) -> f64 {
        match self.rows.metric {
            Metric::Euclidean => (2.0 * score + self.rows.squared_length(i)).max(0.0).sqrt(),
            Metric::Cosine => (0.5 - score - slack).clamp(-1.0, 1.0).acos(),
        }
    }
}

/// How far each centroid moved: the distance, by cosine the angle. A centroid without a direction was none before.
pub(super) fn shifts<'a>(old: &Centroids<'a>, new: &Centroids<'a>, metric: Metric) -> Vec<(f64, f64)> {
    let shift = |c: ClusterId| {
        let row = |of: &Centroids<'a>| of.values.row(c).to_slice().expect("centroids are contiguous");
        let moved = crate::distance::squared_euclidean(row(old), row(new)).sqrt();
        let bound = match metric {
            Metric::Euclidean => moved,
            Metric::Cosine if old.halves[c] != new.halves[c] => f64::INFINITY,
            Metric::Cosine => 2.0 * (moved / 2.0 * (1.0 + UNIT)).min(1.0).asin(),
        };
        (moved, bound)
    };
    (0..old.len()).into_par_iter().map(shift).collect()
}

/// The lesser two of three.
fn least_two([first, second]: [f64; 2], third: f64) -> [f64; 2] {
    if third < first { [third, first] } else { [first, second.min(third)] }
}

/// Rows that one task brings up to date.
struct Block<'a, 's> {
    search: &'a Search<'s>,
    first: usize,
    labels: &'a mut [u32],
    upper: &'a mut [f32],
    lower: &'a mut [f32],
}

impl Block<'_, '_> {
    fn update(mut self, products: &mut Vec<f32>) -> Found {
        let Search { rows, centroids, panels } = self.search;
        let Found { mut moves, mut tied, mut work } = Found::default();
        // To compare with the own centroid first pays where there are many others.
        let tighten = panels.width() > 4 * PANEL;
        let mut active = Vec::with_capacity(self.labels.len());
        for at in 0..self.labels.len() {
            let i = self.first + at;
            if rows.is_blank(i) || self.upper[at] < self.lower[at] {
                continue;
            }
            if tighten && self.labels[at] != u32::MAX {
                work.distances += 1;
                let score = centroids.score(rows, i, self.labels[at] as usize);
                self.upper[at] = self.search.above(i, score, 0.0);
                if self.upper[at] < self.lower[at] {
                    continue;
                }
            }
            active.push(i);
        }
        work.compared += (active.len() * centroids.len()) as u64;
        for (&i, products) in active.iter().zip(self.search.products(&active, products)) {
            let from = self.labels[i - self.first];
            let (n_distances, is_tied) = self.settle(i, products);
            work.distances += n_distances;
            tied.extend(is_tied.then_some(i as u32));
            if self.labels[i - self.first] != from {
                moves.push(Move { row: i as u32, from });
            }
        }
        Found { moves, tied, work }
    }

    /// Finds the nearest centroid of row `i`. Returns how many distances that took, and whether another centroid is as
    /// near.
    fn settle(&mut self, i: usize, products: &[f32]) -> (u64, bool) {
        let search = self.search;
        let (scores, error) = search.scores(i, products);
        let least = scores.clone().fold((f64::INFINITY, 0), |a, b| if b.0 < a.0 { b } else { a });
        if least.0 == f64::INFINITY {
            return (0, false); // No centroid has a direction.
        }
        let within = least.0 + 2.0 * error;
        let (rivals, others): (Vec<Scored>, Vec<Scored>) = scores.partition(|(score, _)| *score <= within);
        let others = others.into_iter().fold(f64::INFINITY, |least, (score, _)| least.min(score));
        let mut bounds = (least.1, search.above(i, least.0, error), search.below(i, others, error));
        let n_distances = if rivals.len() > 1 { rivals.len() } else { 0 };
        let mut is_tied = false;
        if n_distances > 0 {
            let (mut best, mut next) = ((f64::INFINITY, 0), f64::INFINITY);
            for (_, c) in rivals {
                let rival = (search.centroids.score(search.rows, i, c), c);
                // The one that isn't nearest bounds the others.
                let farther = if rival.0 < best.0 { std::mem::replace(&mut best, rival) } else { rival };
                next = next.min(farther.0);
            }
            is_tied = next == best.0;
            bounds = (best.1, search.above(i, best.0, 0.0), bounds.2.min(search.below(i, next, 0.0)));
        }
        let at = i - self.first;
        (self.labels[at], self.upper[at], self.lower[at]) = (bounds.0 as u32, bounds.1, bounds.2);
        (n_distances as u64, is_tied)
    }
}
