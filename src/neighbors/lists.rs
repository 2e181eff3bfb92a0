//! The nearest found so far of many rows, to which any thread may offer more.
//!
//! Neighbours are ordered by distance, then number. That order is total, so that what a list holds in the end doesn't
//! depend on the order of the offers.

use ndarray::Array2;
use rayon::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Rows that share a lock.
const BLOCK: usize = 64;
/// What stands where no neighbour is yet: farther than any.
const EMPTY: u64 = u64::MAX;

/// A neighbour as one number: of smaller ones the nearer, then that of the lower number.
pub(super) fn key(distance: f32, index: usize) -> u64 {
    u64::from(distance.to_bits()) << 32 | index as u64
}

pub(super) fn distance_of(key: u64) -> f32 {
    f32::from_bits((key >> 32) as u32)
}

pub(super) fn index_of(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

/// A sorted list for each of n rows.
pub(super) struct Lists {
    k: usize,
    blocks: Vec<Mutex<Vec<u64>>>,
    /// The farthest of each row, to be read without a lock: it may be that of a moment ago, which was no nearer.
    lasts: Vec<AtomicU64>,
}

impl Lists {
    /// Empty lists of room for `k`, 1 or more.
    pub fn new(n_rows: usize, k: usize) -> Self {
        let block = |first: usize| Mutex::new(vec![EMPTY; k * BLOCK.min(n_rows - first)]);
        Self {
            k,
            blocks: (0..n_rows).step_by(BLOCK).map(block).collect(),
            lasts: (0..n_rows).map(|_| AtomicU64::new(EMPTY)).collect(),
        }
    }

    /// The farthest neighbour of a row, once its list is full.
    pub fn last(&self, row: usize) -> Option<u64> {
        Some(self.lasts[row].load(Relaxed)).filter(|&last| last != EMPTY)
    }

    /// Takes a neighbour, if it is nearer than the last and none of those there is the same.
    pub fn offer(&self, row: usize, key: u64, is_same: impl Fn(u64) -> bool) {
        if key >= self.lasts[row].load(Relaxed) {
            return;
        }
        // A thread that panicked takes the whole search with it.
        let mut block = self.blocks[row / BLOCK].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let list = &mut block[row % BLOCK * self.k..][..self.k];
        let place = list.iter().filter(|&&other| other < key).count();
        if place == list.len() || list.iter().any(|&other| is_same(other)) {
            return;
        }
        list.copy_within(place..self.k - 1, place + 1);
        list[place] = key;
        self.lasts[row].store(list[self.k - 1], Relaxed);
    }

    /// Shows what there is of each row's list to `change`, which may change what doesn't change the order, and returns its
    /// answers.
    pub fn change<T: Send>(&mut self, change: impl Fn(usize, &mut [u64]) -> T + Sync) -> Vec<T> {
        let k = self.k;
        let blocks = self.blocks.par_iter_mut().enumerate().map(|(block, keys)| {
            let keys = keys.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
            let rows = keys.chunks_exact_mut(k).enumerate().map(|(row, list)| {
                let filled = list.partition_point(|&key| key != EMPTY);
                change(block * BLOCK + row, &mut list[..filled])
            });
            rows.collect::<Vec<T>>()
        });
        blocks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// All lists, one after the other.
    pub fn into_keys(self) -> Vec<u64> {
        let blocks = self.blocks.into_iter();
        blocks.flat_map(|block| block.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())).collect()
    }
}

/// The neighbours' rows and distances, both of shape (rows, k), of full lists.
pub(super) fn arrays(keys: &[u64], k: usize) -> (Array2<u32>, Array2<f32>) {
    let shape = (keys.len() / k, k);
    let indices = keys.iter().map(|&key| index_of(key) as u32).collect();
    let distances = keys.iter().map(|&key| distance_of(key)).collect();
    let expect = "k for each row";
    (Array2::from_shape_vec(shape, indices).expect(expect), Array2::from_shape_vec(shape, distances).expect(expect))
}
