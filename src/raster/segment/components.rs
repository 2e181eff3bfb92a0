//! Connected components.

use ndarray::{ArrayD, ArrayViewD};

use super::{Connectivity, Neighbours};
use crate::collection::ClusterId;

/// The connected components of the cells that `mask` holds: the component of each cell, `None` outside of the mask, and
/// how many there are. Components are numbered by their first cell.
///
/// Two passes with a union-find (Rosenfeld & Pfaltz 1966): O(cells).
///
/// ```
/// use alike::raster::{Connectivity, components};
/// let mask = ndarray::array![[true, false, true], [false, true, false]].into_dyn();
/// assert_eq!(components(mask.view(), Connectivity::Corners).1, 1);
/// let (found, n) = components(mask.view(), Connectivity::Faces);
/// assert_eq!((n, found[[0, 2]], found[[1, 2]]), (3, Some(1), None));
/// ```
pub fn components(mask: ArrayViewD<'_, bool>, connectivity: Connectivity) -> (ArrayD<Option<ClusterId>>, usize) {
    let neighbours = Neighbours::new(mask.shape(), connectivity);
    let inside: Vec<bool> = mask.iter().copied().collect();
    let mut sets = Sets::new(inside.len());
    for cell in (0..inside.len()).filter(|&cell| inside[cell]) {
        neighbours.visit(cell, |other| {
            if other < cell && inside[other] {
                sets.join(cell as u32, other as u32);
            }
        });
    }
    let (mut labels, mut n) = (vec![None; inside.len()], 0);
    for cell in (0..inside.len()).filter(|&cell| inside[cell]) {
        // The root is the first cell of its component, so that it has its number already.
        let root = sets.root(cell as u32) as usize;
        if root == cell {
            labels[cell] = Some(n);
            n += 1;
        } else {
            labels[cell] = labels[root];
        }
    }
    (ArrayD::from_shape_vec(mask.raw_dim(), labels).expect("a label for each cell"), n)
}

/// Disjoint sets of cells, each with its lowest cell as the root.
/// The first cell of a set, where `above` holds a way up to it from each cell; halves the way.
pub(in crate::raster) fn root(above: &mut [u32], mut cell: usize) -> usize {
    while above[cell] as usize != cell {
        above[cell] = above[above[cell] as usize];
        cell = above[cell] as usize;
    }
    cell
}

struct Sets(Vec<u32>);

impl Sets {
    fn new(n: usize) -> Self {
        Self((0..n as u32).collect())
    }

    fn root(&mut self, cell: u32) -> u32 {
        root(&mut self.0, cell as usize) as u32
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, IxDyn};

    /// scipy 1.17.1: `ndimage.label(mask, ndimage.generate_binary_structure(2, connectivity))` of the 12 x 16 mask
    /// `(i*i*1009 + j*j*757 + i*j*331 + i*37 + j*101) % 10007 < below`, minus 1.
    #[test]
    fn as_scipy() {
        let mask = |below| {
            Array2::from_shape_fn((12, 16), |(i, j)| {
                (i * i * 1009 + j * j * 757 + i * j * 331 + i * 37 + j * 101) % 10007 < below
            })
        };
        for (connectivity, below, expected) in ORACLE {
            let (found, n) = components(mask(below).into_dyn().view(), connectivity);
            let found: String = found
                .iter()
                .map(|label| label.map_or('.', |label| char::from_digit(label as u32, 36).unwrap()))
                .collect();
            assert_eq!(found, expected.replace(' ', ""), "{connectivity:?}");
            assert_eq!(n, expected.chars().filter_map(|c| c.to_digit(36)).max().map_or(0, |most| most as usize + 1));
        }
    }

    const ORACLE: [(Connectivity, usize, &str); 2] = [
        (
            Connectivity::Faces,
            5500,
            "000.1....2.33..4 000.11111.5.333. 0..6.....7.3333. .88..999.7.3333. ..8.9999.7.3333. a.8.9999.7..3..b \
             ..8.....c.33333. .d.eeeee.e....3. f.f....eee....3. f.f....eee....3. fff....e.eeeee.g f.ff.hh.i.ee..j.",
        ),
        (
            Connectivity::Corners,
            3300,
            "000.1....1.11..2 00...1111.1..... ...3.....1..444. .5....6..1.4444. ..5..66..1..44.. ..5..66..1.....7 \
             ........1.1111.. .8..111..1....1. .......1.1....1. 9.a....1.1...... 9.a....1.1111..b 9.aa.11.1.....b.",
        ),
    ];

    #[test]
    fn there_is_no_limit_of_127() {
        let mask = ArrayD::from_shape_fn(IxDyn(&[40, 40]), |at| at[0] % 2 == 0 && at[1] % 2 == 0);
        let (found, n) = components(mask.view(), Connectivity::Corners);
        assert_eq!((n, found[[38, 38]], found[[0, 2]]), (400, Some(399), Some(1)));
    }

    #[test]
    fn none_and_all() {
        for (value, expected) in [(false, 0), (true, 1)] {
            let mask = ArrayD::from_elem(IxDyn(&[3, 4, 5]), value);
            assert_eq!(components(mask.view(), Connectivity::Faces).1, expected);
        }
        assert_eq!(components(ArrayD::from_elem(IxDyn(&[0, 4]), true).view(), Connectivity::Faces).1, 0);
    }
}
