//! Antialiased resizing.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, GenericImage, GrayImage, Luma, Rgb, RgbImage};

/// How a picture meets a frame of another shape.
#[derive(serde::Serialize, serde::Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The whole picture, its sides scaled independently.
    Stretch,
    /// The largest centred part that has the frame's shape.
    Crop,
    /// The whole picture in its own shape, centred on white.
    Pad,
}

/// Scales a picture to `width` x `height` pixels, both at least 1. Grey stays grey, everything else becomes RGB; a
/// picture that has the size already is returned as it is.
///
/// The filter is the cubic of Catmull and Rom, widened by the scale when shrinking so that nothing aliases; the same
/// as Pillow's `BICUBIC`, which most learned extractors were trained on. A smaller picture is scaled up. Cost:
/// O(pixels read).
///
/// ```
/// use alike::decode::{Fit, resize};
/// use image::{DynamicImage, GrayImage, Luma};
///
/// let black = DynamicImage::ImageLuma8(GrayImage::from_pixel(40, 20, Luma([0])));
/// let padded = resize(&black, 10, 10, Fit::Pad).into_luma8();
/// assert_eq!((padded[(5, 0)], padded[(5, 5)]), (Luma([255]), Luma([0])));
/// ```
pub fn resize(image: &DynamicImage, width: u32, height: u32, fit: Fit) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => {}
        other => return resize(&DynamicImage::ImageRgb8(other.to_rgb8()), width, height, fit),
    }
    let (width, height) = (width.max(1), height.max(1));
    if (image.width(), image.height()) == (width, height) {
        return image.clone();
    }
    match fit {
        Fit::Stretch => scale(image, width, height, Interpolation::Bicubic.options()),
        Fit::Crop => {
            scale(image, width, height, Interpolation::Bicubic.options().fit_into_destination(Some((0.5, 0.5))))
        }
        Fit::Pad => pad(image, width, height),
    }
}

/// How the values between pixels are made. Shrinking widens either by the scale, so that nothing aliases.
#[derive(serde::Serialize, serde::Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Linear between neighbours, Pillow's `BILINEAR`.
    Bilinear,
    /// The cubic of Catmull and Rom, Pillow's `BICUBIC`.
    Bicubic,
}

impl Interpolation {
    fn options(self) -> ResizeOptions {
        let filter = match self {
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
        };
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter))
    }
}

/// Scales the whole picture to `width` x `height`, whatever its proportions, as [`resize`] does but by a filter of
/// choice.
///
/// ```
/// use alike::decode::{Interpolation, resample};
/// use image::DynamicImage;
/// let picture = resample(&DynamicImage::new_rgb8(30, 10), 8, 8, Interpolation::Bilinear);
/// assert_eq!((picture.width(), picture.height()), (8, 8));
/// ```
pub fn resample(image: &DynamicImage, width: u32, height: u32, interpolation: Interpolation) -> DynamicImage {
    scale(image, width.max(1), height.max(1), interpolation.options())
}

/// Where the middle begins if that is between two pixels.
#[derive(serde::Serialize, serde::Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Middle {
    /// At the one before, as the image processors of transformers cut.
    Before,
    /// At that of the even number, as torchvision's `CenterCrop` cuts.
    Even,
}

/// Scales a picture so that its shorter side has `shortest` pixels, and cuts the middle `side` x `side` out of it, as
/// `Resize` and `CenterCrop` do to a Pillow image. Only what is kept is computed. `shortest` is taken to be `side` at
/// least, and that 1.
///
/// ```
/// use alike::decode::{Interpolation, Middle, resize_crop};
/// use image::DynamicImage;
/// let picture = resize_crop(&DynamicImage::new_rgb8(300, 100), 256, 224, Middle::Even, Interpolation::Bicubic);
/// assert_eq!((picture.width(), picture.height()), (224, 224));
/// ```
pub fn resize_crop(
    image: &DynamicImage,
    shortest: u32,
    side: u32,
    middle: Middle,
    interpolation: Interpolation,
) -> DynamicImage {
    let (side, short) = (side.max(1), image.width().min(image.height()).max(1));
    let shortest = shortest.max(side);
    // The longer side is cut off to whole pixels, so its scale may be a little less.
    let part = |length: u32| {
        let scaled = (u64::from(shortest) * u64::from(length) / u64::from(short)) as f64;
        let scale = f64::from(length) / scaled;
        let start = (scaled - f64::from(side)) / 2.0;
        let start = scale
            * match middle {
                Middle::Before => start.floor(),
                Middle::Even => start.round_ties_even(),
            };
        // Rounding must not lead out of the picture.
        (start, (f64::from(side) * scale).min(f64::from(length) - start))
    };
    let ((left, width), (top, height)) = (part(image.width()), part(image.height()));
    scale(image, side, side, interpolation.options().crop(left, top, width, height))
}

/// A picture of grey or RGB by these options; others become RGB.
fn scale(image: &DynamicImage, width: u32, height: u32, options: ResizeOptions) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => {}
        other => return scale(&DynamicImage::ImageRgb8(other.to_rgb8()), width, height, options),
    }
    let mut scaled = DynamicImage::new(width, height, image.color());
    Resizer::new().resize(image, &mut scaled, &options).expect("the part lies within, and both are grey or both RGB");
    scaled
}

fn pad(image: &DynamicImage, width: u32, height: u32) -> DynamicImage {
    let ratio = (f64::from(width) / f64::from(image.width())).min(f64::from(height) / f64::from(image.height()));
    let side = |length: u32, frame: u32| ((f64::from(length) * ratio).round() as u32).clamp(1, frame);
    let (inner_width, inner_height) = (side(image.width(), width), side(image.height(), height));
    let (x, y) = ((width - inner_width) / 2, (height - inner_height) / 2);
    match resize(image, inner_width, inner_height, Fit::Stretch) {
        DynamicImage::ImageLuma8(inner) => {
            let mut frame = GrayImage::from_pixel(width, height, Luma([255]));
            frame.copy_from(&inner, x, y).expect("the inner picture fits");
            DynamicImage::ImageLuma8(frame)
        }
        inner => {
            let mut frame = RgbImage::from_pixel(width, height, Rgb([255; 3]));
            frame.copy_from(&inner.into_rgb8(), x, y).expect("the inner picture fits");
            DynamicImage::ImageRgb8(frame)
        }
    }
}
