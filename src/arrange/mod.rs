//! People's files into one directory per cluster, with no way to lose one.
//!
//! [`plan`] decides every name before anything is touched. [`apply`] saves the plan, notes each batch in a journal
//! on disk before it acts, and never replaces a file. A run that was killed is finished by [`resume`] or taken back
//! by [`undo`]; both look at what is really there, so either may be killed in turn and run again.
//!
//! What holds at every moment, also after a loss of power:
//! - a source's bytes are at its old path or under its planned name, whole, or at both;
//! - nothing that existed before, or that somebody else put there since, is replaced or removed;
//! - [`undo`] removes a copy or a hard link only while its original stands unchanged at the old path.
//!
//! ```
//! use alike::arrange::{Mode, Origin, Output, Placement, apply, plan, undo};
//! use alike::progress::Silent;
//!
//! let dir = tempfile::tempdir()?;
//! let photo = dir.path().join("a.jpg");
//! std::fs::write(&photo, b"...")?;
//! let placement = Placement {
//!     id: "a.jpg".into(),
//!     directory: "cluster-000".into(),
//!     name: "a.jpg".into(),
//!     origin: Origin::file(&photo)?,
//!     companions: vec![],
//! };
//! let mut out = Output::open(&dir.path().join("sorted"), None)?;
//! let plan = plan(vec![placement], Mode::Copy, &out.taken()?)?;
//! apply(&plan, &mut out, "", &|_| unreachable!("every image is a file"), &Silent)?;
//! assert!(dir.path().join("sorted/cluster-000/a.jpg").exists());
//! assert!(undo(out, &Silent)?.complete());
//! assert!(!dir.path().join("sorted").exists() && photo.exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod artefacts;
mod batch;
pub mod journal;
mod names;
mod output;
mod place;
mod plan;
mod undo;
mod wire;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use apply::{Report, apply, check, resume};
pub use output::{Output, State};
pub use plan::{Operation, Plan, plan};
pub use undo::{Kept, UndoReport, clear, undo};

use crate::files::FileError;
use crate::progress::Interrupted;
use crate::source::Stamp;

/// How a file gets into its cluster's directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A second file with the same bytes, times and permissions; shares its blocks with the first where the file
    /// system can. Sources stay as they are.
    #[default]
    Copy,
    /// A second name of the same file; needs one file system. An edit in either place shows in both.
    HardLink,
    /// A link to the source's absolute path: it survives moving OUT elsewhere, but not moving the sources.
    Symlink,
    /// The file itself; the old path is empty afterwards. Symbolic links are not moved.
    Move,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Copy => "copy",
            Mode::HardLink => "hardlink",
            Mode::Symlink => "symlink",
            Mode::Move => "move",
        })
    }
}

/// Where a placed image's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file of its own.
    File {
        /// Its path.
        path: PathBuf,
        /// Its size and time when it was listed; it is left alone if these have changed.
        stamp: Stamp,
    },
    /// The caller makes them: an archive's member, or a picture drawn from an array. Can only be copied.
    Bytes,
}

impl Origin {
    /// The file at `path` as it is now.
    ///
    /// # Errors
    /// If it can't be looked at.
    pub fn file(path: &Path) -> io::Result<Self> {
        let stamp = place::stamp(&std::fs::metadata(path)?)?;
        Ok(Self::File { path: path.to_owned(), stamp })
    }
}

/// An image and the directory it belongs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The image's id, for messages.
    pub id: String,
    /// The directory below OUT: `cluster-000`, `unclustered`.
    pub directory: String,
    /// The name wanted there; it gets a suffix if it is taken.
    pub name: OsString,
    /// Its bytes.
    pub origin: Origin,
    /// Files that travel with it and keep sharing its stem.
    pub companions: Vec<PathBuf>,
}

/// Why an arrangement can't start or go on. What was done until then is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum ArrangeError {
    /// The system's refusal.
    #[error(transparent)]
    File(#[from] FileError),
    /// Images without a file of their own can't be linked or moved.
    #[error("{count} images, {id:?} first, are not files of their own and can't be placed by {mode}: use copy")]
    NotFiles {
        /// The mode asked for.
        mode: Mode,
        /// How many.
        count: usize,
        /// The first one's id.
        id: String,
    },
    /// A directory's name must be one plain component.
    #[error("{name:?} can't be the name of a cluster's directory: expected one visible component such as cluster-000")]
    Directory {
        /// The name.
        name: String,
    },
    /// The output holds something else.
    #[error("{} is not empty and was not made by alike ({found:?} is in it): choose another directory", path.display())]
    NotEmpty {
        /// The output.
        path: PathBuf,
        /// What was found.
        found: OsString,
    },
    /// There is no arrangement here.
    #[error("{} was not made by alike: expected .alike/marker in it", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// One of input and output is inside the other.
    #[error(
        "the output {} and the input {} must not be inside one another: choose an output elsewhere",
        output.display(), input.display()
    )]
    Overlap {
        /// The input.
        input: PathBuf,
        /// The output.
        output: PathBuf,
    },
    /// Another process works on this output.
    #[error("another run is working on {}: wait until it has ended", path.display())]
    Locked {
        /// The output.
        path: PathBuf,
    },
    /// Something that isn't ours is where alike wants to write.
    #[error("{} was not written by alike, or was changed since: move it away", path.display())]
    Foreign {
        /// What is in the way.
        path: PathBuf,
    },
    /// A file of ours can't be understood.
    #[error("{} {problem}: no file was changed", path.display())]
    Corrupt {
        /// The marker, plan or journal.
        path: PathBuf,
        /// What is wrong with it.
        problem: journal::Corrupt,
    },
    /// Files can't be moved out of a directory that may not be changed.
    #[error("{} can't be moved: you may not change the directory it is in. Use copy, or ask for the right to write there",
        file.display())]
    Immovable {
        /// The first such file.
        file: PathBuf,
    },
    /// A hard link can't lead to another file system.
    #[error("{} and the output {} are on different disks, where no hard link leads: use copy or symlink",
        file.display(), output.display())]
    OtherDevice {
        /// A file to be linked.
        file: PathBuf,
        /// The output.
        output: PathBuf,
    },
    /// The disk is too small.
    #[error("{} has {free} bytes free and the files need {needed}: free some, choose another disk, or use links", path.display())]
    Space {
        /// The output.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The output is in another state than this needs.
    #[error("{} holds {found} arrangement: {advice}", path.display())]
    Unready {
        /// The output.
        path: PathBuf,
        /// The state it is in.
        found: &'static str,
        /// What helps.
        advice: &'static str,
    },
    /// The user asked to stop; the journal knows how far it came.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
