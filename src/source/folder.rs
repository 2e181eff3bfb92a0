//! A directory of pictures.
//!
//! Links are treated so that each picture comes once and nothing outside is touched. A link to what the directory
//! lists anyway is passed over, and so is one to a directory inside. A link to a picture in a hidden directory (as
//! git-annex keeps them) stands for that picture. A link that leaves the directory, leads nowhere, or in a circle, is
//! skipped with its reason.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::disk::{self, Files, is_picture, skipped};
use super::names::{Guess, guess, is_hidden, relative_id};
use super::{Collection, Options, SourceError, companions};
use crate::collection::Skipped;
use crate::files::At;
use crate::progress::Reporter;

/// What a walk has found so far; paths are below the root.
#[derive(Default)]
struct Found {
    pictures: Vec<PathBuf>,
    links: Vec<PathBuf>,
    companions: Vec<PathBuf>,
    skipped: Vec<Skipped>,
    ignored: usize,
}

pub fn open(root: &Path, options: &Options, reporter: &dyn Reporter) -> Result<Collection, SourceError> {
    let real_root = root.canonicalize().at("read", root)?;
    let mut found = Found::default();
    for entry in WalkDir::new(root).min_depth(1).into_iter().filter_entry(|e| !is_hidden(e.file_name())) {
        reporter.check()?;
        match entry {
            Ok(entry) => found.add(&entry, root, reporter),
            Err(error) if error.depth() == 0 => return Err(std::io::Error::from(error)).at("list", root)?,
            Err(error) => {
                let id = relative_id(below(error.path().unwrap_or(root), root));
                found.skipped.push(skipped(id, error));
            }
        }
    }
    found.resolve_links(root, &real_root);
    Ok(found.into_collection(root, options))
}

fn below<'a>(path: &'a Path, root: &Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}

impl Found {
    fn add(&mut self, entry: &DirEntry, root: &Path, reporter: &dyn Reporter) {
        let (kind, path) = (entry.file_type(), entry.path());
        let relative = below(path, root).to_owned();
        if kind.is_symlink() {
            self.links.push(relative);
        } else if kind.is_file() {
            reporter.advance(1);
            self.add_file(path, relative);
        } else if !kind.is_dir() {
            // Pipes, sockets and devices: opening one could wait forever.
            self.ignored += 1;
        }
    }

    fn add_file(&mut self, path: &Path, relative: PathBuf) {
        if guess(path) == Guess::Companion {
            return self.companions.push(relative);
        }
        match is_picture(path) {
            Ok(true) => self.pictures.push(relative),
            Ok(false) => self.ignored += 1,
            Err(error) => self.skipped.push(skipped(relative_id(&relative), error)),
        }
    }

    fn resolve_links(&mut self, root: &Path, real_root: &Path) {
        let mut links = std::mem::take(&mut self.links);
        links.sort_unstable();
        let mut seen = HashSet::new();
        for link in links {
            let path = root.join(&link);
            let id = relative_id(&link);
            match path.canonicalize() {
                Err(error) => self.skipped.push(skipped(id, format!("a link that leads nowhere: {error}"))),
                Ok(target) => match target.strip_prefix(real_root) {
                    Err(_) => self.skipped.push(skipped(
                        id,
                        format!("a link that leaves the input, to {}: such links are not followed", target.display()),
                    )),
                    Ok(inside) => {
                        let kept_out_of_sight = inside.iter().any(is_hidden);
                        if kept_out_of_sight && target.is_file() && seen.insert(target.clone()) {
                            self.add_file(&path, link);
                        }
                    }
                },
            }
        }
    }

    fn into_collection(mut self, root: &Path, options: &Options) -> Collection {
        self.pictures.sort_by_cached_key(|path| slashed(path));
        let (mut items, mut paths) = (Vec::new(), Vec::new());
        for relative in self.pictures {
            let (id, path) = (relative_id(&relative), root.join(&relative));
            match disk::item(id.clone(), &path) {
                Ok(item) => {
                    items.push(item);
                    paths.push(path);
                }
                Err(error) => self.skipped.push(skipped(id, error)),
            }
        }
        let files = self.companions.iter().map(|relative| root.join(relative)).collect();
        let homeless = companions::attach(&mut items, files);
        self.skipped.sort_by(|a, b| a.id.cmp(&b.id));
        Collection {
            source: Box::new(Files::new(items, paths, options)),
            skipped: self.skipped,
            ignored: self.ignored + homeless.len(),
            columns: Vec::new(),
        }
    }
}

/// The bytes that a path is ordered by.
fn slashed(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if cfg!(windows) { bytes.iter().map(|&b| if b == b'\\' { b'/' } else { b }).collect() } else { bytes.to_vec() }
}
