//! NumPy's `.npy`: a matrix, its ids in a CSV file beside it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use ndarray::{Array2, ShapeBuilder};
use npyz::WriterBuilder;

use super::{Float, Parts};
use crate::collection::Embeddings;
use crate::files::{FileError, write_whole};

pub(super) fn read(input: &mut dyn BufRead, len: u64, path: &Path) -> Parts {
    let (header, _) = crate::npy::read_header(input).map_err(|e| format!("not a .npy file: {e}"))?;
    let (shape, order) = (header.shape().to_vec(), header.order());
    let &[n_samples, n_features] = &shape[..] else {
        return Err(format!("embeddings have two dimensions, this array has the shape {shape:?}"));
    };
    let npyz::DType::Plain(dtype) = header.dtype() else {
        return Err("embeddings are floats, this array has records".to_owned());
    };
    let n_values = n_samples.checked_mul(n_features).filter(|n| *n <= len);
    let n_values = n_values.ok_or_else(|| format!("too short a file for the shape {shape:?}"))? as usize;
    let npy = npyz::NpyFile::with_header(header, input);
    let values: Result<Vec<f32>, String> = match (dtype.type_char(), dtype.size_field()) {
        (npyz::TypeChar::Float, 2) => collect(npy.data::<half::f16>(), n_values, half::f16::to_f32),
        (npyz::TypeChar::Float, 4) => collect(npy.data::<f32>(), n_values, |v| v),
        (npyz::TypeChar::Float, 8) => collect(npy.data::<f64>(), n_values, |v| v as f32),
        _ => Err(format!("embeddings are floats of 2, 4 or 8 bytes, this array is of type {dtype}")),
    };
    let shape = (n_samples as usize, n_features as usize).set_f(order == npyz::Order::Fortran);
    let data = Array2::from_shape_vec(shape, values?).map_err(|e| e.to_string())?;
    Ok((read_ids(path)?, data.into()))
}

/// Where the rows of a file are.
pub(super) struct Layout {
    /// Rows and columns, at least one.
    pub dim: (usize, usize),
    /// Where the values begin.
    pub values: u64,
    pub float: Float,
}

/// The layout of a file of `len` bytes whose rows can be read one by one; `None` if they can't.
pub(super) fn layout(input: &mut dyn Read, len: u64) -> Result<Option<Layout>, String> {
    let (header, values) = crate::npy::read_header(input).map_err(|e| format!("not a .npy file: {e}"))?;
    let (&[n_samples, n_features], npyz::DType::Plain(dtype)) = (header.shape(), header.dtype()) else {
        return Ok(None);
    };
    let float = match (dtype.type_char(), dtype.size_field(), dtype.endianness()) {
        (npyz::TypeChar::Float, 2, npyz::Endianness::Little) => Float::F16,
        (npyz::TypeChar::Float, 4, npyz::Endianness::Little) => Float::F32,
        (npyz::TypeChar::Float, 8, npyz::Endianness::Little) => Float::F64,
        _ => return Ok(None),
    };
    if header.order() == npyz::Order::Fortran || n_samples == 0 || n_features == 0 {
        return Ok(None);
    }
    let bytes = n_samples.checked_mul(n_features).and_then(|n| n.checked_mul(float.size() as u64));
    match bytes.and_then(|bytes| bytes.checked_add(values)) {
        Some(needed) if needed <= len => {
            Ok(Some(Layout { dim: (n_samples as usize, n_features as usize), values, float }))
        }
        _ => Err(format!("too short a file for the shape {:?}", header.shape())),
    }
}

fn collect<R: Read, T: npyz::Deserialize>(
    values: Result<npyz::NpyReader<T, R>, npyz::DTypeError>,
    n: usize,
    to_f32: impl Fn(T) -> f32,
) -> Result<Vec<f32>, String> {
    let mut out = Vec::with_capacity(n);
    for value in values.map_err(|e| e.to_string())? {
        out.push(to_f32(value.map_err(|e| e.to_string())?));
    }
    Ok(out)
}

pub(super) fn write(path: &Path, embeddings: &Embeddings) -> Result<(), FileError> {
    write_ids(path, embeddings)?;
    write_whole(path, |out| {
        let shape = [embeddings.n_samples() as u64, embeddings.n_features() as u64];
        let mut npy = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
        npy.extend(embeddings.features().to_dense().iter().copied())?;
        npy.finish()
    })
}

/// Writes the ids beside the file `path`.
pub(super) fn write_ids(path: &Path, embeddings: &Embeddings) -> Result<(), FileError> {
    write_whole(&ids_path(path), |out| {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["id"])?;
        embeddings.ids().iter().try_for_each(|id| csv.write_record([id]))?;
        csv.flush()
    })
}

fn ids_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".ids.csv");
    name.into()
}

/// The column `id` of the file beside `path`; `None` if there is no such file.
pub(super) fn read_ids(path: &Path) -> Result<Option<Vec<String>>, String> {
    let path = &ids_path(path);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("its ids can't be read from {}: {e}", path.display())),
    };
    let damaged = |e: csv::Error| format!("its ids can't be read from {}: {e}", path.display());
    let mut csv = csv::Reader::from_reader(file);
    let column = csv.headers().map_err(damaged)?.iter().position(|name| name == "id");
    let column = column.ok_or_else(|| format!("{} has no column `id`", path.display()))?;
    let ids = csv.records().map(|record| Ok(record.map_err(damaged)?.get(column).unwrap_or_default().to_owned()));
    ids.collect::<Result<_, String>>().map(Some)
}
