//! The picture formats, told by a file's first bytes.

use std::fmt;

/// A picture format that [`decode`](super::decode()) knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JPEG, baseline and progressive.
    Jpeg,
    /// PNG, APNG too.
    Png,
    /// GIF.
    Gif,
    /// WebP, lossy and lossless.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// PBM, PGM, PPM and PAM.
    Pnm,
    /// The Quite OK Image format.
    Qoi,
    /// AV1 pictures.
    Avif,
    /// HEVC pictures, as phones take them.
    Heic,
}

impl Format {
    /// How many bytes of a file's start [`Format::of`] looks at.
    pub const PEEK: usize = 64;

    /// The format of a file that starts with `bytes`, or `None` if it is none of these.
    ///
    /// ```
    /// use alike::decode::Format;
    /// assert_eq!(Format::of(b"GIF89a..."), Some(Format::Gif));
    /// assert_eq!(Format::of(b"Dear diary"), None);
    /// ```
    pub fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Png,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::WebP,
            // Two letters alone would take many a text for a bitmap: its reserved field must be zero as well.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Self::Bmp,
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Self::Tiff,
            [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => Self::Pnm,
            [b'q', b'o', b'i', b'f', ..] => Self::Qoi,
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => return iso_media(bytes, brands),
            _ => return None,
        })
    }
}

/// AVIF and HEIC share a container; its brands tell them apart.
fn iso_media(bytes: &[u8], brands: &[u8]) -> Option<Format> {
    let size = bytes.first_chunk().map_or(0, |size| u32::from_be_bytes(*size)) as usize;
    let end = size.clamp(8, Format::PEEK.min(bytes.len())) - 8;
    let brands = || brands[..end].chunks_exact(4);
    if brands().any(|brand| matches!(brand, b"avif" | b"avis")) {
        Some(Format::Avif)
    } else if brands().any(|brand| matches!(brand, b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx")) {
        Some(Format::Heic)
    } else {
        None
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Pnm => "PNM",
            Self::Qoi => "QOI",
            Self::Avif => "AVIF",
            Self::Heic => "HEIC",
        })
    }
}
