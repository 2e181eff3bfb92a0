//! Rows in nested boxes (J. Bentley, Multidimensional binary search trees, 1975).

use crate::progress::{Interrupted, Reporter};
use ndarray::ArrayView2;
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Most rows of a box that isn't split.
const LEAF: usize = 16;
/// Rows a task takes at a time.
pub(super) const BLOCK: usize = 256;

/// A tree of boxes over rows, which it holds in an order of its own: places.
pub(super) struct KdTree {
    n_features: usize,
    /// By place.
    points: Vec<f32>,
    /// The row at each place.
    rows: Vec<u32>,
    /// A node comes before its children, the left one next.
    nodes: Vec<Node>,
    /// Of each node the lowest and the highest values.
    boxes: Vec<f32>,
}

/// Some places in a row.
pub(super) struct Node {
    pub start: usize,
    pub end: usize,
    /// The right child, of a node that is split.
    pub right: Option<usize>,
    /// The lowest row.
    pub first_row: u32,
}

impl KdTree {
    /// Of rows of shape (n_samples, n_features), all finite.
    pub fn new(x: ArrayView2<'_, f32>) -> Self {
        let x = x.as_standard_layout();
        let (n_samples, n_features) = x.dim();
        let mut tree = Self { n_features, points: Vec::new(), rows: Vec::new(), nodes: Vec::new(), boxes: Vec::new() };
        let values = x.as_slice().expect("standard layout");
        let mut rows: Vec<u32> = (0..n_samples as u32).collect();
        tree.split(values, &mut rows, 0);
        tree.points =
            rows.iter().flat_map(|&row| &values[row as usize * n_features..][..n_features]).copied().collect();
        tree.rows = rows;
        tree
    }

    /// Adds the node of these rows, which stand at the places from `start` on, and those below it.
    fn split(&mut self, values: &[f32], rows: &mut [u32], start: usize) {
        let d = self.n_features;
        let (node, end) = (self.nodes.len(), start + rows.len());
        let first_row = rows.iter().min().copied().unwrap_or(0);
        self.nodes.push(Node { start, end, right: None, first_row });
        self.boxes.extend(std::iter::repeat_n(f32::INFINITY, d).chain(std::iter::repeat_n(f32::NEG_INFINITY, d)));
        let (lowest, highest) = self.boxes[2 * d * node..].split_at_mut(d);
        for &row in rows.iter() {
            for (j, &value) in values[row as usize * d..][..d].iter().enumerate() {
                lowest[j] = lowest[j].min(value);
                highest[j] = highest[j].max(value);
            }
        }
        let extent = |j: &usize| highest[*j] - lowest[*j];
        let widest = (0..d).rev().max_by(|a, b| extent(a).total_cmp(&extent(b)));
        if let Some(widest) = widest.filter(|_| rows.len() > LEAF) {
            let key = |row: u32| values[row as usize * d + widest];
            let middle = rows.len() / 2;
            rows.select_nth_unstable_by(middle, |&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
            let (left, right) = rows.split_at_mut(middle);
            self.split(values, left, start);
            self.nodes[node].right = Some(self.nodes.len());
            self.split(values, right, start + middle);
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn point(&self, place: usize) -> &[f32] {
        &self.points[place * self.n_features..][..self.n_features]
    }

    pub fn row(&self, place: usize) -> usize {
        self.rows[place] as usize
    }

    /// Squared distance of a point to that at a place.
    // Here and below by number: an iterator of two slices is a call in the innermost loop, which costs as much again.
    pub fn squared(&self, point: &[f32], place: usize) -> f64 {
        let (a, b) = (&point[..self.n_features], self.point(place));
        (0..self.n_features).map(|j| (f64::from(a[j]) - f64::from(b[j])).powi(2)).sum()
    }

    /// Squared distance to the box of a node; no more, in every bit, than that to any of its points.
    pub fn squared_to_box(&self, point: &[f32], node: usize) -> f64 {
        let d = self.n_features;
        let (point, (lowest, highest)) = (&point[..d], self.boxes[2 * d * node..][..2 * d].split_at(d));
        let beyond = |j: usize| {
            let value = f64::from(point[j]);
            (f64::from(lowest[j]) - value).max(value - f64::from(highest[j])).max(0.0)
        };
        (0..d).map(|j| beyond(j).powi(2)).sum()
    }

    /// Both children of a node with the squared distances to their boxes, the nearer first.
    pub fn children(&self, point: &[f32], node: usize) -> Option<[(usize, f64); 2]> {
        let (left, right) = (node + 1, self.nodes[node].right?);
        let left = (left, self.squared_to_box(point, left));
        let right = (right, self.squared_to_box(point, right));
        Some(if right.1 < left.1 { [right, left] } else { [left, right] })
    }

    /// The squared distance of each place's point to its nearest of so many points, itself the first; to the farthest
    /// where there are fewer.
    pub fn squared_core_distances(&self, n_nearest: usize, reporter: &dyn Reporter) -> Result<Vec<f64>, Interrupted> {
        let n_nearest = n_nearest.clamp(1, self.len().max(1));
        let places: Vec<usize> = (0..self.len()).collect();
        let blocks = places.par_chunks(BLOCK).map(|places| {
            reporter.check()?;
            let mut nearest = Nearest { tree: self, point: &[], n_nearest, found: BinaryHeap::new() };
            Ok(places.iter().map(|&place| nearest.farthest_of(place)).collect())
        });
        Ok(blocks.collect::<Result<Vec<Vec<f64>>, Interrupted>>()?.concat())
    }
}

/// The squared distances of the nearest points found so far, as bits, whose order is that of the numbers.
struct Nearest<'a> {
    tree: &'a KdTree,
    point: &'a [f32],
    n_nearest: usize,
    found: BinaryHeap<u64>,
}

impl Nearest<'_> {
    fn farthest_of(&mut self, place: usize) -> f64 {
        self.point = self.tree.point(place);
        self.found.clear();
        self.visit(0, 0.0);
        self.found.peek().map_or(0.0, |&bits| f64::from_bits(bits))
    }

    fn is_out(&self, squared: f64) -> bool {
        self.found.len() == self.n_nearest && self.found.peek().is_some_and(|&most| squared.to_bits() >= most)
    }

    fn visit(&mut self, node: usize, squared: f64) {
        if self.is_out(squared) {
            return;
        }
        match self.tree.children(self.point, node) {
            Some(children) => children.into_iter().for_each(|(child, squared)| self.visit(child, squared)),
            None => {
                let Node { start, end, .. } = self.tree.nodes[node];
                for place in start..end {
                    let squared = self.tree.squared(self.point, place);
                    if !self.is_out(squared) {
                        if self.found.len() == self.n_nearest {
                            self.found.pop();
                        }
                        self.found.push(squared.to_bits());
                    }
                }
            }
        }
    }
}
