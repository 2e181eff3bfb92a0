//! A tree of files to arrange, and what must be true of it afterwards.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alike::arrange::{ArrangeError, Mode, Origin, Output, Placement, Plan, Report, apply, plan};
use alike::progress::Silent;

/// Bytes and time of modification of each file, by path.
pub type Files = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

/// `n` images in four directories, every tenth with two companions, with names that collide when arranged.
pub fn make(root: &Path, n: usize) {
    for directory in 0..4 {
        fs::create_dir_all(root.join(format!("d{directory}"))).unwrap();
    }
    for image in 0..n {
        for extension in if image % 10 == 0 { &["jpg", "xmp", "mov"][..] } else { &["jpg"] } {
            let path = image_path(root, image).with_extension(extension);
            write(&path, format!("{extension} {image} {}", "x".repeat(image % 97)).as_bytes(), image as u64);
        }
    }
}

pub fn write(path: &Path, bytes: &[u8], second: u64) {
    fs::write(path, bytes).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_000_000_000 + second, 123_456_789);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// A second file with the same bytes and time.
pub fn copy(from: &Path, to: &Path) {
    let (bytes, time) = content(from);
    fs::write(to, bytes).unwrap();
    File::open(to).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn image_path(root: &Path, image: usize) -> PathBuf {
    root.join(format!("d{}", image % 4)).join(format!("IMG_{}.jpg", image / 4))
}

/// Where the images of [`make`] belong: three clusters.
pub fn placements(root: &Path, n: usize) -> Vec<Placement> {
    let placement = |image: usize| {
        let path = image_path(root, image);
        let companions = if image.is_multiple_of(10) { &["xmp", "mov"][..] } else { &[] };
        Placement {
            id: path.strip_prefix(root).unwrap().display().to_string(),
            directory: format!("cluster-{:03}", image % 3),
            name: path.file_name().unwrap().into(),
            origin: Origin::file(&path).unwrap(),
            companions: companions.iter().map(|extension| path.with_extension(extension)).collect(),
        }
    };
    (0..n).map(placement).collect()
}

/// Every file below `root` but those in `.alike`.
pub fn files(root: &Path) -> Files {
    let walk = walkdir::WalkDir::new(root).into_iter().filter_entry(|entry| entry.file_name() != ".alike");
    let entries = walk.filter_map(Result::ok).filter(|entry| !entry.file_type().is_dir());
    entries.map(|entry| (entry.path().to_owned(), content(entry.path()))).collect()
}

pub fn content(path: &Path) -> (Vec<u8>, SystemTime) {
    (fs::read(path).unwrap(), fs::metadata(path).unwrap().modified().unwrap())
}

/// What `files` become by `plan` in `out`.
pub fn arranged(files: &Files, plan: &Plan, out: &Path) -> Files {
    let place = |o: &alike::arrange::Operation| (out.join(&o.destination), files[o.source.as_ref().unwrap()].clone());
    plan.operations().iter().map(place).collect()
}

pub fn no_bytes(_: usize) -> io::Result<Vec<u8>> {
    unreachable!("every image is a file")
}

/// Plans and applies in one go.
pub fn sort(placements: Vec<Placement>, mode: Mode, out: &Path) -> Result<(Plan, Report), ArrangeError> {
    let mut out = Output::open(out, None)?;
    let plan = plan(placements, mode, &out.taken()?)?;
    let report = apply(&plan, &mut out, "settings", &no_bytes, &Silent)?;
    Ok((plan, report))
}
