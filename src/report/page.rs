//! The frame that all pages share, and how numbers, counts and pictures look on them.

use maud::{DOCTYPE, Markup, html};

use super::contents::Member;
use super::link::{From, shown};

/// Style sheet and script; every page links to both.
pub(super) const ASSETS: [(&str, &str); 2] =
    [("report.css", include_str!("report.css")), ("report.js", include_str!("report.js"))];

/// Local files only. `file:` is named because what 'self' means there differs between browsers.
const POLICY: &str = "default-src 'none'; img-src 'self' file:; script-src 'self' file:; style-src 'self' file:; \
                      base-uri 'none'; form-action 'none'";

/// A whole page: `nav` stands in the bar at the top, `body` in the main part.
pub(super) fn page(from: From, title: &str, nav: &Markup, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (shown(title)) }
                link rel="stylesheet" href=(from.to("report/report.css"));
                // Not deferred: a theme that was chosen is set before anything is painted.
                script src=(from.to("report/report.js")) {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.bar {
                    nav aria-label="Report" { (nav) }
                    button #theme type="button" hidden { "Theme" }
                }
                main #main { (body) }
            }
        }
    }
    .into_string()
}

/// Links to the pages of a series: the first, the last, and those around `current` (from 0).
pub(super) fn pager(from: From, label: &str, current: usize, n_pages: usize, path: impl Fn(usize) -> String) -> Markup {
    let near = |page: usize| page == 0 || page + 1 == n_pages || page.abs_diff(current) <= 2;
    let skipped = |page: usize| page > 0 && near(page) && !near(page - 1);
    html! {
        @if n_pages > 1 {
            nav.pager aria-label=(label) {
                @if current > 0 { a rel="prev" href=(from.to(&path(current - 1))) { "‹ Previous" } }
                @for page in (0..n_pages).filter(|&p| near(p)) {
                    @if skipped(page) { span.gap aria-hidden="true" { "…" } }
                    @if page == current { span aria-current="page" { (page + 1) } }
                    @else { a href=(from.to(&path(page))) { (page + 1) } }
                }
                @if current + 1 < n_pages { a rel="next" href=(from.to(&path(current + 1))) { "Next ›" } }
            }
        }
    }
}

/// A member's thumbnail. Its id is the alternative text.
pub(super) fn picture(from: From, member: &Member<'_>) -> Markup {
    match &member.thumbnail {
        Some(url) => html! { img src=(from.to(url)) alt=(shown(member.id)) loading="lazy" decoding="async"; },
        None => html! { span.blank role="img" aria-label=(shown(member.id)) { "no preview" } },
    }
}

/// Names and values.
pub(super) fn facts(facts: &[(String, String)]) -> Markup {
    html! {
        @if !facts.is_empty() {
            dl.facts {
                @for (name, value) in facts { div { dt { (shown(name)) } dd { (shown(value)) } } }
            }
        }
    }
}

/// "1 image", "70,000 images".
pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(&number.to_string()))
}

/// Three digits after the point, none for thousands; scientific where that would show nothing.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e15 || (size > 0.0 && size < 0.0005) => format!("{value:.2e}"),
        size if size >= 1000.0 => grouped(&format!("{value:.0}")),
        _ => format!("{value:.3}"),
    }
}

/// `digits` with a comma before every third.
pub(super) fn grouped(digits: &str) -> String {
    let start = digits.len() - digits.trim_start_matches('-').len();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.char_indices() {
        if i > start && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.62571, -0.25, 2_352_825.4, -1234.0, 999.0, 0.00012, 1e20].map(number);
        assert_eq!(shown, ["0.000", "0.626", "-0.250", "2,352,825", "-1,234", "999.000", "1.20e-4", "1.00e20"]);
        assert_eq!(count(1, "image"), "1 image");
        assert_eq!(count(70_000, "image"), "70,000 images");
    }

    #[test]
    fn a_pager_stays_short() {
        let links = |current, n| {
            let text = pager(From::Top, "Pages", current, n, |p| format!("p{p}")).into_string();
            text.matches("<a ").count()
        };
        assert_eq!(links(0, 1), 0);
        assert_eq!(links(0, 2), 2);
        assert_eq!(links(500, 1000), 8);
    }
}
