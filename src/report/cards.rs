//! A card for each cluster: what it holds at a glance.

use maud::{Markup, html};

use super::contents::Contents;
use super::groups::{Group, numbered};
use super::link::{From, shown};
use super::page::{count, facts, page, pager, picture};

/// Cards on one page.
pub(super) const PER_INDEX: usize = 100;

/// Pictures in a card's mosaic: a large one and two rows beside it.
const MOSAIC: usize = 9;

/// Pictures in a card's strip of the least typical.
const STRIP: usize = 6;

/// Pages it takes to show the cards of `groups`, at least one.
pub(super) fn n_indexes(groups: &[Group<'_>]) -> usize {
    groups.len().div_ceil(PER_INDEX).max(1)
}

/// Path below the report's directory of the page number `index`, from 0, of cards; the first is on the report itself.
pub(super) fn index_path(index: usize) -> String {
    if index == 0 { "report.html".to_owned() } else { numbered("clusters", index) }
}

/// The path at which the card of group number `place` is.
pub(super) fn card_place(groups: &[Group<'_>], place: usize) -> String {
    format!("{}#{}", index_path(place / PER_INDEX), groups[place].stem())
}

/// A page of cards after the first.
pub(super) fn index_page(contents: &Contents<'_>, groups: &[Group<'_>], index: usize) -> String {
    let nav = html! { a href=(From::Inside.to("report.html")) { "‹ " bdi { (shown(contents.title)) } } };
    let body = html! {
        h1 { "Clusters" }
        (cards(From::Inside, contents, groups, index))
    };
    page(From::Inside, &format!("Clusters, page {} · {}", index + 1, contents.title), &nav, &body)
}

/// The cards of one page, with links to the others.
pub(super) fn cards(from: From, contents: &Contents<'_>, groups: &[Group<'_>], index: usize) -> Markup {
    let pages = || pager(from, "Pages of clusters", index, n_indexes(groups), index_path);
    html! {
        (pages())
        div.cards {
            @for group in groups.iter().skip(index * PER_INDEX).take(PER_INDEX) { (card(from, contents, group)) }
        }
        (pages())
    }
}

fn card(from: From, contents: &Contents<'_>, group: &Group<'_>) -> Markup {
    let page = from.to(&group.page(0));
    let n = group.rows.len();
    let n_typical = n.min(MOSAIC - usize::from(group.picture.is_some()));
    let strip = n_typical.max(n.saturating_sub(STRIP))..n;
    html! {
        article.card #(group.stem()) {
            header {
                h3 {
                    span.dot data-cluster=[group.cluster] {}
                    a href=(page) { bdi { (shown(group.name)) } }
                }
                span.size { (count(n, "image")) }
            }
            (facts(group.facts))
            div.mosaic.few[n < 3] {
                (centroid(from, group))
                @for rank in 0..n_typical { (tile(from, contents, group, rank)) }
            }
            @if !strip.is_empty() {
                p.label { "Least typical" }
                div.strip { @for rank in strip.rev() { (tile(from, contents, group, rank)) } }
            }
        }
    }
}

/// The member number `rank` of a card; it leads to the member on the cluster's page.
fn tile(from: From, contents: &Contents<'_>, group: &Group<'_>, rank: usize) -> Markup {
    let member = &contents.members[group.rows[rank]];
    html! { a href=(from.to(&group.place(rank))) title=(shown(member.id)) { (picture(from, member)) } }
}

/// The centroid's picture, if it can be drawn.
pub(super) fn centroid(from: From, group: &Group<'_>) -> Markup {
    html! {
        @if let Some(path) = group.picture_path() {
            figure.centroid {
                img src=(from.to(&path)) alt={ "Centroid of " (shown(group.name)) } loading="lazy" decoding="async";
                figcaption { "centroid" }
            }
        }
    }
}
