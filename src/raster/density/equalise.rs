//! Densities as levels of grey, so that sparse and dense parts both show.

use ndarray::{ArrayD, ArrayViewD};

/// How densities become levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Equaliser {
    /// Eight levels, by rank among the distinct densities (Granville 2022).
    #[default]
    Published,
    /// As many cells at each of 256 levels, as far as equal densities allow: histogram equalisation.
    Histogram,
}

/// Ranks below which the published levels begin.
const LEVELS: [(f64, u8); 7] = [(0.08, 0), (0.18, 30), (0.28, 55), (0.42, 90), (0.62, 120), (0.80, 140), (0.95, 170)];
/// The highest of them.
const TOP: u8 = 254;

/// The level of each density, from 0 to 255. O(cells log cells).
///
/// ```
/// use alike::raster::{Equaliser, equalise};
/// let density = ndarray::array![0.0, 0.0, 0.0, 1.0, 50.0].into_dyn();
/// assert_eq!(equalise(density.view(), Equaliser::Published).as_slice(), Some(&[0, 0, 0, 90, 140][..]));
/// assert_eq!(equalise(density.view(), Equaliser::Histogram).as_slice(), Some(&[0, 0, 0, 128, 255][..]));
/// ```
pub fn equalise(density: ArrayViewD<'_, f64>, equaliser: Equaliser) -> ArrayD<u8> {
    let mut sorted: Vec<f64> = density.iter().map(|density| density + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    let mut distinct = sorted.clone();
    distinct.dedup();
    let published = |density: f64| {
        let rank = distinct.partition_point(|other| *other < density) as f64 / distinct.len() as f64;
        LEVELS.iter().find(|(below, _)| rank < *below).map_or(TOP, |(_, level)| *level)
    };
    let at_most = |density: f64| sorted.partition_point(|other| *other <= density);
    let least = sorted.first().map_or(0, |&least| at_most(least));
    let histogram = |density: f64| {
        let above = (at_most(density) - least) as f64 / (n - least).max(1) as f64;
        (255.0 * above).round() as u8
    };
    match equaliser {
        Equaliser::Published => density.mapv(|density| published(density + 0.0)),
        Equaliser::Histogram => density.mapv(|density| histogram(density + 0.0)),
    }
}
