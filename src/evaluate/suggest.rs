//! One number of clusters out of many criteria, with who agrees and who does not.
//!
//! The criteria are not seven independent witnesses: silhouette, Calinski-Harabasz, Davies-Bouldin and Dunn all hold
//! distances between clusters against distances within, and mostly rise and fall together; elbow and gap both read the
//! inertia. So they vote as three families of one voice each, the criteria of a family sharing it:
//!
//! - *separation* speaks as loud as the clusters are separate: with half the voice where the best silhouette is 0.25
//!   (below which there is no substantial structure; Kaufman and Rousseeuw 1990), in full from 0.5. Where rows form a
//!   continuum, these criteria fall from 2 on, whatever the rows.
//! - *spread*: elbow and gap; the gap abstains if it rises on beyond its first level by three standard errors, as it does
//!   for most pictures.
//! - *stability*, beyond that of rows without structure, in full from an excess of 0.2 in adjusted Rand index.
//!
//! Each criterion supports a number between 0 and 1 (its pick). 0 is its worst of the sweep, but for the elbow a place
//! on the chord, for stability that of rows without structure, and for the gap half or twice its pick. The number with
//! the most support wins, the smaller of equals. 1 wins, where it is judged, if the gap nowhere rises above that of one
//! cluster by three standard errors and no silhouette reaches 0.5: then nothing tells the rows from structureless ones.

use serde::{Deserialize, Serialize};

use super::{Gap, choose_by_gap, elbow};

/// Support from which a criterion that would take another number is a near miss.
const NEAR: f64 = 0.8;
/// Silhouette from which separation has its full voice: "a reasonable structure". There is none below half of it.
const REASONABLE: f64 = 0.5;
/// Excess of stability from which it has its full voice, and below which other samples have other clusters.
const STABLE: f64 = 0.2;
const UNSTABLE: f64 = 0.35 * STABLE;
/// Standard errors by which some gap must exceed that of one cluster.
const ERRORS: f64 = 3.0;

/// What judges a number of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the function of its name")]
pub enum Criterion {
    Elbow,
    Gap,
    Silhouette,
    CalinskiHarabasz,
    DaviesBouldin,
    Dunn,
    Stability,
}

impl Criterion {
    /// All, family by family.
    pub const ALL: [Self; 7] = [
        Self::Elbow,
        Self::Gap,
        Self::Silhouette,
        Self::CalinskiHarabasz,
        Self::DaviesBouldin,
        Self::Dunn,
        Self::Stability,
    ];

    /// Its name in the field.
    pub fn name(self) -> &'static str {
        match self {
            Self::Elbow => "elbow",
            Self::Gap => "gap statistic",
            Self::Silhouette => "silhouette",
            Self::CalinskiHarabasz => "Calinski-Harabasz",
            Self::DaviesBouldin => "Davies-Bouldin",
            Self::Dunn => "Dunn",
            Self::Stability => "stability",
        }
    }

    fn family(self) -> usize {
        match self {
            Self::Elbow | Self::Gap => 0,
            Self::Silhouette | Self::CalinskiHarabasz | Self::DaviesBouldin | Self::Dunn => 1,
            Self::Stability => 2,
        }
    }
}

/// The figures of one number of clusters; `None` where undefined or not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Number of clusters.
    pub n_clusters: usize,
    /// Sum of squared distances to the clusters' means.
    pub inertia: f64,
    /// Height of the inertia's bend there, at most 1, below 0 where the curve bulges ([`elbow`]).
    pub elbow: Option<f64>,
    /// The gap statistic.
    pub gap: Option<Gap>,
    /// Mean silhouette.
    pub silhouette: Option<f64>,
    /// Calinski-Harabasz index.
    pub calinski_harabasz: Option<f64>,
    /// Davies-Bouldin index.
    pub davies_bouldin: Option<f64>,
    /// Dunn index.
    pub dunn: Option<f64>,
    /// Mean adjusted Rand index between clusterings of subsamples.
    pub stability: Option<f64>,
    /// The same of a reference set without structure.
    pub reference_stability: Option<f64>,
    /// Share of the votes, 0 to 1; set by [`suggest`].
    pub support: f64,
}

impl Candidate {
    /// What `criterion` says of it, more being better.
    fn merit(&self, criterion: Criterion) -> Option<f64> {
        match criterion {
            Criterion::Elbow => self.elbow,
            Criterion::Gap => self.gap.map(|gap| gap.value),
            Criterion::Silhouette => self.silhouette,
            Criterion::CalinskiHarabasz => self.calinski_harabasz,
            Criterion::DaviesBouldin => self.davies_bouldin.map(|index| -index),
            Criterion::Dunn => self.dunn,
            Criterion::Stability => Some(self.stability? - self.reference_stability?),
        }
    }
}

/// What one criterion says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub criterion: Criterion,
    /// What it would take; `None` if it has nothing to say.
    pub n_clusters: Option<usize>,
    /// Its share of the whole vote, 0 to 1.
    pub weight: f64,
    /// How much of it goes to the number suggested, 0 to 1.
    pub support: f64,
    /// Whether it agrees.
    pub verdict: Verdict,
}

/// How a criterion stands to the suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It takes the same number.
    Agrees,
    /// It takes another, but the suggestion comes near its best.
    Near,
    /// It takes another.
    Dissents,
    /// It has nothing to say.
    Abstains,
}

/// A number of clusters, and how it came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// Number of clusters; 1 if there is no structure to be seen.
    pub n_clusters: usize,
    /// The next best number that is no neighbour of the first, and its support.
    pub runner_up: Option<usize>,
    /// The criteria.
    pub votes: Vec<Vote>,
    /// The same in sentences: the suggestion, who supports it, who dissents.
    pub reasons: Vec<String>,
}

/// Weighs the criteria of `candidates`, rising by number, by the rule at the head of this file, and sets their `elbow`
/// and `support`. `None` without candidates.
pub fn suggest(candidates: &mut [Candidate]) -> Option<Suggestion> {
    let curve: Vec<_> = candidates.iter().map(|c| (c.n_clusters, c.inertia)).collect();
    for (candidate, height) in candidates.iter_mut().zip(elbow(&curve)) {
        candidate.elbow = Some(height);
    }
    let best_silhouette = candidates.iter().filter_map(|c| c.silhouette).reduce(f64::max);
    let excess = candidates.iter().filter_map(|c| c.merit(Criterion::Stability)).reduce(f64::max);
    let structureless = is_structureless(candidates) && best_silhouette.is_none_or(|s| s < REASONABLE);
    let ballots: Vec<Ballot> = Criterion::ALL.map(|criterion| Ballot::of(criterion, candidates, structureless)).into();
    let voice = |figure: Option<f64>, full: f64| figure.map_or(0.0, |figure| (figure / full).clamp(0.0, 1.0));
    let voices = [1.0, voice(best_silhouette, REASONABLE), voice(excess, STABLE)];
    let mut weights: Vec<f64> = ballots
        .iter()
        .map(|ballot| {
            let family = ballot.criterion.family();
            let members = ballots.iter().filter(|b| b.criterion.family() == family && b.pick.is_some()).count();
            if ballot.pick.is_some() { voices[family] / members as f64 } else { 0.0 }
        })
        .collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w = if total > 0.0 { *w / total } else { 0.0 });
    for (i, candidate) in candidates.iter_mut().enumerate() {
        candidate.support = ballots.iter().zip(&weights).map(|(ballot, w)| w * ballot.support[i]).sum();
    }
    let best = match structureless {
        true => 0,
        false => most_supported(candidates, |c| c.n_clusters > 1).or((!candidates.is_empty()).then_some(0))?,
    };
    let votes: Vec<Vote> =
        ballots.iter().zip(&weights).map(|(ballot, &weight)| ballot.vote(best, candidates, weight)).collect();
    let n_clusters = candidates.get(best)?.n_clusters;
    let next = most_supported(candidates, |c| c.n_clusters > 1 && c.n_clusters.abs_diff(n_clusters) > 1);
    let runner_up = next.map(|next| candidates[next].n_clusters);
    let mut reasons = who_says_what(&votes);
    if structureless {
        reasons.insert(
            0,
            "No number of clusters describes these images better than it would images without any groups.".into(),
        );
    } else if n_clusters > 1 {
        if best_silhouette.is_some_and(|silhouette| silhouette < REASONABLE / 2.0) {
            reasons
                .push("The clusters are hardly separate: they cut up a continuum, and other cuts are as right.".into());
        }
        if excess.is_some_and(|excess| excess < UNSTABLE) {
            reasons.push("From other samples of the images, other clusters would be found.".into());
        }
        reasons.extend(runner_up.map(|next| format!("The next best number is {next}.")));
    }
    Some(Suggestion { n_clusters, runner_up, votes, reasons })
}

/// The place of the first among those with the most support.
fn most_supported(candidates: &[Candidate], eligible: impl Fn(&Candidate) -> bool) -> Option<usize> {
    let more = |a: usize, b: usize| if candidates[b].support > candidates[a].support { b } else { a };
    (0..candidates.len()).filter(|&i| eligible(&candidates[i])).reduce(more)
}

/// Whether one cluster is among the candidates and no gap of others rises above its own by more than the errors.
fn is_structureless(candidates: &[Candidate]) -> bool {
    let Some((Candidate { n_clusters: 1, gap: Some(one), .. }, rest)) = candidates.split_first() else { return false };
    let mut gaps = rest.iter().filter_map(|c| c.gap).peekable();
    gaps.peek().is_some() && gaps.all(|gap| gap.value - one.value <= ERRORS * gap.error.hypot(one.error))
}

/// What a criterion says of each candidate.
struct Ballot {
    criterion: Criterion,
    /// Place of its pick.
    pick: Option<usize>,
    /// By candidate, 0 to 1.
    support: Vec<f64>,
}

impl Ballot {
    fn of(criterion: Criterion, candidates: &[Candidate], structureless: bool) -> Self {
        let merits: Vec<Option<f64>> = candidates.iter().map(|c| c.merit(criterion)).collect();
        let none = Self { criterion, pick: None, support: vec![0.0; candidates.len()] };
        let best =
            (0..merits.len()).filter(|&i| merits[i].is_some()).reduce(|a, b| if merits[b] > merits[a] { b } else { a });
        let Some(best) = best else { return none };
        if criterion == Criterion::Gap {
            // Where one cluster is ruled out, its gap may still lie above that of two.
            let judged = candidates.iter().filter(|c| structureless || c.n_clusters > 1);
            let gaps: Vec<_> = judged.filter_map(|c| Some((c.n_clusters, c.gap?))).collect();
            let Some(pick) = choose_by_gap(&gaps) else { return none };
            // Its first level is no answer where it rises on from there.
            let level = gaps.iter().find(|(k, _)| *k == pick).map_or(f64::INFINITY, |(_, gap)| gap.value);
            if gaps.iter().any(|(_, gap)| gap.value - level > ERRORS * gap.error) {
                return none;
            }
            // Its values rise with the number, so that nearness on the axis stands for support: none from half or twice.
            let near = |c: &Candidate| 1.0 - (c.n_clusters as f64 / pick as f64).log2().abs();
            let support = candidates.iter().map(|c| near(c).max(0.0)).collect();
            return Self { criterion, pick: candidates.iter().position(|c| c.n_clusters == pick), support };
        }
        let floor = match criterion {
            Criterion::Stability | Criterion::Elbow => 0.0,
            _ => merits.iter().flatten().copied().fold(f64::INFINITY, f64::min),
        };
        let top = merits[best].unwrap_or(floor);
        if top <= floor {
            return none;
        }
        let support = merits.iter().map(|merit| merit.map_or(0.0, |m| ((m - floor) / (top - floor)).max(0.0)));
        Self { criterion, pick: Some(best), support: support.collect() }
    }

    fn vote(&self, suggested: usize, candidates: &[Candidate], weight: f64) -> Vote {
        let support = self.support[suggested];
        let verdict = match self.pick {
            None => Verdict::Abstains,
            Some(pick) if pick == suggested => Verdict::Agrees,
            Some(_) if support >= NEAR => Verdict::Near,
            Some(_) => Verdict::Dissents,
        };
        let n_clusters = self.pick.map(|pick| candidates[pick].n_clusters);
        Vote { criterion: self.criterion, n_clusters, weight, support, verdict }
    }
}

/// Who is for the suggestion and who against it, in sentences.
fn who_says_what(votes: &[Vote]) -> Vec<String> {
    let of = |verdict: Verdict| votes.iter().filter(move |vote| vote.verdict == verdict);
    let name = |vote: &Vote| vote.criterion.name().to_owned();
    let pick = |vote: &Vote| format!("{} ({})", vote.criterion.name(), vote.n_clusters.unwrap_or(1));
    let said: [(&str, Vec<String>); 4] = [
        ("For it", of(Verdict::Agrees).map(name).collect()),
        ("Near it, with their own choice", of(Verdict::Near).map(pick).collect()),
        ("Against it, with their own choice", of(Verdict::Dissents).map(pick).collect()),
        ("Without a choice in this range", of(Verdict::Abstains).map(name).collect()),
    ];
    said.into_iter()
        .filter(|(_, who)| !who.is_empty())
        .map(|(what, who)| format!("{what}: {}.", who.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests;
