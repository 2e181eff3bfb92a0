//! What scikit-learn finds in the same rows: see `tests/data/clusterers.py` for its version and the recipe.

use super::*;
use crate::progress::Silent;
use ndarray::Array2;
use serde_json::Value;
use std::collections::BTreeSet;

fn expected() -> Value {
    serde_json::from_str(include_str!("../../tests/data/clusterers.json")).unwrap()
}

fn rows(value: &Value) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = serde_json::from_value(value.clone()).unwrap();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn fit(algorithm: Algorithm, x: &Array2<f32>) -> Clustering {
    algorithm.fit(x.view(), &Silent).unwrap()
}

/// Whether the labels are the expected ones under other names; -1 is noise.
fn assert_same(found: &[Option<usize>], expected: &Value) {
    let expected: Vec<i64> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(found.len(), expected.len());
    let pairs: BTreeSet<(Option<usize>, i64)> = found.iter().copied().zip(expected).collect();
    assert!(pairs.iter().all(|(ours, theirs)| ours.is_none() == (*theirs == -1)), "{pairs:?}");
    let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) = pairs.iter().copied().unzip();
    assert!(pairs.len() == ours.len() && pairs.len() == theirs.len(), "{pairs:?}");
}

#[test]
fn dbscan_finds_the_same_clusters_core_rows_and_noise() {
    let expected = expected();
    let x = rows(&expected["moons"]);
    let found = fit(Algorithm::Dbscan(DbscanParams::new().eps(0.2)), &x);
    assert_same(&found.labels, &expected["dbscan"]);
    let Assigner::Density(density) = &found.assigner else { panic!("core rows") };
    let core: Vec<usize> = serde_json::from_value(expected["dbscan_core"].clone()).unwrap();
    assert_eq!(density.core, x.select(ndarray::Axis(0), &core));
    // An offset that products in f32 can't tell from the rows.
    let whole = x.mapv(|v| (v * 64.0).round());
    let near = fit(Algorithm::Dbscan(DbscanParams::new().eps(11.0)), &whole);
    let far = fit(Algorithm::Dbscan(DbscanParams::new().eps(11.0)), &(&whole + 1e6));
    assert!(near.n_clusters() > 1, "{}", near.n_clusters());
    assert_eq!(far.labels, near.labels);
}

#[test]
fn the_radius_left_open_parts_the_moons() {
    let x = rows(&expected()["moons"]);
    let found = fit(Algorithm::Dbscan(DbscanParams::new()), &x);
    let Assigner::Density(density) = &found.assigner else { panic!("core rows") };
    assert!((0.1..0.5).contains(&density.eps), "{}", density.eps);
    let noise = found.labels.iter().filter(|label| label.is_none()).count();
    assert!((10..60).contains(&noise), "{noise}");
}

#[test]
fn a_mixture_is_fitted_as_well() {
    let expected = expected();
    let x = rows(&expected["tilted"]);
    let found = fit(Algorithm::Mixture(MixtureParams::new(3).tolerance(1e-6).max_iterations(1000)), &x);
    assert!(found.converged);
    assert_same(&found.labels, &expected["mixture"]);
    let Assigner::Mixture(mixture) = &found.assigner else { panic!("a mixture") };
    let means = rows(&expected["mixture_means"]);
    for mean in mixture.means.outer_iter() {
        let off = means.outer_iter().map(|m| (&m - &mean).mapv(f32::abs).fold(0.0, |a: f32, b| a.max(*b)));
        assert!(off.fold(f32::INFINITY, f32::min) < 5e-3, "{mean} of {means}");
    }
    let components = mixture.components();
    let squared: Vec<Vec<f64>> = components.iter().map(|component| component.squared(x.view())).collect();
    let logs = |row: usize| components.iter().zip(&squared).map(move |(c, squared)| c.log_density(squared[row]));
    let mean = (0..x.nrows()).map(|row| gaussians::log_sum(logs(row))).sum::<f64>() / x.nrows() as f64;
    let theirs = expected["mixture_log_density"].as_f64().unwrap();
    assert!((mean - theirs).abs() < 1e-4, "{mean} where {theirs} is found");
    let confidences: Vec<f64> = mixture.assign(x.view()).iter().map(|a| a.confidence.unwrap()).collect();
    assert!(confidences.iter().any(|c| *c < 0.9) && confidences.iter().any(|c| *c > 0.999));
}

/// Local optima differ; none should be much worse.
#[test]
fn inertias_are_as_low() {
    let expected = expected();
    let x = rows(&expected["even"]);
    for (algorithm, theirs, worse) in [
        (Algorithm::Bisecting(BisectingParams::new(8)), "bisecting", 1.01),
        (Algorithm::Bisecting(BisectingParams::new(8).split(Split::Size)), "bisecting_largest", 1.01),
        (Algorithm::MiniBatch(MiniBatchParams::new(8).batch(64)), "minibatch", 1.03),
    ] {
        let (ours, theirs) = (fit(algorithm, &x).inertia.unwrap(), expected[theirs].as_f64().unwrap());
        assert!(ours < worse * theirs, "{ours} where {theirs} is found");
        assert!(ours > 0.8 * theirs, "{ours} where {theirs} is found: too good to be true");
    }
}
