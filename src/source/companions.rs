//! Which file belongs to which picture.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Item;
use super::names::extension;

/// Gives each file to the one picture in its directory that it belongs to, and returns those that belong to none.
///
/// `IMG.JPG.xmp` belongs to `IMG.JPG`, and so does `IMG.jpg.supplemental-metadata.json`; else `IMG.xmp`, `IMG.CR2` or
/// `IMG.MOV` belong to the first picture whose name without extension is `IMG`. The case of extensions doesn't count.
pub fn attach(items: &mut [Item], mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut by_name = HashMap::new();
    let mut by_stem = HashMap::new();
    for (index, path) in items.iter().enumerate().filter_map(|(i, item)| Some((i, item.path.as_deref()?))) {
        by_name.entry(lower_extension(path)).or_insert(index);
        by_stem.entry(path.with_extension("")).or_insert(index);
    }
    files.sort_unstable();
    let mut homeless = Vec::new();
    for file in files {
        let by_whole_name = without_extensions(&file).find_map(|name| by_name.get(&lower_extension(&name)));
        let owner = by_whole_name.or_else(|| by_stem.get(&file.with_extension("")));
        match owner {
            Some(&index) => items[index].companions.push(file),
            None => homeless.push(file),
        }
    }
    homeless
}

fn lower_extension(path: &Path) -> PathBuf {
    path.with_extension(extension(path))
}

/// `a.b.c` without its extensions, one after the other: `a.b`, `a`.
fn without_extensions(path: &Path) -> impl Iterator<Item = PathBuf> {
    let shorter = |path: &Path| path.extension().is_some().then(|| path.with_extension(""));
    std::iter::successors(shorter(path), move |path| shorter(path))
}
