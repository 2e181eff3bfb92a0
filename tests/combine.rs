//! Joined extractors as a user meets them: every command that takes `--model`, the cache, saved models, usage errors.

use alike::collection::Embeddings;
use alike::embed::files;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn digits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits")
}

/// A directory with a list of some digits.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let mut list = String::from("path,label\n");
        for class in ["0", "1", "4", "7"] {
            let mut files: Vec<_> = fs::read_dir(digits().join(class)).unwrap().map(|e| e.unwrap().path()).collect();
            files.sort();
            files.iter().take(12).for_each(|file| list += &format!("{},{class}\n", file.display()));
        }
        fs::write(desk.0.path().join("in.csv"), list).unwrap();
        desk
    }

    fn alike(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alike"));
        command.env("ALIKE_CACHE", self.0.path().join("cache")).env("HF_HUB_CACHE", self.0.path().join("hub"));
        command.args(args).current_dir(self.0.path()).output().unwrap()
    }

    /// Runs, gives the JSON object printed.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.alike(&[args, &["--format", "json", "--quiet"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    fn rows(&self, name: &str) -> Embeddings {
        files::read(&self.0.path().join(name)).unwrap()
    }
}

fn clusters(assigned: &Value) -> Vec<u64> {
    assigned["images"].as_array().unwrap().iter().map(|image| image["cluster"].as_u64().unwrap()).collect()
}

#[test]
fn a_combination_costs_nothing_where_its_parts_are_cached() {
    let desk = Desk::new();
    let embed = |model: &str, out: &str| desk.json(&["embed", "in.csv", "--model", model, "--out", out]);
    let pixels = embed("pixels", "pixels.npy");
    let gradients = embed("gradients", "gradients.npy");
    let both = embed("pixels+gradients:2", "both.npy");
    assert_eq!((&both["cached"], &both["model"]), (&48.into(), &"pixels+gradients:2".into()));
    let n_features = |json: &Value| json["n_features"].as_u64().unwrap();
    assert_eq!(n_features(&both), n_features(&pixels) + n_features(&gradients));
    let wide = embed("gradients+pixels", "wide.npz");
    assert_eq!(wide["cached"], 48, "sparse rows, from dense ones");
    let (both, wide) = (desk.rows("both.npy"), desk.rows("wide.npz"));
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
    let desk = Desk::new();
    let model = ["--model", "pixels:3+gradients", "--size", "6x6", "--clusters", "4"];
    let cluster = ["cluster", "in.csv", "--out", "labels.csv", "--save", "model.alike"];
    let found = desk.json(&[&cluster[..], &model].concat());
    assert!(found["scores"]["ari"].as_f64().unwrap() > 0.7, "{found}");
    let labels = String::from_utf8(desk.bytes("labels.csv")).unwrap();
    let labels: Vec<u64> = labels.lines().skip(1).map(|l| l.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(clusters(&desk.json(&["assign", "model.alike", "in.csv", "--no-cache"])), labels);

    let sort = [&["sort", "in.csv", "--out", "sorted"][..], &model].concat();
    let sorted = desk.json(&sort);
    assert_eq!((&sorted["extractor"], &sorted["n_features"]), (&"pixels:3+gradients".into(), &found["n_features"]));
    assert_eq!(clusters(&desk.json(&["assign", "sorted/model.alike", "in.csv"])), labels);
    assert_eq!(desk.json(&sort)["unchanged"], true);
    let reweighted =
        desk.json(&["sort", "in.csv", "--out", "sorted", "--model", "pixels+gradients", "--clusters", "4"]);
    assert_eq!(reweighted["unchanged"], false, "other weights are another run");
    let report = String::from_utf8(desk.bytes("sorted/report.html")).unwrap();
    assert!(report.contains("pixels+gradients, "), "the report names them");
    assert_eq!(
        desk.json(&[&["choose", "in.csv", "--to", "6"], &model[..4]].concat())["n_features"],
        found["n_features"]
    );
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let desk = Desk::new();
    let mut seen = Vec::new();
    for threads in ["1", "2", "3", "4"] {
        let common = ["--model", "pixels+gradients:0.5", "--threads", threads, "--no-cache"];
        desk.json(&[&["embed", "in.csv", "--out", "rows.npy"][..], &common].concat());
        let cluster = ["cluster", "in.csv", "--out", "labels.csv", "--save", "model.alike", "--clusters", "4"];
        desk.json(&[&cluster[..], &common].concat());
        seen.push(["rows.npy", "labels.csv", "model.alike"].map(|file| desk.bytes(file)));
    }
    assert!(seen.iter().all(|files| *files == seen[0]));
}

#[test]
fn models_that_cannot_be_meant_are_refused_and_the_known_ones_named() {
    let desk = Desk::new();
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
    assert!(!desk.0.path().join("rows.npy").exists());
}

/// `tests/data/pixels.alike` is `alike cluster DIR --model pixels --size 4x4 --reduce none -k 2` of the first twenty
/// zeros and ones, saved before extractors could be joined; the counts are that program's.
#[test]
fn a_model_from_before_combinations_assigns_as_it_did() {
    let desk = Desk::new();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pixels.alike");
    for (class, expected) in [("0", vec![(0, 178)]), ("1", vec![(0, 104), (1, 78)])] {
        let input = digits().join(class);
        let assigned = desk.json(&["assign", model.to_str().unwrap(), input.to_str().unwrap()]);
        let mut counts = BTreeMap::new();
        clusters(&assigned).into_iter().for_each(|cluster| *counts.entry(cluster).or_insert(0) += 1);
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected, "{class}");
    }
}
