//! Rows that are read a block at a time, so that they need not be in memory together.

use ndarray::{ArrayView2, Axis};

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
}

/// Rows could not be read; the message says whose and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BlocksError(pub String);

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
