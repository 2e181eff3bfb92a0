//! What kind of input a path is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::SourceError;
use super::names::{Guess, extension, guess};
use crate::decode::Format;
use crate::files::At;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Folder,
    Picture,
    Idx { gzip: bool },
    Cifar,
    Npy,
    Csv,
    Parquet,
    Tar(Compression),
    Zip,
}

/// What a tar archive is packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Kind {
    pub fn of(path: &Path) -> Result<Self, SourceError> {
        let metadata = path.metadata().at("read", path)?;
        if metadata.is_dir() {
            return Ok(Self::Folder);
        }
        let unknown = || SourceError::Unknown { path: path.into() };
        if !metadata.is_file() {
            return Err(unknown());
        }
        let head = start(File::open(path).at("open", path)?).at("read", path)?;
        by_content(&head, path).or_else(|| by_name(path)).ok_or_else(unknown)
    }
}

/// The first bytes, as many as a tar header has.
fn start(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(512);
    reader.take(512).read_to_end(&mut head)?;
    Ok(head)
}

fn by_content(head: &[u8], path: &Path) -> Option<Kind> {
    match head {
        [0x1f, 0x8b, ..] => {
            let inner = start(MultiGzDecoder::new(File::open(path).ok()?)).ok()?;
            if is_idx(&inner) {
                Some(Kind::Idx { gzip: true })
            } else {
                is_tar(&inner).then_some(Kind::Tar(Compression::Gzip))
            }
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Kind::Tar(Compression::Zstd)),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Kind::Zip),
        [b'P', b'A', b'R', b'1', ..] => Some(Kind::Parquet),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Kind::Npy),
        _ if is_idx(head) => Some(Kind::Idx { gzip: false }),
        _ if is_tar(head) => Some(Kind::Tar(Compression::None)),
        // CIFAR has no magic: its first bytes are labels and pixels, which may look like anything.
        _ if extension(path) == "bin" => None,
        _ => Format::of(head).map(|_| Kind::Picture),
    }
}

/// For what has no magic, and for damaged files, so that the error tells what is wrong with them.
fn by_name(path: &Path) -> Option<Kind> {
    match extension(path).as_str() {
        "bin" => Some(Kind::Cifar),
        "npy" => Some(Kind::Npy),
        "csv" => Some(Kind::Csv),
        "parquet" => Some(Kind::Parquet),
        "tar" => Some(Kind::Tar(Compression::None)),
        "tgz" => Some(Kind::Tar(Compression::Gzip)),
        "zip" => Some(Kind::Zip),
        _ => (guess(path) == Guess::Image).then_some(Kind::Picture),
    }
}

/// Two zero bytes, a known element type, and a small number of dimensions.
fn is_idx(head: &[u8]) -> bool {
    matches!(head, [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=4, ..])
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}
