//! Clusters within clusters.

use ndarray::{ArrayD, Slice};

use super::{DensityParams, clusters};
use crate::collection::ClusterId;
use crate::progress::Reporter;
use crate::raster::{Grid, RasterError};

/// Splits each label into the clusters that [`clusters`] finds in the points of its cells alone. The part with the most
/// points keeps the label, the others get new ones. O(cells log cells) of the box around each label.
///
/// # Errors
/// Parameters out of their range, or an interruption; the labels are as far as they came then.
///
/// # Panics
/// If `labels` has another shape than the grid.
///
/// ```
/// use alike::progress::Silent;
/// use alike::raster::{DensityParams, Grid, GridParams, Transform, split_by_density};
/// let x = alike::synth::blobs(&Default::default())?.data;
/// let grid = Grid::draw(Transform::fit(x.view(), &GridParams::default())?, x.view());
/// let mut labels = grid.counts.mapv(|_| Some(0));
/// split_by_density(&grid, &mut labels, &DensityParams::default(), &Silent)?;
/// assert_eq!(labels.iter().flatten().max(), Some(&2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn split_by_density(
    grid: &Grid,
    labels: &mut ArrayD<Option<ClusterId>>,
    params: &DensityParams,
    reporter: &dyn Reporter,
) -> Result<(), RasterError> {
    assert_eq!(grid.counts.shape(), labels.shape(), "rasters of one shape");
    let boxes = boxes(labels);
    let mut next = boxes.len();
    for (label, ends) in boxes.into_iter().enumerate() {
        let Some(ends) = ends else { continue };
        let within = |axis: usize| Slice::from(ends[axis].0..=ends[axis].1);
        let mut labels = labels.slice_each_axis_mut(|axis| within(axis.axis.index()));
        let mut counts = grid.counts.slice_each_axis(|axis| within(axis.axis.index())).to_owned();
        counts.zip_mut_with(&labels, |count, other| {
            if *other != Some(label) {
                *count = 0;
            }
        });
        if counts.iter().all(|&count| count == 0) {
            continue;
        }
        let mut transform = grid.transform.clone();
        transform.shape = counts.shape().to_vec();
        let found = clusters(&Grid { transform, counts, cells: Vec::new() }, params, reporter)?.map;
        for (other, cell) in labels.iter_mut().zip(&found.cells).filter(|(other, _)| **other == Some(label)) {
            *other = match cell.cluster {
                Some(0) => Some(label),
                part => part.map(|part| next + part - 1),
            };
        }
        next += found.n_clusters().saturating_sub(1);
    }
    Ok(())
}

/// The first and the last place of each label along each axis, if it has cells.
fn boxes(labels: &ArrayD<Option<ClusterId>>) -> Vec<Option<Vec<(usize, usize)>>> {
    let mut boxes: Vec<Option<Vec<(usize, usize)>>> =
        vec![None; labels.iter().flatten().max().map_or(0, |most| most + 1)];
    for (at, label) in labels.indexed_iter() {
        let Some(label) = *label else { continue };
        let ends = boxes[label].get_or_insert_with(|| (0..labels.ndim()).map(|axis| (at[axis], at[axis])).collect());
        for (axis, (first, last)) in ends.iter_mut().enumerate() {
            (*first, *last) = (at[axis].min(*first), at[axis].max(*last));
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, concatenate};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::evaluate::{Contingency, ami};
    use crate::progress::{Silent, Watch};
    use crate::raster::{GridParams, Transform, grow};
    use crate::synth;

    /// Two blobs so near that any segment holds both, and one of its own.
    fn connected() -> (Grid, Vec<usize>) {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut blob = |x: f64, y: f64| {
            let noise = (0..6).map(|_| Array2::from_shape_simple_fn((4000, 2), || rng.random_range(-1.0..1.0)));
            noise.fold(Array2::zeros((4000, 2)), |sum: Array2<f64>, more| sum + more) + ndarray::array![x, y]
        };
        let x = concatenate![Axis(0), blob(0.0, 0.0), blob(4.5, 0.0), blob(20.0, 9.0)];
        let grid = Grid::draw(Transform::fit(x.view(), &GridParams::default()).unwrap(), x.view());
        (grid, (0..12_000).map(|row| row / 4000).collect())
    }

    #[test]
    fn fault_11_a_connected_segment_is_split() {
        let (grid, truth) = connected();
        let middle = grid.transform.cell(ndarray::array![12.0, 0.0].view()).unwrap() / 256;
        let before = ArrayD::from_shape_fn(grid.counts.raw_dim(), |at| Some(usize::from(at[0] > middle)));
        let mut labels = before.clone();
        split_by_density(&grid, &mut labels, &DensityParams::default(), &Silent).unwrap();
        let found = grid.cells.iter().map(|cell| labels[[*cell as usize / 256, *cell as usize % 256]]);
        let score = ami(&Contingency::from_pairs(found.zip(truth))).unwrap();
        assert!(score > 0.85 && labels.iter().flatten().max() == Some(&2), "{score}");
        assert!(before.iter().zip(&labels).all(|(before, after)| *before != Some(1) || after == before));
        let mut again = before.clone();
        let stopped = split_by_density(&grid, &mut again, &DensityParams::default(), &Watch::stopping_after(0));
        assert!(matches!(stopped, Err(RasterError::Interrupted(_))));
    }

    #[test]
    fn what_has_one_peak_or_no_end_stays_whole() {
        let rings = synth::circles(&synth::CirclesParams { n_samples: 20_000, ..Default::default() }).unwrap();
        let grid = Grid::draw(Transform::fit(rings.data.view(), &GridParams::default()).unwrap(), rings.data.view());
        let mut labels = ArrayD::from_elem(grid.counts.raw_dim(), None);
        for (cell, label) in grid.cells.iter().zip(&rings.labels) {
            let cell = *cell as usize;
            labels[[cell / 256, cell % 256]] = Some(2 * label + 1);
        }
        for radius in [3.0, 300.0] {
            grow(&mut labels, radius);
            let before = labels.clone();
            split_by_density(&grid, &mut labels, &DensityParams::default(), &Silent).unwrap();
            assert_eq!(labels, before);
        }
        let mut none = ArrayD::from_elem(grid.counts.raw_dim(), None);
        split_by_density(&grid, &mut none, &DensityParams::default(), &Silent).unwrap();
        assert!(none.iter().all(Option::is_none));
    }
}
