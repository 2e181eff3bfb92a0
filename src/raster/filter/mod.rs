//! Filters of rasters of any dimension: what a window around each cell holds, summed, smoothed, or ranked.
//!
//! Values are f64, and an array's last axis is contiguous. What lies outside of a [`Boundary::Plain`] raster is empty: it
//! adds nothing to a sum, is zero to the median, and never the maximum. All cores take part, and the result is the same
//! bits however many there are.

mod device;
mod fourier;
mod gaussian;
mod inverse;
mod lines;
mod maximum;
mod median;
mod rows;
mod scatter;
mod sums;
#[cfg(test)]
mod tests;

pub use device::sums_on;
pub(super) use fourier::Convolver;
pub use gaussian::gaussian;
pub use inverse::inverse_distance;
pub use maximum::maximum;
pub use median::median;
pub(super) use scatter::{Change, scatter};
pub use sums::box_sum;
pub(super) use sums::{sum_across, sum_along};

/// What lies beyond the edges of a raster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Boundary {
    /// Nothing.
    #[default]
    Plain,
    /// The other side.
    Torus,
}

impl Boundary {
    /// Where a place along an axis of `side` cells is found, if anywhere.
    pub(super) fn place(self, at: isize, side: usize) -> Option<usize> {
        match self {
            Self::Plain => usize::try_from(at).ok().filter(|&at| at < side),
            Self::Torus => Some(at.rem_euclid(side as isize) as usize),
        }
    }

    /// Where the cells of a line and those that the windows of its ends reach are found.
    fn places(self, window: usize, side: usize) -> Vec<Option<usize>> {
        let window = window as isize;
        (-window..side as isize + window).map(|at| self.place(at, side)).collect()
    }

    /// No farther than this does a window reach anything new along axes of at most `side` cells.
    fn reach(self, window: usize, side: usize) -> usize {
        match self {
            Self::Plain => window.min(side.saturating_sub(1)),
            Self::Torus => window,
        }
    }
}

/// How much a cell of a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Weighting {
    /// As much as any other.
    Equal,
    /// 1 / sqrt(1 + r^2) at a distance of r cells.
    #[default]
    InverseDistance,
}

impl Weighting {
    /// The weights at all distances within a window, by their squares.
    fn by_distance(self, window: usize, n_axes: usize) -> Vec<f64> {
        let weight = |squared: usize| match self {
            Self::Equal => 1.0,
            Self::InverseDistance => 1.0 / (1.0 + squared as f64).sqrt(),
        };
        (0..=n_axes * window * window).map(weight).collect()
    }
}
