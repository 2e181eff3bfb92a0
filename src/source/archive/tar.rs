//! tar archives: one pass finds the members, then each is read where it lies. A compressed archive can't be entered
//! in the middle, so it keeps one decoder that moves forward, and starts again when asked to go back.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ::tar::{Archive, Entry, EntryType, PaxExtensions};
use flate2::read::MultiGzDecoder;

use super::{Members, peek, read_limited, too_large};
use crate::files::At;
use crate::progress::Reporter;
use crate::source::data::{Data, Place};
use crate::source::disk::skipped;
use crate::source::kind::Compression;
use crate::source::{Collection, Content, Item, Malformed, Options, Source, SourceError};

/// Longest name of a member, and largest block of its other attributes.
const MAX_NAME: u64 = 1 << 16;

/// Where a member's bytes are in the unpacked archive.
#[derive(Clone, Copy)]
struct Span {
    offset: u64,
    size: u64,
}

enum Bytes {
    Plain(Arc<Data>),
    Packed(Mutex<Option<Cursor>>, Compression),
}

struct Tar {
    path: PathBuf,
    bytes: Bytes,
    items: Vec<Item>,
    spans: Vec<Span>,
    max_bytes: u64,
}

pub fn open(
    path: &Path,
    compression: Compression,
    options: &Options,
    reporter: &dyn Reporter,
) -> Result<Collection, SourceError> {
    let mut members = Members::new();
    let listed = match compression {
        Compression::None => {
            let file = File::open(path).at("open", path)?;
            let length = file.metadata().at("read", path)?.len();
            let mut archive = Archive::new(file);
            archive.entries_with_seek().map(|entries| list(entries.raw(true), length, &mut members, reporter))
        }
        _ => {
            let mut archive = Archive::new(unpack(path, compression).at("open", path)?);
            archive.entries().map(|entries| list(entries.raw(true), u64::MAX, &mut members, reporter))
        }
    };
    let mut left_out = Vec::new();
    if let Err(error) = listed.unwrap_or_else(Err) {
        reporter.check()?;
        if members.items.is_empty() {
            return Err(Malformed::new("a tar archive", error.to_string()).at(path));
        }
        // What came before the damage is as good as ever.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        left_out.push(skipped(name.into(), format!("the archive can't be read after this point: {error}")));
    }
    let bytes = match compression {
        Compression::None => Bytes::Plain(Arc::new(Data::File(File::open(path).at("open", path)?))),
        _ => Bytes::Packed(Mutex::new(None), compression),
    };
    let Members { items, places: spans, ignored, .. } = members;
    let source = Box::new(Tar { path: path.into(), bytes, items, spans, max_bytes: options.max_bytes });
    Ok(Collection { source, skipped: left_out, ignored, columns: Vec::new() })
}

fn unpack(path: &Path, compression: Compression) -> io::Result<Box<dyn Read + Send>> {
    let file = BufReader::new(File::open(path)?);
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
    })
}

/// Lists the regular files of an archive of `length` bytes, and further names of theirs (hard links). The records that
/// carry long names are read here, because the tar crate would take them into memory at any size.
fn list<'a, R: Read + 'a>(
    entries: impl Iterator<Item = io::Result<Entry<'a, R>>>,
    length: u64,
    members: &mut Members<Span>,
    reporter: &dyn Reporter,
) -> io::Result<()> {
    let (mut long_name, mut long_link) = (None, None);
    let mut spans: HashMap<Vec<u8>, (Span, Vec<u8>)> = HashMap::new();
    for entry in entries {
        reporter.check().map_err(io::Error::other)?;
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long_name = Some(until_zero(attributes(&mut entry)?)),
            EntryType::GNULongLink => long_link = Some(until_zero(attributes(&mut entry)?)),
            EntryType::XHeader => {
                let records = attributes(&mut entry)?;
                for record in PaxExtensions::new(&records).flatten() {
                    match record.key_bytes() {
                        b"path" => long_name = Some(record.value_bytes().to_vec()),
                        b"linkpath" => long_link = Some(record.value_bytes().to_vec()),
                        _ => {}
                    }
                }
            }
            EntryType::Regular | EntryType::Continuous => {
                reporter.advance(1);
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let span = Span { offset: entry.raw_file_position(), size: entry.size() };
                let head = peek(&mut entry)?;
                members.add(&name, span, || Ok(head.clone()))?;
                spans.insert(name, (span, head));
                long_link = None;
                // Seeking past the end is no error of its own.
                if span.offset.saturating_add(span.size) > length {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early"));
                }
            }
            EntryType::Link => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let target = long_link.take().or_else(|| entry.link_name_bytes().map(|link| link.into_owned()));
                if let Some((span, head)) = target.and_then(|target| spans.get(&target)) {
                    members.add(&name, *span, || Ok(head.clone()))?;
                }
            }
            EntryType::XGlobalHeader => {}
            _ => (long_name, long_link) = (None, None),
        }
    }
    Ok(())
}

fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
    name
}

fn attributes(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    if entry.size() > MAX_NAME {
        return Err(io::Error::other(format!("a name of {} bytes", entry.size())));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A place in a packed archive.
struct Cursor {
    reader: Box<dyn Read + Send>,
    position: u64,
}

impl Cursor {
    /// Moves to `offset`, at or after the present position.
    fn advance_to(&mut self, offset: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.reader).take(offset - self.position), &mut io::sink())?;
        self.position += skipped;
        if self.position == offset { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Tar {
    fn read_packed(
        &self,
        cursor: &Mutex<Option<Cursor>>,
        pack: Compression,
        index: usize,
    ) -> Result<Vec<u8>, SourceError> {
        let Span { offset, size } = self.spans[index];
        let error = |source| super::member_error(&self.path, &self.items[index].id, source);
        // A panic elsewhere can't leave a cursor half moved: it is put back only when its position is right.
        let mut slot = cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cursor = match slot.take().filter(|cursor| cursor.position <= offset) {
            Some(cursor) => cursor,
            None => Cursor { reader: unpack(&self.path, pack).map_err(error)?, position: 0 },
        };
        cursor.advance_to(offset).map_err(error)?;
        let bytes = read_limited((&mut cursor.reader).take(size), self.max_bytes, &self.path, &self.items[index].id)?;
        cursor.position += bytes.len() as u64;
        *slot = Some(cursor);
        Ok(bytes)
    }
}

impl Source for Tar {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn read(&self, index: usize) -> Result<Content, SourceError> {
        let (Span { offset, size }, id) = (self.spans[index], &self.items[index].id);
        if size > self.max_bytes {
            return Err(too_large(&self.path, id, self.max_bytes));
        }
        let bytes = match &self.bytes {
            Bytes::Plain(data) => {
                let place = Place { data: data.clone(), position: offset };
                read_limited(place.take(size), self.max_bytes, &self.path, id)?
            }
            Bytes::Packed(cursor, pack) => self.read_packed(cursor, *pack, index)?,
        };
        if bytes.len() as u64 != size {
            return Err(super::member_error(&self.path, id, io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Content::Encoded(bytes))
    }

    fn sequential(&self) -> bool {
        matches!(self.bytes, Bytes::Packed(..))
    }
}
