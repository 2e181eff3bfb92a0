//! Features that were computed before, so that an interrupted run goes on and a second run decodes nothing. Only rows of
//! up to 16,384 features are kept: as f32, or, of extractors that round theirs, as f16. Of joined extractors each has its
//! own rows, so that any combination of what was computed costs nothing.
//!
//! ```text
//! CACHE/embeddings-v2/SPEC-HASH/*.seg    content hash -> row of features
//! CACHE/embeddings-v2-turbojpeg/...       the same of a build that decodes large JPEGs at reduced scale
//! CACHE/contents-v1/*.seg                hash of (absolute path, length, time) -> content hash
//! CACHE/learned-v1/*                     encoders trained on a collection, finished or not
//! ```
//!
//! The second store spares reading files that are as they were. It shares the weakness of every such index: a change
//! that keeps both length and modification time goes unseen. Against the likeliest way there, a write within the clock's
//! tick after hashing, a file enters only if its length and time are the same after reading as they were when it was
//! listed, and only if that time is at least two seconds past (the coarsest tick in use, FAT's).
//!
//! A cache that can't be written is a warning and no cache.

mod segments;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use half::f16;

use super::{ContentHash, Extractor};
use crate::progress::Reporter;
use crate::source::Stamp;
use segments::{Key, Segments};

/// A file modified less than this before it was hashed may still change without its time showing it.
const RACY: Duration = Duration::from_secs(2);

/// Images that are decoded at reduced scale give slightly other rows.
const ROWS: &str = if cfg!(feature = "turbojpeg") { "embeddings-v2-turbojpeg" } else { "embeddings-v2" };

/// Features of the longest rows that are kept.
const MAX_FEATURES: usize = 1 << 14;

/// A directory of features, shared by any number of processes.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The cache in `directory`, which is made when there is something to put into it.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where the encoder is kept that was trained by what `key` stands for.
    pub(super) fn learned(&self, key: &str) -> PathBuf {
        self.directory.join("learned-v1").join(format!("{key}.safetensors"))
    }

    /// Opens it for extractors, each known by its place in `parts`; `None` if their rows are all too long to be kept.
    pub(super) fn open<'a>(&self, parts: &[Box<dyn Extractor>], reporter: &'a dyn Reporter) -> Option<OpenCache<'a>> {
        let open = |part: &dyn Extractor| {
            let directory = self.directory.join(ROWS).join(part.spec().hash().to_string());
            let kept = part.n_features() <= MAX_FEATURES;
            let size = if part.is_half() { size_of::<f16>() } else { size_of::<f32>() };
            let rows = || Rows { segments: Segments::open(directory, part.n_features() * size), half: part.is_half() };
            kept.then(rows)
        };
        let rows: Vec<_> = parts.iter().map(|part| open(&**part)).collect();
        rows.iter().any(Option::is_some).then(|| OpenCache {
            directory: self.directory.clone(),
            rows,
            contents: Segments::open(self.directory.join("contents-v1"), size_of::<Key>()),
            failed: AtomicBool::new(false),
            reporter,
        })
    }
}

/// A part's rows.
struct Rows {
    segments: Segments,
    half: bool,
}

impl Rows {
    fn features(&self, bytes: &[u8]) -> Vec<f32> {
        match self.half {
            true => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            false => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        }
    }

    fn bytes(&self, row: &[f32]) -> Vec<u8> {
        match self.half {
            true => row.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            false => row.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

/// The cache as one run sees it: what was there on opening is found, what is put is for the next.
pub(super) struct OpenCache<'a> {
    directory: PathBuf,
    /// Of each part, if its rows are kept.
    rows: Vec<Option<Rows>>,
    contents: Segments,
    failed: AtomicBool,
    reporter: &'a dyn Reporter,
}

impl OpenCache<'_> {
    /// A part's features of these contents.
    pub fn row(&self, part: usize, contents: &ContentHash) -> Option<Vec<f32>> {
        let rows = self.rows[part].as_ref()?;
        Some(rows.features(&rows.segments.get(contents.as_bytes())?))
    }

    /// Keeps a part's features of these contents.
    pub fn put_row(&self, part: usize, contents: &ContentHash, row: &[f32]) {
        if let Some(rows) = &self.rows[part] {
            self.put(&rows.segments, contents.as_bytes(), &rows.bytes(row));
        }
    }

    /// What `path` held when it was last read, if it has this stamp still.
    pub fn contents(&self, path: &Path, stamp: &Stamp) -> Option<ContentHash> {
        let hash = self.contents.get(&stamp_key(path, stamp)?)?;
        Some(ContentHash(hash.try_into().ok()?))
    }

    /// Keeps what `path` was found to hold, having been listed with `stamp`.
    pub fn put_contents(&self, path: &Path, stamp: &Stamp, contents: &ContentHash) {
        let settled = SystemTime::now().duration_since(stamp.modified).is_ok_and(|age| age >= RACY);
        let unchanged = std::fs::metadata(path)
            .is_ok_and(|now| now.len() == stamp.len && now.modified().is_ok_and(|m| m == stamp.modified));
        if settled
            && unchanged
            && let Some(key) = stamp_key(path, stamp)
        {
            self.put(&self.contents, &key, contents.as_bytes());
        }
    }

    fn put(&self, store: &Segments, key: &Key, payload: &[u8]) {
        if self.failed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(e) = store.put(key, payload)
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            let directory = self.directory.display();
            self.reporter.warn(&format!("cannot write the cache {directory}: {e}; going on without it"));
        }
    }
}

/// `None` if the path can't be made absolute.
fn stamp_key(path: &Path, stamp: &Stamp) -> Option<Key> {
    let path = std::path::absolute(path).ok()?;
    let nanos = match stamp.modified.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&stamp.len.to_le_bytes()).update(&nanos.to_le_bytes());
    hasher.update(path.as_os_str().as_encoded_bytes());
    Some(*hasher.finalize().as_bytes())
}
