//! Greedy k-means++.
//!
//! D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007; the greedy draws are those
//! of their own code.

use super::super::ClusterError;
use super::super::rows::Points;
use super::Draws;
use super::potential::Potential;
use crate::progress::Reporter;
use rand_chacha::ChaCha8Rng;

/// Up to `n_clusters` rows, each counting as often as `masses` says. O(n k d log k) if no image helps.
pub(in super::super) fn choose(
    draws: &impl Draws,
    masses: Option<&[f64]>,
    n_clusters: usize,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<Vec<usize>, ClusterError> {
    let mut potential = Potential::new(draws, masses);
    let mut chosen = Vec::with_capacity(n_clusters);
    if n_clusters > 0
        && let Some(first) = potential.draw(rng)
    {
        potential.begin(first);
        chosen.push(first);
    }
    go_on(&mut potential, &mut chosen, n_clusters, rng, reporter)?;
    Ok(chosen)
}

/// Chooses more rows until there are `n_clusters` of them.
pub(super) fn go_on(
    potential: &mut Potential<'_, impl Draws>,
    chosen: &mut Vec<usize>,
    n_clusters: usize,
    rng: &mut ChaCha8Rng,
    reporter: &dyn Reporter,
) -> Result<(), ClusterError> {
    // A mask of 32 bits tells candidates apart; no number of clusters asks for more.
    let n_trials = (2 + (n_clusters.max(1) as f64).ln() as usize).min(32);
    while chosen.len() < n_clusters {
        reporter.check()?;
        let drawn: Vec<usize> = (0..n_trials).map_while(|_| potential.draw(rng)).collect();
        if drawn.is_empty() {
            break;
        }
        let candidates = potential.compare(&drawn);
        chosen.push(potential.choose_best(&candidates));
    }
    // Every row that is left equals one that is chosen.
    let rows = potential.draws.rows();
    let mut taken = vec![false; rows.len()];
    chosen.iter().for_each(|&row| taken[row] = true);
    let missing = n_clusters - chosen.len();
    chosen.extend(rows.eligible().filter(|&i| !taken[i]).take(missing));
    Ok(())
}
