//! The directory that an arrangement is made in: whose it is, who is working on it, what state it is in.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::artefacts::{Artefacts, is_below};
use super::journal::{Corrupt, Journal, Phase, SavedPlan, VERSION, corrupt};
use super::plan::two_components;
use super::{ArrangeError, Mode, place};
use crate::files::{At, is_temporary, write_whole};

/// What file managers leave in a directory that is empty to its owner.
const LITTER: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];
/// The directory below OUT with alike's own files.
const OWN: &str = ".alike";

/// A directory that is alike's to arrange in, locked against other runs while this value lives.
#[derive(Debug)]
pub struct Output {
    root: PathBuf,
    input: Option<PathBuf>,
    state: State,
    artefacts: Artefacts,
    /// `None` for a preview.
    lock: Option<Lock>,
}

/// What an output holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No arrangement.
    Fresh,
    /// An arrangement that was stopped: [`resume`](super::resume) or [`undo`](super::undo) it.
    Unfinished {
        /// How files were placed.
        mode: Mode,
        /// What the caller noted when it began.
        settings: String,
    },
    /// A whole arrangement.
    Finished {
        /// How files were placed.
        mode: Mode,
        /// What the caller noted when it began.
        settings: String,
    },
    /// An undo was stopped, or had to keep something: only [`undo`](super::undo) goes on from here.
    Undoing {
        /// How files were placed.
        mode: Mode,
        /// What the caller noted when it began.
        settings: String,
    },
}

/// Says that a directory is alike's.
#[derive(Serialize, Deserialize)]
struct Marker {
    version: u32,
    /// Whether alike made OUT itself, so that undo may remove it.
    made_root: bool,
}

impl Output {
    /// Takes `out` for this run: makes it if it's absent, marks it, locks it.
    ///
    /// `input` is what the images come from; `None` if that is no path. Links are followed, and case or mounts
    /// don't deceive: directories are compared by what they are.
    ///
    /// # Errors
    /// If `out` is neither absent nor empty nor alike's, is inside `input` or the reverse, can't be written to, is
    /// in use by another run, or holds an arrangement that can't be read.
    pub fn open(out: &Path, input: Option<&Path>) -> Result<Self, ArrangeError> {
        let mut output = Self::check(out, input)?;
        output.claim()?;
        output.load_all()?;
        Ok(output)
    }

    /// The same checks for a dry run: nothing is made or locked, and [`apply`](super::apply) only looks.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for what only writing shows.
    pub fn preview(out: &Path, input: Option<&Path>) -> Result<Self, ArrangeError> {
        let mut output = Self::check(out, input)?;
        output.load_all()?;
        Ok(output)
    }

    /// Opens an output that alike made before, to resume or undo it.
    ///
    /// # Errors
    /// If it isn't alike's; else as [`open`](Self::open).
    pub fn existing(out: &Path) -> Result<Self, ArrangeError> {
        if !out.join(OWN).join("marker").exists() {
            return Err(ArrangeError::NotOurs { path: out.to_owned() });
        }
        Self::open(out, None)
    }

    /// The directory, absolute and free of links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What it holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether every file that was placed is where it was put.
    ///
    /// # Errors
    /// If the arrangement can't be read.
    pub fn is_intact(&self) -> Result<bool, ArrangeError> {
        let stands = |destination: &Path| self.root.join(destination).symlink_metadata().is_ok();
        Ok(self.load()?.is_some_and(|(plan, journal)| {
            let mut placed = plan.operations.iter().enumerate().filter(|(at, _)| !journal.skipped.contains_key(at));
            placed.all(|(_, operation)| stands(&operation.destination))
        }))
    }

    /// Files that are in its directories already, as paths below it.
    ///
    /// # Errors
    /// If it can't be listed.
    pub fn taken(&self) -> Result<Vec<PathBuf>, ArrangeError> {
        let mut found = self.files()?;
        found.retain(|path| two_components(path).is_some());
        Ok(found)
    }

    /// Notes files that alike is about to write below OUT, so that undo removes them. Give many at once: a call
    /// waits for the disk once. Directories are not registered; undo removes those that it empties.
    ///
    /// # Errors
    /// If a path doesn't lie below OUT, something that isn't registered is there, or the note can't be written.
    pub fn register<P: AsRef<Path>>(&mut self, files: impl IntoIterator<Item = P>) -> Result<(), ArrangeError> {
        if self.is_preview() {
            return Ok(());
        }
        let mut new = vec![];
        for file in files {
            let (path, full) = (file.as_ref(), self.root.join(file.as_ref()));
            if !is_below(path) {
                Err(io::Error::new(ErrorKind::InvalidInput, "expected a path below the output")).at("write", path)?;
            }
            if !self.artefacts.contains(path) && place::exists(&full).at("read", &full)? {
                return Err(ArrangeError::Foreign { path: full });
            }
            new.push(path.to_owned());
        }
        let list = self.own("artefacts.jsonl");
        Ok(self.artefacts.add(&list, new)?)
    }

    /// Notes size and time of the registered files, all being written: undo keeps those that change later.
    ///
    /// # Errors
    /// If a file can't be looked at or the note not be written.
    pub fn seal(&mut self) -> Result<(), ArrangeError> {
        if self.is_preview() {
            return Ok(());
        }
        let list = self.own("artefacts.jsonl");
        Ok(self.artefacts.seal(&self.root, &list)?)
    }

    pub(super) fn is_preview(&self) -> bool {
        self.lock.is_none()
    }

    pub(super) fn input(&self) -> Option<&Path> {
        self.input.as_deref()
    }

    /// The path of one of alike's own files.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.root.join(OWN).join(name)
    }

    /// Every file below OUT but alike's own directory, as paths below OUT.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, ArrangeError> {
        if !place::exists(&self.root).at("read", &self.root)? {
            return Ok(vec![]);
        }
        let own = self.root.join(OWN);
        let walk = WalkDir::new(&self.root).sort_by_file_name().into_iter().filter_entry(|entry| entry.path() != own);
        let mut found = vec![];
        for entry in walk {
            let entry = entry.map_err(io::Error::from).at("list", &self.root)?;
            if !entry.file_type().is_dir() {
                found.extend(entry.path().strip_prefix(&self.root).map(Path::to_owned));
            }
        }
        Ok(found)
    }

    /// The arrangement on disk, if there is one.
    pub(super) fn load(&self) -> Result<Option<(SavedPlan, Journal)>, ArrangeError> {
        let (plan_path, journal_path) = (self.own("plan.jsonl"), self.own("journal.jsonl"));
        let Some(plan) = read(&plan_path)? else { return Ok(None) };
        let plan = SavedPlan::parse(&plan).map_err(|problem| ArrangeError::Corrupt { path: plan_path, problem })?;
        let check = |journal: Journal| {
            let whole = journal.phase != Phase::Finished || journal.done == plan.operations.len();
            match () {
                () if !journal.plan.is_empty() && journal.plan != plan.hash => Err(Corrupt::OtherPlan),
                () if journal.begun > plan.operations.len() || !whole => Err(corrupt(1, "it doesn't fit the plan")),
                () => Ok(journal),
            }
        };
        let journal = Journal::parse(&read(&journal_path)?.unwrap_or_default()).and_then(check);
        let journal = journal.map_err(|problem| ArrangeError::Corrupt { path: journal_path, problem })?;
        Ok(Some((plan, journal)))
    }

    /// Reads the state again after it was changed on disk.
    pub(super) fn refresh(&mut self) -> Result<(), ArrangeError> {
        self.state = match self.load()? {
            None => State::Fresh,
            Some((SavedPlan { header, .. }, journal)) => {
                let (mode, settings) = (header.mode, header.settings);
                match journal.phase {
                    Phase::Arranging => State::Unfinished { mode, settings },
                    Phase::Finished => State::Finished { mode, settings },
                    Phase::Undoing => State::Undoing { mode, settings },
                }
            }
        };
        Ok(())
    }

    /// An error that says what state this is in.
    pub(super) fn unready(&self) -> ArrangeError {
        let (found, advice) = match self.state {
            State::Fresh => ("no", "sort into it first"),
            State::Unfinished { .. } => ("an unfinished", "resume it or undo it first"),
            State::Finished { .. } => ("a finished", "undo it first or choose another directory"),
            State::Undoing { .. } => ("a partly undone", "undo it again"),
        };
        ArrangeError::Unready { path: self.root.clone(), found, advice }
    }

    /// A file registered that somebody changed since it was sealed.
    pub(super) fn changed_artefact(&self) -> Option<PathBuf> {
        self.artefacts.changed(&self.root).into_iter().next().map(|path| self.root.join(path))
    }

    /// Whether alike wrote this file beside the arranged ones, or was about to.
    pub fn is_registered(&self, path: &Path) -> bool {
        self.artefacts.contains(path)
    }

    /// Removes the files registered; returns those kept because somebody changed them.
    pub(super) fn remove_artefacts(&mut self) -> Result<Vec<PathBuf>, ArrangeError> {
        let changed = self.artefacts.remove(&self.root)?;
        if changed.is_empty() {
            let list = self.own("artefacts.jsonl");
            place::remove_if_there(&list).at("remove", &list)?;
            self.artefacts = Artefacts::default();
        }
        Ok(changed)
    }

    /// Gives the directory up: it is no longer alike's, and gone if alike made it and nothing is in it.
    pub(super) fn release(self) -> Result<(), ArrangeError> {
        let own = self.root.join(OWN);
        let made_root = self.marker()?.is_some_and(|marker| marker.made_root);
        for entry in fs::read_dir(&own).at("list", &own)? {
            let path = entry.at("list", &own)?.path();
            // The marker goes last: without it nobody could give the directory up any more.
            if path != self.own("marker") {
                let is_directory = path.is_dir() && !path.is_symlink();
                if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.at("remove", &path)?;
            }
        }
        fs::remove_dir_all(&own).at("remove", &own)?;
        if made_root {
            // One that isn't empty stays.
            let _ = fs::remove_dir(&self.root);
        }
        Ok(())
    }

    fn check(out: &Path, input: Option<&Path>) -> Result<Self, ArrangeError> {
        let root = resolve(out).at("use", out)?;
        if fs::symlink_metadata(&root).is_ok_and(|found| !found.is_dir()) {
            return Err(io::ErrorKind::NotADirectory.into()).at("sort into", out)?;
        }
        let input = input.map(|path| path.canonicalize().at("read", path)).transpose()?;
        if let Some(input) = &input {
            let contains = |outer: &Path, inner: &Path| {
                inner.ancestors().any(|above| same_file::is_same_file(above, outer).unwrap_or(above == outer))
            };
            if contains(input, &root) || contains(&root, input) {
                return Err(ArrangeError::Overlap { input: input.clone(), output: root });
            }
        }
        let output = Self { root, input, state: State::Fresh, artefacts: Artefacts::default(), lock: None };
        if output.marker()?.is_none() {
            output.check_empty()?;
        }
        Ok(output)
    }

    /// Whether nothing but litter, or what a run killed in its first instant left, is in the directory.
    fn check_empty(&self) -> Result<(), ArrangeError> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.at("list", &self.root)?,
        };
        let names: io::Result<Vec<OsString>> = entries.map(|entry| Ok(entry?.file_name())).collect();
        let is_left = |name: &OsString| name == OWN && !self.own("plan.jsonl").exists();
        let is_litter = |name: &OsString| LITTER.iter().any(|litter| name == litter);
        let is_foreign = |name: &OsString| !is_litter(name) && !is_left(name) && !is_temporary(name);
        match names.at("list", &self.root)?.into_iter().find(is_foreign) {
            Some(found) => Err(ArrangeError::NotEmpty { path: self.root.clone(), found }),
            None => Ok(()),
        }
    }

    fn marker(&self) -> Result<Option<Marker>, ArrangeError> {
        let path = self.own("marker");
        let own = self.root.join(OWN);
        if fs::symlink_metadata(&own).is_ok_and(|meta| !meta.is_dir()) {
            return Err(ArrangeError::Foreign { path: own });
        }
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let marker = serde_json::from_slice(&bytes).map_err(|e| corrupt(1, &e.to_string()));
        match marker.and_then(|m: Marker| if m.version == VERSION { Ok(m) } else { Err(Corrupt::Version(m.version)) }) {
            Ok(marker) => Ok(Some(marker)),
            Err(problem) => Err(ArrangeError::Corrupt { path, problem }),
        }
    }

    fn claim(&mut self) -> Result<(), ArrangeError> {
        let made_root = place::create_directories(&self.root)? > 0;
        place::create_directories(&self.root.join(OWN))?;
        self.lock = Some(self.take_lock()?);
        self.remove_temporary()?;
        if self.marker()?.is_none() {
            let marker = Marker { version: VERSION, made_root };
            write_whole(&self.own("marker"), |file| Ok(serde_json::to_writer(file, &marker)?))?;
        }
        Ok(())
    }

    /// Removes what a run killed while it wrote a file has left.
    fn remove_temporary(&self) -> Result<(), ArrangeError> {
        for entry in fs::read_dir(&self.root).at("list", &self.root)? {
            let entry = entry.at("list", &self.root)?;
            if is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                place::remove_if_there(&entry.path()).at("remove", &entry.path())?;
            }
        }
        Ok(())
    }

    fn take_lock(&self) -> Result<Lock, ArrangeError> {
        let path = self.own("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).at("write", &path)?;
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            // A file system without locks: no reason to refuse all work on it.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => true,
            Err(TryLockError::Error(e)) => Err(e).at("lock", &path)?,
        };
        // Another run may have given the directory up, lock and all, since the file was opened.
        let of_file = file.try_clone().and_then(same_file::Handle::from_file).at("lock", &path)?;
        if locked && same_file::Handle::from_path(&path).is_ok_and(|of_path| of_path == of_file) {
            Ok(Lock(file))
        } else {
            Err(ArrangeError::Locked { path: self.root.clone() })
        }
    }

    fn load_all(&mut self) -> Result<(), ArrangeError> {
        let path = self.own("artefacts.jsonl");
        let artefacts = Artefacts::parse(&read(&path)?.unwrap_or_default());
        self.artefacts = artefacts.map_err(|problem| ArrangeError::Corrupt { path, problem })?;
        self.refresh()
    }
}

/// A locked file. To close it isn't enough: a process being started by another thread holds it for a moment too.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock(); // Fails only where locks aren't supported.
    }
}

/// The absolute path free of links; what doesn't exist yet is taken as it is written.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    for ancestor in absolute.ancestors() {
        let rest = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
        match ancestor.canonicalize() {
            Err(e) if e.kind() == ErrorKind::NotFound && rest.components().all(|c| c != Component::ParentDir) => {}
            Ok(base) if rest.as_os_str().is_empty() => return Ok(base),
            base => return Ok(base?.join(rest)),
        }
    }
    Err(ErrorKind::NotFound.into())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ArrangeError> {
    match fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        bytes => Ok(Some(bytes.at("read", path)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_free_again_while_a_child_process_still_holds_its_lock_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let output = Output::open(&path, None).unwrap();
        let inherited = output.lock.as_ref().unwrap().0.try_clone().unwrap();
        assert!(matches!(Output::open(&path, None), Err(ArrangeError::Locked { .. })));
        drop(output);
        Output::open(&path, None).unwrap();
        drop(inherited);
    }
}
