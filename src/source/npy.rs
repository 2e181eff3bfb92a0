//! NumPy arrays of pictures.

use std::fs::File;
use std::path::Path;

use npyz::{DType, NpyHeader, Order, TypeChar};

use super::stack::Stack;
use super::{Collection, Data, Layout, Malformed, PixelOrder, SourceError};
use crate::files::At;

/// Longest header that is looked at: NumPy writes 128 bytes.
const MAX_HEADER: usize = 1 << 16;

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Array {
    /// 8-bit pictures.
    Images(Layout),
    /// Floating point numbers of two dimensions.
    Embeddings,
}

/// Parses a `.npy` file of 8-bit pictures, (n, height, width), (n, height, width, 1) or (n, height, width, 3), in C
/// order; or recognises one of embeddings.
///
/// # Errors
/// If the array is of another kind, or its header states another size than the data has.
pub fn parse(data: &Data) -> Result<Array, Malformed> {
    let io = |e: std::io::Error| Malformed::new("a .npy file", e.to_string());
    let size = data.size().map_err(io)?;
    let mut head = vec![0; MAX_HEADER.min(usize::try_from(size).unwrap_or(MAX_HEADER))];
    data.read_exact_at(&mut head, 0).map_err(io)?;
    let (header, start) = header(&head)?;
    let kind = match header.dtype() {
        DType::Plain(kind) => Some(kind),
        _ => None,
    };
    let shape = header.shape();
    let found = || {
        let kind = kind.as_ref().map_or("a structure".into(), ToString::to_string);
        let order = if header.order() == Order::Fortran { ", Fortran order" } else { "" };
        format!("{kind} of shape {shape:?}{order}")
    };
    let is = |wanted: TypeChar| kind.as_ref().is_some_and(|kind| kind.type_char() == wanted);
    if is(TypeChar::Float) && shape.len() == 2 {
        return Ok(Array::Embeddings);
    }
    let bytes = is(TypeChar::Uint) && kind.as_ref().is_some_and(|kind| kind.size_field() == 1);
    let (count, height, width, order) = match shape {
        &[n, h, w] | &[n, h, w, 1] if bytes && header.order() == Order::C => (n, h, w, PixelOrder::Grey),
        &[n, h, w, 3] if bytes && header.order() == Order::C => (n, h, w, PixelOrder::Rgb),
        _ => {
            let expected = "|u1 in C order of shape (n, height, width) or (n, height, width, 3), 0..255";
            return Err(Malformed::new(expected, found()));
        }
    };
    Layout::new((start, 0, size), count, (width, height), order).map(Array::Images)
}

/// The header and its length. The parser is handed only what can't make it allocate or recurse without bound.
fn header(head: &[u8]) -> Result<(NpyHeader, u64), Malformed> {
    let bad = |found: String| Malformed::new("a .npy header", found);
    let (text_start, text_length): (usize, usize) = match *head {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            (12, u32::from_le_bytes([a, b, c, d]) as usize)
        }
        _ => return Err(bad(format!("a file that starts with \"{}\"", head[..head.len().min(8)].escape_ascii()))),
    };
    let header = text_start.checked_add(text_length).and_then(|end| head.get(..end));
    let header = header.ok_or_else(|| bad(format!("one of {text_length} bytes, longer than the file or 64 KiB")))?;
    if header[text_start..].iter().filter(|&b| matches!(b, b'(' | b'[' | b'{')).count() > 32 {
        return Err(bad("one nested too deeply".into()));
    }
    let parsed = NpyHeader::from_reader(header).map_err(|e| bad(e.to_string()))?;
    Ok((parsed, header.len() as u64))
}

pub(super) fn open(path: &Path) -> Result<Collection, SourceError> {
    let data = Data::File(File::open(path).at("open", path)?);
    match parse(&data).map_err(|problem| problem.at(path))? {
        Array::Embeddings => Err(SourceError::Embeddings { path: path.into() }),
        Array::Images(layout) => {
            let source = Box::new(Stack::new(path.into(), data, layout, |_| (None, Vec::new())));
            Ok(Collection { source, skipped: Vec::new(), ignored: 0, columns: Vec::new() })
        }
    }
}
