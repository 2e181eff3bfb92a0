//! The header of a NumPy `.npy` file, which is hostile until read.

use std::io::{self, Read};

use npyz::NpyHeader;

/// NumPy's own limit for headers that it hasn't written itself; it writes 128 bytes.
const MAX_BYTES: usize = 10_000;
/// The dictionary and the shape. Time and stack that the parser takes grow exponentially with the depth.
const MAX_BRACKETS: usize = 2;

/// Reads the header of an array of plain numbers, and how many bytes it takes; the values follow.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] if the input ends before, [`io::ErrorKind::InvalidData`] if it is something else
/// or an array of records; any other I/O error.
///
/// ```
/// let mut file = b"\x93NUMPY\x01\x00\x3c\x00".to_vec();
/// file.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n");
/// let (header, length) = alike::npy::read_header(&mut &file[..])?;
/// assert_eq!((header.shape(), length), (&[2, 3][..], 70));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read_header(input: &mut dyn Read) -> io::Result<(NpyHeader, u64)> {
    let invalid = |found: &str| io::Error::new(io::ErrorKind::InvalidData, found);
    let mut fill = |bytes: &mut [u8]| {
        input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the end of the file"),
            _ => error,
        })
    };
    let mut bytes = vec![0; 10];
    fill(&mut bytes)?;
    let length = match bytes[..] {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b] => usize::from(u16::from_le_bytes([a, b])),
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b] => {
            bytes.resize(12, 0);
            fill(&mut bytes[10..])?;
            u32::from_le_bytes([a, b, bytes[10], bytes[11]]) as usize
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', version, ..] => {
            return Err(invalid(&format!("one of the unsupported version {version}")));
        }
        _ => return Err(invalid(&format!("a file that starts with \"{}\"", bytes[..8].escape_ascii()))),
    };
    if length > MAX_BYTES {
        return Err(invalid(&format!("one of {length} bytes")));
    }
    let text = bytes.len();
    bytes.resize(text + length, 0);
    fill(&mut bytes[text..])?;
    if bytes[text..].iter().filter(|byte| b"([{".contains(byte)).count() > MAX_BRACKETS {
        return Err(invalid("one with nested lists, as of an array of records"));
    }
    Ok((NpyHeader::from_reader(&bytes[..])?, bytes.len() as u64))
}
