//! A whole collection through an extractor, on all cores, in bounded memory.
//!
//! The collection passes in windows of some hundred images. While one window's prepared (small) images become
//! features, the next is read, decoded and prepared, and of a source that must be read in order the one after that is
//! read. Each step is a parallel loop on rayon's current pool, so nobody waits while there is work, and the order of
//! the results doesn't depend on timing. A full-size image lives only while its own thread prepares it, and
//! [`gate`](super::gate) bounds how much of that there is at a time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use half::f16;
use image::DynamicImage;
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

use super::cache::OpenCache;
use super::gate::{self, Gate};
use super::gather::{Gather, Layout};
use super::{Cache, ContentHash, EmbedError, Extractor, Extractors};
use crate::collection::{Embeddings, Skipped, Stage};
use crate::decode::{self, REDUCED_SIDE};
use crate::progress::{Interrupted, Reporter};
use crate::source::{Content, Source, SourceError};

/// How to embed.
#[derive(Clone, Debug)]
pub struct EmbedOptions {
    /// What an image may cost to decode.
    pub limits: decode::Limits,
    /// Bytes of full-size decoded images to hold at a time, over all threads; an image larger than that is decoded
    /// alone. By default 320 MiB, three photos of 24 megapixels.
    pub memory: u64,
    /// What becomes of zeros.
    pub layout: Layout,
}

impl Default for EmbedOptions {
    fn default() -> Self {
        Self { limits: decode::Limits::default(), memory: 320 << 20, layout: Layout::Dense }
    }
}

/// Sees each image that is decoded, in full size or with 512 pixels or more on the shorter side: its index among the
/// items, its pixels, its contents' hash. Called from any thread in any order; not for images whose features are in the
/// cache.
pub type OnImage<'a> = &'a (dyn Fn(usize, &DynamicImage, &ContentHash) + Sync);

/// A collection's features.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The images that have a row, as rising indices into the source's items.
    pub kept: Vec<usize>,
    /// The rows' contents.
    pub hashes: Vec<ContentHash>,
    /// The rows, shape (kept, n_features).
    pub embeddings: Embeddings,
    /// The other images, in the collection's order.
    pub skipped: Vec<Skipped>,
    /// Where the time went.
    pub seconds: EmbedSeconds,
    /// Number of rows that came from the cache whole.
    pub n_cached: usize,
}

/// Seconds by part: `wall` of the clock, the others summed over threads.
#[derive(serde::Serialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct EmbedSeconds {
    /// Reading files, hashing them and asking the cache.
    pub read: f64,
    /// Decoding and preparing.
    pub decode: f64,
    /// Features from prepared images.
    pub embed: f64,
    /// From beginning to end.
    pub wall: f64,
}

/// Embeds `collection`. A row's bytes depend on its image and the extractors alone, not on threads, cache or company.
/// An image that can't be read, decoded or embedded is skipped.
///
/// Peak memory: the matrix (n_samples x n_features x 4 bytes, or 8 bytes for each value of sparse rows, twice that at
/// most while they come in), `options.memory`, and two windows of prepared images.
///
/// Rows of more than 16,384 features are not remembered in the cache, which they would fill with gigabytes. Of
/// joined extractors each part is remembered by itself.
///
/// # Errors
/// If interrupted (what was finished is in the cache then, but for such rows), or if the matrix doesn't fit into memory.
pub fn embed(
    collection: &dyn Source,
    extractors: &Extractors,
    options: &EmbedOptions,
    cache: Option<&Cache>,
    on_image: Option<OnImage<'_>>,
    reporter: &dyn Reporter,
) -> Result<Embedded, EmbedError> {
    let start = Instant::now();
    let rows = Gather::new(options.layout, collection.items().len(), extractors.n_features())?;
    let mut sink = Sink { kept: vec![], hashes: vec![], skipped: vec![], rows, n_cached: 0, seen: 0 };
    let run = Run {
        collection,
        extractors,
        limits: &options.limits,
        cache: cache.and_then(|cache| cache.open(extractors.parts(), reporter)),
        on_image,
        reporter,
        gate: Gate::new(options.memory),
        window: (32 * rayon::current_num_threads()).max(256).min((WINDOW / (4 * extractors.n_features())).max(8)),
        clock: Clock::default(),
    };
    reporter.begin("embed", Some(collection.items().len() as u64));
    let result = run.windows(&mut sink);
    reporter.end();
    result?;
    sink.finish(collection, run.clock.seconds(start))
}

/// What stays the same during one call.
struct Run<'a> {
    collection: &'a dyn Source,
    extractors: &'a Extractors,
    limits: &'a decode::Limits,
    cache: Option<OpenCache<'a>>,
    on_image: Option<OnImage<'a>>,
    reporter: &'a dyn Reporter,
    gate: Gate,
    window: usize,
    clock: Clock,
}

/// A window's items, and their contents if those had to be read ahead.
struct Fetched {
    items: Range<usize>,
    contents: Vec<Result<Content, SourceError>>,
}

/// What a window's images have come to; `ready` holds those of [`Image::Ready`], in order.
#[derive(Default)]
struct Prepared {
    images: Vec<Image>,
    ready: Vec<Ready>,
}

/// An image on its way to its row.
enum Image {
    Failed(Stage, String),
    Cached(ContentHash, Vec<f32>),
    Ready(ContentHash),
}

/// An image with, of each part, its row from the cache or itself prepared for it.
struct Ready {
    hash: ContentHash,
    rows: Vec<Option<Vec<f32>>>,
    images: Vec<Option<DynamicImage>>,
}

/// A fresh row, or why there is none.
type Row = Result<Vec<f32>, String>;

/// The rows of a window take no more bytes than this, but for a few wide ones.
const WINDOW: usize = 64 << 20;
/// Read-ahead of a sequential source ends its window at so many bytes.
const READ_AHEAD: usize = 32 << 20;

impl Run<'_> {
    fn windows(&self, sink: &mut Sink) -> Result<(), EmbedError> {
        let mut fetched = self.fetch(0)?;
        let mut prepared = Prepared::default();
        while !(fetched.items.is_empty() && prepared.images.is_empty()) {
            let next = fetched.items.end;
            let ((ahead, following), rows) = rayon::join(
                || rayon::join(|| self.fetch(next), || self.prepare(fetched)),
                || self.rows(prepared.ready),
            );
            sink.take(self.collection, prepared.images, rows?)?;
            (fetched, prepared) = (ahead?, following?);
        }
        Ok(())
    }

    /// The window that begins at `start`, read if its source is a sequential one.
    fn fetch(&self, start: usize) -> Result<Fetched, Interrupted> {
        let end = (start + self.window).min(self.collection.items().len());
        if !self.collection.sequential() {
            return Ok(Fetched { items: start..end, contents: Vec::new() });
        }
        let (mut contents, mut bytes) = (Vec::new(), 0);
        while start + contents.len() < end && bytes < READ_AHEAD {
            self.reporter.check()?;
            let content = self.clock.read.time(|| self.collection.read(start + contents.len()));
            bytes += match &content {
                Ok(Content::Encoded(encoded)) => encoded.len(),
                Ok(Content::Pixels(image)) => image.as_bytes().len(),
                Err(_) => 0,
            };
            contents.push(content);
        }
        Ok(Fetched { items: start..start + contents.len(), contents })
    }

    fn prepare(&self, fetched: Fetched) -> Result<Prepared, Interrupted> {
        let mut contents: Vec<_> = fetched.contents.into_iter().map(Some).collect();
        contents.resize_with(fetched.items.len(), || None);
        let images: Vec<(Image, Option<Ready>)> = (fetched.items, contents)
            .into_par_iter()
            .with_max_len(1) // A photo is work enough to steal.
            .map(|(index, content)| {
                self.reporter.check()?;
                Ok(self.prepare_one(index, content).unwrap_or_else(|(stage, reason)| {
                    self.reporter.advance(1);
                    (Image::Failed(stage, reason), None)
                }))
            })
            .collect::<Result<_, Interrupted>>()?;
        let (images, ready): (Vec<_>, Vec<_>) = images.into_iter().unzip();
        Ok(Prepared { images, ready: ready.into_iter().flatten().collect() })
    }

    fn prepare_one(
        &self,
        index: usize,
        content: Option<Result<Content, SourceError>>,
    ) -> Result<(Image, Option<Ready>), (Stage, String)> {
        let read = self.clock.read.time(|| self.read(index, content))?;
        let (content, hash, rows) = match read {
            Read::Cached(hash, rows) => {
                self.reporter.advance(1);
                return Ok((Image::Cached(hash, self.extractors.join(rows)), None));
            }
            Read::Fresh(content, hash, rows) => (content, hash, rows),
        };
        let _pass = self.gate.enter(gate::decoded_bytes(&content));
        self.clock.decode.time(|| {
            // At reduced scale, and whole: what a part sees must not depend on its company.
            let mut scales = [None, None];
            match content {
                Content::Pixels(image) => scales[1] = Some(image),
                Content::Encoded(bytes) => {
                    for whole in self.scales() {
                        let side = if whole { u32::MAX } else { REDUCED_SIDE };
                        let image = decode::decode_at_least(&bytes, self.limits, side);
                        scales[usize::from(whole)] = Some(image.map_err(|e| (Stage::Decode, e.to_string()))?);
                    }
                }
            }
            let seen = |whole: bool| {
                let [own, other] = [whole, !whole].map(|whole| scales[usize::from(whole)].as_ref());
                own.or(other).expect("an image has a scale")
            };
            if seen(false).width() == 0 || seen(false).height() == 0 {
                return Err((Stage::Decode, "the image has no pixels".to_owned()));
            }
            if let Some(see) = self.on_image {
                see(index, seen(false), &hash);
            }
            let parts = self.extractors.parts().iter().zip(&rows);
            let prepare = |part: &dyn Extractor| part.prepare(seen(part.wants_whole()));
            let images = parts.map(|(part, row)| row.is_none().then(|| prepare(&**part))).collect();
            Ok((Image::Ready(hash), Some(Ready { hash, rows, images })))
        })
    }

    /// Whether an image is needed at reduced scale (false), whole, or both. A build that has one scale takes that.
    fn scales(&self) -> impl Iterator<Item = bool> {
        let parts = self.extractors.parts();
        let wanted = |whole: &bool| match cfg!(feature = "turbojpeg") {
            true => parts.iter().any(|part| part.wants_whole() == *whole),
            false => *whole,
        };
        [false, true].into_iter().filter(wanted)
    }

    /// Asks the cache by the file's stamp, which spares reading it, then by its contents.
    fn read(&self, index: usize, content: Option<Result<Content, SourceError>>) -> Result<Read, (Stage, String)> {
        let item = &self.collection.items()[index];
        let file = item.path.as_deref().zip(item.stamp.as_ref());
        let listed = self.cache.as_ref().zip(file);
        let known = listed.and_then(|(cache, (path, stamp))| cache.contents(path, stamp));
        if let Some(hash) = known
            && let Some(rows) = self.known(&hash).into_iter().collect()
        {
            return Ok(Read::Cached(hash, rows));
        }
        let content = content.unwrap_or_else(|| self.collection.read(index));
        let content = content.map_err(|e| (Stage::Read, e.to_string()))?;
        let hash = ContentHash::of(&content);
        if let Some((cache, (path, stamp))) = listed
            && known != Some(hash)
        {
            cache.put_contents(path, stamp, &hash);
        }
        let rows = self.known(&hash);
        match rows.iter().all(Option::is_some) {
            true => Ok(Read::Cached(hash, rows.into_iter().flatten().collect())),
            false => Ok(Read::Fresh(content, hash, rows)),
        }
    }

    /// What the cache has of each part.
    fn known(&self, hash: &ContentHash) -> Vec<Option<Vec<f32>>> {
        let row = |part| self.cache.as_ref().and_then(|cache| cache.row(part, hash));
        (0..self.extractors.parts().len()).map(row).collect()
    }

    /// The rows of the images that are ready, in order.
    fn rows(&self, ready: Vec<Ready>) -> Result<Vec<Row>, Interrupted> {
        let batches: Vec<Vec<Row>> = ready
            .into_par_iter()
            .chunks(self.extractors.batch_size())
            .map(|batch| {
                self.reporter.check()?;
                let n_images = batch.len() as u64;
                let rows = self.batch(batch);
                self.reporter.advance(n_images);
                Ok(rows)
            })
            .collect::<Result<_, Interrupted>>()?;
        Ok(batches.into_iter().flatten().collect())
    }

    /// The rows of a batch, computed part by part.
    fn batch(&self, mut batch: Vec<Ready>) -> Vec<Row> {
        let parts = self.extractors.parts().iter().enumerate();
        let mut fresh: Vec<_> = parts
            .map(|(part, extractor)| {
                let images: Vec<_> = batch.iter_mut().filter_map(|ready| ready.images[part].take()).collect();
                self.clock.embed.time(|| embed_batch(&**extractor, &images)).into_iter()
            })
            .collect();
        let joined = batch.into_iter().map(|Ready { hash, rows, .. }| {
            // Every part takes its turn, also after one that failed: its next row is the next image's.
            let rows: Vec<Row> = (rows.into_iter().zip(&mut fresh).enumerate())
                .map(|(part, (row, fresh))| row.map_or_else(|| self.keep(part, &hash, fresh), Ok))
                .collect();
            Ok(self.extractors.join(rows.into_iter().collect::<Result<_, _>>()?))
        });
        joined.collect()
    }

    /// The next of the fresh rows, for the cache too.
    fn keep(&self, part: usize, hash: &ContentHash, fresh: &mut impl Iterator<Item = Row>) -> Row {
        let row = fresh.next().expect("a row for each image");
        if let (Some(cache), Ok(row)) = (&self.cache, &row) {
            cache.put_row(part, hash, row);
        }
        row
    }
}

/// The rows that an image gave before, one a part; or its bytes, and what is known of its rows.
enum Read {
    Cached(ContentHash, Vec<Vec<f32>>),
    Fresh(Content, ContentHash, Vec<Option<Vec<f32>>>),
}

/// Embeds a batch; if that fails, its images one by one, so that the culprit fails alone. An empty batch is one
/// whose rows are all remembered.
fn embed_batch(extractor: &dyn Extractor, batch: &[DynamicImage]) -> Vec<Row> {
    if batch.is_empty() {
        return Vec::new();
    }
    let mut block = Array2::zeros((batch.len(), extractor.n_features()));
    match extractor.embed(batch, block.view_mut()) {
        Ok(()) => {
            if extractor.is_half() {
                block.mapv_inplace(|feature| f16::from_f32(feature).to_f32());
            }
            block.outer_iter().map(finite).collect()
        }
        Err(e) if batch.len() == 1 => vec![Err(e.to_string())],
        Err(_) => batch.chunks(1).flat_map(|image| embed_batch(extractor, image)).collect(),
    }
}

fn finite(row: ArrayView1<'_, f32>) -> Row {
    match row.iter().position(|v| !v.is_finite()) {
        Some(feature) => Err(format!("feature {feature} is {}, which is no finite number", row[feature])),
        None => Ok(row.to_vec()),
    }
}

/// Gathers rows in the collection's order.
struct Sink {
    kept: Vec<usize>,
    hashes: Vec<ContentHash>,
    skipped: Vec<Skipped>,
    rows: Gather,
    n_cached: usize,
    seen: usize,
}

impl Sink {
    fn take(&mut self, collection: &dyn Source, images: Vec<Image>, rows: Vec<Row>) -> Result<(), EmbedError> {
        let mut rows = rows.into_iter();
        for image in images {
            let row = match image {
                Image::Failed(stage, reason) => Err((stage, reason)),
                Image::Cached(hash, row) => {
                    self.n_cached += 1;
                    Ok((hash, row))
                }
                Image::Ready(hash) => {
                    let row = rows.next().expect("a row for each image that is ready");
                    row.map(|row| (hash, row)).map_err(|reason| (Stage::Embed, reason))
                }
            };
            match row {
                Ok((hash, row)) => {
                    self.kept.push(self.seen);
                    self.hashes.push(hash);
                    self.rows.push(&row)?;
                }
                Err((stage, reason)) => {
                    let id = collection.items()[self.seen].id.clone();
                    self.skipped.push(Skipped { id, stage, reason });
                }
            }
            self.seen += 1;
        }
        Ok(())
    }

    fn finish(self, collection: &dyn Source, seconds: EmbedSeconds) -> Result<Embedded, EmbedError> {
        let ids = self.kept.iter().map(|&i| collection.items()[i].id.clone()).collect();
        let embeddings = Embeddings::new(ids, self.rows.finish()?).expect("finite rows, an id each");
        let Self { kept, hashes, skipped, n_cached, .. } = self;
        Ok(Embedded { kept, hashes, embeddings, skipped, seconds, n_cached })
    }
}

/// Nanoseconds of work, summed over threads.
#[derive(Default)]
struct Stopwatch(AtomicU64);

impl Stopwatch {
    fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }

    fn seconds(&self) -> f64 {
        Duration::from_nanos(self.0.load(Ordering::Relaxed)).as_secs_f64()
    }
}

#[derive(Default)]
struct Clock {
    read: Stopwatch,
    decode: Stopwatch,
    embed: Stopwatch,
}

impl Clock {
    fn seconds(&self, start: Instant) -> EmbedSeconds {
        EmbedSeconds {
            read: self.read.seconds(),
            decode: self.decode.seconds(),
            embed: self.embed.seconds(),
            wall: start.elapsed().as_secs_f64(),
        }
    }
}
