//! The map: every image as a point in two dimensions.
//!
//! `points.js` holds places and colours alone and is loaded with the page, by script tag, since a page opened from
//! disk may not fetch. What a point is called and looks like comes in chunks when the pointer is over it, the values of an
//! overlay when the map is coloured by it.

use maud::{Markup, html};
use ndarray::ArrayView2;
use serde_json::json;

use super::contents::{Contents, Layout};
use super::groups::{Group, PER_PAGE};
use super::link::shown;
use super::overlay::Overlay;
use super::page::{count, grouped};
use crate::collection::Truth;

/// Points that a browser still pans smoothly; of more, evenly many are shown.
const POINTS: usize = 100_000;

/// Places are whole numbers up to this.
const EXTENT: f32 = 65_535.0;

/// The map's data, group by group, the typical members of each first.
pub(super) struct Map<'a> {
    meaning: &'a str,
    points: Vec<Point>,
    n_members: usize,
    has_classes: bool,
}

struct Point {
    row: usize,
    group: usize,
    rank: usize,
    at: [u32; 2],
}

/// The map of `contents`, if it has a layout.
pub(super) fn map<'a>(contents: &Contents<'a>, groups: &[Group<'_>]) -> Option<Map<'a>> {
    let Layout { places: layout, meaning } = contents.layout?;
    let placed = |row: usize| layout.row(row).iter().all(|v| v.is_finite());
    let members = groups.iter().enumerate().flat_map(|(group, g)| {
        g.rows.iter().enumerate().filter(|&(_, &row)| placed(row)).map(move |(rank, &row)| (group, rank, row))
    });
    let n_placed = members.clone().count();
    if n_placed == 0 {
        return None;
    }
    let scale = Scale::new(layout);
    let shown = |place: usize| n_placed <= POINTS || place * POINTS / n_placed != (place + 1) * POINTS / n_placed;
    let points = members
        .enumerate()
        .filter(|&(place, _)| shown(place))
        .map(|(_, (group, rank, row))| Point { row, group, rank, at: scale.at([layout[[row, 0]], layout[[row, 1]]]) })
        .collect();
    let has_classes = contents.members.iter().any(|m| m.class.is_some());
    Some(Map { meaning, points, n_members: contents.members.len(), has_classes })
}

/// From the layout's unit to whole numbers from 0, the same in both directions.
struct Scale {
    low: [f32; 2],
    factor: f32,
}

impl Scale {
    fn new(layout: ArrayView2<'_, f32>) -> Self {
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for row in layout.outer_iter().filter(|row| row.iter().all(|v| v.is_finite())) {
            for axis in 0..2 {
                low[axis] = low[axis].min(row[axis]);
                high[axis] = high[axis].max(row[axis]);
            }
        }
        // Halves, since the difference itself may be beyond f32.
        let extent = (0..2).map(|axis| high[axis] / 2.0 - low[axis] / 2.0).fold(0.0, f32::max);
        Self { low, factor: if extent > 0.0 { EXTENT / extent } else { 0.0 } }
    }

    fn at(&self, place: [f32; 2]) -> [u32; 2] {
        // The cast saturates, and stays in range by the factor's choice.
        [0, 1].map(|axis| ((place[axis] / 2.0 - self.low[axis] / 2.0) * self.factor).round() as u32)
    }
}

impl Map<'_> {
    /// Names and texts of the map's scripts, below `report/`.
    pub(super) fn scripts<'a>(
        &'a self,
        contents: &'a Contents<'_>,
        groups: &'a [Group<'_>],
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let chunks = self.points.chunks(PER_PAGE).enumerate();
        let chunks = chunks.map(|(i, chunk)| (format!("points-{i}.js"), names(i, chunk, contents, groups)));
        let overlay = |(i, overlay): (usize, &Overlay)| {
            let mut data = overlay.values_of(self.points.iter().map(|p| p.row));
            data["number"] = json!(i);
            (format!("overlay-{i}.js"), script("overlay", &data))
        };
        let overlays = contents.overlays.iter().enumerate().map(overlay);
        std::iter::once_with(|| ("points.js".to_owned(), self.places(contents, groups))).chain(chunks).chain(overlays)
    }

    /// Number of [`Self::scripts`].
    pub(super) fn n_scripts(&self, contents: &Contents<'_>) -> usize {
        1 + self.points.len().div_ceil(PER_PAGE) + contents.overlays.len()
    }

    fn places(&self, contents: &Contents<'_>, groups: &[Group<'_>]) -> String {
        let mut sizes = vec![0_usize; groups.len()];
        for point in &self.points {
            sizes[point.group] += 1;
        }
        let truth = Truth::from_names(contents.members.iter().map(|m| m.class));
        // 0 is an unknown class.
        let class = |p: &Point| truth.classes[p.row].map_or(0, |c| c + 1);
        let classes: Vec<usize> = if self.has_classes { self.points.iter().map(class).collect() } else { Vec::new() };
        script(
            "map",
            &json!({
                "x": self.points.iter().map(|p| p.at[0]).collect::<Vec<_>>(),
                "y": self.points.iter().map(|p| p.at[1]).collect::<Vec<_>>(),
                "sizes": sizes,
                "groups": groups.iter().map(|g| shown(g.name)).collect::<Vec<_>>(),
                "noise": groups.iter().position(|g| g.cluster.is_none()),
                "class": classes,
                "classes": truth.names.iter().map(|n| shown(n)).collect::<Vec<_>>(),
                "chunk": PER_PAGE,
            }),
        )
    }
}

/// What the points of a chunk are called, their thumbnails and where they are shown; links are those of `report.html`.
fn names(chunk: usize, points: &[Point], contents: &Contents<'_>, groups: &[Group<'_>]) -> String {
    let rows = points.iter().map(|p| {
        let member = &contents.members[p.row];
        json!([shown(member.id), member.thumbnail, groups[p.group].place(p.rank)])
    });
    script("names", &json!({ "chunk": chunk, "rows": rows.collect::<Vec<_>>() }))
}

/// A script that hands `data` to the function `name` of `report.js`. Without `<` no text can end the script, and the
/// two line separators that JSON allows were once an error in scripts.
fn script(name: &str, data: &serde_json::Value) -> String {
    let data = data.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    format!("alike.{name}({data});\n")
}

/// The part of `report.html` that the script draws into.
pub(super) fn section(map: &Map<'_>, overlays: &[Overlay]) -> Markup {
    let n = map.points.len();
    html! {
        section #map aria-labelledby="map-title" {
            h2 #map-title { "Map" }
            p.lead {
                "Each point is an image, " (map.meaning) "."
                @if n < map.n_members { " " (grouped(&n.to_string())) " of " (count(map.n_members, "image")) " are shown." }
            }
            noscript { p { "The map needs scripts; everything else works without." } }
            div.tools hidden {
                @if map.has_classes || !overlays.is_empty() {
                    label.choice {
                        "Colour by"
                        // A page that is loaded again begins with the first.
                        select data-colour autocomplete="off" {
                            option value="groups" { "cluster" }
                            @if map.has_classes { option value="classes" { "class" } }
                            @for (number, overlay) in overlays.iter().enumerate() {
                                option value=(number) { (shown(&overlay.name)) }
                            }
                        }
                    }
                }
                span.choice {
                    button type="button" data-pictures aria-pressed="false" { "Pictures" }
                }
                span.choice role="group" aria-label="Zoom" {
                    button type="button" data-zoom="in" aria-label="Zoom in" { "+" }
                    button type="button" data-zoom="out" aria-label="Zoom out" { "−" }
                    button type="button" data-zoom="reset" { "Reset" }
                }
                span.hint { "Wheel or + − to zoom, drag or arrow keys to move, click to open" }
            }
            div.plot hidden {
                canvas tabindex="0" role="img" aria-label={ "Scatter plot of " (count(n, "image")) } {}
                div.tip hidden {
                    img alt="";
                    bdi.id {}
                    span.of {}
                }
            }
            ul.legend aria-label="Legend" {}
            script src="report/points.js" defer {}
        }
    }
}
