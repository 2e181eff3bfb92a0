//! The boxes of an AVIF file: the coded items by avif-parse, and the properties of the picture that it leaves out
//! (ISO/IEC 23008-12: `colr`, `irot`, `imir`).

use avif_parse::AvifData;
use image::metadata::Orientation;
use moxcms::ColorProfile;

use crate::decode::colour;

pub struct Container {
    pub data: AvifData,
    pub profile: Option<ColorProfile>,
    pub nclx: Option<Nclx>,
    pub orientation: Orientation,
}

/// Colour code points (ITU-T H.273), which go before those inside the AV1 data.
#[derive(Clone, Copy)]
pub struct Nclx {
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
    pub full_range: bool,
}

impl Container {
    pub fn parse(bytes: &[u8]) -> avif_parse::Result<Self> {
        // The parser insists on the major brand of still pictures; sequences, and files that put a general brand
        // first, hold one all the same.
        let mut patched;
        let mut readable = bytes;
        if bytes.get(8..12).is_some_and(|brand| brand != b"avif") {
            patched = bytes.to_vec();
            patched[8..12].copy_from_slice(b"avif");
            readable = &patched;
        }
        let data = AvifData::from_reader(&mut readable)?;
        let mut container = Self { data, profile: None, nclx: None, orientation: Orientation::NoTransforms };
        container.apply_properties(bytes);
        Ok(container)
    }

    /// Reads what it can; a picture without valid properties is shown as it is.
    fn apply_properties(&mut self, bytes: &[u8]) {
        let mut quarter_turns = 0;
        let mut mirror = None;
        for (kind, body) in primary_properties(bytes).unwrap_or_default() {
            match (kind, body) {
                (b"irot", [angle, ..]) => quarter_turns = angle & 3,
                (b"imir", [axis, ..]) => mirror = Some(axis & 1),
                (b"colr", [b'n', b'c', b'l', b'x', _, primaries, _, transfer, _, matrix, range, ..]) => {
                    let full_range = range & 0x80 != 0;
                    self.nclx = Some(Nclx { primaries: *primaries, transfer: *transfer, matrix: *matrix, full_range });
                }
                (b"colr", [b'p', b'r', b'o', b'f', icc @ ..] | [b'r', b'I', b'C', b'C', icc @ ..]) => {
                    self.profile = colour::parse(Some(icc.to_vec()));
                }
                _ => {}
            }
        }
        self.orientation = orientation(quarter_turns, mirror);
    }
}

/// Anticlockwise quarter turns, then a mirror: 0 exchanges top and bottom, 1 left and right.
fn orientation(quarter_turns: u8, mirror: Option<u8>) -> Orientation {
    match (quarter_turns, mirror) {
        (0, None) => Orientation::NoTransforms,
        (1, None) => Orientation::Rotate270,
        (2, None) => Orientation::Rotate180,
        (_, None) => Orientation::Rotate90,
        (0, Some(0)) | (2, Some(1)) => Orientation::FlipVertical,
        (0 | 2, Some(_)) => Orientation::FlipHorizontal,
        (1, Some(0)) | (3, Some(1)) => Orientation::Rotate90FlipH,
        (_, Some(_)) => Orientation::Rotate270FlipH,
    }
}

type Kind<'a> = &'a [u8; 4];

/// The properties of the primary item, in the order in which they apply.
fn primary_properties(bytes: &[u8]) -> Option<Vec<(Kind<'_>, &[u8])>> {
    let meta = child(bytes, b"meta")?.get(4..)?;
    let primary = match child(meta, b"pitm")? {
        [0, _, _, _, id @ ..] => number(id, 2)?,
        [_, _, _, _, id @ ..] => number(id, 4)?,
        _ => return None,
    };
    let iprp = child(meta, b"iprp")?;
    let all: Vec<(Kind<'_>, &[u8])> = Boxes(child(iprp, b"ipco")?).collect();
    let mut own = Vec::new();
    for (_, ipma) in Boxes(iprp).filter(|(kind, _)| *kind == b"ipma") {
        own.extend(
            associations(ipma, primary)?.into_iter().filter_map(|index| all.get(index.checked_sub(1)?).copied()),
        );
    }
    Some(own)
}

/// The 1-based indices of the properties that an `ipma` box gives to an item.
fn associations(ipma: &[u8], item: usize) -> Option<Vec<usize>> {
    let (head, mut rest) = ipma.split_at_checked(8)?;
    let (id_size, index_size) = (if head[0] == 0 { 2 } else { 4 }, if head[3] & 1 == 0 { 1 } else { 2 });
    let mut found = Vec::new();
    // Entries end with the data, whatever their count claims.
    while let Some(id) = number(rest, id_size) {
        let count = usize::from(*rest.get(id_size)?);
        let list = rest.get(id_size + 1..)?.get(..count * index_size)?;
        if id == item {
            // The top bit says whether the property is essential.
            let mask = (1 << (8 * index_size - 1)) - 1;
            found.extend(list.chunks_exact(index_size).filter_map(|index| Some(number(index, index_size)? & mask)));
        }
        rest = &rest[id_size + 1 + list.len()..];
    }
    Some(found)
}

fn child<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(bytes).find(|(k, _)| *k == kind).map(|(_, body)| body)
}

/// A big-endian number of `size` bytes at the start of `bytes`.
fn number(bytes: &[u8], size: usize) -> Option<usize> {
    Some(bytes.get(..size)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// The boxes one after another in a slice, as kind and body; ends at the first that isn't whole.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (Kind<'a>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind: Kind<'a> = self.0.get(4..8)?.first_chunk()?;
        let (start, size) = match number(self.0, 4)? {
            0 => (8, self.0.len()),
            1 => (16, number(self.0.get(8..)?, 8)?),
            size => (8, size),
        };
        let body = self.0.get(start..size)?;
        self.0 = &self.0[size..];
        Some((kind, body))
    }
}
