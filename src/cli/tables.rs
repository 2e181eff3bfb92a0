//! The tables `alike sort` leaves: clusters.csv, skipped.csv, run.json.

use crate::collection::Skipped;
use crate::files::{FileError, write_whole};
use crate::model::{Model, UNCLUSTERED, Verdict};
use crate::source::{Collection, Item};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::Path;

/// One row of clusters.csv.
pub struct Row<'a> {
    /// The image.
    pub item: &'a Item,
    /// Where it belongs.
    pub verdict: &'a Verdict,
    /// Where it was put, below OUT; `None` if it could not be.
    pub destination: Option<&'a Path>,
}

/// Writes `id,path,cluster,name,confidence,distance,destination` and the columns that came with the collection.
pub fn write_clusters(path: &Path, rows: &[Row<'_>], model: &Model, collection: &Collection) -> Result<(), FileError> {
    write_whole(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        let header = ["id", "path", "cluster", "name", "confidence", "distance", "destination"];
        csv.write_record(header.into_iter().chain(collection.columns.iter().map(String::as_str)))?;
        for Row { item, verdict, destination } in rows {
            let number = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.6}"));
            let fields = [
                item.id.clone(),
                item.path.as_ref().map_or_else(String::new, |p| p.to_string_lossy().into_owned()),
                verdict.cluster.map_or_else(String::new, |c| c.to_string()),
                verdict.cluster.map_or(UNCLUSTERED, |c| &model.clusters[c].name).to_owned(),
                number(verdict.confidence),
                number(Some(verdict.distance)),
                destination.map_or_else(String::new, |d| d.to_string_lossy().into_owned()),
            ];
            csv.write_record(fields.iter().chain(&item.extra))?;
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
    /// Number of images left out.
    pub n_skipped: usize,
}

impl RunSummary {
    /// Its place below OUT.
    pub const PLACE: &str = ".alike/run.json";

    /// Reads the summary in OUT, if there is a readable one.
    pub fn read(out: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(out.join(Self::PLACE)).ok()?).ok()
    }

    /// Writes it into OUT.
    pub fn write(&self, out: &Path) -> Result<(), FileError> {
        write_whole(&out.join(Self::PLACE), |file| Ok(serde_json::to_writer_pretty(file, self)?))
    }
}
