//! Parquet: a string column `id`, a list column `embedding`.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
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

/// What the parser's panics come from.
pub(super) const DAMAGED: &str = "not a Parquet file that can be read: it is damaged";

fn damaged(error: ParquetError) -> String {
    format!("not a Parquet file that can be read: {error}")
}

/// A Parquet file and its columns of embeddings and of ids.
struct Columns {
    reader: SerializedFileReader<File>,
    embedding: usize,
    id: Option<usize>,
    /// The definition level of a number that is there.
    definition: i16,
}

fn open(file: File) -> Result<Columns, String> {
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

    let definition = leaf.max_def_level();
    Ok(Columns { reader, embedding: column, id: id_column, definition })
}

pub(super) fn read(file: File, len: u64) -> Parts {
    let Columns { reader, embedding, id, definition } = open(file)?;
    let mut ids = id.map(|_| Vec::new());
    let mut rows = Rows { definition, values: Vec::new(), n_features: None, n_samples: 0 };
    let _ = rows.values.try_reserve(usize::try_from(len / 4).unwrap_or(0));
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        rows.read(&mut group.get_column_reader(embedding).map_err(damaged)?, usize::MAX)?;
        if let (Some(ids), Some(column)) = (&mut ids, id) {
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
    /// Reads at most `most` rows, fewer only at the end of the column.
    fn read(&mut self, reader: &mut ColumnReader, most: usize) -> Result<(), String> {
        match reader {
            ColumnReader::FloatColumnReader(reader) => self.read_of(reader, most, |v| v),
            ColumnReader::DoubleColumnReader(reader) => self.read_of(reader, most, |v| v as f32),
            _ => Err("its column `embedding` is no list of floats".to_owned()),
        }
    }

    fn read_of<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        most: usize,
        to_f32: impl Fn(T::T) -> f32,
    ) -> Result<(), String> {
        let end = self.n_samples.saturating_add(most);
        let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        while self.n_samples < end {
            values.clear();
            definition.clear();
            repetition.clear();
            let (n, ..) = reader
                .read_records(
                    BLOCK.min(end - self.n_samples),
                    Some(&mut definition),
                    Some(&mut repetition),
                    &mut values,
                )
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
        Ok(())
    }
}

/// A place in a file of embeddings. To go back is to begin with the group of rows anew.
pub(super) struct Cursor {
    columns: Columns,
    /// The first row of each group, and the number of all.
    starts: Vec<usize>,
    /// The group that is read, the row that comes next, and its reader.
    at: Option<(usize, usize, ColumnReader)>,
}

impl Cursor {
    /// The file of `len` bytes, its rows and columns, and its ids; `None` if it has no rows, or more than bytes, which
    /// its header alone does not prove.
    #[allow(clippy::type_complexity)]
    pub fn open(file: File, len: u64) -> Result<Option<(Self, (usize, usize), Option<Vec<String>>)>, String> {
        let columns = open(file)?;
        let mut starts = vec![0usize];
        for group in columns.reader.metadata().row_groups() {
            let rows = usize::try_from(group.num_rows()).map_err(|e| e.to_string())?;
            let Some(end) = starts[starts.len() - 1].checked_add(rows) else { return Ok(None) };
            starts.push(end);
        }
        let n_samples = starts[starts.len() - 1];
        if n_samples == 0 || n_samples as u64 > len {
            return Ok(None);
        }
        let mut ids = columns.id.map(|_| Vec::new());
        if let (Some(ids), Some(column)) = (&mut ids, columns.id) {
            for group in 0..columns.reader.num_row_groups() {
                read_ids(&*columns.reader.get_row_group(group).map_err(damaged)?, column, ids)?;
            }
        }
        let definition = columns.definition;
        let mut cursor = Self { columns, starts, at: None };
        let mut first = Rows { definition, values: Vec::new(), n_features: None, n_samples: 0 };
        cursor.read_rows(0..1, &mut first)?;
        match first.n_features {
            Some(n_features) => Ok(Some((cursor, (n_samples, n_features), ids))),
            None => Ok(None),
        }
    }

    /// Appends some rows of `n_features` values each.
    pub fn read(&mut self, rows: Range<usize>, n_features: usize, out: &mut Vec<f32>) -> Result<(), String> {
        let definition = self.columns.definition;
        let mut into =
            Rows { definition, values: std::mem::take(out), n_features: Some(n_features), n_samples: rows.start };
        let read = self.read_rows(rows, &mut into);
        *out = into.values;
        read
    }

    fn read_rows(&mut self, rows: Range<usize>, into: &mut Rows) -> Result<(), String> {
        while into.n_samples < rows.end {
            let row = into.n_samples;
            let group = self.starts.partition_point(|start| *start <= row) - 1;
            // Gone while it is used: where a read fails the reader stands anywhere.
            let (next, mut reader) = match self.at.take() {
                Some((at, next, reader)) if at == group && next <= row => (next, reader),
                _ => {
                    let reader = self.columns.reader.get_row_group(group).map_err(damaged)?;
                    (self.starts[group], reader.get_column_reader(self.columns.embedding).map_err(damaged)?)
                }
            };
            let skipped = match &mut reader {
                ColumnReader::FloatColumnReader(reader) => reader.skip_records(row - next),
                ColumnReader::DoubleColumnReader(reader) => reader.skip_records(row - next),
                _ => return Err("its column `embedding` is no list of floats".to_owned()),
            };
            let end = rows.end.min(self.starts[group + 1]);
            if skipped.map_err(damaged)? == row - next {
                into.read(&mut reader, end - row)?;
            }
            if into.n_samples != end {
                return Err(format!("it ends before its row {row}"));
            }
            self.at = Some((group, end, reader));
        }
        Ok(())
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
