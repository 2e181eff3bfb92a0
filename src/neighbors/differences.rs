//! Squared distances among a few rows that stand anywhere: four rows against four at a time, so that what is loaded is
//! used four times.

use pulp::{Simd, WithSimd};

/// The squared distances in f32 of each of the first `n_first` rows to all rows after it: that of i < j is at
/// `i * rows.len() + j` of `out`; other places are of no meaning. A pair has the same bits wherever its rows stand.
pub(super) fn squared_distances(rows: &[&[f32]], n_first: usize, out: &mut Vec<f32>) {
    out.resize(n_first * rows.len(), 0.0);
    pulp::Arch::new().dispatch(Differences { rows, n_first, out });
}

struct Differences<'a> {
    rows: &'a [&'a [f32]],
    n_first: usize,
    out: &'a mut [f32],
}

impl WithSimd for Differences<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // As many sums at a time as the machine's registers hold.
        if S::F32_LANES >= 16 && self.n_first > 2 {
            self.run::<S, 4>(simd);
        } else {
            self.run::<S, 2>(simd);
        }
    }
}

impl Differences<'_> {
    #[inline(always)]
    fn run<S: Simd, const HEIGHT: usize>(&mut self, simd: S) {
        for first in (0..self.n_first).step_by(HEIGHT) {
            for other in ((first + 1) / 4 * 4..self.rows.len()).step_by(4) {
                self.tile::<S, HEIGHT>(simd, first, other);
            }
        }
    }

    // Plain loops: sums that an iterator hands out don't stay in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn tile<S: Simd, const HEIGHT: usize>(&mut self, simd: S, first: usize, other: usize) {
        let n = self.rows.len();
        let n_vectors = self.rows[0].len() / S::F32_LANES;
        let row = |at: usize| self.rows[at.min(n - 1)];
        let left: [&[f32]; HEIGHT] = std::array::from_fn(|i| row(first + i));
        let right: [&[f32]; 4] = std::array::from_fn(|j| row(other + j));
        let a: [&[S::f32s]; HEIGHT] = std::array::from_fn(|i| &S::as_simd_f32s(left[i]).0[..n_vectors]);
        let b: [&[S::f32s]; 4] = std::array::from_fn(|j| &S::as_simd_f32s(right[j]).0[..n_vectors]);
        let mut sums = [[simd.splat_f32s(0.0); 4]; HEIGHT];
        for v in 0..n_vectors {
            let b = [b[0][v], b[1][v], b[2][v], b[3][v]];
            for i in 0..HEIGHT {
                let a = a[i][v];
                for j in 0..4 {
                    let difference = simd.sub_f32s(a, b[j]);
                    sums[i][j] = simd.mul_add_e_f32s(difference, difference, sums[i][j]);
                }
            }
        }
        let done = n_vectors * S::F32_LANES;
        if done < left[0].len() {
            for i in 0..HEIGHT {
                let a = simd.partial_load_f32s(&left[i][done..]);
                for j in 0..4 {
                    let difference = simd.sub_f32s(a, simd.partial_load_f32s(&right[j][done..]));
                    sums[i][j] = simd.mul_add_e_f32s(difference, difference, sums[i][j]);
                }
            }
        }
        for i in 0..HEIGHT {
            for j in 0..4 {
                if first + i < self.n_first && other + j < n {
                    self.out[(first + i) * n + other + j] = simd.reduce_sum_f32s(sums[i][j]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_a_plain_loop_with_any_instructions_wherever_the_rows_stand() {
        for (n, n_first, d) in [(1, 1, 3), (2, 2, 16), (9, 2, 40), (13, 6, 37), (17, 17, 100), (6, 6, 0)] {
            let value = |i: usize, j: usize| ((i * 31 + j * 17 + i * j) % 23) as f32 / 8.0 - 1.0;
            let values: Vec<Vec<f32>> = (0..n).map(|i| (0..d).map(|j| value(i, j)).collect()).collect();
            let rows: Vec<&[f32]> = values.iter().map(|row| &row[..]).collect();
            let (mut wide, mut narrow) = (Vec::new(), vec![0.0; n_first * n]);
            squared_distances(&rows, n_first, &mut wide);
            Differences { rows: &rows, n_first, out: &mut narrow }.with_simd(pulp::Scalar);
            let mut alone = Vec::new();
            for i in 0..n_first {
                for j in i + 1..n {
                    let expected: f32 = rows[i].iter().zip(rows[j]).map(|(a, b)| (a - b).powi(2)).sum();
                    for found in [&wide, &narrow] {
                        assert!((found[i * n + j] - expected).abs() <= 1e-5 * expected, "{i} {j}");
                    }
                    squared_distances(&[rows[j], rows[i]], 1, &mut alone);
                    assert_eq!(alone[1].to_bits(), wide[i * n + j].to_bits());
                }
            }
        }
    }
}
