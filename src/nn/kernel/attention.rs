//! Attention by blocks of queries: scores, their softmax and the mean of the values stay in the cache.

use rayon::prelude::*;

use super::convolve::with_room;
use super::math::{exp, greatest, scale, sum, vectorised};
use super::packed::{PANEL, Panel};
use super::product::{Pixel, Product, Run};

/// Queries of a block.
const QUERIES: usize = 56;

/// Keys and values of one head of one image.
struct Head {
    /// Panels of keys, times the scale: one row for each feature.
    keys: Vec<Panel>,
    /// Panels of features: one row for each token.
    values: Vec<Panel>,
}

/// Attention of `n` images, each of `t` rows of queries, keys and values of `heads` heads of `size` features.
pub fn attention(qkv: &[f32], [n, t, heads, size]: [usize; 4]) -> Vec<f32> {
    let dim = heads * size;
    let mut out = vec![0.0; n * t * dim];
    if out.is_empty() {
        return out;
    }
    let packed: Vec<Head> = (0..n * heads)
        .into_par_iter()
        .map(|i| {
            pack(
                &qkv[i / heads * t * 3 * dim..][..t * 3 * dim],
                3 * dim,
                [dim, 2 * dim].map(|at| at + i % heads * size),
                size,
            )
        })
        .collect();
    let images = out.par_chunks_mut(t * dim).zip(packed.par_chunks(heads)).zip(qkv.par_chunks(t * 3 * dim));
    images.for_each(|((out, heads), qkv)| {
        let blocks = out.par_chunks_mut(QUERIES * dim).zip(qkv.par_chunks(QUERIES * 3 * dim));
        blocks.for_each(|(out, queries)| {
            with_room(|scores, pixels| {
                for (h, head) in heads.iter().enumerate() {
                    attend(head, queries, 3 * dim, out, dim, h * size, t, (scores, pixels));
                }
            });
        });
    });
    out
}

/// Lays out the keys and values of a head, which begin at places `at` of rows of `width` values.
fn pack(rows: &[f32], width: usize, at: [usize; 2], size: usize) -> Head {
    let scale = (size as f32).powf(-0.5);
    let t = rows.len() / width;
    let keys = (0..t).step_by(PANEL).map(|first| {
        Panel::fill(first, PANEL.min(t - first), size, |values, width_of_panel| {
            let rows = rows.chunks_exact(width).skip(first).take(PANEL);
            for (column, row) in rows.enumerate() {
                let key = row[at[0]..][..size].iter();
                key.zip(values[column..].iter_mut().step_by(width_of_panel))
                    .for_each(|(key, value)| *value = scale * key);
            }
        })
    });
    let values = (0..size).step_by(PANEL).map(|first| {
        let columns = PANEL.min(size - first);
        Panel::fill(first, columns, t, |values, width_of_panel| {
            for (row, values) in rows.chunks_exact(width).zip(values.chunks_exact_mut(width_of_panel)) {
                values[..columns].copy_from_slice(&row[at[1] + first..][..columns]);
            }
        })
    });
    Head { keys: keys.collect(), values: values.collect() }
}

/// One head for some queries, rows of `width` values; writes `out`, rows of `dim` values, from place `at` on.
#[allow(clippy::too_many_arguments)]
fn attend(
    head: &Head,
    queries: &[f32],
    width: usize,
    out: &mut [f32],
    dim: usize,
    at: usize,
    t: usize,
    (scores, pixels): (&mut Vec<f32>, &mut Vec<Pixel>),
) {
    let n = queries.len() / width;
    let size = head.keys[0].rows();
    scores.clear();
    scores.resize(n * t, 0.0);
    pixels.clear();
    pixels.extend((0..n).map(|query| Pixel { input: query * width + at, output: query * t }));
    let runs = [Run { offset: 0, len: size }];
    for panel in &head.keys {
        Product { x: queries, pixels, runs: &runs, panel, first_row: 0, starts: true, end: None, out: scores }.run();
    }
    vectorised(
        #[inline(always)]
        || {
            for row in scores.chunks_exact_mut(t) {
                softmax(row);
            }
        },
    );
    pixels.clear();
    pixels.extend((0..n).map(|query| Pixel { input: query * t, output: query * dim + at }));
    let runs = [Run { offset: 0, len: t }];
    for panel in &head.values {
        Product { x: scores, pixels, runs: &runs, panel, first_row: 0, starts: true, end: None, out }.run();
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let most = greatest(row);
    for value in &mut *row {
        *value = exp(*value - most);
    }
    scale(row, 1.0 / sum(row, |value| value));
}
