//! Rows that are read a block at a time, so that they need not be in memory together.

use ndarray::{Array2, ArrayView2, Axis};

/// Rows of one length, in blocks of a fixed number of rows; the last block may be shorter.
pub trait Blocks {
    /// Number of rows and of features.
    fn dim(&self) -> (usize, usize);

    /// Rows of a block; at least 1.
    fn block_rows(&self) -> usize;

    /// Appends the rows of some blocks, given in rising order, to `out`.
    ///
    /// # Errors
    /// If they can't be read.
    fn read(&mut self, blocks: &[usize], out: &mut Vec<f32>) -> Result<(), BlocksError>;

    /// Number of blocks.
    fn n_blocks(&self) -> usize {
        self.dim().0.div_ceil(self.block_rows())
    }

    /// All blocks, in groups that are few enough to be held: 16 MiB of values, or one block.
    fn groups(&self) -> Vec<Vec<usize>> {
        let held = (HELD / (self.block_rows() * self.dim().1).max(1)).max(1);
        let blocks: Vec<usize> = (0..self.n_blocks()).collect();
        blocks.chunks(held).map(<[usize]>::to_vec).collect()
    }

    /// The rows of some blocks, given in rising order.
    ///
    /// # Errors
    /// If they can't be read or are not finite.
    fn load(&mut self, blocks: &[usize]) -> Result<Array2<f32>, BlocksError> {
        let ((n_samples, n_features), block_rows) = (self.dim(), self.block_rows());
        let end = |block: usize| n_samples.min((block + 1) * block_rows);
        let n_rows: usize = blocks.iter().map(|&block| end(block) - block * block_rows).sum();
        let mut values = Vec::with_capacity(n_rows * n_features);
        self.read(blocks, &mut values)?;
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let row = at / n_features;
            return Err(BlocksError::NotFinite { row: blocks[row / block_rows] * block_rows + row % block_rows });
        }
        Ok(Array2::from_shape_vec((n_rows, n_features), values).expect("as many values as the blocks have"))
    }
}

/// Values that are held at a time.
pub(crate) const HELD: usize = 4 << 20;

/// Why rows could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlocksError {
    /// The message says whose and why.
    #[error("{0}")]
    Unreadable(String),
    /// NaN or infinite.
    #[error("row {row} holds a value that is not finite")]
    NotFinite {
        /// The row.
        row: usize,
    },
}

/// Rows of a block of a matrix in memory: few, since reading them costs nothing.
const BLOCK_ROWS: usize = 64;

impl Blocks for ArrayView2<'_, f32> {
    fn dim(&self) -> (usize, usize) {
        ArrayView2::dim(self)
    }

    fn block_rows(&self) -> usize {
        BLOCK_ROWS
    }

    fn read(&mut self, blocks: &[usize], out: &mut Vec<f32>) -> Result<(), BlocksError> {
        for &block in blocks {
            let rows = block * BLOCK_ROWS..self.nrows().min((block + 1) * BLOCK_ROWS);
            out.extend(self.slice_axis(Axis(0), rows.into()).iter());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_finite_is_named_whichever_blocks_are_loaded() {
        let mut x = Array2::zeros((3000, 2));
        x[[2345, 1]] = f32::NAN;
        assert_eq!(x.view().load(&[3, 36]), Err(BlocksError::NotFinite { row: 2345 }));
        assert_eq!(x.view().load(&[3, 46]).unwrap().dim(), (64 + 3000 - 46 * 64, 2));
    }
}
