//! `report.html`: the whole collection on one page.

use maud::{Markup, PreEscaped, html};

use super::cards::cards;
use super::confusion::confusion;
use super::contents::{Contents, Score};
use super::groups::Group;
use super::kin;
use super::link::{From, shown};
use super::map::{Map, section};
use super::page::{count, facts, number, page};
use super::sweep::sweep_figure;
use crate::pipeline::Sweep;

/// Skipped images on the page; `skipped.csv` has them all.
const SKIPPED: usize = 200;

/// Scores in the summary at the top.
const HEADLINES: usize = 4;

/// The clusters' areas, below the report's directory.
pub(super) const DRAWING: &str = "report/drawing.png";

pub(super) fn overview(contents: &Contents<'_>, groups: &[Group<'_>], map: Option<&Map<'_>>) -> String {
    let kin = contents.graph.and_then(|graph| kin::section(graph, contents, groups));
    let nav = html! {
        a href="#clusters" { "Clusters" }
        @if map.is_some() { a href="#map" { "Map" } }
        @if kin.is_some() { a href="#kin" { "Kin" } }
        @if !contents.scores.is_empty() { a href="#scores" { "Scores" } }
        @if contents.confusion.is_some() { a href="#confusion" { "Classes" } }
        @if contents.drawing.is_some() { a href="#drawing" { "Drawing" } }
        @if contents.sweep.is_some() { a href="#number" { "Number" } }
        @if !contents.facts.is_empty() { a href="#run" { "Run" } }
        @if !contents.skipped.is_empty() { a href="#skipped" { "Skipped" } }
    };
    let body = html! {
        (summary(contents, groups))
        section #clusters aria-labelledby="clusters-title" {
            h2 #clusters-title { "Clusters" }
            (cards(From::Top, contents, groups, 0))
        }
        @if let Some(map) = map { (section(map, contents.overlays)) }
        @if let Some(kin) = kin { (kin) }
        (scores(contents))
        (confusion(contents, groups))
        @if contents.drawing.is_some() { (drawing()) }
        @if let Some(sweep) = contents.sweep { (number_of_clusters(sweep)) }
        @if !contents.facts.is_empty() {
            section #run aria-labelledby="run-title" {
                h2 #run-title { "This run" }
                (facts(contents.facts))
            }
        }
        (skipped(contents))
    };
    page(From::Top, contents.title, &nav, &body)
}

fn summary(contents: &Contents<'_>, groups: &[Group<'_>]) -> Markup {
    let noise = groups.last().filter(|g| g.cluster.is_none());
    let defined = contents.scores.iter().filter_map(|s| Some((s, s.value?)));
    html! {
        div.summary {
            h1 { bdi { (shown(contents.title)) } }
            p.lead {
                (count(contents.members.len(), "image")) " in " (count(contents.clusters.len(), "cluster"))
                @if let Some(noise) = noise {
                    ", " a href=(From::Top.to(&noise.page(0))) { (count(noise.rows.len(), "image")) " unclustered" }
                }
                @if !contents.skipped.is_empty() {
                    ", " a href="#skipped" { (count(contents.skipped.len(), "image")) " skipped" }
                }
            }
            @if !contents.scores.is_empty() {
                dl.headlines {
                    @for (score, value) in defined.take(HEADLINES) {
                        div { dt { (shown(&score.name)) } dd title=(shown(&score.meaning)) { (number(value)) } }
                    }
                }
            }
        }
    }
}

fn scores(contents: &Contents<'_>) -> Markup {
    let defined: Vec<(&Score, f64)> = contents.scores.iter().filter_map(|s| Some((s, s.value?))).collect();
    let classes_known = contents.members.iter().any(|m| m.class.is_some());
    html! {
        @if !contents.scores.is_empty() {
            section #scores aria-labelledby="scores-title" {
                h2 #scores-title { "Scores" }
                @if !classes_known {
                    p.lead { "How near this comes to classes that you know is scored with " code { "--truth" } "." }
                }
                dl.scores {
                    @for (score, value) in defined {
                        div {
                            dt { (shown(&score.name)) }
                            dd.value { (number(value)) }
                            dd.meaning { (shown(&score.meaning)) }
                        }
                    }
                }
            }
        }
    }
}

/// The areas of the clusters.
fn drawing() -> Markup {
    html! {
        section #drawing aria-labelledby="drawing-title" {
            h2 #drawing-title { "Drawing" }
            p.lead {
                "Images are drawn as points by two features, and the picture is clustered: each area is a cluster, and a "
                "new image belongs to the area that it falls into. White is no cluster."
            }
            img src=(DRAWING) width="512" alt="The areas of the clusters";
        }
    }
}

/// Why so many clusters.
fn number_of_clusters(sweep: &Sweep) -> Markup {
    html! {
        section #number aria-labelledby="number-title" {
            h2 #number-title { "Number of clusters" }
            p.lead {
                @for reason in &sweep.suggestion.reasons { (reason) " " }
                "Another number is taken with " code { "--clusters" } "."
            }
            div.scroll tabindex="0" role="region" aria-labelledby="number-title" {
                // Its texts are escaped where they are drawn.
                (PreEscaped(sweep_figure(sweep).svg()))
            }
        }
    }
}

fn skipped(contents: &Contents<'_>) -> Markup {
    let n = contents.skipped.len();
    html! {
        @if n > 0 {
            section #skipped aria-labelledby="skipped-title" {
                h2 #skipped-title { "Skipped" }
                p.lead {
                    @if n > SKIPPED { "The first " (SKIPPED) " of " (count(n, "image")) "; " }
                    @else { (count(n, "image")) "; " }
                    "the full list is " a href="skipped.csv" { "skipped.csv" } "."
                }
                div.scroll tabindex="0" role="region" aria-labelledby="skipped-title" {
                    table {
                        thead { tr { th scope="col" { "Image" } th scope="col" { "Stage" } th scope="col" { "Reason" } } }
                        tbody {
                            @for skipped in contents.skipped.iter().take(SKIPPED) {
                                tr {
                                    td.id { bdi { (shown(&skipped.id)) } }
                                    td { (skipped.stage) }
                                    td { bdi { (shown(&skipped.reason)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
