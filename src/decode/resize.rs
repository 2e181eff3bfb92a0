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
        Fit::Stretch => scale(image, width, height, false),
        Fit::Crop => scale(image, width, height, true),
        Fit::Pad => pad(image, width, height),
    }
}

fn scale(image: &DynamicImage, width: u32, height: u32, crop: bool) -> DynamicImage {
    let mut scaled = DynamicImage::new(width, height, image.color());
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    if crop {
        options = options.fit_into_destination(Some((0.5, 0.5)));
    }
    Resizer::new().resize(image, &mut scaled, &options).expect("both pictures are grey or both RGB");
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
