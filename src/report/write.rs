//! Puts the pages on disk, the report itself last: whoever finds it finds all that it links to.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;

use super::cards::{index_page, index_path, n_indexes};
use super::contents::{Contents, ReportError};
use super::groups::{Group, groups};
use super::map::map;
use super::members::members_page;
use super::overview::{DRAWING, overview};
use super::page::ASSETS;
use super::thumbnail::{eight_bit, png};
use crate::files::{At, FileError, write_unsynced, write_whole};
use crate::progress::Reporter;

/// Writes `out/report.html` and the pages, styles and data beside it in `out/report/`.
///
/// Thumbnails are expected to be there ([`store_thumbnail`](super::store_thumbnail)). Files of an earlier report are
/// replaced, and its pages that are no longer needed removed. The same contents give the same bytes. About 1,000
/// members are a page of 500 kB, so 70,000 images take 35 MB.
///
/// # Errors
/// If the parts of `contents` don't fit each other, a file can't be written, or `reporter` asks to stop; the earlier
/// `report.html`, if any, is then still there.
///
/// ```
/// use alike::{progress::Silent, report};
/// let out = tempfile::tempdir()?;
/// let clusters = [report::Cluster { name: "cluster-000".into(), ..Default::default() }];
/// let members = [report::Member { id: "a.jpg", cluster: Some(0), ..Default::default() }];
/// let contents = report::Contents {
///     title: "Two photos",
///     facts: &[("Extractor".into(), "gradients".into())],
///     scores: &[],
///     members: &members,
///     clusters: &clusters,
///     layout: None,
///     overlays: &[],
///     graph: None,
///     confusion: None,
///     sweep: None,
///     drawing: None,
///     skipped: &[],
/// };
/// report::write(out.path(), &contents, &Silent)?;
/// assert!(out.path().join("report/cluster-000.html").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(out: &Path, contents: &Contents<'_>, reporter: &dyn Reporter) -> Result<(), ReportError> {
    contents.check()?;
    let groups = groups(contents);
    let map = map(contents, &groups);
    let pages = pages(&groups);
    let directory = out.join("report");
    std::fs::create_dir_all(&directory).at("create", &directory)?;

    let n_scripts = map.as_ref().map_or(0, |m| m.n_scripts(contents));
    reporter.begin("report", Some((pages.len() + n_scripts + 1) as u64));
    let mut written: HashSet<String> = pages
        .par_iter()
        .map(|page| {
            let (path, text) = (page.path(&groups), page.text(contents, &groups));
            put(out, path, text.as_bytes(), reporter)
        })
        .collect::<Result<_, ReportError>>()?;
    for (name, text) in map.iter().flat_map(|m| m.scripts(contents, &groups)) {
        written.insert(put(out, format!("report/{name}"), text.as_bytes(), reporter)?);
    }
    for group in &groups {
        if let (Some(path), Some(picture)) = (group.picture_path(), group.picture) {
            write_unsynced(&out.join(&path), &png(&eight_bit(picture)))?;
            written.insert(path);
        }
    }
    if let Some(drawing) = contents.drawing {
        write_unsynced(&out.join(DRAWING), &png(&eight_bit(drawing)))?;
        written.insert(DRAWING.into());
    }
    for (name, text) in ASSETS {
        write_unsynced(&directory.join(name), text.as_bytes())?;
    }
    let text = overview(contents, &groups, map.as_ref());
    write_whole(&out.join("report.html"), |file| file.write_all(text.as_bytes()))?;
    reporter.advance(1);
    sweep(&directory, &written)?;
    reporter.end();
    Ok(())
}

/// A page in `report/`.
enum Page {
    /// Number, from 1, of a page of cards.
    Index(usize),
    /// Group and page of its members.
    Members(usize, usize),
}

fn pages(groups: &[Group<'_>]) -> Vec<Page> {
    let indexes = (1..n_indexes(groups)).map(Page::Index);
    let members =
        groups.iter().enumerate().flat_map(|(place, g)| (0..g.n_pages()).map(move |n| Page::Members(place, n)));
    indexes.chain(members).collect()
}

impl Page {
    fn path(&self, groups: &[Group<'_>]) -> String {
        match *self {
            Page::Index(index) => index_path(index),
            Page::Members(place, page) => groups[place].page(page),
        }
    }

    fn text(&self, contents: &Contents<'_>, groups: &[Group<'_>]) -> String {
        match *self {
            Page::Index(index) => index_page(contents, groups, index),
            Page::Members(place, page) => members_page(contents, groups, place, page),
        }
    }
}

/// Writes a file below `out` and returns its path.
fn put(out: &Path, path: String, bytes: &[u8], reporter: &dyn Reporter) -> Result<String, ReportError> {
    reporter.check()?;
    write_unsynced(&out.join(&path), bytes)?;
    reporter.advance(1);
    Ok(path)
}

/// Removes the pages of an earlier, larger report. Nothing but names that only a report gives is touched.
fn sweep(directory: &Path, written: &HashSet<String>) -> Result<(), FileError> {
    for entry in std::fs::read_dir(directory).at("read", directory)? {
        let entry = entry.at("read", directory)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if is_ours(name) && !written.contains(&format!("report/{name}")) {
            std::fs::remove_file(entry.path()).at("remove", &entry.path())?;
        }
    }
    Ok(())
}

/// Whether `name` is `cluster-N[-N].html`, `cluster-N.png`, `clusters-N.html`, `unclustered[-N].html`, `points[-N].js`,
/// `overlay-N.js`, `drawing.png`.
fn is_ours(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let mut parts = stem.split('-');
    let first = parts.next().unwrap_or_default();
    let numbers = parts.clone().count();
    parts.all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        && match (first, extension) {
            ("cluster", "html") => (1..=2).contains(&numbers),
            ("cluster", "png") | ("clusters", "html") | ("overlay", "js") => numbers == 1,
            ("drawing", "png") => numbers == 0,
            ("unclustered", "html") | ("points", "js") => numbers <= 1,
            _ => false,
        }
}
