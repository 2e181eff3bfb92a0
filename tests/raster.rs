//! `alike raster` as a user runs it.

mod common;

use common::Desk;
use std::fs;
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn classify_leaves_labels_pictures_and_an_animation() {
    let desk = Desk::new();
    desk.json(0, &["synth", "lattice", "--out", "p.npy"]);
    let run = ["raster", "classify", "p.npy", "--out", "out", "--side", "200", "--boundary", "torus"];
    let told = desk.json(0, &run);
    assert_eq!(told["loops"].as_array().unwrap().len(), 3);
    let agreement = told["agreement"].as_f64().unwrap();
    assert!((0.35..0.5).contains(&agreement), "{agreement}");
    let stills = ["density-001.png", "density-002.png", "density-003.png", "first-last.png", "labels-001.png"];
    let rest = ["labels-002.png", "labels-003.png", "labels-drawn.png", "labels.csv"];
    assert_eq!(names(&desk.path("out")), [&["animation.gif"], &stills[..], &rest[..]].concat());
    let wide = image::open(desk.path("out/first-last.png")).unwrap();
    assert_eq!((wide.width(), wide.height()), (408, 200));
    let labels = fs::read_to_string(desk.path("out/labels.csv")).unwrap();
    assert!(labels.starts_with("id,label,confidence\n00000,"), "{}", &labels[..60]);
    assert_eq!(labels.lines().count(), 10_203);

    let before = fs::read(desk.path("out/labels.csv")).unwrap();
    let error = desk.error(1, &run);
    assert!(error.contains("out is not empty"), "{error}");
    assert_eq!(fs::read(desk.path("out/labels.csv")).unwrap(), before);
}

#[test]
fn fractal_by_every_method() {
    let desk = Desk::new();
    desk.json(0, &["synth", "blobs", "--out", "p.csv", "--count", "300"]);
    for (method, stills) in
        [("voter", "labels-0040.png"), ("pinned", "labels-0025.png"), ("harmonic", "probability-002.png")]
    {
        let common = ["raster", "fractal", "p.csv", "--out", method, "--side", "64"];
        let told = desk.json(0, &[&common[..], &["--method", method, "--loops", "40", "--growing", "20"]].concat());
        let names = names(&desk.path(method));
        assert!(names.iter().any(|name| name == stills) && names.contains(&"first-last.png".into()), "{names:?}");
        assert!(told["agreement"].as_f64().unwrap() > if method == "voter" { 0.8 } else { 0.95 }, "{told}");
    }
}

#[test]
fn points_of_many_dimensions_and_of_unknown_classes() {
    let desk = Desk::new();
    let rows: String = (0..60)
        .map(|i| {
            let at = if i % 2 == 0 { 0.0 } else { 5.0 } + f64::from(i % 7) / 10.0;
            let label = if i < 50 { ["even", "odd"][i as usize % 2] } else { "" };
            format!("r{i},{at},{at},{at},{at},{at},{label}\n")
        })
        .collect();
    fs::write(desk.path("p.csv"), format!("id,a,b,c,d,e,label\n{rows}")).unwrap();
    let told = desk.json(0, &["raster", "classify", "p.csv", "--out", "out", "--side", "16"]);
    assert_eq!((told["n_samples"].as_u64(), told["n_known"].as_u64()), (Some(60), Some(50)));
    assert_eq!(told["agreement"].as_f64(), Some(1.0));
    let labels = fs::read_to_string(desk.path("out/labels.csv")).unwrap();
    assert!(labels.contains("\nr58,even,") && labels.contains("\nr59,odd,"), "{labels}");

    let refused = |args: &[&str], said: &str| {
        let error = desk.error(1, args);
        assert!(error.contains(said), "{args:?}: {error}");
    };
    refused(&["raster", "fractal", "p.csv", "--out", "new"], "5 dimensions");
    refused(&["raster", "classify", "p.csv", "--out", "new", "--boundary", "torus"], "two columns");
    fs::write(desk.path("q.csv"), "x,y\n1,2\n3,?\n").unwrap();
    refused(&["raster", "classify", "q.csv", "--out", "new"], "row 2, column y: expected a number, found \"?\"");
    fs::write(desk.path("q.csv"), "x,y\n1,2\n3,4\n").unwrap();
    refused(&["raster", "classify", "q.csv", "--out", "new"], "give --truth");
}

/// Beside a column of thousands, one of units is a line, unless each fills the picture.
#[test]
fn columns_of_different_units() {
    let desk = Desk::new();
    let rows: String = (0..2000)
        .map(|i| {
            let (u, v) = (f64::from(i * 7 % 100) / 100.0, f64::from(i * 11 % 97) / 97.0);
            format!("{},{}\n", 3.0 * f64::from(i % 2) + u, 9000.0 * v)
        })
        .collect();
    fs::write(desk.path("p.csv"), format!("x,y\n{rows}")).unwrap();
    for (aspect, n_clusters) in [("keep", 1), ("stretch", 2)] {
        let told = desk.json(0, &["raster", "cluster", "p.csv", "--out", aspect, "--aspect", aspect]);
        assert_eq!(told["n_clusters"], n_clusters, "{told}");
    }
    let error =
        desk.error(1, &["raster", "classify", "p.csv", "--out", "t", "--boundary", "torus", "--aspect", "stretch"]);
    assert!(!error.is_empty());
}
