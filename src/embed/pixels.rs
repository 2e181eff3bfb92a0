//! The pixels themselves, resized, in rows from the top: the space of the classic experiments on digits.

use std::ops::RangeInclusive;

use image::{DynamicImage, GrayImage, RgbImage};
use ndarray::{ArrayView1, ArrayViewMut2};
use serde::{Deserialize, Serialize};

use super::spec::{check, check_version};
use super::{EmbedError, Extractor, ExtractorSpec};
use crate::decode::{self, Fit, REDUCED_SIDE};

const NAME: &str = "pixels";
const VERSION: u32 = 1;
const SIDES: RangeInclusive<u32> = 1..=1024;
/// Values of a batch.
const MAX_BATCH: usize = 1 << 22;

/// Parameters of the extractor `pixels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelsSpec {
    /// Meaning of the other fields: 1.
    pub version: u32,
    /// Pixels, 1 to 1024. An image of exactly this size is not resized.
    pub width: u32,
    /// Pixels, 1 to 1024.
    pub height: u32,
    /// What to do with other proportions.
    pub fit: Fit,
    /// Channels.
    pub colour: Colour,
    /// Whether values are turned round, white being 0: for dark ink on white, so that blank paper is nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverted: bool,
}

/// Which channels a pixel has.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Luma alone.
    Grey,
    /// Red, green, blue, interleaved.
    Rgb,
}

impl PixelsSpec {
    /// With the default fit, which loses nothing of the image.
    pub fn new(width: u32, height: u32, colour: Colour) -> Self {
        Self { version: VERSION, width, height, fit: Fit::Stretch, colour, inverted: false }
    }
}

/// Values 0 to 1, row by row.
pub(super) struct Pixels {
    spec: ExtractorSpec,
    of: PixelsSpec,
}

impl Pixels {
    pub fn new(of: PixelsSpec) -> Result<Self, EmbedError> {
        check_version(NAME, of.version, VERSION)?;
        for (parameter, side) in [("width", of.width), ("height", of.height)] {
            check(SIDES.contains(&side), NAME, parameter, "from 1 to 1024", side)?;
        }
        Ok(Self { spec: ExtractorSpec::Pixels(of), of })
    }
}

impl Extractor for Pixels {
    fn spec(&self) -> &ExtractorSpec {
        &self.spec
    }

    fn n_features(&self) -> usize {
        let channels = match self.of.colour {
            Colour::Grey => 1,
            Colour::Rgb => 3,
        };
        self.of.width as usize * self.of.height as usize * channels
    }

    fn wants_whole(&self) -> bool {
        self.of.width.max(self.of.height) > REDUCED_SIDE / 2
    }

    fn prepare(&self, image: &DynamicImage) -> DynamicImage {
        let resize = |image: &DynamicImage| match (image.width(), image.height()) == (self.of.width, self.of.height) {
            true => image.clone(),
            false => decode::resize(image, self.of.width, self.of.height, self.of.fit),
        };
        match (self.of.colour, image) {
            (Colour::Grey, DynamicImage::ImageLuma8(_)) | (Colour::Rgb, DynamicImage::ImageRgb8(_)) => resize(image),
            (Colour::Grey, _) => resize(&DynamicImage::ImageLuma8(image.to_luma8())),
            (Colour::Rgb, _) => DynamicImage::ImageRgb8(resize(image).to_rgb8()),
        }
    }

    fn embed(&self, batch: &[DynamicImage], mut out: ArrayViewMut2<'_, f32>) -> Result<(), EmbedError> {
        for (image, mut row) in batch.iter().zip(out.outer_iter_mut()) {
            for (feature, value) in row.iter_mut().zip(image.as_bytes()) {
                *feature = f32::from(if self.of.inverted { 255 - *value } else { *value }) / 255.0;
            }
        }
        Ok(())
    }

    fn batch_size(&self) -> usize {
        (MAX_BATCH / self.n_features()).clamp(1, 32)
    }

    fn picture(&self, features: ArrayView1<'_, f32>) -> Option<DynamicImage> {
        // `as` saturates, and takes NaN to 0.
        let byte = |v: &f32| (v * 255.0).round() as u8;
        let bytes = features.iter().map(|v| if self.of.inverted { 255 - byte(v) } else { byte(v) }).collect();
        let (width, height) = (self.of.width, self.of.height);
        match self.of.colour {
            Colour::Grey => GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8),
            Colour::Rgb => RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8),
        }
    }
}

/// How to choose [`PixelsSpec`] for a collection; what is `None` depends on its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelsChoice {
    /// Width and height. By default the images' own size if all have the same and no side is over 64 pixels, else
    /// 32 x 32.
    pub size: Option<(u32, u32)>,
    /// By default grey if all images are.
    pub colour: Option<Colour>,
    /// What to do with other proportions.
    pub fit: Fit,
}

impl Default for PixelsChoice {
    fn default() -> Self {
        Self { size: None, colour: None, fit: Fit::Stretch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::contract::rgb;
    use ndarray::Array2;

    fn grey(width: u32, height: u32) -> DynamicImage {
        DynamicImage::ImageLuma8(GrayImage::from_fn(width, height, |x, y| [(7 * x + 31 * y) as u8].into()))
    }

    #[test]
    fn without_resizing_a_feature_is_exactly_its_value() {
        let image = grey(28, 28);
        let pixels = Pixels::new(PixelsSpec::new(28, 28, Colour::Grey)).unwrap();
        let mut out = Array2::zeros((1, 784));
        pixels.embed(&[pixels.prepare(&image)], out.view_mut()).unwrap();
        let expected: Vec<f32> = image.as_bytes().iter().map(|v| f32::from(*v) / 255.0).collect();
        assert_eq!(out.row(0).to_vec(), expected);
        assert_eq!(pixels.picture(out.row(0)), Some(image), "and back");
    }

    #[test]
    fn the_picture_of_colour_features_is_the_image() {
        let pixels = Pixels::new(PixelsSpec::new(9, 5, Colour::Rgb)).unwrap();
        let image = rgb(9, 5, 1);
        let mut out = Array2::zeros((1, 135));
        pixels.embed(&[pixels.prepare(&image)], out.view_mut()).unwrap();
        assert_eq!(pixels.picture(out.row(0)), Some(image));
        assert_eq!(pixels.picture(out.row(0).split_at(ndarray::Axis(0), 1).1), None);
    }

    #[test]
    fn a_spec_out_of_range_is_refused() {
        for spec in [
            PixelsSpec::new(0, 1, Colour::Rgb),
            PixelsSpec::new(1, 1025, Colour::Rgb),
            PixelsSpec { version: 2, ..PixelsSpec::new(1, 1, Colour::Rgb) },
        ] {
            assert!(ExtractorSpec::Pixels(spec).build().is_err(), "{spec:?}");
        }
    }
}
