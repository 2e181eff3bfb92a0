//! Pictures of black dots on white that form shapes.
//!
//! The shape is the class; place, size, angle, the number of dots and their radii are chance, so that pixels alone
//! don't tell the classes apart, but an eye does at once.

use image::{GrayImage, Luma};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::shapes::Shape;
use super::{SynthError, require};

const WHITE: u8 = 255;
const BLACK: u8 = 0;

/// Parameters of [`Dots`].
#[derive(Clone, Debug, PartialEq)]
pub struct DotsParams {
    /// Number of pictures.
    pub n_samples: usize,
    /// Number of shape classes, from 1 to [`Dots::MAX_CLASSES`]: ring, bar, cross, blobs, grid, spiral, triangle,
    /// square, wave, rings, arc, star.
    pub n_classes: usize,
    /// Width and height of a picture in pixels, from 16 to 8192.
    pub size: u32,
    /// Seed.
    pub seed: u64,
}

impl Default for DotsParams {
    fn default() -> Self {
        Self { n_samples: 1200, n_classes: Dots::MAX_CLASSES, size: 200, seed: 0 }
    }
}

/// A set of pictures, drawn one at a time.
///
/// A picture depends on the seed, its index, its class and the size alone: pictures can be drawn in any order and in
/// parallel, and a larger set begins with the smaller one.
///
/// ```
/// use alike::synth::{Dots, DotsParams};
/// let dots = Dots::new(DotsParams { n_samples: 24, ..Default::default() })?;
/// let picture = dots.draw(13);
/// assert_eq!(dots.class(13), "bar");
/// assert_eq!(picture.dimensions(), (200, 200));
/// assert!(picture.pixels().all(|p| p[0] == 0 || p[0] == 255));
/// # Ok::<(), alike::synth::SynthError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dots(DotsParams);

impl Dots {
    /// Number of shapes there are.
    pub const MAX_CLASSES: usize = Shape::ALL.len();

    /// Checks the parameters.
    ///
    /// # Errors
    /// If one is out of its range.
    pub fn new(params: DotsParams) -> Result<Self, SynthError> {
        require((1..=Self::MAX_CLASSES).contains(&params.n_classes), "n_classes", params.n_classes, "1 to 12")?;
        require((16..=8192).contains(&params.size), "size", params.size, "16 to 8192")?;
        Ok(Self(params))
    }

    /// The parameters.
    pub fn params(&self) -> &DotsParams {
        &self.0
    }

    /// Names of the classes, by label.
    pub fn class_names(&self) -> Vec<&'static str> {
        Shape::ALL[..self.0.n_classes].iter().map(|shape| shape.name()).collect()
    }

    /// The label of a picture: the classes take turns.
    pub fn label(&self, index: usize) -> usize {
        index % self.0.n_classes
    }

    /// The class of a picture.
    pub fn class(&self, index: usize) -> &'static str {
        Shape::ALL[self.label(index)].name()
    }

    /// Draws a picture, shape (`size`, `size`); every pixel is 0 (ink) or 255. O(`size`²).
    pub fn draw(&self, index: usize) -> GrayImage {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0.seed);
        rng.set_stream(index as u64);
        let size = f64::from(self.0.size);
        let (sin, cos) = rng.random_range(-0.35_f64..0.35).sin_cos();
        let scale = size * rng.random_range(0.27..0.40);
        let center = [(); 2].map(|()| size * rng.random_range(0.42..0.58));
        let n_dots = rng.random_range(80..=130);

        let mut picture = GrayImage::from_pixel(self.0.size, self.0.size, Luma([WHITE]));
        for [x, y] in Shape::ALL[self.label(index)].places(n_dots, &mut rng) {
            let [dx, dy] = [(); 2].map(|()| 0.035 * rng.sample::<f64, _>(StandardNormal));
            let turned = [cos * x - sin * y + dx, sin * x + cos * y + dy];
            let radius = size / 200.0 * rng.random_range(1.0..3.0);
            ink(&mut picture, [center[0] + scale * turned[0], center[1] + scale * turned[1]], radius);
        }
        for _ in 0..rng.random_range(0..=4) {
            let stray = [(); 2].map(|()| size * rng.random_range(0.0..1.0));
            ink(&mut picture, stray, size / 200.0 * rng.random_range(1.0..3.0));
        }
        picture
    }
}

/// Blackens the pixels whose centres lie within `radius` of `center`, and always the one that holds it.
fn ink(picture: &mut GrayImage, [x, y]: [f64; 2], radius: f64) {
    let reach = |center: f64| (center - radius).floor() as i64..=(center + radius).floor() as i64;
    for row in reach(y) {
        for column in reach(x) {
            let holds = column == x.floor() as i64 && row == y.floor() as i64;
            let near = (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y) <= radius;
            if let (true, Ok(column), Ok(row)) = (holds || near, column.try_into(), row.try_into())
                && let Some(pixel) = picture.get_pixel_mut_checked(column, row)
            {
                *pixel = Luma([BLACK]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(n_classes: usize, size: u32, seed: u64) -> Dots {
        Dots::new(DotsParams { n_samples: 100, n_classes, size, seed }).unwrap()
    }

    #[test]
    fn pictures_are_black_and_white_and_never_nearly_empty_or_full() {
        for size in [16, 28, 200, 333] {
            let dots = dots(12, size, 0);
            for index in 0..120 {
                let picture = dots.draw(index);
                assert_eq!(picture.dimensions(), (size, size));
                let black = picture.pixels().filter(|p| p[0] == BLACK).count();
                assert_eq!(black + picture.pixels().filter(|p| p[0] == WHITE).count(), picture.pixels().len());
                let share = black as f64 / f64::from(size * size);
                assert!((0.01..0.5).contains(&share), "{} at {size}: {share}", dots.class(index));
            }
        }
    }

    #[test]
    fn a_picture_depends_on_seed_and_index() {
        let set = dots(12, 100, 7);
        assert_eq!(set.draw(5), dots(12, 100, 7).draw(5));
        assert_ne!(set.draw(5), set.draw(17));
        assert_ne!(set.draw(5), dots(12, 100, 8).draw(5));
    }

    #[test]
    fn classes_take_turns() {
        let dots = dots(6, 64, 0);
        assert_eq!(dots.class_names(), ["ring", "bar", "cross", "blobs", "grid", "spiral"]);
        assert_eq!([0, 5, 6, 11].map(|i| dots.class(i)), ["ring", "spiral", "ring", "spiral"]);
    }

    #[test]
    fn a_dot_is_a_disc_and_may_hang_over_the_edge() {
        let mut picture = GrayImage::from_pixel(9, 9, Luma([WHITE]));
        ink(&mut picture, [4.5, 4.5], 1.0);
        ink(&mut picture, [-0.4, 0.5], 1.0);
        ink(&mut picture, [8.2, 8.7], 0.1);
        let black: Vec<_> =
            picture.enumerate_pixels().filter(|(.., p)| p[0] == BLACK).map(|(x, y, _)| (x, y)).collect();
        assert_eq!(black, [(0, 0), (4, 3), (3, 4), (4, 4), (5, 4), (4, 5), (8, 8)]);
    }

    #[test]
    fn refuses_parameters_out_of_range() {
        for (n_classes, size) in [(0, 200), (13, 200), (12, 15), (12, 8193)] {
            assert!(Dots::new(DotsParams { n_samples: 1, n_classes, size, seed: 0 }).is_err());
        }
    }
}
