//! Files that appear whole or not at all, and I/O errors that name their file.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An I/O error that says what was being done to which file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried: "read", "write", "create".
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Gives an [`io::Result`] the file it is about.
pub trait At<T> {
    /// Names the action and the path.
    ///
    /// # Errors
    /// The same error, with both.
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError { action, path: path.to_owned(), source })
    }
}

/// Writes `path` through `write`: to a temporary file beside it, synced, then renamed over it.
///
/// # Errors
/// Any I/O error; `path` is then as it was before.
///
/// ```
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("a.txt");
/// alike::files::write_whole(&path, |out| std::io::Write::write_all(out, b"whole"))?;
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FileError> {
    let parent = parent(path);
    let attempt = || -> io::Result<()> {
        let mut out = BufWriter::new(temporary(parent)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(|e| e.into_error())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        sync_directory(parent)
    };
    attempt().at("write", path)
}

/// Fails early if `path` can't become a file: its directory is missing or can't be written to, or it is a directory.
///
/// # Errors
/// What [`write_whole`] would say, at the end of the work.
pub fn check_writable(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into()).at("write", path);
    }
    tempfile::tempfile_in(parent(path)).map(drop).at("write", path)
}

/// Puts `bytes` at `path` in one step as [`write_whole`] does, but leaves it to the system when they reach the disk.
/// For the thousands of small files that a later run can make again.
///
/// # Errors
/// Any I/O error; `path` is then as it was before.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let attempt = || -> io::Result<()> {
        let mut file = temporary(parent(path))?;
        file.write_all(bytes)?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    attempt().at("write", path)
}

/// What the names of files begin with while they are being written; six letters or digits follow.
const TEMPORARY: &str = ".alike-";

/// Whether a file of this name is one that [`write_whole`] had not finished when it was killed.
///
/// ```
/// assert!(alike::files::is_temporary(".alike-a1B2c3".as_ref()) && !alike::files::is_temporary(".alike".as_ref()));
/// ```
pub fn is_temporary(name: &std::ffi::OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY));
    random.is_some_and(|random| random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A file without a name yet that belongs in `directory`.
fn temporary(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        // A temporary file is private by default; this one becomes a result, so the umask decides.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the entries of a directory durable, where the system can.
///
/// # Errors
/// Any I/O error.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { std::fs::File::open(path)?.sync_all() } else { Ok(()) }
}
