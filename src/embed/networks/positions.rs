//! Position embeddings learnt on one grid of patches, brought to another by bicubic interpolation.
//!
//! There are two of them (Keys 1981): that of a photo editor, four taps with a = -0.75 however far the grid shrinks, and
//! the antialiased one with a = -0.5 whose support grows with the step. DINOv2, CLIP and SigLIP are used with the first,
//! DINOv2 with registers with the second.

use candle_core::{Result, Tensor};

/// How a grid of position embeddings is resampled.
#[derive(Clone, Copy)]
pub(super) enum Bicubic {
    Plain,
    Antialiased,
}

/// `table`, shape (side, side, width), brought to (height * width of the grid, width).
pub(super) fn resample(table: &Tensor, (height, width): (usize, usize), bicubic: Bicubic) -> Result<Tensor> {
    let (side, _, n_features) = table.dims3()?;
    if (height, width) == (side, side) {
        return table.reshape((side * side, n_features));
    }
    let matrix = |to: usize| Tensor::from_vec(bicubic.weights(side, to), (to, side), table.device());
    let rows = matrix(height)?.matmul(&table.reshape((side, side * n_features))?)?;
    let columns = rows.reshape((height, side, n_features))?.transpose(0, 1)?.contiguous()?;
    let both = matrix(width)?.matmul(&columns.reshape((side, height * n_features))?)?;
    both.reshape((width, height, n_features))?.transpose(0, 1)?.contiguous()?.reshape((height * width, n_features))
}

impl Bicubic {
    /// What each of `from` points weighs in each of `to`, one row a target.
    fn weights(self, from: usize, to: usize) -> Vec<f32> {
        let step = from as f64 / to as f64;
        let mut weights = vec![0.0; to * from];
        for (target, row) in weights.chunks_exact_mut(from).enumerate() {
            let centre = step * (target as f64 + 0.5);
            match self {
                Self::Plain => {
                    let nearest = (centre - 0.5).floor();
                    for tap in -1..=2 {
                        let at = nearest + f64::from(tap);
                        row[at.clamp(0.0, from as f64 - 1.0) as usize] += keys(centre - 0.5 - at, -0.75) as f32;
                    }
                }
                Self::Antialiased => {
                    let stretch = step.max(1.0);
                    let support = 2.0 * stretch;
                    let start = (centre - support + 0.5).max(0.0) as usize;
                    let end = ((centre + support + 0.5) as usize).min(from);
                    let taps = (start..end).map(|at| keys((at as f64 + 0.5 - centre) / stretch, -0.5));
                    let total: f64 = taps.clone().sum();
                    row[start..end].iter_mut().zip(taps).for_each(|(weight, tap)| *weight = (tap / total) as f32);
                }
            }
        }
        weights
    }
}

/// The cubic convolution kernel of parameter `a` at distance `x`.
fn keys(x: f64, a: f64) -> f64 {
    match x.abs() {
        x if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((x - 5.0) * x + 8.0) * x * a - 4.0 * a,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// torch 2.15.0: `interpolate(torch.arange(5.).square()[None, None, None], (1, n), mode="bicubic", antialias=...)`.
    #[test]
    fn weights_are_those_of_the_reference() {
        let squares = [0.0f32, 1.0, 4.0, 9.0, 16.0];
        let at = |bicubic: Bicubic, n| -> Vec<f32> {
            let weights = bicubic.weights(5, n);
            weights.chunks_exact(5).map(|row| row.iter().zip(squares).map(|(w, v)| w * v).sum()).collect()
        };
        for (found, expected) in [
            (at(Bicubic::Plain, 3), vec![0.148149, 4.0, 14.074071]),
            (at(Bicubic::Antialiased, 3), vec![0.169231, 4.195349, 13.338459]),
            (at(Bicubic::Plain, 7), vec![-0.078717, 0.265307, 1.682217, 4.0, 7.046647, 12.463553, 16.551027]),
            (at(Bicubic::Antialiased, 7), vec![-0.058252, 0.360111, 1.653062, 4.0, 7.367347, 12.415513, 16.407768]),
        ] {
            assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-5), "{found:?} {expected:?}");
        }
    }

    #[test]
    fn the_grid_learnt_on_is_left_alone() {
        let table = Tensor::arange(0f32, 18.0, &Device::Cpu).unwrap().reshape((3, 3, 2)).unwrap();
        let same = resample(&table, (3, 3), Bicubic::Plain).unwrap();
        assert_eq!(same.to_vec2::<f32>().unwrap().concat(), table.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    }
}
