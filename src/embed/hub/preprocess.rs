//! From a decoded image to the numbers a network wants, as the model's own image processor does it.

use candle_core::{DType, Device, Tensor};
use image::DynamicImage;
use serde::{Deserialize, Serialize};

use crate::decode::resize_crop;
pub use crate::decode::{Interpolation, Middle};
use crate::embed::EmbedError;
use crate::embed::spec::check;

/// Most pixels of a side.
const MOST: u32 = 4096;

/// What is done to an image before a network sees it.
///
/// Resampling is Pillow's but for the order of its two passes, which changes a value by a few of 255 at most where
/// neighbours differ much; the cut is theirs to the pixel.
///
/// ```
/// use alike::embed::{HubModel, Preprocess};
/// use image::{DynamicImage, RgbImage};
/// let preprocess = HubModel::find("resnet18").expect("listed").preprocess;
/// let small = preprocess.prepare(&DynamicImage::ImageRgb8(RgbImage::new(640, 480)));
/// assert_eq!(preprocess.tensor(&[small], &candle_core::Device::Cpu)?.dims(), [1, 224, 224, 3]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Width and height of the result in pixels, 1 to 4096.
    pub side: u32,
    /// What the shorter side is scaled to before the middle is cut out, `side` to 4096; without it the whole image is
    /// scaled to `side` in both directions, whatever its proportions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortest: Option<u32>,
    /// Where the middle begins if that is between two pixels.
    pub middle: Middle,
    /// How pixels are interpolated; where they are many, over all that fall on one.
    pub interpolation: Interpolation,
    /// Subtracted from red, green and blue from 0 to 1.
    pub mean: [f32; 3],
    /// Then they are divided by this, above 0.
    pub std: [f32; 3],
}

impl Preprocess {
    /// Whether the fields make sense.
    ///
    /// # Errors
    /// If a field is out of its range.
    pub fn check(&self) -> Result<(), EmbedError> {
        const NAME: &str = "pretrained";
        check((1..=MOST).contains(&self.side), NAME, "side", "from 1 to 4096", self.side)?;
        let shortest = self.shortest.unwrap_or(self.side);
        check((self.side..=MOST).contains(&shortest), NAME, "shortest", "from side to 4096", shortest)?;
        check(self.mean.iter().all(|v| v.is_finite()), NAME, "mean", "finite", self.mean)?;
        check(self.std.iter().all(|v| v.is_finite() && *v > 0.0), NAME, "std", "finite and above 0", self.std)
    }

    /// The part of an image that counts, `side` x `side` pixels of RGB. Cost: O(pixels read).
    pub fn prepare(&self, image: &DynamicImage) -> DynamicImage {
        let small = match self.shortest {
            Some(shortest) => resize_crop(image, shortest, self.side, self.middle, self.interpolation),
            None => crate::decode::resample(image, self.side, self.side, self.interpolation),
        };
        DynamicImage::ImageRgb8(small.into_rgb8())
    }

    /// Prepared images as the network's input: shape (images, side, side, 3), f32, normalised.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If an image isn't one that [`prepare`](Self::prepare) gave.
    pub fn tensor(&self, images: &[DynamicImage], device: &Device) -> candle_core::Result<Tensor> {
        let (scale, shift): (Vec<f32>, Vec<f32>) =
            self.mean.iter().zip(self.std).map(|(mean, std)| (1.0 / (255.0 * std), -mean / std)).unzip();
        let mut values = Vec::with_capacity(images.len() * 3 * (self.side as usize).pow(2));
        for image in images {
            let pixels = image.as_rgb8().expect("a prepared image is RGB").pixels();
            values.extend(
                pixels
                    .flat_map(|pixel| std::array::from_fn::<f32, 3, _>(|c| f32::from(pixel[c]) * scale[c] + shift[c])),
            );
        }
        let side = self.side as usize;
        Tensor::from_vec(values, (images.len(), side, side, 3), device)?.to_dtype(DType::F32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::HubModel;

    fn picture(name: &str) -> DynamicImage {
        let path = format!("{}/tests/data/preprocess/{name}.png", env!("CARGO_MANIFEST_DIR"));
        image::open(path).unwrap()
    }

    /// The expected pictures are of Pillow 13.0, torchvision 0.29 and transformers 5.24: `tests/data/preprocess/make.py`.
    #[test]
    fn pixels_are_pillow_s_and_the_cut_is_the_image_processor_s() {
        let of = |shortest, middle, interpolation| Preprocess {
            side: 32,
            shortest,
            middle,
            interpolation,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        for (input, name, preprocess) in [
            ("wide", "wide-bicubic-37", of(Some(37), Middle::Even, Interpolation::Bicubic)),
            ("wide", "wide-bilinear-40", of(Some(40), Middle::Even, Interpolation::Bilinear)),
            ("wide", "wide-bicubic-exact", of(None, Middle::Even, Interpolation::Bicubic)),
            ("tall", "tall-bicubic-37", of(Some(37), Middle::Even, Interpolation::Bicubic)),
            ("tall", "tall-bilinear-32", of(Some(32), Middle::Even, Interpolation::Bilinear)),
            ("wide", "wide-bicubic-37-before", of(Some(37), Middle::Before, Interpolation::Bicubic)),
            ("tall", "tall-bicubic-37-before", of(Some(37), Middle::Before, Interpolation::Bicubic)),
            ("small", "small-bicubic-40", of(Some(40), Middle::Even, Interpolation::Bicubic)),
        ] {
            let (found, expected) = (preprocess.prepare(&picture(input)), picture(name));
            assert_eq!((found.width(), found.height()), (32, 32), "{name}");
            let apart = found.as_bytes().iter().zip(expected.as_bytes()).map(|(a, b)| u32::from(a.abs_diff(*b)));
            let (most, sum) = (apart.clone().max(), apart.sum::<u32>());
            // Noise is as hard as it gets: shifted by one pixel, a picture of it is 50 away in the mean.
            assert!(most <= Some(4) && f64::from(sum) < 0.4 * 3072.0, "{name} differs by {most:?}, {sum} in all");
        }
    }

    #[test]
    fn images_of_every_size_are_prepared() {
        let sizes = (1..120).flat_map(|i| [(i, 1), (1, i), (i, 37), (500, 100 + i), (100 + 3 * i, 375), (i, i)]);
        for (width, height) in sizes {
            for (side, shortest) in [(32, 32), (32, 33), (7, 50)] {
                let preprocess =
                    Preprocess { side, shortest: Some(shortest), ..HubModel::find("vgg16").unwrap().preprocess };
                let found = preprocess.prepare(&DynamicImage::new_luma8(width, height));
                assert_eq!((found.width(), found.height()), (side, side), "{width} x {height}");
            }
        }
    }

    #[test]
    fn a_prepared_image_becomes_normalised_rows_of_rgb() {
        let preprocess = HubModel::find("clip-b32").unwrap().preprocess;
        let image = image::RgbImage::from_fn(224, 224, |x, y| [x as u8, y as u8, 255].into());
        let prepared = preprocess.prepare(&DynamicImage::ImageRgb8(image));
        let tensor = preprocess.tensor(&[prepared.clone(), prepared], &Device::Cpu).unwrap();
        assert_eq!(tensor.dims(), [2, 224, 224, 3]);
        let pixel = tensor.get(1).unwrap().get(7).unwrap().get(200).unwrap().to_vec1::<f32>().unwrap();
        for (c, value) in [200.0, 7.0, 255.0].into_iter().enumerate() {
            let expected = (value / 255.0 - preprocess.mean[c]) / preprocess.std[c];
            assert!((pixel[c] - expected).abs() < 1e-5, "{c}: {} {expected}", pixel[c]);
        }
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        let fine = HubModel::find("clip-b32").unwrap().preprocess;
        for wrong in [
            Preprocess { side: 0, ..fine },
            Preprocess { shortest: Some(223), ..fine },
            Preprocess { shortest: Some(5000), ..fine },
            Preprocess { mean: [f32::NAN, 0.0, 0.0], ..fine },
            Preprocess { std: [1.0, 0.0, 1.0], ..fine },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
