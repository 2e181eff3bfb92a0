//! Pictures in tar and zip archives, read in place.

mod tar;
mod zip;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

use super::names::{Guess, guess, id, is_hidden, os_string};
use super::{Item, SourceError};
use crate::decode::Format;

pub use tar::open as open_tar;
pub use zip::open as open_zip;

/// The pictures of an archive and where each lies; a later member replaces an earlier one of its name, as it would
/// when unpacked.
struct Members<P> {
    items: Vec<Item>,
    places: Vec<P>,
    by_id: HashMap<String, usize>,
    ignored: usize,
}

impl<P> Members<P> {
    fn new() -> Self {
        Self { items: Vec::new(), places: Vec::new(), by_id: HashMap::new(), ignored: 0 }
    }

    /// Adds a member if it is a picture: by its name, or else by its first bytes.
    fn add(&mut self, name: &[u8], place: P, content: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<()> {
        let path = os_string(name);
        let (Some(guess), Some(file_name)) = (judge(Path::new(&path)), Path::new(&path).file_name()) else {
            return Ok(());
        };
        if guess == Guess::Companion || guess == Guess::Unknown && Format::of(&content()?).is_none() {
            self.ignored += 1;
            return Ok(());
        }
        let id = id(name);
        match self.by_id.get(&id) {
            Some(&index) => self.places[index] = place,
            None => {
                self.by_id.insert(id.clone(), self.items.len());
                self.items.push(Item {
                    id,
                    name: file_name.to_owned(),
                    path: None,
                    stamp: None,
                    companions: Vec::new(),
                    label: None,
                    extra: Vec::new(),
                });
                self.places.push(place);
            }
        }
        Ok(())
    }
}

/// What a member's name promises; nothing if it is hidden, and so no part of the collection.
fn judge(path: &Path) -> Option<Guess> {
    let hidden = path.iter().any(|part| part != "." && part != ".." && is_hidden(part));
    (!hidden).then(|| guess(path))
}

/// The first bytes, by which a format is told.
fn peek(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(Format::PEEK);
    reader.take(Format::PEEK as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Reads a member to its end, however large it claimed to be, but no further than the limit.
fn read_limited(reader: impl Read, limit: u64, archive: &Path, member: &str) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let result = reader.take(limit + 1).read_to_end(&mut bytes);
    result.map_err(|source| member_error(archive, member, source))?;
    if bytes.len() as u64 > limit { Err(too_large(archive, member, limit)) } else { Ok(bytes) }
}

fn member_error(archive: &Path, member: &str, source: io::Error) -> SourceError {
    SourceError::Member { path: archive.into(), member: member.into(), source }
}

fn too_large(archive: &Path, member: &str, limit: u64) -> SourceError {
    SourceError::TooLarge { what: format!("{member} in {}", archive.display()), limit }
}
