//! Parquet: a string column `id`, a list column `embedding`.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use ndarray::Array2;
use parquet::basic::{Compression, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::Parts;
use crate::collection::Embeddings;

const SCHEMA: &str = "message embeddings {
    required binary id (STRING);
    required group embedding (LIST) { repeated group list { required float element; } }
}";
const ROWS_PER_GROUP: usize = 4096;
/// Rows read at a time.
const BLOCK: usize = 256;

pub(super) fn write(out: &mut dyn Write, embeddings: &Embeddings) -> io::Result<()> {
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(io::Error::other)?);
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false) // Features hardly repeat.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_compression(Compression::UNCOMPRESSED)
        .build();
    // The writer wants to own what it writes to, so it gets a buffer that is emptied after each group of rows.
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).map_err(io::Error::other)?;
    let n_features = embeddings.n_features();
    let features = embeddings.features();
    let rows = features.to_dense();
    for (ids, rows) in
        embeddings.ids().chunks(ROWS_PER_GROUP).zip(rows.axis_chunks_iter(ndarray::Axis(0), ROWS_PER_GROUP))
    {
        let ids: Vec<ByteArray> = ids.iter().map(|id| id.as_bytes().to_vec().into()).collect();
        let values = rows.as_slice().expect("embeddings are in standard layout");
        write_group(&mut writer, &ids, values, n_features).map_err(io::Error::other)?;
        out.write_all(writer.inner())?;
        writer.inner_mut().clear();
    }
    out.write_all(&writer.into_inner().map_err(io::Error::other)?)
}

fn write_group(
    writer: &mut SerializedFileWriter<Vec<u8>>,
    ids: &[ByteArray],
    values: &[f32],
    n_features: usize,
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("two columns".into()))?;
    column.typed::<ByteArrayType>().write_batch(ids, None, None)?;
    column.close()?;
    let mut column = group.next_column()?.ok_or_else(|| ParquetError::General("two columns".into()))?;
    // Level 1 continues a list, 0 begins one; an empty list has one entry of definition 0.
    let n_levels = n_features.max(1) * ids.len();
    let repetition: Vec<i16> = (0..n_levels).map(|i| i16::from(!i.is_multiple_of(n_features.max(1)))).collect();
    let definition = vec![i16::from(n_features > 0); n_levels];
    column.typed::<FloatType>().write_batch(values, Some(&definition), Some(&repetition))?;
    column.close()?;
    group.close()?;
    Ok(())
}

pub(super) fn read(file: File, len: u64) -> Parts {
    let damaged = |e: ParquetError| format!("not a Parquet file that can be read: {e}");
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let find = |name: &str| schema.columns().iter().position(|c| c.path().parts().first().is_some_and(|p| p == name));
    let column = find("embedding").ok_or("it has no column `embedding`")?;
    let leaf = schema.column(column);
    if leaf.max_rep_level() != 1 || !matches!(leaf.physical_type(), Type::FLOAT | Type::DOUBLE) {
        return Err("its column `embedding` is no list of floats".to_owned());
    }
    let id_column = find("id");
    if id_column.is_some_and(|c| schema.column(c).physical_type() != Type::BYTE_ARRAY) {
        return Err("its column `id` is no string".to_owned());
    }

    let mut ids = id_column.map(|_| Vec::new());
    let mut rows = Rows { definition: leaf.max_def_level(), values: Vec::new(), n_features: None, n_samples: 0 };
    let _ = rows.values.try_reserve(usize::try_from(len / 4).unwrap_or(0));
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        match group.get_column_reader(column).map_err(damaged)? {
            ColumnReader::FloatColumnReader(reader) => rows.read(reader, |v| v)?,
            ColumnReader::DoubleColumnReader(reader) => rows.read(reader, |v| v as f32)?,
            _ => return Err("its column `embedding` is no list of floats".to_owned()),
        }
        if let (Some(ids), Some(column)) = (&mut ids, id_column) {
            read_ids(&*group, column, ids)?;
        }
    }
    let shape = (rows.n_samples, rows.n_features.unwrap_or(0));
    Ok((ids, Array2::from_shape_vec(shape, rows.values).map_err(|e| e.to_string())?.into()))
}

/// Rows as they come in.
struct Rows {
    /// The definition level of a number that is there.
    definition: i16,
    values: Vec<f32>,
    n_features: Option<usize>,
    n_samples: usize,
}

impl Rows {
    fn read<T: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<T>,
        to_f32: impl Fn(T::T) -> f32,
    ) -> Result<(), String> {
        let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            values.clear();
            definition.clear();
            repetition.clear();
            let (n, ..) = reader
                .read_records(BLOCK, Some(&mut definition), Some(&mut repetition), &mut values)
                .map_err(|e| format!("its column `embedding` can't be read: {e}"))?;
            if n == 0 {
                return Ok(());
            }
            let starts: Vec<usize> =
                repetition.iter().enumerate().filter(|(_, level)| **level == 0).map(|(i, _)| i).collect();
            if let Some(at) = definition.iter().position(|level| *level != self.definition) {
                let row = self.n_samples + starts.partition_point(|start| *start <= at).saturating_sub(1);
                return Err(format!("its row {row} has a missing or an empty embedding"));
            }
            let ends = starts.iter().skip(1).copied().chain([repetition.len()]);
            for (start, end) in starts.iter().zip(ends) {
                let expected = *self.n_features.get_or_insert(end - start);
                if end - start != expected {
                    let (row, found) = (self.n_samples, end - start);
                    return Err(format!("its row {row} has {found} numbers, those before it {expected}"));
                }
                self.n_samples += 1;
            }
            self.values.extend(values.drain(..).map(&to_f32));
        }
    }
}

fn read_ids(group: &dyn RowGroupReader, column: usize, ids: &mut Vec<String>) -> Result<(), String> {
    let unreadable = |e: ParquetError| format!("its column `id` can't be read: {e}");
    let ColumnReader::ByteArrayColumnReader(mut reader) = group.get_column_reader(column).map_err(unreadable)? else {
        return Err("its column `id` is no string".to_owned());
    };
    let mut values = Vec::new();
    loop {
        values.clear();
        let mut definition = Vec::new();
        let (n, n_values, _) =
            reader.read_records(BLOCK, Some(&mut definition), None, &mut values).map_err(unreadable)?;
        if n != n_values {
            return Err("its column `id` has missing values".to_owned());
        }
        if n == 0 {
            return Ok(());
        }
        for value in &values {
            ids.push(value.as_utf8().map_err(unreadable)?.to_owned());
        }
    }
}
