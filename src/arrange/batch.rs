//! One batch of operations, from its journal line's point of view: begun before this, done after it.
//!
//! A copy is written to a staging directory, synced, and only then renamed to its name, so that under that name there
//! is a whole file or none. A moved file is renamed; where that would cross devices it is copied so, compared, and
//! removed only when its copy's directory entry is on disk as well.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::{Mode, Operation, place};
use crate::files::{At, FileError};

/// Makes the bytes of an image that is no file.
pub(super) type Bytes<'a> = &'a (dyn Fn(&Operation) -> io::Result<Vec<u8>> + Sync);

/// What all batches of an arrangement have in common.
pub(super) struct Job<'a> {
    pub(super) mode: Mode,
    pub(super) operations: &'a [Operation],
    pub(super) root: &'a Path,
    /// Where copies are made; on the file system of `root`.
    pub(super) staging: &'a Path,
    /// Time of modification of files made from bytes.
    pub(super) made: SystemTime,
    pub(super) bytes: Bytes<'a>,
    /// Operations before this one were begun by an earlier run and may have happened.
    pub(super) begun_before: usize,
}

/// How far one operation is.
#[derive(Clone, Debug, PartialEq)]
enum Progress {
    /// Its copy is in the staging directory.
    Staged,
    /// It's done.
    Placed,
    /// A move's copy has its name; the source is still to be removed.
    Copied,
    /// It was given up, and why.
    Skipped(String),
}

/// Why a companion is given up.
const STAYS: &str = "its image stays where it is";

use Progress::{Copied, Placed, Skipped, Staged};

/// Why an operation stops: for itself, or for all.
enum Stop {
    Skip(String),
    Fail(FileError),
}

/// Does the operations of `range`; returns those given up. Runs on the rayon pool it is called in.
pub(super) fn run(job: &Job, range: Range<usize>) -> Result<Vec<(usize, String)>, FileError> {
    let mut progress = stage(job, &range)?;
    let staged = |at: &usize| progress[at - range.start] == Staged;
    let synced: Vec<_> = range.clone().into_par_iter().filter(staged).map(|at| (at, settle(job, at))).collect();
    for (at, result) in synced {
        if let Some(skipped) = skip(result)? {
            progress[at - range.start] = skipped;
        }
    }
    name(job, &range, &mut progress)?;
    let (mut new, mut old) = (BTreeSet::new(), BTreeSet::new());
    for at in range.clone().filter(|at| !matches!(progress[at - range.start], Skipped(_))) {
        new.extend(job.destination(at).parent().map(Path::to_owned));
        if job.mode == Mode::Move {
            old.extend(job.operations[at].source.as_deref().and_then(Path::parent));
        }
    }
    place::sync_directories(new.iter().map(PathBuf::as_path))?;
    let mut image_skipped = false;
    for (at, progress) in range.clone().zip(&mut progress) {
        let companion = job.operations[at].companion;
        if *progress == Copied {
            *progress = if companion && image_skipped {
                let copy = job.destination(at);
                place::remove_if_there(&copy).at("remove", &copy)?;
                Skipped(STAYS.into())
            } else {
                skip(remove_source(job, at))?.unwrap_or(Placed)
            };
        }
        image_skipped = if companion { image_skipped } else { matches!(progress, Skipped(_)) };
    }
    place::sync_directories(old)?;
    let given_up = |(progress, at)| if let Skipped(reason) = progress { Some((at, reason)) } else { None };
    Ok(progress.into_iter().zip(range).filter_map(given_up).collect())
}

/// Everything up to the copies in the staging directory, not synced yet. What needs no copy is done by then.
fn stage(job: &Job, range: &Range<usize>) -> Result<Vec<Progress>, FileError> {
    // An archive is read forwards: images made from bytes come one at a time, in order.
    let mut made = Vec::with_capacity(range.len());
    for at in range.clone() {
        made.push(match job.operations[at].source {
            None => Some(or_skip(stage_bytes(job, at))?),
            Some(_) => None,
        });
    }
    let families = job.operations[range.clone()].chunk_by(|a, b| a.image == b.image);
    let starts = families.scan(range.start, |next, family| {
        let start = *next;
        *next += family.len();
        Some(start..*next)
    });
    let starts: Vec<Range<usize>> = starts.collect();
    let staged: Vec<Vec<Progress>> = starts
        .into_par_iter()
        .map(|family| {
            let mut progress: Vec<Progress> = Vec::with_capacity(family.len());
            for at in family {
                progress.push(match (&made[at - range.start], progress.first()) {
                    (_, Some(Skipped(_))) => Skipped(STAYS.into()),
                    (Some(made), _) => made.clone(),
                    (None, _) => or_skip(stage_file(job, at))?,
                });
            }
            Ok(progress)
        })
        .collect::<Result<_, FileError>>()?;
    Ok(staged.into_iter().flatten().collect())
}

fn stage_bytes(job: &Job, at: usize) -> Result<Progress, Stop> {
    if at < job.begun_before && job.happened(at)?.is_some() {
        return Ok(Placed);
    }
    let bytes = (job.bytes)(&job.operations[at]).map_err(|e| Stop::Skip(format!("can't be read: {e}")))?;
    place::write(&bytes, &job.staged(at), job.made).map_err(|e| stop(e, &job.destination(at)))?;
    Ok(Staged)
}

fn stage_file(job: &Job, at: usize) -> Result<Progress, Stop> {
    let Some(source) = &job.operations[at].source else { return Ok(Placed) };
    if at < job.begun_before
        && let Some(progress) = job.happened(at)?
    {
        return Ok(progress);
    }
    check_unchanged(job, at)?;
    let destination = job.destination(at);
    let placed = match job.mode {
        Mode::Copy => return copy(job, at, source),
        Mode::HardLink => source.canonicalize().and_then(|source| fs::hard_link(source, &destination)),
        Mode::Symlink => place::symlink(source, &destination),
        Mode::Move => match place::rename_new(source, &destination) {
            Err(e) if e.kind() == ErrorKind::CrossesDevices => return copy(job, at, source),
            done => done,
        },
    };
    placed.map(|()| Placed).map_err(|e| stop_at_destination(e, &destination))
}

fn copy(job: &Job, at: usize, source: &Path) -> Result<Progress, Stop> {
    place::copy(source, &job.staged(at)).map_err(|e| stop(e, &job.destination(at)))?;
    Ok(Staged)
}

/// Makes a staged copy durable and sure.
fn settle(job: &Job, at: usize) -> Result<(), Stop> {
    let staged = job.staged(at);
    place::sync(&staged).map_err(|e| stop(e, &staged))?;
    let Some(source) = &job.operations[at].source else { return Ok(()) };
    check_unchanged(job, at)?;
    if job.mode == Mode::Move && !place::same_bytes(source, &staged).map_err(|e| stop(e, source))? {
        return Err(Stop::Skip("its copy came out different: check the disk".into()));
    }
    Ok(())
}

/// Gives the staged copies their names.
fn name(job: &Job, range: &Range<usize>, progress: &mut [Progress]) -> Result<(), FileError> {
    let mut image_skipped = false;
    for (at, progress) in range.clone().zip(progress) {
        let companion = job.operations[at].companion;
        if *progress == Staged {
            let staged = job.staged(at);
            *progress = if companion && image_skipped {
                Skipped(STAYS.into())
            } else {
                let named = place::rename_new(&staged, &job.destination(at));
                let named = named.map_err(|e| stop_at_destination(e, &job.destination(at)));
                skip(named)?.unwrap_or(if job.mode == Mode::Move { Copied } else { Placed })
            };
            if matches!(progress, Skipped(_)) {
                place::remove_if_there(&staged).at("remove", &staged)?;
            }
        }
        image_skipped = if companion { image_skipped } else { matches!(progress, Skipped(_)) };
    }
    Ok(())
}

/// The last step of a move across devices. The copy goes again if the source changed meanwhile or can't be removed.
fn remove_source(job: &Job, at: usize) -> Result<(), Stop> {
    let Some(source) = &job.operations[at].source else { return Ok(()) };
    if !place::exists(source).map_err(|e| stop(e, source))? {
        // Somebody else removed it since its copy was compared with it: the copy is all there is.
        return Ok(());
    }
    let removed = check_unchanged(job, at).and_then(|()| fs::remove_file(source).map_err(|e| stop(e, source)));
    if removed.is_err() && source.exists() {
        let copy = job.destination(at);
        place::remove_if_there(&copy).at("remove", &copy).map_err(Stop::Fail)?;
    }
    removed
}

impl Job<'_> {
    fn staged(&self, at: usize) -> PathBuf {
        self.staging.join(at.to_string())
    }

    fn destination(&self, at: usize) -> PathBuf {
        self.root.join(&self.operations[at].destination)
    }

    /// How far an earlier run, killed meanwhile, came with this operation; `None` if it has left no trace.
    fn happened(&self, at: usize) -> Result<Option<Progress>, Stop> {
        let destination = self.destination(at);
        let look = || -> io::Result<Option<Progress>> {
            if !place::exists(&destination)? {
                return Ok(None);
            }
            let Some(source) = &self.operations[at].source else {
                let untouched = fs::symlink_metadata(&destination)?.modified()? == self.made;
                return Ok(untouched.then_some(Placed));
            };
            let happened = match self.mode {
                Mode::Symlink => fs::read_link(&destination).is_ok_and(|target| target == *source),
                // Its source is gone since; size and time, which it keeps, tell what this is.
                Mode::Copy | Mode::HardLink if !source.exists() => {
                    let found = place::stamp(&fs::symlink_metadata(&destination)?)?;
                    self.operations[at].stamp.is_some_and(|listed| listed == found)
                }
                Mode::HardLink => same_file::is_same_file(source, &destination)?,
                Mode::Move if !place::exists(source)? => return Ok(Some(Placed)),
                Mode::Copy | Mode::Move => {
                    place::survives(&destination, source)? && place::same_bytes(source, &destination)?
                }
            };
            Ok(happened.then_some(if self.mode == Mode::Move { Copied } else { Placed }))
        };
        look().map_err(|e| stop(e, &destination))
    }
}

/// Whether the source is still the file that was listed.
fn check_unchanged(job: &Job, at: usize) -> Result<(), Stop> {
    let Operation { source: Some(source), stamp, .. } = &job.operations[at] else { return Ok(()) };
    let found = match job.mode {
        Mode::Move => fs::symlink_metadata(source),
        Mode::Copy | Mode::HardLink | Mode::Symlink => fs::metadata(source),
    };
    let found = found.map_err(|e| stop(e, source))?;
    if found.is_symlink() {
        return Err(Stop::Skip(format!("{source:?} is a symbolic link, and only files are moved")));
    }
    let now = place::stamp(&found).map_err(|e| stop(e, source))?;
    if !found.is_file() || stamp.is_some_and(|listed| listed != now) {
        return Err(Stop::Skip(format!("{source:?} changed since it was listed")));
    }
    Ok(())
}

/// A full or write-protected disk concerns every file; anything else only this one.
fn stop(error: io::Error, path: &Path) -> Stop {
    use ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | ReadOnlyFilesystem => {
            Stop::Fail(FileError { action: "write", path: path.to_owned(), source: error })
        }
        ErrorKind::NotFound => Stop::Skip(format!("{path:?} is gone")),
        ErrorKind::AlreadyExists => Stop::Skip(format!("{path:?} was put there by somebody else")),
        _ => Stop::Skip(format!("{path:?}: {error}")),
    }
}

/// A directory of ours that can't be written concerns every file as well.
fn stop_at_destination(error: io::Error, path: &Path) -> Stop {
    let closed = || path.parent().is_some_and(|directory| tempfile::tempfile_in(directory).is_err());
    match error.kind() {
        ErrorKind::PermissionDenied if closed() => {
            Stop::Fail(FileError { action: "write", path: path.to_owned(), source: error })
        }
        _ => stop(error, path),
    }
}

/// The reason of a skip, if it is one.
fn skip(result: Result<(), Stop>) -> Result<Option<Progress>, FileError> {
    match result {
        Ok(()) => Ok(None),
        Err(Stop::Skip(reason)) => Ok(Some(Skipped(reason))),
        Err(Stop::Fail(error)) => Err(error),
    }
}

fn or_skip(result: Result<Progress, Stop>) -> Result<Progress, FileError> {
    match result {
        Err(Stop::Skip(reason)) => Ok(Skipped(reason)),
        Err(Stop::Fail(error)) => Err(error),
        Ok(progress) => Ok(progress),
    }
}
