//! POINTS, what is known of them, and where results go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ndarray::Array2;

use super::args::{ClassesArgs, PointsArgs};
use crate::cli::inputs;
use crate::collection::{ClusterId, Embeddings, Truth};
use crate::files::{At, write_whole};
use crate::progress::Reporter;
use crate::raster::filter::Boundary;
use crate::raster::{Aspect, CellLabel, Grid, GridParams, LabelMap, Transform};

/// Points and their ids.
pub struct Points {
    pub ids: Vec<String>,
    /// Shape (n_samples, n_axes).
    pub x: Array2<f32>,
    /// The classes that POINTS itself states.
    stated: Option<Truth>,
}

impl Points {
    /// Reads POINTS.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let (embeddings, stated) = match is_csv {
            true => read_csv(path).with_context(|| format!("{}: not a table of points", path.display()))?,
            false => (inputs::embeddings(path)?.with_context(|| not_points(path))?, None),
        };
        let (ids, features) = embeddings.into_parts();
        Ok(Self { ids, x: features.to_dense().into_owned(), stated })
    }

    /// The classes: those of `asked`, or that POINTS states or has beside it.
    pub fn classes(&self, path: &Path, asked: Option<&Path>, reporter: &dyn Reporter) -> anyhow::Result<Truth> {
        let beside = path.with_extension("labels.csv");
        let truth = match (asked, &self.stated) {
            (Some(file), _) => inputs::truth_file(file, &self.ids, reporter)?,
            (None, Some(stated)) => stated.clone(),
            (None, None) if beside.is_file() => inputs::truth_file(&beside, &self.ids, reporter)?,
            (None, None) => bail!("nothing is known of these points: give --truth FILE, or {}", beside.display()),
        };
        if truth.n_known() == 0 {
            bail!("no point has a class: classes of some are needed");
        }
        Ok(truth)
    }
}

fn not_points(path: &Path) -> String {
    format!("{}: points are .npy, .npz, .parquet or .safetensors files of embeddings, or .csv", path.display())
}

/// The columns of numbers but `id`, and the classes in `label`.
fn read_csv(path: &Path) -> anyhow::Result<(Embeddings, Option<Truth>)> {
    let mut table = csv::Reader::from_path(path)?;
    let header = table.headers()?.clone();
    let place = |name: &str| header.iter().position(|cell| cell == name);
    let (id_at, label_at) = (place("id"), place("label"));
    let columns: Vec<usize> =
        (0..header.len()).filter(|&column| Some(column) != id_at && Some(column) != label_at).collect();
    if columns.is_empty() {
        bail!("no columns of coordinates beside id and label");
    }
    let (mut ids, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for (row, record) in table.records().enumerate() {
        let record = record?;
        for &column in &columns {
            let cell = record[column].trim();
            let value: f32 = cell.parse().with_context(|| {
                format!("row {}, column {}: expected a number, found {cell:?}", row + 1, &header[column])
            })?;
            values.push(value);
        }
        ids.push(id_at.map_or_else(|| row.to_string(), |at| record[at].to_owned()));
        labels.extend(label_at.map(|at| Some(record[at].to_owned()).filter(|label| !label.is_empty())));
    }
    let x = Array2::from_shape_vec((ids.len(), columns.len()), values)?;
    Ok((Embeddings::new(ids, x)?, label_at.map(|_| Truth::from_names(labels))))
}

/// The points as a picture.
pub fn grid(args: &PointsArgs, x: &Array2<f32>) -> anyhow::Result<Grid> {
    if x.ncols() != 2 {
        bail!("{} has {} columns: pictures are of two", args.points.display(), x.ncols());
    }
    let transform = Transform::fit(x.view(), &args.grid())?;
    Ok(Grid::draw(transform, x.view()))
}

/// The points whose classes are known, drawn.
pub fn draw(args: &PointsArgs, classes: &ClassesArgs, x: &Array2<f32>, truth: &Truth) -> anyhow::Result<LabelMap> {
    let transform = match classes.boundary {
        Boundary::Plain => Transform::fit(x.view(), &args.grid())?,
        Boundary::Torus if args.aspect == Aspect::Stretch => {
            bail!("--aspect stretch means nothing on a torus, which is a unit along each axis: leave it out")
        }
        Boundary::Torus if x.ncols() == 2 => {
            // Refuses what the plane refuses.
            Transform::fit(x.view(), &GridParams { margin: 1, ..args.grid() })?;
            Transform::folded(args.side)
        }
        Boundary::Torus => bail!("--boundary torus is for points of two columns; these have {}", x.ncols()),
    };
    Ok(LabelMap::draw(transform, x.view(), &truth.classes))
}

/// Makes DIR, or takes it if it is empty: nothing is ever overwritten.
pub fn new_directory(path: &Path) -> anyhow::Result<()> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            Some(_) => {
                bail!("{} is not empty: nothing is overwritten, so name a new or empty directory", path.display())
            }
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(fs::create_dir_all(path).at("create", path)?),
        Err(error) => Ok(Err(error).at("read", path)?),
    }
}

/// Writes `labels.csv` into `dir`: id, label by name, confidence.
pub fn write_labels(
    dir: &Path,
    ids: &[String],
    labels: &[CellLabel],
    name: impl Fn(ClusterId) -> String,
) -> anyhow::Result<PathBuf> {
    let path = dir.join("labels.csv");
    write_whole(&path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["id", "label", "confidence"])?;
        for (id, label) in ids.iter().zip(labels) {
            let confidence = label.cluster.map_or_else(String::new, |_| format!("{:.4}", label.confidence));
            csv.write_record([id, &label.cluster.map_or_else(String::new, &name), &confidence])?;
        }
        csv.flush()
    })?;
    Ok(path)
}

/// Share of the points whose class is known that have it.
pub fn agreement(labels: &[CellLabel], truth: &Truth) -> f64 {
    let agreeing =
        labels.iter().zip(&truth.classes).filter(|(found, known)| known.is_some() && found.cluster == **known);
    agreeing.count() as f64 / truth.n_known() as f64
}
