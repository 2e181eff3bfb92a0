//! Why weights can't be had.

use std::path::PathBuf;

use crate::files::FileError;
use crate::progress::Interrupted;

/// Why weights can't be had.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The user asked to stop; a download goes on from there.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No room for a download.
    #[error(
        "{} has no room for {model}: make some ({megabytes} MB), or set HF_HUB_CACHE to a directory on another disk; \
         the download then goes on where it stopped",
        directory.display()
    )]
    Full {
        /// The model's name.
        model: String,
        /// Size of the file.
        megabytes: u64,
        /// Where it was being written.
        directory: PathBuf,
    },
    /// The weights aren't here and can't be fetched.
    #[error(
        "the weights of {model} ({megabytes} MB) are not on this machine, and {reason}: run `alike models fetch {model}` \
         where there is a network and bring the directory {} here, to the same place, or name a file: \
         --model {model}=FILE.safetensors",
        directory.display()
    )]
    Absent {
        /// The model's name.
        model: String,
        /// Size of the file.
        megabytes: u64,
        /// Where they would be.
        directory: PathBuf,
        /// Why they can't be fetched.
        reason: AbsentReason,
    },
    /// The hub wants to know who asks.
    #[error(
        "{repository} is not open to everyone ({status}): accept its licence at {endpoint}/{repository}, then set HF_TOKEN \
         to a token of that account, or correct the one that is set"
    )]
    Refused {
        /// HTTP status, 401 or 403.
        status: u16,
        /// Where it was asked.
        endpoint: String,
        /// Organisation and name.
        repository: String,
    },
    /// The hub has no such file.
    #[error("{url} does not exist (404): is HF_ENDPOINT a mirror that lacks it? Unset it, or take another model")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// The hub can't say what it is about to send.
    #[error(
        "{url} doesn't tell what the file hashes to, and {model} has no pinned hash to check it by: fetch it from \
         https://huggingface.co, without HF_ENDPOINT"
    )]
    NoHash {
        /// The model's name.
        model: String,
        /// What was asked for.
        url: String,
    },
    /// The download failed, several times over.
    #[error("{url} can't be fetched: {reason}; what has come is kept, run the same command again to go on")]
    Failed {
        /// What was asked for.
        url: String,
        /// What went wrong last.
        reason: String,
    },
    /// Other bytes than were pinned or trusted.
    #[error("{at} has SHA-256 {found}, where {expected} was expected: {advice}")]
    Hash {
        /// The file or address.
        at: String,
        /// As pinned, or as at the first download.
        expected: String,
        /// As it is.
        found: String,
        /// What was done, or is to be done.
        advice: &'static str,
    },
    /// A file that could run code when it is loaded.
    #[error(
        "{} is a pickled checkpoint, which can run any code when it is loaded; convert it, where you trust it: \
         python -c \"import torch, safetensors.torch as s; \
         s.save_file(torch.load('{}', map_location='cpu', weights_only=True), 'model.safetensors')\"",
        path.display(), path.display()
    )]
    Pickled {
        /// The file.
        path: PathBuf,
    },
    /// A file that isn't what it should be.
    #[error("{} is no intact safetensors file: {reason}; fetch or copy it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why weights can't be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbsentReason {
    /// The user forbids it.
    #[error("HF_HUB_OFFLINE is set")]
    Offline,
    /// The build can't.
    #[error("this alike was built without the feature hub")]
    NotBuilt,
    /// There is no network, or the wrong one.
    #[error("the hub can't be reached ({0})")]
    Unreachable(String),
}
