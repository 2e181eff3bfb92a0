//! Neighbours of neighbours are likely neighbours: NN-descent (Dong, Charikar & Li, *Efficient k-nearest neighbor graph
//! construction for generic similarity measures*, 2011), from the leaves of random projection trees.
//!
//! Who meets whom in a round is settled before it, and what the lists hold after it doesn't depend on the order of the
//! meetings: threads keep no order, and their number changes nothing.

use super::differences::squared_distances;
use super::forest::grow;
use super::lists::{Lists, arrays, index_of, key};
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
    let lists = |k| Lists::new(n, k);
    let mut descent = Descent {
        rows,
        lists: lists(k),
        new: lists(MAX_CANDIDATES),
        old: lists(MAX_CANDIDATES),
        order: Vec::new(),
        reporter,
    };
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
    let mut keys = descent.lists.into_keys();
    keys.par_chunks_exact_mut(k).enumerate().for_each(|(row, list)| {
        for neighbor in list.iter_mut() {
            let other = Neighbor(*neighbor).row();
            *neighbor = key(rows.distance(row, rows, other), other);
        }
        list.sort_unstable();
    });
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
}

struct Descent<'a> {
    rows: &'a Rows<'a>,
    /// Of [`Neighbor`]s.
    lists: Lists,
    /// Who meets at each row: new ones one another and the old ones. By a number drawn for each pair of rows.
    new: Lists,
    old: Lists,
    /// The rows as the last tree orders them: what meets in turn is then still in the cache.
    order: Vec<u32>,
    reporter: &'a dyn Reporter,
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
        self.draw(seed);
        self.order.par_chunks(CHUNK).try_for_each_init(Default::default, |(ids, squared), chunk| {
            self.reporter.check()?;
            for &row in chunk {
                let ids: &mut Vec<u32> = ids;
                ids.clear();
                let id = |&key: &u64| index_of(key) as u32;
                self.new.with(row as usize, |list| ids.extend(list.iter().map(id)));
                let n_new = ids.len();
                if n_new > 0 {
                    self.old.with(row as usize, |list| ids.extend(list.iter().map(id)));
                    self.meet(ids, n_new, squared);
                }
            }
            self.reporter.advance(chunk.len() as u64);
            Ok(())
        })?;
        Ok(self.lists.change(|_, list| list.iter().filter(|&&key| Neighbor(key).is_new()).count()))
    }

    /// Offers the first of some rows, and all after them, to one another.
    fn meet(&self, ids: &[u32], n_first: usize, squared: &mut Vec<f32>) {
        let rows: Vec<&[f32]> = ids.iter().map(|&id| self.rows.row(id as usize)).collect();
        squared_distances(&rows, n_first, squared);
        for (i, squared) in squared.chunks_exact(ids.len()).enumerate() {
            for j in i + 1..ids.len() {
                for (row, other) in [(ids[i] as usize, ids[j] as usize), (ids[j] as usize, ids[i] as usize)] {
                    let neighbor = Neighbor::new(squared[j], other);
                    self.lists.offer(row, neighbor.0, |there| Neighbor(there).row() == other);
                }
            }
        }
    }

    /// Draws who meets at each row, and marks as old those who will have met.
    fn draw(&mut self, seed: u64) {
        let Self { lists, new, old, .. } = self;
        new.clear();
        old.clear();
        let draw = |a: usize, b: usize| hash(seed, (a.min(b) as u64) << 32 | a.max(b) as u64) << 32;
        let both =
            |row: usize, other: usize| [(row, other), (other, row)].map(|(to, id)| (to, draw(row, other) | id as u64));
        lists.change(|row, list| {
            for other in list.iter().map(|&key| Neighbor(key)).filter(|n| n.is_new()).map(Neighbor::row) {
                for (to, drawn) in both(row, other) {
                    new.offer(to, drawn, |there| there == drawn);
                }
            }
            0
        });
        lists.change(|row, list| {
            for neighbor in list {
                let (other, is_new) = (Neighbor(*neighbor).row(), Neighbor(*neighbor).is_new());
                for (to, drawn) in both(row, other) {
                    // Where nobody is new, nobody meets.
                    let (is_idle, meets) = new.with(to, |list| (list.is_empty(), list.binary_search(&drawn).is_ok()));
                    if is_new && meets && to == row {
                        *neighbor &= !1;
                    } else if !is_new && !meets && !is_idle {
                        old.offer(to, drawn, |there| there == drawn);
                    }
                }
            }
            0
        });
    }
}

/// A hash of a number: SplitMix64's.
fn hash(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
