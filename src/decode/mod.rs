//! Turns the bytes of a picture file into 8-bit pixels, whatever the file claims to be.
//!
//! A picture is hostile until decoded. Its format is told by its content, its size is checked against [`Limits`]
//! before anything is allocated, and a panic inside a decoder becomes a [`DecodeError`]. (One part is beyond that
//! guard: the AV1 decoder, where a panic would end the process.) A picture that is cut short, or whose data breaks its
//! format's rules, is an error, even where a viewer would show its upper half over grey: a curator must not take a
//! damaged file for a good one. Damage that still reads as valid data can't be noticed.

mod colour;
mod contain;
mod flatten;
mod format;
mod jpeg;
mod other;
mod resize;

#[cfg(feature = "avif")]
mod avif;
#[cfg(feature = "heic")]
mod heic;

#[cfg(test)]
mod tests;

use image::DynamicImage;
use image::metadata::Orientation;
use moxcms::ColorProfile;

pub(crate) use contain::contain;
pub use format::Format;
pub use resize::{Fit, Interpolation, Middle, resample, resize, resize_crop};

/// What one decoding may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of a picture. The default, 2^28 (268 million), is above the 200 million of today's largest
    /// phone cameras.
    pub max_pixels: u64,
    /// Most bytes that one decoding may allocate, as foretold by the picture's header. The default, 2 GiB, decodes
    /// the largest allowed pixel count from a baseline JPEG, and 200 million pixels from a progressive one.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 1 << 28, max_bytes: 1 << 31 }
    }
}

impl Limits {
    /// Accepts a picture of `width` x `height` whose decoding takes `bytes_per_pixel`.
    fn check(&self, width: u32, height: u32, bytes_per_pixel: u64) -> Result<(), DecodeError> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(DecodeError::NoPixels { width, height });
        }
        if pixels > self.max_pixels {
            return Err(DecodeError::TooManyPixels { width, height, max_pixels: self.max_pixels });
        }
        if pixels.saturating_mul(bytes_per_pixel) > self.max_bytes {
            return Err(DecodeError::TooManyBytes { max_bytes: self.max_bytes });
        }
        Ok(())
    }
}

/// Why bytes didn't become pixels.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// No format that is known here.
    #[error(
        "expected JPEG, PNG, GIF, WebP, BMP, TIFF, PNM, QOI, AVIF or HEIC; found a file that starts with \"{start}\""
    )]
    UnknownFormat {
        /// The first bytes, unprintable ones escaped.
        start: String,
    },
    /// The format needs a part that this build lacks.
    #[error("a {format} file, but this build can't decode {format}: build with `--features {feature}`, or convert it")]
    NotBuilt {
        /// What the file is.
        format: Format,
        /// The cargo feature that decodes it.
        feature: &'static str,
    },
    /// Width or height is zero.
    #[error("the picture is {width} x {height}: it has no pixels")]
    NoPixels {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// More pixels than allowed.
    #[error(
        "the picture is {width} x {height}, over the limit of {max_pixels} pixels: raise it (--max-megapixels) to decode this one"
    )]
    TooManyPixels {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// [`Limits::max_pixels`].
        max_pixels: u64,
    },
    /// More memory than allowed.
    #[error(
        "decoding needs more than the limit of {max_bytes} bytes: raise it (--max-image-memory) to decode this one"
    )]
    TooManyBytes {
        /// [`Limits::max_bytes`].
        max_bytes: u64,
    },
    /// The file breaks its format's rules, or ends early.
    #[error("corrupt {format}: {reason}")]
    Corrupt {
        /// What the file is.
        format: Format,
        /// What the decoder says.
        reason: String,
    },
    /// A valid file of a kind that the decoder doesn't know.
    #[error("{format} of a kind that can't be decoded: {reason}")]
    Unsupported {
        /// What the file is.
        format: Format,
        /// What the decoder says.
        reason: String,
    },
    /// The decoder panicked; nothing else is affected.
    #[error("the decoder failed on this file: {reason}")]
    Panicked {
        /// Its last words.
        reason: String,
    },
}

/// A decoded picture before its metadata is applied.
struct Picture {
    image: DynamicImage,
    profile: Option<ColorProfile>,
    orientation: Orientation,
}

/// Decodes one picture: upright, sRGB, opaque, 8 bits a channel, always [`DynamicImage::ImageLuma8`] or
/// [`DynamicImage::ImageRgb8`].
///
/// - Grey stays grey and palettes become RGB. 16 bits are scaled to 8, rounded.
/// - Colour profiles (ICC, and the code points of AVIF) are converted to sRGB; a broken profile is ignored. CMYK
///   without a profile is converted as (1-C)(1-K). HDR transfer curves (PQ, HLG) are not tone mapped.
/// - Transparency is blended over white.
/// - EXIF orientation (or AVIF rotation and mirroring) is applied.
/// - Of an animation the first frame, of a multi-page TIFF the first page.
///
/// ```
/// use alike::decode::{Limits, decode};
/// use image::{DynamicImage, GrayImage, ImageFormat, Luma};
///
/// let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(3, 2, Luma([7])));
/// let mut file = std::io::Cursor::new(Vec::new());
/// grey.write_to(&mut file, ImageFormat::Png)?;
/// assert_eq!(decode(file.get_ref(), &Limits::default())?, grey);
/// assert!(decode(b"Dear diary", &Limits::default()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the format is unknown, the file is damaged or cut short, or the picture is over `limits`.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<DynamicImage, DecodeError> {
    decode_at_least(bytes, limits, u32::MAX)
}

/// Pixels of the shorter side that a picture decoded at reduced scale keeps at least, where extractors are content with
/// half of it.
pub const REDUCED_SIDE: u32 = 512;

/// [`decode`], but the picture may come scaled down, to a half, a quarter or an eighth, whose shorter side has `side`
/// pixels or more. Only JPEGs do, in a build with the feature `turbojpeg`; brought to half that size or less, they are a
/// few of 255 from the whole picture. Some damage that [`decode`] refuses goes unnoticed at reduced scale.
///
/// # Errors
/// As [`decode`].
pub fn decode_at_least(bytes: &[u8], limits: &Limits, side: u32) -> Result<DynamicImage, DecodeError> {
    contain(|| {
        let picture = read(bytes, limits, side)?;
        let mut image = flatten::eight_bits(picture.image);
        if let Some(profile) = &picture.profile {
            colour::to_srgb(&mut image, profile);
        }
        let mut image = flatten::over_white(image);
        image.apply_orientation(picture.orientation);
        Ok(image)
    })
    .unwrap_or_else(|reason| Err(DecodeError::Panicked { reason }))
}

fn read(bytes: &[u8], limits: &Limits, side: u32) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let Some(format) = Format::of(bytes) else {
        let start = bytes[..bytes.len().min(12)].escape_ascii().to_string();
        return Err(DecodeError::UnknownFormat { start });
    };
    match format {
        Format::Jpeg => jpeg::read(bytes, limits, side),
        #[cfg(feature = "avif")]
        Format::Avif => avif::read(bytes, limits),
        #[cfg(not(feature = "avif"))]
        Format::Avif => Err(DecodeError::NotBuilt { format, feature: "avif" }),
        #[cfg(feature = "heic")]
        Format::Heic => heic::read(bytes, limits),
        #[cfg(not(feature = "heic"))]
        Format::Heic => Err(DecodeError::NotBuilt { format, feature: "heic" }),
        Format::Png => other::read(bytes, format, image::ImageFormat::Png, limits),
        Format::Gif => other::read(bytes, format, image::ImageFormat::Gif, limits),
        Format::WebP => other::read(bytes, format, image::ImageFormat::WebP, limits),
        Format::Bmp => other::read(bytes, format, image::ImageFormat::Bmp, limits),
        Format::Tiff => other::read(bytes, format, image::ImageFormat::Tiff, limits),
        Format::Pnm => other::read(bytes, format, image::ImageFormat::Pnm, limits),
        Format::Qoi => other::read(bytes, format, image::ImageFormat::Qoi, limits),
    }
}
