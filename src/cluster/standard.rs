//! Features about their mean and of a common size, and what was learned on them undone for rows as they came.

use ndarray::{Array1, Array2, ArrayView2, Axis};

/// The mean of the features of a space, and the root of their mean variance: directions and proportions stay.
pub(super) struct Standard {
    mean: Array1<f64>,
    size: f64,
}

impl Standard {
    /// Of rows of shape (n_samples, n_features).
    pub fn of(x: ArrayView2<'_, f32>) -> Self {
        let n = x.nrows().max(1) as f64;
        let mean = x.axis_iter(Axis(1)).map(|column| column.iter().map(|&v| f64::from(v)).sum::<f64>() / n);
        let mean: Array1<f64> = mean.collect();
        let squares = x.axis_iter(Axis(1)).zip(&mean);
        let squares = squares.map(|(column, mean)| column.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>());
        let variance = squares.sum::<f64>() / (n * x.ncols() as f64);
        Self { mean, size: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }

    /// The rows so standardised.
    pub fn apply(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut standard = x.as_standard_layout().into_owned();
        for mut row in standard.outer_iter_mut() {
            row.iter_mut().zip(&self.mean).for_each(|(v, mean)| *v = ((f64::from(*v) - mean) / self.size) as f32);
        }
        standard
    }

    /// An affine map of standardised rows as one of rows as they came.
    pub fn undo(&self, weights: &Array2<f32>, bias: &Array1<f32>) -> (Array2<f32>, Array1<f32>) {
        let exact = weights.mapv(|w| f64::from(w) / self.size);
        let bias = bias.mapv(f64::from) - exact.dot(&self.mean);
        (exact.mapv(|w| w as f32), bias.mapv(|b| b as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_gives_the_same_on_rows_as_they_came() {
        let x = Array2::from_shape_fn((50, 3), |(i, j)| ((i * 7 + j * 5) % 13) as f32 * 3.0 + 4.0);
        let standard = Standard::of(x.view());
        let rows = standard.apply(x.view());
        assert!(rows.sum().abs() < 1e-3 && (rows.mapv(|v| v * v).mean().unwrap() - 1.0).abs() < 1e-5);
        let (weights, bias) = (ndarray::array![[1.0f32, -2.0, 0.5], [0.3, 0.0, 2.0]], ndarray::array![0.1f32, -3.0]);
        let (undone, shift) = standard.undo(&weights, &bias);
        let difference = (rows.dot(&weights.t()) + &bias) - (x.dot(&undone.t()) + &shift);
        assert!(difference.iter().all(|v| v.abs() < 1e-5), "{difference}");
    }
}
