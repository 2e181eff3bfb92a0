//! Synthetic data whose true classes are known: points in the plane, and pictures of dots.
//!
//! A [`Recipe`] says what to make. The generators are pure: the same parameters and seed give the same values at any
//! thread count. [`write()`] puts them into files that every other command reads.

mod blobs;
mod curves;
mod dots;
mod lattice;
mod radial;
mod shapes;
mod write;

use std::path::PathBuf;

use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

pub use blobs::{BlobsParams, blobs, random_centers};
pub use curves::{CirclesParams, MoonsParams, UniformParams, circles, moons, uniform};
pub use dots::{Dots, DotsParams};
pub use lattice::{Deviate, LatticeParams, lattice};
pub use radial::{RadialParams, radial};
pub use write::{Summary, write};

/// A kind of synthetic data, as named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Points of a perturbed lattice: heavily overlapping periodic classes.
    Lattice,
    /// Clusters of points around the nodes of a perturbed lattice.
    Radial,
    /// Three round normal clusters.
    Blobs,
    /// Three round normal clusters of different widths.
    Varied,
    /// Three stretched normal clusters.
    Aniso,
    /// Two interleaved half circles.
    Moons,
    /// A circle inside a circle.
    Circles,
    /// A square without clusters.
    Uniform,
    /// Black-and-white pictures of dots that form shapes.
    Dots,
}

/// What to make, with all its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Recipe {
    /// See [`lattice`].
    Lattice(LatticeParams),
    /// See [`radial`].
    Radial(RadialParams),
    /// See [`blobs`].
    Blobs(BlobsParams),
    /// See [`moons`].
    Moons(MoonsParams),
    /// See [`circles`].
    Circles(CirclesParams),
    /// See [`uniform`].
    Uniform(UniformParams),
    /// See [`Dots`].
    Dots(DotsParams),
}

impl Recipe {
    /// The usual settings of a kind, with this seed.
    pub fn new(kind: Kind, seed: u64) -> Self {
        match kind {
            Kind::Lattice => Self::Lattice(LatticeParams { seed, ..Default::default() }),
            Kind::Radial => Self::Radial(RadialParams { seed, ..Default::default() }),
            Kind::Blobs => Self::Blobs(BlobsParams { seed, ..Default::default() }),
            Kind::Varied => Self::Blobs(BlobsParams { seed, ..BlobsParams::varied() }),
            Kind::Aniso => Self::Blobs(BlobsParams { seed, ..BlobsParams::aniso() }),
            Kind::Moons => Self::Moons(MoonsParams { seed, ..Default::default() }),
            Kind::Circles => Self::Circles(CirclesParams { seed, ..Default::default() }),
            Kind::Uniform => Self::Uniform(UniformParams { seed, ..Default::default() }),
            Kind::Dots => Self::Dots(DotsParams { seed, ..Default::default() }),
        }
    }
}

/// Points and the classes they were drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// Shape (n_samples, n_features).
    pub data: Array2<f64>,
    /// The class of each row, from 0.
    pub labels: Vec<usize>,
}

impl Points {
    /// Puts the rows into a random order, so that nothing can be learned from it.
    fn shuffled(self, rng: &mut ChaCha8Rng) -> Self {
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.shuffle(rng);
        let labels = order.iter().map(|&row| self.labels[row]).collect();
        Self { data: self.data.select(Axis(0), &order), labels }
    }
}

/// Why synthetic data can't be made or written.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// A parameter out of its range.
    #[error("{name} is {found}, expected {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        found: String,
        /// Its range.
        expected: &'static str,
    },
    /// The output's name says no format that this kind can be written in.
    #[error("cannot tell the format of {}: expected {expected}", path.display())]
    Format {
        /// The output.
        path: PathBuf,
        /// What the name may look like.
        expected: &'static str,
    },
    /// Nothing is ever overwritten.
    #[error("{} is there already: name an output that is not, or an empty directory", path.display())]
    Exists {
        /// The file or directory in the way.
        path: PathBuf,
    },
    /// The system's refusal.
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    /// The user asked to stop; nothing was written.
    #[error(transparent)]
    Interrupted(#[from] crate::progress::Interrupted),
}

/// Refuses a parameter out of its range.
fn require(valid: bool, name: &'static str, found: impl ToString, expected: &'static str) -> Result<(), SynthError> {
    if valid { Ok(()) } else { Err(SynthError::Parameter { name, found: found.to_string(), expected }) }
}

/// Refuses a width, deviation or factor that is negative or not finite.
fn require_spread(name: &'static str, value: f64) -> Result<(), SynthError> {
    require(value.is_finite() && value >= 0.0, name, value, "a finite number, 0 or more")
}
