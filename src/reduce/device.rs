//! Products with X'X on a device: rows are sent once, and stay there as far as its memory reaches.

use super::ReduceError;
use crate::device::DeviceRows;
use crate::progress::Reporter;
use candle_core::{Device, Result, Tensor};
use ndarray::{Array1, Array2, ArrayView2};

/// Rows whose products are summed in f32 at a stretch, and in f64 beyond.
const STRETCH: usize = 2048;

/// Rows, centred as they are sent.
pub(super) struct Rows<'a> {
    blocks: DeviceRows<'a>,
    n_features: usize,
}

impl<'a> Rows<'a> {
    /// The rows of `x`, of which up to `count` products a row will be asked for.
    pub fn new(x: ArrayView2<'a, f32>, mean: Option<&'a Array1<f32>>, count: usize, device: &'a Device) -> Self {
        let blocks = DeviceRows::new(device, x.dim(), count, move |i, to| match mean {
            Some(mean) => to.iter_mut().zip(x.row(i)).zip(mean).for_each(|((to, &v), &m)| *to = v - m),
            None => to.iter_mut().zip(x.row(i)).for_each(|(to, &v)| *to = v),
        });
        Self { blocks, n_features: x.ncols() }
    }

    /// X'X, shape (d, d).
    pub fn gram(&mut self, reporter: &dyn Reporter) -> std::result::Result<Array2<f64>, ReduceError> {
        self.sum(self.n_features, reporter, |rows| rows.t()?.matmul(rows))
    }

    /// (X q')' X for q of shape (m, d).
    pub fn gram_times(
        &mut self,
        q: &Array2<f64>,
        reporter: &dyn Reporter,
    ) -> std::result::Result<Array2<f64>, ReduceError> {
        let values: Vec<f32> = q.iter().map(|&v| v as f32).collect();
        let device = self.blocks.device();
        self.sum(q.nrows(), reporter, |rows| {
            let q = Tensor::from_slice(&values, q.dim(), device)?;
            rows.matmul(&q.t()?)?.t()?.matmul(rows)
        })
    }

    /// The sum of `term`, of shape (m, d), over stretches of rows.
    fn sum(
        &mut self,
        m: usize,
        reporter: &dyn Reporter,
        term: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> std::result::Result<Array2<f64>, ReduceError> {
        let mut sum = Array2::<f64>::zeros((m, self.n_features));
        self.blocks.for_each::<ReduceError>(reporter, |rows, block| {
            // Added as a whole, for a block that fails is tried again.
            let mut of_block = Array2::<f64>::zeros(sum.dim());
            for at in (0..rows.len()).step_by(STRETCH) {
                let rows = block.narrow(0, at, STRETCH.min(rows.len() - at))?;
                let values = term(&rows)?.flatten_all()?.to_vec1::<f32>()?;
                of_block.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
            }
            sum += &of_block;
            Ok(())
        })?;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn sums_run_over_all_blocks_and_stretches() {
        let x = Array2::from_shape_fn((7000, 6), |(i, j)| ((i * 7 + j * 13 + i * j) % 23) as f32 / 23.0);
        let mean = Array1::from_elem(6, 0.25f32);
        let rows = Rows::new(x.view(), Some(&mean), 6, &Device::Cpu);
        let mut rows = Rows { blocks: rows.blocks.in_blocks_of(3000), ..rows };
        let centred = x.mapv(|v| f64::from(v) - 0.25);
        let q = Array2::from_shape_fn((2, 6), |(i, j)| (i + 2 * j) as f64 / 8.0 - 0.5);
        let gram = centred.t().dot(&centred);
        for _ in 0..2 {
            for (found, expected) in
                [(rows.gram(&Silent).unwrap(), gram.clone()), (rows.gram_times(&q, &Silent).unwrap(), q.dot(&gram))]
            {
                assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-2), "{found} {expected}");
            }
        }
    }
}
