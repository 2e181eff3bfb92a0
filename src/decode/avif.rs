//! AVIF: the container's boxes, the AV1 planes, and from planes to pixels.

mod container;
mod planes;

use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};
use re_rav1d::{Decoder, Picture as Frame, PixelLayout, Settings};

use super::{DecodeError, Format, Limits, Picture};
use container::Container;

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    let container = Container::parse(bytes).map_err(container_error)?;
    let header = container.data.primary_item_metadata().map_err(container_error)?;
    let (width, height) = (header.max_frame_width.get(), header.max_frame_height.get());
    // Three planes of up to two bytes with the decoder's padding, alpha, and the pixels made of them.
    limits.check(width, height, 12)?;

    let colour = decode(container.data.primary_item.to_vec(), limits)?;
    let alpha = match &container.data.alpha_item {
        Some(item) => Some(planes::grey(&decode(item.to_vec(), limits)?)),
        None => None,
    };
    let (width, height) = (colour.width(), colour.height());
    let n_pixels = width as usize * height as usize;
    if alpha.as_ref().is_some_and(|alpha| alpha.len() != n_pixels) {
        return Err(corrupt("its transparency has another size than its picture"));
    }
    let premultiplied = container.data.premultiplied_alpha;
    let image = if colour.pixel_layout() == PixelLayout::I400 {
        let grey = planes::grey(&colour);
        match alpha {
            None => GrayImage::from_raw(width, height, grey).map(DynamicImage::ImageLuma8),
            Some(alpha) => GrayAlphaImage::from_raw(width, height, join::<1>(&grey, &alpha, premultiplied))
                .map(DynamicImage::ImageLumaA8),
        }
    } else {
        let rgb = planes::rgb(&colour, container.nclx).ok_or_else(|| unsupported("its colour matrix is unknown"))?;
        match alpha {
            None => RgbImage::from_raw(width, height, rgb).map(DynamicImage::ImageRgb8),
            Some(alpha) => {
                RgbaImage::from_raw(width, height, join::<3>(&rgb, &alpha, premultiplied)).map(DynamicImage::ImageRgba8)
            }
        }
    };
    let image = image.ok_or_else(|| corrupt("it holds fewer pixels than its header says"))?;
    let profile = container.profile.or_else(|| planes::profile(&colour, container.nclx));
    Ok(Picture { image, profile, orientation: container.orientation })
}

/// Decodes the one AV1 frame of an item, on this thread.
fn decode(item: Vec<u8>, limits: &Limits) -> Result<Frame, DecodeError> {
    let failed = |e: re_rav1d::Error| corrupt(&e.to_string());
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_frame_size_limit(u32::try_from(limits.max_pixels).unwrap_or(u32::MAX));
    let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
    let mut sent = decoder.send_data(item, None, None, None);
    loop {
        match decoder.get_picture() {
            Ok(frame) => return Ok(frame),
            Err(e) if e.is_again() => match sent {
                Err(e) if e.is_again() => sent = decoder.send_pending_data(),
                Err(e) => return Err(failed(e)),
                Ok(()) => return Err(corrupt("it ends before its first frame does")),
            },
            Err(e) => return Err(failed(e)),
        }
    }
}

/// Puts alpha behind every `N` values of colour, which is divided by it first if it was multiplied.
fn join<const N: usize>(colour: &[u8], alpha: &[u8], premultiplied: bool) -> Vec<u8> {
    let mut joined = Vec::with_capacity(colour.len() + alpha.len());
    for (pixel, &a) in colour.chunks_exact(N).zip(alpha) {
        joined.extend(pixel.iter().map(|&v| match (premultiplied, a) {
            (true, 1..) => (u32::from(v) * 255 / u32::from(a)).min(255) as u8,
            _ => v,
        }));
        joined.push(a);
    }
    joined
}

fn container_error(error: avif_parse::Error) -> DecodeError {
    match error {
        avif_parse::Error::Unsupported(reason) => unsupported(reason),
        error => corrupt(&error.to_string()),
    }
}

fn corrupt(reason: &str) -> DecodeError {
    DecodeError::Corrupt { format: Format::Avif, reason: reason.into() }
}

fn unsupported(reason: &str) -> DecodeError {
    DecodeError::Unsupported { format: Format::Avif, reason: reason.into() }
}
