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

/// Lays out rows as tiles, each row `scale` times its values; the last tile is filled up with zeros.
pub(super) fn pack<'a>(rows: impl Iterator<Item = (&'a [f32], f32)>, n_features: usize, tiles: &mut Vec<f32>) {
    tiles.clear();
    for (i, (row, scale)) in rows.enumerate() {
        if i.is_multiple_of(TILE) {
            tiles.resize(tiles.len() + TILE * n_features, 0.0);
        }
        let tile = tiles[i / TILE * TILE * n_features..].as_chunks_mut::<TILE>().0;
        for (values, &value) in tile.iter_mut().zip(row) {
            values[i % TILE] = scale * value;
        }
    }
}

/// For row x and vector c the score |c|^2 / 2 - x.c, which is (|x - c|^2 - |x|^2) / 2; and the least of each panel.
pub(super) struct Scores<'a> {
    pub tiles: &'a [f32],
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
        // As many rows at a time as the machine's registers hold.
        if S::F32_LANES >= 16 { self.run::<S, 12>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl Scores<'_> {
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { tiles, panels, scores, least } = self;
        let (n_panels, n_features) = (panels.n_panels(), panels.n_features);
        least.fill(f32::INFINITY);
        let size = n_features * PANEL;
        for p in 0..n_panels {
            let (panel, halves) = (&panels.values[p * size..][..size], &panels.half_norms[p * PANEL..][..PANEL]);
            let halves = S::as_simd_f32s(halves).0;
            for (t, tile) in tiles.chunks_exact(n_features * TILE).enumerate() {
                for first in (0..TILE).step_by(ROWS) {
                    for v in (0..halves.len()).step_by(2) {
                        let mut products = [[simd.splat_f32s(0.0); 2]; ROWS];
                        // Plain loops: products that an iterator hands out don't stay in registers.
                        for j in 0..n_features {
                            let panel = S::as_simd_f32s(&panel[j * PANEL..][..PANEL]).0;
                            let (left, right) = (panel[v], panel[v + 1]);
                            let values = &tile[j * TILE + first..][..ROWS];
                            for r in 0..ROWS {
                                let value = simd.splat_f32s(values[r]);
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
                            let both = simd.min_f32s(out[v], out[v + 1]);
                            let least = &mut least[row * n_panels + p];
                            *least = least.min(simd.reduce_min_f32s(both));
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
        for (n_rows, n_vectors, n_features) in [(1, 1, 1), (13, 33, 7), (24, 64, 40), (30, 100, 3)] {
            let value = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f32 / 8.0 - 1.0;
            let rows: Vec<Vec<f32>> = (0..n_rows).map(|i| (0..n_features).map(|j| value(i, j)).collect()).collect();
            let vectors: Vec<Vec<f32>> =
                (0..n_vectors).map(|i| (0..n_features).map(|j| value(i + 7, 2 * j)).collect()).collect();
            let half = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>() / 2.0;
            let panels = Panels::new(n_features, vectors.iter().map(|v| (&v[..], half(v))));
            let mut tiles = Vec::new();
            pack(rows.iter().map(|r| (&r[..], 2.0)), n_features, &mut tiles);
            let (n_tiles, n_panels) = (n_rows.div_ceil(TILE), panels.n_panels());
            let run = |wide: bool| {
                let mut scores = vec![0.0; n_tiles * TILE * n_panels * PANEL];
                let mut least = vec![0.0; n_tiles * TILE * n_panels];
                let work = Scores { tiles: &tiles, panels: &panels, scores: &mut scores, least: &mut least };
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
                            assert!((score - expected).abs() < 1e-4, "{score} {expected}");
                            expected_least = expected_least.min(score);
                        }
                        assert_eq!(found, expected_least);
                    }
                }
            }
        }
    }
}
