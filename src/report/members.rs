//! A cluster's own pages: every member, the typical ones first.

use maud::{Markup, html};

use super::cards::{card_place, centroid};
use super::contents::{Contents, Member};
use super::groups::{Group, PER_PAGE};
use super::link::{From, encode, shown};
use super::page::{count, facts, number, page, pager, picture};

/// The page number `number`, from 0, of the group number `place`.
pub(super) fn members_page(contents: &Contents<'_>, groups: &[Group<'_>], place: usize, number: usize) -> String {
    let group = &groups[place];
    let beside = |place: usize| From::Inside.to(&groups[place].page(0));
    let nav = html! {
        a href=(From::Inside.to(&card_place(groups, place))) { "‹ " bdi { (shown(contents.title)) } }
        span.around {
            @if place > 0 {
                a rel="prev" href=(beside(place - 1)) { "← " bdi { (shown(groups[place - 1].name)) } }
            }
            @if place + 1 < groups.len() {
                a rel="next" href=(beside(place + 1)) { bdi { (shown(groups[place + 1].name)) } " →" }
            }
        }
    };
    let pages = || pager(From::Inside, "Pages of this cluster", number, group.n_pages(), |p| group.page(p));
    let first = number * PER_PAGE;
    let body = html! {
        header.cluster {
            (centroid(From::Inside, group))
            div {
                h1 { bdi { (shown(group.name)) } }
                p.lead { (count(group.rows.len(), "image")) ", most typical first" }
                (facts(group.facts))
                @if let Some(directory) = directory(contents, group) {
                    p { a href=(directory) { "Open its directory" } }
                }
            }
        }
        (pages())
        div.members {
            @for (i, &row) in group.rows.iter().enumerate().skip(first).take(PER_PAGE) {
                (figure(&contents.members[row], i + 1))
            }
        }
        (pages())
    };
    let title = format!("{}, page {} · {}", group.name, number + 1, contents.title);
    page(From::Inside, &title, &nav, &body)
}

/// The link to the directory that the files of `group` are in: the first part of where one of them lies.
fn directory(contents: &Contents<'_>, group: &Group<'_>) -> Option<String> {
    let target = contents.members[*group.rows.first()?].target.as_ref().filter(|t| t.is_relative())?;
    let mut components = target.components();
    let directory = components.next()?;
    components.next()?;
    Some(From::Inside.to(&format!("{}/", encode(directory.as_ref()))))
}

fn figure(member: &Member<'_>, anchor: usize) -> Markup {
    let details = details(member);
    html! {
        figure #{ "m" (anchor) } {
            @match &member.target {
                Some(target) => {
                    a.frame href=(From::Inside.to(&encode(target))) title=(details) { (picture(From::Inside, member)) }
                }
                None => span.frame title=(details) { (picture(From::Inside, member)) },
            }
            figcaption {
                bdi.id { (shown(member.id)) }
                @if let Some(class) = member.class { bdi.class title="True class" { (shown(class)) } }
                @if let Some(confidence) = member.confidence {
                    span title="Confidence, 0 to 1" { (number(confidence.into())) }
                }
            }
        }
    }
}

/// What a tooltip adds to the caption: the id in full, then what is known.
fn details(member: &Member<'_>) -> String {
    let mut text = shown(member.id).into_owned();
    if let Some((width, height)) = member.size {
        text.push_str(&format!("\n{width} × {height} pixels"));
    }
    if let Some(distance) = member.distance {
        text.push_str(&format!("\n{} from the centre", number(distance.into())));
    }
    text
}
