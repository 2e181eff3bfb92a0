//! Which cells of a raster touch.

/// When two cells are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Connectivity {
    /// They share a face: in the plane, 4 neighbours.
    Faces,
    /// They share a corner at least: in the plane, 8 neighbours.
    #[default]
    Corners,
}

/// The neighbours of the cells of a raster of some shape.
pub(in crate::raster) struct Neighbours {
    shape: Vec<usize>,
    /// Steps along each axis, and how far that is in cells.
    steps: Vec<(Vec<isize>, isize)>,
}

impl Neighbours {
    pub fn new(shape: &[usize], connectivity: Connectivity) -> Self {
        let n_axes = shape.len();
        let steps = (0..3usize.pow(n_axes as u32)).map(|code| {
            let step: Vec<_> =
                (0..n_axes).rev().map(|axis| (code / 3usize.pow(axis as u32) % 3) as isize - 1).collect();
            let far = step.iter().zip(shape).fold(0, |far, (step, &length)| far * length as isize + step);
            (step, far)
        });
        let near = |step: &[isize]| match (step.iter().filter(|&&step| step != 0).count(), connectivity) {
            (0, _) => false,
            (moves, Connectivity::Faces) => moves == 1,
            (_, Connectivity::Corners) => true,
        };
        Self { shape: shape.to_vec(), steps: steps.filter(|(step, _)| near(step)).collect() }
    }

    /// Calls `visit` with each neighbour of `cell`, in rising order.
    pub fn visit(&self, cell: usize, mut visit: impl FnMut(usize)) {
        // Along each axis: whether there is a cell before and a cell after.
        let (mut rest, mut inside) = (cell, true);
        let mut ends = [(true, true); MAX_AXES];
        for (axis, &length) in self.shape.iter().enumerate().rev() {
            let at = rest % length;
            rest /= length;
            ends[axis] = (at > 0, at + 1 < length);
            inside &= ends[axis] == (true, true);
        }
        for (step, far) in &self.steps {
            let there = |(step, (before, after)): (&isize, &(bool, bool))| match step {
                -1 => *before,
                1 => *after,
                _ => true,
            };
            if inside || step.iter().zip(&ends).all(there) {
                visit(cell.wrapping_add_signed(*far));
            }
        }
    }
}

/// Most axes of a raster.
const MAX_AXES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(neighbours: &Neighbours, cell: usize) -> Vec<usize> {
        let mut found = Vec::new();
        neighbours.visit(cell, |cell| found.push(cell));
        found
    }

    #[test]
    fn borders_are_ends() {
        let faces = Neighbours::new(&[3, 4], Connectivity::Faces);
        assert_eq!(
            [0, 5, 7, 11].map(|cell| of(&faces, cell)),
            [vec![1, 4], vec![1, 4, 6, 9], vec![3, 6, 11], vec![7, 10]]
        );
        let corners = Neighbours::new(&[3, 4], Connectivity::Corners);
        assert_eq!(of(&corners, 3), [2, 6, 7]);
        assert_eq!(of(&corners, 5), [0, 1, 2, 4, 6, 8, 9, 10]);
    }

    #[test]
    fn there_are_as_many_as_the_dimension_says() {
        for (shape, faces, corners) in [(vec![5], 2, 2), (vec![5; 3], 6, 26), (vec![5; 4], 8, 80)] {
            let middle = shape.iter().product::<usize>() / 2;
            assert_eq!(of(&Neighbours::new(&shape, Connectivity::Faces), middle).len(), faces);
            assert_eq!(of(&Neighbours::new(&shape, Connectivity::Corners), middle).len(), corners);
        }
    }
}
