//! The peaks of a density on a graph, and the order in which they merge as it falls.

use super::density_tree::Forest;
use crate::neighbors::KnnGraph;

/// The peaks of a density on a graph of rows, and their merges as the density falls: the lower of two peaks that meet
/// ends, of equal ones that of the higher row.
///
/// ```
/// use alike::{cluster::Modes, neighbors::{NeighborsParams, nearest}, progress::Silent};
/// let x = ndarray::array![[0.0f32], [1.0], [2.0], [3.0], [4.0]];
/// let params = NeighborsParams { n_neighbors: 1, ..Default::default() };
/// // A path: its ends are peaks, and meet in its middle.
/// let modes = Modes::new(&nearest(x.view(), &params, &Silent)?, &[5.0, 3.0, 1.0, 2.0, 4.0], &[]);
/// let [highest, other] = modes.diagram()[..] else { panic!("two peaks") };
/// assert_eq!((highest.peak, highest.death), (0, None));
/// assert_eq!((other.peak, other.birth, other.death), (4, 4.0, Some(1.0)));
/// assert_eq!(modes.labels(2).0, [0, 0, 0, 1, 1]);
/// # Ok::<_, alike::progress::Interrupted>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Modes {
    /// The rows by falling density. All else counts them by their place here: their rank.
    rows: Vec<usize>,
    /// Of each rank that of the peak above it.
    peaks: Vec<usize>,
    /// Of each rank.
    density: Vec<f64>,
    merges: Vec<Merge>,
}

/// Two groups that meet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Merge {
    /// The lower group's peak, which ends.
    peak: usize,
    /// The peaks above the two ranks at which they meet.
    sides: [usize; 2],
    /// The density there.
    death: f64,
    /// Rows of the lower group.
    size: usize,
}

/// A peak over the densities at which it is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Persistence {
    /// Its row.
    pub peak: usize,
    /// Its density.
    pub birth: f64,
    /// That of the saddle to a higher peak; `None` for the highest of what is connected.
    pub death: Option<f64>,
    /// Rows of its group at that saddle, or in the end.
    pub size: usize,
}

impl Persistence {
    /// Birth less death: how far it stands out; infinite for the highest peak.
    pub fn prominence(&self) -> f64 {
        self.death.map_or(f64::INFINITY, |death| self.birth - death)
    }
}

impl Modes {
    /// Of the density of each row, a finite number or a logarithm of one; rows are linked that either lists as a neighbour,
    /// and pairs of `links` from the density on that is given with them. O(n k log n).
    ///
    /// # Panics
    /// If there is not a density for each row.
    pub fn new(graph: &KnnGraph, density: &[f64], links: &[(usize, usize, f64)]) -> Self {
        let n = graph.n_samples();
        assert_eq!(density.len(), n, "a density for each row");
        let mut rows: Vec<usize> = (0..n).collect();
        rows.sort_by(|&a, &b| density[b].total_cmp(&density[a]).then(a.cmp(&b)));
        let mut rank = vec![0; n];
        rows.iter().enumerate().for_each(|(place, &row)| rank[row] = place);
        let mut denser: Vec<Vec<usize>> = vec![Vec::new(); n];
        for (row, to) in (0..n).flat_map(|row| graph.neighbors(row).map(move |(to, _)| (row, to))) {
            let (high, low) = (rank[row].min(rank[to]), rank[row].max(rank[to]));
            denser[low].push(high);
        }
        let density: Vec<f64> = rows.iter().map(|&row| density[row]).collect();
        let ranked = |&(a, b, level): &(usize, usize, f64)| {
            let (high, low) = (rank[a].min(rank[b]), rank[a].max(rank[b]));
            (high, low, level.min(density[low]))
        };
        let mut links: Vec<_> = links.iter().map(ranked).collect();
        links.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.1, a.0).cmp(&(b.1, b.0))));
        let mut modes = Self { rows, peaks: (0..n).collect(), density, merges: Vec::new() };
        let mut groups = Groups { forest: Forest::new(n), sizes: vec![1; n] };
        let mut links = links.into_iter().peekable();
        for (at, denser) in denser.iter_mut().enumerate() {
            denser.sort_unstable();
            if let Some(&densest) = denser.first() {
                modes.peaks[at] = modes.peaks[densest];
                groups.join(at, densest);
            }
            let level = modes.density[at];
            denser.iter().for_each(|&to| modes.meet(&mut groups, at, to, level));
            let next = modes.density.get(at + 1).copied().unwrap_or(f64::NEG_INFINITY);
            while let Some((high, low, level)) = links.next_if(|link| link.2 > next) {
                modes.meet(&mut groups, low, high, level);
            }
        }
        modes
    }

    fn meet(&mut self, groups: &mut Groups, a: usize, b: usize, death: f64) {
        if let Some((peak, size)) = groups.join(a, b) {
            self.merges.push(Merge { peak, sides: [self.peaks[a], self.peaks[b]], death, size });
        }
    }

    /// Without the peaks whose groups have fewer rows at the saddle: they are part of what they meet there.
    pub fn without_small(mut self, min_size: usize) -> Self {
        let (small, large): (Vec<Merge>, Vec<Merge>) = self.merges.iter().partition(|merge| merge.size < min_size);
        let mut forest = Forest::new(self.rows.len());
        small.iter().for_each(|merge| _ = forest.join(merge.sides[0], merge.sides[1]));
        self.peaks.iter_mut().for_each(|peak| *peak = forest.root(*peak));
        self.merges = large;
        self.merges.iter_mut().for_each(|merge| merge.sides = merge.sides.map(|peak| forest.root(peak)));
        self
    }

    /// The persistence diagram: every peak, by falling prominence.
    pub fn diagram(&self) -> Vec<Persistence> {
        let (groups, highest) = self.groups(0);
        let size = |label| groups.iter().filter(|&&group| group == label).count();
        let last = highest.iter().enumerate().map(|(label, &peak)| (peak, None, size(label)));
        let others = self.by_prominence().into_iter().map(|merge| (merge.peak, Some(merge.death), merge.size));
        let persistence = |(peak, death, size): (usize, _, _)| Persistence {
            peak: self.rows[peak],
            birth: self.density[peak],
            death,
            size,
        };
        last.chain(others).map(persistence).collect()
    }

    /// The clusters of a prominence above `tau`, and one for each part of the graph.
    pub fn n_clusters_above(&self, tau: f64) -> usize {
        self.diagram().iter().filter(|persistence| persistence.prominence() > tau).count()
    }

    /// The clusters above the largest gap between the prominences, of equal gaps the one that leaves fewest; what no peak
    /// lies below is a gap as well.
    pub fn n_clusters_above_gap(&self) -> usize {
        let prominences: Vec<f64> = self.by_prominence().iter().map(|merge| self.prominence(merge)).collect();
        let gap = |at: &usize| prominences[*at] - prominences.get(at + 1).unwrap_or(&0.0);
        let widest = (0..prominences.len()).rev().max_by(|a, b| gap(a).total_cmp(&gap(b)));
        self.groups(0).1.len() + widest.map_or(0, |at| at + 1)
    }

    /// Each row's cluster, of so many as stand out by the most, and each cluster's peak, by falling density. No fewer than
    /// parts of the graph, and no more than peaks.
    pub fn labels(&self, n_clusters: usize) -> (Vec<usize>, Vec<usize>) {
        let n_components = self.groups(0).1.len();
        let (groups, peaks) = self.groups(n_clusters.saturating_sub(n_components));
        let mut labels = vec![0; groups.len()];
        groups.into_iter().zip(&self.rows).for_each(|(group, &row)| labels[row] = group);
        (labels, peaks.into_iter().map(|peak| self.rows[peak]).collect())
    }

    /// The group of each rank, and each group's peak, if all groups merge but the so many that stand out by the most.
    fn groups(&self, n_apart: usize) -> (Vec<usize>, Vec<usize>) {
        let mut forest = Forest::new(self.rows.len());
        for merge in self.by_prominence().into_iter().skip(n_apart) {
            forest.join(merge.sides[0], merge.sides[1]);
        }
        let roots: Vec<usize> = self.peaks.iter().map(|&peak| forest.root(peak)).collect();
        let peaks: Vec<usize> = (0..roots.len()).filter(|&rank| roots[rank] == rank).collect();
        let label = |root| peaks.binary_search(&root).expect("roots are their own");
        (roots.into_iter().map(label).collect(), peaks)
    }

    /// The merges by falling prominence, those of one prominence in their order.
    fn by_prominence(&self) -> Vec<Merge> {
        let mut merges = self.merges.clone();
        merges.sort_by(|a, b| self.prominence(b).total_cmp(&self.prominence(a)));
        merges
    }

    fn prominence(&self, merge: &Merge) -> f64 {
        self.density[merge.peak] - merge.death
    }
}

/// Ranks that hang together, with their number; the root is the peak.
struct Groups {
    forest: Forest,
    sizes: Vec<usize>,
}

impl Groups {
    /// Makes one of the groups of two ranks; if they were two, the lower peak and its group's size.
    fn join(&mut self, a: usize, b: usize) -> Option<(usize, usize)> {
        let (a, b) = (self.forest.root(a), self.forest.root(b));
        let (high, low) = (a.min(b), a.max(b));
        self.forest.join(high, low).then(|| {
            self.sizes[high] += self.sizes[low];
            (low, self.sizes[low])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;
    use ndarray::Array2;

    /// A path: each row lists the next, the last the one before.
    fn path(n: usize) -> KnnGraph {
        let indices = Array2::from_shape_fn((n, 1), |(row, _)| if row + 1 < n { row + 1 } else { row - 1 } as u32);
        KnnGraph::new(Metric::Euclidean, indices, Array2::ones((n, 1)))
    }

    fn pairs(modes: &Modes) -> Vec<(usize, f64, Option<f64>)> {
        modes.diagram().iter().map(|p| (p.peak, p.birth, p.death)).collect()
    }

    /// Peaks of 9, 6 and 7 with saddles of 2 and 5.
    const HILLS: [f64; 9] = [1.0, 9.0, 4.0, 2.0, 6.0, 5.0, 7.0, 3.0, 0.0];

    #[test]
    fn hills_on_a_path_merge_in_the_order_of_their_saddles() {
        let modes = Modes::new(&path(9), &HILLS, &[]);
        assert_eq!(pairs(&modes), [(1, 9.0, None), (6, 7.0, Some(2.0)), (4, 6.0, Some(5.0))]);
        let sizes: Vec<usize> = modes.diagram().iter().map(|p| p.size).collect();
        assert_eq!(sizes, [9, 5, 1], "the second hill has met the third and two rows below them");
        assert_eq!([0.5, 1.0, 4.9, 5.0].map(|tau| modes.n_clusters_above(tau)), [3, 2, 2, 1]);
        assert_eq!(modes.n_clusters_above_gap(), 2);
        assert_eq!(modes.labels(3), (vec![0, 0, 0, 2, 2, 1, 1, 1, 1], vec![1, 6, 4]));
        assert_eq!(modes.labels(2), (vec![0, 0, 0, 1, 1, 1, 1, 1, 1], vec![1, 6]));
        assert_eq!(modes.labels(1), (vec![0; 9], vec![1]));
        assert_eq!((modes.labels(0), modes.labels(99)), (modes.labels(1), modes.labels(3)));
    }

    #[test]
    fn a_low_group_joins_the_hill_it_meets_not_the_highest() {
        // The hill of 3 meets that of 7, which itself stands apart from that of 9.
        let modes = Modes::new(&path(8), &[9.0, 1.0, 7.0, 2.5, 3.0, 2.0, 1.5, 0.5], &[]);
        assert_eq!(modes.labels(2).0, [0, 0, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn equal_densities_are_ordered_by_row() {
        let modes = Modes::new(&path(5), &[1.0, 1.0, 0.0, 1.0, 1.0], &[]);
        assert_eq!(pairs(&modes), [(0, 1.0, None), (3, 1.0, Some(0.0))]);
        assert_eq!(modes.labels(2).0, [0, 0, 0, 1, 1]);
    }

    #[test]
    fn parts_of_the_graph_stay_apart_unless_they_are_linked() {
        let two = ndarray::array![[1u32], [0], [3], [2]];
        let graph = KnnGraph::new(Metric::Euclidean, two, Array2::ones((4, 1)));
        let density = [5.0, 2.0, 4.0, 3.0];
        assert_eq!(pairs(&Modes::new(&graph, &density, &[])), [(0, 5.0, None), (2, 4.0, None)]);
        for (level, death) in [(1.0, 1.0), (2.5, 2.0), (f64::INFINITY, 2.0)] {
            let modes = Modes::new(&graph, &density, &[(3, 1, level)]);
            assert_eq!(pairs(&modes), [(0, 5.0, None), (2, 4.0, Some(death))]);
        }
    }

    #[test]
    fn small_groups_are_part_of_what_they_meet() {
        let modes = Modes::new(&path(9), &HILLS, &[]).without_small(2);
        assert_eq!(pairs(&modes), [(1, 9.0, None), (6, 7.0, Some(2.0))]);
        assert_eq!(modes.labels(9).0, [0, 0, 0, 1, 1, 1, 1, 1, 1]);
        assert_eq!(pairs(&modes.without_small(6)), [(1, 9.0, None)]);
    }

    #[test]
    fn no_rows_have_no_peaks() {
        let graph = KnnGraph::new(Metric::Euclidean, Array2::zeros((0, 0)), Array2::zeros((0, 0)));
        let modes = Modes::new(&graph, &[], &[]);
        assert_eq!((modes.diagram().len(), modes.n_clusters_above_gap(), modes.labels(3).0.len()), (0, 0, 0));
    }
}
