//! safetensors: a tensor `embeddings`, and a byte tensor `ids` that holds a JSON array of strings.

use std::io::{self, Read, Seek, SeekFrom, Write};

use ndarray::Array2;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use super::{Float, Parts, write_rows};
use crate::collection::Embeddings;

const ROWS: &str = "embeddings";
const IDS: &str = "ids";

pub(super) fn read(input: &mut (impl Read + Seek), len: u64) -> Parts {
    let failed = |e: io::Error| format!("not a .safetensors file: {e}");
    let mut n = [0; 8];
    input.read_exact(&mut n).map_err(failed)?;
    let n = u64::from_le_bytes(n);
    let rest = len.saturating_sub(8);
    if n > rest {
        return Err(format!("not a .safetensors file: its header says to have {n} bytes, {rest} follow"));
    }
    let mut header = vec![0; n as usize];
    input.read_exact(&mut header).map_err(failed)?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|e| format!("not a .safetensors file: its header: {e}"))?;
    // Offsets have been checked against shapes while parsing; this ties them to the file.
    if header.data_len() as u64 != rest - n {
        return Err(format!("expected {} bytes of tensors, found {}", header.data_len(), rest - n));
    }
    let mut seek = |info: &TensorInfo| input.seek(SeekFrom::Start(8 + n + info.data_offsets.0 as u64)).map(|_| ());

    let rows = header.info(ROWS).ok_or("no tensor is named `embeddings`")?;
    let (&[n_samples, n_features], dtype) = (&rows.shape[..], rows.dtype) else {
        return Err(format!("embeddings have two dimensions, this tensor has the shape {:?}", rows.shape));
    };
    let float = match dtype {
        Dtype::F16 => Float::F16,
        Dtype::F32 => Float::F32,
        Dtype::F64 => Float::F64,
        _ => return Err(format!("embeddings are F16, F32 or F64, this tensor is {dtype:?}")),
    };
    seek(rows).map_err(failed)?;
    let values = float.read(input, n_samples * n_features).map_err(failed)?;
    let data = Array2::from_shape_vec((n_samples, n_features), values).map_err(|e| e.to_string())?;

    let Some(info) = header.info(IDS) else { return Ok((None, data.into())) };
    input.seek(SeekFrom::Start(8 + n + info.data_offsets.0 as u64)).map_err(failed)?;
    let mut json = vec![0; info.data_offsets.1 - info.data_offsets.0];
    input.read_exact(&mut json).map_err(failed)?;
    let ids =
        serde_json::from_slice(&json).map_err(|e| format!("the tensor `ids` is no JSON array of strings: {e}"))?;
    Ok((Some(ids), data.into()))
}

pub(super) fn write(out: &mut dyn Write, embeddings: &Embeddings) -> io::Result<()> {
    let ids = serde_json::to_vec(embeddings.ids())?;
    let shape = vec![embeddings.n_samples(), embeddings.n_features()];
    let end = size_of::<f32>() * embeddings.n_samples() * embeddings.n_features();
    let tensors = vec![
        (ROWS.to_owned(), TensorInfo { dtype: Dtype::F32, shape, data_offsets: (0, end) }),
        (IDS.to_owned(), TensorInfo { dtype: Dtype::U8, shape: vec![ids.len()], data_offsets: (end, end + ids.len()) }),
    ];
    let header = Metadata::new(None, tensors).map_err(|e: SafeTensorError| io::Error::other(e))?;
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' '); // So that the numbers lie aligned.
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    write_rows(out, embeddings)?;
    out.write_all(&ids)
}
