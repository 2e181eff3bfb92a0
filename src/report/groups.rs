//! The members of each cluster, the typical ones first, and the pages they go on.

use std::cmp::Ordering;

use image::DynamicImage;

use super::contents::{Contents, Member};
use crate::collection::ClusterId;

/// Members on one page, and points in one chunk of the map's names.
pub(super) const PER_PAGE: usize = 1000;

/// A cluster, or the noise, as the report shows it.
pub(super) struct Group<'a> {
    /// `None` for the noise.
    pub(super) cluster: Option<ClusterId>,
    pub(super) name: &'a str,
    pub(super) facts: &'a [(String, String)],
    pub(super) picture: Option<&'a DynamicImage>,
    /// Rows of [`Contents::members`], the typical ones first.
    pub(super) rows: Vec<usize>,
}

/// All clusters, then the noise if there is any.
pub(super) fn groups<'a>(contents: &Contents<'a>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = contents
        .clusters
        .iter()
        .enumerate()
        .map(|(id, c)| Group {
            cluster: Some(id),
            name: &c.name,
            facts: &c.facts,
            picture: c.picture.as_ref().filter(|p| p.width() > 0 && p.height() > 0),
            rows: Vec::new(),
        })
        .collect();
    let mut noise = Vec::new();
    for (row, member) in contents.members.iter().enumerate() {
        member.cluster.map_or(&mut noise, |c| &mut groups[c].rows).push(row);
    }
    if !noise.is_empty() {
        groups.push(Group { cluster: None, name: "unclustered", facts: &[], picture: None, rows: noise });
    }
    for group in &mut groups {
        group.rows.sort_by(|&a, &b| by_typicality(&contents.members[a], &contents.members[b]));
    }
    groups
}

/// Near before far, sure before unsure, known before unknown.
fn by_typicality(a: &Member<'_>, b: &Member<'_>) -> Ordering {
    let far = |m: &Member<'_>| m.distance.filter(|d| !d.is_nan()).unwrap_or(f32::INFINITY);
    let sure = |m: &Member<'_>| m.confidence.filter(|c| !c.is_nan()).unwrap_or(f32::NEG_INFINITY);
    far(a).total_cmp(&far(b)).then_with(|| sure(b).total_cmp(&sure(a)))
}

impl Group<'_> {
    /// What the names of its files in `report/` begin with.
    pub(super) fn stem(&self) -> String {
        self.cluster.map_or_else(|| "unclustered".to_owned(), |id| format!("cluster-{id:03}"))
    }

    /// At least one.
    pub(super) fn n_pages(&self) -> usize {
        self.rows.len().div_ceil(PER_PAGE).max(1)
    }

    /// Path below the report's directory of its page number `page`, from 0.
    pub(super) fn page(&self, page: usize) -> String {
        numbered(&self.stem(), page)
    }

    /// Path of the page that shows its member number `rank`, from 0, at that member.
    pub(super) fn place(&self, rank: usize) -> String {
        format!("{}#m{}", self.page(rank / PER_PAGE), rank + 1)
    }

    /// Path below the report's directory of its centroid's picture, if it has one.
    pub(super) fn picture_path(&self) -> Option<String> {
        self.picture.map(|_| format!("report/{}.png", self.stem()))
    }
}

/// Path below the report's directory of the page number `page`, from 0, of several.
pub(super) fn numbered(stem: &str, page: usize) -> String {
    if page == 0 { format!("report/{stem}.html") } else { format!("report/{stem}-{}.html", page + 1) }
}
