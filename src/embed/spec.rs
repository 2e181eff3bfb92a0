//! What an extractor is, in a form that is stored in models and keys the cache.
//!
//! A number in a spec never changes its meaning: whatever alters an extractor's output for the same spec (its own
//! code, but also the way images are decoded or resized) raises the version of the specs it touches.

use serde::{Deserialize, Serialize};

use super::builtin::BuiltinSpec;
use super::combine::{CombinedSpec, Extractors};
use super::gradients::{Gradients, GradientsSpec};
use super::learn::{Learned, LearnedSpec, LearnedWeights};
use super::pixels::{Pixels, PixelsSpec};
use super::pretrained::{PretrainedSpec, Setup};
use super::{EmbedError, Extractor};
use crate::progress::{Reporter, Silent};

/// An extractor with all its parameters, preprocessing included.
///
/// ```
/// use alike::embed::{ExtractorSpec, GradientsSpec};
/// let spec = ExtractorSpec::Gradients(GradientsSpec::default());
/// let json = serde_json::to_string(&spec)?;
/// assert_eq!(serde_json::from_str::<ExtractorSpec>(&json)?.build()?.spec(), &spec);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "extractor", rename_all = "lowercase")]
pub enum ExtractorSpec {
    /// The pixels themselves.
    Pixels(PixelsSpec),
    /// Histograms of edge directions and of colours.
    Gradients(GradientsSpec),
    /// The encoder that is part of the program.
    Builtin(BuiltinSpec),
    /// A published network.
    Pretrained(PretrainedSpec),
    /// An encoder trained on the collection.
    Learned(LearnedSpec),
    /// Several of them, joined.
    Combined(CombinedSpec),
}

impl ExtractorSpec {
    /// The name by which users choose it.
    pub fn name(&self) -> String {
        match self {
            Self::Pixels(_) => "pixels".into(),
            Self::Gradients(_) => "gradients".into(),
            Self::Builtin(_) => "builtin".into(),
            Self::Pretrained(spec) => spec.model.clone(),
            Self::Learned(spec) => spec.method.name().into(),
            Self::Combined(spec) => spec.name(),
        }
    }

    /// Number of features. No weights are needed for that.
    ///
    /// # Errors
    /// If the spec's version isn't known, or a parameter is out of its range.
    pub fn n_features(&self) -> Result<usize, EmbedError> {
        match self {
            Self::Pixels(spec) => Ok(Pixels::new(*spec)?.n_features()),
            Self::Gradients(spec) => Ok(Gradients::new(*spec)?.n_features()),
            Self::Builtin(spec) => spec.n_features(),
            Self::Pretrained(spec) => spec.check().map(|()| spec.n_features),
            Self::Learned(spec) => spec.check().map(|()| spec.n_features()),
            Self::Combined(spec) => spec.checked()?.iter().map(|part| part.spec.n_features()).sum(),
        }
    }

    /// Number of features of each extractor that is joined, or of the only one.
    ///
    /// # Errors
    /// As [`n_features`](Self::n_features).
    pub fn widths(&self) -> Result<Vec<usize>, EmbedError> {
        match self {
            Self::Combined(spec) => spec.checked()?.iter().map(|part| part.spec.n_features()).collect(),
            single => Ok(vec![single.n_features()?]),
        }
    }

    /// The extractor, or those that are joined, on the CPU; published weights as the environment says, see
    /// [`Hub::from_env`](super::Hub::from_env).
    ///
    /// # Errors
    /// If the spec's version isn't known, a parameter is out of its range, or weights can't be had.
    pub fn build(&self) -> Result<Extractors, EmbedError> {
        self.build_with(&Setup::default(), &Silent)
    }

    /// The extractor, or those that are joined, from this set-up. Weights that aren't here are fetched.
    ///
    /// # Errors
    /// If the spec's version isn't known, a parameter is out of its range, or weights can't be had.
    pub fn build_with(&self, setup: &Setup, reporter: &dyn Reporter) -> Result<Extractors, EmbedError> {
        let parts = match self {
            Self::Combined(spec) => {
                let parts = spec.checked()?.iter().map(|part| part.spec.build_single(setup, reporter));
                parts.collect::<Result<_, _>>()?
            }
            single => vec![single.build_single(setup, reporter)?],
        };
        Ok(Extractors::new(self.clone(), parts))
    }

    /// One that is no combination.
    fn build_single(&self, setup: &Setup, reporter: &dyn Reporter) -> Result<Box<dyn Extractor>, EmbedError> {
        Ok(match self {
            Self::Pixels(spec) => Box::new(Pixels::new(*spec)?),
            Self::Gradients(spec) => Box::new(Gradients::new(*spec)?),
            Self::Builtin(spec) => Box::new(spec.extractor(setup)?),
            Self::Pretrained(spec) => Box::new(spec.extractor(setup, reporter)?),
            Self::Learned(spec) => Box::new(Learned::new(spec.clone())?),
            Self::Combined(_) => unreachable!("a checked combination has none among its parts"),
        })
    }

    /// What its parts learned, in their order.
    pub(crate) fn learned(&self) -> Vec<&LearnedWeights> {
        match self {
            Self::Learned(spec) => vec![&spec.weights],
            Self::Combined(spec) => spec.parts.iter().flat_map(|part| part.spec.learned()).collect(),
            _ => vec![],
        }
    }

    /// The same, to put arrays to what was read as a hash.
    pub(crate) fn learned_mut(&mut self) -> Vec<&mut LearnedWeights> {
        match self {
            Self::Learned(spec) => vec![&mut spec.weights],
            Self::Combined(spec) => spec.parts.iter_mut().flat_map(|part| part.spec.learned_mut()).collect(),
            _ => vec![],
        }
    }

    /// A name for the spec as a whole.
    pub fn hash(&self) -> SpecHash {
        // Fields are written in the order of their declaration and numbers in their shortest form.
        SpecHash(blake3::hash(&serde_json::to_vec(self).expect("plain numbers and names")))
    }
}

/// What a spec hashes to. Displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpecHash(blake3::Hash);

impl std::fmt::Display for SpecHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The error for a spec of another version than `known`.
pub(super) fn check_version(extractor: &'static str, found: u32, known: u32) -> Result<(), EmbedError> {
    if found == known { Ok(()) } else { Err(EmbedError::Version { extractor, found, known }) }
}

/// The error for a parameter that isn't `valid`.
pub(super) fn check(
    valid: bool,
    extractor: &'static str,
    parameter: &'static str,
    expected: &'static str,
    found: impl std::fmt::Debug,
) -> Result<(), EmbedError> {
    if valid {
        return Ok(());
    }
    Err(EmbedError::Parameter { extractor, parameter, expected, found: format!("{found:?}") })
}
