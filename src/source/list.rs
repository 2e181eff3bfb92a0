//! A list of paths.

use std::path::{Path, PathBuf};

use super::disk::is_picture;
use super::names::os_string;
use super::table::{Row, from_rows};
use super::{Collection, Options, SourceError};
use crate::progress::Reporter;

/// Lists the pictures among the paths; other files, and those in
/// [`Options::exclude`], are passed over, as in a directory.
pub fn open(bytes: &[u8], options: &Options, reporter: &dyn Reporter) -> Result<Collection, SourceError> {
    let nul = bytes.contains(&0);
    let mut rows = Vec::new();
    let mut ignored = 0;
    for line in bytes.split(|&byte| byte == if nul { 0 } else { b'\n' }) {
        reporter.check()?;
        let path = if nul { line } else { line.strip_suffix(b"\r").unwrap_or(line) };
        if path.is_empty() {
            continue;
        }
        let file = PathBuf::from(os_string(path));
        let excluded = || options.exclude.is_some() && file.canonicalize().is_ok_and(|file| options.excludes(&file));
        // What can't be read is reported with the rest.
        if is_picture(&file).unwrap_or(true) && !excluded() {
            rows.push(Row { path: path.to_vec(), label: None, extra: Vec::new() });
        } else {
            ignored += 1;
        }
    }
    let collection = from_rows(rows, Path::new(""), Vec::new(), options, reporter)?;
    Ok(Collection { ignored, ..collection })
}
