//! Joined extractors as a user meets them: every command that takes `--model`, the cache, saved models, usage errors.

mod common;

use alike::collection::Embeddings;
use alike::embed::files;
use common::{Desk, digits};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A desk with a list of some digits.
fn desk() -> Desk {
    let desk = Desk::new();
    let line = |(class, file): (&str, PathBuf)| format!("{},{class}\n", file.display());
    fs::write(desk.path("in.csv"), format!("path,label\n{}", digits(12).into_iter().map(line).collect::<String>()))
        .unwrap();
    desk
}

fn bytes(desk: &Desk, name: &str) -> Vec<u8> {
    fs::read(desk.path(name)).unwrap()
}

fn rows(desk: &Desk, name: &str) -> Embeddings {
    files::read(&desk.path(name)).unwrap()
}

fn clusters(assigned: &Value) -> Vec<u64> {
    assigned["images"].as_array().unwrap().iter().map(|image| image["cluster"].as_u64().unwrap()).collect()
}

#[test]
fn a_combination_costs_nothing_where_its_parts_are_cached() {
    let desk = desk();
    let embed = |model: &str, out: &str| desk.json(0, &["embed", "in.csv", "--model", model, "--out", out]);
    let pixels = embed("pixels", "pixels.npy");
    let gradients = embed("gradients", "gradients.npy");
    let both = embed("pixels+gradients:2", "both.npy");
    assert_eq!((&both["cached"], &both["model"]), (&48.into(), &"pixels+gradients:2".into()));
    let n_features = |json: &Value| json["n_features"].as_u64().unwrap();
    assert_eq!(n_features(&both), n_features(&pixels) + n_features(&gradients));
    let wide = embed("gradients+pixels", "wide.npz");
    assert_eq!(wide["cached"], 48, "sparse rows, from dense ones");
    let (both, wide) = (rows(&desk, "both.npy"), rows(&desk, "wide.npz"));
    let at = n_features(&pixels) as usize;
    for (both, wide) in both.view().outer_iter().zip(wide.features().to_dense().outer_iter()) {
        let (pixels, gradients) = both.split_at(ndarray::Axis(0), at);
        let (single, last) = wide.split_at(ndarray::Axis(0), wide.len() - at);
        assert_eq!(pixels, last);
        assert!(gradients.iter().zip(single).all(|(double, single)| (double - 2.0 * single).abs() < 1e-6));
    }
}

#[test]
fn a_saved_model_embeds_new_images_the_same_way() {
    let desk = desk();
    let model = ["--model", "pixels:3+gradients", "--size", "6x6", "--clusters", "4"];
    let cluster = ["cluster", "in.csv", "--out", "labels.csv", "--save", "model.alike"];
    let found = desk.json(0, &[&cluster[..], &model].concat());
    assert!(found["scores"]["ari"].as_f64().unwrap() > 0.7, "{found}");
    let labels = String::from_utf8(bytes(&desk, "labels.csv")).unwrap();
    let labels: Vec<u64> = labels.lines().skip(1).map(|l| l.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(clusters(&desk.json(0, &["assign", "model.alike", "in.csv", "--no-cache"])), labels);

    let sort = [&["sort", "in.csv", "--out", "sorted"][..], &model].concat();
    let sorted = desk.json(0, &sort);
    assert_eq!((&sorted["extractor"], &sorted["n_features"]), (&"pixels:3+gradients".into(), &found["n_features"]));
    assert_eq!(clusters(&desk.json(0, &["assign", "sorted/model.alike", "in.csv"])), labels);
    assert_eq!(desk.json(0, &sort)["unchanged"], true);
    let reweighted =
        desk.json(0, &["sort", "in.csv", "--out", "sorted", "--model", "pixels+gradients", "--clusters", "4"]);
    assert_eq!(reweighted["unchanged"], false, "other weights are another run");
    let report = String::from_utf8(bytes(&desk, "sorted/report.html")).unwrap();
    assert!(report.contains("pixels+gradients, "), "the report names them");
    assert_eq!(
        desk.json(0, &[&["choose", "in.csv", "--to", "6"], &model[..4]].concat())["n_features"],
        found["n_features"]
    );
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let desk = desk();
    let mut seen = Vec::new();
    for threads in ["1", "2", "3", "4"] {
        let common = ["--model", "pixels+gradients:0.5", "--threads", threads, "--no-cache"];
        desk.json(0, &[&["embed", "in.csv", "--out", "rows.npy"][..], &common].concat());
        let cluster = ["cluster", "in.csv", "--out", "labels.csv", "--save", "model.alike", "--clusters", "4"];
        desk.json(0, &[&cluster[..], &common].concat());
        seen.push(["rows.npy", "labels.csv", "model.alike"].map(|file| bytes(&desk, file)));
    }
    assert!(seen.iter().all(|files| *files == seen[0]));
}

#[test]
fn models_that_cannot_be_meant_are_refused_and_the_known_ones_named() {
    let desk = desk();
    let error = |more: &[&str]| {
        let output = desk.alike(&[&["embed", "in.csv", "--out", "rows.npy"], more].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {error}");
        error
    };
    for (model, said) in [
        ("nonsense", "pixels, gradients"),
        ("pixels+nonsense", "pixels, gradients"),
        ("pixels+", "pixels, gradients"),
        ("", "pixels, gradients"),
        ("auto+pixels", "auto alone"),
        ("pixels*2+gradients", "pixels, gradients"),
        ("gradients+pixels+gradients:2", "gradients is there twice"),
        ("pixels:2", "beside another"),
        ("pixels:0+gradients", "from 0.001 to 1000"),
        ("pixels:nan+gradients", "from 0.001 to 1000"),
        ("pixels:+gradients", "from 0.001 to 1000"),
        ("pixels:1:2+gradients", "from 0.001 to 1000"),
    ] {
        assert!(error(&["--model", model]).contains(said), "{model}");
    }
    assert!(error(&["--model", "gradients", "--colour", "grey"]).contains("pixels"));
    assert!(error(&["--size", "8x8"]).contains("pixels"));
    assert!(!desk.path("rows.npy").exists());
}

/// `tests/data/pixels.alike` is `alike cluster DIR --model pixels --size 4x4 --reduce none -k 2` of the first twenty
/// zeros and ones, saved before extractors could be joined; the counts are that program's.
#[test]
fn a_model_from_before_combinations_assigns_as_it_did() {
    let desk = desk();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = shipped.join("tests/data/pixels.alike");
    for (class, expected) in [("0", vec![(0, 178)]), ("1", vec![(0, 104), (1, 78)])] {
        let input = shipped.join("data/digits").join(class);
        let assigned = desk.json(0, &["assign", model.to_str().unwrap(), input.to_str().unwrap()]);
        let mut counts = BTreeMap::new();
        clusters(&assigned).into_iter().for_each(|cluster| *counts.entry(cluster).or_insert(0) += 1);
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected, "{class}");
    }
}
