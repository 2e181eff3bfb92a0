//! Eight bits a channel, no transparency.

use image::{DynamicImage, GrayImage, RgbImage};

/// The same picture with 8 bits a channel, scaled and rounded.
pub fn eight_bits(image: DynamicImage) -> DynamicImage {
    use DynamicImage as D;
    match image {
        D::ImageLuma16(_) => D::ImageLuma8(image.into_luma8()),
        D::ImageLumaA16(_) => D::ImageLumaA8(image.into_luma_alpha8()),
        D::ImageRgb16(_) | D::ImageRgb32F(_) => D::ImageRgb8(image.into_rgb8()),
        D::ImageRgba16(_) | D::ImageRgba32F(_) => D::ImageRgba8(image.into_rgba8()),
        eight => eight,
    }
}

/// Blends an 8-bit picture over white: grey stays grey, the rest becomes RGB.
pub fn over_white(image: DynamicImage) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    match image {
        DynamicImage::ImageLumaA8(image) => {
            let grey = image.pixels().map(|p| blend(p.0[0], p.0[1])).collect();
            DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, grey).expect("one value a pixel"))
        }
        DynamicImage::ImageRgba8(image) => {
            let rgb = image.pixels().flat_map(|p| [0, 1, 2].map(|c| blend(p.0[c], p.0[3]))).collect();
            DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, rgb).expect("three values a pixel"))
        }
        opaque => opaque,
    }
}

fn blend(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
