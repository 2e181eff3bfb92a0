//! Taking an arrangement back, finished or not.
//!
//! Nothing is believed but what is on disk: each operation that was begun is looked at and put right, so that an undo
//! killed halfway is simply run again. What can't be put right without losing bytes stays, and is reported.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::apply::{batches, pool};
use super::journal::{Journal, Line, SavedPlan, Writer};
use super::{ArrangeError, Mode, Operation, Output, place};
use crate::files::{At, FileError};
use crate::progress::Reporter;
use crate::source::Stamp;

/// A file that an undo left in OUT, though alike had put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path below OUT.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What became of the files of an arrangement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoReport {
    /// Number of copies and links removed.
    pub removed: usize,
    /// Number of files moved back.
    pub returned: usize,
    /// Files that stay because removing or moving them could lose something.
    pub kept: Vec<Kept>,
    /// The old paths of moved files that somebody has taken away since.
    pub missing: Vec<PathBuf>,
    /// Files in OUT, as paths below it, that alike didn't put there. They stay.
    pub foreign: Vec<PathBuf>,
}

impl UndoReport {
    /// Whether nothing of ours was kept. If something was, OUT keeps its journal, and undo can be run again.
    pub fn complete(&self) -> bool {
        self.kept.is_empty()
    }
}

/// What became of one operation.
enum Outcome {
    /// There was nothing to take back.
    Nothing,
    Removed,
    Returned,
    Missing,
    Kept(String),
}

/// Takes an arrangement back, with all that alike wrote beside it; OUT goes too if alike made it and it is empty.
///
/// A copy or hard link is removed only while its original is at its old path with the same bytes, a symbolic link if
/// it is ours, a file made from bytes if it is untouched and so is the input. A moved file goes back to its old path
/// as it is now, unless something else is there. All that isn't alike's stays.
///
/// # Errors
/// If the journal can't be read or written, or the user asked to stop: run it again then.
pub fn undo(mut out: Output, reporter: &dyn Reporter) -> Result<UndoReport, ArrangeError> {
    let report = take_back(&mut out, reporter)?;
    if report.complete() {
        out.release()?;
    }
    Ok(report)
}

/// [`undo`], but `out` stays alike's, to arrange in it anew. It is [`Fresh`](super::State::Fresh) after a complete one.
///
/// # Errors
/// As [`undo`].
pub fn take_back(out: &mut Output, reporter: &dyn Reporter) -> Result<UndoReport, ArrangeError> {
    if out.is_preview() {
        return Err(out.unready());
    }
    let mut report = UndoReport::default();
    if let Some((plan, journal)) = out.load()? {
        begin(&plan, &journal, out)?;
        pool(out.root())?.install(|| operations(&plan, &journal, out, reporter, &mut report))?;
        for directory in &journal.directories {
            // One that isn't empty stays.
            let _ = fs::remove_dir(out.root().join(directory));
        }
    }
    let changed = out.remove_artefacts()?.into_iter();
    report.kept.extend(changed.map(|path| Kept { path, reason: "it changed since alike wrote it".into() }));
    if report.complete() {
        // The plan goes last: a journal alone would belong to nothing.
        for path in ["journal.jsonl", "plan.jsonl"].map(|name| out.own(name)) {
            place::remove_if_there(&path).at("remove", &path)?;
            place::sync_directories([&*out.own("")])?;
        }
    }
    out.refresh()?;
    let kept: HashSet<&Path> = report.kept.iter().map(|kept| &*kept.path).collect();
    report.foreign = out.files()?.into_iter().filter(|path| !kept.contains(&**path)).collect();
    Ok(report)
}

/// One line stands for every operation: taking back is safe to repeat, and no resume may start from here on.
fn begin(plan: &SavedPlan, journal: &Journal, out: &Output) -> Result<(), ArrangeError> {
    let mut writer = Writer::open(&out.own("journal.jsonl"), journal)?;
    if journal.plan.is_empty() {
        writer.write(&Line::Plan(plan.hash.clone()))?;
    }
    writer.write(&Line::Undoing)?;
    writer.sync()?;
    let staging = out.own("staging");
    if place::exists(&staging).at("read", &staging)? {
        fs::remove_dir_all(&staging).at("remove", &staging)?;
    }
    Ok(())
}

fn operations(
    plan: &SavedPlan,
    journal: &Journal,
    out: &Output,
    reporter: &dyn Reporter,
    report: &mut UndoReport,
) -> Result<(), ArrangeError> {
    let begun = &plan.operations[..journal.begun];
    let input_stands = input_stands(plan);
    reporter.begin("undo", Some(begun.len() as u64));
    for range in batches(begun, 0) {
        reporter.check()?;
        let outcomes: Vec<(usize, Outcome)> = range
            .clone()
            .into_par_iter()
            .filter(|at| !journal.skipped.contains_key(at))
            .map(|at| {
                let outcome = operation(plan, at, out.root(), input_stands);
                (at, outcome.unwrap_or_else(|e| Outcome::Kept(e.to_string())))
            })
            .collect();
        for (at, outcome) in outcomes {
            let Operation { source, destination, .. } = &begun[at];
            match outcome {
                Outcome::Nothing => {}
                Outcome::Removed => report.removed += 1,
                Outcome::Returned => report.returned += 1,
                Outcome::Missing => report.missing.extend(source.clone()),
                Outcome::Kept(reason) => report.kept.push(Kept { path: destination.clone(), reason }),
            }
        }
        reporter.advance(range.len() as u64);
    }
    sync(begun, plan.header.mode, out.root())?;
    reporter.end();
    Ok(())
}

/// The journal may only go when all this is on disk. Until then an undo can start over, so once is enough.
fn sync(operations: &[Operation], mode: Mode, root: &Path) -> Result<(), FileError> {
    if mode == Mode::Move {
        let old = operations.iter().filter_map(|o| o.source.as_deref()?.parent());
        place::sync_directories(old.collect::<BTreeSet<_>>())?;
    }
    let new: BTreeSet<&Path> = operations.iter().filter_map(|o| o.destination.parent()).collect();
    new.into_iter().try_for_each(|directory| place::sync_directories([&*root.join(directory)]))
}

/// Whether what files were made from is still as it was.
fn input_stands(plan: &SavedPlan) -> bool {
    let Some(input) = &plan.header.input else { return true };
    let now = fs::metadata(input).and_then(|meta| place::stamp(&meta));
    now.is_ok_and(|now| plan.header.input_stamp.is_none_or(|then| then == now))
}

fn operation(plan: &SavedPlan, at: usize, root: &Path, input_stands: bool) -> io::Result<Outcome> {
    let operation = &plan.operations[at];
    let path = root.join(&operation.destination);
    let found = match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        found => Some(found?),
    };
    let (source, mode) = (operation.source.as_deref(), plan.header.mode);
    match (source, found) {
        (Some(source), None) if mode == Mode::Move && !place::exists(source)? => Ok(Outcome::Missing),
        (_, None) => Ok(Outcome::Nothing),
        (Some(source), Some(found)) if mode == Mode::Symlink => {
            let ours = found.is_symlink() && fs::read_link(&path)? == source;
            if ours { remove(&path) } else { Ok(Outcome::Kept("it is no longer the link that alike made".into())) }
        }
        (_, Some(found)) if !found.is_file() => Ok(Outcome::Kept("it is no longer a file".into())),
        (Some(source), Some(_)) if mode == Mode::Move => {
            let spare = source.with_file_name(format!(".alike-{}-{at}", &plan.hash[..16]));
            give_back(source, &path, &spare)
        }
        (Some(source), Some(found)) => remove_copy(source, operation.stamp, &path, &found),
        (None, Some(found)) if found.modified()? != plan.made() => {
            Ok(Outcome::Kept("it changed since alike made it".into()))
        }
        (None, Some(_)) if !input_stands => {
            Ok(Outcome::Kept("what it was made from changed or is gone, and this may be the only copy".into()))
        }
        (None, Some(_)) => remove(&path),
    }
}

fn remove_copy(source: &Path, listed: Option<Stamp>, path: &Path, found: &fs::Metadata) -> io::Result<Outcome> {
    let original = match fs::metadata(source) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Ok(Outcome::Kept(format!("its original {source:?} is gone, and this may be the only copy")));
        }
        original => original?,
    };
    if !place::survives(source, path)? {
        return Ok(Outcome::Kept(format!("its original {source:?} is now a link to it")));
    }
    let as_listed = |meta: &fs::Metadata| listed.is_some() && place::stamp(meta).ok() == listed;
    if as_listed(found) && as_listed(&original) || place::same_bytes(source, path)? {
        remove(path)
    } else {
        Ok(Outcome::Kept(format!("it or its original {source:?} changed since")))
    }
}

fn give_back(source: &Path, path: &Path, spare: &Path) -> io::Result<Outcome> {
    if place::exists(source)? {
        let both = source.is_file() && place::survives(source, path)? && place::same_bytes(source, path)?;
        return match both {
            true => remove(path).map(|_| Outcome::Returned),
            false => Ok(Outcome::Kept(format!("something else is at its old path {source:?}"))),
        };
    }
    if let Some(parent) = source.parent() {
        place::create_directories(parent).map_err(|e| io::Error::new(e.source.kind(), e))?;
    }
    match place::rename_new(path, source) {
        Err(e) if e.kind() == ErrorKind::CrossesDevices => {}
        done => return done.map(|()| Outcome::Returned),
    }
    let copied =
        place::copy(path, spare).and_then(|()| place::sync(spare)).and_then(|()| place::same_bytes(path, spare));
    match copied.and_then(|same| if same { Ok(()) } else { Err(io::Error::other("its copy came out different")) }) {
        Ok(()) => place::rename_new(spare, source)?,
        Err(e) => {
            place::remove_if_there(spare)?;
            return Err(e);
        }
    }
    place::sync_directories(source.parent()).map_err(|e| io::Error::new(e.source.kind(), e))?;
    remove(path).map(|_| Outcome::Returned)
}

fn remove(path: &Path) -> io::Result<Outcome> {
    fs::remove_file(path).map(|()| Outcome::Removed)
}
