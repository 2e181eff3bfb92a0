//! The table of clusters against true classes, shaded by the share of the cluster.

use maud::{Markup, html};

use super::contents::{Confusion, Contents};
use super::groups::Group;
use super::link::{From, shown};
use super::page::{count, grouped};

/// What is shown of a larger table.
const ROWS: usize = 100;
const COLUMNS: usize = 100;

/// Steps of shading in the style sheet.
const SHADES: u64 = 10;

pub(super) fn confusion(contents: &Contents<'_>, groups: &[Group<'_>]) -> Markup {
    let Some(table) = contents.confusion else { return html! {} };
    html! {
        section #confusion aria-labelledby="confusion-title" {
            h2 #confusion-title { "Clusters and classes" }
            p.lead { "Images of each true class in each cluster; the stronger the shade, the larger its share of the cluster." }
            @if table.rows.len() > ROWS || table.classes.len() > COLUMNS {
                p.lead {
                    "The first of " (count(table.rows.len(), "row")) " and " (count(table.classes.len(), "column")) "."
                }
            }
            div.scroll tabindex="0" role="region" aria-labelledby="confusion-title" { (cells(table, groups)) }
        }
    }
}

fn cells(table: &Confusion<'_>, groups: &[Group<'_>]) -> Markup {
    html! {
        table.confusion {
            thead {
                tr {
                    th scope="col" { "Cluster" }
                    @for class in table.classes.iter().take(COLUMNS) { th scope="col" { bdi { (shown(class)) } } }
                }
            }
            tbody {
                @for (cluster, counts) in table.rows.iter().take(ROWS) {
                    @let total = counts.iter().sum::<u64>().max(1);
                    tr {
                        th scope="row" {
                            @if let Some(group) = groups.iter().find(|g| g.cluster == *cluster) {
                                a href=(From::Top.to(&group.page(0))) { bdi { (shown(group.name)) } }
                            } @else { "unclustered" }
                        }
                        @for &count in counts.iter().take(COLUMNS) {
                            td class={ "h" (count * SHADES / total) } { (grouped(&count.to_string())) }
                        }
                    }
                }
            }
        }
    }
}
