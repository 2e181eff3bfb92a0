//! Files of labels, of true classes and of whatever else is known of the rows, and how these meet: by id where both have
//! ids, else by row.

mod align;
mod read;

pub use align::{Aligned, align};
pub use read::{Table, read_confidence, read_labels, read_table, read_truth};

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use npyz::WriterBuilder;

use crate::collection::{ClusterId, Labels};
use crate::files::{FileError, write_whole};

/// One value a row, and the rows' ids where the file has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column<T> {
    /// As many as values, all different; `None` for formats without ids (npy, IDX).
    pub ids: Option<Vec<String>>,
    /// In the file's order.
    pub values: Vec<T>,
}

/// Why a file of labels can't be read, written, or brought together with the rows.
#[derive(Debug, thiserror::Error)]
pub enum LabelFileError {
    /// The system's refusal.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not the file that was expected.
    #[error("{}{}: expected {expected}, found {found}", path.display(), line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it, for text.
        line: Option<u64>,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// An id names two rows.
    #[error("{}: id {id:?} appears in rows {first} and {second}: ids must be unique", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
        /// Its first row, from 1, the header not counted.
        first: usize,
        /// Its second row.
        second: usize,
    },
    /// No format goes by this name.
    #[error("{}: labels are written as .csv or .npy: name the file so", path.display())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// Without ids, rows must match one by one.
    #[error("{found} values without ids for {expected} rows: give one a row, or a .csv with ids")]
    Rows {
        /// Rows there are.
        expected: usize,
        /// Values in the file.
        found: usize,
    },
    /// The ids are of another kind.
    #[error("no id in common: the rows have ids like {ours:?}, the file has ids like {theirs:?}")]
    NoCommonId {
        /// A row's id.
        ours: String,
        /// An id of the file.
        theirs: String,
    },
}

/// Writes `labels` by the extension of `path`: `.csv` with the columns `id,cluster`, empty for noise; `.npy` as i32,
/// shape (n_samples,), -1 for noise, without the ids.
///
/// # Errors
/// Any I/O error, or another extension; `path` is then as it was.
pub fn write_labels(path: &Path, labels: &Labels) -> Result<(), LabelFileError> {
    let ids = labels.ids.iter().map(|id| Cow::from(id.as_str()));
    write_columns(path, ids, &labels.clusters, &[])
}

/// As [`write_labels`], from parts: the ids, the clusters, and the same at other granularities, which become the columns
/// `level-1`, `level-2` and so on of a `.csv`; a `.npy` has no place for them.
///
/// # Errors
/// As [`write_labels`].
pub fn write_columns<'a>(
    path: &Path,
    mut ids: impl Iterator<Item = Cow<'a, str>>,
    clusters: &[Option<ClusterId>],
    levels: &[Vec<Option<ClusterId>>],
) -> Result<(), LabelFileError> {
    check_labels(path)?;
    Ok(match is_npy(path) {
        true => write_whole(path, |out| write_npy(out, clusters)),
        false => write_whole(path, |out| write_csv(out, &mut ids, clusters, levels)),
    }?)
}

/// Refuses a name that [`write_labels`] would refuse, before any work.
///
/// # Errors
/// [`LabelFileError::Extension`].
pub fn check_labels(path: &Path) -> Result<(), LabelFileError> {
    let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    if is_csv || is_npy(path) { Ok(()) } else { Err(LabelFileError::Extension { path: path.to_owned() }) }
}

fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

fn write_csv(
    out: &mut dyn Write,
    ids: &mut dyn Iterator<Item = Cow<'_, str>>,
    clusters: &[Option<ClusterId>],
    levels: &[Vec<Option<ClusterId>>],
) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    let names = (1..=levels.len()).map(|level| format!("level-{level}"));
    let cell = |cluster: Option<ClusterId>| cluster.map(|cluster| cluster.to_string()).unwrap_or_default();
    table.write_record(["id".to_owned(), "cluster".to_owned()].into_iter().chain(names))?;
    for (row, (id, cluster)) in ids.zip(clusters).enumerate() {
        table.write_field(id.as_bytes())?;
        table.write_field(cell(*cluster))?;
        table.write_record(levels.iter().map(|level| cell(level[row])))?;
    }
    table.flush()
}

fn write_npy(out: &mut dyn Write, clusters: &[Option<ClusterId>]) -> io::Result<()> {
    let shape = [clusters.len() as u64];
    let mut array = npyz::WriteOptions::<i32>::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
    for cluster in clusters {
        let value = cluster.map_or(Ok(-1), i32::try_from);
        array.push(&value.map_err(|_| io::Error::other("a cluster's number is beyond i32; write .csv instead"))?)?;
    }
    array.finish()
}

#[cfg(test)]
mod tests;
