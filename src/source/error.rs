//! What can be wrong with an input.

use std::io;
use std::path::PathBuf;

use crate::files::FileError;
use crate::progress::Interrupted;

/// Why an input or one of its images can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system's refusal.
    #[error(transparent)]
    File(#[from] FileError),
    /// No kind of input that is known here.
    #[error(
        "{}: expected a directory, a picture, an IDX, CIFAR (.bin) or .npy file, a .csv or .parquet table, \
         or a .tar, .tar.gz, .tar.zst or .zip archive; found a file of another kind",
        path.display()
    )]
    Unknown {
        /// The input.
        path: PathBuf,
    },
    /// A file that breaks its format's rules.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The input.
        path: PathBuf,
        /// What was expected and found.
        problem: Malformed,
    },
    /// As many labels as images are needed.
    #[error(
        "{} holds {n_labels} labels, but {} holds {n_images} images: \
         they don't belong together; move the labels file away to go on without it",
        labels.display(), images.display()
    )]
    LabelCount {
        /// The images file.
        images: PathBuf,
        /// Images in it.
        n_images: u64,
        /// The labels file beside it.
        labels: PathBuf,
        /// Labels in it.
        n_labels: u64,
    },
    /// An input of embeddings where images were expected.
    #[error("{}: holds embeddings, not images", path.display())]
    Embeddings {
        /// The input.
        path: PathBuf,
    },
    /// An image that is larger than allowed.
    #[error("{what}: takes more than the limit of {limit} bytes: raise the limit to read it")]
    TooLarge {
        /// The file, or the member in its archive.
        what: String,
        /// [`Options::max_bytes`](super::Options::max_bytes).
        limit: u64,
    },
    /// A member of an archive that can't be read.
    #[error("{member} in {}: {source}", path.display())]
    Member {
        /// The archive.
        path: PathBuf,
        /// The member's id.
        member: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What a file's format wants, and what the file has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}; found {found}")]
pub struct Malformed {
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl Malformed {
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into() }
    }

    pub(super) fn at(self, path: &std::path::Path) -> SourceError {
        SourceError::Malformed { path: path.into(), problem: self }
    }
}
