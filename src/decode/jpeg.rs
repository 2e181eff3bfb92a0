//! JPEG, by the decoder that the image crate uses too, but asked directly: strict about damage, with CMYK as stored,
//! and with one reading of the headers instead of four.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{DecodeError, Format, Limits, Picture, colour};

/// The picture, scaled down if its shorter side has `side` pixels then at least.
pub fn read(bytes: &[u8], limits: &Limits, side: u32) -> Result<Picture, DecodeError> {
    let progressive = scan_headers(bytes)?;
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(error)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| corrupt("it has no frame header"))?;
    let (width, height) = (width as u32, height as u32);
    let stored = decoder.input_colorspace().ok_or_else(|| corrupt("it has no frame header"))?;
    let wanted = match stored {
        ColorSpace::Luma | ColorSpace::CMYK | ColorSpace::YCCK => stored,
        _ => ColorSpace::RGB,
    };
    // A progressive picture is held as 16-bit coefficients until its last scan.
    let channels = wanted.num_components() as u64;
    limits.check(width, height, if progressive { 3 * channels } else { channels })?;
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    // What the scaling decoder refuses goes to the strict one, which decides.
    let (width, height, pixels) = match scaled(bytes, (width, height), wanted, side) {
        Some(scaled) => scaled,
        None => (width, height, decoder.decode().map_err(error)?),
    };

    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let mut profile = colour::parse(decoder.icc_profile());
    let image = match wanted {
        ColorSpace::Luma => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        ColorSpace::RGB => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        _ => {
            let mut paper = pixels;
            if wanted == ColorSpace::YCCK {
                paper.chunks_exact_mut(4).for_each(ycck_to_cmyk);
            }
            let rgb = cmyk_to_rgb(paper, profile.take().as_ref());
            RgbImage::from_raw(width, height, rgb).map(DynamicImage::ImageRgb8)
        }
    };
    let image = image.ok_or_else(|| corrupt("it holds fewer pixels than its header says"))?;
    Ok(Picture { image, profile, orientation: orientation.unwrap_or(Orientation::NoTransforms) })
}

/// Width, height and pixels at the least scale that leaves the shorter side `side` pixels; none if that is the whole
/// picture, or if anything is wrong with it.
#[cfg(feature = "turbojpeg")]
fn scaled(bytes: &[u8], size: (u32, u32), wanted: ColorSpace, side: u32) -> Option<(u32, u32, Vec<u8>)> {
    use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};
    let fits = |by: &u32| size.0.min(size.1).div_ceil(*by) >= side.max(1);
    let factor = ScalingFactor::new(1, [8, 4, 2].into_iter().find(fits)? as usize);
    let format = match wanted {
        ColorSpace::Luma => PixelFormat::GRAY,
        ColorSpace::RGB => PixelFormat::RGB,
        _ => return None,
    };
    let mut decompressor = Decompressor::new().ok()?;
    let header = decompressor.read_header(bytes).ok()?;
    if (header.width, header.height) != (size.0 as usize, size.1 as usize) {
        return None;
    }
    decompressor.set_scaling_factor(factor).ok()?;
    let (width, height) = (factor.scale(header.width), factor.scale(header.height));
    let pitch = width * format.size();
    let mut image = Image { pixels: vec![0; pitch * height], width, pitch, height, format };
    decompressor.decompress(bytes, image.as_deref_mut()).ok()?;
    Some((width as u32, height as u32, image.pixels))
}

#[cfg(not(feature = "turbojpeg"))]
fn scaled(_: &[u8], _: (u32, u32), _: ColorSpace, _: u32) -> Option<(u32, u32, Vec<u8>)> {
    None
}

/// Walks the segments to the first scan and tells whether the picture is progressive.
///
/// # Errors
/// If no end marker follows the scan: the file was cut short. The decoder by itself doesn't notice a cut inside the
/// last row of blocks. Within a scan the marker can't occur by chance (0xff is escaped there), and it is at the very
/// end of nearly every file, so the search from the end costs nothing.
fn scan_headers(bytes: &[u8]) -> Result<bool, DecodeError> {
    let mut progressive = false;
    let mut at = 2;
    while let Some(&[lead, marker]) = bytes.get(at..at + 2).and_then(|b| b.first_chunk()) {
        at += 1;
        if lead != 0xff || matches!(marker, 0 | 0xff) {
            continue;
        }
        at += 1;
        match marker {
            0xda if bytes[at..].windows(2).rev().any(|pair| pair == [0xff, 0xd9]) => return Ok(progressive),
            0xda => return Err(corrupt("it ends early, without its end marker")),
            0x01 | 0xd0..=0xd8 => continue,
            0xc2 => progressive = true,
            _ => {}
        }
        let Some(length) = bytes.get(at..).and_then(|b| b.first_chunk()) else { break };
        at += usize::from(u16::from_be_bytes(*length));
    }
    Err(corrupt("it ends before its pixels start"))
}

/// Adobe stores the complement of the inks ("paper"), as luma and chroma of their RGB-like triple, itself inverted.
fn ycck_to_cmyk(pixel: &mut [u8]) {
    let (y, cb, cr) = (f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    for (ink, value) in pixel.iter_mut().zip(rgb) {
        *ink = 255 - value.round().clamp(0.0, 255.0) as u8;
    }
}

/// Four bytes a pixel of inverted inks (255: none) to RGB: by the profile, or else as light through both inks.
fn cmyk_to_rgb(mut paper: Vec<u8>, profile: Option<&moxcms::ColorProfile>) -> Vec<u8> {
    if let Some(profile) = profile {
        paper.iter_mut().for_each(|v| *v = 255 - *v);
        if let Some(rgb) = colour::cmyk_to_srgb(&paper, profile) {
            return rgb;
        }
        paper.iter_mut().for_each(|v| *v = 255 - *v);
    }
    let through = |ink: u8, black: u8| ((u32::from(ink) * u32::from(black) + 127) / 255) as u8;
    paper.chunks_exact(4).flat_map(|p| [through(p[0], p[3]), through(p[1], p[3]), through(p[2], p[3])]).collect()
}

fn corrupt(reason: &str) -> DecodeError {
    DecodeError::Corrupt { format: Format::Jpeg, reason: reason.into() }
}

fn error(error: DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::Unsupported(_) => DecodeError::Unsupported { format: Format::Jpeg, reason: error.to_string() },
        _ => corrupt(error.to_string().trim_end()),
    }
}
