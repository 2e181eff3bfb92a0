//! The formats that the image crate decodes.

use std::io::Cursor;

use image::codecs::tiff::TiffDecoder;
use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::{DecodeError, Format, Limits, Picture, colour};

pub fn read(bytes: &[u8], format: Format, codec: ImageFormat, limits: &Limits) -> Result<Picture, DecodeError> {
    let error = |e| error(e, format, limits);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), codec);
    let mut allowed = image::Limits::no_limits();
    allowed.max_alloc = Some(limits.max_bytes);
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(error)?;
    let (width, height) = decoder.dimensions();
    limits.check(width, height, decoder.color_type().bytes_per_pixel().into())?;
    let profile = match codec {
        // Under a limit the decoder reads no profile that is larger than the picture's pixels.
        ImageFormat::Tiff => TiffDecoder::new(Cursor::new(bytes)).and_then(|mut decoder| decoder.icc_profile()),
        _ => decoder.icc_profile(),
    };
    let profile = colour::parse(profile.ok().flatten());
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(error)?;
    Ok(Picture { image, profile, orientation })
}

fn error(error: ImageError, format: Format, limits: &Limits) -> DecodeError {
    match error {
        ImageError::Unsupported(e) => DecodeError::Unsupported { format, reason: e.to_string() },
        ImageError::Limits(e) if e.kind() == LimitErrorKind::InsufficientMemory => {
            DecodeError::TooManyBytes { max_bytes: limits.max_bytes }
        }
        error => DecodeError::Corrupt { format, reason: error.to_string() },
    }
}
