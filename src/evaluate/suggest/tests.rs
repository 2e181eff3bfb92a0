//! What the criteria suggest together, from figures set by hand.

use super::*;

fn candidate(n_clusters: usize, inertia: f64) -> Candidate {
    Candidate { n_clusters, inertia, ..Candidate::default() }
}

#[test]
fn correlated_criteria_have_one_voice() {
    // Four criteria of separation for 2, elbow and stability for 3.
    let mut candidates =
        [candidate(1, 100.0), candidate(2, 70.0), candidate(3, 20.0), candidate(4, 15.0), candidate(5, 10.0)];
    for (c, stable) in candidates[1..].iter_mut().zip([0.3, 0.9, 0.4, 0.4]) {
        let k = c.n_clusters as f64;
        (c.silhouette, c.calinski_harabasz, c.dunn) = (Some(0.9 / k), Some(1.0 / k), Some(1.0 / k));
        (c.davies_bouldin, c.stability, c.reference_stability) = (Some(k), Some(stable), Some(0.2));
    }
    let found = suggest(&mut candidates).unwrap();
    assert_eq!(found.n_clusters, 3);
    let verdict = |criterion| found.votes.iter().find(|vote| vote.criterion == criterion).unwrap().verdict;
    assert_eq!([verdict(Criterion::Elbow), verdict(Criterion::Stability)], [Verdict::Agrees; 2]);
    assert_eq!([verdict(Criterion::Silhouette), verdict(Criterion::Dunn)], [Verdict::Dissents; 2]);
    assert_eq!(verdict(Criterion::Gap), Verdict::Abstains);
    assert!((found.votes.iter().map(|vote| vote.weight).sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(
        found.reasons[0].contains("elbow, stability") && found.reasons[1].contains("silhouette (2)"),
        "{:?}",
        found.reasons
    );
}

#[test]
fn one_cluster_wins_where_no_gap_rises_and_only_there() {
    let sweep = |gaps: [f64; 4]| {
        let mut candidates: Vec<Candidate> = (1..=4).map(|k| candidate(k, 10.0 / k as f64)).collect();
        candidates.iter_mut().zip(gaps).for_each(|(c, value)| c.gap = Some(Gap { value, error: 0.01 }));
        suggest(&mut candidates).unwrap().n_clusters
    };
    assert_eq!(sweep([0.5, 0.48, 0.51, 0.52]), 1);
    assert_eq!(sweep([0.5, 0.48, 0.9, 0.8]), 3);
}

#[test]
fn a_sweep_without_figures_still_answers() {
    assert_eq!(suggest(&mut []), None);
    assert_eq!(suggest(&mut [candidate(1, 0.0)]).unwrap().n_clusters, 1);
    assert_eq!(suggest(&mut [candidate(1, 0.0), candidate(2, 0.0)]).unwrap().n_clusters, 2);
    assert!(elbow(&[]).is_empty() && elbow(&[(4, 1.0)]) == [0.0]);
}

/// Numbers from 2 on that differ in these figures alone: the silhouettes, and stability with that of rows without
/// structure.
fn figures(silhouettes: &[f64], stabilities: &[[f64; 2]]) -> Vec<Candidate> {
    let numbers = 2..2 + silhouettes.len().max(stabilities.len());
    let mut candidates: Vec<Candidate> = numbers.map(|k| candidate(k, 1.0)).collect();
    candidates.iter_mut().zip(silhouettes).for_each(|(c, &silhouette)| c.silhouette = Some(silhouette));
    for (c, &[stability, reference]) in candidates.iter_mut().zip(stabilities) {
        (c.stability, c.reference_stability) = (Some(stability), Some(reference));
    }
    candidates
}

fn says(found: &Suggestion, what: &str) -> bool {
    found.reasons.iter().any(|reason| reason.contains(what))
}

#[test]
fn separate_clusters_are_more_than_one_though_no_gap_rises() {
    let mut candidates = [vec![candidate(1, 1.0)], figures(&[0.3, 0.7, 0.4], &[])].concat();
    candidates.iter_mut().for_each(|c| c.gap = Some(Gap { value: 0.5, error: 0.01 }));
    assert_eq!(suggest(&mut candidates).unwrap().n_clusters, 3);
}

#[test]
fn stability_counts_beyond_that_of_rows_without_structure() {
    let found = suggest(&mut figures(&[], &[[0.9, 0.9], [0.8, 0.2]])).unwrap();
    assert_eq!(found.n_clusters, 3);
    assert!(!says(&found, "other samples") && !says(&found, "hardly separate"), "{:?}", found.reasons);
    let found = suggest(&mut figures(&[], &[[0.9, 0.9], [0.8, 0.75]])).unwrap();
    assert!(says(&found, "other samples"), "{:?}", found.reasons);
}

#[test]
fn separation_has_little_to_say_of_a_continuum() {
    let stable = [[0.2, 0.2], [0.2, 0.2], [0.2, 0.2], [0.9, 0.2]];
    let found = suggest(&mut figures(&[0.05, 0.04, 0.03, 0.02], &stable)).unwrap();
    assert_eq!(found.n_clusters, 5);
    let silhouette = found.votes.iter().find(|vote| vote.criterion == Criterion::Silhouette).unwrap();
    assert!(silhouette.n_clusters == Some(2) && (silhouette.weight - 0.1 / 1.1).abs() < 1e-12, "{silhouette:?}");
    assert!(says(&found, "hardly separate") && says(&found, "next best number is 2"), "{:?}", found.reasons);
}

#[test]
fn one_number_is_described_by_its_figures() {
    let found = suggest(&mut figures(&[0.97], &[[1.0, 0.3]])).unwrap();
    assert_eq!((found.n_clusters, found.reasons.len()), (2, 2), "{:?}", found.reasons);
    let mut alone = [Candidate { gap: Some(Gap { value: 0.5, error: 0.01 }), ..candidate(1, 1.0) }];
    let found = suggest(&mut alone).unwrap();
    assert!(found.n_clusters == 1 && !says(&found, "No number"), "{:?}", found.reasons);
}
