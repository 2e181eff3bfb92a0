//! How often the nearest neighbours of a row have its class.

use rayon::prelude::*;
use serde::Serialize;

use super::EvaluateError;
use crate::collection::Truth;
use crate::distance::BLOCK_ROWS;
use crate::neighbors::KnnGraph;

/// What the K nearest neighbours of a row say of its class, for K = 1, 2 and so on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeighbourAccuracy {
    /// Rows of known class: those that the means are of.
    pub n_samples: usize,
    /// Share of the K nearest that have the row's class, the mean over the rows.
    pub precision: Vec<f64>,
    /// Share of the rows whose class is that of most of the K nearest; of equals the first class wins.
    pub majority_vote: Vec<f64>,
}

/// Both accuracies of `graph` for K = 1 to its number of neighbours. A neighbour of unknown class agrees with none and has
/// no vote, so give the graph of the rows whose class is known. `None` if there is no such row. O(n k).
///
/// The first is A(K) = 1/n sum over rows i of (1/K) #{j among the K nearest of i: class j = class i}, the precision of
/// retrieval; the second is the accuracy of a classifier by K nearest neighbours, each row left out in turn (Cover and
/// Hart, "Nearest neighbor pattern classification", 1967).
///
/// # Errors
/// If the classes are not as many as the rows.
///
/// ```
/// use alike::collection::Truth;
/// use alike::distance::Metric;
/// use alike::evaluate::neighbour_accuracy;
/// use alike::neighbors::KnnGraph;
/// use ndarray::array;
/// // Rows at 0, 1, 3 and 7.
/// let nearest = array![[1, 2], [0, 2], [1, 0], [2, 1]];
/// let graph = KnnGraph::new(Metric::Euclidean, nearest, array![[1.0, 3.0], [1.0, 2.0], [2.0, 3.0], [4.0, 6.0]]);
/// let truth = Truth::from_names([Some("a"), Some("a"), Some("b"), Some("b")]);
/// let accuracy = neighbour_accuracy(&graph, &truth)?.unwrap();
/// assert_eq!(accuracy.precision, [0.75, 0.375]);
/// # Ok::<(), alike::evaluate::EvaluateError>(())
/// ```
pub fn neighbour_accuracy(graph: &KnnGraph, truth: &Truth) -> Result<Option<NeighbourAccuracy>, EvaluateError> {
    EvaluateError::check_rows("classes", graph.n_samples(), truth.classes.len())?;
    let known: Vec<(usize, usize)> =
        truth.classes.iter().enumerate().filter_map(|(row, class)| Some((row, (*class)?))).collect();
    if known.is_empty() {
        return Ok(None);
    }
    let k = graph.n_neighbors();
    let blocks = known.par_chunks(BLOCK_ROWS).map(|rows| Hits::of(graph, truth, rows));
    let hits = blocks.reduce(|| Hits::new(k), Hits::plus);
    let n_samples = known.len();
    let share = |count: u64, of: usize| count as f64 / of as f64;
    Ok(Some(NeighbourAccuracy {
        n_samples,
        precision: hits.agreeing.iter().zip(1..).map(|(&count, k)| share(count, k * n_samples)).collect(),
        majority_vote: hits.right.iter().map(|&count| share(count, n_samples)).collect(),
    }))
}

/// Counts for each K.
struct Hits {
    /// Neighbours of the row's class, over all rows.
    agreeing: Vec<u64>,
    /// Rows whose class won the vote.
    right: Vec<u64>,
}

impl Hits {
    fn new(k: usize) -> Self {
        Self { agreeing: vec![0; k], right: vec![0; k] }
    }

    fn of(graph: &KnnGraph, truth: &Truth, rows: &[(usize, usize)]) -> Self {
        let mut hits = Self::new(graph.n_neighbors());
        let mut votes = vec![0_u32; truth.names.len()];
        for &(row, class) in rows {
            let mut winner = None;
            for (at, (neighbour, _)) in graph.neighbors(row).enumerate() {
                if let Some(voted) = truth.classes[neighbour] {
                    votes[voted] += 1;
                    let leads = |w: usize| votes[voted] > votes[w] || (votes[voted] == votes[w] && voted < w);
                    winner = if winner.is_none_or(leads) { Some(voted) } else { winner };
                }
                hits.agreeing[at] += u64::from(votes[class]);
                hits.right[at] += u64::from(winner == Some(class));
            }
            graph.neighbors(row).filter_map(|(j, _)| truth.classes[j]).for_each(|voted| votes[voted] = 0);
        }
        hits
    }

    fn plus(mut self, other: Self) -> Self {
        let add = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        add(&mut self.agreeing, &other.agreeing);
        add(&mut self.right, &other.right);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;
    use ndarray::{Array1, Array2};

    #[derive(serde::Deserialize)]
    struct Fixture {
        neighbours: Vec<Vec<u32>>,
        classes: Vec<usize>,
        precision: Vec<f64>,
        majority_vote: Vec<f64>,
    }

    /// Of these neighbours; the distances don't matter.
    fn graph(neighbours: &[Vec<u32>]) -> KnnGraph {
        let shape = (neighbours.len(), neighbours[0].len());
        let indices = Array1::from(neighbours.concat()).into_shape_with_order(shape).unwrap();
        let distances = Array2::from_shape_fn(shape, |(_, at)| at as f32);
        KnnGraph::new(Metric::Euclidean, indices, distances)
    }

    #[test]
    fn accuracies_equal_scikit_learn() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/neighbours.json")).expect("a fixture");
        let fixture: Fixture = serde_json::from_value(all["accuracy"].clone()).unwrap();
        let truth = Truth::from_names(fixture.classes.iter().map(|class| Some(class.to_string())));
        let graph = graph(&fixture.neighbours);
        let found = neighbour_accuracy(&graph, &truth).unwrap().unwrap();
        assert_eq!(found.n_samples, fixture.classes.len());
        for (found, expected) in
            [(&found.precision, &fixture.precision), (&found.majority_vote, &fixture.majority_vote)]
        {
            assert_eq!(found.len(), 40);
            for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert!((found - expected).abs() < 1e-12, "K = {}: {found}, not {expected}", k + 1);
            }
        }
    }

    #[test]
    fn rows_of_unknown_class_neither_count_nor_vote() {
        let graph = graph(&[vec![1, 2], vec![0, 2], vec![1, 0]]);
        let truth = Truth { names: vec!["a".into()], classes: vec![Some(0), None, Some(0)] };
        let found = neighbour_accuracy(&graph, &truth).unwrap().unwrap();
        assert_eq!((found.n_samples, found.precision, found.majority_vote), (2, vec![0.0, 0.5], vec![0.0, 1.0]));
        let unknown = Truth { names: Vec::new(), classes: vec![None; 3] };
        assert_eq!(neighbour_accuracy(&graph, &unknown).unwrap(), None);
        let few = Truth { names: Vec::new(), classes: vec![None; 2] };
        assert!(neighbour_accuracy(&graph, &few).is_err());
    }

    #[test]
    fn one_row_has_no_neighbours() {
        let graph = KnnGraph::new(Metric::Euclidean, Array2::zeros((1, 0)), Array2::zeros((1, 0)));
        let found = neighbour_accuracy(&graph, &Truth::from_names([Some("a")])).unwrap().unwrap();
        assert!(found.precision.is_empty() && found.majority_vote.is_empty());
    }
}
