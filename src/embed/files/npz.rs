//! scipy's `.npz` of compressed sparse rows: a zip of the arrays `format`, `shape`, `indptr`, `indices` and `data`.

use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;

use ::zip::result::ZipError;
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipArchive, ZipWriter};
use npyz::{TypeChar, WriterBuilder};

use super::{Parts, npy};
use crate::collection::{Csr, Embeddings, Features};
use crate::files::{FileError, write_whole};

/// Features without values take no bytes, so a header may claim any number of them, for which others reserve memory.
const MAX_FEATURES: u64 = 1 << 24;

pub(super) fn read(input: impl Read + Seek, path: &Path) -> Parts {
    Ok((npy::read_ids(path)?, matrix(input)?.into()))
}

/// Reads a matrix as `scipy.sparse.save_npz` writes it.
fn matrix(input: impl Read + Seek) -> Result<Csr, String> {
    let mut archive = ZipArchive::new(input).map_err(|e| format!("not a .npz file: {e}"))?;
    let format = open(&mut archive, "format")?.text()?;
    if format != "csr" {
        return Err(format!("expected a matrix of format csr, found {format:?}: call its tocsr() before saving it"));
    }
    let shape = open(&mut archive, "shape")?.integers()?;
    let &[n_samples, n_features] = &shape[..] else {
        return Err(format!("expected a matrix, found the shape {shape:?}"));
    };
    if n_features > MAX_FEATURES {
        return Err(format!("{n_features} features: there may be {MAX_FEATURES} at most"));
    }
    let starts = open(&mut archive, "indptr")?.integers()?;
    let columns = open(&mut archive, "indices")?.columns()?;
    let values = open(&mut archive, "data")?.floats()?;
    let n_values = columns.len();
    if starts.len() as u64 != n_samples.saturating_add(1)
        || starts.first() != Some(&0)
        || starts.last() != Some(&(n_values as u64))
        || !starts.is_sorted()
        || values.len() != n_values
    {
        let (n, m) = (starts.len(), values.len());
        return Err(format!("{n} starts of rows, {n_values} columns and {m} values don't make {n_samples} rows"));
    }
    let starts: Vec<usize> = starts.into_iter().map(|start| start as usize).collect();
    let (columns, values) = in_order(&starts, columns, values);
    if let Some(column) = columns.iter().find(|column| u64::from(**column) >= n_features) {
        return Err(format!("a value in column {column}, but there are {n_features} features"));
    }
    Csr::try_new((n_samples as usize, n_features as usize), starts, columns, values)
        .map_err(|(_, _, _, error)| format!("not a matrix of sparse rows: {error}"))
}

/// Sorts the values of each row by column; scipy doesn't always.
fn in_order(starts: &[usize], mut columns: Vec<u32>, mut values: Vec<f32>) -> (Vec<u32>, Vec<f32>) {
    for row in starts.windows(2) {
        let (columns, values) = (&mut columns[row[0]..row[1]], &mut values[row[0]..row[1]]);
        if !columns.is_sorted() {
            let mut pairs: Vec<(u32, f32)> = columns.iter().copied().zip(values.iter().copied()).collect();
            pairs.sort_by_key(|(column, _)| *column);
            for ((column, value), pair) in columns.iter_mut().zip(values).zip(pairs) {
                (*column, *value) = pair;
            }
        }
    }
    (columns, values)
}

/// A member of the archive, its header read.
struct Array<R> {
    name: &'static str,
    values: R,
    /// How many there are, which the member's length bears out.
    len: usize,
    kind: TypeChar,
    size: usize,
    big_endian: bool,
}

/// Opens the array `name`.
fn open<'a, R: Read + Seek>(
    archive: &'a mut ZipArchive<R>,
    name: &'static str,
) -> Result<Array<impl Read + 'a>, String> {
    let member = archive.by_name(&format!("{name}.npy")).map_err(|e| match e {
        ZipError::FileNotFound => format!("it has no array `{name}`: save it with scipy.sparse.save_npz"),
        e => format!("its array `{name}` can't be read: {e}"),
    })?;
    let bytes = member.size();
    let mut values = BufReader::with_capacity(1 << 16, member);
    let failed = |e: io::Error| format!("its array `{name}` can't be read: {e}");
    let (header, header_bytes) = crate::npy::read_header(&mut values).map_err(failed)?;
    let npyz::DType::Plain(dtype) = header.dtype() else {
        return Err(format!("its array `{name}` has records"));
    };
    let (kind, size) = (dtype.type_char(), dtype.size_field());
    let big_endian = dtype.endianness() == npyz::Endianness::Big;
    let len = header.shape().iter().try_fold(1, |len: u64, &n| len.checked_mul(n));
    let len = len.filter(|len| size > 0 && len.checked_mul(size) == Some(bytes.saturating_sub(header_bytes)));
    let len = len.ok_or_else(|| format!("its array `{name}` has another length than its header says"))?;
    Ok(Array { name, values, len: len as usize, kind, size: size as usize, big_endian })
}

impl<R: Read> Array<R> {
    /// The values, from blocks of bytes in little-endian order, so that nothing is reserved before it has been read.
    fn collect<T>(mut self, of: impl Fn(&[u8]) -> T) -> Result<Vec<T>, String> {
        let mut values = Vec::new();
        let mut block = vec![0; (1 << 13) * self.size];
        while values.len() < self.len {
            let block = &mut block[..(self.len - values.len()).min(1 << 13) * self.size];
            self.values.read_exact(block).map_err(|e| format!("its array `{}` can't be read: {e}", self.name))?;
            values.extend(block.chunks_exact_mut(self.size).map(|bytes| {
                if self.big_endian {
                    bytes.reverse();
                }
                of(bytes)
            }));
        }
        Ok(values)
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, String> {
        let Self { name, kind, size, .. } = self;
        Err(format!("its array `{name}` holds values of kind {kind:?} and {size} bytes: {expected} are needed"))
    }

    /// A short text.
    fn text(self) -> Result<String, String> {
        if self.len != 1 || self.size > 64 || self.kind != TypeChar::ByteStr {
            return self.unexpected("a few letters");
        }
        let bytes = self.collect(|bytes| bytes.to_vec())?.concat();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn integers(self) -> Result<Vec<u64>, String> {
        match (self.kind, self.size) {
            (TypeChar::Int, 4) => {
                self.collect(|b| i64::from(i32::from_le_bytes(b.try_into().expect("4 bytes"))) as u64)
            }
            (TypeChar::Int, 8) => self.collect(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as u64),
            _ => self.unexpected("integers of 4 or 8 bytes"),
        }
    }

    /// What doesn't fit becomes the largest number, which is no column.
    fn columns(self) -> Result<Vec<u32>, String> {
        match (self.kind, self.size) {
            (TypeChar::Int, 4) => self.collect(|b| u32::from_le_bytes(b.try_into().expect("4 bytes"))),
            (TypeChar::Int, 8) => {
                self.collect(|b| u32::try_from(i64::from_le_bytes(b.try_into().expect("8 bytes"))).unwrap_or(u32::MAX))
            }
            _ => self.unexpected("integers of 4 or 8 bytes"),
        }
    }

    fn floats(self) -> Result<Vec<f32>, String> {
        match (self.kind, self.size) {
            (TypeChar::Float, 2) => self.collect(|b| half::f16::from_le_bytes(b.try_into().expect("2 bytes")).to_f32()),
            (TypeChar::Float, 4) => self.collect(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))),
            (TypeChar::Float, 8) => self.collect(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")) as f32),
            (TypeChar::Uint | TypeChar::Bool, 1) => self.collect(|b| f32::from(b[0])),
            _ => self.unexpected("floats of 2, 4 or 8 bytes, or bytes,"),
        }
    }
}

pub(super) fn write(path: &Path, embeddings: &Embeddings) -> Result<(), FileError> {
    npy::write_ids(path, embeddings)?;
    write_whole(path, |out| match embeddings.features() {
        Features::Sparse(x) => write_matrix(out, &x),
        Features::Dense(x) => write_matrix(out, &Csr::csr_from_dense(x.view(), 0.0)),
    })
}

/// Writes a matrix for `scipy.sparse.load_npz`.
fn write_matrix(out: &mut dyn Write, x: &Csr) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(out);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let mut member = |name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| {
        zip.start_file(format!("{name}.npy"), options)?;
        let mut out = io::BufWriter::with_capacity(1 << 16, &mut zip);
        write(&mut out)?;
        out.flush()
    };
    member("indices", &mut |out| array(out, x.indices().iter().map(|&column| column as i32)))?;
    member("indptr", &mut |out| array(out, x.proper_indptr().iter().map(|&start| start as i64)))?;
    // A text without dimensions, which npyz doesn't write: a header of format 1.0, filled up to 128 bytes.
    member("format", &mut |out| {
        let header = format!("{:<117}\n", "{'descr': '|S3', 'fortran_order': False, 'shape': (), }");
        out.write_all(b"\x93NUMPY\x01\x00\x76\x00")?;
        out.write_all(header.as_bytes())?;
        out.write_all(b"csr")
    })?;
    member("shape", &mut |out| array(out, [x.rows() as i64, x.cols() as i64].into_iter()))?;
    member("data", &mut |out| array(out, x.data().iter().copied()))?;
    zip.finish()?;
    Ok(())
}

/// An array of one dimension.
fn array<T: npyz::Serialize + npyz::AutoSerialize>(
    out: &mut dyn Write,
    values: impl ExactSizeIterator<Item = T>,
) -> io::Result<()> {
    let mut npy = npyz::WriteOptions::new().default_dtype().shape(&[values.len() as u64]).writer(out).begin_nd()?;
    npy.extend(values)?;
    npy.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// An archive of these members, each as a numpy type, a shape, and bytes.
    fn npz(members: &[(&str, &str, &str, Vec<u8>)]) -> Cursor<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, descr, shape, bytes) in members {
            zip.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
            zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
            zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
            zip.write_all(header.as_bytes()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap()
    }

    #[test]
    fn parts_that_don_t_fit_together_are_errors() {
        let i32s = |values: &[i32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let good = || {
            vec![
                ("format", "|S3", "()", b"csr".to_vec()),
                ("shape", "<i4", "(2,)", i32s(&[2, 5])),
                ("indptr", "<i4", "(3,)", i32s(&[0, 1, 3])),
                ("indices", "<i4", "(3,)", i32s(&[4, 0, 3])),
                ("data", "|u1", "(3,)", vec![1, 2, 3]),
            ]
        };
        let x = matrix(npz(&good())).unwrap();
        assert_eq!(x.to_dense(), ndarray::array![[0.0, 0.0, 0.0, 0.0, 1.0], [2.0, 0.0, 0.0, 3.0, 0.0]]);
        for (name, descr, shape, bytes) in [
            ("format", "|S3", "()", b"csc".to_vec()),
            ("format", "|S0", "()", vec![]),
            ("shape", "<i4", "(3,)", i32s(&[2, 5, 1])),
            ("shape", "<i4", "(2,)", i32s(&[3, 5])),
            ("shape", "<i4", "(2,)", i32s(&[-1, 5])),
            ("shape", "<i4", "(2,)", i32s(&[2, 4])), // a column beyond
            ("shape", "<i4", "(2,)", i32s(&[2, (1 << 24) + 1])),
            ("shape", "<i8", "(2,)", i32s(&[2, 0, 0, 2])), // 2^33 features
            ("shape", "<f4", "(2,)", i32s(&[2, 5])),
            ("indptr", "<i4", "(3,)", i32s(&[0, 4, 3])),
            ("indptr", "<i4", "(3,)", i32s(&[1, 1, 3])),
            ("indptr", "<i4", "(3,)", i32s(&[0, -1, 3])),
            ("indptr", "<i4", "(3,)", i32s(&[0, 1, 2])),
            ("indices", "<i4", "(3,)", i32s(&[4, 3, 3])), // twice the same
            ("indices", "<i4", "(3,)", i32s(&[-1, 0, 3])),
            ("indices", "<i4", "(1000000000000,)", i32s(&[4, 0, 3])),
            ("indices", "<i4", "(4611686018427387904, 4)", i32s(&[4, 0, 3])),
            ("data", "|u1", "(2,)", vec![1, 2]),
            ("data", "<c8", "(3,)", vec![0; 24]),
        ] {
            let mut members = good();
            members.iter_mut().find(|m| m.0 == name).map(|m| *m = (name, descr, shape, bytes)).unwrap();
            assert!(matrix(npz(&members)).is_err(), "{name} {descr} {shape}");
            members.retain(|m| m.0 != name);
            assert!(matrix(npz(&members)).unwrap_err().contains("save_npz"), "without {name}");
        }
    }
}
