//! HEIC through the system's libheif, which applies rotation, mirroring and cropping itself.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, RgbaImage};
use libheif_rs::{ColorSpace, HeifContext, HeifError, LibHeif, RgbChroma};

use super::{DecodeError, Format, Limits, Picture, colour};

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    let failed = |e: HeifError| corrupt(&e.to_string());
    let context = HeifContext::read_from_bytes(bytes).map_err(failed)?;
    let handle = context.primary_image_handle().map_err(failed)?;
    limits.check(handle.width(), handle.height(), 8)?;
    let alpha = handle.has_alpha_channel();
    let (chroma, channels) = if alpha { (RgbChroma::Rgba, 4) } else { (RgbChroma::Rgb, 3) };
    let decoded = LibHeif::new().decode(&handle, ColorSpace::Rgb(chroma), None).map_err(failed)?;

    let plane = decoded.planes().interleaved.ok_or_else(|| corrupt("it decodes to no pixels"))?;
    let row = plane.width as usize * channels;
    let pixels: Vec<u8> =
        plane.data.chunks(plane.stride).take(plane.height as usize).flat_map(|line| &line[..row]).copied().collect();
    let image = if alpha {
        RgbaImage::from_raw(plane.width, plane.height, pixels).map(DynamicImage::ImageRgba8)
    } else {
        RgbImage::from_raw(plane.width, plane.height, pixels).map(DynamicImage::ImageRgb8)
    };
    let image = image.ok_or_else(|| corrupt("it holds fewer pixels than its header says"))?;
    let profile = colour::parse(handle.color_profile_raw().map(|profile| profile.data));
    Ok(Picture { image, profile, orientation: Orientation::NoTransforms })
}

fn corrupt(reason: &str) -> DecodeError {
    DecodeError::Corrupt { format: Format::Heic, reason: reason.into() }
}
