//! Thumbnails, named by the content of their image so that a second run finds them.

use std::fmt::Write;
use std::io::Cursor;
use std::path::Path;

use fast_image_resize::Resizer;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat};

use crate::files::{At, FileError, write_unsynced};

/// Longest side of the thumbnails of a report, in pixels.
pub const THUMBNAIL_SIDE: u32 = 256;

/// Up to this side every pixel counts, and a lossless file is small.
const TINY: u32 = 64;

const JPEG_QUALITY: u8 = 80;

/// An encoded thumbnail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// What they are.
    pub format: ThumbnailFormat,
}

/// The file formats of thumbnails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThumbnailFormat {
    /// For photos.
    Jpeg,
    /// Lossless, for tiny pictures and drawings.
    Png,
}

impl ThumbnailFormat {
    const ALL: [Self; 2] = [Self::Jpeg, Self::Png];

    fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

/// Shrinks `image` to fit a square of `longest_side` pixels and encodes it, as grey if it is grey, else as RGB.
///
/// A picture that fits is never enlarged nor resampled: up to 64 pixels it is kept lossless as PNG, else as whichever
/// of JPEG and PNG is smaller. Takes about 1 ms for a picture of 500 x 375.
///
/// ```
/// use alike::report::{ThumbnailFormat, thumbnail};
/// let photo = image::DynamicImage::new_rgb8(1000, 500);
/// let small = thumbnail(&photo, 256);
/// assert_eq!(small.format, ThumbnailFormat::Jpeg);
/// assert_eq!(image::load_from_memory(&small.bytes)?.width(), 256);
/// # Ok::<(), image::ImageError>(())
/// ```
pub fn thumbnail(image: &DynamicImage, longest_side: u32) -> Thumbnail {
    let image = eight_bit(image);
    let (width, height) = (image.width(), image.height());
    if width == 0 || height == 0 {
        return Thumbnail { bytes: png(&DynamicImage::new_luma8(1, 1)), format: ThumbnailFormat::Png };
    }
    if width.max(height) > longest_side {
        return Thumbnail { bytes: jpeg(&shrink(&image, longest_side)), format: ThumbnailFormat::Jpeg };
    }
    let lossless = png(&image);
    if width.max(height) > TINY {
        let lossy = jpeg(&image);
        if lossy.len() < lossless.len() {
            return Thumbnail { bytes: lossy, format: ThumbnailFormat::Jpeg };
        }
    }
    Thumbnail { bytes: lossless, format: ThumbnailFormat::Png }
}

/// Writes the thumbnail of the image with this content `hash` below `out`, the report's directory, unless it is
/// there, and returns its URL from there. May be called from many threads at once.
///
/// # Errors
/// If it can't be written.
pub fn store_thumbnail(out: &Path, hash: &[u8; 32], image: &DynamicImage) -> Result<String, FileError> {
    if let Some(found) = find_thumbnail(out, hash) {
        return Ok(found);
    }
    let Thumbnail { bytes, format } = thumbnail(image, THUMBNAIL_SIDE);
    let url = url(hash, format);
    let path = out.join(&url);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).at("create", directory)?;
    }
    write_unsynced(&path, &bytes)?;
    Ok(url)
}

/// The URL from `out` of the thumbnail that an earlier run left there for this content `hash`.
pub fn find_thumbnail(out: &Path, hash: &[u8; 32]) -> Option<String> {
    // After a power failure a file may be there without its bytes.
    let whole = |url: &String| std::fs::metadata(out.join(url)).is_ok_and(|m| m.len() > 0);
    ThumbnailFormat::ALL.map(|format| url(hash, format)).into_iter().find(whole)
}

/// `report/thumbs/ab/ab....jpg`: 256 directories keep each of them small.
fn url(hash: &[u8; 32], format: ThumbnailFormat) -> String {
    let mut hex = String::with_capacity(64);
    for byte in hash {
        let _ = write!(hex, "{byte:02x}");
    }
    format!("report/thumbs/{}/{hex}.{}", &hex[..2], format.extension())
}

/// `image` as 8-bit grey or RGB.
pub(super) fn eight_bit(image: &DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => image.clone(),
        DynamicImage::ImageLuma16(_) => DynamicImage::ImageLuma8(image.to_luma8()),
        _ => DynamicImage::ImageRgb8(image.to_rgb8()),
    }
}

/// `image`, 8-bit grey or RGB and not empty, with its longest side `side`, in proportion.
pub(super) fn shrink(image: &DynamicImage, side: u32) -> DynamicImage {
    let longest = u64::from(image.width().max(image.height()));
    let scaled = |length: u32| {
        let length = (u64::from(length) * u64::from(side) + longest / 2) / longest;
        u32::try_from(length).unwrap_or(side).max(1)
    };
    let mut small = DynamicImage::new(scaled(image.width()), scaled(image.height()), image.color());
    Resizer::new().resize(image, &mut small, None).expect("both are 8-bit grey or both RGB");
    small
}

/// `image`, 8-bit and not empty, as PNG.
pub(super) fn png(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).expect("8-bit pixels fit PNG, memory takes them");
    bytes
}

/// `image`, 8-bit, not empty, sides below 65,536, as JPEG.
fn jpeg(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
    image.write_with_encoder(encoder).expect("8-bit pixels of that size fit JPEG, memory takes them");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, RgbImage};

    fn busy(width: u32, height: u32) -> DynamicImage {
        let pixel = |x: u32, y: u32| image::Rgb([(x * 7 + y * y) as u8, (x * y) as u8, (y * 13 + x * x / 3) as u8]);
        RgbImage::from_fn(width, height, pixel).into()
    }

    #[test]
    fn tiny_pictures_keep_every_pixel() {
        let digit = DynamicImage::from(GrayImage::from_fn(28, 28, |x, y| image::Luma([(x * 9 + y) as u8])));
        for tiny in [digit, busy(64, 60)] {
            let kept = thumbnail(&tiny, 256);
            assert_eq!(kept.format, ThumbnailFormat::Png);
            assert_eq!(image::load_from_memory(&kept.bytes).unwrap(), tiny);
        }
    }

    #[test]
    fn large_pictures_shrink_in_proportion() {
        for (size, expected) in [((500, 375), (256, 192)), ((300, 900), (85, 256)), ((10_000, 3), (256, 1))] {
            let small = thumbnail(&busy(size.0, size.1), 256);
            assert_eq!(small.format, ThumbnailFormat::Jpeg);
            let small = image::load_from_memory(&small.bytes).unwrap();
            assert_eq!((small.width(), small.height()), expected);
        }
    }

    #[test]
    fn a_picture_that_fits_takes_the_smaller_format() {
        assert_eq!(thumbnail(&busy(200, 150), 256).format, ThumbnailFormat::Jpeg);
        assert_eq!(thumbnail(&DynamicImage::new_luma8(200, 150), 256).format, ThumbnailFormat::Png);
    }

    #[test]
    fn any_colour_type_and_an_empty_picture_are_taken() {
        for image in [DynamicImage::new_rgba16(300, 4), DynamicImage::new_luma16(9, 9), DynamicImage::new_rgb8(0, 5)] {
            assert!(image::load_from_memory(&thumbnail(&image, 64).bytes).is_ok());
        }
    }

    #[test]
    fn a_stored_thumbnail_is_found_again() {
        let out = tempfile::tempdir().unwrap();
        let hash = [0xab; 32];
        assert_eq!(find_thumbnail(out.path(), &hash), None);
        let url = store_thumbnail(out.path(), &hash, &busy(300, 300)).unwrap();
        assert_eq!(url, format!("report/thumbs/ab/{}.jpg", "ab".repeat(32)));
        assert_eq!(find_thumbnail(out.path(), &hash), Some(url.clone()));
        assert_eq!(store_thumbnail(out.path(), &hash, &busy(9, 9)).unwrap(), url);
        std::fs::write(out.path().join(&url), b"").unwrap();
        assert_eq!(find_thumbnail(out.path(), &hash), None, "an empty file is no thumbnail");
    }
}
