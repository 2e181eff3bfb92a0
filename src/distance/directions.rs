//! Rows as the metric sees them: by cosine, their directions alone.

use super::{Metric, squared_norm};
use ndarray::{Array2, ArrayView2, CowArray, Ix2, Zip};

/// The rows in standard layout; by cosine at unit length, rounded to f32, or zeros where they have no direction. Half the
/// squared distance of unit rows is 1 - cos.
pub(crate) fn as_seen(x: ArrayView2<'_, f32>, metric: Metric) -> CowArray<'_, f32, Ix2> {
    let x = match x.is_standard_layout() {
        true => CowArray::from(x),
        false => x.as_standard_layout().into_owned().into(),
    };
    if metric == Metric::Euclidean {
        return x;
    }
    let mut directions = Array2::zeros(x.dim());
    Zip::from(directions.rows_mut()).and(x.rows()).par_for_each(|mut direction, row| {
        let length = squared_norm(row.to_slice().expect("standard layout")).sqrt();
        if length > 0.0 {
            direction.zip_mut_with(&row, |to, &value| *to = (f64::from(value) / length) as f32);
        }
    });
    directions.into()
}
