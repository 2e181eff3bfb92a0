//! NumPy arrays of pictures.

use std::fs::File;
use std::path::Path;

use npyz::{DType, Order, TypeChar};

use super::stack::Stack;
use super::{Collection, Data, Layout, Malformed, PixelOrder, SourceError};
use crate::files::At;
use crate::npy::read_header;

/// Bytes in which a header must end.
const MAX_HEADER: usize = 1 << 14;

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
    let (header, start) =
        read_header(&mut &head[..]).map_err(|e| Malformed::new("the header of a .npy file", e.to_string()))?;
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
