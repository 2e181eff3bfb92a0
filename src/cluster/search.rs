//! The nearest centroid of every row, exactly, at the price of as few values as possible.
//!
//! Three sieves, each of which can only pass over a centroid that is certainly not the nearest:
//!
//! 1. **Bounds between rounds** (Hamerly, SDM 2010; in groups as Ding et al., ICML 2015). Each row keeps a number above
//!    the distance to its centroid and numbers below those to the others; moves of centroids widen them. While they
//!    stay apart the row isn't read.
//! 2. **Images.** Rows and centroids are mapped to fewer dimensions so that no distance grows (see [`Images`]), and
//!    compared there, many at a time, in f32. Errors of rounding are bounded and counted in.
//! 3. What is left, mostly one centroid a row, is compared in f64.
//!
//! So the labels are those of a plain loop in f64, ties going to the lowest cluster, and depend neither on the machine's
//! instructions nor on the number of threads.

use super::images::Images;
use super::kernel::{PANEL, Panels, Scores, TILE, pack};
use super::{Metric, rows::Rows};
use crate::collection::ClusterId;
use crate::distance::squared_norm;
use ndarray::Array2;
use rayon::prelude::*;

/// Rows that a task takes at a time.
const BLOCK: usize = 256;
/// Tiles scored together: their scores stay in the cache.
const TILES: usize = 4;
/// Most groups of centroids with a bound of their own.
const MAX_GROUPS: usize = 32;
/// Unit vectors in f32 are this near to unit length, squared; cosines take them to be exact.
const UNIT: f64 = 2.5e-7;
/// Half a unit in the last place of 1.
const HALF_ULP: f64 = (f32::EPSILON / 2.0) as f64;

/// The smallest f32 that is no less.
fn up(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) < value { near.next_up() } else { near }
}

/// The largest f32 that is no more.
fn down(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) > value { near.next_down() } else { near }
}

/// What is known of each row from one round to the next.
pub(super) struct Bounds {
    /// The nearest centroid.
    pub labels: Vec<u32>,
    /// At least the distance to it.
    upper: Vec<f32>,
    /// At most the distances to the others: to those of group g at row * n_groups + g.
    lower: Vec<f32>,
    n_groups: usize,
}

impl Bounds {
    /// Nothing known yet. Row bounds by group pay where the images are as wide as the rows.
    pub fn new(n_rows: usize, n_clusters: usize, images: &Images<'_>) -> Self {
        let n_panels = n_clusters.div_ceil(PANEL);
        let n_groups = if images.are_rows() && n_panels <= MAX_GROUPS { n_panels } else { 1 };
        let (upper, lower) = (vec![f32::INFINITY; n_rows], vec![0.0; n_rows * n_groups]);
        Self { labels: vec![u32::MAX; n_rows], upper, lower, n_groups }
    }

    /// Widens the bounds by how far the centroids of each cluster have moved, at least.
    pub fn widen(&mut self, shifts: &[f64], slots: &[u32]) {
        let shifts: Vec<f32> = shifts.iter().map(|&shift| up(shift)).collect();
        let group = |g: usize| match self.n_groups {
            1 => slots,
            _ => slots.chunks(PANEL).nth(g).expect("a panel a group"),
        };
        // The farthest move of each group, and of the group without that cluster.
        let farthest: Vec<(u32, f32, f32)> = (0..self.n_groups)
            .map(|g| {
                group(g).iter().fold((u32::MAX, 0.0, 0.0), |(most, first, second), &c| match shifts[c as usize] {
                    shift if shift > first => (c, shift, first),
                    shift => (most, first, second.max(shift)),
                })
            })
            .collect();
        let lower = self.lower.par_chunks_mut(self.n_groups);
        let rows = self.upper.par_iter_mut().zip(lower).zip(&self.labels).with_min_len(BLOCK);
        rows.for_each(|((upper, lower), &label)| {
            let shift = shifts.get(label as usize).copied().unwrap_or(0.0);
            *upper = (*upper + shift).next_up();
            for (lower, &(most, first, second)) in lower.iter_mut().zip(&farthest) {
                *lower = (*lower - if most == label { second } else { first }).next_down();
            }
        });
    }
}

/// What a search had to look at, of the n_samples x n_clusters pairs of a plain round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Work {
    /// Pairs compared by their images, or by f32 products of the rows themselves. They come in tiles of 12 rows and 32
    /// centroids, so there may be more than the pairs there are.
    pub compared: u64,
    /// Pairs whose distance was computed in f64.
    pub distances: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, more: Self) {
        self.compared += more.compared;
        self.distances += more.distances;
    }
}

/// A row that changed its cluster; `from` is `u32::MAX` if it had none.
#[derive(Clone, Copy)]
pub(super) struct Move {
    pub row: u32,
    pub from: u32,
}

/// Centroids to be searched.
pub(super) struct Search<'a> {
    rows: &'a Rows<'a>,
    images: &'a Images<'a>,
    centroids: &'a Array2<f32>,
    /// Images of the centroids, the order in which they lie, and where each cluster is in it.
    panels: Panels,
    slots: &'a [u32],
    slot_of: Vec<usize>,
    /// Length of the longest image, and the largest error of one.
    longest: f64,
    error: f64,
}

impl<'a> Search<'a> {
    /// Makes `centroids`, shape (n_clusters, n_features), ready; all but those of length 0 by cosine, which have no
    /// direction. `slots` holds their numbers, like ones together.
    pub fn new(rows: &'a Rows<'a>, images: &'a Images<'a>, centroids: &'a Array2<f32>, slots: &'a [u32]) -> Self {
        let values = |c: u32| centroids.row(c as usize).to_slice().expect("centroids are contiguous");
        let mapped = images.of(&slots.iter().map(|&c| values(c)).collect::<Vec<_>>());
        let (mut longest, mut error) = (0f64, 0f64);
        let halves: Vec<f32> = slots
            .iter()
            .zip(&mapped)
            .map(|(&c, image)| {
                if rows.metric() == Metric::Cosine && squared_norm(values(c)) == 0.0 {
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
        let mut slot_of = vec![0; slots.len()];
        slots.iter().enumerate().for_each(|(slot, &c)| slot_of[c as usize] = slot);
        Self { rows, images, centroids, panels, slots, slot_of, longest, error }
    }

    /// Brings labels and bounds up to date; the rows that changed, in order. Rows without a direction (by cosine) are
    /// passed over.
    pub fn update(&self, bounds: &mut Bounds) -> (Vec<Move>, Work) {
        let n_groups = bounds.n_groups;
        let blocks: Vec<_> = bounds
            .labels
            .par_chunks_mut(BLOCK)
            .zip(bounds.upper.par_chunks_mut(BLOCK))
            .zip(bounds.lower.par_chunks_mut(BLOCK * n_groups))
            .enumerate()
            .map_init(Scratch::default, |scratch, (block, ((labels, upper), lower))| {
                Block { search: self, first: block * BLOCK, labels, upper, lower, n_groups, scratch }.update()
            })
            .collect();
        let mut work = Work::default();
        let mut moves = Vec::with_capacity(blocks.iter().map(|(moves, _)| moves.len()).sum());
        for (block, more) in blocks {
            moves.extend(block);
            work += more;
        }
        (moves, work)
    }

    /// The nearest and the next nearest centroid of each row with their squared distances (by cosine twice 1 - cos);
    /// `None` for rows without a direction, and where there is no other centroid.
    pub fn two_nearest(&self) -> Vec<[Option<(f64, ClusterId)>; 2]> {
        let n = self.rows.len();
        let mut found = vec![[None; 2]; n];
        found.par_chunks_mut(BLOCK).enumerate().for_each_init(Scratch::default, |scratch, (block, found)| {
            let first = block * BLOCK;
            let active: Vec<usize> = (0..found.len()).filter(|i| !self.rows.is_blank(first + i)).collect();
            for chunk in active.chunks(TILES * TILE) {
                let rows = chunk.iter().map(|i| first + i);
                let wanted = vec![true; chunk.len().div_ceil(TILE) * self.panels.n_panels()];
                self.score(rows, &wanted, scratch);
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
        while let Some(slot) = lowest(scores, least) {
            // Nothing that is left can be nearer than the second found.
            if let [_, Some((squared, _))] = found
                && scores[slot] > self.threshold(row, up(squared.sqrt()))
            {
                break;
            }
            take(slot, scores, least);
            let c = self.slots[slot] as usize;
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

    /// A number above the distance that [`squared`](Self::squared) stands for.
    fn above(&self, squared: f64) -> f32 {
        up((squared + self.slack()).sqrt())
    }

    /// A number below it.
    fn below(&self, squared: f64) -> f64 {
        (squared - self.slack()).max(0.0).sqrt()
    }

    fn slack(&self) -> f64 {
        if self.rows.metric() == Metric::Cosine { UNIT } else { 0.0 }
    }

    /// How far a score may be from the truth: the product's rounding, one term after the other, and that of the rest.
    fn score_error(&self, row: usize) -> f64 {
        let product = (self.images.width() + 4) as f64 * HALF_ULP * self.images.length(row) * self.longest;
        product + 2.0 * HALF_ULP * self.longest * self.longest
    }

    /// A centroid with a higher score is farther from the row than `distance`.
    fn threshold(&self, row: usize, distance: f32) -> f32 {
        let reach = f64::from(distance) + self.images.error(row) + self.error;
        let squared = reach * reach + self.slack() - self.images.length(row).powi(2);
        up(squared / 2.0 + self.score_error(row))
    }

    /// No centroid with such a score or a higher one is nearer to the row than this.
    fn reached(&self, row: usize, score: f32) -> f32 {
        let squared = 2.0 * (f64::from(score) - self.score_error(row)) + self.images.length(row).powi(2);
        down((squared - self.slack()).max(0.0).sqrt() - self.images.error(row) - self.error)
    }

    /// Scores `rows` against the wanted panels.
    fn score(&self, rows: impl ExactSizeIterator<Item = usize>, wanted: &[bool], scratch: &mut Scratch) {
        let (n_rows, n_panels) = (rows.len().next_multiple_of(TILE), self.panels.n_panels());
        pack(rows.map(|row| self.images.row(row)), self.images.width(), &mut scratch.tiles);
        scratch.scores.resize(n_rows * n_panels * PANEL, 0.0);
        scratch.least.resize(n_rows * n_panels, 0.0);
        pulp::Arch::new().dispatch(Scores {
            tiles: &scratch.tiles,
            panels: &self.panels,
            wanted,
            scores: &mut scratch.scores,
            least: &mut scratch.least,
        });
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
    let (panel, &least) = least.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1))?;
    let slot = scores[panel * PANEL..][..PANEL].iter().position(|&score| score == least)?;
    (least < f32::INFINITY).then_some(panel * PANEL + slot)
}

/// Takes a slot out of consideration.
fn take(slot: usize, scores: &mut [f32], least: &mut [f32]) {
    if least[slot / PANEL] == f32::INFINITY {
        return; // Not scored.
    }
    let panel = &mut scores[slot / PANEL * PANEL..][..PANEL];
    if std::mem::replace(&mut panel[slot % PANEL], f32::INFINITY) <= least[slot / PANEL] {
        least[slot / PANEL] = panel.iter().copied().fold(f32::INFINITY, f32::min);
    }
}

/// Buffers of a thread.
#[derive(Default)]
struct Scratch {
    tiles: Vec<f32>,
    scores: Vec<f32>,
    least: Vec<f32>,
}

/// Rows that one task brings up to date.
struct Block<'a, 's> {
    search: &'a Search<'s>,
    first: usize,
    labels: &'a mut [u32],
    upper: &'a mut [f32],
    lower: &'a mut [f32],
    n_groups: usize,
    scratch: &'a mut Scratch,
}

impl Block<'_, '_> {
    fn update(mut self) -> (Vec<Move>, Work) {
        let (mut moves, mut work) = (Vec::new(), Work::default());
        let search = self.search;
        let n_panels = search.panels.n_panels();
        // The distance to the own centroid costs n_features terms, the images of all of them so many more.
        let tighten = search.images.width() * n_panels * PANEL > 2 * search.rows.n_features();
        let mut active: Vec<(usize, Option<f64>)> = Vec::with_capacity(self.labels.len());
        for i in 0..self.labels.len() {
            if search.rows.is_blank(self.first + i) || self.upper[i] < self.nearest_other(i) {
                continue;
            }
            let own = (tighten && self.labels[i] != u32::MAX)
                .then(|| search.squared(self.first + i, self.labels[i] as usize));
            if let Some(own) = own {
                work.distances += 1;
                self.upper[i] = search.above(own);
                if self.upper[i] < self.nearest_other(i) {
                    continue;
                }
            }
            active.push((i, own));
        }
        let mut wanted = Vec::new();
        for chunk in active.chunks(TILES * TILE) {
            wanted.clear();
            for tile in chunk.chunks(TILE) {
                wanted.extend((0..n_panels).map(|p| tile.iter().any(|&(i, _)| self.group(i, p) <= self.upper[i])));
            }
            work.compared += (wanted.iter().filter(|wanted| **wanted).count() * TILE * PANEL) as u64;
            let first = self.first;
            search.score(chunk.iter().map(|(i, _)| first + i), &wanted, self.scratch);
            for (at, &(i, own)) in chunk.iter().enumerate() {
                let wanted = &wanted[at / TILE * n_panels..][..n_panels];
                let from = self.labels[i];
                work.distances += self.settle(i, own, at, wanted);
                if self.labels[i] != from {
                    moves.push(Move { row: (self.first + i) as u32, from });
                }
            }
        }
        (moves, work)
    }

    fn nearest_other(&self, i: usize) -> f32 {
        self.lower[i * self.n_groups..][..self.n_groups].iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// The bound on centroids of panel `p`.
    fn group(&self, i: usize, p: usize) -> f32 {
        self.lower[i * self.n_groups + if self.n_groups == 1 { 0 } else { p }]
    }

    /// Finds the nearest centroid of row `i`, which was scored as number `at`; `best` is the squared distance to its own
    /// one, where that is known. Returns how many distances that took.
    fn settle(&mut self, i: usize, mut best: Option<f64>, at: usize, wanted: &[bool]) -> u64 {
        let Self { search, first, n_groups, .. } = *self;
        let row = first + i;
        let lower = &mut self.lower[i * n_groups..][..n_groups];
        let (scores, least) = search.scored(self.scratch, at);
        let group = |slot: usize| if n_groups == 1 { 0 } else { slot / PANEL };
        let mut n_distances = 0;
        let mut squared = |c: u32| {
            n_distances += 1;
            search.squared(row, c as usize)
        };
        // What is scored anew gets a new bound.
        wanted.iter().enumerate().filter(|(_, wanted)| **wanted).for_each(|(p, _)| lower[group(p * PANEL)] = f32::MAX);
        let (mut own, mut upper) = (self.labels[i], self.upper[i]);
        if own == u32::MAX {
            let Some(slot) = lowest(scores, least) else { return 0 };
            own = search.slots[slot];
        }
        take(search.slot_of[own as usize], scores, least);
        let mut threshold = search.threshold(row, upper);
        if best.is_none() && least.iter().any(|least| *least <= threshold) {
            let exact = squared(own);
            (best, upper) = (Some(exact), search.above(exact));
            threshold = search.threshold(row, upper);
        }
        for p in 0..least.len() {
            while least[p] <= threshold {
                let panel = &scores[p * PANEL..][..PANEL];
                let slot =
                    p * PANEL + panel.iter().position(|&score| score == least[p]).expect("the least is one of them");
                take(slot, scores, least);
                let other = search.slots[slot];
                let (exact, nearest) = (squared(other), best.expect("known by now"));
                // The one that isn't nearest bounds its group.
                let mut farther = (slot, exact);
                if (exact, other) < (nearest, own) {
                    farther = (search.slot_of[own as usize], nearest);
                    (own, best, upper) = (other, Some(exact), search.above(exact));
                    threshold = search.threshold(row, upper);
                }
                let bound = &mut lower[group(farther.0)];
                *bound = bound.min(down(search.below(farther.1)));
            }
        }
        for (p, &least) in least.iter().enumerate().filter(|(p, _)| wanted[*p]) {
            let bound = &mut lower[group(p * PANEL)];
            *bound = bound.min(search.reached(row, least));
        }
        (self.labels[i], self.upper[i]) = (own, upper);
        n_distances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scores of a panel that was not wanted are left over from other rows.
    #[test]
    fn what_was_not_scored_stays_out() {
        let (mut scores, mut least) = (vec![0.0; 2 * PANEL], vec![f32::INFINITY, 0.0]);
        take(3, &mut scores, &mut least);
        assert_eq!(least, [f32::INFINITY, 0.0]);
        take(PANEL + 3, &mut scores, &mut least);
        scores[PANEL] = 5.0;
        assert_eq!((scores[PANEL + 3], least[1], lowest(&scores, &least)), (f32::INFINITY, 0.0, Some(PANEL + 1)));
    }

    #[test]
    fn rounding_goes_the_safe_way() {
        for value in [0.1, 1.0, 1e-30, 12345.678, 1e30] {
            assert!(f64::from(up(value)) >= value && f64::from(down(value)) <= value);
        }
    }
}
