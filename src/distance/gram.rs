//! The products of all rows with one another, a tile at a time: the Gram matrix, which is never held whole.

use super::kernel::{BUNDLE, Bundles, Multiply, PANEL};
use ndarray::{Array1, ArrayView2, Axis};
use rayon::prelude::*;

/// Rows and columns of a tile.
pub(crate) const TILE: usize = PANEL;
/// Features whose products are summed in f32. With a panel of rows they fill the first cache.
const STRETCH: usize = 128;

/// Rows less their mean, laid out for both sides of a product: 9 bytes a value.
pub(crate) struct Gram {
    /// By block of rows, then stretch of features.
    blocks: Vec<Vec<Stretch>>,
}

/// A block's rows as the columns of a panel, and four by four.
#[derive(Default)]
struct Stretch {
    panel: Vec<[f32; PANEL]>,
    bundles: Bundles<f32>,
}

impl Gram {
    /// Of rows of shape (n, d), finite, with their squared lengths. The mean is taken off, and what is left rounded to f32:
    /// where rows lie far from the origin the products would drown in its square.
    pub fn new(x: ArrayView2<'_, f32>) -> (Self, Vec<f64>) {
        let mut mean = Array1::zeros(x.ncols());
        x.outer_iter().for_each(|row| mean.zip_mut_with(&row, |sum, &value| *sum += f64::from(value)));
        mean /= x.nrows() as f64;
        Self::scaled(x, mean.as_slice().expect("contiguous"), 1.0)
    }

    /// Of rows less `mean`, times `scale`.
    pub fn scaled(x: ArrayView2<'_, f32>, mean: &[f64], scale: f64) -> (Self, Vec<f64>) {
        let d = x.ncols();
        let blocks = x.axis_chunks_iter(Axis(0), TILE).into_par_iter().map(|rows| {
            let mut norms = vec![0.0; rows.nrows()];
            let stretch = |first: usize| {
                let mut stretch = Stretch { panel: vec![[0.0; PANEL]; STRETCH.min(d - first)], ..Stretch::default() };
                for (r, (row, norm)) in rows.outer_iter().zip(&mut norms).enumerate() {
                    for (j, to) in (first..).zip(&mut stretch.panel) {
                        to[r] = ((f64::from(row[j]) - mean[j]) * scale) as f32;
                        *norm += f64::from(to[r]).powi(2);
                    }
                }
                stretch.bundles.fill_all(&stretch.panel);
                stretch
            };
            let stretches: Vec<Stretch> = (0..d).step_by(STRETCH).map(stretch).collect();
            (norms, stretches)
        });
        let (norms, blocks): (Vec<_>, Vec<_>) = blocks.unzip();
        (Self { blocks }, norms.concat())
    }

    /// The products of the rows of one block with those of one of `others`, to `tile`, shape (64, 64). O(d), with what is
    /// zero in four rows left out. Off by some 1e-7 of the rows' lengths, at most by [`Gram::rounding`].
    pub fn tile<T>(&self, block: usize, others: &Self, other: usize, tile: &mut [T])
    where
        T: From<f32> + std::ops::AddAssign,
    {
        tile.fill_with(|| T::from(0.0));
        for (rows, columns) in self.blocks[block].iter().zip(&others.blocks[other]) {
            for (b, sums) in tile.chunks_exact_mut(BUNDLE * PANEL).enumerate() {
                let (bundle, panel) = (rows.bundles.get(b), &columns.panel);
                pulp::Arch::new().dispatch(Multiply { bundle, panel, n_columns: PANEL, sums });
            }
        }
    }

    /// The most that a product of rows of `n_features` is off, in terms of the product of their lengths.
    pub fn rounding(n_features: usize) -> f64 {
        (n_features.min(STRETCH) + n_features.div_ceil(STRETCH)) as f64 * f64::from(f32::EPSILON)
    }
}
