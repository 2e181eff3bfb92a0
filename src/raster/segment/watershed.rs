//! The watershed, flooded from markers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ndarray::{ArrayD, ArrayViewD};

use super::{Connectivity, Neighbours};
use crate::collection::ClusterId;

/// Where a flood begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// In the valleys, rising: borders end on ridges.
    Low,
    /// On the peaks, falling: borders end in valleys.
    High,
}

/// Floods a landscape from markers: each cell of `mask` gets the label of the marker that reaches it first, `None` where
/// none does. All arrays are of one shape; markers outside of the mask are left out.
///
/// Cells wait in a queue by their height and, where heights are equal, by when they were reached, so that plateaus are
/// shared out step by step from all sides, and the result depends on nothing else (Meyer 1991). No lines are left between
/// the basins. O(cells log cells); one thread.
///
/// # Panics
/// If the shapes differ.
///
/// ```
/// use alike::raster::{Connectivity, Flood, watershed};
/// let heights = ndarray::array![0.0f32, 1.0, 5.0, 2.0, 0.0].into_dyn();
/// let markers = ndarray::array![Some(0), None, None, None, Some(1)].into_dyn();
/// let mask = heights.mapv(|_| true);
/// let found = watershed(heights.view(), Flood::Low, &markers, mask.view(), Connectivity::Faces);
/// assert_eq!(found, ndarray::array![Some(0), Some(0), Some(0), Some(1), Some(1)].into_dyn());
/// ```
pub fn watershed(
    landscape: ArrayViewD<'_, f32>,
    flood: Flood,
    markers: &ArrayD<Option<ClusterId>>,
    mask: ArrayViewD<'_, bool>,
    connectivity: Connectivity,
) -> ArrayD<Option<ClusterId>> {
    assert!(landscape.shape() == markers.shape() && markers.shape() == mask.shape(), "rasters of one shape");
    let neighbours = Neighbours::new(mask.shape(), connectivity);
    let heights: Vec<u32> = landscape.iter().map(|&height| rank(height, flood)).collect();
    let inside: Vec<bool> = mask.iter().copied().collect();
    let mut labels: Vec<_> = markers.iter().zip(&inside).map(|(label, inside)| label.filter(|_| *inside)).collect();
    let mut reached = 0;
    let mut queue = BinaryHeap::new();
    for cell in (0..labels.len()).filter(|&cell| labels[cell].is_some()) {
        queue.push(Reverse((heights[cell], reached, cell)));
        reached += 1;
    }
    while let Some(Reverse((_, _, cell))) = queue.pop() {
        neighbours.visit(cell, |other| {
            if inside[other] && labels[other].is_none() {
                labels[other] = labels[cell];
                queue.push(Reverse((heights[other], reached, other)));
                reached += 1;
            }
        });
    }
    ArrayD::from_shape_vec(mask.raw_dim(), labels).expect("a label for each cell")
}

/// A number that rises in the order of the flood.
fn rank(height: f32, flood: Flood) -> u32 {
    let bits = (height + 0.0).to_bits();
    let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    if flood == Flood::Low { rising } else { !rising }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, IxDyn};

    const MARKERS: [[usize; 2]; 3] = [[2, 3], [8, 4], [5, 12]];

    fn heights() -> Array2<f32> {
        Array2::from_shape_fn((12, 16), |(i, j)| {
            let bumps = (i * i * 1009 + j * j * 757 + i * j * 331 + i * 37 + j * 101) % 10007 % 1009;
            let near = MARKERS.iter().map(|[y, x]| i.abs_diff(*y).pow(2) + j.abs_diff(*x).pow(2)).min().unwrap();
            (bumps + 60 * near) as f32 + j as f32 / 16.0
        })
    }

    /// scikit-image 0.26.0: `segmentation.watershed(v, markers, connectivity=c, mask=v < 2500)` of the 12 x 16 heights
    /// `(i*i*1009 + j*j*757 + i*j*331 + i*37 + j*101) % 10007 % 1009 + 60*near + j/16`, where near is the squared distance
    /// to the nearest of the markers 1, 2, 3 in (2,3) (8,4) (5,12).
    #[test]
    fn as_scikit_image() {
        let v = heights().into_dyn();
        let mut markers = ArrayD::from_elem(v.raw_dim(), None);
        for (label, at) in MARKERS.iter().enumerate() {
            markers[at.as_slice()] = Some(label);
        }
        let mask = v.mapv(|v| v < 2500.0);
        for (connectivity, expected) in ORACLE {
            let low = watershed(v.view(), Flood::Low, &markers, mask.view(), connectivity);
            let high = watershed((-&v).view(), Flood::High, &markers, mask.view(), connectivity);
            let text = low.iter().map(|label| label.map_or('.', |l| char::from_digit(l as u32, 10).unwrap()));
            assert_eq!(text.collect::<String>(), expected.replace(' ', ""), "{connectivity:?}");
            assert_eq!(low, high);
        }
    }

    const ORACLE: [(Connectivity, &str); 2] = [
        (
            Connectivity::Faces,
            "000000000222222. 0000000002222222 0000000022222222 0000000022222222 0000000022222222 0000000122222222 \
             1111101112222222 1111111112222222 1111111111222222 1111111111222222 1111111111.2222. 1111111111.22.2.",
        ),
        (
            Connectivity::Corners,
            "000000000222222. 0000000022222222 0000000022222222 0000000022222222 0000000022222222 0000000002222222 \
             0000000002222222 0000000002222222 0000100000222222 0000000000222222 0000000000.2222. 0000000000.22.2.",
        ),
    ];

    #[test]
    fn plateaus_are_shared_out_from_all_sides() {
        let mut markers = ArrayD::from_elem(IxDyn(&[5, 21]), None);
        markers[[2, 0]] = Some(0);
        markers[[2, 20]] = Some(1);
        let (flat, mask) = (ArrayD::zeros(markers.raw_dim()), ArrayD::from_elem(markers.raw_dim(), true));
        let found = watershed(flat.view(), Flood::High, &markers, mask.view(), Connectivity::Corners);
        for (at, label) in found.indexed_iter() {
            assert_eq!(*label, Some(usize::from(at[1] > 10)), "{at:?}");
        }
    }

    #[test]
    fn what_no_marker_reaches_has_no_label() {
        let mut markers = ArrayD::from_elem(IxDyn(&[3, 9]), None);
        markers[[1, 1]] = Some(5);
        markers[[1, 4]] = Some(6);
        let mask = ArrayD::from_shape_fn(markers.raw_dim(), |at| at[1] != 4);
        let heights = ArrayD::from_elem(markers.raw_dim(), -0.0);
        let found = watershed(heights.view(), Flood::Low, &markers, mask.view(), Connectivity::Corners);
        assert_eq!((found[[0, 3]], found[[1, 4]], found[[1, 5]]), (Some(5), None, None));
    }

    #[test]
    fn heights_are_ranked_as_numbers() {
        let rising = [f32::NEG_INFINITY, -2.0, -1.0, 0.0, 1e-9, 1.0, f32::INFINITY];
        assert!(rising.windows(2).all(|pair| rank(pair[0], Flood::Low) < rank(pair[1], Flood::Low)));
        assert!(rising.windows(2).all(|pair| rank(pair[0], Flood::High) > rank(pair[1], Flood::High)));
        assert_eq!(rank(-0.0, Flood::Low), rank(0.0, Flood::Low));
    }
}
