//! Mapper: groups of rows that are alike under a lens and near one another, joined where they share rows.

use linfa::ParamGuard;
use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::first_gap::first_gap;
use super::{Cover, Graph, TopologyError};
use crate::cluster::{ClusterError, DbscanParams};
use crate::collection::n_clusters;
use crate::progress::{Reporter, Silent};

/// How the rows of one piece of the cover become groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inside {
    /// Single linkage, cut before the first merge whose height exceeds that of the one before by this share of the highest.
    FirstGap(f64),
    /// DBSCAN; its noise is in no group.
    Dbscan {
        /// Its radius.
        eps: f64,
        /// Rows within it, itself counted, of a core row.
        min_points: usize,
    },
}

/// Choices of [`mapper`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapperParams {
    /// How the lens is cut.
    pub cover: Cover,
    /// Intervals along each column of the lens; at least 1.
    pub n_intervals: usize,
    /// The share that neighbouring intervals have in common; from 0, below 1.
    pub overlap: f64,
    /// The clustering of each piece.
    pub inside: Inside,
    /// Rows that two groups share at least to be joined; 1 or more.
    pub min_intersection: usize,
}

impl Default for MapperParams {
    /// 10 equally long intervals a column that overlap by .3; single linkage, cut at the first gap of .3.
    fn default() -> Self {
        let inside = Inside::FirstGap(0.3);
        Self { cover: Cover::Interval, n_intervals: 10, overlap: 0.3, inside, min_intersection: 1 }
    }
}

/// The Mapper graph of the rows of `x`, shape (n_samples, n_features), under `lens`, shape (n_samples, columns), a few
/// numbers a row such as its first principal components: the lens is covered with overlapping intervals, the rows over each
/// are clustered, and clusters that share rows are joined. A row is in one group for each interval that it falls into.
///
/// O(m^2 n_features) for each piece of m rows, so choose as many intervals as make pieces of a few thousand. Singh, Mémoli
/// and Carlsson, "Topological methods for the analysis of high dimensional data sets and 3D object recognition", 2007.
///
/// # Errors
/// Other numbers of rows, values that are not finite, a parameter out of range, or an interruption.
///
/// ```
/// use alike::progress::Silent;
/// use alike::topology::{MapperParams, mapper};
/// let angle = |i: usize| i as f32 / 60.0 * std::f32::consts::TAU;
/// let circle = ndarray::Array2::from_shape_fn((60, 2), |(i, j)| if j == 0 { angle(i).cos() } else { angle(i).sin() });
/// let lens = circle.slice(ndarray::s![.., ..1]);
/// let graph = mapper(circle.view(), lens, &MapperParams { n_intervals: 4, ..MapperParams::default() }, &Silent)?;
/// assert_eq!((graph.n_components(), graph.n_cycles()), (1, 1));
/// # Ok::<(), alike::topology::TopologyError>(())
/// ```
pub fn mapper(
    x: ArrayView2<'_, f32>,
    lens: ArrayView2<'_, f32>,
    params: &MapperParams,
    reporter: &dyn Reporter,
) -> Result<Graph, TopologyError> {
    TopologyError::check_rows("values of the lens", x.nrows(), lens.nrows())?;
    TopologyError::check_finite("features", x)?;
    TopologyError::check_finite("lens", lens)?;
    params.check()?;
    let x = x.as_standard_layout();
    let pieces = params.cover.pull_back(lens, params.n_intervals, params.overlap);
    reporter.begin("mapper", Some(pieces.len() as u64));
    let groups = |piece: &Vec<usize>| -> Result<Vec<Vec<usize>>, TopologyError> {
        reporter.check()?;
        let clusters = params.inside.clusters(x.select(Axis(0), piece).view())?;
        let n_clusters = n_clusters(&clusters);
        let mut groups = vec![Vec::new(); n_clusters];
        for (&row, cluster) in piece.iter().zip(clusters) {
            if let Some(cluster) = cluster {
                groups[cluster].push(row);
            }
        }
        reporter.advance(1);
        Ok(groups)
    };
    let groups: Vec<_> = pieces.par_iter().map(groups).collect::<Result<_, _>>()?;
    reporter.end();
    Ok(Graph::nerve(x.view(), groups.concat(), params.min_intersection))
}

impl MapperParams {
    fn check(&self) -> Result<(), TopologyError> {
        let refuse = |name, found: String, expected| Err(TopologyError::Parameter { name, found, expected });
        if self.n_intervals == 0 {
            return refuse("number of intervals", "0".into(), "at least 1");
        }
        if !(0.0..1.0).contains(&self.overlap) {
            return refuse("overlap", self.overlap.to_string(), "at least 0 and below 1");
        }
        if let Inside::FirstGap(share) = self.inside
            && !(share > 0.0 && share <= 1.0)
        {
            return refuse("first gap", share.to_string(), "above 0 and at most 1");
        }
        TopologyError::check_min_intersection(self.min_intersection)
    }
}

impl Inside {
    /// The cluster of each row, numbered from 0.
    fn clusters(self, x: ArrayView2<'_, f32>) -> Result<Vec<Option<usize>>, TopologyError> {
        match self {
            Self::FirstGap(share) => Ok(first_gap(x, share).into_iter().map(Some).collect()),
            Self::Dbscan { eps, min_points } => {
                let params = DbscanParams::new().eps(eps).min_points(min_points).check()?;
                match params.fit_rows(x, &Silent) {
                    Ok(clustering) => Ok(clustering.labels),
                    Err(ClusterError::AllNoise { .. }) => Ok(vec![None; x.nrows()]),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Watch;
    use crate::topology::{BallMapperParams, ball_mapper};
    use ndarray::{Array2, array, concatenate};
    use std::f32::consts::TAU;

    /// Evenly spaced on a circle around (x, 0).
    fn circle(n: usize, x: f32) -> Array2<f32> {
        let angle = |i: usize| i as f32 / n as f32 * TAU;
        Array2::from_shape_fn((n, 2), |(i, j)| if j == 0 { x + angle(i).cos() } else { angle(i).sin() })
    }

    fn two_circles() -> Array2<f32> {
        concatenate![Axis(0), circle(90, 0.0), circle(90, 10.0)]
    }

    /// Components and cycles under the first coordinate.
    fn shape(x: &Array2<f32>, params: MapperParams) -> (usize, usize) {
        let graph = mapper(x.view(), x.select(Axis(1), &[0]).view(), &params, &Silent).unwrap();
        (graph.n_components(), graph.n_cycles())
    }

    #[test]
    fn a_circle_is_one_cycle_and_two_are_two() {
        let inside = [Inside::FirstGap(0.3), Inside::Dbscan { eps: 0.3, min_points: 2 }];
        for (inside, cover) in inside.into_iter().flat_map(|i| [(i, Cover::Interval), (i, Cover::Balanced)]) {
            let params = MapperParams { inside, cover, n_intervals: 5, ..MapperParams::default() };
            assert_eq!(shape(&circle(90, 0.0), params), (1, 1), "{params:?}");
        }
        let inside = Inside::Dbscan { eps: 0.3, min_points: 2 };
        let params = MapperParams { inside, n_intervals: 24, ..MapperParams::default() };
        assert_eq!(shape(&two_circles(), params), (2, 2));
        let both = MapperParams { inside, n_intervals: 8, cover: Cover::Balanced, ..params };
        assert_eq!(shape(&two_circles(), both), (2, 2));
    }

    #[test]
    fn balls_find_the_same_cycles() {
        let params = BallMapperParams { radius: 0.4, ..BallMapperParams::default() };
        let shape = |x: Array2<f32>| {
            let graph = ball_mapper(x.view(), &params, &Silent).unwrap();
            (graph.n_components(), graph.n_cycles())
        };
        assert_eq!(shape(circle(90, 0.0)), (1, 1));
        assert_eq!(shape(two_circles()), (2, 2));
    }

    #[test]
    fn a_line_in_two_intervals_by_hand() {
        // Values 0 to 10 in two intervals with overlap 1/3: length 6, from 0 and from 4; rows 4, 5 and 6 are in both.
        let x = Array2::from_shape_fn((11, 1), |(i, _)| i as f32);
        let params = MapperParams { n_intervals: 2, overlap: 1.0 / 3.0, ..MapperParams::default() };
        let graph = mapper(x.view(), x.view(), &params, &Silent).unwrap();
        let members: Vec<_> = graph.nodes.iter().map(|node| (node.members[0], node.members.len())).collect();
        assert_eq!((members, graph.edges[0].count), (vec![(0, 7), (4, 7)], 3));
        let apart = MapperParams { min_intersection: 4, ..params };
        assert!(mapper(x.view(), x.view(), &apart, &Silent).unwrap().edges.is_empty());
    }

    #[test]
    fn threads_make_no_difference() {
        let x = two_circles();
        let of = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| mapper(x.view(), x.view(), &MapperParams::default(), &Silent).unwrap())
        };
        assert_eq!(of(1), of(3));
    }

    #[test]
    fn few_rows_and_wrong_input() {
        let map = |x: &Array2<f32>, params: MapperParams| mapper(x.view(), x.view(), &params, &Silent);
        let usual = MapperParams::default;
        assert_eq!(map(&Array2::zeros((0, 2)), usual()).unwrap(), Graph::default());
        assert_eq!(map(&Array2::zeros((1, 2)), usual()).unwrap().nodes.len(), 1);
        assert_eq!(map(&Array2::ones((9, 2)), usual()).unwrap().nodes[0].members.len(), 9);
        let noise = MapperParams { inside: Inside::Dbscan { eps: 0.1, min_points: 2 }, ..usual() };
        assert!(map(&array![[0.0], [1.0]], noise).unwrap().nodes.is_empty());
        assert!(map(&array![[f32::NAN]], usual()).is_err());
        let wrong = [
            MapperParams { n_intervals: 0, ..usual() },
            MapperParams { overlap: 1.0, ..usual() },
            MapperParams { inside: Inside::FirstGap(0.0), ..usual() },
            MapperParams { inside: Inside::Dbscan { eps: -1.0, min_points: 2 }, ..usual() },
            MapperParams { min_intersection: 0, ..usual() },
        ];
        for params in wrong {
            assert!(map(&Array2::ones((3, 1)), params).is_err(), "{params:?}");
        }
        let x = Array2::zeros((4, 2));
        assert!(mapper(x.view(), Array2::zeros((3, 1)).view(), &usual(), &Silent).is_err());
        let stopped = mapper(x.view(), x.view(), &usual(), &Watch::stopping_after(0));
        assert!(matches!(stopped, Err(TopologyError::Interrupted(_))));
    }
}
