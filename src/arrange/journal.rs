//! What an arrangement leaves on disk to be finished or taken back: the plan, saved whole before the first change,
//! and the journal, a line before each batch of changes and one after it.
//!
//! Both are JSON lines; a path that is no text is kept as the system's own units. A journal's last line may be torn,
//! as it was being written when the power went; nothing had been done on its word yet. Anything else that makes no
//! sense is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::plan::{Operation, two_components};
use super::{Mode, wire};
use crate::collection::Skipped;
use crate::files::{At, FileError, write_whole};
use crate::source::Stamp;

/// The version of the plan's and journal's format.
pub const VERSION: u32 = 1;

/// The latest time of an arrangement, in seconds since 1970, that every system can add up: the year 9999.
const LATEST: u64 = 253_402_300_799;

/// What is wrong with a file of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// Another alike's.
    #[error("has format version {0} and this alike reads {VERSION}: use the alike that wrote it")]
    Version(u32),
    /// Not what alike writes.
    #[error("is corrupt in line {line}: {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What was found.
        problem: String,
    },
    /// Plan and journal of different arrangements.
    #[error("belongs to another plan than the one beside it")]
    OtherPlan,
}

/// The first line of a saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// How files are placed.
    pub mode: Mode,
    /// The caller's own note.
    pub settings: String,
    /// What the images were taken from, if that was a path, and its size and time if it was a file.
    #[serde(with = "wire::optional_path")]
    pub input: Option<PathBuf>,
    /// See `input`.
    #[serde(with = "wire::optional_stamp")]
    pub input_stamp: Option<Stamp>,
    /// Time of modification, in seconds since 1970, of the files that are made from bytes. Even, so that every file
    /// system can hold it exactly and undo can tell an untouched one by it.
    pub made: u64,
    /// Number of images planned, with those skipped.
    pub n_images: usize,
    /// Number of lines that follow, one [`Operation`] each.
    pub n_operations: usize,
    /// Images that can't be placed.
    pub skipped: Vec<Skipped>,
}

/// A plan as saved.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedPlan {
    /// What the operations have in common.
    pub header: Header,
    /// What is to be done, in order.
    pub operations: Vec<Operation>,
    /// Hash of the file; the journal repeats it.
    pub hash: String,
}

impl SavedPlan {
    /// Reads a plan that [`apply`](super::apply) saved.
    ///
    /// # Errors
    /// If anything about it is not as written.
    pub fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        let first = lines.first().ok_or_else(|| corrupt(1, "it is empty"))?;
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = from_line(1, first)?;
        if version != VERSION {
            return Err(Corrupt::Version(version));
        }
        let header: Header = from_line(1, first)?;
        let operations = lines[1..].iter().enumerate().map(|(at, line)| from_line(at + 2, line));
        let operations: Vec<Operation> = operations.collect::<Result<_, _>>()?;
        if header.made > LATEST {
            return Err(corrupt(1, "its time is out of range"));
        }
        if operations.len() != header.n_operations {
            let problem = format!("{} operations were expected, {} found", header.n_operations, operations.len());
            return Err(corrupt(lines.len(), &problem));
        }
        let images = operations.iter().filter(|o| !o.companion).count();
        if images.checked_add(header.skipped.len()) != Some(header.n_images) {
            return Err(corrupt(1, "its number of images is not that of the lines"));
        }
        for (at, operation) in operations.iter().enumerate() {
            let follows = at > 0 && operations[at - 1].image == operation.image;
            if operation.image >= header.n_images
                || operation.companion != follows
                || operation.source.is_none() && (operation.companion || header.mode != Mode::Copy)
                || two_components(&operation.destination).is_none()
            {
                return Err(corrupt(at + 2, "it describes no operation"));
            }
        }
        Ok(Self { header, operations, hash: blake3::hash(bytes).to_hex().to_string() })
    }

    /// Writes `path` whole.
    pub(super) fn save(path: &Path, header: Header, operations: Vec<Operation>) -> Result<Self, FileError> {
        let mut hasher = blake3::Hasher::new();
        write_whole(path, |out| {
            let mut put = |line: Vec<u8>| {
                hasher.update(&line);
                out.write_all(&line)
            };
            put(to_line(&header)?)?;
            operations.iter().try_for_each(|operation| put(to_line(operation)?))
        })?;
        Ok(Self { header, operations, hash: hasher.finalize().to_hex().to_string() })
    }

    /// The time given to files made from bytes.
    pub(super) fn made(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.header.made)
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// The first: the hash of the plan it is about.
    Plan(String),
    /// These directories below OUT are about to be made.
    Directories(BTreeSet<String>),
    /// These operations are about to be done.
    Begin(Range<usize>),
    /// They are done, but for those skipped.
    Done(Range<usize>, BTreeMap<usize, String>),
    /// All are done.
    Finished,
    /// They are being taken back.
    Undoing,
}

/// How far an arrangement has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Files are being placed.
    #[default]
    Arranging,
    /// All are placed.
    Finished,
    /// They are being taken back.
    Undoing,
}

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    /// Hash of the plan; empty if nothing was written yet.
    pub plan: String,
    /// Directories below OUT that were made.
    pub directories: BTreeSet<String>,
    /// The operations before this one are done.
    pub done: usize,
    /// The operations from this one on were never begun.
    pub begun: usize,
    /// Operations that were given up, and why.
    pub skipped: BTreeMap<usize, String>,
    /// How far it is.
    pub phase: Phase,
    /// Bytes up to a torn last line.
    valid: usize,
}

impl Journal {
    /// Reads a journal, leaving a torn last line out.
    ///
    /// # Errors
    /// If a line before the last makes no sense or comes out of order.
    pub fn parse(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut journal = Self::default();
        for (at, text) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            let is_last = journal.valid + text.len() == bytes.len();
            match from_line(at + 1, text) {
                Ok(line) => journal.read(at + 1, line)?,
                Err(_) if is_last => break,
                Err(e) => return Err(e),
            }
            journal.valid += text.len();
        }
        Ok(journal)
    }

    fn read(&mut self, at: usize, line: Line) -> Result<(), Corrupt> {
        let in_order = match line {
            Line::Plan(hash) => {
                self.plan = hash;
                at == 1
            }
            Line::Directories(names) => {
                self.directories.extend(names);
                self.phase == Phase::Arranging
            }
            Line::Begin(range) => {
                let next = range.start == self.done && range.start < range.end && self.phase == Phase::Arranging;
                self.begun = self.begun.max(range.end);
                next
            }
            Line::Done(range, skipped) => {
                let ends = range.start == self.done && range.start < range.end && range.end <= self.begun;
                let inside = skipped.keys().all(|at| range.contains(at));
                self.done = range.end;
                self.skipped.extend(skipped);
                ends && inside && self.phase == Phase::Arranging
            }
            Line::Finished => std::mem::replace(&mut self.phase, Phase::Finished) == Phase::Arranging,
            Line::Undoing => {
                self.phase = Phase::Undoing;
                true
            }
        };
        let complete = self.phase != Phase::Finished || self.done == self.begun;
        if in_order && complete && !self.plan.is_empty() { Ok(()) } else { Err(corrupt(at, "it is out of order")) }
    }
}

/// A journal being written. Nothing is durable before [`sync`](Self::sync).
pub(super) struct Writer {
    file: File,
    path: PathBuf,
}

impl Writer {
    /// Goes on after what `journal` says, which was read from `path`.
    pub(super) fn open(path: &Path, journal: &Journal) -> Result<Self, FileError> {
        let open = || {
            let mut file = File::options().create(true).truncate(false).write(true).open(path)?;
            file.set_len(journal.valid as u64)?;
            file.seek(SeekFrom::End(0))?;
            file.sync_all()?;
            Ok(file)
        };
        Ok(Self { file: open().at("write", path)?, path: path.to_owned() })
    }

    pub(super) fn write(&mut self, line: &Line) -> Result<(), FileError> {
        to_line(line).and_then(|line| self.file.write_all(&line)).at("write", &self.path)
    }

    pub(super) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_data().at("write", &self.path)
    }
}

pub(super) fn corrupt(line: usize, problem: &str) -> Corrupt {
    Corrupt::Line { line, problem: problem.to_owned() }
}

pub(super) fn from_line<T: for<'de> Deserialize<'de>>(at: usize, line: &[u8]) -> Result<T, Corrupt> {
    let line = line.strip_suffix(b"\n").ok_or_else(|| corrupt(at, "it has no end"))?;
    serde_json::from_slice(line).map_err(|e| corrupt(at, &e.to_string()))
}

pub(super) fn to_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(image: usize, source: &Path) -> Operation {
        let stamp = Stamp { len: 3, modified: UNIX_EPOCH - Duration::new(5, 250) };
        let destination = Path::new("c").join(source.file_name().unwrap());
        let source = Some(source.to_owned());
        Operation { image, id: "a".into(), companion: false, source, stamp: Some(stamp), destination }
    }

    fn saved(operations: Vec<Operation>) -> (SavedPlan, Vec<u8>) {
        let header = Header {
            version: VERSION,
            mode: Mode::Move,
            settings: "{\"k\":3}".into(),
            input: Some("/in".into()),
            input_stamp: None,
            made: 1_700_000_000,
            n_images: operations.len(),
            n_operations: operations.len(),
            skipped: vec![],
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let saved = SavedPlan::save(file.path(), header, operations).unwrap();
        (saved, std::fs::read(file.path()).unwrap())
    }

    #[test]
    fn a_plan_reads_back() {
        let mut paths = vec![PathBuf::from("/x/a\nb\"c\\ä.jpg"), "relative/ .jpg".into()];
        #[cfg(unix)]
        paths.push(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"/x/\xFF\xFE.jpg").into());
        let (saved, bytes) = saved(paths.iter().enumerate().map(|(image, path)| operation(image, path)).collect());
        assert_eq!(SavedPlan::parse(&bytes).unwrap(), saved);
    }

    #[test]
    fn a_cut_or_changed_plan_is_an_error_or_has_another_hash() {
        let (saved, bytes) = saved(vec![operation(0, "/x/a".as_ref()), operation(1, "/x/b".as_ref())]);
        for len in 0..bytes.len() {
            assert!(SavedPlan::parse(&bytes[..len]).is_err(), "{len}");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(SavedPlan::parse(&bytes).map_or(true, |plan| plan.hash != saved.hash), "{at}");
        }
    }

    #[test]
    fn a_hostile_plan_is_an_error() {
        let (_, bytes) = saved(vec![operation(0, "/x/a".as_ref())]);
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [
            ("\"c/a\"", "\"../a\""),
            ("\"c/a\"", "\"/c/a\""),
            ("\"image\":0", "\"image\":1"),
            ("\"n_images\":1", "\"n_images\":18446744073709551615"),
            ("\"companion\":false", "\"companion\":true"),
            ("\"version\":1", "\"version\":2"),
            ("\"/x/a\"", "null"),
            ("\"made\":1700000000", "\"made\":18446744073709551615"),
        ] {
            assert!(text.contains(from), "{from}: {text}");
            assert!(SavedPlan::parse(text.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }

    fn lines(lines: &[Line]) -> Vec<u8> {
        lines.iter().flat_map(|line| to_line(line).unwrap()).collect()
    }

    #[test]
    fn a_journal_cut_anywhere_says_what_its_whole_lines_say() {
        let skipped = BTreeMap::from([(3, "gone\n".to_owned())]);
        let whole = [
            Line::Plan("h".into()),
            Line::Directories(["c".into()].into()),
            Line::Begin(0..4),
            Line::Done(0..4, skipped.clone()),
            Line::Begin(4..6),
            Line::Begin(4..8),
            Line::Done(4..8, BTreeMap::new()),
            Line::Finished,
            Line::Undoing,
        ];
        let bytes = lines(&whole);
        let journal = Journal::parse(&bytes).unwrap();
        assert_eq!((journal.done, journal.begun, journal.phase), (8, 8, Phase::Undoing));
        assert_eq!(journal.skipped, skipped);
        for len in 0..bytes.len() {
            let torn = Journal::parse(&bytes[..len]).unwrap();
            let cut = bytes[..len].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            assert_eq!(torn, Journal::parse(&bytes[..cut]).unwrap());
        }
        let zeros = [&bytes[..], &[0; 100]].concat();
        assert_eq!(Journal::parse(&zeros).unwrap(), journal);
    }

    #[test]
    fn a_journal_out_of_order_is_an_error() {
        let start = Line::Plan("h".into());
        for wrong in [
            vec![Line::Begin(0..1)],
            vec![start.clone(), Line::Begin(1..2)],
            vec![start.clone(), Line::Begin(0..0)],
            vec![start.clone(), Line::Done(0..1, BTreeMap::new())],
            vec![start.clone(), Line::Begin(0..2), Line::Done(0..2, BTreeMap::from([(2, String::new())]))],
            vec![start.clone(), Line::Begin(0..2), Line::Finished],
            vec![start.clone(), Line::Undoing, Line::Begin(0..1)],
            vec![start.clone(), start.clone()],
        ] {
            assert!(Journal::parse(&lines(&wrong)).is_err(), "{wrong:?}");
        }
        let mut bytes = lines(&[start, Line::Begin(0..1), Line::Done(0..1, BTreeMap::new())]);
        bytes[15] = b'x';
        assert!(Journal::parse(&bytes).is_err());
    }

    #[test]
    fn a_writer_goes_on_after_a_torn_line() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("journal");
        std::fs::write(&path, [lines(&[Line::Plan("h".into())]), b"{\"begin\":".into()].concat())?;
        let journal = Journal::parse(&std::fs::read(&path)?)?;
        Writer::open(&path, &journal)?.write(&Line::Begin(0..2))?;
        assert_eq!(Journal::parse(&std::fs::read(&path)?)?.begun, 2);
        Ok(())
    }
}
