//! Taking an arrangement back, finished or not.
//!
//! Nothing is believed but what is on disk: each operation that was begun is looked at and put right, so that an undo
//! killed halfway is simply run again. What can't be put right without losing bytes stays, and is reported.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::apply::{batches, pool};
use super::journal::{Journal, Line, SavedPlan, Writer};
use super::{ArrangeError, Mode, Operation, Output, State, place};
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
    /// Moved files that are no longer in OUT: where each was put, below it, and its old path.
    pub missing: Vec<(PathBuf, PathBuf)>,
    /// Files in OUT, as paths below it, that alike didn't put there. They stay.
    pub foreign: Vec<PathBuf>,
}

impl UndoReport {
    /// Whether nothing of ours was kept, and every moved file is back.
    pub fn complete(&self) -> bool {
        self.kept.is_empty() && self.missing.is_empty()
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
/// as it is now, unless something else is there; if somebody renamed or moved it within OUT, it is found by its size
/// and time. All that isn't alike's stays.
///
/// Unless that is all of it OUT keeps the journal, and undo can be run again.
///
/// # Errors
/// If the journal can't be read or written, or the user asked to stop: run it again then.
pub fn undo(mut out: Output, reporter: &dyn Reporter) -> Result<UndoReport, ArrangeError> {
    let report = take_back(&mut out, false, reporter)?;
    if report.complete() {
        out.release()?;
    }
    Ok(report)
}

/// [`undo`] of copies or links, but `out` stays alike's, to arrange in it anew. Copies that are kept are the user's
/// from then on.
///
/// # Errors
/// If `out` holds files that were moved there, or some of alike's that were changed since; nothing is touched then.
/// Else as [`undo`].
pub fn clear(out: &mut Output, reporter: &dyn Reporter) -> Result<UndoReport, ArrangeError> {
    if matches!(out.state(), State::Finished { mode: Mode::Move, .. } | State::Unfinished { mode: Mode::Move, .. }) {
        return Err(out.unready());
    }
    if let Some(path) = out.changed_artefact() {
        return Err(ArrangeError::Foreign { path });
    }
    take_back(out, true, reporter)
}

/// Takes all back; if something was kept, the arrangement is over only if it is to `end` all the same.
fn take_back(out: &mut Output, end: bool, reporter: &dyn Reporter) -> Result<UndoReport, ArrangeError> {
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
    if end || report.complete() {
        // The journal goes last: a plan alone would be begun again.
        for path in ["plan.jsonl", "journal.jsonl"].map(|name| out.own(name)) {
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
    let mut missing = Vec::new();
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
            match outcome {
                Outcome::Nothing => {}
                Outcome::Removed => report.removed += 1,
                Outcome::Returned => report.returned += 1,
                Outcome::Missing => missing.push(at),
                Outcome::Kept(reason) => report.kept.push(Kept { path: begun[at].destination.clone(), reason }),
            }
        }
        reporter.advance(range.len() as u64);
    }
    return_strays(plan, &missing, out, report)?;
    sync(begun, plan.header.mode, out.root())?;
    reporter.end();
    Ok(())
}

/// Looks for moved files that are not where they were put: somebody may have renamed a cluster's directory, or sorted
/// on by hand. One goes back if it alone in OUT has its size and time, or these and its name.
fn return_strays(
    plan: &SavedPlan,
    missing: &[usize],
    out: &Output,
    report: &mut UndoReport,
) -> Result<(), ArrangeError> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut strays: HashMap<Stamp, Vec<PathBuf>> = HashMap::new();
    for path in out.files()? {
        if let Ok(found) = fs::symlink_metadata(out.root().join(&path)).and_then(|meta| place::stamp(&meta)) {
            strays.entry(found).or_default().push(path);
        }
    }
    for &at in missing {
        let Operation { source: Some(source), destination, stamp: Some(stamp), .. } = &plan.operations[at] else {
            continue;
        };
        let found = strays.get_mut(stamp).and_then(|found| {
            let named = |path: &PathBuf| path.file_name() == destination.file_name();
            let mut places = (0..found.len()).filter(|&i| found.len() == 1 || named(&found[i]));
            match (places.next(), places.next()) {
                (Some(only), None) => Some(found.swap_remove(only)),
                _ => None,
            }
        });
        match found.map(|stray| (give_back(source, &out.root().join(&stray), &spare(plan, at, source)), stray)) {
            Some((Ok(Outcome::Returned), _)) => report.returned += 1,
            Some((Ok(Outcome::Kept(reason)), path)) => report.kept.push(Kept { path, reason }),
            Some((Err(e), path)) => report.kept.push(Kept { path, reason: e.to_string() }),
            Some((Ok(_), _)) | None => report.missing.push((destination.clone(), source.clone())),
        }
    }
    Ok(())
}

/// Where a file that goes back to another disk is made whole first.
fn spare(plan: &SavedPlan, at: usize, source: &Path) -> PathBuf {
    source.with_file_name(format!(".alike-{}-{at}", &plan.hash[..16]))
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
        (Some(source), Some(_)) if mode == Mode::Move => give_back(source, &path, &spare(plan, at, source)),
        (Some(source), Some(_)) => remove_copy(source, &path),
        (None, Some(found)) if found.modified()? != plan.made() => {
            Ok(Outcome::Kept("it changed since alike made it".into()))
        }
        (None, Some(_)) if !input_stands => {
            Ok(Outcome::Kept("what it was made from changed or is gone, and this may be the only copy".into()))
        }
        (None, Some(_)) => remove(&path),
    }
}

fn remove_copy(source: &Path, path: &Path) -> io::Result<Outcome> {
    match fs::metadata(source) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Ok(Outcome::Kept(format!("its original {source:?} is gone, and this may be the only copy")))
        }
        Err(e) => Err(e),
        Ok(_) if !place::survives(source, path)? => {
            Ok(Outcome::Kept(format!("its original {source:?} is now a link to it")))
        }
        // Times can be set back by an editor, so the bytes decide.
        Ok(_) if place::same_bytes(source, path)? => remove(path),
        Ok(_) => Ok(Outcome::Kept(format!("it or its original {source:?} changed since"))),
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
