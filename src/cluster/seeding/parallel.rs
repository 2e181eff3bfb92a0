//! k-means||: a few rounds that draw many rows each, instead of one round for every centroid.
//!
//! B. Bahmani, B. Moseley, A. Vattani, R. Kumar and S. Vassilvitskii, Scalable k-means++, VLDB 2012.

use super::super::ClusterError;
use super::super::rows::Points;
use super::potential::Potential;
use super::{Draws, directed, plus_plus};
use crate::progress::Reporter;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rounds of draws.
const ROUNDS: usize = 5;
/// Rows that a round draws on average, for each cluster.
const OVERSAMPLING: f64 = 2.0;

/// `n_clusters` rows, no more than there are with a direction. O(n k d) with blocked products; memory O(n), and the
/// candidates.
pub(super) fn choose(
    draws: &impl Draws,
    n_clusters: usize,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<Vec<usize>, ClusterError> {
    let rows = draws.rows();
    let mut potential = Potential::new(draws, None);
    let Some(first) = potential.draw(rng) else { return Ok(vec![]) };
    potential.begin(first);
    let mut candidates = vec![first];
    // The candidate nearest to each row.
    let mut owners = vec![0u32; rows.len()];
    for _ in 0..ROUNDS {
        reporter.check()?;
        let share = OVERSAMPLING * n_clusters as f64 / potential.total();
        let drawn: Vec<usize> = potential
            .squared()
            .iter()
            .enumerate()
            .filter(|&(_, &squared)| squared > 0.0 && rng.random::<f64>() < share * squared)
            .map(|(i, _)| i)
            .collect();
        if drawn.is_empty() {
            continue;
        }
        let labels = draws.nearest(&directed(draws.vectors(&drawn), rows.metric()));
        let squared: Vec<f64> = (0..rows.len())
            .into_par_iter()
            .map(|i| if rows.is_blank(i) { 0.0 } else { draws.between(i, drawn[labels[i] as usize]) })
            .collect();
        let base = candidates.len() as u32;
        let known = potential.squared().par_iter().zip(&squared).zip(&labels);
        owners.par_iter_mut().zip(known).for_each(|(owner, ((old, new), label))| {
            if new < old {
                *owner = base + label;
            }
        });
        potential.update(|i, old| old.min(squared[i]));
        candidates.extend(drawn);
    }
    if candidates.len() <= n_clusters {
        plus_plus::go_on(&mut potential, &mut candidates, n_clusters, rng, reporter)?;
        return Ok(candidates);
    }
    let mut masses = vec![0.0; candidates.len()];
    rows.eligible().for_each(|i| masses[owners[i] as usize] += 1.0);
    let chosen = draws.choose_among(&candidates, &masses, n_clusters, rng, reporter)?;
    Ok(chosen.into_iter().map(|at| candidates[at]).collect())
}
