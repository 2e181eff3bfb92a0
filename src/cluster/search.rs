//! The nearest centroid of every row, exactly, at the price of as few values as possible.
//!
//! Three sieves, each of which can only pass over a centroid that is certainly not the nearest:
//!
//! 1. **Bounds between rounds** (Hamerly, SDM 2010). Each row keeps a number above the distance to its centroid and one
//!    below those to the others; moves of centroids widen them. While they stay apart the row isn't read.
//! 2. **Images.** Rows and centroids are mapped to fewer dimensions so that no distance grows (see [`Images`]), and
//!    compared there, many at a time, in f32. Errors of rounding are bounded and counted in.
//! 3. What is left, mostly one centroid a row, is compared in f64.
//!
//! So the labels are those of a plain loop in f64, ties going to the lowest cluster, and depend neither on the machine's
//! instructions nor on the number of threads.

use super::Metric;
use super::bounds::{Bounds, Found, Move};
use super::images::Images;
use super::kernel::{PANEL, Panels, Scores, TILE, Tiles};
use super::rows::{Points, Rows};
use super::verdict::{Allowance, CHUNK, Chunk, Judge};
use crate::collection::ClusterId;
use crate::distance::squared_norm;
use ndarray::Array2;
use rayon::prelude::*;

/// Rows that a task takes at a time.
const BLOCK: usize = 240;
/// Products of lengths beyond this don't fit into f32; such rows are compared in f64 alone.
const MAX_PRODUCT: f64 = 1e37;

/// Centroids to be searched.
pub(super) struct Search<'a> {
    rows: &'a Rows<'a>,
    images: &'a Images<'a>,
    centroids: &'a Array2<f32>,
    /// Images of the centroids, in their order: the slot of a score is the number of its cluster.
    panels: Panels,
    /// What of each is beyond the leading directions.
    rests: Vec<f64>,
    /// Length of the longest image.
    longest: f64,
    allowance: Allowance,
}

impl<'a> Search<'a> {
    /// Makes `centroids`, shape (n_clusters, n_features), ready; all but those of length 0 by cosine, which have no
    /// direction.
    pub fn new(rows: &'a Rows<'a>, images: &'a Images<'a>, centroids: &'a Array2<f32>) -> Self {
        let vectors: Vec<&[f32]> = centroids.outer_iter().map(|c| c.to_slice().expect("rows are contiguous")).collect();
        let mapped = images.of(centroids);
        let (mut longest, mut error) = (0f64, 0f64);
        let halves: Vec<f32> = vectors
            .iter()
            .zip(&mapped)
            .map(|(vector, image)| {
                if rows.metric() == Metric::Cosine && squared_norm(vector) == 0.0 {
                    return f32::INFINITY;
                }
                let squared = squared_norm(&image.values);
                longest = longest.max(squared.sqrt());
                error = error.max(image.error);
                (squared / 2.0) as f32
            })
            .collect();
        let panels =
            Panels::new(images.width(), mapped.iter().zip(halves).map(|(image, half)| (&image.values[..], half)));
        let rests = mapped.iter().map(|image| images.rest_of(image)).collect();
        let allowance = Allowance::new(images.width(), longest, error, rows.metric());
        Self { rows, images, centroids, panels, rests, longest, allowance }
    }

    /// Brings labels and bounds up to date; the rows that changed, in order. Rows without a direction (by cosine) are
    /// passed over.
    pub fn update(&self, bounds: &mut Bounds) -> Found {
        let blocks: Vec<Found> = bounds
            .labels
            .par_chunks_mut(BLOCK)
            .zip(bounds.upper.par_chunks_mut(BLOCK))
            .zip(bounds.lower.par_chunks_mut(BLOCK))
            .enumerate()
            .map_init(Scratch::default, |scratch, (block, ((labels, upper), lower))| {
                Block { search: self, first: block * BLOCK, labels, upper, lower, scratch }.update()
            })
            .collect();
        blocks.into_iter().sum()
    }

    /// The nearest and the next nearest centroid of each row with their squared distances (by cosine twice 1 - cos);
    /// `None` for rows without a direction, and where there is no other centroid.
    pub fn two_nearest(&self) -> Vec<[Option<(f64, ClusterId)>; 2]> {
        let n = self.rows.len();
        let mut found = vec![[None; 2]; n];
        found.par_chunks_mut(BLOCK).enumerate().for_each_init(Scratch::default, |scratch, (block, found)| {
            let first = block * BLOCK;
            let active: Vec<usize> = (0..found.len()).filter(|i| !self.rows.is_blank(first + i)).collect();
            for chunk in active.chunks(CHUNK) {
                self.score(chunk.iter().map(|i| first + i), scratch);
                for (at, &i) in chunk.iter().enumerate() {
                    let (scores, least) = self.scored(scratch, at);
                    found[i] = self.two_nearest_of(first + i, scores, least);
                }
            }
        });
        found
    }

    fn two_nearest_of(&self, row: usize, scores: &mut [f32], least: &mut [f32]) -> [Option<(f64, ClusterId)>; 2] {
        let mut found: [Option<(f64, ClusterId)>; 2] = [None; 2];
        while let Some(c) = lowest(scores, least) {
            // Nothing that is left can be nearer than the second found.
            if let [_, Some((squared, _))] = found
                && scores[c] > self.threshold(row, self.allowance.above(squared))
            {
                break;
            }
            take(c, scores, least);
            let entry = Some((self.squared(row, c), c));
            let before = |a: &Option<(f64, ClusterId)>, b: &Option<(f64, ClusterId)>| match (a, b) {
                (Some(a), Some(b)) => a < b,
                (a, _) => a.is_some(),
            };
            if before(&entry, &found[0]) {
                found = [entry, found[0]];
            } else if before(&entry, &found[1]) {
                found[1] = entry;
            }
        }
        found
    }

    /// Squared distance in f64; by cosine twice 1 - cos, which is that of unit vectors.
    fn squared(&self, row: usize, c: ClusterId) -> f64 {
        self.rows.squared(row, self.centroids.row(c).to_slice().expect("centroids are contiguous"))
    }

    /// A centroid with a higher score is farther from the row than `distance`.
    fn threshold(&self, row: usize, distance: f32) -> f32 {
        self.allowance.threshold(self.images.length(row), self.images.error(row), distance)
    }

    /// No centroid with such a score or a higher one is nearer to the row than this.
    fn farther(&self, row: usize, score: f32) -> f32 {
        self.allowance.farther(self.images.length(row), self.images.error(row), score)
    }

    /// Scores `rows` against all centroids.
    fn score(&self, rows: impl ExactSizeIterator<Item = usize> + Clone, scratch: &mut Scratch) {
        let (n_rows, n_panels) = (rows.len().next_multiple_of(TILE), self.panels.n_panels());
        self.images.pack(rows.clone(), &mut scratch.tiles);
        scratch.scores.resize(n_rows * n_panels * PANEL, 0.0);
        scratch.least.resize(n_rows * n_panels, 0.0);
        pulp::Arch::new().dispatch(Scores {
            tiles: scratch.tiles.all(),
            panels: &self.panels,
            scores: &mut scratch.scores,
            least: &mut scratch.least,
        });
        for (at, _) in rows.enumerate().filter(|&(_, row)| !self.fits(row)) {
            let (scores, least) = self.scored(scratch, at);
            scores[..self.centroids.nrows()].fill(f32::NEG_INFINITY);
            least.fill(f32::NEG_INFINITY);
        }
    }

    /// Whether a row's scores are within f32. By cosine they always are.
    fn fits(&self, row: usize) -> bool {
        self.longest * self.images.length(row).max(self.longest) < MAX_PRODUCT
    }

    /// The scores of the row `at` among those scored, and the least of each panel.
    fn scored<'s>(&self, scratch: &'s mut Scratch, at: usize) -> (&'s mut [f32], &'s mut [f32]) {
        let n_panels = self.panels.n_panels();
        let scores = &mut scratch.scores[at * n_panels * PANEL..][..n_panels * PANEL];
        (scores, &mut scratch.least[at * n_panels..][..n_panels])
    }
}

/// The slot of the least score, the first of equals; `None` if all are infinite.
fn lowest(scores: &[f32], least: &[f32]) -> Option<usize> {
    let lowest = least_of(least);
    let panel = least.iter().position(|&least| least == lowest)?;
    (lowest < f32::INFINITY).then(|| slot_of(panel, scores, lowest))
}

/// The slot of a panel that has this score.
fn slot_of(panel: usize, scores: &[f32], score: f32) -> usize {
    let scores = &scores[panel * PANEL..][..PANEL];
    panel * PANEL + scores.iter().position(|&other| other == score).expect("the least is one of them")
}

/// Takes a slot out of consideration.
fn take(slot: usize, scores: &mut [f32], least: &mut [f32]) {
    let panel = &mut scores[slot / PANEL * PANEL..][..PANEL];
    if std::mem::replace(&mut panel[slot % PANEL], f32::INFINITY) <= least[slot / PANEL] {
        least[slot / PANEL] = least_of(panel);
    }
}

/// The least of some scores, side by side: one after the other they would wait for each other.
fn least_of(scores: &[f32]) -> f32 {
    const LANES: usize = 16;
    let least = |a: f32, b: f32| if b < a { b } else { a };
    let (whole, rest) = scores.as_chunks::<LANES>();
    let mut lanes = [f32::INFINITY; LANES];
    for chunk in whole {
        for lane in 0..LANES {
            lanes[lane] = least(lanes[lane], chunk[lane]);
        }
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = least(lanes[lane], lanes[lane + half]);
        }
    }
    rest.iter().fold(lanes[0], |a, &b| least(a, b))
}

/// Buffers of a thread.
#[derive(Default)]
struct Scratch {
    tiles: Tiles,
    scores: Vec<f32>,
    least: Vec<f32>,
    chunk: Chunk,
}

/// Rows that one task brings up to date.
struct Block<'a, 's> {
    search: &'a Search<'s>,
    first: usize,
    labels: &'a mut [u32],
    upper: &'a mut [f32],
    lower: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Block<'_, '_> {
    fn update(mut self) -> Found {
        let Found { mut moves, mut tied, mut work } = Found::default();
        let search = self.search;
        let n_clusters = search.centroids.nrows();
        // Where rows are compared as they are, the distance to the own centroid is little beside those to all.
        let tighten = search.images.are_rows() && n_clusters > 2;
        let mut active: Vec<usize> = Vec::with_capacity(self.labels.len());
        for i in 0..self.labels.len() {
            if search.rows.is_blank(self.first + i) || self.upper[i] < self.lower[i] {
                continue;
            }
            if tighten && self.labels[i] != u32::MAX {
                work.distances += 1;
                self.upper[i] = search.allowance.above(search.squared(self.first + i, self.labels[i] as usize));
                if self.upper[i] < self.lower[i] {
                    continue;
                }
            }
            active.push(i);
        }
        work.compared += (active.len() * n_clusters) as u64;
        for chunk in active.chunks(CHUNK) {
            self.judge(chunk);
            for (at, &i) in chunk.iter().enumerate() {
                let from = self.labels[i];
                let Chunk { labels, upper, lower, decided, .. } = &self.scratch.chunk;
                if decided[at] {
                    (self.labels[i], self.upper[i], self.lower[i]) = (labels[at], upper[at], lower[at]);
                } else {
                    let (n_distances, is_tied) = self.settle(i, at);
                    work.distances += n_distances;
                    tied.extend(is_tied.then_some((self.first + i) as u32));
                }
                if self.labels[i] != from {
                    moves.push(Move { row: (self.first + i) as u32, from });
                }
            }
        }
        Found { moves, tied, work }
    }

    /// What scores say of some rows.
    fn judge(&mut self, active: &[usize]) {
        let Self { search, first, .. } = *self;
        search.score(active.iter().map(|i| first + i), self.scratch);
        let Scratch { scores, least, chunk, .. } = &mut *self.scratch;
        for (at, &i) in active.iter().enumerate() {
            (chunk.labels[at], chunk.upper[at]) = (self.labels[i], self.upper[i]);
            (chunk.lengths[at], chunk.errors[at], chunk.rests[at]) = search.images.figures(first + i);
        }
        let Search { allowance, ref rests, ref panels, .. } = *search;
        pulp::Arch::new().dispatch(Judge { allowance, scores, least, n_panels: panels.n_panels(), rests, chunk });
    }

    /// Finds the nearest centroid of row `i`, which was scored as number `at`, by distances. Returns how many that took,
    /// and whether another centroid is as near.
    fn settle(&mut self, i: usize, at: usize) -> (u64, bool) {
        let Self { search, first, .. } = *self;
        let row = first + i;
        let (scores, least) = search.scored(self.scratch, at);
        let Some(mut own) = lowest(scores, least) else { return (0, false) };
        take(own, scores, least);
        let (mut nearest, mut second) = (search.squared(row, own), f64::INFINITY);
        let mut upper = search.allowance.above(nearest);
        let mut threshold = search.threshold(row, upper);
        let mut n_distances = 1;
        for p in 0..least.len() {
            while least[p] <= threshold {
                let other = slot_of(p, scores, least[p]);
                take(other, scores, least);
                let squared = search.squared(row, other);
                n_distances += 1;
                second = second.min(squared.max(nearest));
                if (squared, other) < (nearest, own) {
                    (own, nearest, upper) = (other, squared, search.allowance.above(squared));
                    threshold = search.threshold(row, upper);
                }
            }
        }
        let lower = search.allowance.below(second).min(search.farther(row, least_of(least)));
        (self.labels[i], self.upper[i], self.lower[i]) = (own as u32, upper, lower);
        (n_distances, second == nearest)
    }
}
