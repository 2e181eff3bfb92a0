//! Where images come from: a directory, a stack of pictures in one file (IDX, CIFAR, npy), a table or list of paths,
//! an archive, or a single picture.
//!
//! Opening lists the images and reads no pixels. What is named in an input is hostile until read: headers are checked
//! against the file's size before anything is allocated for them, links out of a directory are not followed, and a
//! member of an archive is held to [`Options::max_bytes`].

mod archive;
mod companions;
mod data;
mod disk;
mod error;
mod folder;
mod kind;
mod list;
mod names;
mod stack;
mod table;

pub mod cifar;
pub mod idx;
pub mod npy;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use image::DynamicImage;

use crate::progress::Reporter;
use kind::Kind;

pub use data::Data;
pub use disk::is_picture;
pub use error::{Malformed, SourceError};
pub use names::relative_id as path_id;
pub use stack::{Layout, PixelOrder};

/// What the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A directory or a file.
    Path(PathBuf),
    /// Paths of images: one a line, or separated by NUL if there is one (as `find -print0` writes them).
    List(Vec<u8>),
}

/// Limits on what one image may take to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes of one image file or archive member, and of a stack of pictures that is gzipped (which must be
    /// inflated whole). The default is 1 GiB.
    pub max_bytes: u64,
    /// A directory whose files a list or a table must not bring in: where the images are sorted to. Absolute, free of
    /// links.
    pub exclude: Option<PathBuf>,
}

impl Options {
    /// Whether a path, absolute and free of links, is left out.
    fn excludes(&self, path: &Path) -> bool {
        self.exclude.as_ref().is_some_and(|directory| path.starts_with(directory))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { max_bytes: 1 << 30, exclude: None }
    }
}

/// Lists the images of an input, whose kind is told by its content and, where that says nothing, by its name.
///
/// | input | images, in their order |
/// |---|---|
/// | directory | the pictures below it, in bytewise order of their paths; hidden entries and `@eaDir` are left out |
/// | picture | itself |
/// | IDX, gzipped or not | the 8-bit pictures of 3 or 4 dimensions; a labels file beside it is found by its name |
/// | CIFAR-10 or -100 `.bin` | the 32 x 32 pictures, with their class |
/// | `.npy` | the pictures of an 8-bit array (n, h, w), (n, h, w, 1) or (n, h, w, 3) |
/// | `.csv`, `.parquet` | one a row, by the column `path`, relative to the table; `label` is the class |
/// | `.tar`, `.tar.gz`, `.tar.zst`, `.zip` | the pictures in it, read in place |
/// | list | the listed pictures, relative to the current directory |
///
/// Files that belong to a picture (RAW, XMP, the clip of a Live Photo, ...) become its companions.
///
/// # Errors
/// If the input can't be read, or isn't what it claims to be; [`SourceError::Embeddings`] if it holds embeddings
/// instead of images. What is wrong with one image is in [`Collection::skipped`], or comes when it is read.
pub fn open(input: &Input, options: &Options, reporter: &dyn Reporter) -> Result<Collection, SourceError> {
    reporter.begin("list", None);
    let collection = open_kind(input, options, reporter);
    reporter.end();
    collection
}

fn open_kind(input: &Input, options: &Options, reporter: &dyn Reporter) -> Result<Collection, SourceError> {
    let path = match input {
        Input::List(bytes) => return list::open(bytes, options, reporter),
        Input::Path(path) => path,
    };
    match Kind::of(path)? {
        Kind::Folder => folder::open(path, options, reporter),
        Kind::Picture => disk::open_one(path, options),
        Kind::Idx { gzip } => idx::open(path, gzip, options),
        Kind::Cifar => cifar::open(path),
        Kind::Npy => npy::open(path),
        Kind::Csv => table::open_csv(path, options, reporter),
        Kind::Parquet => table::open_parquet(path, options, reporter),
        Kind::Tar(compression) => archive::open_tar(path, compression, options, reporter),
        Kind::Zip => archive::open_zip(path, options, reporter),
    }
}

/// One image of a collection, not read yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique in its collection. For a directory or an archive the path below it, with `/`; for an IDX, CIFAR or
    /// npy file the zero-padded index; for a table or a list the path as written there. In a path, `\` is written
    /// `\\`, and control characters and bytes that are not UTF-8 are written `\xHH`, so that different names stay
    /// different.
    pub id: String,
    /// The file name to give the image when it is arranged, with its extension.
    pub name: OsString,
    /// The file, or the link to it, where the image is a whole file on disk.
    pub path: Option<PathBuf>,
    /// Size and time of that file, where a link leads to, when it was listed.
    pub stamp: Option<Stamp>,
    /// Files that belong to this one and travel with it: RAW of a RAW+JPEG pair, XMP and other side-cars, the clip
    /// of a Live Photo.
    pub companions: Vec<PathBuf>,
    /// The class that the collection itself states (labels file, CIFAR label, `label` column).
    pub label: Option<String>,
    /// The values of the table's other columns, in the order of [`Collection::columns`].
    pub extra: Vec<String>,
}

/// Size and modification time of a file, by which a change is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub len: u64,
    /// Last modification.
    pub modified: SystemTime,
}

/// What reading an item gives.
#[derive(Debug)]
pub enum Content {
    /// An encoded image file (JPEG, PNG, ...).
    Encoded(Vec<u8>),
    /// Pixels as stored; 8-bit grey or RGB only.
    Pixels(DynamicImage),
}

/// A set of images that can be read one by one.
pub trait Source: Send + Sync {
    /// All images, in the collection's order.
    fn items(&self) -> &[Item];

    /// Reads one image.
    ///
    /// # Errors
    /// If its file can't be read; the others still can.
    fn read(&self, index: usize) -> Result<Content, SourceError>;

    /// Whether reading in rising order of index, one at a time, is much cheaper than in any order
    /// (a compressed archive).
    fn sequential(&self) -> bool {
        false
    }
}

/// An opened input.
pub struct Collection {
    /// The images.
    pub source: Box<dyn Source>,
    /// What was left out while listing (unreadable directories, broken links, rows without a file, ...).
    pub skipped: Vec<crate::collection::Skipped>,
    /// Number of files that are no images (and no companions) and were passed over.
    pub ignored: usize,
    /// Names of the table's other columns.
    pub columns: Vec<String>,
}
