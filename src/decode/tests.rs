//! Pictures of every kind, whole and damaged. The files' recipe is in `tests/data/pictures/README.md`.

use std::io::Cursor;
use std::path::Path;

use image::codecs::pnm::{PnmSubtype, SampleEncoding};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::{DecodeError, Fit, Format, Limits, decode, decode_at_least, resize};

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn decoded(name: &str) -> DynamicImage {
    decode(&file(name), &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The largest difference of any value.
fn difference(a: &DynamicImage, b: &DynamicImage) -> u8 {
    assert_eq!((a.width(), a.height(), a.color()), (b.width(), b.height(), b.color()));
    a.as_bytes().iter().zip(b.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

fn assert_close(name: &str, expected: &str, tolerance: u8) {
    let difference = difference(&decoded(name), &decoded(expected));
    assert!(difference <= tolerance, "{name}: off by {difference}, allowed {tolerance}");
}

fn base() -> RgbImage {
    RgbImage::from_fn(24, 16, |x, y| Rgb([(x * 255 / 23) as u8, (y * 255 / 15) as u8, ((x + y) * 255 / 38) as u8]))
}

#[test]
fn as_pillow_decodes_them() {
    assert_eq!(decoded("base.png"), DynamicImage::ImageRgb8(base()));
    assert_close("cmyk.jpg", "cmyk.expected.png", 1);
    assert_close("ycck.jpg", "ycck.expected.png", 2);
    assert_close("progressive.jpg", "base.png", 14);
    assert_close("anim.gif", "anim.expected.png", 0);
    assert_close("anim.png", "base.png", 0);
    assert_close("anim.webp", "base.png", 0);
    assert_close("palette.png", "palette.expected.png", 0);
    assert_close("alpha.png", "alpha.expected.png", 1);
    assert_close("alpha.webp", "alpha.expected.png", 1);
    assert_close("grey-alpha.png", "grey-alpha.expected.png", 1);
}

#[test]
fn profiles_are_converted_as_littlecms_does() {
    assert_close("p3.png", "p3.expected.png", 2);
    assert_close("adobe-rgb.png", "adobe-rgb.expected.png", 2);
    assert_close("grey-gamma18.png", "grey-gamma18.expected.png", 2);
}

#[test]
fn a_broken_profile_is_ignored() {
    let mut jpeg = written(&DynamicImage::ImageRgb8(base()), ImageFormat::Jpeg);
    let plain = decode(&jpeg, &Limits::default()).unwrap();
    let mut segment = vec![0xff, 0xe2, 0, 40];
    segment.extend(b"ICC_PROFILE\0\x01\x01");
    segment.extend([7; 24]);
    jpeg.splice(2..2, segment);
    assert_eq!(decode(&jpeg, &Limits::default()).unwrap(), plain);
}

#[cfg(feature = "avif")]
#[test]
fn avif_of_every_kind() {
    for name in ["420", "422-limited", "444-limited", "420-10bit-limited", "420-12bit", "anim"] {
        assert_close(&format!("{name}.avif"), "base.png", 14);
    }
    for name in ["identity", "bt709", "ycgco", "bt2020"] {
        assert_close(&format!("{name}.avif"), "base.png", 5);
    }
    assert_close("alpha.avif", "alpha.expected.png", 14);
    assert_close("alpha-premultiplied.avif", "alpha.expected.png", 20);
    // One pixel at the edge of the gamut is far off; unconverted, the picture is off by 110.
    assert_close("p3-code-points.avif", "p3.expected.png", 30);
    assert!(matches!(decoded("400.avif"), DynamicImage::ImageLuma8(_)));
}

#[cfg(not(feature = "avif"))]
#[test]
fn avif_without_its_decoder_says_what_to_do() {
    let error = decode(&file("420.avif"), &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("--features avif"), "{error}");
}

#[cfg(feature = "heic")]
#[test]
fn heic() {
    assert_close("base.heic", "base.png", 16);
}

#[cfg(not(feature = "heic"))]
#[test]
fn heic_without_its_decoder_says_what_to_do() {
    let error = decode(&file("base.heic"), &Limits::default()).unwrap_err();
    assert_eq!(error, DecodeError::NotBuilt { format: Format::Heic, feature: "heic" });
    assert!(error.to_string().contains("--features heic"), "{error}");
}

#[test]
fn pictures_are_upright() {
    /// The stored place of an upright one, for each EXIF orientation (TIFF 6.0, tag 274).
    fn stored(orientation: u32, x: u32, y: u32) -> (u32, u32) {
        match orientation {
            1 => (x, y),
            2 => (23 - x, y),
            3 => (23 - x, 15 - y),
            4 => (x, 15 - y),
            5 => (y, x),
            6 => (y, 15 - x),
            7 => (23 - y, 15 - x),
            _ => (23 - y, x),
        }
    }
    let check = |name: &str, orientation: u32, tolerance: u8| {
        let upright = decoded(name);
        let (width, height) = if orientation < 5 { (24, 16) } else { (16, 24) };
        let expected = RgbImage::from_fn(width, height, |x, y| {
            let (x, y) = stored(orientation, x, y);
            base()[(x, y)]
        });
        assert!(difference(&upright, &DynamicImage::ImageRgb8(expected)) <= tolerance, "{name}");
    };
    for orientation in 1..=8 {
        check(&format!("orientation-{orientation}.jpg"), orientation, 12);
        if cfg!(feature = "avif") {
            check(&format!("orientation-{orientation}.avif"), orientation, 4);
        }
    }
    for extension in ["png", "webp", "tif"] {
        check(&format!("orientation-6.{extension}"), 6, 0);
    }
}

#[test]
fn every_format_round_trips() {
    let picture = DynamicImage::ImageRgb8(base());
    for format in
        [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Pnm, ImageFormat::Qoi]
    {
        assert_eq!(decode(&written(&picture, format), &Limits::default()).unwrap(), picture, "{format:?}");
    }
    let mut ascii = Vec::new();
    image::codecs::pnm::PnmEncoder::new(&mut ascii)
        .with_subtype(PnmSubtype::Pixmap(SampleEncoding::Ascii))
        .encode(base().as_flat_samples().samples, 24, 16, image::ExtendedColorType::Rgb8)
        .unwrap();
    assert_eq!(decode(&ascii, &Limits::default()).unwrap(), picture);
}

#[test]
fn grey_and_depth() {
    let bits = decoded("bit.png").into_luma8();
    assert!(bits.enumerate_pixels().all(|(x, _, p)| p.0[0] == if x * 255 / 23 > 100 { 255 } else { 0 }));
    let grey = decoded("grey16.png").into_luma8();
    assert!(grey.enumerate_pixels().all(|(x, _, p)| {
        let sixteen = f64::from(x * 65535 / 23);
        f64::from(p.0[0]) == (sixteen / 257.0).round()
    }));
    let deep = ImageBuffer::from_fn(3, 1, |x, _| Rgb([65535, (x as u16) * 257, 128]));
    let deep = decode(&written(&DynamicImage::ImageRgb16(deep), ImageFormat::Png), &Limits::default()).unwrap();
    assert_eq!(deep.into_rgb8()[(2, 0)], Rgb([255, 2, 0]));
}

#[test]
fn one_pixel_and_transparency() {
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(1, 1, Rgba([10, 20, 30, 0])));
    let white = decode(&written(&clear, ImageFormat::Png), &Limits::default()).unwrap();
    assert_eq!(white, DynamicImage::ImageRgb8(RgbImage::from_pixel(1, 1, Rgb([255; 3]))));
}

#[test]
fn what_is_no_picture() {
    assert_eq!(decode(b"", &Limits::default()), Err(DecodeError::Empty));
    let error = decode(b"Dear diary,\ntoday", &Limits::default()).unwrap_err();
    assert!(error.to_string().contains(r#"starts with "Dear diary,\n""#), "{error}");
}

#[test]
fn a_huge_header_allocates_nothing() {
    let mut png = written(&DynamicImage::ImageLuma8(GrayImage::new(1, 1)), ImageFormat::Png);
    png[16..20].copy_from_slice(&30_000u32.to_be_bytes());
    png[20..24].copy_from_slice(&30_000u32.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let error = decode(&png, &Limits::default()).unwrap_err();
    assert_eq!(error, DecodeError::TooManyPixels { width: 30_000, height: 30_000, max_pixels: 1 << 28 });
    let tight = Limits { max_bytes: 100, ..Limits::default() };
    for name in ["base.png", "progressive.jpg", "420.avif", "anim.gif", "anim.webp", "orientation-6.tif"] {
        assert!(decode(&file(name), &tight).is_err(), "{name}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// A picture large enough that a cut anywhere in it loses pixels.
fn noise() -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(64, 64, |x, y| {
        let n = x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)) >> 3;
        Rgb([n as u8, (n >> 8) as u8, (n >> 16) as u8])
    }))
}

#[test]
fn a_picture_cut_short_is_an_error() {
    let formats = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff];
    let formats = formats.into_iter().chain([ImageFormat::Pnm, ImageFormat::Qoi, ImageFormat::Gif]);
    for format in formats {
        let whole = written(&noise(), format);
        decode(&whole, &Limits::default()).unwrap();
        for kept in [1, 2, 3, 10, 50, 90, 97].map(|percent| whole.len() * percent / 100) {
            assert!(decode(&whole[..kept], &Limits::default()).is_err(), "{format:?} cut to {kept} bytes");
        }
    }
    for name in ["progressive.jpg", "cmyk.jpg", "420.avif", "alpha.avif"] {
        let whole = file(name);
        for kept in 1..whole.len() {
            assert!(decode(&whole[..kept], &Limits::default()).is_err(), "{name} cut to {kept} bytes");
        }
    }
}

#[test]
fn corrupt_entropy_data_is_an_error() {
    let mut jpeg = written(&noise(), ImageFormat::Jpeg);
    let middle = jpeg.len() / 2;
    // A run of ones: the longest code and what is no code at all.
    jpeg[middle..middle + 4].copy_from_slice(&[0xff, 0x00, 0xff, 0x00]);
    let error = decode(&jpeg, &Limits::default()).unwrap_err();
    assert!(matches!(error, DecodeError::Corrupt { format: Format::Jpeg, .. }), "{error}");
}

#[test]
fn no_damage_ends_the_process() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures");
    let limits = Limits { max_pixels: 1 << 20, max_bytes: 1 << 24 };
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let whole = file(&name);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = !damaged[at];
            // A contained panic is as good as any error; the test is that none goes further.
            let _ = decode(&damaged, &limits);
        }
    }
}

#[test]
fn resize_keeps_the_kind_and_meets_the_frame() {
    let wide = DynamicImage::ImageRgb8(RgbImage::from_fn(40, 20, |x, _| {
        if (10..30).contains(&x) { Rgb([200, 0, 0]) } else { Rgb([0, 0, 200]) }
    }));
    assert_eq!(resize(&wide, 40, 20, Fit::Pad), wide);
    let like = |pixel: &Rgb<u8>, rgb: [u8; 3]| pixel.0.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) < 8);
    let cropped = resize(&wide, 10, 10, Fit::Crop).into_rgb8();
    assert!(cropped.pixels().all(|p| p.0[0] > 150), "the middle alone: {cropped:?}");
    let stretched = resize(&wide, 10, 10, Fit::Stretch).into_rgb8();
    assert!(like(&stretched[(0, 5)], [0, 0, 200]) && like(&stretched[(5, 5)], [200, 0, 0]), "{stretched:?}");
    let padded = resize(&wide, 10, 10, Fit::Pad).into_rgb8();
    assert_eq!((padded[(5, 1)], padded[(5, 8)]), (Rgb([255; 3]), Rgb([255; 3])));
    assert!(like(&padded[(5, 2)], [200, 0, 0]) && like(&padded[(5, 6)], [200, 0, 0]), "{padded:?}");
    let thin = DynamicImage::ImageLuma8(GrayImage::from_pixel(1, 1000, Luma([9])));
    assert_eq!(resize(&thin, 8, 8, Fit::Pad).into_luma8()[(3, 4)], Luma([9]));
}

#[test]
fn shrinking_does_not_alias() {
    let stripes = DynamicImage::ImageLuma8(GrayImage::from_fn(64, 64, |x, _| Luma([if x % 2 == 0 { 0 } else { 255 }])));
    let grey = resize(&stripes, 8, 8, Fit::Stretch).into_luma8();
    assert!(grey.enumerate_pixels().all(|(_, _, p)| p.0[0].abs_diff(127) < 12), "{grey:?}");
}

#[test]
fn a_jpeg_at_reduced_scale_is_the_whole_one_resized() {
    // A size that blocks divide: else the last pixels, which stand for less, are drawn wider by a part of one.
    let wave = |x: u32, y: u32, by: f32| (127.0 + 100.0 * ((x as f32 / by).sin() * (y as f32 / 9.0).cos())) as u8;
    let large = RgbImage::from_fn(400, 304, |x, y| Rgb([wave(x, y, 9.0), wave(y, x, 12.0), wave(x, y, 30.0)]));
    let large = written(&DynamicImage::ImageRgb8(large), ImageFormat::Jpeg);
    let mut files: Vec<(String, Vec<u8>)> = vec![("large".into(), large.clone())];
    let names = (1..=8).map(|i| format!("orientation-{i}.jpg")).chain(["progressive.jpg".into(), "cmyk.jpg".into()]);
    files.extend(names.map(|name| (name.clone(), file(&name))));
    for (name, bytes) in &files {
        let whole = decode(bytes, &Limits::default()).unwrap();
        for side in [1, 4, 8, 30, 75, 76, 1000] {
            let scaled = decode_at_least(bytes, &Limits::default(), side).unwrap();
            let short = |image: &DynamicImage| image.width().min(image.height());
            assert!(short(&scaled) >= side.min(short(&whole)), "{name}: {side}");
            let (width, height) = ((whole.width() / 16).max(1), (whole.height() / 16).max(1));
            let [whole, scaled] = [&whole, &scaled].map(|image| resize(image, width, height, Fit::Stretch));
            assert!(difference(&whole, &scaled) <= 12, "{name}, {side}: {}", difference(&whole, &scaled));
        }
    }
    let quarter = decode_at_least(&large, &Limits::default(), 75).unwrap();
    let expected = if cfg!(feature = "turbojpeg") { (100, 76) } else { (400, 304) };
    assert_eq!((quarter.width(), quarter.height()), expected);
    for cut in [large.len() / 3, large.len() - 2] {
        assert!(decode_at_least(&large[..cut], &Limits::default(), 1).is_err());
    }
    let few = Limits { max_pixels: 1000, ..Limits::default() };
    assert!(matches!(decode_at_least(&large, &few, 1), Err(DecodeError::TooManyPixels { .. })));
}
