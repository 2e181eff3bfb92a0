//! A look at some images of a collection, and what it says for this or that extractor.

use image::DynamicImage;

use super::builtin::BuiltinSpec;
use super::combine::CombinedSpec;
use super::pixels::{Colour, PixelsChoice, PixelsSpec};
use super::pretrained::PretrainedSpec;
use super::{EmbedError, ExtractorSpec, Hub, HubModel};
use crate::decode::{self, Limits};
use crate::progress::{Interrupted, Reporter};
use crate::source::{Content, Source};

const SAMPLE: usize = 64;
const FEW: usize = 8;
const SMALL_SIDE: u32 = 64;
const OTHERWISE: (u32, u32) = (32, 32);

/// What up to 64 images from all over a collection (the first ones, if it must be read in order) have in common. Large
/// colour photos decide after eight.
struct Look {
    /// Their width and height, if all have the same and no side is over 64 pixels.
    size: Option<(u32, u32)>,
    /// Grey if all are.
    colour: Colour,
    /// Whether more than half of their values are white.
    white: bool,
}

impl Look {
    fn at(collection: &dyn Source, limits: &Limits, reporter: &dyn Reporter) -> Result<Self, Interrupted> {
        let n = collection.items().len();
        let mut common = None;
        let (mut same, mut grey) = (true, true);
        let (mut white, mut all) = (0, 0);
        for i in 0..n.min(SAMPLE) {
            if !same && !grey && i >= FEW {
                break;
            }
            reporter.check()?;
            let index = if collection.sequential() { i } else { i * n / n.min(SAMPLE) };
            let image = match collection.read(index) {
                Ok(Content::Pixels(image)) => Some(image),
                Ok(Content::Encoded(bytes)) => decode::decode(&bytes, limits).ok(),
                Err(_) => None,
            };
            let Some(image) = image else { continue };
            white += image.as_bytes().iter().filter(|value| **value == u8::MAX).count();
            all += image.as_bytes().len();
            let own = (image.width(), image.height());
            same &= *common.get_or_insert(own) == own && own.0.max(own.1) <= SMALL_SIDE;
            grey &= is_grey(&image);
        }
        let colour = if grey && common.is_some() { Colour::Grey } else { Colour::Rgb };
        Ok(Self { size: common.filter(|_| same), colour, white: 2 * white > all })
    }

    fn pixels(&self, choice: &PixelsChoice, reporter: &dyn Reporter) -> ExtractorSpec {
        let (size, why) = match (choice.size, self.size) {
            (Some(size), _) => (size, "as asked for"),
            (None, Some(size)) => (size, "the images' own size"),
            (None, None) => (OTHERWISE, "the images are larger or differ in size"),
        };
        let ((width, height), colour) = (size, choice.colour.unwrap_or(self.colour));
        let channels = if colour == Colour::Grey { "grey" } else { "RGB" };
        let ink = if self.white { "; inverted, for most is white" } else { "" };
        reporter.detail(&format!("pixels: {width} x {height}, {why}; {channels}{ink}"));
        let plain = PixelsSpec::new(width, height, colour);
        ExtractorSpec::Pixels(PixelsSpec { fit: choice.fit, inverted: self.white, ..plain })
    }
}

/// Chooses the parameters of `pixels` by a look at up to 64 images from all over `collection` (the first ones, if it
/// must be read in order), and says what it chose. Where more than half of their values are white, values are inverted.
///
/// # Errors
/// If interrupted. Images that can't be decoded don't count.
pub fn choose_pixels(
    collection: &dyn Source,
    choice: &PixelsChoice,
    limits: &Limits,
    reporter: &dyn Reporter,
) -> Result<ExtractorSpec, Interrupted> {
    Ok(Look::at(collection, limits, reporter)?.pixels(choice, reporter))
}

/// Chooses an extractor by a look at up to 64 images from all over `collection`, and says which and why.
///
/// Small grey pictures of one size, such as digits, get their pixels joined with `builtin`; all others the first of the
/// [published models](HubModel::all) whose weights are in the cache, or else `builtin`. Nothing is fetched.
///
/// # Errors
/// If interrupted, or if the weights in the cache are others than those that are pinned. Images that can't be decoded
/// don't count.
pub fn choose_extractor(
    collection: &dyn Source,
    hub: &Hub,
    limits: &Limits,
    reporter: &dyn Reporter,
) -> Result<ExtractorSpec, EmbedError> {
    let look = Look::at(collection, limits, reporter)?;
    let builtin = ExtractorSpec::Builtin(BuiltinSpec::default());
    let (spec, why) = match (&look, HubModel::all().iter().find(|model| hub.cached(model).is_some())) {
        (Look { size: Some((width, height)), colour: Colour::Grey, .. }, _) => {
            let pixels = look.pixels(&PixelsChoice::default(), reporter);
            let why = format!("small grey pictures, all {width} x {height}");
            (ExtractorSpec::Combined(CombinedSpec::new([(pixels, 1.0), (builtin, 1.0)])), why)
        }
        (_, Some(model)) => {
            let spec = ExtractorSpec::Pretrained(PretrainedSpec::published(model, hub, reporter)?);
            (spec, "its weights are here; --model builtin is quicker".to_owned())
        }
        (_, None) => (builtin, "the best that needs no download".to_owned()),
    };
    reporter.notice(&format!("extractor {}: {why}", spec.name()));
    Ok(spec)
}

fn is_grey(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgb8(image) => image.pixels().all(|p| p[0] == p[1] && p[1] == p[2]),
        image => !image.color().has_color(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::contract::{Memory, grey, rgb};
    use crate::embed::{Extractor, pixels::Pixels};
    use crate::progress::Silent;
    use image::GrayImage;
    use ndarray::Array2;

    fn chosen(images: Vec<DynamicImage>) -> PixelsSpec {
        let source = Memory::new(images);
        let spec = choose_pixels(&source, &PixelsChoice::default(), &Limits::default(), &Silent).unwrap();
        let ExtractorSpec::Pixels(spec) = spec else { panic!("{spec:?}") };
        spec
    }

    #[test]
    fn the_collection_chooses_size_and_colour() {
        assert_eq!(chosen(vec![grey(28, 20, 1); 3]), PixelsSpec::new(28, 20, Colour::Grey));
        assert_eq!(chosen(vec![grey(28, 20, 1), grey(28, 21, 1)]), PixelsSpec::new(32, 32, Colour::Grey));
        assert_eq!(chosen(vec![grey(28, 28, 1), rgb(28, 28, 2)]), PixelsSpec::new(28, 28, Colour::Rgb));
        assert_eq!(chosen(vec![rgb(65, 8, 2)]), PixelsSpec::new(32, 32, Colour::Rgb));
        assert_eq!(chosen(vec![DynamicImage::ImageRgb8(grey(8, 8, 1).to_rgb8())]), PixelsSpec::new(8, 8, Colour::Grey));
        assert_eq!(chosen(vec![]), PixelsSpec::new(32, 32, Colour::Rgb));
    }

    #[test]
    fn white_paper_is_inverted_and_shown_as_it_was() {
        let page = |ink: u32| {
            DynamicImage::ImageLuma8(GrayImage::from_fn(10, 10, |x, _| [if x < ink { 40 } else { 255 }].into()))
        };
        assert!(!chosen(vec![page(5)]).inverted && chosen(vec![page(4)]).inverted);
        let spec = chosen(vec![page(4), page(2)]);
        let pixels = Pixels::new(spec).unwrap();
        let mut out = Array2::zeros((1, 100));
        pixels.embed(&[pixels.prepare(&page(4))], out.view_mut()).unwrap();
        assert_eq!((out[[0, 0]], out[[0, 9]]), (215.0 / 255.0, 0.0));
        assert_eq!(pixels.picture(out.row(0)), Some(page(4)));
        let json = |spec: PixelsSpec| serde_json::to_string(&spec).unwrap();
        assert!(json(spec).contains("inverted") && !json(chosen(vec![page(9)])).contains("inverted"));
    }

    #[test]
    fn the_collection_chooses_the_extractor() {
        let hub = tempfile::tempdir().unwrap();
        let empty = Hub::of(|name| (name == "HF_HUB_CACHE").then(|| hub.path().to_str().unwrap().into()), None);
        let chosen = |images| {
            let source = Memory::new(images);
            choose_extractor(&source, &empty, &Limits::default(), &Silent).unwrap().name()
        };
        assert_eq!(chosen(vec![grey(28, 20, 1); 3]), "pixels+builtin");
        for photos in [vec![grey(28, 20, 1), grey(28, 21, 1)], vec![grey(65, 65, 1)], vec![rgb(32, 32, 1)], vec![]] {
            assert_eq!(chosen(photos), "builtin");
        }
        let model = HubModel::find("clip-b32").unwrap();
        let file = empty.directory(model).join("blobs").join(model.sha256.as_ref().unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "weights").unwrap();
        assert_eq!(chosen(vec![rgb(32, 32, 1)]), "clip-b32");
        assert_eq!(chosen(vec![grey(28, 20, 1)]), "pixels+builtin");
    }
}
