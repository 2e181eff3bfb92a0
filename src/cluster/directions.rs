//! Rows as the metric sees them: by cosine, their directions alone.

use super::Metric;
use crate::distance::squared_norm;
use ndarray::{ArrayView2, CowArray, Ix2, Zip};

/// The rows in standard layout; by cosine at unit length, rounded to f32, or zeros where they have no direction. Half the
/// squared distance of unit rows is 1 - cos.
pub(super) fn as_seen(x: ArrayView2<'_, f32>, metric: Metric) -> CowArray<'_, f32, Ix2> {
    let mut rows = match x.is_standard_layout() {
        true => CowArray::from(x),
        false => x.as_standard_layout().into_owned().into(),
    };
    if metric == Metric::Cosine {
        Zip::from(rows.rows_mut()).par_for_each(|mut row| {
            let length = squared_norm(row.as_slice().expect("standard layout")).sqrt();
            row.mapv_inplace(|value| if length > 0.0 { (f64::from(value) / length) as f32 } else { 0.0 });
        });
    }
    rows
}
