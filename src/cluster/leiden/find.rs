//! From a graph to its communities: level by level, round by round, and at the resolution that makes as many as are asked
//! for.

use super::moves::{move_nodes, refine};
use super::network::{Network, Parts};
use crate::progress::{Interrupted, Reporter};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The least gain of a round that another one follows.
const LEAST_GAIN: f64 = 1e-9;
/// Resolutions that are tried in search of a number of communities.
const TRIES: usize = 30;
/// Below this the only resolution is 0, at which all that is connected is one community.
const LEAST_RESOLUTION: f64 = 1e-3;
/// Two resolutions as near as this are one.
const NEAR: f64 = 1e-4;

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub n_clusters: Option<usize>,
    pub resolution: f64,
    pub min_cluster_size: usize,
    pub max_iterations: usize,
    pub seed: u64,
}

/// Communities at one resolution.
pub(super) struct Division {
    pub parts: Parts,
    /// Members of each.
    pub sizes: Vec<usize>,
    pub resolution: f64,
    pub n_iterations: usize,
    pub converged: bool,
}

/// The communities at the resolution that is wanted, or at one that makes as many of the least size as are, or nearly.
pub(super) fn divide(
    network: &Network,
    rate: impl Fn(f64) -> f64,
    wanted: &Wanted,
    reporter: &dyn Reporter,
) -> Result<Division, Interrupted> {
    let Some(n_clusters) = wanted.n_clusters else {
        return at(network, &rate, wanted.resolution, wanted, reporter);
    };
    let (mut low, mut high) = (0.0f64, f64::INFINITY);
    let mut resolution = if wanted.resolution > 0.0 { wanted.resolution } else { 1.0 };
    let mut best: Option<(usize, Division)> = None;
    for _ in 0..TRIES {
        let division = at(network, &rate, resolution, wanted, reporter)?;
        let found = division.sizes.iter().filter(|&&size| size >= wanted.min_cluster_size).count();
        let far = found.abs_diff(n_clusters);
        if best.as_ref().is_none_or(|(least, _)| far < *least) {
            best = Some((far, division));
        }
        if far == 0 || resolution == 0.0 {
            break;
        }
        *if found < n_clusters { &mut low } else { &mut high } = resolution;
        resolution = match (low, high) {
            (low, f64::INFINITY) => 2.0 * low,
            (0.0, high) if high < 2.0 * LEAST_RESOLUTION => 0.0,
            (0.0, high) => high / 2.0,
            (low, high) if high < low * (1.0 + NEAR) => break,
            (low, high) => (low * high).sqrt(),
        };
    }
    Ok(best.expect("one was tried").1)
}

/// The communities at a resolution, none of fewer rows than wanted but what no edge joins to others.
fn at(
    network: &Network,
    rate: impl Fn(f64) -> f64,
    resolution: f64,
    wanted: &Wanted,
    reporter: &dyn Reporter,
) -> Result<Division, Interrupted> {
    let rate = rate(resolution);
    let mut rng = ChaCha8Rng::seed_from_u64(wanted.seed);
    let mut parts = Parts::single(network.len());
    let mut most = quality(network, &parts, rate);
    let (mut n_iterations, mut converged) = (0, false);
    while n_iterations < wanted.max_iterations && !converged {
        n_iterations += 1;
        let found = round(network, rate, parts.clone(), &mut rng, reporter)?;
        let value = quality(network, &found, rate);
        converged = value <= most + LEAST_GAIN;
        if value > most {
            (parts, most) = (found, value);
        }
    }
    let sizes = absorb(network, &mut parts, wanted.min_cluster_size);
    Ok(Division { parts, sizes, resolution, n_iterations, converged })
}

/// Better communities than those given, each of them connected: nodes move, the communities are divided into parts, the
/// parts are the nodes of the next graph, until nothing comes together.
pub(super) fn round(
    network: &Network,
    rate: f64,
    mut communities: Parts,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<Parts, Interrupted> {
    let mut found = Parts::single(network.len());
    let mut coarse = None;
    loop {
        reporter.check()?;
        let network = coarse.as_ref().unwrap_or(network);
        communities = move_nodes(network, rate, &communities, rng, reporter)?;
        let parts = refine(network, rate, &communities, rng);
        if parts.n_parts == network.len() {
            return Ok(found);
        }
        let mut above = vec![0; parts.n_parts];
        parts.of.iter().zip(&communities.of).for_each(|(&part, &community)| above[part as usize] = community);
        communities = Parts::named(above);
        found.of.iter_mut().for_each(|node| *node = parts.of[*node as usize]);
        found.n_parts = parts.n_parts;
        coarse = Some(network.of_parts(&parts));
    }
}

/// The weight within communities, less what they are charged for their masses, as a share of all weight; 0 if there is
/// none.
pub(super) fn quality(network: &Network, parts: &Parts, rate: f64) -> f64 {
    if network.total == 0.0 {
        return 0.0;
    }
    let coarse = network.of_parts(parts);
    let between: f64 = (0..coarse.len()).flat_map(|part| coarse.edges(part)).map(|(_, weight)| weight).sum();
    let charged: f64 = coarse.masses.iter().map(|mass| rate * mass * mass).sum();
    (network.total - between - charged) / network.total
}

/// Joins communities of fewer than `least` nodes, the smallest first, each to the one to which most of its weight leads,
/// until there are none or no edge leads out of them. The sizes of what there is then.
fn absorb(network: &Network, parts: &mut Parts, least: usize) -> Vec<usize> {
    loop {
        let mut sizes = vec![0; parts.n_parts];
        parts.of.iter().for_each(|&part| sizes[part as usize] += 1);
        let mut small: Vec<usize> = (0..parts.n_parts).filter(|&part| sizes[part] < least).collect();
        if small.is_empty() {
            return sizes;
        }
        small.sort_by_key(|&part| sizes[part]);
        let coarse = network.of_parts(parts);
        let mut into: Vec<u32> = (0..parts.n_parts as u32).collect();
        let mut joined = vec![false; parts.n_parts];
        let mut gone = vec![false; parts.n_parts];
        for part in small {
            let heaviest = coarse.edges(part).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            // What has just taken another in is asked in the next turn, at the size that it has then.
            if let Some((to, _)) = heaviest.filter(|&(to, _)| !joined[part] && !gone[to]) {
                into[part] = to as u32;
                (gone[part], joined[to]) = (true, true);
            }
        }
        if !gone.contains(&true) {
            return sizes;
        }
        *parts = Parts::named(parts.of.iter().map(|&part| into[part as usize]).collect());
    }
}
