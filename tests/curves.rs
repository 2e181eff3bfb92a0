//! The curves of `alike score` and what `alike graph` draws, as a user runs them.

mod common;

use common::Desk;
use serde_json::Value;
use std::fs;

/// A desk with 300 points of three classes in the plane, their classes, and clusters of them.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.json(0, &["synth", "blobs", "--out", "p.npy", "--count", "300", "--classes", "3"]);
    desk.json(0, &["cluster", "p.npy", "--out", "l.csv", "-k", "9"]);
    desk
}

/// Lines of a table, the header not counted.
fn rows(desk: &Desk, table: &str) -> usize {
    fs::read_to_string(desk.path(table)).unwrap().lines().count() - 1
}

/// Whether a picture is there in both formats.
fn is_drawn(desk: &Desk, picture: &str) -> bool {
    let png = fs::read(desk.path(picture).with_extension("png")).unwrap();
    let svg = fs::read_to_string(desk.path(picture).with_extension("svg")).unwrap();
    png.starts_with(b"\x89PNG") && svg.starts_with("<svg")
}

const KNOWN: [&str; 4] = ["--truth", "p.labels.csv", "--embeddings", "p.npy"];

#[test]
fn scores_come_with_curves_tables_and_pictures() {
    let desk = desk();
    let labels = fs::read_to_string(desk.path("l.csv")).unwrap();
    let sure = |(row, line): (usize, &str)| match row {
        0 => format!("{line},confidence\n"),
        _ => format!("{line},{}\n", 1.0 / row as f64),
    };
    fs::write(desk.path("c.csv"), labels.lines().enumerate().map(sure).collect::<String>()).unwrap();
    let asked = ["--neighbours", "10", "--dbscan-grid", "--coverage-curve", "--plots", "plots"];
    let found = desk.json(0, &[&["score", "c.csv"], &KNOWN[..], &asked].concat());
    let precision = found["neighbours"]["precision"].as_array().unwrap();
    assert!(precision.len() == 10 && precision[0].as_f64().unwrap() > 0.6, "{precision:?}");
    for scale in ["native", "common"] {
        let grid = &found["dbscan_grid"][scale];
        assert_eq!(grid["runs"].as_array().unwrap().len(), 20);
        assert!(grid["ari_one_cluster"]["sd"].is_number() && grid["coverage"]["mean"].is_number(), "{grid}");
    }
    let curve = found["purity_coverage"].as_array().unwrap();
    assert_eq!((curve.len(), &curve[99]["coverage"]), (100, &serde_json::json!(1.0)));
    assert_eq!(curve[99]["purity"], found["scores"]["purity"]);
    let tables = ["plots/neighbours", "plots/dbscan-grid", "plots/coverage"];
    assert_eq!(tables.map(|table| rows(&desk, &format!("{table}.csv"))), [10, 40, 100]);
    assert!(tables.iter().all(|picture| is_drawn(&desk, picture)));
    let text = desk.alike(&[&["score", "c.csv"], &KNOWN[..], &["--neighbours", "--dbscan-grid"]].concat()).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("  K = 100 ") && text.contains("DBSCAN, 20 runs, native scale"), "{text}");
    let again = desk.error(1, &[&["score", "c.csv"], &KNOWN[..], &["--coverage-curve", "--plots", "plots"]].concat());
    assert!(again.contains("plots is not empty"), "{again}");
}

#[test]
fn curves_that_cannot_be_drawn_are_refused() {
    let desk = desk();
    desk.error(2, &["score", "l.csv", "--embeddings", "p.npy", "--neighbours"]);
    desk.error(2, &["score", "l.csv", "--truth", "p.labels.csv", "--dbscan-grid"]);
    let unsure = desk.error(1, &["score", "l.csv", "--truth", "p.labels.csv", "--coverage-curve"]);
    assert!(unsure.contains("confidence"), "{unsure}");
    fs::create_dir(desk.path("in")).unwrap();
    for at in 0..3 {
        image::GrayImage::from_pixel(4, 4, image::Luma([at * 80])).save(desk.path(&format!("in/{at}.png"))).unwrap();
    }
    desk.json(0, &["embed", "in", "--out", "wide.npy", "--model", "pixels", "--no-cache"]);
    fs::write(desk.path("w.csv"), "id,cluster,label\n0.png,0,a\n1.png,0,b\n2.png,1,b\n").unwrap();
    let flat = ["cluster", "wide.npy", "--out", "f.csv", "-k", "2", "--reduce", "pca:2", "--save-reduced", "flat.npy"];
    desk.json(0, &flat);
    desk.json(0, &["score", "w.csv", "--truth", "w.csv", "--embeddings", "flat.npy", "--dbscan-grid"]);
    let wide = ["score", "w.csv", "--truth", "w.csv", "--embeddings", "wide.npy", "--dbscan-grid"];
    let wide = desk.error(1, &wide);
    assert!(wide.contains("16 columns"), "{wide}");
}

#[test]
fn graphs_of_clusters_and_of_mapper_are_left_in_every_format() {
    let desk = desk();
    let known = ["--truth", "p.labels.csv"];
    let found = desk.json(0, &[&["graph", "p.npy", "--labels", "l.csv", "--out", "g"], &known[..]].concat());
    assert_eq!((&found["n_nodes"], &found["n_samples"]), (&9.into(), &300.into()));
    let same = &found["same_class"];
    assert!(same["share"].as_f64().unwrap() > same["baseline"]["mean"].as_f64().unwrap(), "{same}");
    let graph: Value = serde_json::from_slice(&fs::read(desk.path("g/graph.json")).unwrap()).unwrap();
    let sizes = graph["nodes"].as_array().unwrap().iter().map(|node| node["size"].as_u64().unwrap());
    assert_eq!((sizes.sum::<u64>(), &graph["nodes"][0]["name"]), (300, &"cluster-000".into()));
    assert_eq!(graph["edges"].as_array().unwrap().len() as u64, found["n_edges"].as_u64().unwrap());
    assert!(fs::read_to_string(desk.path("g/graph.graphml")).unwrap().contains("<node id=\"n8\">"));
    assert!(is_drawn(&desk, "g/graph"));
    let ways: [&[&str]; 4] = [
        &["--mapper", "interval", "--intervals", "4"],
        &["--mapper", "balanced", "--eps", "3", "--layout", "p.npy"],
        &["--mapper", "ball", "--radius", "2"],
        &["--labels", "l.csv", "--layout", "p.npy", "--cosine", "--neighbours", "5"],
    ];
    for (at, way) in ways.into_iter().enumerate() {
        let out = format!("m{at}");
        let found = desk.json(0, &[&["graph", "p.npy", "--out", &out], way].concat());
        assert!(found["n_nodes"].as_u64().unwrap() > 1 && found["n_edges"].as_u64().unwrap() > 0, "{way:?}: {found}");
        assert!(is_drawn(&desk, &format!("{out}/graph")));
    }
    desk.json(0, &["cluster", "p.npy", "--out", "k.csv", "-k", "3", "--save-neighbours", "near.safetensors"]);
    let saved = ["--labels", "l.csv", "--saved-neighbours", "near.safetensors"];
    desk.json(0, &[&["graph", "p.npy", "--out", "again"], &known[..], &saved].concat());
    assert_eq!(fs::read(desk.path("again/graph.json")).unwrap(), fs::read(desk.path("g/graph.json")).unwrap());
    desk.json(0, &["synth", "blobs", "--out", "few.npy", "--count", "100"]);
    desk.json(0, &["cluster", "few.npy", "--out", "few.csv", "-k", "3", "--save-neighbours", "few.safetensors"]);
    let few = ["--labels", "l.csv", "--saved-neighbours", "few.safetensors"];
    let others = desk.error(1, &[&["graph", "p.npy", "--out", "others"], &few[..]].concat());
    assert!(others.contains("few.safetensors") && others.contains("100"), "{others}");
    desk.error(2, &[&["graph", "p.npy", "--out", "none", "--cosine"], &saved[..]].concat());
    desk.error(2, &["graph", "p.npy", "--out", "none"]);
    desk.error(2, &["graph", "p.npy", "--out", "none", "--mapper", "ball"]);
    let taken = desk.error(1, &["graph", "p.npy", "--labels", "l.csv", "--out", "g"]);
    assert!(taken.contains("g is not empty") && !desk.path("none").exists(), "{taken}");
}
