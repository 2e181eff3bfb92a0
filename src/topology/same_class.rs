//! Whether clusters of one class are joined more than chance would have it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::clusters::crossings;
use super::{Graph, TopologyError};
use crate::collection::{ClusterId, n_clusters};
use crate::evaluate::Spread;
use crate::neighbors::KnnGraph;
use crate::progress::Reporter;

/// Random graphs that a graph is held against.
const DRAWS: u64 = 20;
/// Swaps tried for each neighbour that lies in another cluster.
const SWAPS: usize = 10;

/// How much of the edges' weight joins clusters of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SameClass {
    /// The share, of the weight between clusters whose class is known.
    pub share: f64,
    /// The same of 20 random graphs.
    pub baseline: Spread,
}

/// Holds the edges of `clustered`, made of `graph` and `clusters` by [`cluster_graph`](super::cluster_graph) and given
/// classes, against chance: in a random graph each cluster has as many neighbours elsewhere, and is as often a neighbour, but
/// of whom is drawn, by swapping the ends of two crossing neighbours again and again (Maslov and Sneppen, "Specificity and
/// stability in topology of protein networks", 2002). `None` if no two clusters of known class are joined. O(200 n k) at
/// most.
///
/// # Errors
/// Other numbers of rows, or an interruption.
pub fn same_class(
    clustered: &Graph,
    graph: &KnnGraph,
    clusters: &[Option<ClusterId>],
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Option<SameClass>, TopologyError> {
    TopologyError::check_rows("labels", graph.n_samples(), clusters.len())?;
    let place = |cluster: ClusterId| {
        let is_it = |node: &super::Node| node.members.first().is_some_and(|&row| clusters[row] == Some(cluster));
        clustered.nodes.iter().position(is_it)
    };
    let most = n_clusters(clusters);
    let places: Vec<Option<usize>> = (0..most).map(place).collect();
    let links: Vec<(usize, usize)> = crossings(graph, clusters).filter_map(|(a, b)| places[a].zip(places[b])).collect();
    let Some(share) = share(clustered, &links) else { return Ok(None) };
    reporter.begin("baseline", Some(DRAWS));
    let draw = |stream| -> Result<f64, TopologyError> {
        reporter.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let mut links = links.clone();
        swap(&mut links, &mut rng);
        reporter.advance(1);
        Ok(self::share(clustered, &links).unwrap_or(0.0))
    };
    let shares: Vec<f64> = (0..DRAWS).into_par_iter().map(draw).collect::<Result<_, _>>()?;
    reporter.end();
    Ok(Spread::of(&shares).map(|baseline| SameClass { share, baseline }))
}

/// Of the links' weight, that between clusters of one class. A pair's weight is the sum of what its links bring.
fn share(clustered: &Graph, links: &[(usize, usize)]) -> Option<f64> {
    let (mut same, mut all) = (0.0, 0.0);
    for &(from, to) in links {
        let (from, to) = (&clustered.nodes[from], &clustered.nodes[to]);
        if let (Some(a), Some(b)) = (&from.class, &to.class) {
            let weight = 1.0 / from.members.len().min(to.members.len()) as f64;
            all += weight;
            same += if a == b { weight } else { 0.0 };
        }
    }
    (all > 0.0).then(|| same / all)
}

/// Exchanges the ends of two links at a time, unless one would end where it begins.
fn swap(links: &mut [(usize, usize)], rng: &mut ChaCha8Rng) {
    for _ in 0..SWAPS * links.len() {
        let (i, j) = (rng.random_range(0..links.len()), rng.random_range(0..links.len()));
        let ((a, b), (c, d)) = (links[i], links[j]);
        if a != d && c != b {
            (links[i].1, links[j].1) = (d, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::Truth;
    use crate::distance::Metric;
    use crate::progress::Silent;
    use crate::topology::cluster_graph;
    use ndarray::{Array1, Array2};

    /// Eight clusters of 10 rows and four classes, two clusters each; all neighbours of a row lie in the other cluster of
    /// its class, or by `chance` in whichever of the others.
    fn planted(chance: bool) -> Option<SameClass> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut other = |row: usize| loop {
            let cluster = if chance { rng.random_range(0..8) } else { (row / 10) ^ 1 };
            if cluster != row / 10 {
                return (cluster * 10 + row % 10) as u32;
            }
        };
        let nearest = Array1::from_iter((0..80).map(&mut other)).into_shape_with_order((80, 1)).unwrap();
        let graph = KnnGraph::new(Metric::Euclidean, nearest, Array2::zeros((80, 1)));
        let clusters: Vec<_> = (0..80).map(|row| Some(row / 10)).collect();
        let truth = Truth::from_names((0..80).map(|row| Some((row / 20).to_string())));
        let names: Vec<String> = (0..8).map(|c| c.to_string()).collect();
        let x = Array2::zeros((80, 1));
        let mut clustered = cluster_graph(&graph, &clusters, x.view(), &names).unwrap();
        clustered.set_classes(&truth).unwrap();
        let found = same_class(&clustered, &graph, &clusters, 0, &Silent).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let again = pool.install(|| same_class(&clustered, &graph, &clusters, 0, &Silent).unwrap());
        assert_eq!(found, again);
        found
    }

    #[test]
    fn kin_stand_out_from_chance() {
        let found = planted(false).unwrap();
        // Each cluster's links go to one of seven others, one of which is kin.
        assert_eq!(found.share, 1.0);
        assert!((found.baseline.mean - 1.0 / 7.0).abs() < 0.05, "{found:?}");
        let found = planted(true).unwrap();
        assert!((found.share - found.baseline.mean).abs() < 4.0 * found.baseline.sd, "{found:?}");
    }

    #[test]
    fn swaps_keep_degrees() {
        let mut links: Vec<(usize, usize)> = (0..40).map(|i| (i % 5, (i % 5 + 1 + i % 3) % 5)).collect();
        let degrees = |links: &[(usize, usize)]| {
            let mut degrees = [[0; 5]; 2];
            links.iter().for_each(|&(a, b)| (degrees[0][a], degrees[1][b]) = (degrees[0][a] + 1, degrees[1][b] + 1));
            degrees
        };
        let (before, old) = (degrees(&links), links.clone());
        swap(&mut links, &mut ChaCha8Rng::seed_from_u64(3));
        assert!(links != old && degrees(&links) == before && links.iter().all(|(a, b)| a != b));
    }
}
