//! Neighbours of neighbours are likely neighbours: NN-descent (Dong, Charikar & Li, *Efficient k-nearest neighbor graph
//! construction for generic similarity measures*, 2011), from the leaves of random projection trees.
//!
//! Who meets whom in a round is settled before it, and what the lists hold after it doesn't depend on the order of the
//! meetings: threads keep no order, and their number changes nothing.

use super::differences::squared_distances;
use super::forest::grow;
use super::lists::{Lists, arrays, distance_of, index_of, key};
use super::rows::Rows;
use crate::progress::{Interrupted, Reporter};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Trees to begin with.
const N_TREES: usize = 4;
/// Rows of a leaf, all of which meet.
const LEAF: usize = 64;
/// How many new neighbours of a row, or rows whose neighbour it is, meet there in a round; and how many old ones.
const MAX_CANDIDATES: usize = 20;
/// Over when no more than this share of the neighbours is new.
const DELTA: f64 = 0.001;
/// Rows a task takes at a time.
const CHUNK: usize = 64;

/// The `k` nearest other rows of each, but for a few, and their exact distances. There must be more than `k` rows.
///
/// # Errors
/// An interruption.
pub(super) fn search(
    rows: &Rows<'_>,
    k: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<(Array2<u32>, Array2<f32>), Interrupted> {
    let n = rows.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut descent = Descent { rows, lists: Lists::new(n, k), order: Vec::new(), reporter };
    let n_rounds = n.ilog2().max(5);
    reporter.begin("neighbours", Some((N_TREES as u64 + u64::from(n_rounds)) * n as u64));
    for _ in 0..N_TREES {
        descent.plant(k, rng.random())?;
    }
    for _ in 0..n_rounds {
        if descent.round(rng.random())? as f64 <= DELTA * (n * k) as f64 {
            break;
        }
    }
    reporter.end();
    let Descent { lists, order, .. } = descent;
    let mut keys = lists.into_keys();
    let exact = |&row: &u32| {
        let others = keys[row as usize * k..][..k].iter().map(|&key| Neighbor(key).row());
        let mut list: Vec<u64> = others.map(|other| key(rows.distance(row as usize, rows, other), other)).collect();
        list.sort_unstable();
        list
    };
    let lists: Vec<Vec<u64>> = order.par_iter().map(exact).collect();
    order.iter().zip(lists).for_each(|(&row, list)| keys[row as usize * k..][..k].copy_from_slice(&list));
    Ok(arrays(&keys, k))
}

/// A neighbour in a list: its number is doubled, and one more while it hasn't met the row's other neighbours.
#[derive(Clone, Copy)]
struct Neighbor(u64);

impl Neighbor {
    fn new(squared: f32, row: usize) -> Self {
        Self(key(squared, 2 * row + 1))
    }

    fn row(self) -> usize {
        index_of(self.0) / 2
    }

    fn is_new(self) -> bool {
        self.0 & 1 == 1
    }

    /// The row whose neighbour this is, as its neighbour; the distance is left out.
    fn seen_from(self, row: usize) -> Self {
        Self((2 * row) as u64 | self.0 & 1)
    }
}

struct Descent<'a> {
    rows: &'a Rows<'a>,
    /// Of [`Neighbor`]s.
    lists: Lists,
    /// The rows as the last tree orders them: what meets in turn is then still in the cache.
    order: Vec<u32>,
    reporter: &'a dyn Reporter,
}

/// Who meets at a row: new neighbours one another, and the old ones after them.
struct Meeting {
    ids: Vec<u32>,
    n_new: usize,
}

impl Descent<'_> {
    /// Grows a tree, and lets all rows of a leaf meet.
    fn plant(&mut self, k: usize, seed: u64) -> Result<(), Interrupted> {
        // In half a leaf there are more than k rows: every list becomes full.
        let leaf_size = LEAF.max(2 * (k + 1));
        let mut order: Vec<u32> = (0..self.rows.len() as u32).collect();
        grow(self.rows, &mut order, leaf_size, seed, &|leaf| {
            self.reporter.check()?;
            self.meet(leaf, leaf.len(), &mut Vec::new());
            self.reporter.advance(leaf.len() as u64);
            Ok(())
        })?;
        self.order = order;
        Ok(())
    }

    /// Lets neighbours of every row meet, and returns how many neighbours are new.
    fn round(&mut self, seed: u64) -> Result<usize, Interrupted> {
        let meetings = self.draw(seed);
        self.order.par_chunks(CHUNK).try_for_each_init(Vec::new, |squared, chunk| {
            self.reporter.check()?;
            for &row in chunk {
                let Meeting { ids, n_new } = &meetings[row as usize];
                if *n_new > 0 {
                    self.meet(ids, *n_new, squared);
                }
            }
            self.reporter.advance(chunk.len() as u64);
            Ok(())
        })?;
        let new = |list: &[u64]| list.iter().filter(|&&key| Neighbor(key).is_new()).count();
        Ok(self.lists.change(|_, list| new(list)).into_iter().sum())
    }

    /// Offers the first of some rows, and all after them, to one another.
    fn meet(&self, ids: &[u32], n_first: usize, squared: &mut Vec<f32>) {
        let rows: Vec<&[f32]> = ids.iter().map(|&id| self.rows.row(id as usize)).collect();
        squared_distances(&rows, n_first, squared);
        let farthest: Vec<f32> = ids.iter().map(|&id| self.farthest(id as usize)).collect();
        for (i, squared) in squared.chunks_exact(ids.len()).enumerate().take(n_first) {
            for j in i + 1..ids.len() {
                if squared[j] > farthest[i].max(farthest[j]) {
                    continue;
                }
                for (row, other) in [(ids[i] as usize, ids[j] as usize), (ids[j] as usize, ids[i] as usize)] {
                    let neighbor = Neighbor::new(squared[j], other);
                    self.lists.offer(row, neighbor.0, |there| Neighbor(there).row() == other);
                }
            }
        }
    }

    /// How far the farthest neighbour of a row is, once it has all.
    fn farthest(&self, row: usize) -> f32 {
        self.lists.last(row).map_or(f32::INFINITY, distance_of)
    }

    /// Draws who meets at each row of its neighbours and of the rows whose neighbour it is, and marks as old those that
    /// will have met.
    fn draw(&mut self, seed: u64) -> Vec<Meeting> {
        let linked = self.linked();
        let number = |a: usize, b: usize| hash(seed, (a.min(b) as u64) << 32 | a.max(b) as u64) << 32 | b as u64;
        self.lists.change(|row, list| {
            let all = list.iter().map(|&key| Neighbor(key)).chain(linked.of(row).iter().copied());
            let (mut new, mut old) = (Vec::new(), Vec::new());
            for neighbor in all {
                let drawn = if neighbor.is_new() { &mut new } else { &mut old };
                drawn.push(number(row, neighbor.row()));
            }
            least(&mut new);
            if new.is_empty() {
                // Where nobody is new, nobody meets.
                old.clear();
            }
            old.retain(|drawn| new.binary_search(drawn).is_err());
            least(&mut old);
            for neighbor in list.iter_mut() {
                if new.binary_search(&number(row, Neighbor(*neighbor).row())).is_ok() {
                    *neighbor &= !1;
                }
            }
            Meeting { ids: new.iter().chain(&old).map(|&drawn| index_of(drawn) as u32).collect(), n_new: new.len() }
        })
    }

    /// Whose neighbour each row is.
    fn linked(&mut self) -> Linked {
        let lists = self.lists.change(|_, list| list.iter().map(|&key| Neighbor(key)).collect::<Vec<_>>());
        let mut starts = vec![0; lists.len() + 1];
        lists.iter().flatten().for_each(|neighbor| starts[neighbor.row() + 1] += 1);
        (1..starts.len()).for_each(|row| starts[row] += starts[row - 1]);
        let (mut next, mut links) = (starts.clone(), vec![Neighbor(0); starts[lists.len()]]);
        for (row, list) in lists.iter().enumerate() {
            for neighbor in list {
                let place = &mut next[neighbor.row()];
                links[*place] = neighbor.seen_from(row);
                *place += 1;
            }
        }
        Linked { starts, links }
    }
}

/// The rows whose neighbour each row is, one row's after the other's.
struct Linked {
    starts: Vec<usize>,
    links: Vec<Neighbor>,
}

impl Linked {
    fn of(&self, row: usize) -> &[Neighbor] {
        &self.links[self.starts[row]..self.starts[row + 1]]
    }
}

/// Keeps the least [`MAX_CANDIDATES`] of some numbers, rising, each once.
fn least(drawn: &mut Vec<u64>) {
    drawn.sort_unstable();
    drawn.dedup();
    drawn.truncate(MAX_CANDIDATES);
}

/// A hash of a number: SplitMix64's.
fn hash(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;
    use crate::progress::Silent;

    #[test]
    fn rows_know_whose_neighbor_they_are_and_whether_a_new_one() {
        let x = Array2::from_shape_fn((300, 3), |(i, j)| ((i * 37 + j * 101 + i * i * j) % 97) as f32);
        let rows = Rows::new(x.view(), Metric::Euclidean);
        let lists = Lists::new(300, 15);
        let mut descent = Descent { rows: &rows, lists, order: Vec::new(), reporter: &Silent };
        descent.plant(15, 0).unwrap();
        descent.draw(0);
        let lists = descent.lists.change(|_, list| list.to_vec());
        let linked = descent.linked();
        let seen = |row: usize| linked.of(row).iter().map(|n| (n.row(), n.is_new())).collect::<Vec<_>>();
        for row in 0..300 {
            let neighbors = lists.iter().map(|list| list.iter().map(|&key| Neighbor(key)).find(|n| n.row() == row));
            let expected: Vec<_> = neighbors.enumerate().filter_map(|(by, n)| Some((by, n?.is_new()))).collect();
            assert_eq!(seen(row), expected);
        }
        let all: Vec<bool> = (0..300).flat_map(seen).map(|(_, is_new)| is_new).collect();
        assert!(all.contains(&true) && all.contains(&false), "some have met, not all");
    }
}
