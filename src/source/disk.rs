//! Pictures that are whole files on disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::names::{Guess, guess, relative_id};
use super::{Collection, Content, Item, Options, Source, SourceError, Stamp, companions};
use crate::collection::{Skipped, Stage};
use crate::decode::Format;
use crate::files::{At, FileError};

/// Items and where their bytes are.
pub struct Files {
    items: Vec<Item>,
    paths: Vec<PathBuf>,
    max_bytes: u64,
}

impl Files {
    pub fn new(items: Vec<Item>, paths: Vec<PathBuf>, options: &Options) -> Self {
        Self { items, paths, max_bytes: options.max_bytes }
    }
}

impl Source for Files {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn read(&self, index: usize) -> Result<Content, SourceError> {
        let path = &self.paths[index];
        let too_large = || SourceError::TooLarge { what: path.display().to_string(), limit: self.max_bytes };
        let file = File::open(path).at("open", path)?;
        let size = file.metadata().at("read", path)?.len();
        if size > self.max_bytes {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(self.max_bytes + 1).read_to_end(&mut bytes).at("read", path)?;
        if bytes.len() as u64 > self.max_bytes { Err(too_large()) } else { Ok(Content::Encoded(bytes)) }
    }
}

/// A file as an item without companions.
///
/// # Errors
/// If it can't be read or is no file.
pub fn item(id: String, path: &Path) -> Result<Item, FileError> {
    let metadata = path.metadata().at("read", path)?;
    if !metadata.is_file() {
        return Err(not_a_file(path));
    }
    Ok(Item {
        id,
        name: path.file_name().unwrap_or_default().to_owned(),
        path: Some(path.to_owned()),
        stamp: metadata.modified().ok().map(|modified| Stamp { len: metadata.len(), modified }),
        companions: Vec::new(),
        label: None,
        extra: Vec::new(),
    })
}

fn not_a_file(path: &Path) -> FileError {
    FileError { action: "read", path: path.to_owned(), source: std::io::Error::other("it is not a file") }
}

/// Whether a file is a picture: by its extension, or else by its first bytes.
///
/// # Errors
/// If those can't be read.
pub fn is_picture(path: &Path) -> Result<bool, FileError> {
    match guess(path) {
        Guess::Image => Ok(true),
        Guess::Companion => Ok(false),
        // Opening a pipe could wait forever.
        Guess::Unknown if !path.metadata().at("read", path)?.is_file() => Err(not_a_file(path)),
        Guess::Unknown => {
            let mut head = Vec::with_capacity(Format::PEEK);
            File::open(path).at("open", path)?.take(Format::PEEK as u64).read_to_end(&mut head).at("read", path)?;
            Ok(Format::of(&head).is_some())
        }
    }
}

/// A single picture as a collection.
pub fn open_one(path: &Path, options: &Options) -> Result<Collection, SourceError> {
    let id = relative_id(Path::new(path.file_name().unwrap_or(path.as_os_str())));
    let mut items = vec![item(id, path)?];
    attach_siblings(&mut items);
    let source = Box::new(Files::new(items, vec![path.to_owned()], options));
    Ok(Collection { source, skipped: Vec::new(), ignored: 0, columns: Vec::new() })
}

/// Finds the companions of pictures that were named one by one. A directory that can't be listed gives none.
pub fn attach_siblings(items: &mut [Item]) {
    let directories: BTreeSet<PathBuf> =
        items.iter().filter_map(|item| Some(item.path.as_ref()?.parent()?.to_owned())).collect();
    let mut files = Vec::new();
    for directory in directories {
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        for entry in fs::read_dir(here).into_iter().flatten().flatten() {
            let path = directory.join(entry.file_name());
            if guess(&path) == Guess::Companion && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                files.push(path);
            }
        }
    }
    companions::attach(items, files);
}

/// An image left out while listing.
pub fn skipped(id: String, reason: impl ToString) -> Skipped {
    Skipped { id, stage: Stage::Read, reason: reason.to_string() }
}
