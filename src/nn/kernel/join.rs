//! Pixels joined and taken apart.

use rayon::prelude::*;

/// Pixels of a task.
const PIXELS: usize = 1 << 12;

/// Pixel by pixel the values of both, `channels` of each.
pub fn join(parts: [&[f32]; 2], channels: [usize; 2]) -> Vec<f32> {
    let (all, [first, second]) = (channels.iter().sum::<usize>(), channels.map(|c| (c * PIXELS).max(1)));
    let mut out = vec![0.0; parts[0].len() + parts[1].len()];
    let parts = parts[0].par_chunks(first).zip(parts[1].par_chunks(second));
    out.par_chunks_mut((all * PIXELS).max(1)).zip(parts).for_each(|(out, (first, second))| {
        let pairs = first.chunks_exact(channels[0]).zip(second.chunks_exact(channels[1]));
        for (out, (first, second)) in out.chunks_exact_mut(all).zip(pairs) {
            out[..channels[0]].copy_from_slice(first);
            out[channels[0]..].copy_from_slice(second);
        }
    });
    out
}

/// The way back.
pub fn split(joined: &[f32], channels: [usize; 2]) -> [Vec<f32>; 2] {
    let all: usize = channels.iter().sum();
    let mut starts = [0, channels[0]].into_iter();
    channels.map(|own| {
        let start = starts.next().expect("as many as channels");
        let mut out = vec![0.0; joined.len() / all.max(1) * own];
        out.par_chunks_mut((own * PIXELS).max(1)).zip(joined.par_chunks((all * PIXELS).max(1))).for_each(
            |(out, joined)| {
                for (out, joined) in out.chunks_exact_mut(own).zip(joined.chunks_exact(all)) {
                    out.copy_from_slice(&joined[start..][..own]);
                }
            },
        );
        out
    })
}
