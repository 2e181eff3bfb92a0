//! Labels by the edges of a graph: what its neighbours say of a row, and how well clusters fit the graph.

use crate::cluster::attach::share;
use crate::collection::{ClusterId, Csr, n_clusters, sparse_row};
use rayon::prelude::*;

/// Most rounds in which rows change sides.
const ROUNDS: usize = 10;
/// What chance counts for in modularity: at 1 even heaps without structure would be cut in halves.
const RESOLUTION: f64 = 0.75;
/// Rows a task takes at a time.
const TASK: usize = 512;

/// The cluster to which the most of the weight of each of the `asked` rows leads, of equal ones the lowest; `None` where no
/// edge leads to one.
fn votes(graph: &Csr, labels: &[Option<ClusterId>], asked: &[usize]) -> Vec<Option<ClusterId>> {
    let noise = n_clusters(labels);
    let clusters: Vec<u32> = labels.iter().map(|label| label.unwrap_or(noise) as u32).collect();
    // `sums` are 0 before and after.
    let vote = |row: usize, sums: &mut [f32], seen: &mut Vec<u32>| {
        let (to, weights) = sparse_row(graph, row);
        let first = clusters[*to.first()? as usize];
        if to.iter().all(|&to| clusters[to as usize] == first) {
            return Some(first as usize).filter(|&first| first != noise);
        }
        for (&to, &weight) in to.iter().zip(weights) {
            let cluster = clusters[to as usize];
            if sums[cluster as usize] == 0.0 {
                seen.push(cluster);
            }
            sums[cluster as usize] += weight;
        }
        let sums = seen.drain(..).map(|cluster| (cluster as usize, std::mem::take(&mut sums[cluster as usize])));
        let most = sums.filter(|&(cluster, _)| cluster != noise).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        most.map(|(cluster, _)| cluster)
    };
    let tasks = asked.par_chunks(TASK).map_init(
        || (vec![0.0; noise + 1], Vec::new()),
        |(sums, seen), rows| rows.iter().map(|&row| vote(row, sums, seen)).collect::<Vec<_>>(),
    );
    tasks.collect::<Vec<_>>().concat()
}

/// Gives rows of noise, round by round, to the cluster to which the most of their weight leads. What no path joins to a
/// cluster stays.
pub(super) fn attach(graph: &Csr, labels: &mut [Option<ClusterId>]) {
    let mut noise: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_none()).collect();
    loop {
        let votes = votes(graph, labels, &noise);
        noise.iter().zip(votes).for_each(|(&row, vote)| labels[row] = vote);
        let before = noise.len();
        noise.retain(|&row| labels[row].is_none());
        if noise.len() == before {
            return;
        }
    }
}

/// Those of the `asked` rows of whose weight no more than half leads to one cluster.
pub(super) fn divided(graph: &Csr, labels: &[Option<ClusterId>], asked: &[usize]) -> Vec<usize> {
    let split = |&(&row, vote): &(&usize, Option<ClusterId>)| 2.0 * share(graph, labels, row, vote) <= 1.0;
    asked.iter().zip(votes(graph, labels, asked)).filter(split).map(|(&row, _)| row).collect()
}

/// Moves rows to the cluster of most of their weight, all at once, for some rounds: clusters that are no denser inside than
/// to others dissolve. Noise stays noise.
pub(super) fn smooth(graph: &Csr, labels: &mut [Option<ClusterId>]) {
    let mut asked: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_some()).collect();
    for _ in 0..ROUNDS {
        let votes = votes(graph, labels, &asked);
        // Only where a neighbour moved the next vote can be another.
        let mut next = vec![false; labels.len()];
        for (&row, vote) in asked.iter().zip(votes) {
            let to = vote.or(labels[row]);
            if std::mem::replace(&mut labels[row], to) != to {
                sparse_row(graph, row).0.iter().for_each(|&to| next[to as usize] = true);
            }
        }
        asked = (0..labels.len()).filter(|&row| next[row] && labels[row].is_some()).collect();
        if asked.is_empty() {
            return;
        }
    }
}

/// Newman's modularity at the resolution of Reichardt and Bornholdt, at most 1: the share of the weight that is within
/// clusters, less three quarters of what would be if each row had its weight but led anywhere. Noise is in no cluster.
pub(super) fn modularity(graph: &Csr, labels: &[Option<ClusterId>]) -> f64 {
    let n_clusters = n_clusters(labels);
    let mut weights = vec![0.0f64; n_clusters];
    let (mut within, mut total) = (0.0f64, 0.0f64);
    for (row, label) in labels.iter().enumerate() {
        let (to, values) = sparse_row(graph, row);
        let sum: f64 = values.iter().map(|&weight| f64::from(weight)).sum();
        total += sum;
        let Some(cluster) = *label else { continue };
        weights[cluster] += sum;
        let inside = to.iter().zip(values).filter(|&(&to, _)| labels[to as usize] == *label);
        within += inside.map(|(_, &weight)| f64::from(weight)).sum::<f64>();
    }
    if total > 0.0 {
        within / total - RESOLUTION * weights.iter().map(|sum| (sum / total).powi(2)).sum::<f64>()
    } else {
        0.0
    }
}
