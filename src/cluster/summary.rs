//! How a fit went: what it looked at, where its time went, and how its objective fell.

use serde::Serialize;
use std::time::Instant;

/// How a k-means fit went: the start that was kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How rows were compared with centroids in the last round.
    pub strategy: Strategy,
    /// What its rounds had to look at.
    pub work: Work,
    /// The objective after each round that moved a row: the inertia of the labels about their new centroids. Never
    /// rises. Exact to the rounding of the rows' squared lengths.
    pub inertia: Vec<f64>,
    /// Where the time went.
    pub seconds: FitSeconds,
}

/// How rows are compared with centroids; the labels are those of a plain loop in f64 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// With all that bounds from the round before don't rule out, in f32 with a bound on its error; near ties in f64.
    #[default]
    Rows,
    /// First by so many values along the directions in which the centroids differ most.
    Images(usize),
    /// By the values that are not zero.
    Sparse,
    /// All on a device; near ties in f64 on the CPU.
    Device,
}

/// What a search had to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Pairs of a row and a centroid that plain rounds would compare.
    pub pairs: u64,
    /// Pairs compared by their images, or by f32 products of the rows themselves; bounds ruled out the others.
    pub compared: u64,
    /// Pairs whose distance was computed in f64.
    pub distances: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, more: Self) {
        self.pairs += more.pairs;
        self.compared += more.compared;
        self.distances += more.distances;
    }
}

/// Seconds by part of a fit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct FitSeconds {
    /// Finding the first centroids.
    pub start: f64,
    /// Mapping rows to images.
    pub map: f64,
    /// Finding the nearest centroids.
    pub assign: f64,
    /// Moving centroids.
    pub update: f64,
}

/// Two fits that found the same are the same, however long they took.
impl PartialEq for FitSeconds {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Does some work and adds the time it takes to `seconds`.
pub(super) fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    *seconds += started.elapsed().as_secs_f64();
    done
}

impl Summary {
    /// What it looked at and where the time went, in a line for people.
    ///
    /// ```
    /// let summary = alike::cluster::Summary::default();
    /// assert!(summary.text().starts_with("of 0 pairs of image and centroid 0.0 % compared"));
    /// ```
    pub fn text(&self) -> String {
        let Work { pairs, compared, distances } = self.work;
        let share = |n: u64| 100.0 * n as f64 / pairs.max(1) as f64;
        let how = match self.strategy {
            Strategy::Rows => String::new(),
            Strategy::Images(values) => format!(" by {values} values"),
            Strategy::Sparse => " by what is not blank".into(),
            Strategy::Device => " on the device".into(),
        };
        let FitSeconds { start, map, assign, update } = self.seconds;
        let of_time = |part: f64| 100.0 * part / (start + map + assign + update).max(f64::MIN_POSITIVE);
        format!(
            "of {pairs} pairs of image and centroid {:.1} % compared{how}, {:.2} % in full; of the time {:.0} % for the \
             start, {:.0} % for maps, {:.0} % to assign, {:.0} % to move centroids",
            share(compared),
            share(distances),
            of_time(start),
            of_time(map),
            of_time(assign),
            of_time(update)
        )
    }

    /// The inertia from round to round, drawn in a line; empty if no round moved a row.
    ///
    /// ```
    /// let summary = alike::cluster::Summary { inertia: vec![8.0, 3.0, 1.0], ..Default::default() };
    /// assert_eq!(summary.curve(), "█▃▁ 8.000e0 to 1.000e0");
    /// ```
    pub fn curve(&self) -> String {
        const MOST: usize = 60;
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let (Some(first), Some(last)) = (self.inertia.first(), self.inertia.last()) else { return String::new() };
        let bar = |inertia: &f64| {
            let height = if first > last { (inertia - last) / (first - last) } else { 0.0 };
            BARS[(height * 7.0).round().clamp(0.0, 7.0) as usize]
        };
        let bars: String = self.inertia.iter().take(MOST).map(bar).collect();
        let more = if self.inertia.len() > MOST { "..." } else { "" };
        format!("{bars}{more} {first:.3e} to {last:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::{Algorithm, Init, KMeansParams, Strategy};
    use crate::collection::{Csr, Features};
    use crate::progress::Silent;
    use ndarray::Array2;

    /// Both metrics, dense and sparse rows: the curve never rises and ends at the inertia; the work is within that of plain rounds.
    #[test]
    fn a_fit_tells_how_it_went() {
        let x = Array2::from_shape_fn((500, 6), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 9.0 + (i % 5 * j) as f32);
        let sparse = Csr::csr_from_dense(x.view(), 0.0);
        let rows = [Features::from(x.view()), (&sparse).into()];
        let params = [KMeansParams::new(7), KMeansParams::spherical(7)];
        for (params, rows) in params.iter().flat_map(|params| rows.iter().map(move |rows| (params, rows))) {
            let params = params.clone().init(Init::Random).n_restarts(1).tolerance(0.0);
            let fitted = Algorithm::KMeans(params).fit(rows, &Silent).unwrap();
            let (summary, inertia) = (fitted.summary.unwrap(), fitted.inertia.unwrap());
            assert_eq!(summary.strategy == Strategy::Sparse, matches!(rows, Features::Sparse(_)));
            assert_eq!(summary.inertia.len() + 1, fitted.n_iterations);
            assert!(summary.inertia.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-12)));
            let last = summary.inertia.last().unwrap();
            assert!((last - inertia).abs() < 1e-5 * inertia, "{last} {inertia}");
            assert_eq!(summary.work.pairs, (500 * 7 * fitted.n_iterations) as u64);
            assert!(summary.work.compared <= summary.work.pairs && summary.work.distances < summary.work.compared);
        }
    }
}
