//! The files of OUT that alike itself writes beside the arranged ones, so that undo removes these and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::journal::{Corrupt, corrupt, from_line, to_line};
use super::{place, wire};
use crate::files::{At, FileError, sync_directory, write_whole};
use crate::source::Stamp;

/// Paths below OUT, with size and time where the file is known to be complete.
#[derive(Debug, Default)]
pub(super) struct Artefacts {
    files: BTreeMap<PathBuf, Option<Stamp>>,
    /// Bytes of the list up to a torn last line.
    valid: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(with = "wire::path")]
    path: PathBuf,
    #[serde(with = "wire::optional_stamp")]
    stamp: Option<Stamp>,
}

impl Artefacts {
    /// Reads the list; a torn last line is left out, as the file it names was never begun.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut files = BTreeMap::new();
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        for (at, line) in bytes[..whole].split_inclusive(|b| *b == b'\n').enumerate() {
            let Line { path, stamp } = from_line(at + 1, line)?;
            if !is_below(&path) {
                return Err(corrupt(at + 1, "its path leaves the output"));
            }
            files.insert(path, stamp);
        }
        Ok(Self { files, valid: whole as u64 })
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// Notes files that are about to be written, durably.
    pub(super) fn add(&mut self, list: &Path, new: Vec<PathBuf>) -> Result<(), FileError> {
        let mut lines = vec![];
        for path in new {
            lines.extend(to_line(&Line { path: path.clone(), stamp: None }).at("write", list)?);
            self.files.insert(path, None);
        }
        let append = || -> io::Result<()> {
            let mut file = File::options().create(true).truncate(false).write(true).open(list)?;
            file.set_len(self.valid)?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(&lines)?;
            file.sync_all()?;
            if self.valid == 0 { sync_directory(list.parent().unwrap_or(list)) } else { Ok(()) }
        };
        append().at("write", list)?;
        self.valid += lines.len() as u64;
        Ok(())
    }

    /// The files that somebody changed since they were sealed.
    pub(super) fn changed(&self, root: &Path) -> Vec<PathBuf> {
        let changed = |(path, sealed): &(&PathBuf, &Option<Stamp>)| {
            let now = fs::symlink_metadata(root.join(path)).and_then(|meta| place::stamp(&meta));
            matches!((now, sealed), (Ok(now), Some(sealed)) if now != *sealed)
        };
        self.files.iter().filter(changed).map(|(path, _)| path.clone()).collect()
    }

    /// Notes size and time of every file, now that they are complete.
    pub(super) fn seal(&mut self, root: &Path, list: &Path) -> Result<(), FileError> {
        for (path, _) in std::mem::take(&mut self.files) {
            let full = root.join(&path);
            match fs::symlink_metadata(&full).and_then(|meta| place::stamp(&meta)) {
                // What was never written is not ours when it appears.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                found => drop(self.files.insert(path, Some(found.at("read", &full)?))),
            }
        }
        let mut lines = vec![];
        for (path, stamp) in &self.files {
            lines.extend(to_line(&Line { path: path.clone(), stamp: *stamp }).at("write", list)?);
        }
        write_whole(list, |out| out.write_all(&lines))?;
        self.valid = lines.len() as u64;
        Ok(())
    }

    /// Removes every file that is as it was sealed, and its directory when empty. Returns what somebody changed.
    pub(super) fn remove(&self, root: &Path) -> Result<Vec<PathBuf>, FileError> {
        let mut changed = vec![];
        for (path, sealed) in &self.files {
            let full = root.join(path);
            let found = match fs::symlink_metadata(&full) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                found => found.at("read", &full)?,
            };
            if found.is_dir() || sealed.is_some_and(|sealed| place::stamp(&found).ok() != Some(sealed)) {
                changed.push(path.clone());
            } else {
                place::remove_if_there(&full).at("remove", &full)?;
            }
        }
        let directories: BTreeSet<&Path> = self.files.keys().flat_map(|path| path.ancestors().skip(1)).collect();
        for directory in directories.iter().rev().filter(|path| !path.as_os_str().is_empty()) {
            // One that isn't empty stays.
            let _ = fs::remove_dir(root.join(directory));
        }
        Ok(changed)
    }
}

/// Whether a path stays below the directory it is joined to.
pub(super) fn is_below(path: &Path) -> bool {
    path.file_name().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_output_are_read() {
        for path in ["/etc/passwd", "../x", "a/../../x", "", "."] {
            let line = to_line(&Line { path: path.into(), stamp: None }).unwrap();
            assert!(Artefacts::parse(&line).is_err(), "{path}");
        }
        let line = to_line(&Line { path: "report/a.jpg".into(), stamp: None }).unwrap();
        for len in 0..line.len() {
            assert_eq!(Artefacts::parse(&line[..len]).unwrap().files.len(), 0);
        }
        assert!(Artefacts::parse(&line).unwrap().contains("report/a.jpg".as_ref()));
    }
}
