//! What scores alone say of some rows: the nearest centroid where there is no doubt, and how near it and others are.

use super::Metric;
use super::bounds::{LEAST, down, up};
use super::kernel::{HALF_ULP, PANEL, TILE};
use pulp::{Simd, WithSimd};

/// Rows scored together: their scores stay in the cache.
pub(super) const CHUNK: usize = 4 * TILE;
/// Unit vectors in f32 are this near to unit length, squared; cosines take them to be exact.
const UNIT: f64 = 2.5e-7;
/// Scores compared side by side.
const LANES: usize = 16;

/// What rounding can do to scores and images, to be allowed for in what is concluded from them.
#[derive(Clone, Copy)]
pub(super) struct Allowance {
    /// How far a score may be from the truth, for each unit of the row's length, and beside that.
    per_length: f64,
    constant: f64,
    /// How far a squared distance may be.
    squared: f64,
    /// How far a centroid's image may be.
    image: f64,
}

impl Allowance {
    /// For centroids whose longest image has this length, and none a larger error. A score is a product of so many
    /// terms, one after the other, less half a square.
    pub fn new(n_terms: usize, longest: f64, image: f64, metric: Metric) -> Self {
        let n_terms = (n_terms + 4) as f64;
        Self {
            per_length: n_terms * HALF_ULP * longest,
            constant: 2.0 * HALF_ULP * longest * longest + n_terms * LEAST,
            squared: if metric == Metric::Cosine { UNIT } else { 0.0 },
            image,
        }
    }

    /// A number above the distance, from its square in f64.
    pub fn above(&self, squared: f64) -> f32 {
        up((squared + self.squared).sqrt())
    }

    /// A number below it.
    pub fn below(&self, squared: f64) -> f32 {
        down((squared - self.squared).max(0.0).sqrt())
    }

    #[inline(always)]
    fn of_score(&self, length: f64) -> f64 {
        self.per_length * length + self.constant
    }

    /// A centroid with a higher score is farther than `distance` from a row whose image has this length and error.
    #[inline(always)]
    pub fn threshold(&self, length: f64, error: f64, distance: f32) -> f32 {
        let reach = f64::from(distance) + error + self.image;
        let squared = reach * reach + self.squared - length * length;
        // Less than the score of what has been taken.
        up(squared / 2.0 + self.of_score(length)).min(f32::MAX)
    }

    /// No centroid with such a score or a higher one is nearer than this.
    #[inline(always)]
    pub fn farther(&self, length: f64, error: f64, score: f32) -> f32 {
        let squared = 2.0 * (f64::from(score) - self.of_score(length)) + length * length;
        down((squared - self.squared).max(0.0).sqrt() - error - self.image).min(f32::MAX)
    }

    /// A centroid with such a score is nearer than this. The rests of row and centroid may point in opposite directions,
    /// which their images don't tell: `rests` is the product of their lengths.
    #[inline(always)]
    fn nearer(&self, length: f64, error: f64, score: f32, rests: f64) -> f32 {
        let squared = 2.0 * (f64::from(score) + self.of_score(length)) + length * length;
        up(((squared + self.squared).max(0.0) + 4.0 * rests).sqrt() + error + self.image)
    }
}

/// Rows, figure by figure: what is known of each, and what their scores say.
pub(super) struct Chunk {
    /// Length and error of the image, and length of the rest.
    pub lengths: [f64; CHUNK],
    pub errors: [f64; CHUNK],
    pub rests: [f64; CHUNK],
    /// The nearest centroid, by scores. Before: what it was.
    pub labels: [u32; CHUNK],
    /// At least the distance to it. Before: to what it was.
    pub upper: [f32; CHUNK],
    /// At most the distance to any other.
    pub lower: [f32; CHUNK],
    /// Whether it certainly is the nearest.
    pub decided: [bool; CHUNK],
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            lengths: [0.0; CHUNK],
            errors: [0.0; CHUNK],
            rests: [0.0; CHUNK],
            labels: [0; CHUNK],
            upper: [0.0; CHUNK],
            lower: [0.0; CHUNK],
            decided: [false; CHUNK],
        }
    }
}

/// Comes to a verdict on the rows of a chunk.
pub(super) struct Judge<'a> {
    pub allowance: Allowance,
    /// The scores of each row, and the least of each panel.
    pub scores: &'a [f32],
    pub least: &'a [f32],
    pub n_panels: usize,
    /// The length of each centroid's rest.
    pub rests: &'a [f64],
    pub chunk: &'a mut Chunk,
}

impl WithSimd for Judge<'_> {
    type Output = ();

    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { allowance, scores, least, n_panels, rests, chunk } = self;
        let (mut first, mut second) = ([f32::INFINITY; CHUNK], [f32::INFINITY; CHUNK]);
        for at in 0..CHUNK.min(least.len() / n_panels) {
            let least = &least[at * n_panels..][..n_panels];
            let (mut panel, mut elsewhere) = (0, f32::INFINITY);
            for p in 1..n_panels {
                let is_least = least[p] < least[panel];
                let other = if is_least { least[panel] } else { least[p] };
                elsewhere = if other < elsewhere { other } else { elsewhere };
                panel = if is_least { p } else { panel };
            }
            let first_slot = panel * PANEL;
            let (slot, lowest, next) = two_least(&scores[at * n_panels * PANEL + first_slot..][..PANEL]);
            (first[at], second[at]) = (lowest, if elsewhere < next { elsewhere } else { next });
            let slot = first_slot as u32 + slot;
            if chunk.labels[at] != slot {
                (chunk.labels[at], chunk.upper[at]) = (slot, f32::INFINITY);
            }
            chunk.rests[at] *= rests.get(slot as usize).copied().unwrap_or(0.0);
        }
        for at in 0..CHUNK {
            let (length, error) = (chunk.lengths[at], chunk.errors[at]);
            let nearer = allowance.nearer(length, error, first[at], chunk.rests[at]);
            let upper = if nearer < chunk.upper[at] { nearer } else { chunk.upper[at] };
            chunk.upper[at] = upper;
            chunk.lower[at] = allowance.farther(length, error, second[at]);
            // Neither without a centroid, nor where values are too large for scores.
            let is_known = first[at].abs() < f32::INFINITY;
            chunk.decided[at] = is_known && second[at] > allowance.threshold(length, error, upper);
        }
    }
}

/// The slot of the least of some scores, that score, and the next.
#[inline(always)]
fn two_least(scores: &[f32]) -> (u32, f32, f32) {
    let (mut first, mut second, mut slots) = ([f32::INFINITY; LANES], [f32::INFINITY; LANES], [0u32; LANES]);
    let mut from = 0;
    while from < scores.len() {
        let scores = &scores[from..from + LANES];
        for lane in 0..LANES {
            let score = scores[lane];
            let is_least = score < first[lane];
            let other = if is_least { first[lane] } else { score };
            second[lane] = if other < second[lane] { other } else { second[lane] };
            slots[lane] = if is_least { (from + lane) as u32 } else { slots[lane] };
            first[lane] = if is_least { score } else { first[lane] };
        }
        from += LANES;
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let (a, b) = (first[lane], first[lane + half]);
            let is_least = b < a;
            let other = if is_least { a } else { b };
            let next = if second[lane] < second[lane + half] { second[lane] } else { second[lane + half] };
            second[lane] = if other < next { other } else { next };
            slots[lane] = if is_least { slots[lane + half] } else { slots[lane] };
            first[lane] = if is_least { b } else { a };
        }
        half /= 2;
    }
    (slots[0], first[0], second[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_those_of_a_plain_loop_with_any_instructions() {
        for (n_rows, n_panels) in [(1, 1), (CHUNK, 1), (13, 4), (CHUNK, 33)] {
            let n_slots = n_panels * PANEL;
            // Ties, slots without a centroid, a row without any, and one whose values are too large for scores.
            let score = |row: usize, slot: usize| match ((row * 31 + slot * 17 + slot * slot * row) % 257, row % 13) {
                (_, 5) | (0..50, _) => f32::INFINITY,
                (_, 7) => f32::NEG_INFINITY,
                (value, _) => value as f32,
            };
            let scores: Vec<f32> = (0..n_rows * n_slots).map(|i| score(i / n_slots, i % n_slots)).collect();
            let least: Vec<f32> =
                scores.chunks(PANEL).map(|s| s.iter().copied().fold(f32::INFINITY, f32::min)).collect();
            let rests = vec![0.5; n_slots - 3];
            let known = |chunk: &mut Chunk| {
                chunk.rests = [1.0; CHUNK];
                chunk.labels = [u32::MAX; CHUNK];
                chunk.upper = [1.5; CHUNK];
            };
            let run = |wide: bool| {
                let mut chunk = Chunk::default();
                known(&mut chunk);
                let allowance = Allowance::new(0, 0.0, 0.0, Metric::Euclidean);
                let judge =
                    Judge { allowance, scores: &scores, least: &least, n_panels, rests: &rests, chunk: &mut chunk };
                if wide {
                    pulp::Arch::new().dispatch(judge)
                } else {
                    judge.with_simd(pulp::Scalar)
                }
                chunk
            };
            for chunk in [run(true), run(false)] {
                for (row, scores) in scores.chunks(n_slots).enumerate() {
                    let mut sorted: Vec<f32> = scores.to_vec();
                    sorted.sort_by(f32::total_cmp);
                    let (first, second) = (sorted[0], sorted[1]);
                    let slot = chunk.labels[row] as usize;
                    assert_eq!(scores[slot], first);
                    let rest = if slot < rests.len() { 2.0 } else { 0.0 };
                    let upper = (2.0 * first + rest).max(rest).sqrt();
                    assert_eq!(chunk.decided[row], first.is_finite() && 2.0 * second > 2.0 * first + rest, "row {row}");
                    if first.is_finite() {
                        assert!((chunk.upper[row] - upper).abs() < 1e-4, "{} {upper}", chunk.upper[row]);
                        assert!((chunk.lower[row] - (2.0 * second).sqrt().min(f32::MAX)).abs() < 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_known_of_the_same_centroid_counts() {
        let scores: Vec<f32> = (0..PANEL).map(|slot| 8.0 + slot as f32).collect();
        for (label, upper) in [(0, 1.0), (1, 4.0)] {
            let mut chunk = Chunk::default();
            (chunk.labels[0], chunk.upper[0]) = (label, 1.0);
            let allowance = Allowance::new(0, 0.0, 0.0, Metric::Euclidean);
            let judge = Judge { allowance, scores: &scores, least: &[8.0], n_panels: 1, rests: &[], chunk: &mut chunk };
            pulp::Arch::new().dispatch(judge);
            assert_eq!(chunk.labels[0], 0);
            assert!((chunk.upper[0] - upper).abs() < 1e-5, "{}", chunk.upper[0]);
        }
    }
}
