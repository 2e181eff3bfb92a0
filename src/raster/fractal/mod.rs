//! Classification by copying neighbours at random: as published, and where it leads if the training points stay.
//!
//! Once every cell has a class, the published process is the voter model, which never settles: classes drift and
//! boundaries fray for ever. With the training cells pinned, the share of time that a cell spends in each class settles,
//! on the probability that a random walk from the cell meets that class first. [`harmonic()`] computes that directly.

mod harmonic;
#[cfg(test)]
mod tests;
mod voter;

pub use harmonic::{Harmonic, HarmonicParams, harmonic};
pub use voter::{FractalLoop, FractalParams, fractal};
