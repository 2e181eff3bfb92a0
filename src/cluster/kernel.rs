//! The loop that k-means spends its time in: scores of a few rows against panels of centroids.
//!
//! A panel holds 32 centroids feature by feature, a tile 12 rows likewise, so that the innermost step is one load of
//! centroids, one broadcast of a row's value, and two multiply-adds in registers. `pulp` picks the widest instructions
//! of the machine at run time; no matrix of products leaves the cache.

use pulp::{Simd, WithSimd};

/// Centroids of a panel.
pub(super) const PANEL: usize = 32;
/// Rows of a tile.
pub(super) const TILE: usize = 12;
/// Numbers of features that the loop is compiled for.
pub(super) const NARROW: usize = 64;
pub(super) const WIDE: usize = 128;
/// Half a unit in the last place of 1: what one rounding in f32 can do to a value.
pub(super) const HALF_ULP: f64 = (f32::EPSILON / 2.0) as f64;

/// Vectors laid out for [`Scores`]; the last panel is filled up.
pub(super) struct Panels {
    /// Of panel p, feature j: the values of its 32 vectors from (p * n_features + j) * 32.
    values: Vec<f32>,
    /// Half the squared length of each vector; infinite where there is none.
    half_norms: Vec<f32>,
    n_features: usize,
}

impl Panels {
    /// Lays out `vectors`, each with half its squared length.
    pub fn new<'a>(n_features: usize, vectors: impl ExactSizeIterator<Item = (&'a [f32], f32)>) -> Self {
        let n_panels = vectors.len().div_ceil(PANEL);
        let mut values = vec![0.0; n_panels * PANEL * n_features];
        let mut half_norms = vec![f32::INFINITY; n_panels * PANEL];
        for (slot, (vector, half_norm)) in vectors.enumerate() {
            half_norms[slot] = half_norm;
            let panel = &mut values[slot / PANEL * PANEL * n_features..][..PANEL * n_features];
            let lane = panel.iter_mut().skip(slot % PANEL).step_by(PANEL);
            lane.zip(vector).for_each(|(to, &value)| *to = value);
        }
        Self { values, half_norms, n_features }
    }

    pub fn n_panels(&self) -> usize {
        self.half_norms.len() / PANEL
    }
}

/// Rows laid out for [`Scores`], twelve to a tile; the last tile is filled up.
#[derive(Default)]
pub(super) struct Tiles {
    values: Vec<f32>,
    /// Whether a tile's values stand feature by feature, or row by row.
    transposed: bool,
}

impl Tiles {
    /// Takes rows, each `scale` times its values.
    pub fn take<'a>(&mut self, rows: impl Iterator<Item = (&'a [f32], f32)>, n_features: usize) {
        // The distance of such rows in memory is known when compiling: they can stay as they are.
        self.transposed = !matches!(n_features, NARROW | WIDE);
        let rows: Vec<_> = rows.collect();
        self.values.resize(rows.len().next_multiple_of(TILE) * n_features, 0.0);
        if self.transposed {
            for (tile, rows) in self.values.chunks_exact_mut(TILE * n_features).zip(rows.chunks(TILE)) {
                transpose(rows, tile.as_chunks_mut().0);
            }
        } else {
            for (to, (row, scale)) in self.values.chunks_exact_mut(n_features).zip(rows) {
                to.iter_mut().zip(row).for_each(|(to, value)| *to = scale * value);
            }
        }
    }

    /// All of it.
    pub fn all(&self) -> Tile<'_> {
        Tile { values: &self.values, transposed: self.transposed }
    }
}

/// Rows laid out, as seen by [`Scores`].
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    values: &'a [f32],
    transposed: bool,
}

impl<'a> Tile<'a> {
    /// Rows that stand one after the other, some times twelve.
    pub fn of(rows: &'a [[f32; WIDE]]) -> Self {
        Self { values: rows.as_flattened(), transposed: false }
    }
}

/// Lays out up to twelve rows feature by feature.
fn transpose(rows: &[(&[f32], f32)], tile: &mut [[f32; TILE]]) {
    let n_features = tile.len();
    let mut done = 0;
    for four in rows.as_chunks::<4>().0 {
        let [a, b, c, d] = four.map(|(row, _)| &row[..n_features]);
        let scale = four.map(|(_, scale)| scale);
        // Four by four, which the compiler turns into moves of whole vectors.
        for ((((tile, a), b), c), d) in tile.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let values = [a * scale[0], b * scale[1], c * scale[2], d * scale[3]];
            tile[done..done + 4].copy_from_slice(&values);
        }
        done += 4;
    }
    for (r, (row, scale)) in rows.iter().enumerate().skip(done) {
        tile.iter_mut().zip(*row).for_each(|(tile, value)| tile[r] = scale * value);
    }
}

/// For row x and vector c the score |c|^2 / 2 - x.c, which is (|x - c|^2 - |x|^2) / 2; and the least of each panel.
pub(super) struct Scores<'a> {
    pub tiles: Tile<'a>,
    pub panels: &'a Panels,
    /// Shape (tiles * 12, n_panels * 32).
    pub scores: &'a mut [f32],
    /// Shape (tiles * 12, n_panels).
    pub least: &'a mut [f32],
}

impl WithSimd for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (values, n_features) = (self.tiles.values, self.panels.n_features);
        let width = if self.tiles.transposed { 0 } else { n_features };
        // As many rows at a time as the machine's registers hold.
        match (width, S::F32_LANES >= 16) {
            (NARROW, true) => self.run::<S, _, 12>(simd, ByRow::<NARROW>::tiles(values)),
            (WIDE, true) => self.run::<S, _, 12>(simd, ByRow::<WIDE>::tiles(values)),
            (_, true) => self.run::<S, _, 12>(simd, ByFeature::tiles(values, n_features)),
            (NARROW, false) => self.run::<S, _, 4>(simd, ByRow::<NARROW>::tiles(values)),
            (WIDE, false) => self.run::<S, _, 4>(simd, ByRow::<WIDE>::tiles(values)),
            (_, false) => self.run::<S, _, 4>(simd, ByFeature::tiles(values, n_features)),
        }
    }
}

/// How the values of twelve rows stand. To be indexed in ways that the compiler can check once, outside of the loop.
trait Layout: Copy {
    fn n_features(self) -> usize;
    fn value(self, row: usize, feature: usize) -> f32;
}

#[derive(Clone, Copy)]
struct ByFeature<'a>(&'a [[f32; TILE]]);

#[derive(Clone, Copy)]
struct ByRow<'a, const WIDTH: usize>(&'a [[f32; WIDTH]; TILE]);

impl<'a> ByFeature<'a> {
    fn tiles(values: &'a [f32], n_features: usize) -> impl Iterator<Item = Self> + Clone {
        values.as_chunks().0.chunks_exact(n_features).map(Self)
    }
}

impl<'a, const WIDTH: usize> ByRow<'a, WIDTH> {
    fn tiles(values: &'a [f32]) -> impl Iterator<Item = Self> + Clone {
        values.as_chunks().0.as_chunks().0.iter().map(Self)
    }
}

impl Layout for ByFeature<'_> {
    #[inline(always)]
    fn n_features(self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn value(self, row: usize, feature: usize) -> f32 {
        self.0[feature][row]
    }
}

impl<const WIDTH: usize> Layout for ByRow<'_, WIDTH> {
    #[inline(always)]
    fn n_features(self) -> usize {
        WIDTH
    }

    #[inline(always)]
    fn value(self, row: usize, feature: usize) -> f32 {
        self.0[row][feature]
    }
}

impl Scores<'_> {
    /// `ROWS` at a time.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn run<S: Simd, L: Layout, const ROWS: usize>(self, simd: S, tiles: impl Iterator<Item = L> + Clone) {
        let Self { panels, scores, least, .. } = self;
        let n_panels = panels.n_panels();
        let all = panels.values.as_chunks::<PANEL>().0;
        for p in 0..n_panels {
            let halves = S::as_simd_f32s(&panels.half_norms[p * PANEL..][..PANEL]).0;
            for (t, tile) in tiles.clone().enumerate() {
                let n_features = tile.n_features();
                let panel = &all[p * n_features..][..n_features];
                for first in (0..TILE).step_by(ROWS) {
                    for v in (0..halves.len()).step_by(2) {
                        let mut products = [[simd.splat_f32s(0.0); 2]; ROWS];
                        // Plain loops: products that an iterator hands out don't stay in registers, nor do any if the
                        // loop could end early.
                        for j in 0..n_features {
                            let panel = S::as_simd_f32s(&panel[j]).0;
                            let (left, right) = (panel[v], panel[v + 1]);
                            for r in 0..ROWS {
                                let value = simd.splat_f32s(tile.value(first + r, j));
                                products[r][0] = simd.mul_add_e_f32s(value, left, products[r][0]);
                                products[r][1] = simd.mul_add_e_f32s(value, right, products[r][1]);
                            }
                        }
                        for r in 0..ROWS {
                            let (product, row) = (products[r], t * TILE + first + r);
                            let out = &mut scores[(row * n_panels + p) * PANEL..][..PANEL];
                            let out = S::as_mut_simd_f32s(out).0;
                            out[v] = simd.sub_f32s(halves[v], product[0]);
                            out[v + 1] = simd.sub_f32s(halves[v + 1], product[1]);
                            let both = simd.reduce_min_f32s(simd.min_f32s(out[v], out[v + 1]));
                            let least = &mut least[row * n_panels + p];
                            *least = if v == 0 { both } else { least.min(both) };
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_a_plain_loop_with_any_instructions() {
        let sizes = [(1, 1, 1), (13, 33, 7), (24, 64, 40), (30, 100, 3), (13, 33, NARROW), (25, 65, WIDE)];
        for (n_rows, n_vectors, n_features) in sizes {
            let value = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f32 / 8.0 - 1.0;
            let rows: Vec<Vec<f32>> = (0..n_rows).map(|i| (0..n_features).map(|j| value(i, j)).collect()).collect();
            let vectors: Vec<Vec<f32>> =
                (0..n_vectors).map(|i| (0..n_features).map(|j| value(i + 7, 2 * j)).collect()).collect();
            let half = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>() / 2.0;
            let panels = Panels::new(n_features, vectors.iter().map(|v| (&v[..], half(v))));
            let mut tiles = Tiles::default();
            tiles.take(rows.iter().map(|r| (&r[..], 2.0)), n_features);
            let (n_tiles, n_panels) = (n_rows.div_ceil(TILE), panels.n_panels());
            let run = |wide: bool| {
                let mut scores = vec![0.0; n_tiles * TILE * n_panels * PANEL];
                let mut least = vec![0.0; n_tiles * TILE * n_panels];
                let work = Scores { tiles: tiles.all(), panels: &panels, scores: &mut scores, least: &mut least };
                if wide {
                    pulp::Arch::new().dispatch(work)
                } else {
                    work.with_simd(pulp::Scalar)
                }
                (scores, least)
            };
            for (scores, least) in [run(true), run(false)] {
                for (i, row) in rows.iter().enumerate() {
                    for p in 0..n_panels {
                        let found = least[i * n_panels + p];
                        let mut expected_least = f32::INFINITY;
                        for (slot, vector) in vectors.iter().enumerate().skip(p * PANEL).take(PANEL) {
                            let product: f32 = row.iter().zip(vector).map(|(a, b)| 2.0 * a * b).sum();
                            let expected = half(vector) - product;
                            let score = scores[i * n_panels * PANEL + slot];
                            assert!((score - expected).abs() < 1e-3, "{score} {expected}");
                            expected_least = expected_least.min(score);
                        }
                        assert_eq!(found, expected_least);
                    }
                }
            }
        }
    }
}
