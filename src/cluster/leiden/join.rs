//! The order in which communities would join if the resolution fell.

use super::network::Network;
use crate::collection::{ClusterId, n_clusters};
use std::collections::BTreeMap;

/// Pairs of communities, the first to join first: each time two of the greatest weight between them over the product of
/// their masses, which is the charge at which one becomes as good as two. Those that no edges join stay apart. O(k e) for
/// k communities and e pairs that edges join, beside O(edges).
pub(super) fn joins(network: &Network, labels: &[Option<ClusterId>]) -> Vec<[(ClusterId, ClusterId); 1]> {
    let mut masses = vec![0.0; n_clusters(labels)];
    let mut between: BTreeMap<(ClusterId, ClusterId), f64> = BTreeMap::new();
    for (node, own) in labels.iter().enumerate().filter_map(|(node, label)| Some((node, (*label)?))) {
        masses[own] += network.masses[node];
        let others = network.edges(node).filter_map(|(to, weight)| Some((labels[to]?, weight)));
        others.filter(|&(other, _)| own < other).for_each(|(other, weight)| {
            *between.entry((own, other)).or_default() += weight;
        });
    }
    let mut joins = Vec::new();
    loop {
        let ratio = |(pair, weight): (&(ClusterId, ClusterId), &f64)| weight / (masses[pair.0] * masses[pair.1]);
        let Some((&(a, b), _)) = between.iter().max_by(|&x, &y| ratio(x).total_cmp(&ratio(y)).then(y.0.cmp(x.0)))
        else {
            return joins;
        };
        joins.push([(a, b)]);
        masses[a] += masses[b];
        between.remove(&(a, b));
        let moved: Vec<_> = between.keys().copied().filter(|&(x, y)| x == b || y == b).collect();
        for pair in moved {
            let weight = between.remove(&pair).expect("one of its keys");
            let other = if pair.0 == b { pair.1 } else { pair.0 };
            *between.entry((a.min(other), a.max(other))).or_default() += weight;
        }
    }
}
