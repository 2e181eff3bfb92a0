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
        let (n, d) = x.dim();
        let mut mean = Array1::zeros(d);
        x.outer_iter().for_each(|row| mean.zip_mut_with(&row, |sum, &value| *sum += f64::from(value)));
        mean /= n as f64;
        let blocks = x.axis_chunks_iter(Axis(0), TILE).into_par_iter().map(|rows| {
            let mut norms = vec![0.0; rows.nrows()];
            let stretch = |first: usize| {
                let mut stretch = Stretch { panel: vec![[0.0; PANEL]; STRETCH.min(d - first)], ..Stretch::default() };
                for (r, (row, norm)) in rows.outer_iter().zip(&mut norms).enumerate() {
                    for (j, to) in (first..).zip(&mut stretch.panel) {
                        to[r] = (f64::from(row[j]) - mean[j]) as f32;
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

    /// The products of the rows of one block with those of another, to `tile`, shape (64, 64). O(d), with what is zero in
    /// four rows left out. Off by some 1e-7 of the rows' lengths, at most 1e-5.
    pub fn tile(&self, block: usize, other: usize, tile: &mut [f64]) {
        tile.fill(0.0);
        for (rows, columns) in self.blocks[block].iter().zip(&self.blocks[other]) {
            for (b, sums) in tile.chunks_exact_mut(BUNDLE * PANEL).enumerate() {
                let (bundle, panel) = (rows.bundles.get(b), &columns.panel);
                pulp::Arch::new().dispatch(Multiply { bundle, panel, n_columns: PANEL, sums });
            }
        }
    }
}
