//! Colour profiles to sRGB.

use image::DynamicImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};
use std::sync::Arc;

/// Parses an ICC profile; a broken one is `None`.
pub fn parse(icc: Option<Vec<u8>>) -> Option<ColorProfile> {
    ColorProfile::new_from_slice(&icc?).ok()
}

/// Converts an 8-bit picture in place. A profile for another kind of pixels, or one that can't be used, is ignored.
pub fn to_srgb(image: &mut DynamicImage, profile: &ColorProfile) {
    match (image, profile.color_space) {
        (DynamicImage::ImageRgb8(image), DataColorSpace::Rgb) => convert(image.as_mut(), profile, Layout::Rgb),
        (DynamicImage::ImageRgba8(image), DataColorSpace::Rgb) => convert(image.as_mut(), profile, Layout::Rgba),
        (DynamicImage::ImageLuma8(image), DataColorSpace::Gray) => {
            if let Some(curve) = grey_curve(profile) {
                image.pixels_mut().for_each(|p| p.0[0] = curve[usize::from(p.0[0])]);
            }
        }
        (DynamicImage::ImageLumaA8(image), DataColorSpace::Gray) => {
            if let Some(curve) = grey_curve(profile) {
                image.pixels_mut().for_each(|p| p.0[0] = curve[usize::from(p.0[0])]);
            }
        }
        _ => {}
    }
}

/// CMYK (0 no ink, 255 full ink; four bytes a pixel) to sRGB, three bytes a pixel. `None` if `profile` can't be used.
pub fn cmyk_to_srgb(inks: &[u8], profile: &ColorProfile) -> Option<Vec<u8>> {
    if profile.color_space != DataColorSpace::Cmyk {
        return None;
    }
    let transform = transform(profile, Layout::Rgba, Layout::Rgb)?;
    let mut rgb = vec![0; inks.len() / 4 * 3];
    transform.transform(inks, &mut rgb).ok()?;
    Some(rgb)
}

fn transform(profile: &ColorProfile, from: Layout, to: Layout) -> Option<Arc<Transform8BitExecutor>> {
    profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default()).ok()
}

/// The sRGB grey of each grey level.
fn grey_curve(profile: &ColorProfile) -> Option<[u8; 256]> {
    let levels: Vec<u8> = (0..=255).collect();
    let mut rgb = [0; 256 * 3];
    transform(profile, Layout::Gray, Layout::Rgb)?.transform(&levels, &mut rgb).ok()?;
    Some(std::array::from_fn(|level| rgb[level * 3]))
}

/// Converts a few thousand pixels at a time, so that no second picture is needed.
fn convert(pixels: &mut [u8], profile: &ColorProfile, layout: Layout) {
    let Some(transform) = transform(profile, layout, layout) else { return };
    let channels = if layout == Layout::Rgb { 3 } else { 4 };
    if is_identity(&*transform, channels) {
        return;
    }
    let mut from = vec![0; 4096 * channels];
    for to in pixels.chunks_mut(4096 * channels) {
        let from = &mut from[..to.len()];
        from.copy_from_slice(to);
        if transform.transform(from, to).is_err() {
            return;
        }
    }
}

/// Whether the profile is sRGB under some name, as in most files: no colour moves by more than one level.
fn is_identity(transform: &Transform8BitExecutor, channels: usize) -> bool {
    let levels = || (0..=255).step_by(51);
    let colours = levels().flat_map(|r| levels().flat_map(move |g| levels().map(move |b| [r, g, b, 255])));
    let probe: Vec<u8> = colours.flat_map(|colour| colour.into_iter().take(channels)).collect();
    let mut converted = vec![0; probe.len()];
    transform.transform(&probe, &mut converted).is_ok()
        && probe.iter().zip(&converted).all(|(from, to)| from.abs_diff(*to) <= 1)
}
