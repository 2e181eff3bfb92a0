//! A store of fixed-size records that many processes share: 32-byte key, payload, checksum.
//!
//! A process appends to a segment file of its own, which it holds locked, and reads everyone's. So there is nothing
//! to wait for, and whatever a crash leaves behind is at worst a torn last record, which the checksum gives away.
//! Records are never changed. Small segments that nobody writes any more are merged when the store is opened.
//!
//! A segment is a header (magic, version, payload length), then records; integers are little-endian.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

pub(super) type Key = [u8; 32];

const MAGIC: [u8; 8] = *b"alikeseg";
const VERSION: u32 = 1;
const HEADER: usize = 16;
const KEY: usize = size_of::<Key>();
const CHECKSUM: usize = 8;
/// More small segments than this are merged on opening.
const MANY: usize = 8;
/// A segment of more bytes than this is left as it is.
const SMALL: u64 = 64 << 20;
/// What is appended reaches the file within so many records or so much time, whichever comes first.
const FLUSH_RECORDS: usize = 256;
const FLUSH_AFTER: Duration = Duration::from_secs(2);

/// All readable segments of a directory, indexed, and at most one that is being written.
pub(super) struct Segments {
    directory: PathBuf,
    payload: usize,
    files: Vec<File>,
    /// Key to (segment, offset of the record in it).
    places: HashMap<Key, (usize, u64)>,
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    out: BufWriter<File>,
    pending: usize,
    flushed: Instant,
}

impl Segments {
    /// Indexes the segments in `directory` whose payloads have `payload` bytes. Whatever can't be read is passed over.
    pub fn open(directory: PathBuf, payload: usize) -> Self {
        let mut store =
            Self { directory, payload, files: Vec::new(), places: HashMap::new(), writer: Mutex::new(None) };
        let mut paths = store.segments();
        if paths.len() > MANY && merge(&store.directory, &paths, payload).is_ok() {
            paths = store.segments();
        }
        for path in paths {
            let _ = store.index(&path); // A segment that can't be read is a cache miss, no more.
        }
        store
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            entries.map(|e| e.path()).filter(|p| p.extension() == Some(OsStr::new("seg"))).collect();
        paths.sort();
        paths
    }

    fn index(&mut self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let record = KEY + self.payload + CHECKSUM;
        let mut input = BufReader::with_capacity(1 << 16, &file);
        let n_records = open_header(&mut input, file.metadata()?.len(), self.payload)?;
        let segment = self.files.len();
        for i in 0..n_records {
            let mut key = Key::default();
            input.read_exact(&mut key)?;
            input.seek_relative((record - KEY) as i64)?;
            self.places.insert(key, (segment, HEADER as u64 + i * record as u64));
        }
        self.files.push(file);
        Ok(())
    }

    /// The payload stored under `key`, if there is one and it is whole.
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let &(segment, offset) = self.places.get(key)?;
        let mut record = vec![0; KEY + self.payload + CHECKSUM];
        read_at(&self.files[segment], &mut record, offset).ok()?;
        let payload = valid_payload(&record, key)?.to_vec();
        Some(payload)
    }

    /// Appends a record; it is found from the next [`Segments::open`] on.
    pub fn put(&self, key: &Key, payload: &[u8]) -> io::Result<()> {
        debug_assert_eq!(payload.len(), self.payload);
        let mut writer = self.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let writer = match &mut *writer {
            Some(writer) => writer,
            none => none.insert(self.start()?),
        };
        write_record(&mut writer.out, key, payload)?;
        writer.pending += 1;
        if writer.pending >= FLUSH_RECORDS || writer.flushed.elapsed() >= FLUSH_AFTER {
            writer.out.flush()?;
            (writer.pending, writer.flushed) = (0, Instant::now());
        }
        Ok(())
    }

    fn start(&self) -> io::Result<Writer> {
        fs::create_dir_all(&self.directory)?;
        let file = unpublished(&self.directory)?;
        let _ = file.as_file().try_lock(); // Where locks aren't supported nothing is merged either.
        let mut out = BufWriter::new(publish(file)?);
        write_header(&mut out, self.payload)?;
        Ok(Writer { out, pending: 0, flushed: Instant::now() })
    }
}

/// Rewrites the small `paths` that no process holds into one segment.
fn merge(directory: &Path, paths: &[PathBuf], payload: usize) -> io::Result<()> {
    let mut unused = Vec::new();
    for path in paths {
        let file = File::options().read(true).write(true).open(path)?;
        if file.metadata()?.len() <= SMALL && file.try_lock().is_ok() {
            unused.push((path, file));
        }
    }
    if unused.len() < 2 {
        return Ok(());
    }
    let mut out = BufWriter::new(unpublished(directory)?);
    write_header(&mut out, payload)?;
    let mut seen = HashSet::new();
    let mut record = vec![0; KEY + payload + CHECKSUM];
    for (_, file) in &unused {
        let mut input = BufReader::new(file);
        // A segment of another shape or version adds nothing, and goes.
        let n_records = open_header(&mut input, file.metadata()?.len(), payload).unwrap_or(0);
        for _ in 0..n_records {
            input.read_exact(&mut record)?;
            let key: Key = record[..KEY].try_into().expect("32 bytes");
            if let Some(payload) = valid_payload(&record, &key)
                && seen.insert(key)
            {
                write_record(&mut out, &key, payload)?;
            }
        }
    }
    publish(out.into_inner().map_err(|e| e.into_error())?)?;
    for (path, _) in &unused {
        let _ = fs::remove_file(path); // What stays is there twice, which harms nobody.
    }
    Ok(())
}

/// A new file that no other process takes for a segment yet.
fn unpublished(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix("").suffix(".new").tempfile_in(directory)
}

/// Makes it a segment.
fn publish(file: NamedTempFile) -> io::Result<File> {
    let path = file.path().with_extension("seg");
    file.persist(path).map_err(|e| e.error)
}

fn write_header(out: &mut dyn Write, payload: usize) -> io::Result<()> {
    out.write_all(&MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&(payload as u32).to_le_bytes())
}

/// Reads a segment's header; gives the number of whole records behind it in a file of `len` bytes.
fn open_header(input: &mut impl Read, len: u64, payload: usize) -> io::Result<u64> {
    let (mut found, mut expected) = ([0; HEADER], Vec::with_capacity(HEADER));
    input.read_exact(&mut found)?;
    write_header(&mut expected, payload)?;
    if found[..] != expected[..] {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((len - HEADER as u64) / (KEY + payload + CHECKSUM) as u64)
}

fn write_record(out: &mut dyn Write, key: &Key, payload: &[u8]) -> io::Result<()> {
    out.write_all(key)?;
    out.write_all(payload)?;
    out.write_all(&checksum(key, payload))
}

/// The payload of `record` if its key and checksum are right.
fn valid_payload<'a>(record: &'a [u8], key: &Key) -> Option<&'a [u8]> {
    let (body, check) = record.split_at(record.len() - CHECKSUM);
    let (found, payload) = body.split_at(KEY);
    (found == key && check == checksum(key, payload)).then_some(payload)
}

fn checksum(key: &Key, payload: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key).update(payload);
    let mut check = [0; CHECKSUM];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM]);
    check
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (into, offset) = (&mut into[n..], offset + n as u64),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u32) -> Key {
        *blake3::hash(&i.to_le_bytes()).as_bytes()
    }

    fn store(directory: &Path, keys: std::ops::Range<u32>) {
        let store = Segments::open(directory.to_owned(), 4);
        for i in keys {
            store.put(&key(i), &i.to_le_bytes()).unwrap();
        }
    }

    #[test]
    fn what_was_put_is_found_on_opening() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), 0..600);
        let store = Segments::open(dir.path().to_owned(), 4);
        assert!((0..600).all(|i| store.get(&key(i)) == Some(i.to_le_bytes().to_vec())));
        assert_eq!(store.get(&key(600)), None);
        assert_eq!(Segments::open(dir.path().to_owned(), 8).places.len(), 0, "another shape is not read");
    }

    #[test]
    fn a_torn_tail_costs_its_record_alone() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), 0..10);
        let path = Segments::open(dir.path().to_owned(), 4).segments().remove(0);
        let whole = fs::read(&path).unwrap();
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let store = Segments::open(dir.path().to_owned(), 4);
            let n_whole = len.saturating_sub(HEADER) / 44;
            for i in 0..10 {
                assert_eq!(store.get(&key(i)).is_some(), (i as usize) < n_whole, "{len} bytes, record {i}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_a_miss() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), 0..1);
        let path = Segments::open(dir.path().to_owned(), 4).segments().remove(0);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, bytes).unwrap();
            assert_eq!(Segments::open(dir.path().to_owned(), 4).get(&key(0)), None, "byte {at}");
        }
    }

    #[test]
    fn small_segments_merge_except_the_one_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let busy = Segments::open(dir.path().to_owned(), 4);
        busy.put(&key(1000), &[7; 4]).unwrap();
        for i in 0..12 {
            store(dir.path(), i * 5..i * 5 + 10); // overlapping
        }
        let merged = Segments::open(dir.path().to_owned(), 4);
        assert!(merged.files.len() < MANY);
        assert!((0..65).all(|i| merged.get(&key(i)) == Some(i.to_le_bytes().to_vec())));
        for i in 1001..1300 {
            busy.put(&key(i), &[7; 4]).unwrap();
        }
        drop(busy);
        let after = Segments::open(dir.path().to_owned(), 4);
        assert!((1000..1300).all(|i| after.get(&key(i)) == Some(vec![7; 4])));
    }
}
