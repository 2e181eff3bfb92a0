//! Every name decided before anything is touched. Pure: the same placements give the same plan.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::names::Names;
use super::{ArrangeError, Mode, Origin, Placement, wire};
use crate::collection::{Skipped, Stage};
use crate::source::Stamp;

/// What will be done, in order: each image, then its companions. Printing it gives one line an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) mode: Mode,
    pub(super) operations: Vec<Operation>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) n_images: usize,
}

/// One file to be placed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The image's place in the placements; a companion has its image's.
    pub image: usize,
    /// The image's id.
    pub id: String,
    /// Whether this is a companion of the image before it.
    pub companion: bool,
    /// The file; `None` if the caller makes the bytes.
    #[serde(with = "wire::optional_path")]
    pub source: Option<PathBuf>,
    /// Size and time of the file when it was listed; a companion gets it when the work begins.
    #[serde(with = "wire::optional_stamp")]
    pub stamp: Option<Stamp>,
    /// The new path, below OUT: directory and name.
    #[serde(with = "wire::path")]
    pub destination: PathBuf,
}

impl Plan {
    /// How files will be placed.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What will be done, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Images that can't be placed.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Operation { id, source, destination, .. } in &self.operations {
            match source {
                Some(source) => writeln!(f, "{} {source:?} -> {destination:?}", self.mode)?,
                None => writeln!(f, "write {id:?} -> {destination:?}")?,
            }
        }
        Ok(())
    }
}

/// Finds a free name in its directory for every placement and its companions.
///
/// `taken` are paths below OUT that are there already, from [`Output::taken`](super::Output::taken). Names that
/// differ only by case or by how an accent is encoded count as equal; equal names get ` (2)`, ` (3)`, ... before the
/// extension, and an image's companions the same. A name over 255 bytes is shortened. When moving, a file listed
/// twice is moved once.
///
/// # Errors
/// If images without a file are to be linked or moved, or a directory's name is not a plain one. An image that can't
/// be named is skipped.
pub fn plan(placements: Vec<Placement>, mode: Mode, taken: &[PathBuf]) -> Result<Plan, ArrangeError> {
    check(&placements, mode)?;
    let mut names = Names::default();
    for path in taken {
        if let Some((directory, name)) = two_components(path) {
            names.take(&directory.to_string_lossy(), name);
        }
    }
    let mut moved = Moved::new(mode, &placements);
    let n_images = placements.len();
    let (mut operations, mut skipped) = (Vec::with_capacity(n_images), vec![]);
    for (image, placement) in placements.into_iter().enumerate() {
        let Placement { id, directory, name, origin, mut companions } = placement;
        let (source, stamp) = match origin {
            Origin::File { path, stamp } => (Some(path), Some(stamp)),
            Origin::Bytes => (None, None),
        };
        let reason = if !is_component(&name) {
            Some(format!("{name:?} can't be a file's name: expected one plain component"))
        } else if source.as_ref().is_some_and(|path| !moved.image(path)) {
            Some("listed twice: a file can be moved once only".to_owned())
        } else {
            None
        };
        if let Some(reason) = reason {
            skipped.push(Skipped { id, stage: Stage::Arrange, reason });
            continue;
        }
        companions.retain(|path| path.file_name().is_some() && moved.companion(path));
        let stem = source.as_deref().and_then(Path::file_stem).unwrap_or(&name);
        let wanted: Vec<&OsStr> = companions.iter().filter_map(|path| path.file_name()).collect();
        let claimed = names.claim(&directory, &name, stem, &wanted);
        let files = std::iter::once((source, stamp)).chain(companions.iter().map(|path| (Some(path.clone()), None)));
        for (at, ((source, stamp), name)) in files.zip(claimed).enumerate() {
            let destination = Path::new(&directory).join(name);
            operations.push(Operation { image, id: id.clone(), companion: at > 0, source, stamp, destination });
        }
    }
    Ok(Plan { mode, operations, skipped, n_images })
}

fn check(placements: &[Placement], mode: Mode) -> Result<(), ArrangeError> {
    if let Some(bad) = placements.iter().find(|p| !is_component(p.directory.as_ref()) || p.directory.starts_with('.')) {
        return Err(ArrangeError::Directory { name: bad.directory.clone() });
    }
    let mut bytes = placements.iter().filter(|p| p.origin == Origin::Bytes);
    match bytes.next() {
        Some(first) if mode != Mode::Copy => {
            Err(ArrangeError::NotFiles { mode, count: 1 + bytes.count(), id: first.id.clone() })
        }
        _ => Ok(()),
    }
}

/// Which files a move has used up. An image's own claim on its file goes before another's as a companion.
struct Moved {
    images: HashSet<PathBuf>,
    used: HashSet<PathBuf>,
    mode: Mode,
}

impl Moved {
    fn new(mode: Mode, placements: &[Placement]) -> Self {
        let paths = placements.iter().filter_map(|p| match &p.origin {
            Origin::File { path, .. } if mode == Mode::Move => Some(path.clone()),
            _ => None,
        });
        Self { images: paths.collect(), used: HashSet::new(), mode }
    }

    fn image(&mut self, path: &Path) -> bool {
        self.mode != Mode::Move || self.used.insert(path.to_owned())
    }

    fn companion(&mut self, path: &Path) -> bool {
        self.mode != Mode::Move || !self.images.contains(path) && self.used.insert(path.to_owned())
    }
}

/// Whether this can be one file's name: no separator, not `.` or `..`.
pub(super) fn is_component(name: &OsStr) -> bool {
    let mut components = Path::new(name).components();
    let plain = matches!(components.next(), Some(Component::Normal(part)) if part == name);
    plain && components.next().is_none() && !name.as_encoded_bytes().contains(&0)
}

/// Directory and name of a path that consists of these two.
pub(super) fn two_components(path: &Path) -> Option<(&OsStr, &OsStr)> {
    let (directory, name) = (path.parent()?.as_os_str(), path.file_name()?);
    (is_component(directory) && is_component(name)).then_some((directory, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, directory: &str, companions: &[&str]) -> Placement {
        Placement {
            id: path.into(),
            directory: directory.into(),
            name: Path::new(path).file_name().unwrap().into(),
            origin: Origin::File { path: path.into(), stamp: Stamp { len: 1, modified: std::time::UNIX_EPOCH } },
            companions: companions.iter().map(PathBuf::from).collect(),
        }
    }

    fn destinations(plan: &Plan) -> Vec<&str> {
        plan.operations.iter().map(|o| o.destination.to_str().unwrap()).collect()
    }

    #[test]
    fn what_is_there_already_is_avoided() {
        let taken = ["c/A.JPG".into(), "report.html".into()];
        let plan = plan(vec![file("/x/a.jpg", "c", &["/x/a.xmp"]), file("/y/a.jpg", "d", &[])], Mode::Copy, &taken);
        assert_eq!(destinations(&plan.unwrap()), ["c/a (2).jpg", "c/a (2).xmp", "d/a.jpg"]);
    }

    #[test]
    fn a_moved_file_is_used_once_and_first_as_an_image() {
        let placements = vec![
            file("/x/a.jpg", "c", &["/x/a.png", "/x/a.xmp"]),
            file("/x/a.png", "d", &["/x/a.xmp"]),
            file("/x/a.jpg", "d", &[]),
        ];
        let moved = plan(placements.clone(), Mode::Move, &[]).unwrap();
        assert_eq!(destinations(&moved), ["c/a.jpg", "c/a.xmp", "d/a.png"]);
        assert_eq!(moved.skipped.len(), 1);
        let copied = plan(placements, Mode::Copy, &[]).unwrap();
        let expected = ["c/a.jpg", "c/a.png", "c/a.xmp", "d/a.png", "d/a.xmp", "d/a (2).jpg"];
        assert_eq!(destinations(&copied), expected);
    }

    #[test]
    fn only_files_can_be_linked_or_moved() {
        let mut placement = file("a", "c", &[]);
        placement.origin = Origin::Bytes;
        for mode in [Mode::HardLink, Mode::Symlink, Mode::Move] {
            let error = plan(vec![placement.clone()], mode, &[]).unwrap_err();
            assert!(error.to_string().contains("use copy"), "{error}");
        }
        assert_eq!(plan(vec![placement], Mode::Copy, &[]).unwrap().to_string(), "write \"a\" -> \"c/a\"\n");
    }

    #[test]
    fn names_can_not_leave_their_directory() {
        for directory in ["", ".", "..", "a/b", "/", ".alike", "a\0"] {
            assert!(matches!(
                plan(vec![file("/x", directory, &[])], Mode::Copy, &[]),
                Err(ArrangeError::Directory { .. })
            ));
        }
        for name in ["", ".", "..", "../x", "/etc/x", "x/", "x\0"] {
            let placement = Placement { name: name.into(), ..file("/x", "c", &[]) };
            let plan = plan(vec![placement, file("/y", "c", &[])], Mode::Copy, &[]).unwrap();
            assert_eq!((plan.skipped.len(), destinations(&plan)), (1, vec!["c/y"]), "{name:?}");
        }
    }

    #[test]
    fn a_line_break_in_a_name_stays_in_its_line() {
        let plan = plan(vec![file("/x/a\nb.jpg", "c", &[])], Mode::Symlink, &[]).unwrap();
        assert_eq!(plan.to_string(), "symlink \"/x/a\\nb.jpg\" -> \"c/a\\nb.jpg\"\n");
    }
}
