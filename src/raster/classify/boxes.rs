//! Boxes around cells in any number of dimensions, within boxes: the nearest are found without a look at all others.

/// Cells of a box that is not halved.
const LEAF: usize = 8;

/// A tree of boxes, each halved along its longest side (Friedman, Bentley & Finkel 1977).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Boxes {
    boxes: Vec<Bounds>,
    /// The cells, those of a box one after the other.
    order: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq)]
struct Bounds {
    low: Vec<i32>,
    high: Vec<i32>,
    cells: std::ops::Range<usize>,
    halves: Option<[usize; 2]>,
}

/// How far something lies: the most cells along an axis, and the square of the distance.
type Distance = (i64, f64);

/// The cells nearest to a place.
pub(super) struct Nearest {
    /// Those of the smallest window that holds any, in rising order; none if that is wider than asked for.
    pub window: Vec<usize>,
    /// The first of the nearest, if there is none in the window.
    pub cell: usize,
}

impl Boxes {
    /// Of cells at these places, all of so many axes. O(n d log n).
    pub fn new(places: &[&[i32]]) -> Self {
        let mut boxes = Self { boxes: Vec::new(), order: (0..places.len() as u32).collect() };
        boxes.grow(places, 0..places.len());
        boxes
    }

    fn grow(&mut self, places: &[&[i32]], cells: std::ops::Range<usize>) -> usize {
        let held = &mut self.order[cells.clone()];
        let (mut low, mut high) = (places[held[0] as usize].to_vec(), places[held[0] as usize].to_vec());
        for &cell in &*held {
            let ends = low.iter_mut().zip(&mut high).zip(places[cell as usize]);
            ends.for_each(|((low, high), &at)| (*low, *high) = (at.min(*low), at.max(*high)));
        }
        let longest = (0..low.len()).max_by_key(|&axis| i64::from(high[axis]) - i64::from(low[axis]));
        let (number, middle) = (self.boxes.len(), held.len() / 2);
        let halves = held.len() > LEAF;
        if let Some(axis) = longest.filter(|_| halves) {
            held.select_nth_unstable_by_key(middle, |&cell| places[cell as usize][axis]);
        }
        self.boxes.push(Bounds { low, high, cells: cells.clone(), halves: None });
        if halves {
            let middle = cells.start + middle;
            let halves = [cells.start..middle, middle..cells.end].map(|cells| self.grow(places, cells));
            self.boxes[number].halves = Some(halves);
        }
        number
    }

    /// The cells nearest to a place: those of the smallest window around it, of at most so many cells to each side, and
    /// where there are none the nearest. There must be a cell.
    pub fn nearest(&self, places: impl Fn(usize) -> Distance, place: &[i32], window: usize) -> Nearest {
        let mut reach = window as i64;
        let mut found = Nearest { window: Vec::new(), cell: usize::MAX };
        let mut least = f64::INFINITY;
        let mut waiting = vec![(self.distance(0, place), 0)];
        while let Some(((far, squared), number)) = waiting.pop() {
            if far > reach && (!found.window.is_empty() || squared > least) {
                continue;
            }
            let this = &self.boxes[number];
            if let Some(halves) = this.halves {
                let mut halves = halves.map(|half| (self.distance(half, place), half));
                halves.sort_by(|(a, _), (b, _)| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
                waiting.extend(halves);
                continue;
            }
            for &cell in &self.order[this.cells.clone()] {
                let cell = cell as usize;
                let (far, squared) = places(cell);
                if squared < least || (squared == least && cell < found.cell) {
                    (least, found.cell) = (squared, cell);
                }
                if far < reach {
                    (reach, found.window) = (far, Vec::new());
                }
                if far == reach {
                    found.window.push(cell);
                }
            }
        }
        found.window.sort_unstable();
        found
    }

    /// How far a box lies from a place.
    fn distance(&self, number: usize, place: &[i32]) -> Distance {
        let Bounds { low, high, .. } = &self.boxes[number];
        let gaps = place.iter().zip(low.iter().zip(high)).map(|(&at, (&low, &high))| {
            let at = i64::from(at);
            (i64::from(low) - at).max(at - i64::from(high)).max(0)
        });
        distance(gaps)
    }
}

/// How far something lies that is so many cells away along each axis.
pub(super) fn distance(along: impl Iterator<Item = i64>) -> Distance {
    along.fold((0, 0.0), |(far, squared), by| (by.max(far), squared + (by as f64).powi(2)))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Places on a coarse lattice, so that many are equally near.
    #[test]
    fn finds_what_a_look_at_all_finds() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        for n_axes in [1, 3, 8] {
            let mut place = |far: i32| (0..n_axes).map(|_| rng.random_range(-far..=far)).collect::<Vec<i32>>();
            let cells: Vec<Vec<i32>> = (0..300).map(|_| place(6)).collect();
            let boxes = Boxes::new(&cells.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for (far, window) in [(6, 4), (6, 1), (20, 2), (9, 0)].repeat(20) {
                let from = place(far);
                let away =
                    |cell: usize| distance(cells[cell].iter().zip(&from).map(|(a, b)| i64::from(a.abs_diff(*b))));
                let found = boxes.nearest(away, &from, window);
                let reach = (0..300).map(|cell| away(cell).0).min().unwrap();
                let held: Vec<usize> =
                    (0..300).filter(|&cell| reach <= window as i64 && away(cell).0 == reach).collect();
                assert_eq!(found.window, held);
                if held.is_empty() {
                    let nearest = (0..300).min_by(|&a, &b| away(a).1.total_cmp(&away(b).1));
                    assert_eq!(Some(found.cell), nearest);
                }
            }
        }
    }
}
