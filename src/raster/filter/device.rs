//! Sums over windows on a CUDA or Metal device, where adding up every window is what the machine is made for.

use candle_core::{Device, Result, Tensor};
use ndarray::{Array3, ArrayView3};

use super::{Boundary, Weighting};

/// The weighted sums of rasters in the plane, shape (n_rasters, n_rows, n_columns), over the cells at most `window` away
/// along both axes: one convolution with a group for each raster. 32-bit floats: relative errors of 1e-5 or so.
/// O(n (2 window + 1)^2), and as much memory of the device on top where it unfolds windows.
///
/// # Errors
/// What the device refuses.
///
/// ```
/// use alike::raster::filter::{Boundary, Weighting, sums_on};
/// let x = ndarray::array![[[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]]];
/// let sums = sums_on(&candle_core::Device::Cpu, x.view(), Weighting::Equal, 1, Boundary::Plain)?;
/// assert_eq!(sums[[0, 0, 0]], 3.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn sums_on(
    device: &Device,
    x: ArrayView3<'_, f32>,
    weighting: Weighting,
    window: usize,
    boundary: Boundary,
) -> Result<Array3<f32>> {
    let shape = x.dim();
    let (n_rasters, n_rows, n_columns) = shape;
    if x.is_empty() {
        return Ok(Array3::zeros(shape));
    }
    let window = boundary.reach(window, n_rows.max(n_columns));
    let width = 2 * window + 1;
    let by_distance = weighting.by_distance(window, 2);
    let squared = |at: usize| (at % width).abs_diff(window).pow(2) + (at / width % width).abs_diff(window).pow(2);
    let weights: Vec<f32> = (0..n_rasters * width * width).map(|at| by_distance[squared(at)] as f32).collect();
    let weights = Tensor::from_vec(weights, (n_rasters, 1, width, width), device)?;

    let x: Vec<f32> = x.iter().copied().collect();
    let x = Tensor::from_vec(x, (1, n_rasters, n_rows, n_columns), device)?;
    let (x, padding) = match boundary {
        Boundary::Plain => (x, window),
        Boundary::Torus => {
            let places = |side: usize| -> Result<Tensor> {
                let places = boundary.places(window, side).into_iter().flatten().map(|at| at as u32);
                Tensor::from_iter(places, device)
            };
            (x.index_select(&places(n_rows)?, 2)?.index_select(&places(n_columns)?, 3)?, 0)
        }
    };
    let sums = x.conv2d(&weights, padding, 1, 1, n_rasters)?.flatten_all()?.to_vec1()?;
    Ok(Array3::from_shape_vec(shape, sums).expect("a sum for each cell"))
}
