//! The order in which OPTICS comes to rows and how far it is to each, and the clusters that are cut from it.

use crate::cluster::within::Within;
use crate::collection::ClusterId;
use crate::distance::squared_euclidean;
use crate::progress::{Interrupted, Reporter};
use ndarray::ArrayView2;
use std::ops::Range;

/// Rows in an order in which clusters come one after the other, and how hard each was to reach: the valleys of that plot
/// are clusters, valleys within them clusters within clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct ReachabilityPlot {
    /// The rows. After each, the one follows that is reached most easily from all before.
    pub order: Vec<usize>,
    /// Of each place in the order: its distance to the nearest row before it, or that row's core distance if it is more.
    /// Infinite where no core row comes before.
    pub reachability: Vec<f64>,
    /// Of each place: the distance to the last of so many nearest rows, itself counted; infinite where there are fewer.
    pub core_distances: Vec<f64>,
    /// Of each place: that which it was reached from.
    pub predecessors: Vec<Option<usize>>,
}

/// A row that isn't in the order yet.
struct Open {
    row: usize,
    reachability: f64,
    predecessor: Option<usize>,
}

impl ReachabilityPlot {
    /// That of rows in standard layout.
    pub(super) fn new(x: ArrayView2<'_, f32>, min_points: usize, reporter: &dyn Reporter) -> Result<Self, Interrupted> {
        let n_samples = x.nrows();
        let rows: Vec<usize> = (0..n_samples).collect();
        let core = match n_samples < min_points {
            true => vec![f64::INFINITY; n_samples],
            false => Within::new(x).nth_nearest(&rows, min_points, reporter)?,
        };
        let row = |row: usize| x.row(row).to_slice().expect("rows are in standard layout");
        let open = |row| Open { row, reachability: f64::INFINITY, predecessor: None };
        let mut open: Vec<Open> = rows.into_iter().map(open).collect();
        let mut plot =
            Self { order: Vec::new(), reachability: Vec::new(), core_distances: Vec::new(), predecessors: Vec::new() };
        reporter.begin("ordering", Some(n_samples as u64));
        let mut next = 0;
        for place in 0..n_samples {
            reporter.check()?;
            let Open { row: from, reachability, predecessor } = open.swap_remove(next);
            plot.order.push(from);
            plot.reachability.push(reachability);
            plot.core_distances.push(core[from]);
            plot.predecessors.push(predecessor);
            // Of equally near ones the lowest row.
            let (mut least, mut lowest) = (f64::INFINITY, usize::MAX);
            for (at, other) in open.iter_mut().enumerate() {
                let reachability = squared_euclidean(row(from), row(other.row)).sqrt().max(core[from]);
                if reachability < other.reachability {
                    (other.reachability, other.predecessor) = (reachability, Some(place));
                }
                if other.reachability < least || (other.reachability == least && other.row < lowest) {
                    (least, lowest, next) = (other.reachability, other.row, at);
                }
            }
            reporter.advance(1);
        }
        reporter.end();
        Ok(plot)
    }

    /// The clusters that DBSCAN finds at a radius, but for rows on their edges: whatever is reached within `eps` of what
    /// comes before belongs together, and a core row that isn't begins the next.
    pub fn cut(&self, eps: f64) -> Vec<Option<ClusterId>> {
        let mut labels = vec![None; self.order.len()];
        let mut begun = 0;
        for (place, &row) in self.order.iter().enumerate() {
            let (reached, core) = (self.reachability[place] <= eps, self.core_distances[place] <= eps);
            begun += usize::from(!reached && core);
            labels[row] = (reached || core).then(|| begun - 1);
        }
        labels
    }

    /// The cluster of each row, of ranges of places in the order: the first of those that overlap counts.
    pub fn labels(&self, clusters: &[Range<usize>]) -> Vec<Option<ClusterId>> {
        let mut labels = vec![None; self.order.len()];
        let mut next = 0;
        for cluster in clusters {
            let rows = &self.order[cluster.clone()];
            if rows.iter().all(|&row| labels[row].is_none()) {
                rows.iter().for_each(|&row| labels[row] = Some(next));
                next += 1;
            }
        }
        labels
    }

    /// Clusters that come one after the other, by how high the plot is between them: which of them a radius joins, the least
    /// first.
    pub(super) fn joins(&self, labels: &[Option<ClusterId>]) -> Vec<[(ClusterId, ClusterId); 1]> {
        let (mut walls, mut last, mut highest) = (Vec::new(), None, 0.0f64);
        for (&row, &height) in self.order.iter().zip(&self.reachability) {
            highest = highest.max(height);
            if let Some(cluster) = labels[row] {
                walls.extend(last.filter(|&last| last != cluster).map(|last| (highest, [(last, cluster)])));
                (last, highest) = (Some(cluster), 0.0);
            }
        }
        walls.retain(|(height, _)| height.is_finite());
        walls.sort_by(|a, b| a.0.total_cmp(&b.0));
        walls.into_iter().map(|(_, pair)| pair).collect()
    }
}
