//! Rows on a device, a block at a time: kept there as far as a budget reaches, sent again for each pass beyond it.

use super::DeviceError;
use crate::progress::{Interrupted, Reporter};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of rows that stay on the device between passes.
const KEPT: usize = 4 << 30;
/// Bytes of a block and of what is computed from it.
const BLOCK: usize = 256 << 20;
/// A block is no smaller than so many rows; a device that can't hold them has failed.
const MIN_ROWS: usize = 64;

/// Writes the values of a row.
type Fill<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

/// Rows of f32, which passes run over in blocks.
///
/// A failure on the device is taken for a lack of memory: rows that were kept are let go, then blocks are halved, and
/// the block is tried again. So what a pass computes must not depend on where blocks begin.
pub(crate) struct DeviceRows<'a> {
    device: &'a Device,
    n_rows: usize,
    n_features: usize,
    /// Writes a row.
    fill: Box<Fill<'a>>,
    /// Rows of a block.
    size: usize,
    /// The first blocks, and how many bytes of them may stay.
    kept: Vec<Tensor>,
    budget: usize,
}

impl<'a> DeviceRows<'a> {
    /// Rows of shape (n_rows, n_features), each written by `fill`; a pass needs room for `scratch` more values a row.
    pub fn new(
        device: &'a Device,
        (n_rows, n_features): (usize, usize),
        scratch: usize,
        fill: impl Fn(usize, &mut [f32]) + Sync + 'a,
    ) -> Self {
        let size = (BLOCK / 4 / (n_features + scratch).max(1)).max(MIN_ROWS).min(n_rows.max(1));
        Self { device, n_rows, n_features, fill: Box::new(fill), size, kept: Vec::new(), budget: KEPT }
    }

    /// The same in blocks of `size` rows.
    #[cfg(test)]
    pub fn in_blocks_of(self, size: usize) -> Self {
        Self { size, ..self }
    }

    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// Runs over all rows in order: `work` gets a range of rows and their tensor, of shape (rows, n_features). It may be
    /// called again for rows it failed on.
    ///
    /// # Errors
    /// The device's, if smaller blocks don't help, or an interruption.
    pub fn for_each<E: From<DeviceError> + From<Interrupted>>(
        &mut self,
        reporter: &dyn Reporter,
        mut work: impl FnMut(Range<usize>, &Tensor) -> candle_core::Result<()>,
    ) -> Result<(), E> {
        let mut from = 0;
        while from < self.n_rows {
            reporter.check()?;
            let rows = from..self.n_rows.min(from + self.size);
            match self.block(rows.clone()).and_then(|block| work(rows.clone(), &block)) {
                Ok(()) => from = rows.end,
                Err(_) if self.retreat() => {}
                Err(error) => return Err(DeviceError::Failed(error).into()),
            }
        }
        Ok(())
    }

    fn block(&mut self, rows: Range<usize>) -> candle_core::Result<Tensor> {
        let at = rows.start / self.size;
        if let Some(block) = self.kept.get(at) {
            return Ok(block.clone());
        }
        let mut values = vec![0.0; rows.len() * self.n_features];
        if self.n_features > 0 {
            let chunks = values.par_chunks_mut(self.n_features).enumerate();
            chunks.for_each(|(i, row)| (self.fill)(rows.start + i, row));
        }
        let block = Tensor::from_vec(values, (rows.len(), self.n_features), self.device)?;
        let bytes = 4 * rows.len() * self.n_features;
        if at == self.kept.len() && bytes < self.budget {
            self.budget -= bytes;
            self.kept.push(block.clone());
        }
        Ok(block)
    }

    /// Takes less of the device's memory from now on; false if there is no less.
    fn retreat(&mut self) -> bool {
        self.budget = 0;
        if !self.kept.is_empty() {
            self.kept.truncate(self.kept.len() / 2);
            return true;
        }
        self.size = self.size.div_ceil(2);
        self.size >= MIN_ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug)]
    struct Failed;

    impl From<DeviceError> for Failed {
        fn from(_: DeviceError) -> Self {
            Self
        }
    }

    impl From<Interrupted> for Failed {
        fn from(_: Interrupted) -> Self {
            panic!("nobody interrupts")
        }
    }

    /// The first value of each row, after a pass over blocks of at most `most` rows.
    fn pass(blocks: &mut DeviceRows<'_>, most: usize) -> Result<Vec<f32>, Failed> {
        let mut seen = Vec::new();
        blocks.for_each::<Failed>(&Silent, |rows, block| {
            if rows.len() > most {
                candle_core::bail!("out of memory")
            }
            assert_eq!((block.dims(), rows.start), (&[rows.len(), 2][..], seen.len()));
            seen.extend(block.narrow(1, 0, 1)?.flatten_all()?.to_vec1::<f32>()?);
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn blocks_shrink_until_they_fit() {
        let filled = AtomicUsize::new(0);
        let fill = |i: usize, row: &mut [f32]| {
            filled.fetch_add(1, Ordering::Relaxed);
            row.fill(i as f32);
        };
        let expected: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let blocks = |size| DeviceRows::new(&Device::Cpu, (1000, 2), 5, fill).in_blocks_of(size);
        let mut kept = blocks(300);
        assert_eq!(pass(&mut kept, 300).unwrap(), expected);
        assert_eq!(pass(&mut kept, 300).unwrap(), expected);
        assert_eq!(filled.swap(0, Ordering::Relaxed), 1000, "kept rows are sent once");
        for most in [299, 128, 75] {
            let mut blocks = blocks(300);
            assert_eq!(pass(&mut blocks, most).unwrap(), expected, "{most}");
            assert_eq!(pass(&mut blocks, most).unwrap(), expected, "{most}");
        }
        assert!(pass(&mut blocks(300), 63).is_err());
        let mut limited = DeviceRows { budget: 300 * 8 + 801, ..blocks(300) };
        filled.store(0, Ordering::Relaxed);
        assert_eq!(pass(&mut limited, 300).unwrap(), expected);
        assert_eq!(pass(&mut limited, 300).unwrap(), expected);
        assert_eq!(filled.load(Ordering::Relaxed), 1700, "the first block stays");
    }
}
