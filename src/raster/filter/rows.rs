//! The rows that a window reaches: lines of cells along the last axis, numbered as they lie in memory.

use super::Boundary;

/// The rows at most `window` away from `row` along each of the leading axes, in order of the offset, with the squares of
/// their distances. On a torus a row comes as often as it is reached.
pub(super) fn window_rows(leading: &[usize], row: usize, window: usize, boundary: Boundary) -> Vec<(usize, usize)> {
    let mut found = vec![(0, 0)];
    for (&side, at) in leading.iter().zip(place(leading, row)) {
        let offsets = -(window as isize)..=window as isize;
        let along: Vec<(usize, usize)> = offsets
            .filter_map(|offset| Some((boundary.place(at as isize + offset, side)?, offset.unsigned_abs().pow(2))))
            .collect();
        let farther = |&(row, distance): &(usize, usize)| {
            along.iter().map(move |&(to, squared)| (row * side + to, distance + squared))
        };
        found = found.iter().flat_map(farther).collect();
    }
    found
}

/// The index along each axis of a cell of a raster.
pub(super) fn place(sides: &[usize], mut cell: usize) -> Vec<usize> {
    let mut place = vec![0; sides.len()];
    for (place, side) in place.iter_mut().zip(sides).rev() {
        *place = cell % side;
        cell /= side;
    }
    place
}

/// The cell at an index along each axis.
pub(super) fn cell(sides: &[usize], place: &[usize]) -> usize {
    sides.iter().zip(place).fold(0, |cell, (side, at)| cell * side + at)
}
