//! Ball Mapper: Mapper without a lens.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::{Graph, TopologyError};
use crate::distance::squared_euclidean;
use crate::progress::Reporter;

/// Choices of [`ball_mapper`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BallMapperParams {
    /// Radius of a ball; at least 0.
    pub radius: f64,
    /// Rows that two balls share at least to be joined; 1 or more.
    pub min_intersection: usize,
}

impl Default for BallMapperParams {
    /// A radius of 1, which means something for rows of unit length at most.
    fn default() -> Self {
        Self { radius: 1.0, min_intersection: 1 }
    }
}

/// The Ball Mapper graph of the rows of `x`, shape (n_samples, n_features): a row farther than `radius` from all landmarks
/// before it becomes a landmark, a group is the rows within `radius` of a landmark, and groups that share rows are joined.
/// Depends on the order of the rows.
///
/// O(landmarks n_samples n_features). Dłotko, "Ball mapper: a shape summary for topological data analysis", 2019.
///
/// # Errors
/// Values that are not finite, a parameter out of range, or an interruption.
///
/// ```
/// use alike::progress::Silent;
/// use alike::topology::{BallMapperParams, ball_mapper};
/// let x = ndarray::array![[0.0], [1.0], [2.0], [9.0]];
/// let graph = ball_mapper(x.view(), &BallMapperParams::default(), &Silent)?;
/// let members: Vec<&[usize]> = graph.nodes.iter().map(|node| &node.members[..]).collect();
/// assert_eq!(members, [&[0, 1][..], &[1, 2], &[3]]);
/// assert_eq!((graph.edges.len(), graph.edges[0].count), (1, 1));
/// # Ok::<(), alike::topology::TopologyError>(())
/// ```
pub fn ball_mapper(
    x: ArrayView2<'_, f32>,
    params: &BallMapperParams,
    reporter: &dyn Reporter,
) -> Result<Graph, TopologyError> {
    TopologyError::check_finite("features", x)?;
    TopologyError::check_min_intersection(params.min_intersection)?;
    if params.radius.is_nan() || params.radius < 0.0 {
        let found = params.radius.to_string();
        return Err(TopologyError::Parameter { name: "radius", found, expected: "at least 0" });
    }
    let x = x.as_standard_layout();
    let row = |row: usize| x.index_axis(Axis(0), row).to_slice().expect("rows are contiguous");
    let squared_radius = params.radius * params.radius;
    reporter.begin("balls", Some(x.nrows() as u64));
    let mut covered = vec![false; x.nrows()];
    let mut balls = Vec::new();
    for landmark in 0..x.nrows() {
        reporter.advance(1);
        if covered[landmark] {
            continue;
        }
        reporter.check()?;
        let is_near = |&other: &usize| squared_euclidean(row(landmark), row(other)) <= squared_radius;
        let ball: Vec<usize> = (0..x.nrows()).into_par_iter().filter(is_near).collect();
        ball.iter().for_each(|&row| covered[row] = true);
        balls.push(ball);
    }
    reporter.end();
    Ok(Graph::nerve(x.view(), balls, params.min_intersection))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Silent, Watch};
    use ndarray::{Array2, array};

    #[test]
    fn few_rows_and_wrong_input() {
        let map = |x: &Array2<f32>, radius, min_intersection| {
            ball_mapper(x.view(), &BallMapperParams { radius, min_intersection }, &Silent)
        };
        assert_eq!(map(&Array2::zeros((0, 2)), 1.0, 1).unwrap(), Graph::default());
        assert_eq!(map(&Array2::ones((5, 2)), 0.0, 1).unwrap().nodes[0].members.len(), 5);
        assert_eq!(map(&array![[0.0], [1.0], [2.0]], 1.0, 2).unwrap().edges, []);
        assert!(map(&Array2::ones((5, 2)), f64::NAN, 1).is_err() && map(&Array2::ones((5, 2)), -1.0, 1).is_err());
        assert!(map(&Array2::ones((5, 2)), 1.0, 0).is_err() && map(&array![[f32::INFINITY]], 1.0, 1).is_err());
        let stopped = ball_mapper(Array2::ones((5, 2)).view(), &Default::default(), &Watch::stopping_after(0));
        assert!(matches!(stopped, Err(TopologyError::Interrupted(_))));
    }
}
