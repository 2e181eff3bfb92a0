//! Tables of paths: CSV and Parquet.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use parquet::basic::Type as Physical;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

use super::disk::{self, Files, skipped};
use super::names::{id, os_string};
use super::{Collection, Malformed, Options, SourceError};
use crate::decode::contain;
use crate::files::At;
use crate::progress::Reporter;

/// One line of a table.
pub struct Row {
    pub path: Vec<u8>,
    pub label: Option<String>,
    pub extra: Vec<String>,
}

/// Where the columns of a table are.
struct Columns {
    path: usize,
    label: Option<usize>,
    others: Vec<(usize, String)>,
}

impl Columns {
    fn new(names: &[String]) -> Result<Self, Malformed> {
        let place = |wanted: &str| names.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
        let found = || if names.is_empty() { "no columns".into() } else { names.join(", ") };
        let path = place("path").ok_or_else(|| Malformed::new("a column named \"path\"", found()))?;
        let label = place("label");
        let others = names.iter().cloned().enumerate().filter(|(i, _)| *i != path && Some(*i) != label).collect();
        Ok(Self { path, label, others })
    }

    fn row(&self, cell: impl Fn(usize) -> Vec<u8>) -> Row {
        let text = |i| String::from_utf8_lossy(&cell(i)).into_owned();
        Row {
            path: cell(self.path),
            label: self.label.map(text).filter(|label| !label.is_empty()),
            extra: self.others.iter().map(|(i, _)| text(*i)).collect(),
        }
    }

    fn other_names(self) -> Vec<String> {
        self.others.into_iter().map(|(_, name)| name).collect()
    }
}

pub fn open_csv(path: &Path, options: &Options, reporter: &dyn Reporter) -> Result<Collection, SourceError> {
    let broken = |e: csv::Error| Malformed::new("a CSV table with a header line", e.to_string()).at(path);
    let mut reader = csv::Reader::from_reader(File::open(path).at("open", path)?);
    let header = reader.byte_headers().map_err(broken)?;
    let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let columns = Columns::new(&names).map_err(|problem| problem.at(path))?;
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(broken)?;
        rows.push(columns.row(|i| record[i].to_vec()));
    }
    from_rows(rows, directory(path), columns.other_names(), options, reporter)
}

pub fn open_parquet(path: &Path, options: &Options, reporter: &dyn Reporter) -> Result<Collection, SourceError> {
    let broken = |reason: String| Malformed::new("a Parquet table", reason).at(path);
    let file = File::open(path).at("open", path)?;
    // The reader panics on some damaged files.
    let table = contain(|| read_parquet(file)).map_err(broken)?.map_err(|e| broken(e.to_string()))?;
    let (columns, rows) = match table {
        Parquet::Paths(columns, rows) => (columns, rows),
        Parquet::Embeddings => return Err(SourceError::Embeddings { path: path.into() }),
        Parquet::Other(problem) => return Err(problem.at(path)),
    };
    from_rows(rows, directory(path), columns.other_names(), options, reporter)
}

/// What a Parquet file holds.
enum Parquet {
    Paths(Columns, Vec<Row>),
    Embeddings,
    Other(Malformed),
}

fn read_parquet(file: File) -> parquet::errors::Result<Parquet> {
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    // Nested columns are no text that a table could show.
    let flat: Vec<_> = schema.root_schema().get_fields().iter().filter(|f| f.is_primitive()).cloned().collect();
    let names: Vec<String> = flat.iter().map(|field| field.name().to_owned()).collect();
    let columns = match Columns::new(&names) {
        Ok(columns) => columns,
        Err(problem) => {
            let floats = |kind| matches!(kind, Physical::FLOAT | Physical::DOUBLE);
            let embeddings = schema.columns().iter().any(|column| floats(column.physical_type()));
            return Ok(if embeddings { Parquet::Embeddings } else { Parquet::Other(problem) });
        }
    };
    let projection = Type::group_type_builder(schema.root_schema().name()).with_fields(flat).build()?;
    let mut rows = Vec::new();
    for row in reader.get_row_iter(Some(projection))? {
        let cells: Vec<Field> = row?.into_columns().into_iter().map(|(_, field)| field).collect();
        rows.push(columns.row(|i| cell(&cells[i])));
    }
    Ok(Parquet::Paths(columns, rows))
}

fn cell(field: &Field) -> Vec<u8> {
    match field {
        Field::Null => Vec::new(),
        Field::Str(text) => text.as_bytes().to_vec(),
        Field::Bytes(bytes) => bytes.data().to_vec(),
        other => other.to_string().into_bytes(),
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The files that rows name, relative to `directory`. Rows without a readable file, and repeated ones, are skipped.
pub fn from_rows(
    rows: Vec<Row>,
    directory: &Path,
    columns: Vec<String>,
    options: &Options,
    reporter: &dyn Reporter,
) -> Result<Collection, SourceError> {
    let (mut items, mut paths, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (number, row) in rows.into_iter().enumerate() {
        reporter.check()?;
        reporter.advance(1);
        if row.path.is_empty() {
            left_out.push(skipped(format!("row {}", number + 1), "its path is empty"));
            continue;
        }
        let id = id(&row.path);
        let path = directory.join(os_string(&row.path));
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if options.excludes(&real) {
            left_out.push(skipped(id, "it lies in the output: a copy is not sorted again"));
            continue;
        }
        if !seen.insert(real) {
            left_out.push(skipped(id, "it is listed more than once: the first row counts"));
            continue;
        }
        match disk::item(id.clone(), &path) {
            Ok(mut item) => {
                (item.label, item.extra) = (row.label, row.extra);
                items.push(item);
                paths.push(path);
            }
            Err(error) => left_out.push(skipped(id, error)),
        }
    }
    disk::attach_siblings(&mut items);
    let source = Box::new(Files::new(items, paths, options));
    Ok(Collection { source, skipped: left_out, ignored: 0, columns })
}
