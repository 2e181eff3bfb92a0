//! What every extractor must hold to, checked on each, and the batch function on a collection in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use image::{DynamicImage, GrayImage, RgbImage};
use ndarray::ArrayViewMut2;

use super::*;
use crate::collection::{Skipped, Stage};
use crate::decode::Fit;
use crate::files::At;
use crate::progress::{Silent, Watch};
use crate::source::{Item, Source, SourceError, Stamp};

/// A picture of blobs and noise.
pub(super) fn rgb(width: u32, height: u32, seed: u32) -> DynamicImage {
    let value = |x: u32, y: u32, c: u32| {
        let noise = (x * 7919 + y * 104_729 + c * 1_299_709 + seed * 15_485_863).wrapping_mul(2_654_435_761) >> 27;
        let wave = (x as f32 * 0.2 + seed as f32).sin() * (y as f32 * 0.3 + c as f32).cos();
        (128.0 + 90.0 * wave) as u8 + noise as u8
    };
    let pixel = |x, y| [value(x, y, 0), value(x, y, 1), value(x, y, 2)].into();
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
}

pub(super) fn grey(width: u32, height: u32, seed: u32) -> DynamicImage {
    DynamicImage::ImageLuma8(rgb(width, height, seed).to_luma8())
}

/// Images in memory; those without width can't be read, those without height can't be decoded.
pub(super) struct Memory {
    items: Vec<Item>,
    images: Vec<DynamicImage>,
    sequential: bool,
    reads: AtomicUsize,
    last: AtomicUsize,
}

impl Memory {
    pub fn new(images: Vec<DynamicImage>) -> Self {
        let items = (0..images.len()).map(|i| item(format!("{i:05}"), None)).collect();
        let (reads, last) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { items, images, sequential: false, reads, last }
    }
}

fn item(id: String, file: Option<(std::path::PathBuf, Stamp)>) -> Item {
    let (path, stamp) = file.unzip();
    Item { name: id.clone().into(), id, path, stamp, companions: vec![], label: None, extra: vec![] }
}

impl Source for Memory {
    fn items(&self) -> &[Item] {
        &self.items
    }

    fn read(&self, index: usize) -> Result<Content, SourceError> {
        let before = self.last.swap(index + 1, Ordering::Relaxed);
        assert!(!self.sequential || before == index, "{index} read after {before} images of a sequential source");
        self.reads.fetch_add(1, Ordering::Relaxed);
        match &self.images[index] {
            image if image.width() == 0 => {
                Err(Err::<(), _>(std::io::Error::other("gone")).at("read", "x".as_ref()).unwrap_err().into())
            }
            image if image.height() == 0 => Ok(Content::Encoded(b"no image".to_vec())),
            image => Ok(Content::Pixels(image.clone())),
        }
    }

    fn sequential(&self) -> bool {
        self.sequential
    }
}

fn extractors() -> Vec<Extractors> {
    let pixels = |width, height, colour, fit| {
        ExtractorSpec::Pixels(PixelsSpec { fit, ..PixelsSpec::new(width, height, colour) })
    };
    let gradients = GradientsSpec::default();
    let joined = [(ExtractorSpec::Gradients(gradients), 2.0), (pixels(9, 6, Colour::Rgb, Fit::Pad), 0.3)];
    [
        pixels(28, 28, Colour::Grey, Fit::Stretch),
        pixels(7, 19, Colour::Rgb, Fit::Crop),
        pixels(32, 32, Colour::Rgb, Fit::Pad),
        ExtractorSpec::Gradients(gradients),
        ExtractorSpec::Gradients(GradientsSpec { size: 50, cells: 4, colour_rows: 1, ..gradients }),
        ExtractorSpec::Builtin(BuiltinSpec::default()),
        ExtractorSpec::Combined(CombinedSpec::new(joined)),
    ]
    .into_iter()
    .chain([ExtractorSpec::Pretrained(pretrained::small().0)])
    .chain(LearnMethod::ALL.map(learn::tests::small))
    .map(|spec| build(&spec))
    .collect()
}

fn build(spec: &ExtractorSpec) -> Extractors {
    spec.build_with(&pretrained::small().1, &Silent).unwrap()
}

pub(super) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

pub(super) fn run(source: &Memory, extractors: &Extractors, cache: Option<&Cache>) -> Embedded {
    embed(source, extractors, &EmbedOptions::default(), cache, None, &Silent).unwrap()
}

/// The rows' bits, for comparisons to the last one.
pub(super) fn bits(embedded: &Embedded) -> Vec<u32> {
    embedded.embeddings.view().iter().map(|v| v.to_bits()).collect()
}

fn images() -> Vec<DynamicImage> {
    let sizes = [(1, 1), (1, 300), (300, 1), (2, 2), (28, 28), (50, 50), (64, 64), (130, 70)];
    (0..)
        .zip(sizes.into_iter().cycle().take(80))
        .map(|(i, (w, h))| if i % 3 == 0 { grey(w, h, i) } else { rgb(w, h, i) })
        .collect()
}

#[test]
fn one_image_of_any_kind_gives_one_finite_row() {
    for extractor in extractors() {
        for image in images() {
            let embedded = run(&Memory::new(vec![image]), &extractor, None);
            assert_eq!(embedded.embeddings.view().dim(), (1, extractor.n_features()), "{:?}", extractor.spec());
        }
    }
}

#[test]
fn identical_images_have_identical_rows_and_a_batch_is_as_each_alone() {
    for extractor in extractors() {
        let all: Vec<_> = images().into_iter().chain(images()).collect();
        let together = run(&Memory::new(all.clone()), &extractor, None).embeddings;
        let (first, again) = together.view().split_at(ndarray::Axis(0), 80);
        assert_eq!(first, again);
        for (image, row) in images().into_iter().zip(first.outer_iter()) {
            let alone = run(&Memory::new(vec![image]), &extractor, None).embeddings;
            assert_eq!(alone.view().row(0), row, "{:?}", extractor.spec());
        }
    }
}

#[test]
fn grey_is_the_same_stored_as_rgb() {
    for extractor in extractors() {
        let image = grey(40, 30, 1);
        let rgb = DynamicImage::ImageRgb8(image.to_rgb8());
        assert_eq!(
            bits(&run(&Memory::new(vec![image]), &extractor, None)),
            bits(&run(&Memory::new(vec![rgb]), &extractor, None))
        );
    }
}

#[test]
fn a_spec_survives_json_and_rebuilds_the_same_rows() {
    let source = Memory::new(images());
    let mut hashes = std::collections::HashSet::new();
    for extractor in extractors() {
        let json = serde_json::to_string(extractor.spec()).unwrap();
        let mut spec: ExtractorSpec = serde_json::from_str(&json).unwrap();
        for (to, from) in spec.learned_mut().into_iter().zip(extractor.spec().learned()) {
            let arrays = from.arrays().map(|(name, shape, values)| (name.to_owned(), shape.to_vec(), values));
            to.attach(arrays.collect::<Vec<_>>()).unwrap();
        }
        assert_eq!(&spec, extractor.spec());
        assert_eq!(spec.hash(), extractor.spec().hash());
        assert!(hashes.insert(spec.hash()), "{json} has a hash of its own");
        assert_eq!(bits(&run(&source, &build(&spec), None)), bits(&run(&source, &extractor, None)));
        assert_eq!(spec.n_features().unwrap(), extractor.n_features());
    }
    let unknown = r#"{"extractor":"pixels","version":1,"width":2,"height":2,"fit":"crop","colour":"grey","more":1}"#;
    assert!(serde_json::from_str::<ExtractorSpec>(unknown).is_err(), "an unknown field may mean anything");
}

#[test]
fn threads_don_t_change_a_bit() {
    let source = Memory::new(images().into_iter().cycle().take(700).collect());
    for extractor in extractors() {
        let expected = on_threads(1, || run(&source, &extractor, None));
        for threads in [2, 4] {
            assert_eq!(bits(&on_threads(threads, || run(&source, &extractor, None))), bits(&expected));
        }
    }
}

#[test]
fn a_sequential_source_is_read_in_order() {
    let (free, mut ordered) = (Memory::new(images()), Memory::new(images()));
    ordered.sequential = true;
    let extractor = &extractors()[3];
    let expected = bits(&run(&free, extractor, None));
    assert_eq!(bits(&on_threads(4, || run(&ordered, extractor, None))), expected);
}

#[test]
fn an_empty_collection_gives_an_empty_matrix() {
    let embedded = run(&Memory::new(vec![]), &extractors()[0], None);
    assert_eq!(embedded.embeddings.view().dim(), (0, 784));
}

/// Fails on grey images, gives NaN for tiny ones.
pub(super) struct Fussy(pub ExtractorSpec);

impl Extractor for Fussy {
    fn spec(&self) -> &ExtractorSpec {
        &self.0
    }
    fn n_features(&self) -> usize {
        1
    }
    fn prepare(&self, image: &DynamicImage) -> DynamicImage {
        image.clone()
    }
    fn embed(&self, batch: &[DynamicImage], mut out: ArrayViewMut2<'_, f32>) -> Result<(), EmbedError> {
        for (image, mut row) in batch.iter().zip(out.outer_iter_mut()) {
            match image {
                DynamicImage::ImageLuma8(_) => return Err(EmbedError::Failed("grey".into())),
                image if image.width() == 1 => row[0] = f32::NAN,
                image => row[0] = image.width() as f32,
            }
        }
        Ok(())
    }
}

#[test]
fn images_that_fail_are_skipped_and_the_others_keep_their_rows() {
    let broken = |width, height| DynamicImage::ImageLuma8(GrayImage::new(width, height));
    let images =
        vec![rgb(5, 5, 0), broken(0, 1), rgb(6, 5, 0), broken(1, 0), grey(9, 9, 0), rgb(1, 4, 0), rgb(7, 5, 0)];
    let spec = extractors()[0].spec().clone();
    let fussy = Extractors::new(spec.clone(), vec![Box::new(Fussy(spec))]);
    let embedded = run(&Memory::new(images), &fussy, None);
    assert_eq!(embedded.kept, [0, 2, 6]);
    assert_eq!(embedded.hashes.len(), 3);
    assert_eq!(embedded.embeddings.ids(), ["00000", "00002", "00006"]);
    assert_eq!(embedded.embeddings.view(), ndarray::array![[5.0], [6.0], [7.0]]);
    let skipped: Vec<_> = embedded.skipped.iter().map(|Skipped { id, stage, .. }| (id.as_str(), *stage)).collect();
    let expected = [("00001", Stage::Read), ("00003", Stage::Decode), ("00004", Stage::Embed), ("00005", Stage::Embed)];
    assert_eq!(skipped, expected);
}

#[test]
fn cached_rows_are_the_fresh_ones_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path().join("not/made/yet"));
    let source = Memory::new(images().into_iter().chain([rgb(5, 5, 99)]).collect());
    for extractor in extractors() {
        let fresh = run(&source, &extractor, None);
        let first = run(&source, &extractor, Some(&cache));
        let second = run(&source, &extractor, Some(&cache));
        assert_eq!((first.n_cached, second.n_cached), (0, 81));
        assert_eq!(bits(&first), bits(&fresh));
        assert_eq!(bits(&second), bits(&fresh));
        assert_eq!(second.hashes, fresh.hashes);
    }
}

#[test]
fn rows_of_networks_take_half_the_space_in_the_cache() {
    let bytes = |spec: ExtractorSpec| {
        let dir = tempfile::tempdir().unwrap();
        let extractor = spec.build().unwrap();
        let found = run(&Memory::new(images()), &extractor, Some(&Cache::new(dir.path())));
        let files = walkdir::WalkDir::new(dir.path()).into_iter().map(|entry| entry.unwrap());
        let rows = files.filter(|file| file.path().to_string_lossy().contains(&spec.hash().to_string()));
        let size: u64 = rows.filter(|file| file.file_type().is_file()).map(|file| file.metadata().unwrap().len()).sum();
        size as usize / (found.embeddings.view().ncols() * 80)
    };
    assert_eq!(bytes(ExtractorSpec::Builtin(BuiltinSpec::default())), 2);
    assert_eq!(bytes(ExtractorSpec::Gradients(GradientsSpec::default())), 4);
}

#[test]
fn an_interrupted_run_goes_on_from_its_cache() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path());
    let source = Memory::new((0..3000).map(|i| rgb(8, 8, i)).collect());
    let extractor = &extractors()[3];
    let stopping = Watch::stopping_after(1000);
    let options = EmbedOptions::default();
    let stopped = on_threads(2, || embed(&source, extractor, &options, Some(&cache), None, &stopping));
    assert!(matches!(stopped, Err(EmbedError::Interrupted(_))));
    let resumed = on_threads(2, || run(&source, extractor, Some(&cache)));
    assert!((1000..3000).contains(&resumed.n_cached), "{}", resumed.n_cached);
    assert_eq!(bits(&resumed), bits(&run(&source, extractor, None)));
}

#[test]
fn a_cache_that_can_t_be_written_is_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let reporter = Watch::default();
    let (source, extractor) = (Memory::new(images()), &extractors()[0]);
    let cache = Cache::new(file.join("below"));
    let embedded = embed(&source, extractor, &EmbedOptions::default(), Some(&cache), None, &reporter).unwrap();
    assert_eq!(embedded.kept.len(), 80);
    assert_eq!(reporter.warned().len(), 1);
}

#[test]
fn every_decoded_image_is_shown_once_with_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path());
    let source = Memory::new(images());
    let seen: Vec<AtomicBool> = images().iter().map(|_| AtomicBool::new(false)).collect();
    let see = |index: usize, image: &DynamicImage, hash: &ContentHash| {
        assert_eq!(*hash, ContentHash::of(&Content::Pixels(image.clone())));
        assert_eq!(image, &source.images[index]);
        assert!(!seen[index].swap(true, Ordering::Relaxed));
    };
    for _ in 0..2 {
        let options = EmbedOptions { memory: 1, ..Default::default() };
        embed(&source, &extractors()[0], &options, Some(&cache), Some(&see), &Silent).unwrap();
    }
    assert!(seen.iter().all(|s| s.load(Ordering::Relaxed)));
}

/// A file that is as it was is not read again; one that changed is; one too young to be sure of is.
#[test]
fn files_are_read_when_they_may_have_changed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path().join("cache"));
    let path = dir.path().join("a.png");
    let runs = |image: &DynamicImage, seconds_ago: i64| {
        std::fs::write(&path, [0; 4]).unwrap();
        let time = filetime::FileTime::from_unix_time(filetime::FileTime::now().unix_seconds() - seconds_ago, 5);
        filetime::set_file_mtime(&path, time).unwrap();
        let mut source = Memory::new(vec![image.clone()]);
        let stamp = Stamp { len: 4, modified: std::fs::metadata(&path).unwrap().modified().unwrap() };
        source.items = vec![item("a".into(), Some((path.clone(), stamp)))];
        [0; 2].map(|_| {
            run(&source, &extractors()[0], Some(&cache));
            source.reads.swap(0, Ordering::Relaxed)
        })
    };
    assert_eq!(runs(&rgb(9, 9, 0), 0), [1, 1], "just modified");
    assert_eq!(runs(&rgb(9, 9, 1), 100), [1, 0], "settled");
    assert_eq!(runs(&rgb(9, 9, 2), 200), [1, 0], "modified, if to an earlier time");
}
