//! What the graph of neighbours of a heap without structure is like, to tell what chance does from what there is.

use std::f64::consts::{E, PI};

/// A heap of even density.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heap {
    /// Its dimension, from 1 to 100.
    dimension: f64,
    n_neighbors: f64,
}

impl Heap {
    /// Standard deviation of what [`depth`](Self::depth) is the mean of.
    pub(super) const SPREAD: f64 = 0.12;

    pub(super) fn new(dimension: f64, n_neighbors: usize) -> Self {
        Self { dimension: dimension.clamp(1.0, 100.0), n_neighbors: n_neighbors as f64 }
    }

    /// Cut flat through the middle of a cube of twice `size` rows: the share of the weight of each half that leads across.
    ///
    /// Of a row's neighbours, even in a ball of volume `n_neighbors` rows, those beyond the cut are a cap of the ball;
    /// over the distances to the cut that is the mean of half of |x| in a unit ball.
    pub(super) fn facet(&self, size: usize) -> f64 {
        let d = self.dimension;
        // Stirling's formula for the unit ball's volume, to the power of -1 / d.
        let unit = (d / (2.0 * PI * E)).sqrt() * (PI * d).powf(0.5 / d) * (1.0 / (6.0 * d * d)).exp();
        let radius = unit * (self.n_neighbors / size as f64).powf(1.0 / d);
        radius / (2.0 * PI * (d + 1.5)).sqrt()
    }

    /// How deep edges across such a cut lead: the mean over their weight of the share of its row's weight that leads
    /// across, or of what is left of it, whichever is less. Measured on cubes of 2 to 25 dimensions and a little less than
    /// there, because a layout tears a heap where chance left it thin.
    pub(super) fn depth(&self) -> f64 {
        0.25 + 0.0024 * self.dimension
    }
}
