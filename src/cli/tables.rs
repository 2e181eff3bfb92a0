//! The tables `alike sort` leaves: clusters.csv, skipped.csv, run.json.

use crate::arrange::Mode;
use crate::collection::{ClusterId, Skipped};
use crate::files::{At, FileError, write_whole};
use crate::model::{Model, UNCLUSTERED, Verdict};
use crate::source::{Collection, Item, path_id};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// Where the destination stands in a row of clusters.csv.
const DESTINATION: usize = 6;

/// One row of clusters.csv.
pub struct Row<'a> {
    /// The image.
    pub item: &'a Item,
    /// Where it belongs.
    pub verdict: &'a Verdict,
    /// Where it was put, below OUT; `None` if it could not be.
    pub destination: Option<&'a Path>,
}

/// Writes `id,path,cluster,name,confidence,distance,destination`, the clusters of other granularities as `level-1` and so
/// on, and the columns that came with the collection.
pub fn write_clusters(
    path: &Path,
    rows: &[Row<'_>],
    levels: &[Vec<Option<ClusterId>>],
    model: &Model,
    collection: &Collection,
) -> Result<(), FileError> {
    write_whole(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        let header = ["id", "path", "cluster", "name", "confidence", "distance", "destination"];
        let names: Vec<String> = (1..=levels.len()).map(|level| format!("level-{level}")).collect();
        csv.write_record(header.into_iter().chain(names.iter().chain(&collection.columns).map(String::as_str)))?;
        let number_of = |cluster: Option<ClusterId>| cluster.map_or_else(String::new, |c| c.to_string());
        for (row, Row { item, verdict, destination }) in rows.iter().enumerate() {
            let number = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.6}"));
            let fields = [
                item.id.clone(),
                item.path.as_ref().map_or_else(String::new, |p| written(p)),
                number_of(verdict.cluster),
                verdict.cluster.map_or(UNCLUSTERED, |c| &model.clusters[c].name).to_owned(),
                number(verdict.confidence),
                number(Some(verdict.distance)),
                destination.map_or_else(String::new, written),
            ];
            let levels: Vec<String> = levels.iter().map(|level| number_of(level[row])).collect();
            csv.write_record(fields.iter().chain(&levels).chain(&item.extra))?;
        }
        csv.flush()
    })
}

/// A path as text; one that is no text as an id, in which different paths stay different.
fn written(path: &Path) -> String {
    path.to_str().map_or_else(|| path_id(path), str::to_owned)
}

/// Empties the destination of the rows that have none after all.
pub fn forget_destinations(path: &Path, destinations: &[Option<PathBuf>]) -> Result<(), FileError> {
    let read = || -> csv::Result<Vec<csv::StringRecord>> {
        csv::ReaderBuilder::new().has_headers(false).from_path(path)?.into_records().collect()
    };
    let rows = read().map_err(io::Error::other).at("read", path)?;
    write_whole(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        for (number, row) in rows.iter().enumerate() {
            let gone = number.checked_sub(1).is_some_and(|image| destinations.get(image).is_some_and(Option::is_none));
            let cells = row.iter().enumerate().map(|(at, cell)| if gone && at == DESTINATION { "" } else { cell });
            csv.write_record(cells)?;
        }
        csv.flush()
    })
}

/// Writes `id,stage,reason`.
pub fn write_skipped(path: &Path, skipped: &[Skipped]) -> Result<(), FileError> {
    write_whole(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        for row in skipped {
            csv.serialize(row).map_err(io::Error::other)?;
        }
        csv.flush()
    })
}

/// `.alike/run.json`: what the last run was and what it said.
#[derive(Serialize, Deserialize)]
pub struct RunSummary {
    /// Hash of the settings and of every image; the same run has the same.
    pub fingerprint: String,
    /// The JSON result.
    pub result: Value,
    /// The result in lines.
    pub text: String,
    /// How files were placed.
    pub mode: Mode,
}

impl RunSummary {
    /// Its place below OUT.
    pub const PLACE: &str = ".alike/run.json";

    /// Reads the summary in OUT, if there is a readable one.
    pub fn read(out: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(out.join(Self::PLACE)).ok()?).ok()
    }

    /// The images left out.
    pub fn skipped(&self) -> serde_json::Result<Vec<Skipped>> {
        serde_json::from_value(self.result["skipped"].clone())
    }

    /// Writes it into OUT.
    pub fn write(&self, out: &Path) -> Result<(), FileError> {
        write_whole(&out.join(Self::PLACE), |file| Ok(serde_json::to_writer_pretty(file, self)?))
    }
}
