//! Synthetic data into files, never over anything.

use std::fs;
use std::io::{self, Cursor, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageFormat};
use npyz::WriterBuilder;
use rayon::prelude::*;

use super::{Dots, Points, Recipe, SynthError, blobs, circles, lattice, moons, radial, uniform};
use crate::files::{At, FileError, write_whole};
use crate::progress::{Interrupted, Reporter};

/// Bytes of pictures that are drawn before they are written.
const BLOCK: usize = 64 << 20;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number of points or pictures.
    pub n_samples: usize,
    /// Values of each: coordinates or pixels.
    pub n_features: usize,
    /// Number of classes that they were drawn from.
    pub n_classes: usize,
    /// The data, then the labels where they have a file of their own; or the directory.
    pub files: Vec<PathBuf>,
}

/// Makes what `recipe` says and writes it to `out`, whose name decides the format.
///
/// | `out` | points | dots |
/// |---|---|---|
/// | `F.npy` | n x d f32, labels in `F.labels.csv` | n x h x w u8, labels in `F.labels.csv` |
/// | `F.csv` | columns x, y (or x0, x1, ...), label | |
/// | `F-images-idx3-ubyte` | | IDX, labels in `F-labels-idx1-ubyte` |
/// | a directory | | `CLASS/00042.png`, 8-bit grey |
///
/// `F.labels.csv` has the columns id (the row, zero-padded) and label.
///
/// # Errors
/// If a parameter is out of its range, the name fits no format, something is in the way, a write fails, or the user
/// stops. A file is then there whole or not at all; of a directory no class is.
pub fn write(recipe: &Recipe, out: &Path, reporter: &dyn Reporter) -> Result<Summary, SynthError> {
    let points = match recipe {
        Recipe::Lattice(params) => lattice(params)?,
        Recipe::Radial(params) => radial(params)?,
        Recipe::Blobs(params) => blobs(params)?,
        Recipe::Moons(params) => moons(params)?,
        Recipe::Circles(params) => circles(params)?,
        Recipe::Uniform(params) => uniform(params),
        Recipe::Dots(params) => return write_dots(&Dots::new(params.clone())?, out, reporter),
    };
    let (n_samples, n_features) = points.data.dim();
    Ok(Summary {
        n_samples,
        n_features,
        n_classes: points.labels.iter().max().map_or(0, |last| last + 1),
        files: write_points(&points, out)?,
    })
}

fn write_points(points: &Points, out: &Path) -> Result<Vec<PathBuf>, SynthError> {
    let names = || points.labels.iter().map(ToString::to_string);
    match out.extension().and_then(|e| e.to_str()) {
        Some("npy") => {
            let shape = points.data.shape();
            with_labels_csv(out, names(), |file| {
                write_npy(file, shape, |sink| sink.extend(points.data.iter().map(|&value| value as f32)))
            })
        }
        Some("csv") => {
            refuse_existing(out)?;
            write_whole(out, |file| points_csv(points, file))?;
            Ok(vec![out.to_owned()])
        }
        _ => Err(SynthError::Format { path: out.to_owned(), expected: "F.npy or F.csv for points" }),
    }
}

fn points_csv(points: &Points, file: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    let columns: Vec<String> = match points.data.ncols() {
        n @ 0..=3 => ["x", "y", "z"][..n].iter().map(ToString::to_string).collect(),
        n => (0..n).map(|i| format!("x{i}")).collect(),
    };
    csv.write_record(columns.iter().map(String::as_str).chain(["label"]))?;
    for (row, label) in points.data.outer_iter().zip(&points.labels) {
        csv.write_record(row.iter().map(ToString::to_string).chain([label.to_string()]))?;
    }
    csv.flush()
}

fn write_dots(dots: &Dots, out: &Path, reporter: &dyn Reporter) -> Result<Summary, SynthError> {
    let params = dots.params();
    let (n_samples, side) = (params.n_samples, params.size as usize);
    reporter.begin("draw", Some(n_samples as u64));
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let files = if name.ends_with(".npy") {
        with_labels_csv(out, (0..n_samples).map(|i| dots.class(i).to_owned()), |file| {
            write_npy(file, &[n_samples, side, side], |sink| {
                each_picture(dots, reporter, |picture| sink.extend(picture.into_raw()))
            })
        })
    } else if name.ends_with("idx3-ubyte") {
        write_idx(dots, out, &name, reporter)
    } else if out.is_dir() || out.extension().is_none() {
        write_directory(dots, out, reporter)
    } else {
        let expected = "F.npy, F-images-idx3-ubyte, or a directory for dots";
        Err(SynthError::Format { path: out.to_owned(), expected })
    };
    reporter.end();
    Ok(Summary { n_samples, n_features: side * side, n_classes: params.n_classes, files: files? })
}

/// The layout of MNIST's files: big-endian sizes, then bytes.
fn write_idx(dots: &Dots, out: &Path, name: &str, reporter: &dyn Reporter) -> Result<Vec<PathBuf>, SynthError> {
    let labels_path = out.with_file_name(name.replace("images", "labels").replace("idx3", "idx1"));
    refuse_existing(out)?;
    refuse_existing(&labels_path)?;
    let n_samples = dots.params().n_samples;
    let Ok(n) = u32::try_from(n_samples) else {
        let expected = "at most 4294967295 in an IDX file";
        return Err(SynthError::Parameter { name: "n_samples", found: n_samples.to_string(), expected });
    };
    let header = |dimensions: &[u32]| -> Vec<u8> {
        let magic = 0x800 + dimensions.len() as u32;
        [magic].iter().chain(dimensions).flat_map(|word| word.to_be_bytes()).collect()
    };
    let size = dots.params().size;
    write_interruptible(out, |file| {
        file.write_all(&header(&[n, size, size]))?;
        each_picture(dots, reporter, |picture| file.write_all(&picture))
    })?;
    let labels: Vec<u8> = (0..n_samples).map(|i| dots.label(i) as u8).collect();
    write_whole(&labels_path, |file| {
        file.write_all(&header(&[n]))?;
        file.write_all(&labels)
    })?;
    Ok(vec![out.to_owned(), labels_path])
}

/// Draws everything aside, then moves each class into place.
fn write_directory(dots: &Dots, out: &Path, reporter: &dyn Reporter) -> Result<Vec<PathBuf>, SynthError> {
    fs::create_dir_all(out).at("create", out)?;
    if fs::read_dir(out).at("read", out)?.next().is_some() {
        return Err(SynthError::Exists { path: out.to_owned() });
    }
    let aside = tempfile::Builder::new().prefix(".alike-").tempdir_in(out).at("create", out)?;
    let names = dots.class_names();
    for name in &names {
        let class = aside.path().join(name);
        fs::create_dir(&class).at("create", &class)?;
    }
    let n_samples = dots.params().n_samples;
    let digits = n_digits(n_samples).max(5);
    (0..n_samples).into_par_iter().try_for_each(|index| -> Result<(), SynthError> {
        reporter.check()?;
        let path = aside.path().join(dots.class(index)).join(format!("{index:0digits$}.png"));
        let mut png = Cursor::new(Vec::new());
        dots.draw(index)
            .write_to(&mut png, ImageFormat::Png)
            .map_err(io::Error::other)
            .and_then(|()| fs::write(&path, png.into_inner()))
            .at("write", &path)?;
        reporter.advance(1);
        Ok(())
    })?;
    for name in &names {
        let class = out.join(name);
        fs::rename(aside.path().join(name), &class).at("create", &class)?;
    }
    Ok(vec![out.to_owned()])
}

/// Writes `path` and, beside it, the labels of its rows.
fn with_labels_csv(
    path: &Path,
    labels: impl ExactSizeIterator<Item = String>,
    data: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Vec<PathBuf>, SynthError> {
    let labels_path = path.with_extension("labels.csv");
    refuse_existing(path)?;
    refuse_existing(&labels_path)?;
    write_interruptible(path, data)?;
    write_whole(&labels_path, |file| {
        let digits = n_digits(labels.len());
        let mut csv = csv::Writer::from_writer(file);
        csv.write_record(["id", "label"])?;
        for (id, label) in labels.enumerate() {
            csv.write_record([format!("{id:0digits$}"), label])?;
        }
        csv.flush()
    })?;
    Ok(vec![path.to_owned(), labels_path])
}

/// A C-ordered NumPy array of `shape`, whose values `fill` pushes.
fn write_npy<T: npyz::AutoSerialize>(
    file: &mut dyn Write,
    shape: &[usize],
    fill: impl FnOnce(&mut npyz::NpyWriter<T, &mut dyn Write>) -> io::Result<()>,
) -> io::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let mut sink = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    fill(&mut sink)?;
    sink.finish()
}

/// Draws all pictures on all cores and hands them over in order.
fn each_picture(
    dots: &Dots,
    reporter: &dyn Reporter,
    mut take: impl FnMut(GrayImage) -> io::Result<()>,
) -> io::Result<()> {
    let n_samples = dots.params().n_samples;
    let block = (BLOCK / (dots.params().size as usize).pow(2)).max(1);
    for start in (0..n_samples).step_by(block) {
        reporter.check().map_err(io::Error::other)?;
        let range: Range<usize> = start..n_samples.min(start + block);
        let pictures: Vec<GrayImage> = range.into_par_iter().map(|index| dots.draw(index)).collect();
        reporter.advance(pictures.len() as u64);
        pictures.into_iter().try_for_each(&mut take)?;
    }
    Ok(())
}

/// [`write_whole`], where an [`Interrupted`] inside comes out as itself.
fn write_interruptible(path: &Path, data: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), SynthError> {
    write_whole(path, data).map_err(|error: FileError| match error.source.downcast::<Interrupted>() {
        Ok(interrupted) => interrupted.into(),
        Err(source) => FileError { source, ..error }.into(),
    })
}

fn refuse_existing(path: &Path) -> Result<(), SynthError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(SynthError::Exists { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).at("read", path)?,
    }
}

/// Digits of the last index of `n`.
fn n_digits(n: usize) -> usize {
    n.saturating_sub(1).to_string().len()
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::progress::{Silent, Watch};
    use crate::synth::{DotsParams, Kind, UniformParams};

    fn few_dots(n_samples: usize) -> (Dots, Recipe) {
        let params = DotsParams { n_samples, n_classes: 3, size: 16, seed: 1 };
        (Dots::new(params.clone()).unwrap(), Recipe::Dots(params))
    }

    #[test]
    fn points_as_npy_with_labels_beside() {
        let dir = tempfile::tempdir().unwrap();
        let recipe = Recipe::new(Kind::Lattice, 82431);
        let out = dir.path().join("lattice.npy");
        let summary = write(&recipe, &out, &Silent).unwrap();
        assert_eq!((summary.n_samples, summary.n_features, summary.n_classes), (10_202, 2, 5));
        let bytes = fs::read(&out).unwrap();
        let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!((npy.shape(), npy.order()), (&[10_202, 2][..], npyz::Order::C));
        let values: Vec<f32> = npy.into_vec().unwrap();
        assert_eq!(values[0], -19.998985298980532_f64 as f32);
        assert_eq!(summary.files, [out, dir.path().join("lattice.labels.csv")]);
        let labels = fs::read_to_string(&summary.files[1]).unwrap();
        assert!(labels.starts_with("id,label\n00000,0\n"), "{}", &labels[..40]);
        assert_eq!(labels.lines().count(), 10_203);
    }

    #[test]
    fn points_as_csv() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("p.csv");
        let params = UniformParams { n_samples: 3, seed: 2 };
        write(&Recipe::Uniform(params.clone()), &out, &Silent).unwrap();
        let text = fs::read_to_string(&out).unwrap();
        let [x, y] = [0, 1].map(|axis| uniform(&params).data[[2, axis]]);
        assert!(text.starts_with("x,y,label\n") && text.ends_with(&format!("\n{x},{y},0\n")), "{text}");
    }

    #[test]
    fn dots_as_directory_npy_and_idx_hold_the_same_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let (dots, recipe) = few_dots(5);
        let pixels: Vec<u8> = (0..5).flat_map(|i| dots.draw(i).into_raw()).collect();

        let pictures = dir.path().join("pictures");
        fs::create_dir(&pictures).unwrap();
        write(&recipe, &pictures, &Silent).unwrap();
        let bar = image::open(pictures.join("bar/00004.png")).unwrap();
        assert_eq!(bar.as_luma8(), Some(&dots.draw(4)));
        let mut names: Vec<_> = walkdir::WalkDir::new(&pictures).into_iter().map(|e| e.unwrap().into_path()).collect();
        names.retain(|path| path.is_file());
        assert_eq!(names.len(), 5);

        let npy = dir.path().join("d.npy");
        write(&recipe, &npy, &Silent).unwrap();
        let bytes = fs::read(&npy).unwrap();
        let read = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(read.shape(), [5, 16, 16]);
        assert_eq!(read.into_vec::<u8>().unwrap(), pixels);
        let labels = fs::read_to_string(dir.path().join("d.labels.csv")).unwrap();
        assert_eq!(labels, "id,label\n0,ring\n1,bar\n2,cross\n3,ring\n4,bar\n");

        let idx = dir.path().join("d-images-idx3-ubyte");
        write(&recipe, &idx, &Silent).unwrap();
        let header = [0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 16, 0, 0, 0, 16];
        assert_eq!(fs::read(&idx).unwrap(), [&header[..], &pixels].concat());
        let labels = fs::read(dir.path().join("d-labels-idx1-ubyte")).unwrap();
        assert_eq!(labels, [0, 0, 8, 1, 0, 0, 0, 5, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (_, dots) = few_dots(3);
        let points = Recipe::new(Kind::Moons, 0);
        let out = |name: &str| dir.path().join(name);
        for name in ["p.npy", "q.labels.csv", "p.csv", "d-labels-idx1-ubyte"] {
            fs::write(out(name), "mine").unwrap();
        }
        for (recipe, name) in
            [(&points, "p.npy"), (&points, "q.npy"), (&points, "p.csv"), (&dots, "d-images-idx3-ubyte"), (&dots, "")]
        {
            let error = write(recipe, &out(name), &Silent).unwrap_err();
            assert!(matches!(error, SynthError::Exists { .. }), "{name}: {error}");
        }
        assert!(!out("q.npy").exists() && !out("d-images-idx3-ubyte").exists());
        assert_eq!(fs::read(out("p.npy")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn names_that_fit_no_format_are_refused() {
        let (_, dots) = few_dots(3);
        for (recipe, name) in [(&dots, "d.zip"), (&Recipe::new(Kind::Moons, 0), "p"), (&dots, "d.csv")] {
            let error = write(recipe, Path::new(name), &Silent).unwrap_err();
            assert!(matches!(error, SynthError::Format { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn interruption_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (_, recipe) = few_dots(2000);
        for name in ["d", "d.npy", "d-images-idx3-ubyte"] {
            let stopped = write(&recipe, &dir.path().join(name), &Watch::stopping_after(0));
            assert!(matches!(stopped, Err(SynthError::Interrupted(_))), "{name}: {stopped:?}");
        }
        let stopped = write(&recipe, &dir.path().join("d"), &Watch::stopping_after(100));
        assert!(matches!(stopped, Err(SynthError::Interrupted(_))));
        let left: Vec<_> = walkdir::WalkDir::new(dir.path()).into_iter().map(|e| e.unwrap().into_path()).collect();
        assert_eq!(left, [dir.path().to_owned(), dir.path().join("d")], "an empty directory alone");
    }
}
