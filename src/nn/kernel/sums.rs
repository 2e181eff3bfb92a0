//! Sums over the pixels of all images, in one order at any thread count.

use rayon::prelude::*;

use super::math::{add, vectorised};

/// Values of a task.
const BLOCK: usize = 1 << 15;

/// The sum of rows of `channels` values.
pub fn column_sums(values: &[f32], channels: usize) -> Vec<f32> {
    let rows = (BLOCK / channels.max(1)).max(1);
    let parts: Vec<Vec<f32>> = values
        .par_chunks(rows * channels.max(1))
        .map(|block| {
            let mut sums = vec![0.0; channels];
            vectorised(
                #[inline(always)]
                || add_rows(block, &mut sums),
            );
            sums
        })
        .collect();
    let mut sums = vec![0.0; channels];
    parts.iter().for_each(|part| add_rows(part, &mut sums));
    sums
}

#[inline(always)]
fn add_rows(values: &[f32], sums: &mut [f32]) {
    for row in values.chunks_exact(sums.len().max(1)) {
        add(sums, row);
    }
}

/// `gradient` where `values` are strictly between the bounds, zero elsewhere.
pub fn keep_between([low, high]: [f32; 2], values: &[f32], gradient: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; gradient.len()];
    let blocks = out.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK)).zip(gradient.par_chunks(BLOCK));
    blocks.for_each(|((out, values), gradient)| {
        vectorised(
            #[inline(always)]
            || {
                for ((out, value), gradient) in out.iter_mut().zip(values).zip(gradient) {
                    *out = if *value > low && *value < high { *gradient } else { 0.0 };
                }
            },
        );
    });
    out
}
