//! The pictures that an encoder learns from, small and in memory.

use crate::collection::Skipped;
use crate::decode::Limits;
use crate::embed::{EmbedError, EmbedOptions, Embedded, ExtractorSpec, PixelsSpec, embed};
use crate::progress::Reporter;
use crate::source::{Content, Item, Source, SourceError};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Bytes of pictures that are held: 90,000 of 64 x 64 RGB. Of larger collections a random part is enough to learn from.
const MEMORY: usize = 1 << 30;
/// Fewest pictures to learn from.
const FEWEST: usize = 16;
/// Pictures that are decoded at a time.
const WINDOW: usize = 4096;

/// Equal rows of pixels.
pub(super) struct Pictures {
    values: Vec<u8>,
    len: usize,
    /// Of each picture's contents, in their order.
    pub hash: blake3::Hash,
    /// The first that can't be read.
    pub failed: Option<Skipped>,
}

impl Pictures {
    /// Reads `collection` at this size; images that can't be read don't count.
    pub fn read(
        collection: &dyn Source,
        size: PixelsSpec,
        limits: &Limits,
        seed: u64,
        reporter: &dyn Reporter,
    ) -> Result<Self, EmbedError> {
        let pixels = ExtractorSpec::Pixels(size).build()?;
        let len = pixels.n_features();
        let n = collection.items().len();
        let mut chosen =
            rand::seq::index::sample(&mut ChaCha8Rng::seed_from_u64(seed), n, n.min(MEMORY / len)).into_vec();
        chosen.sort_unstable();
        let options = EmbedOptions { limits: *limits, ..EmbedOptions::default() };
        let (mut values, mut hasher) = (Vec::with_capacity(chosen.len() * len), blake3::Hasher::new());
        let (mut failed, steps) = (None, Steps(reporter));
        reporter.begin("read", Some(chosen.len() as u64));
        for window in chosen.chunks(WINDOW) {
            let part = Part {
                of: collection,
                items: window.iter().map(|i| collection.items()[*i].clone()).collect(),
                chosen: window,
            };
            let Embedded { hashes, embeddings, skipped, .. } = embed(&part, &pixels, &options, None, None, &steps)?;
            values.extend(embeddings.view().iter().map(|value| (value * 255.0).round() as u8));
            for hash in &hashes {
                hasher.update(hash.as_bytes());
            }
            failed = failed.or(skipped.into_iter().next());
        }
        reporter.end();
        Ok(Self { values, len, hash: hasher.finalize(), failed })
    }

    pub fn n(&self) -> usize {
        self.values.len() / self.len
    }

    /// Whether there is something to learn for the extractor of this name.
    pub fn check(&self, extractor: &'static str) -> Result<(), EmbedError> {
        let wrong =
            |expected, found| Err(EmbedError::Parameter { extractor, parameter: "the collection", expected, found });
        if self.n() < FEWEST {
            let also = self.failed.as_ref().map(|first| format!(" ({} can't be: {})", first.id, first.reason));
            let found = format!("{} images that can be read{}", self.n(), also.unwrap_or_default());
            return wrong("16 images or more, to learn from", found);
        }
        if self.values.chunks_exact(self.len).all(|picture| picture == self.get(0)) {
            return wrong("images that differ, to learn from", format!("{} times the same picture", self.n()));
        }
        Ok(())
    }

    pub fn get(&self, index: usize) -> &[u8] {
        &self.values[index * self.len..][..self.len]
    }
}

/// Passes on the steps of several runs as one stage.
struct Steps<'a>(&'a dyn Reporter);

impl Reporter for Steps<'_> {
    fn begin(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, steps: u64) {
        self.0.advance(steps);
    }
    fn end(&self) {}
    fn detail(&self, message: &str) {
        self.0.detail(message);
    }
    fn warn(&self, message: &str) {
        self.0.warn(message);
    }
    fn interrupted(&self) -> bool {
        self.0.interrupted()
    }
}

/// Some images of a collection.
struct Part<'a> {
    of: &'a dyn Source,
    items: Vec<Item>,
    chosen: &'a [usize],
}

impl Source for Part<'_> {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn read(&self, index: usize) -> Result<Content, SourceError> {
        self.of.read(self.chosen[index])
    }

    fn sequential(&self) -> bool {
        self.of.sequential()
    }
}
