//! Reads CSV, npy and IDX files of labels. The format is told by the first bytes, never by the name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use npyz::{DType, NpyFile, TypeChar};

use super::{Column, LabelFileError};
use crate::collection::ClusterId;
use crate::files::At;

/// Reads clusters: a `.csv` with a header and the columns `id` and `cluster` among others, empty for noise; or a
/// `.npy` of integers, shape (n_samples,), -1 for noise.
///
/// # Errors
/// Any I/O error, another format, a value that is no cluster, an id twice.
pub fn read_labels(path: &Path) -> Result<Column<Option<ClusterId>>, LabelFileError> {
    let file = LabelFile { path };
    match file.open()? {
        (Format::Csv, input) => file.read_csv(input, "cluster", |cell| match cell.trim() {
            "" => Ok(None),
            number => number.parse().map(Some).map_err(|_| "a cluster's number from 0, or nothing for noise"),
        }),
        (Format::Npy, input) => file.read_npy(input, |value| match value {
            -1 => Ok(None),
            value => value.try_into().map(Some).map_err(|_| "a cluster's number from 0, or -1 for noise"),
        }),
        (Format::Idx, _) => Err(file.malformed("clusters as .csv or .npy", "an IDX file")),
    }
}

/// Reads how sure each row is of its cluster: a `.csv` with a header and the columns `id` and `confidence` among others, empty
/// where there is none.
///
/// # Errors
/// Any I/O error, another format, a value that is no number, an id twice.
pub fn read_confidence(path: &Path) -> Result<Column<Option<f64>>, LabelFileError> {
    let file = LabelFile { path };
    match file.open()? {
        (Format::Csv, input) => file.read_csv(input, "confidence", |cell| match cell.trim() {
            "" => Ok(None),
            number => number.parse().map(Some).map_err(|_| "a number, or nothing"),
        }),
        _ => Err(file.malformed("a .csv with the columns id and confidence", "another format")),
    }
}

/// Reads classes: a `.csv` with a header and the columns `id` and `label` among others, empty where unknown; a `.npy`
/// of integers, shape (n_samples,), negative where unknown; or an IDX file of labels, gzipped or not.
///
/// # Errors
/// Any I/O error, another format, an id twice.
pub fn read_truth(path: &Path) -> Result<Column<Option<String>>, LabelFileError> {
    let file = LabelFile { path };
    match file.open()? {
        (Format::Csv, input) => file.read_csv(input, "label", |cell| Ok((!cell.is_empty()).then(|| cell.to_owned()))),
        (Format::Npy, input) => file.read_npy(input, |value| Ok((value >= 0).then(|| value.to_string()))),
        (Format::Idx, input) => file.read_idx(input),
    }
}

/// What a table says of each row beside its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns, other than the one that names the rows.
    pub columns: Vec<String>,
    /// A cell for each of them, row by row.
    pub rows: Column<Option<Vec<String>>>,
}

/// Reads a `.csv` with a header and any columns, whose rows are named by the column `id` or, where there is none, `path`. A
/// column without a name is called by its place.
///
/// # Errors
/// Any I/O error, another format, no column that names the rows, an id twice.
pub fn read_table(path: &Path) -> Result<Table, LabelFileError> {
    let file = LabelFile { path };
    let (Format::Csv, input) = file.open()? else {
        return Err(file.malformed("a .csv with a header and the column id or path", "another format"));
    };
    let mut table = csv::Reader::from_reader(input);
    let header = table.headers().map_err(|error| file.csv_error(error))?.clone();
    let Some(id_at) = place(&header, "id").or_else(|| place(&header, "path")) else {
        return Err(file.other_columns("column id or path", &header));
    };
    let others: Vec<usize> = (0..header.len()).filter(|&at| at != id_at).collect();
    let name =
        |at: usize| if header[at].trim().is_empty() { format!("column {}", at + 1) } else { header[at].to_owned() };
    let cells = |record: &csv::StringRecord| Ok(Some(others.iter().map(|&at| record[at].to_owned()).collect()));
    let rows = file.read_records(&mut table, id_at, cells)?;
    Ok(Table { columns: others.iter().map(|&at| name(at)).collect(), rows })
}

/// Where a column is.
fn place(header: &csv::StringRecord, name: &str) -> Option<usize> {
    header.iter().position(|cell| cell == name)
}

enum Format {
    Csv,
    Npy,
    Idx,
}

/// A path, for the errors' sake.
#[derive(Clone, Copy)]
struct LabelFile<'a> {
    path: &'a Path,
}

impl LabelFile<'_> {
    fn malformed(self, expected: impl Into<String>, found: impl Into<String>) -> LabelFileError {
        let (expected, found) = (expected.into(), found.into());
        LabelFileError::Malformed { path: self.path.to_owned(), line: None, expected, found }
    }

    fn open(self) -> Result<(Format, Box<dyn BufRead>), LabelFileError> {
        let mut input: Box<dyn BufRead> = Box::new(BufReader::new(File::open(self.path).at("open", self.path)?));
        if input.fill_buf().at("read", self.path)?.starts_with(b"\x1f\x8b") {
            input = Box::new(BufReader::new(MultiGzDecoder::new(input)));
        }
        let format = match input.fill_buf().at("read", self.path)? {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Format::Npy,
            [0, 0, ..] => Format::Idx,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => {
                return Err(self.malformed("one array in a .npy", "an archive (.npz?): save the array with numpy.save"));
            }
            _ => Format::Csv,
        };
        Ok((format, input))
    }

    fn read_csv<T>(
        self,
        input: Box<dyn BufRead>,
        column: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Column<T>, LabelFileError> {
        let mut table = csv::Reader::from_reader(input);
        let header = table.headers().map_err(|error| self.csv_error(error))?;
        let (Some(id_at), Some(value_at)) = (place(header, "id"), place(header, column)) else {
            return Err(self.other_columns(&format!("columns id and {column}"), header));
        };
        self.read_records(&mut table, id_at, |record| {
            parse(&record[value_at]).map_err(|expected| LabelFileError::Malformed {
                path: self.path.to_owned(),
                line: record.position().map(csv::Position::line),
                expected: expected.to_owned(),
                found: format!("{:?} in the column {column}", &record[value_at]),
            })
        })
    }

    /// What `value` makes of each record, by the id in column `id_at`.
    fn read_records<T>(
        self,
        table: &mut csv::Reader<impl Read>,
        id_at: usize,
        value: impl Fn(&csv::StringRecord) -> Result<T, LabelFileError>,
    ) -> Result<Column<T>, LabelFileError> {
        let (mut ids, mut values) = (Vec::new(), Vec::new());
        let mut record = csv::StringRecord::new();
        while table.read_record(&mut record).map_err(|error| self.csv_error(error))? {
            ids.push(record[id_at].to_owned());
            values.push(value(&record)?);
        }
        self.check_unique(&ids)?;
        Ok(Column { ids: Some(ids), values })
    }

    fn other_columns(self, expected: &str, header: &csv::StringRecord) -> LabelFileError {
        let found = format!("the columns {:?}", header.iter().take(20).collect::<Vec<_>>().join(","));
        self.malformed(format!("a header with the {expected}"), found)
    }

    fn csv_error(self, error: csv::Error) -> LabelFileError {
        let line = error.position().map(csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(source) => self.data_error("a .csv", source),
            kind => LabelFileError::Malformed {
                path: self.path.to_owned(),
                line,
                expected: "a .csv in UTF-8 with equally long rows, or a .npy or IDX file of labels".into(),
                found: match kind {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        format!("{len} cells under a header of {expected_len}")
                    }
                    csv::ErrorKind::Utf8 { .. } => "bytes that are not UTF-8".into(),
                    _ => "something else".into(),
                },
            },
        }
    }

    fn check_unique(self, ids: &[String]) -> Result<(), LabelFileError> {
        let mut row_of = HashMap::with_capacity(ids.len());
        for (row, id) in ids.iter().enumerate() {
            if let Some(first) = row_of.insert(id.as_str(), row) {
                let (path, id) = (self.path.to_owned(), id.clone());
                return Err(LabelFileError::Duplicate { path, id, first: first + 1, second: row + 1 });
            }
        }
        Ok(())
    }

    fn read_npy<T>(
        self,
        mut input: Box<dyn BufRead>,
        parse: impl Fn(i64) -> Result<T, &'static str>,
    ) -> Result<Column<T>, LabelFileError> {
        let header = crate::npy::read_header(&mut input);
        let (header, _) = header.map_err(|error| self.data_error("the header of a .npy file", error))?;
        let array = NpyFile::with_header(header, &mut input);
        let wanted = "an array of integers, shape (n_samples,)";
        let [n] = *array.shape() else {
            return Err(self.malformed(wanted, format!("the shape {:?}", array.shape())));
        };
        let DType::Plain(ty) = array.dtype() else {
            return Err(self.malformed(wanted, "records"));
        };
        let parsed = |value: io::Result<i64>| {
            let value = value.map_err(|error| self.data_error(&format!("{n} values, as the header says"), error))?;
            parse(value).map_err(|expected| self.malformed(expected, value.to_string()))
        };
        macro_rules! values {
            ($integer:ty) => {{
                let data = array.data::<$integer>().map_err(|error| self.malformed(wanted, error.to_string()))?;
                data.map(|value| value.map(i64::from)).map(parsed).collect::<Result<Vec<T>, _>>()?
            }};
        }
        let values = match (ty.type_char(), ty.size_field()) {
            (TypeChar::Int, 1) => values!(i8),
            (TypeChar::Int, 2) => values!(i16),
            (TypeChar::Int, 4) => values!(i32),
            (TypeChar::Int, 8) => values!(i64),
            (TypeChar::Uint, 1) => values!(u8),
            (TypeChar::Uint, 2) => values!(u16),
            (TypeChar::Uint, 4) => values!(u32),
            _ => return Err(self.malformed(wanted, format!("the type {ty}"))),
        };
        self.check_end(&mut input)?;
        Ok(Column { ids: None, values })
    }

    fn read_idx(self, mut input: Box<dyn BufRead>) -> Result<Column<Option<String>>, LabelFileError> {
        let mut header = [0; 8];
        input.read_exact(&mut header).map_err(|error| self.data_error("the header of an IDX file", error))?;
        let [0, 0, 8, 1, count @ ..] = header else {
            let found = format!("an IDX file of type {:#04x} with {} dimensions", header[2], header[3]);
            return Err(self.malformed("an IDX file of labels: bytes (0x08), one dimension", found));
        };
        let count = u32::from_be_bytes(count);
        let mut bytes = Vec::new();
        let wanted = format!("{count} labels, as the header says");
        (&mut input).take(count.into()).read_to_end(&mut bytes).map_err(|error| self.data_error(&wanted, error))?;
        if bytes.len() < count as usize {
            return Err(self.malformed(wanted, format!("{}", bytes.len())));
        }
        self.check_end(&mut input)?;
        Ok(Column { ids: None, values: bytes.iter().map(|byte| Some(byte.to_string())).collect() })
    }

    fn check_end(self, input: &mut dyn BufRead) -> Result<(), LabelFileError> {
        let rest = input.fill_buf().map_err(|error| self.data_error("the end of the file", error))?;
        if rest.is_empty() { Ok(()) } else { Err(self.malformed("the end of the file", "more bytes")) }
    }

    /// What the bytes are to blame for is told apart from what the system is.
    fn data_error(self, expected: &str, error: io::Error) -> LabelFileError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.malformed(expected, "the end of the file"),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => self.malformed(expected, error.to_string()),
            _ => crate::files::FileError { action: "read", path: self.path.to_owned(), source: error }.into(),
        }
    }
}
