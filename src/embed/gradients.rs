//! Histograms of edge directions and of colours: what a picture's shapes and colours are, coarsely where.
//!
//! Edges: histograms of oriented gradients over a coarse grid of cells (Dalal and Triggs, CVPR 2005), each cell
//! normalised by its four neighbourhoods (Felzenszwalb et al., PAMI 2010). Colours: a soft joint histogram in CIELAB,
//! square-rooted so that the Euclidean distance is Hellinger's. Both are taken over the picture and its mirror image
//! together, as the two show the same thing. The layout was tuned on Tiny-ImageNet: coarse cells, many directions, the
//! sign of the gradient kept, no gamma, and colours at half the weight of edges find the most neighbours of the same
//! class.

use image::{DynamicImage, RgbImage};
use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::spec::{check, check_version};
use super::{EmbedError, Extractor, ExtractorSpec};
use crate::decode::{self, Fit, REDUCED_SIDE};

const NAME: &str = "gradients";
const VERSION: u32 = 1;
/// A cell's value after normalisation is cut here, so that one strong edge doesn't drown the rest.
const CLIP: f32 = 0.2;
/// Mean gradient of a cell below which normalisation fades it out, relative to black against white.
const FAINT: f32 = 0.05;
/// The edge part, whose length is 1 to 2 in photos, fades out towards this, so that noise on an even surface becomes no
/// shape.
const EMPTY: f32 = 0.5;
/// The a and b axes of CIELAB are binned from minus this to this; what is more colourful goes to the last bin.
const CHROMA: f32 = 40.0;

/// Parameters of the extractor `gradients`.
///
/// It has `cells * cells.div_ceil(2) * directions` features of edges, of length 1 (less on nearly even pictures), then
/// `colour_rows * lightnesses * chromas * chromas` features of colours, of length `colour_weight`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientsSpec {
    /// Meaning of the other fields: 1.
    pub version: u32,
    /// The picture is brought to this many pixels squared first, 16 to 256, even.
    pub size: u32,
    /// What to do with other proportions.
    pub fit: Fit,
    /// Cells across and down, 1 to 16.
    pub cells: u32,
    /// Directions of edges in a cell, over the full turn; 4 to 64, a multiple of 4.
    pub directions: u32,
    /// Histograms of colour from top to bottom, 1 to 4.
    pub colour_rows: u32,
    /// Bins of lightness, 2 to 8.
    pub lightnesses: u32,
    /// Bins on each of the two axes of colour, 2 to 8.
    pub chromas: u32,
    /// Length of the colours' part, 0 to 10; that of the edges' is 1.
    pub colour_weight: f32,
}

impl Default for GradientsSpec {
    fn default() -> Self {
        Self {
            version: VERSION,
            size: 64,
            fit: Fit::Stretch,
            cells: 3,
            directions: 24,
            colour_rows: 2,
            lightnesses: 5,
            chromas: 5,
            colour_weight: 0.5,
        }
    }
}

impl GradientsSpec {
    fn check(&self) -> Result<(), EmbedError> {
        check_version(NAME, self.version, VERSION)?;
        let in_range = |parameter, value: u32, from: u32, to: u32, step: u32, expected| {
            check((from..=to).contains(&value) && value.is_multiple_of(step), NAME, parameter, expected, value)
        };
        in_range("size", self.size, 16, 256, 2, "an even number from 16 to 256")?;
        in_range("cells", self.cells, 1, 16, 1, "from 1 to 16")?;
        in_range("directions", self.directions, 4, 64, 4, "a multiple of 4 from 4 to 64")?;
        in_range("colour_rows", self.colour_rows, 1, 4, 1, "from 1 to 4")?;
        in_range("lightnesses", self.lightnesses, 2, 8, 1, "from 2 to 8")?;
        in_range("chromas", self.chromas, 2, 8, 1, "from 2 to 8")?;
        let weight = self.colour_weight;
        check((0.0..=10.0).contains(&weight), NAME, "colour_weight", "from 0 to 10", weight)
    }

    fn n_edges(&self) -> usize {
        (self.cells * self.cells.div_ceil(2) * self.directions) as usize
    }

    fn n_colours(&self) -> usize {
        (self.colour_rows * self.lightnesses * self.chromas * self.chromas) as usize
    }
}

pub(super) struct Gradients {
    spec: ExtractorSpec,
    of: GradientsSpec,
    /// sRGB value to linear light.
    linear: [f32; 256],
}

impl Gradients {
    pub fn new(of: GradientsSpec) -> Result<Self, EmbedError> {
        of.check()?;
        let linear = std::array::from_fn(|v| {
            let v = v as f32 / 255.0;
            if v > 0.04045 { ((v + 0.055) / 1.055).powf(2.4) } else { v / 12.92 }
        });
        Ok(Self { spec: ExtractorSpec::Gradients(of), of, linear })
    }
}

impl Extractor for Gradients {
    fn spec(&self) -> &ExtractorSpec {
        &self.spec
    }

    fn n_features(&self) -> usize {
        self.of.n_edges() + self.of.n_colours()
    }

    fn wants_whole(&self) -> bool {
        self.of.size > REDUCED_SIDE / 2
    }

    fn prepare(&self, image: &DynamicImage) -> DynamicImage {
        let size = self.of.size;
        let own_size = (image.width(), image.height()) == (size, size);
        DynamicImage::ImageRgb8(match own_size {
            true => image.to_rgb8(),
            false => decode::resize(image, size, size, self.of.fit).into_rgb8(),
        })
    }

    fn embed(&self, batch: &[DynamicImage], mut out: ArrayViewMut2<'_, f32>) -> Result<(), EmbedError> {
        for (image, mut row) in batch.iter().zip(out.outer_iter_mut()) {
            let DynamicImage::ImageRgb8(image) = image else {
                return Err(EmbedError::Failed(format!("expected 8-bit RGB, found {:?}", image.color())));
            };
            let edges = mirrored(&normalised(&cells(image, &self.of), &self.of), &self.of);
            let length = (edges.iter().map(|v| v * v).sum::<f32>() + EMPTY * EMPTY).sqrt();
            let edges = edges.into_iter().map(|v| v / length);
            let colours = colours(image, &self.of, &self.linear).into_iter().map(|v| v.sqrt() * self.of.colour_weight);
            for (feature, value) in row.iter_mut().zip(edges.chain(colours)) {
                *feature = value;
            }
        }
        Ok(())
    }
}

/// Where pixel `i` of `size` lies among the centres of `n` cells: the cell below, and how far it is to the next.
/// The first may be -1 and the next `n`, where there is no cell.
fn place(i: usize, size: usize, n: usize) -> (isize, f32) {
    let at = (i as f32 + 0.5) / size as f32 * n as f32 - 0.5;
    (at.floor() as isize, at - at.floor())
}

/// The cells of `n` that a pixel counts towards, with its share in each.
fn shares((below, share): (isize, f32), n: usize) -> impl Iterator<Item = (usize, f32)> {
    [(below, 1.0 - share), (below + 1, share)]
        .into_iter()
        .filter_map(move |(cell, share)| Some((usize::try_from(cell).ok().filter(|c| *c < n)?, share)))
}

/// Sums of gradient by cell and direction, shape (cells, cells, directions). Direction 0 brightens to the right, a
/// quarter turn on to the bottom. A pixel's gradient is that of the channel where it is the strongest.
fn cells(image: &RgbImage, of: &GradientsSpec) -> Vec<f32> {
    let (size, n, n_dirs) = (of.size as usize, of.cells as usize, of.directions as usize);
    let pixel = |x: usize, y: usize| &image.as_raw()[3 * (y * size + x)..][..3];
    let across: Vec<_> = (0..size).map(|x| place(x, size, n)).collect();
    let mut table = vec![0.0; n * n * n_dirs];
    let mut line = vec![0.0; n * n_dirs];
    for y in 0..size {
        line.fill(0.0);
        for (x, &place) in across.iter().enumerate() {
            let (left, right) = (pixel(x.saturating_sub(1), y), pixel((x + 1).min(size - 1), y));
            let (above, below) = (pixel(x, y.saturating_sub(1)), pixel(x, (y + 1).min(size - 1)));
            let gradients = (0..3).map(|c| {
                let (dx, dy) = (i32::from(right[c]) - i32::from(left[c]), i32::from(below[c]) - i32::from(above[c]));
                (dx * dx + dy * dy, dx, dy)
            });
            let (square, dx, dy) = gradients.reduce(|a, b| if b.0 > a.0 { b } else { a }).expect("three channels");
            if square == 0 {
                continue;
            }
            let strength = (square as f32).sqrt() / 255.0;
            let turn = (dy as f32).atan2(dx as f32) / std::f32::consts::TAU;
            let at = (turn + 1.0) * n_dirs as f32;
            let (dir, share) = (at as usize, at.fract());
            for (cell, weight) in shares(place, n) {
                let cell = &mut line[cell * n_dirs..][..n_dirs];
                cell[dir % n_dirs] += strength * weight * (1.0 - share);
                cell[(dir + 1) % n_dirs] += strength * weight * share;
            }
        }
        for (row, weight) in shares(place(y, size, n), n) {
            for (sum, value) in table[row * n * n_dirs..].iter_mut().zip(&line) {
                *sum += weight * value;
            }
        }
    }
    table
}

/// Each cell divided by the length of each of the four 2 x 2 neighbourhoods it is part of, cut at [`CLIP`], averaged.
fn normalised(table: &[f32], of: &GradientsSpec) -> Vec<f32> {
    let (n, n_dirs) = (of.cells as usize, of.directions as usize);
    let faint = FAINT * (of.size as f32 / n as f32).powi(2);
    let energy: Vec<f32> = table.chunks_exact(n_dirs).map(|cell| cell.iter().map(|v| v * v).sum()).collect();
    // Beyond the border the border's cells are repeated.
    let at = |row: isize, column: isize| {
        let inside = |i: isize| i.clamp(0, n as isize - 1) as usize;
        energy[inside(row) * n + inside(column)]
    };
    let mut out = vec![0.0; table.len()];
    for (i, (cell, out)) in table.chunks_exact(n_dirs).zip(out.chunks_exact_mut(n_dirs)).enumerate() {
        let (row, column) = ((i / n) as isize, (i % n) as isize);
        for (down, right) in [(-1, -1), (-1, 1), (1, -1), (1, 1)] {
            let near =
                at(row, column) + at(row + down, column) + at(row, column + right) + at(row + down, column + right);
            let length = (near + faint * faint).sqrt();
            for (out, value) in out.iter_mut().zip(cell) {
                *out += (value / length).min(CLIP) / 4.0;
            }
        }
    }
    out
}

/// The table plus that of the mirror image; of this symmetric sum the left half.
fn mirrored(table: &[f32], of: &GradientsSpec) -> Vec<f32> {
    let (n, n_dirs) = (of.cells as usize, of.directions as usize);
    let cell = |row: usize, column: usize| &table[(row * n + column) * n_dirs..][..n_dirs];
    let mut out = Vec::with_capacity(of.n_edges());
    for row in 0..n {
        for column in 0..n.div_ceil(2) {
            let (here, there) = (cell(row, column), cell(row, n - 1 - column));
            out.extend((0..n_dirs).map(|d| here[d] + there[(n_dirs + n_dirs / 2 - d) % n_dirs]));
        }
    }
    out
}

/// Shares of the colours, shape (colour_rows, lightnesses, chromas, chromas); they sum to about 1. Of each 2 x 2 pixels
/// the mean counts.
fn colours(image: &RgbImage, of: &GradientsSpec, linear: &[f32; 256]) -> Vec<f32> {
    let (half, n_rows) = (of.size as usize / 2, of.colour_rows as usize);
    let (n_light, n_chroma) = (of.lightnesses as usize, of.chromas as usize);
    let mut histograms = vec![0.0; of.n_colours()];
    let mut line = vec![0.0; n_light * n_chroma * n_chroma];
    for y in 0..half {
        line.fill(0.0);
        for x in 0..half {
            let corner = |dx, dy| image.get_pixel((2 * x + dx) as u32, (2 * y + dy) as u32).0;
            let four = [corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1)];
            let mean = [0, 1, 2].map(|c| (four.iter().map(|p| u16::from(p[c])).sum::<u16>() + 2) / 4);
            let [l, a, b] = lab(mean.map(|v| linear[usize::from(v)]));
            for (l, l_share) in bins(l / 100.0, n_light) {
                for (a, a_share) in bins((a / CHROMA + 1.0) / 2.0, n_chroma) {
                    for (b, b_share) in bins((b / CHROMA + 1.0) / 2.0, n_chroma) {
                        line[(l * n_chroma + a) * n_chroma + b] += l_share * a_share * b_share;
                    }
                }
            }
        }
        let scale = 1.0 / (half * half) as f32;
        for (row, share) in clamped(place(y, half, n_rows), n_rows) {
            for (sum, value) in histograms[row * line.len()..].iter_mut().zip(&line) {
                *sum += share * value * scale;
            }
        }
    }
    histograms
}

/// As [`shares`], with the first and the last cell reaching to the border.
fn clamped((below, share): (isize, f32), n: usize) -> [(usize, f32); 2] {
    let inside = |cell: isize| cell.clamp(0, n as isize - 1) as usize;
    [(inside(below), 1.0 - share), (inside(below + 1), share)]
}

/// The two of `n` bins, with centres from 0 to 1, between which `value` lies, with its share in each.
fn bins(value: f32, n: usize) -> [(usize, f32); 2] {
    let at = value.clamp(0.0, 1.0) * (n - 1) as f32;
    let below = (at as usize).min(n - 2);
    let share = at - below as f32;
    [(below, 1.0 - share), (below + 1, share)]
}

/// CIELAB (D65) of linear sRGB: L from 0 to 100, a and b around 0.
fn lab([r, g, b]: [f32; 3]) -> [f32; 3] {
    let f = |t: f32| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
    let x = f((0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / 0.950_47);
    let y = f(0.212_672_9 * r + 0.715_152_2 * g + 0.072_175 * b);
    let z = f((0.019_333_9 * r + 0.119_192 * g + 0.950_304_1 * b) / 1.088_83);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::contract::rgb;
    use image::imageops::{flip_horizontal, rotate90};
    use ndarray::Array2;

    fn spec() -> GradientsSpec {
        GradientsSpec { cells: 4, ..GradientsSpec::default() }
    }

    fn features(image: RgbImage) -> Vec<f32> {
        let gradients = Gradients::new(GradientsSpec::default()).unwrap();
        let mut out = Array2::zeros((1, gradients.n_features()));
        gradients.embed(&[gradients.prepare(&DynamicImage::ImageRgb8(image))], out.view_mut()).unwrap();
        out.into_raw_vec_and_offset().0
    }

    /// Black on the left, white from column `edge` on.
    fn half_white(edge: u32) -> RgbImage {
        RgbImage::from_fn(64, 64, |x, _| [if x < edge { 0 } else { 255 }; 3].into())
    }

    fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= tolerance, "{i}: {a} and {b}");
        }
    }

    #[test]
    fn a_vertical_edge_is_all_in_direction_0() {
        let table = cells(&half_white(32), &spec());
        let dir = |d: usize| table.iter().skip(d).step_by(24).sum::<f32>();
        assert!((1..24).all(|d| dir(d) == 0.0));
        let column = |c: usize| (0..4).map(|r| table[(r * 4 + c) * 24]).sum::<f32>();
        assert_near(&[column(0), column(1), column(2), column(3)], &[0.0, column(2), column(1), 0.0], 1e-4);
        // Columns 31 and 32 see a step of 1 in each of 64 lines. The outer 8 lines at either end lose to beyond the
        // border what they lack in distance to the outer centres: from 1/2 falling to 0, in the mean 1/4.
        assert_near(&[column(1) + column(2)], &[2.0 * (64.0 - 2.0 * 2.0)], 1e-3);
    }

    #[test]
    fn a_quarter_turn_moves_cells_and_directions_alone() {
        let image = rgb(64, 64, 3).into_rgb8();
        let (table, turned) = (cells(&image, &spec()), cells(&rotate90(&image), &spec()));
        for row in 0..4 {
            for column in 0..4 {
                for d in 0..24 {
                    // What was at (row, column) comes to (column, 3 - row), and every direction goes on by a quarter.
                    let (from, to) = ((row * 4 + column) * 24 + d, (column * 4 + 3 - row) * 24 + (d + 6) % 24);
                    assert!((table[from] - turned[to]).abs() < 1e-3, "{row} {column} {d}");
                }
            }
        }
    }

    #[test]
    fn a_flat_image_has_no_edges_and_one_colour() {
        let black = features(RgbImage::new(64, 64));
        let (edges, colours) = black.split_at(GradientsSpec::default().n_edges());
        assert!(edges.iter().all(|v| *v == 0.0));
        let expected = 0.5 * 0.5f32.sqrt(); // half of the picture in each of two rows, all of it in L = 0, a = b = 0
        let set: Vec<f32> = colours.iter().copied().filter(|v| *v > 1e-3).collect();
        assert_near(&set, &[expected; 2], 1e-3);
    }

    #[test]
    fn parts_have_their_lengths_and_noise_on_a_flat_image_is_no_edge() {
        let n_edges = GradientsSpec::default().n_edges();
        let length = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt();
        let strong = features(rgb(64, 64, 5).into_rgb8());
        assert_near(&[length(&strong[..n_edges]), length(&strong[n_edges..])], &[0.97, 0.5], 0.03);
        let noisy = features(RgbImage::from_fn(64, 64, |x, y| [128 + ((x * 7 + y * 13) % 5 == 0) as u8; 3].into()));
        assert!(length(&noisy[..n_edges]) < 0.9);
    }

    #[test]
    fn a_mirror_image_is_the_same() {
        let image = rgb(64, 64, 9).into_rgb8();
        assert_near(&features(flip_horizontal(&image)), &features(image), 1e-4);
    }

    #[test]
    fn colours_are_cielab() {
        // sRGB red is L 53.24, a 80.09, b 67.20 (colour-science 0.4, D65).
        assert_near(&lab([1.0, 0.0, 0.0]), &[53.24, 80.09, 67.20], 0.01);
        assert_near(&lab([1.0; 3]), &[100.0, 0.0, 0.0], 0.01);
    }

    #[test]
    fn a_spec_out_of_range_is_refused() {
        let default = GradientsSpec::default();
        for spec in [
            GradientsSpec { version: 0, ..default },
            GradientsSpec { size: u32::MAX, ..default },
            GradientsSpec { cells: 0, ..default },
            GradientsSpec { directions: 6, ..default },
            GradientsSpec { chromas: 1, ..default },
            GradientsSpec { colour_weight: f32::NAN, ..default },
        ] {
            assert!(ExtractorSpec::Gradients(spec).build().is_err(), "{spec:?}");
        }
    }
}
