//! Features that were computed before, so that an interrupted run goes on and a second run decodes nothing. Only rows of
//! up to 64 KiB are kept.
//!
//! ```text
//! CACHE/embeddings-v1/SPEC-HASH/*.seg    content hash -> row of features
//! CACHE/contents-v1/*.seg                hash of (absolute path, length, time) -> content hash
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

use super::{ContentHash, SpecHash};
use crate::progress::Reporter;
use crate::source::Stamp;
use segments::{Key, Segments};

/// A file modified less than this before it was hashed may still change without its time showing it.
const RACY: Duration = Duration::from_secs(2);

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

    /// Opens it for one extractor.
    pub(super) fn open<'a>(&self, spec: &SpecHash, n_features: usize, reporter: &'a dyn Reporter) -> OpenCache<'a> {
        let rows = self.directory.join("embeddings-v1").join(spec.to_string());
        OpenCache {
            directory: self.directory.clone(),
            rows: Segments::open(rows, n_features * size_of::<f32>()),
            contents: Segments::open(self.directory.join("contents-v1"), size_of::<Key>()),
            failed: AtomicBool::new(false),
            reporter,
        }
    }
}

/// The cache as one run sees it: what was there on opening is found, what is put is for the next.
pub(super) struct OpenCache<'a> {
    directory: PathBuf,
    rows: Segments,
    contents: Segments,
    failed: AtomicBool,
    reporter: &'a dyn Reporter,
}

impl OpenCache<'_> {
    /// The features of these contents.
    pub fn row(&self, contents: &ContentHash) -> Option<Vec<f32>> {
        let bytes = self.rows.get(contents.as_bytes())?;
        Some(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    /// Keeps the features of these contents.
    pub fn put_row(&self, contents: &ContentHash, row: &[f32]) {
        let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.put(&self.rows, contents.as_bytes(), &bytes);
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
