//! From AV1 planes to 8-bit pixels: ranges, matrices and subsampled chroma (ITU-T H.273).

use moxcms::{CicpColorPrimaries, CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics};
use re_rav1d::pixel::YUVRange;
use re_rav1d::{Picture as Frame, PixelLayout, PlanarImageComponent as Component, Plane};

use super::container::Nclx;

/// One plane, whatever its sample size.
struct Samples {
    plane: Plane,
    stride: usize,
    wide: bool,
    width: usize,
    height: usize,
}

impl Samples {
    fn new(frame: &Frame, component: Component, halved: (bool, bool)) -> Self {
        let half = |length: u32, halved: bool| if halved { length.div_ceil(2) } else { length } as usize;
        Self {
            plane: frame.plane(component),
            stride: frame.stride(component) as usize,
            wide: frame.bit_depth() > 8,
            width: half(frame.width(), halved.0),
            height: half(frame.height(), halved.1),
        }
    }

    /// Adds `weight` times the row `y`, or the last row if there are fewer.
    fn add_row(&self, y: usize, weight: f32, sum: &mut [f32]) {
        let row = &self.plane[y.min(self.height - 1) * self.stride..];
        if self.wide {
            let row = row.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]));
            sum.iter_mut().zip(row).for_each(|(sum, sample)| *sum += weight * f32::from(sample));
        } else {
            sum.iter_mut().zip(row).for_each(|(sum, &sample)| *sum += weight * f32::from(sample));
        }
    }

    fn row(&self, y: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.width];
        self.add_row(y, 1.0, &mut row);
        row
    }

    /// The row for line `y` of the full picture, `width` pixels. Where chroma is halved, a pixel lies between two
    /// samples, a quarter of their distance from the nearer one.
    fn upsampled_row(&self, y: usize, halved: (bool, bool), width: usize) -> Vec<f32> {
        let mut row = vec![0.0; self.width];
        if halved.1 {
            let further = if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { y / 2 + 1 };
            self.add_row(y / 2, 0.75, &mut row);
            self.add_row(further, 0.25, &mut row);
        } else {
            self.add_row(y, 1.0, &mut row);
        }
        if !halved.0 {
            return row;
        }
        let between = |x: usize| {
            let further = if x.is_multiple_of(2) { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(row.len() - 1) };
            0.75 * row[x / 2] + 0.25 * row[further]
        };
        (0..width).map(between).collect()
    }
}

/// Offset and scale that bring luma to 0..1 and chroma to -0.5..0.5.
struct Range {
    black: f32,
    luma: f32,
    centre: f32,
    chroma: f32,
}

impl Range {
    fn new(frame: &Frame, full: bool) -> Self {
        let bits = frame.bits_per_component().map_or(8, |bits| bits.0) as i32;
        let step = 2f32.powi(bits - 8);
        let (black, luma, chroma) = if full {
            let highest = 2f32.powi(bits) - 1.0;
            (0.0, highest, highest)
        } else {
            (16.0 * step, 219.0 * step, 224.0 * step)
        };
        Self { black, luma, centre: 128.0 * step, chroma }
    }
}

fn full_range(frame: &Frame) -> bool {
    matches!(frame.color_range(), YUVRange::Full)
}

fn byte(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

/// The luma plane alone, one byte a pixel.
pub fn grey(frame: &Frame) -> Vec<u8> {
    let luma = Samples::new(frame, Component::Y, (false, false));
    let range = Range::new(frame, full_range(frame));
    (0..luma.height).flat_map(|y| luma.row(y)).map(|y| byte((y - range.black) / range.luma)).collect()
}

/// Three bytes a pixel; `None` for a colour matrix that isn't known here.
pub fn rgb(frame: &Frame, nclx: Option<Nclx>) -> Option<Vec<u8>> {
    let matrix = Matrix::new(nclx.map_or_else(|| frame.matrix_coefficients() as u8, |nclx| nclx.matrix))?;
    let range = Range::new(frame, nclx.map_or_else(|| full_range(frame), |nclx| nclx.full_range));
    let halved = match frame.pixel_layout() {
        PixelLayout::I420 => (true, true),
        PixelLayout::I422 => (true, false),
        PixelLayout::I444 | PixelLayout::I400 => (false, false),
    };
    let luma = Samples::new(frame, Component::Y, (false, false));
    let (cb, cr) = (Samples::new(frame, Component::U, halved), Samples::new(frame, Component::V, halved));
    let mut rgb = Vec::with_capacity(luma.width * luma.height * 3);
    for line in 0..luma.height {
        let y = luma.row(line);
        let (cb, cr) = (cb.upsampled_row(line, halved, y.len()), cr.upsampled_row(line, halved, y.len()));
        for ((y, cb), cr) in y.into_iter().zip(cb).zip(cr) {
            rgb.extend(matrix.rgb(&range, y, cb, cr).map(byte));
        }
    }
    Some(rgb)
}

/// How three planes make colours.
enum Matrix {
    /// The planes are green, blue and red.
    Identity,
    YCgCo,
    /// Luma is `red` R + `green` G + `blue` B; chroma are scaled differences from it.
    Luma {
        red: f32,
        green: f32,
        blue: f32,
    },
}

impl Matrix {
    /// By code point.
    fn new(code: u8) -> Option<Self> {
        let (red, blue) = match code {
            0 => return Some(Self::Identity),
            8 => return Some(Self::YCgCo),
            1 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 => (0.2627, 0.0593),
            // BT.601 is also what encoders mean by saying nothing.
            2 | 5 | 6 => (0.299, 0.114),
            _ => return None,
        };
        Some(Self::Luma { red, green: 1.0 - red - blue, blue })
    }

    /// From stored samples to R, G, B in 0..1.
    fn rgb(&self, range: &Range, y: f32, cb: f32, cr: f32) -> [f32; 3] {
        let luma = |sample: f32| (sample - range.black) / range.luma;
        let (u, v) = ((cb - range.centre) / range.chroma, (cr - range.centre) / range.chroma);
        match self {
            Self::Identity => [luma(cr), luma(y), luma(cb)],
            Self::YCgCo => [luma(y) - u + v, luma(y) + u, luma(y) - u - v],
            Self::Luma { red, green, blue } => {
                let y = luma(y);
                let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
                [r, (y - red * r - blue * b) / green, b]
            }
        }
    }
}

/// The profile that code points stand for; `None` if that is sRGB, nearly sRGB, or needs tone mapping.
pub fn profile(frame: &Frame, nclx: Option<Nclx>) -> Option<ColorProfile> {
    let (primaries, transfer) = match nclx {
        Some(nclx) => (nclx.primaries, nclx.transfer),
        None => (frame.color_primaries() as u8, frame.transfer_characteristic() as u8),
    };
    // The camera curves are shown on sRGB screens as they are.
    let transfer = if matches!(transfer, 1 | 2 | 6 | 13 | 14 | 15) { 13 } else { transfer };
    if matches!(transfer, 16 | 18) || (transfer == 13 && matches!(primaries, 1 | 2 | 5 | 6)) {
        return None;
    }
    let code_points = CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Bt709,
        full_range: true,
    };
    let profile = ColorProfile::new_from_cicp(code_points);
    profile.red_trc.is_some().then_some(profile)
}
