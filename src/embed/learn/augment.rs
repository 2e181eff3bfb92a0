//! Two views of one picture that a person would call the same: what a contrastive encoder learns to see past.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::embed::Colour;

/// Side of the coarse grid whose random moves bend a drawing.
const GRID: usize = 5;

/// The size of the pictures, and what may happen to them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Augment {
    pub width: usize,
    pub height: usize,
    /// Grey pictures are taken for drawings: shifted, turned a little, scaled, sheared, bent, in thinner and thicker
    /// strokes, never mirrored. Colour ones for photos: a part of them, mirrored or not, in other light.
    pub colour: Colour,
}

impl Augment {
    /// Values of a picture.
    pub fn len(&self) -> usize {
        self.width * self.height * self.channels()
    }

    fn channels(&self) -> usize {
        match self.colour {
            Colour::Grey => 1,
            Colour::Rgb => 3,
        }
    }

    /// A random view of `picture`, both in rows from the top, channels last; values 0 to 1.
    pub fn view(&self, picture: &[u8], out: &mut [f32], rng: &mut ChaCha8Rng) {
        match self.colour {
            Colour::Grey => {
                self.warp(picture, out, &Warp::drawing(rng));
                self.restroke(out, rng.random_range(-0.5..0.5));
            }
            Colour::Rgb => {
                self.warp(picture, out, &Warp::photo(rng));
                relight(out, rng);
            }
        }
    }

    /// The picture as it is.
    pub fn plain(picture: &[u8], out: &mut [f32]) {
        out.iter_mut().zip(picture).for_each(|(out, value)| *out = f32::from(*value) / 255.0);
    }

    /// Bilinear samples; beyond the border the border goes on.
    fn warp(&self, picture: &[u8], out: &mut [f32], warp: &Warp) {
        let (width, height, channels) = (self.width, self.height, self.channels());
        for (at, out) in out.chunks_exact_mut(channels).enumerate() {
            // The middle of the picture is (0, 0), its edges are at 1.
            let x = (2 * (at % width) + 1) as f32 / width as f32 - 1.0;
            let y = (2 * (at / width) + 1) as f32 / height as f32 - 1.0;
            let (x, y) = warp.source(x, y);
            let place = |v: f32, side: usize| {
                let at = ((v + 1.0) * side as f32 / 2.0 - 0.5).clamp(0.0, (side - 1) as f32);
                let low = (at as usize).min(side.saturating_sub(2));
                (low, (low + 1).min(side - 1), at - low as f32)
            };
            let ((left, right, across), (top, bottom, down)) = (place(x, width), place(y, height));
            for (channel, out) in out.iter_mut().enumerate() {
                let value = |row: usize, column: usize| f32::from(picture[(row * width + column) * channels + channel]);
                let upper = value(top, left) + across * (value(top, right) - value(top, left));
                let lower = value(bottom, left) + across * (value(bottom, right) - value(bottom, left));
                *out = (upper + down * (lower - upper)) / 255.0;
            }
        }
    }

    /// Brings every pixel of a grey picture towards the brightest (`amount` over 0) or darkest of its 3 x 3.
    fn restroke(&self, out: &mut [f32], amount: f32) {
        let (width, height) = (self.width, self.height);
        let pick = if amount > 0.0 { f32::max } else { f32::min };
        let by_row: Vec<f32> = (0..out.len())
            .map(|at| {
                let x = at % width;
                pick(out[at], pick(out[at - usize::from(x > 0)], out[at + usize::from(x + 1 < width)]))
            })
            .collect();
        for (at, out) in out.iter_mut().enumerate() {
            let (above, below) =
                (at.saturating_sub(width).max(at % width), (at + width).min((height - 1) * width + at % width));
            let most = pick(by_row[at], pick(by_row[above], by_row[below]));
            *out += amount.abs() * (most - *out);
        }
    }
}

/// Where a view's pixels come from.
struct Warp {
    matrix: [[f32; 2]; 2],
    shift: [f32; 2],
    bend: Option<[[[f32; 2]; GRID]; GRID]>,
}

impl Warp {
    fn drawing(rng: &mut ChaCha8Rng) -> Self {
        let angle: f32 = rng.random_range(-0.35..0.35);
        let (scale, aspect) = (rng.random_range(0.75..1.25f32), rng.random_range(-0.2..0.2f32).exp());
        let shear: f32 = rng.random_range(-0.3..0.3);
        let (sin, cos) = angle.sin_cos();
        let matrix = [[cos / scale * aspect, (shear - sin) / scale], [sin / scale, cos / scale / aspect]];
        let shift = [(); 2].map(|()| rng.random_range(-0.2..0.2));
        let bend = [(); GRID].map(|()| [(); GRID].map(|()| [(); 2].map(|()| rng.random_range(-0.17..0.17))));
        Self { matrix, shift, bend: Some(bend) }
    }

    fn photo(rng: &mut ChaCha8Rng) -> Self {
        let (area, ratio): (f32, f32) = (rng.random_range(0.2..1.0), rng.random_range(-0.29..0.29f32).exp());
        let (width, height) = ((area * ratio).sqrt().min(1.0), (area / ratio).sqrt().min(1.0));
        let mirror = if rng.random() { -1.0 } else { 1.0 };
        let shift = [width, height].map(|side| (1.0 - side) * rng.random_range(-1.0..1.0));
        Self { matrix: [[mirror * width, 0.0], [0.0, height]], shift, bend: None }
    }

    fn source(&self, x: f32, y: f32) -> (f32, f32) {
        let [[xx, xy], [yx, yy]] = self.matrix;
        let (mut to_x, mut to_y) = (xx * x + xy * y + self.shift[0], yx * x + yy * y + self.shift[1]);
        if let Some(bend) = &self.bend {
            let place = |v: f32| {
                let at = (v + 1.0) / 2.0 * (GRID - 1) as f32;
                let low = (at as usize).min(GRID - 2);
                (low, at - low as f32)
            };
            let ((column, across), (row, down)) = (place(x), place(y));
            let mix = |axis: usize| {
                let of = |row: usize| bend[row][column][axis] * (1.0 - across) + bend[row][column + 1][axis] * across;
                of(row) * (1.0 - down) + of(row + 1) * down
            };
            (to_x, to_y) = (to_x + mix(0), to_y + mix(1));
        }
        (to_x, to_y)
    }
}

/// Other saturation (none at all for one in five), contrast, brightness and white balance.
fn relight(out: &mut [f32], rng: &mut ChaCha8Rng) {
    let grey = |pixel: &[f32]| 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    let saturation = if rng.random_bool(0.2) { 0.0 } else { rng.random_range(0.4..1.6) };
    let (contrast, brightness) = (rng.random_range(0.6..1.4), rng.random_range(0.6..1.4));
    let balance = [(); 3].map(|()| rng.random_range(0.85..1.15));
    let mean = out.chunks_exact(3).map(grey).sum::<f32>() / (out.len() / 3) as f32;
    for pixel in out.chunks_exact_mut(3) {
        let own = grey(pixel);
        for (value, balance) in pixel.iter_mut().zip(balance) {
            let coloured = own + saturation * (*value - own);
            *value = ((mean + contrast * (coloured - mean)) * brightness * balance).clamp(0.0, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const DRAWING: Augment = Augment { width: 9, height: 7, colour: Colour::Grey };

    fn ramp(augment: Augment) -> Vec<u8> {
        (0..augment.len()).map(|i| (i * 3 % 251) as u8).collect()
    }

    #[test]
    fn a_warp_that_moves_nothing_gives_the_picture() {
        for augment in [DRAWING, Augment { colour: Colour::Rgb, ..DRAWING }, Augment { width: 1, height: 1, ..DRAWING }]
        {
            let (mut out, mut plain) = (vec![0.0; augment.len()], vec![0.0; augment.len()]);
            let still = Warp { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [0.0; 2], bend: Some(Default::default()) };
            augment.warp(&ramp(augment), &mut out, &still);
            Augment::plain(&ramp(augment), &mut plain);
            assert!(out.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-5), "{out:?}");
        }
    }

    #[test]
    fn a_shift_of_two_ninths_is_a_pixel() {
        let (mut out, mut plain) = (vec![0.0; 63], vec![0.0; 63]);
        let shifted = Warp { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [2.0 / 9.0, 0.0], bend: None };
        DRAWING.warp(&ramp(DRAWING), &mut out, &shifted);
        Augment::plain(&ramp(DRAWING), &mut plain);
        for row in 0..7 {
            for column in 0..9 {
                let from = plain[row * 9 + (column + 1).min(8)];
                assert!((out[row * 9 + column] - from).abs() < 1e-5, "{row} {column}");
            }
        }
    }

    #[test]
    fn strokes_grow_and_shrink() {
        let mut dot = vec![0.0; 63];
        dot[4 * 9 + 8] = 1.0;
        let mut thick = dot.clone();
        DRAWING.restroke(&mut thick, 0.5);
        let expected = |at: usize| match (at / 9, at % 9) {
            (4, 8) => 1.0,
            (3..=5, 7..=8) => 0.5,
            _ => 0.0,
        };
        assert_eq!(thick, (0..63).map(expected).collect::<Vec<_>>());
        DRAWING.restroke(&mut dot, -0.25);
        assert_eq!((dot[4 * 9 + 8], dot.iter().sum::<f32>()), (0.75, 0.75));
    }

    #[test]
    fn views_are_pictures_and_depend_on_the_seed_alone() {
        for colour in [Colour::Grey, Colour::Rgb] {
            let augment = Augment { colour, ..DRAWING };
            let view = |seed| {
                let mut out = vec![f32::NAN; augment.len()];
                augment.view(&ramp(augment), &mut out, &mut ChaCha8Rng::seed_from_u64(seed));
                assert!(out.iter().all(|v| (0.0..=1.0).contains(v)));
                out
            };
            assert_eq!(view(1), view(1));
            assert_ne!(view(1), view(2));
        }
    }
}
