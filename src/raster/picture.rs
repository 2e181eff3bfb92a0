//! Rasters as pictures: the first axis runs to the right and the second upwards. Nothing here reads or writes files.

use std::io::Write;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, ImageResult, Rgb, RgbImage, buffer::ConvertBuffer};
use ndarray::ArrayView2;

use super::LabelMap;
use crate::collection::ClusterId;

/// Where there is no label.
const NONE: Rgb<u8> = Rgb([255; 3]);
/// Between pictures side by side.
const GAP: (u32, Rgb<u8>) = (8, Rgb([128; 3]));
/// Colours that people tell apart whatever they see of red and green (Okabe and Ito, *Color Universal Design*, 2008).
const FIRST: [[u8; 3]; 7] =
    [[0, 114, 178], [230, 159, 0], [0, 158, 115], [213, 94, 0], [86, 180, 233], [204, 121, 167], [240, 228, 66]];
/// Lightness, from and to, and chroma of those that follow.
const NEXT: ([f64; 2], f64) = ([0.42, 0.82], 0.12);
/// Steps of lightness and hue, of their ranges: any number of such pairs is spread evenly.
const STEPS: [f64; 2] = [0.569_840_290_998_053_2, 0.754_877_666_246_692_7];

/// The colour of a cluster: the first seven are told apart by everyone, those that follow by lightness and hue.
///
/// ```
/// use alike::raster::picture::colour;
/// assert_ne!(colour(3), colour(300));
/// ```
pub fn colour(cluster: ClusterId) -> Rgb<u8> {
    match FIRST.get(cluster) {
        Some(&colour) => Rgb(colour),
        None => {
            let [lightness, hue] = STEPS.map(|step| ((cluster - FIRST.len()) as f64 * step).fract());
            let ([from, to], chroma) = NEXT;
            from_oklch(from + (to - from) * lightness, chroma, hue)
        }
    }
}

/// The labels of a raster of two axes; white is none. A pixel a cell.
///
/// # Panics
/// If the raster has another number of axes.
///
/// ```
/// use alike::raster::{LabelMap, Transform, picture};
/// let drawn = LabelMap::draw(Transform::folded(8), ndarray::array![[-0.9, -0.9]].view(), &[Some(0)]);
/// let picture = picture::labels(&drawn);
/// assert_eq!(*picture.get_pixel(0, 7), picture::colour(0));
/// assert_eq!(*picture.get_pixel(7, 0), image::Rgb([255; 3]));
/// ```
pub fn labels(map: &LabelMap) -> RgbImage {
    labels_of(&map.transform.shape, |cell| map.cells[cell].cluster)
}

/// The same of a label for each cell, by its number.
///
/// # Panics
/// If the raster has another number of axes than two.
pub fn labels_of(shape: &[usize], label: impl Fn(usize) -> Option<ClusterId>) -> RgbImage {
    let &[width, height] = shape else { panic!("a picture has two axes, not {}", shape.len()) };
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        label(x as usize * height + (height - 1 - y as usize)).map_or(NONE, colour)
    })
}

/// Densities, 0 or more, by the logarithm of 1 + 254 times their share of the largest: the least is white, the largest is
/// black, and what is darker is denser, in print too (Green, *A colour scheme for the display of astronomical intensity
/// images*, 2011).
///
/// ```
/// use alike::raster::picture;
/// let picture = picture::density(ndarray::array![[0.0, 3.0], [1.0, 0.0]].view());
/// assert_eq!(*picture.get_pixel(0, 1), image::Rgb([255; 3]));
/// assert_eq!(*picture.get_pixel(0, 0), image::Rgb([0; 3]));
/// ```
pub fn density(density: ArrayView2<'_, f64>) -> RgbImage {
    let most = density.iter().copied().fold(0.0, f64::max);
    let logarithm = |value: f64| if most > 0.0 { (254.0 * value / most).ln_1p() } else { 0.0 };
    let least = logarithm(density.iter().copied().fold(most, f64::min));
    let range = (logarithm(most) - least).max(f64::MIN_POSITIVE);
    shaded(density, |value| (logarithm(value) - least) / range)
}

/// Shares or probabilities, from 0, which is white, to 1, which is black.
///
/// ```
/// let picture = alike::raster::picture::shares(ndarray::array![[0.0], [1.0]].view());
/// assert_eq!(*picture.get_pixel(1, 0), image::Rgb([0; 3]));
/// ```
pub fn shares(shares: ArrayView2<'_, f64>) -> RgbImage {
    shaded(shares, |share| share)
}

/// Levels of grey, 255 the brightest.
///
/// ```
/// let picture = alike::raster::picture::levels(ndarray::array![[0, 90]].view());
/// assert_eq!(*picture.get_pixel(0, 0), image::Rgb([90; 3]));
/// ```
pub fn levels(levels: ArrayView2<'_, u8>) -> RgbImage {
    drawn(levels, |level| Rgb([level; 3]))
}

fn shaded(values: ArrayView2<'_, f64>, darkness: impl Fn(f64) -> f64) -> RgbImage {
    drawn(values, |value| cubehelix(1.0 - darkness(value).clamp(0.0, 1.0)))
}

fn drawn<T: Copy>(values: ArrayView2<'_, T>, colour: impl Fn(T) -> Rgb<u8>) -> RgbImage {
    let (width, height) = values.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| colour(values[[x as usize, height - 1 - y as usize]]))
}

/// Pictures from left to right on one.
///
/// ```
/// let small = image::RgbImage::new(10, 10);
/// assert_eq!(alike::raster::picture::side_by_side(&[&small, &small]).dimensions(), (28, 10));
/// ```
pub fn side_by_side(pictures: &[&RgbImage]) -> RgbImage {
    let gaps = GAP.0 * pictures.len().saturating_sub(1) as u32;
    let width = pictures.iter().map(|picture| picture.width()).sum::<u32>() + gaps;
    let height = pictures.iter().map(|picture| picture.height()).max().unwrap_or(0);
    let mut wide = RgbImage::from_pixel(width, height, GAP.1);
    let mut at = 0;
    for picture in pictures {
        image::imageops::replace(&mut wide, *picture, at, 0);
        at += i64::from(picture.width() + GAP.0);
    }
    wide
}

/// A GIF that is written frame by frame and plays for ever.
///
/// ```
/// use alike::raster::picture::Animation;
/// let mut bytes = Vec::new();
/// let mut animation = Animation::new(&mut bytes, 200);
/// for grey in [0, 255] {
///     animation.push(&image::RgbImage::from_pixel(4, 4, image::Rgb([grey; 3])))?;
/// }
/// drop(animation);
/// assert!(bytes.starts_with(b"GIF89a"));
/// # Ok::<(), image::ImageError>(())
/// ```
pub struct Animation<W: Write> {
    encoder: GifEncoder<W>,
    delay: Delay,
}

impl<W: Write> Animation<W> {
    /// An animation whose frames stay for so many milliseconds, in steps of 10.
    pub fn new(out: W, millis: u32) -> Self {
        Self { encoder: GifEncoder::new_with_speed(out, 10), delay: Delay::from_numer_denom_ms(millis, 1) }
    }

    /// Adds a frame; all have the size of the first. Up to 256 colours are kept as they are.
    ///
    /// # Errors
    /// What the writer refuses, and more than 65,535 pixels along a side.
    pub fn push(&mut self, picture: &RgbImage) -> ImageResult<()> {
        self.encoder.set_repeat(Repeat::Infinite)?;
        self.encoder.encode_frame(Frame::from_parts(picture.convert(), 0, 0, self.delay))
    }
}

/// Black at 0, white at 1, brighter all the way.
fn cubehelix(lightness: f64) -> Rgb<u8> {
    let angle = std::f64::consts::TAU * (0.5 / 3.0 + 1.0 - 1.5 * lightness);
    let depth = lightness * (1.0 - lightness) / 2.0;
    let (sin, cos) = angle.sin_cos();
    let channel = |c: f64, s: f64| byte(lightness + depth * (c * cos + s * sin));
    Rgb([channel(-0.14861, 1.78277), channel(-0.29227, -0.90649), channel(1.97294, 0.0)])
}

/// From Oklch, the hue in turns (Ottosson, *A perceptual color space for image processing*, 2020).
fn from_oklch(lightness: f64, chroma: f64, hue: f64) -> Rgb<u8> {
    let (sin, cos) = (std::f64::consts::TAU * hue).sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701 * s,
    ];
    let encoded = |v: f64| if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    Rgb(linear.map(|value| byte(encoded(value))))
}

fn byte(value: f64) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;
    use crate::raster::{CellLabel, Transform};

    fn luma(Rgb([r, g, b]): Rgb<u8>) -> f64 {
        0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
    }

    #[test]
    fn three_hundred_clusters_have_colours_of_their_own() {
        let colours: HashSet<[u8; 3]> = (0..300).map(|cluster| colour(cluster).0).collect();
        assert_eq!(colours.len(), 300);
        assert!((0..300).all(|cluster| luma(colour(cluster)) < 235.0), "told apart from white");
        let white = from_oklch(1.0, 0.0, 0.3).0;
        assert!(white.iter().all(|&channel| channel >= 254), "{white:?}");
    }

    #[test]
    fn denser_is_darker() {
        let lumas: Vec<f64> = (0..=100).map(|step| luma(cubehelix(f64::from(step) / 100.0))).collect();
        assert!(lumas.is_sorted() && lumas[0] == 0.0 && lumas[100] > 254.99, "{lumas:?}");
        assert_eq!(*density(ndarray::Array2::zeros((2, 3)).view()).get_pixel(1, 2), NONE);
    }

    #[test]
    fn y_runs_upwards() {
        let transform = Transform { origin: vec![0.0; 2], scale: vec![1.0; 2], shape: vec![3, 2], folded: false };
        let mut cells = vec![CellLabel::default(); 6];
        cells[2 * 2].cluster = Some(4);
        let picture = labels(&LabelMap { transform, cells });
        assert_eq!(picture.dimensions(), (3, 2));
        assert_eq!(*picture.get_pixel(2, 1), colour(4));
        assert_eq!(picture.pixels().filter(|&&pixel| pixel == NONE).count(), 5);
    }

    #[test]
    fn an_animation_holds_its_frames() {
        let frames = [0, 9, 40].map(|cluster| labels_of(&[30, 20], |cell| Some(cluster + cell % 7)));
        let mut bytes = Vec::new();
        let mut animation = Animation::new(&mut bytes, 200);
        frames.iter().for_each(|frame| animation.push(frame).unwrap());
        drop(animation);
        let read = GifDecoder::new(std::io::Cursor::new(&bytes)).unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(read.len(), 3);
        for (read, frame) in read.iter().zip(&frames) {
            assert_eq!(read.delay().numer_denom_ms(), (200, 1));
            let read: RgbImage = read.buffer().convert();
            assert_eq!(&read, frame);
        }
    }

    #[test]
    fn side_by_side_with_a_gap() {
        let [a, b] = [3, 200].map(|grey| RgbImage::from_pixel(4, 6, Rgb([grey; 3])));
        let wide = side_by_side(&[&a, &b]);
        assert_eq!(wide.dimensions(), (16, 6));
        assert_eq!([3, 4, 11, 12].map(|x| wide.get_pixel(x, 5).0[0]), [3, 128, 128, 200]);
    }
}
