//! zip archives: the directory at their end says where each member is.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::zip::{CompressionMethod, ZipArchive};

use super::{Members, judge, member_error, peek, read_limited, too_large};
use crate::files::At;
use crate::progress::Reporter;
use crate::source::data::{Data, Place};
use crate::source::disk::skipped;
use crate::source::names::{Guess, id};
use crate::source::{Collection, Content, Item, Malformed, Options, Source, SourceError};

struct Zip {
    path: PathBuf,
    archive: ZipArchive<Place>,
    items: Vec<Item>,
    indices: Vec<usize>,
    max_bytes: u64,
}

pub fn open(path: &Path, options: &Options, reporter: &dyn Reporter) -> Result<Collection, SourceError> {
    let data = Arc::new(Data::File(File::open(path).at("open", path)?));
    let mut archive = ZipArchive::new(Place { data, position: 0 })
        .map_err(|e| Malformed::new("a zip archive", e.to_string()).at(path))?;
    let mut members = Members::new();
    let mut left_out = Vec::new();
    for index in 0..archive.len() {
        reporter.check()?;
        reporter.advance(1);
        match inspect(&mut archive, index, &mut members) {
            Ok(None) => {}
            Ok(Some((name, reason))) => {
                left_out.push(skipped(id(&name), format!("{reason}: unpack the archive first")))
            }
            Err((name, error)) => left_out.push(skipped(id(&name), error)),
        }
    }
    let Members { items, places: indices, ignored, .. } = members;
    let source = Box::new(Zip { path: path.into(), archive, items, indices, max_bytes: options.max_bytes });
    Ok(Collection { source, skipped: left_out, ignored, columns: Vec::new() })
}

type Named<T> = (Vec<u8>, T);

/// Adds one member, or says why it can't be read.
fn inspect(
    archive: &mut ZipArchive<Place>,
    index: usize,
    members: &mut Members<usize>,
) -> Result<Option<Named<&'static str>>, Named<io::Error>> {
    let member = archive.by_index_raw(index).map_err(|e| (format!("member {index}").into_bytes(), e.into()))?;
    if !member.is_file() {
        return Ok(None);
    }
    let name = member.name().map_or_else(|_| member.name_raw().to_vec(), |name| name.as_bytes().to_vec());
    let method = member.compression();
    let encrypted = member.encrypted();
    drop(member);
    let known = matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated | CompressionMethod::Zstd);
    if encrypted || !known {
        if judge(Path::new(&*String::from_utf8_lossy(&name))) != Some(Guess::Image) {
            members.ignored += 1;
            return Ok(None);
        }
        let reason = if encrypted { "it is encrypted" } else { "it is compressed by a rare method" };
        return Ok(Some((name, reason)));
    }
    let content = || peek(archive.by_index(index).map_err(io::Error::from)?);
    members.add(&name, index, content).map(|()| None).map_err(|e| (name, e))
}

impl Source for Zip {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn read(&self, index: usize) -> Result<Content, SourceError> {
        let id = &self.items[index].id;
        // The directory is shared by all copies; only the place in the file is each one's own.
        let mut archive = self.archive.clone();
        let member = archive.by_index(self.indices[index]).map_err(|e| member_error(&self.path, id, e.into()))?;
        if member.size() > self.max_bytes {
            return Err(too_large(&self.path, id, self.max_bytes));
        }
        read_limited(member, self.max_bytes, &self.path, id).map(Content::Encoded)
    }
}
