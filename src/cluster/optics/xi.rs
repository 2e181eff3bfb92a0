//! The valleys of a reachability plot between a steep way down and a steep way up.
//!
//! M. Ankerst et al., 1999, figure 19 and definitions 9 to 11, read as they must be meant where a sign is wrong. That the
//! last row of a cluster is reached from within it: E. Schubert, M. Gertz, Improving the cluster structure extracted from
//! OPTICS plots, 2018, algorithm 2.

use super::ReachabilityPlot;
use std::ops::{Range, RangeInclusive};

/// A plot, infinitely high behind its end.
struct Slopes<'a> {
    plot: &'a ReachabilityPlot,
    /// What a height is multiplied by to be steeply below it.
    steep: f64,
    min_points: usize,
}

/// A steep way down, and the highest place between its end and here.
struct Descent {
    places: RangeInclusive<usize>,
    highest: f64,
}

impl ReachabilityPlot {
    /// Clusters as ranges of places in the order, those within others first: each begins with a way down and ends before
    /// a way up along which from one place to the next the reachability changes by the share `xi` of the higher one,
    /// above 0 and below 1, or more; fewer than `min_points` places in a row don't. They have `min_cluster_size` rows or
    /// more. O(n) for each cluster around a cluster.
    ///
    /// ```
    /// use alike::cluster::OpticsParams;
    /// use alike::progress::Silent;
    /// use linfa::ParamGuard;
    ///
    /// let x = ndarray::Array2::from_shape_fn((40, 1), |(i, _)| (i / 20 * 100 + i % 20 / 10 * 20 + i % 10) as f32);
    /// let plot = OpticsParams::new().check()?.plot(x.view(), &Silent)?;
    /// let clusters = plot.clusters(0.05, 5, 5);
    /// assert_eq!(clusters, [0..10, 10..20, 0..20, 20..30, 30..40, 20..40, 0..40]);
    /// # Ok::<(), alike::cluster::ClusterError>(())
    /// ```
    pub fn clusters(&self, xi: f64, min_points: usize, min_cluster_size: usize) -> Vec<Range<usize>> {
        let slopes = Slopes { plot: self, steep: 1.0 - xi, min_points };
        let mut clusters = Vec::new();
        let mut descents: Vec<Descent> = Vec::new();
        let (mut place, mut highest) = (0, 0.0f64);
        while place < self.order.len() {
            highest = highest.max(slopes.height(place));
            let (down, up) = (slopes.falls(place), slopes.rises(place));
            if !down && !up {
                place += 1;
                continue;
            }
            // What has since been as high as they begin encloses nothing any more.
            descents.retain_mut(|descent| {
                descent.highest = descent.highest.max(highest);
                highest <= slopes.height(*descent.places.start()) * slopes.steep && highest.is_finite()
            });
            let end = slopes.end(place, down);
            if down {
                descents.push(Descent { places: place..=end, highest: 0.0 });
            } else {
                let valleys = descents.iter().rev().filter_map(|descent| slopes.valley(descent, place..=end));
                clusters.extend(valleys.filter(|valley| valley.len() >= min_cluster_size));
            }
            place = end + 1;
            highest = slopes.height(place);
        }
        clusters
    }
}

impl Slopes<'_> {
    fn height(&self, place: usize) -> f64 {
        self.plot.reachability.get(place).copied().unwrap_or(f64::INFINITY)
    }

    /// Whether the way to the next place is steep and leads down.
    fn falls(&self, place: usize) -> bool {
        let (here, next) = (self.height(place), self.height(place + 1));
        next < here && next <= here * self.steep
    }

    /// Whether it is steep and leads up.
    fn rises(&self, place: usize) -> bool {
        let (here, next) = (self.height(place), self.height(place + 1));
        here < next && here <= next * self.steep
    }

    /// The last steep place of a way that begins steeply, down or up: it never turns, and isn't less steep for long.
    fn end(&self, start: usize, down: bool) -> usize {
        let (mut end, mut flat) = (start, 0);
        for place in start..self.plot.order.len() {
            let (here, next) = (self.height(place), self.height(place + 1));
            if if down { self.falls(place) } else { self.rises(place) } {
                (end, flat) = (place, 0);
                continue;
            }
            flat += 1;
            let turns = if down { next > here } else { next < here };
            if turns || flat > self.min_points {
                break;
            }
        }
        end
    }

    /// The cluster between a way down and a way up, its ends about equally high.
    fn valley(&self, descent: &Descent, ascent: RangeInclusive<usize>) -> Option<Range<usize>> {
        let (mut first, mut last) = (*descent.places.start(), *ascent.end());
        let (before, behind) = (self.height(first), self.height(last + 1));
        if behind * self.steep < descent.highest {
            return None;
        }
        if before * self.steep >= behind {
            while first < *descent.places.end() && self.height(first + 1) > behind {
                first += 1;
            }
        } else if behind * self.steep >= before {
            while last > *ascent.start() && self.height(last - 1) > before {
                last -= 1;
            }
        }
        let from_within = |last: usize| {
            self.height(first) > self.height(last)
                || self.plot.predecessors[last].is_some_and(|place| (first..last).contains(&place))
        };
        last = (first + 1..=last).rev().find(|&last| from_within(last))?;
        (last >= *ascent.start()).then(|| first..last + 1)
    }
}
