//! The commands as a user runs them: files, exit codes, and what they print.

mod common;

use alike::distance::Metric;
use alike::neighbors::KnnGraph;
use common::{Desk, digits};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A desk with some of the digits that ship with the project, in class directories.
fn desk(per_class: usize) -> Desk {
    let desk = Desk::new();
    for (class, file) in digits(per_class) {
        fs::create_dir_all(desk.path("in").join(class)).unwrap();
        fs::copy(&file, desk.path("in").join(class).join(file.file_name().unwrap())).unwrap();
    }
    desk
}

/// Every file below `root` with its bytes and time.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(|e| e.unwrap())
        .filter(|e| e.file_type().is_file())
        .map(|e| {
            let place = e.path().strip_prefix(root).unwrap().to_owned();
            (place, (fs::read(e.path()).unwrap(), e.metadata().unwrap().modified().unwrap()))
        })
        .collect()
}

#[test]
fn sort_leaves_what_is_promised_and_undo_takes_it_back() {
    let desk = desk(12);
    let before = snapshot(&desk.path("in"));
    let json = desk.json(0, &["sort", "in", "--out", "out", "--clusters", "4", "--truth", "dirs"]);
    assert_eq!((&json["n_samples"], &json["n_clusters"]), (&48.into(), &4.into()));
    assert!(json["scores"]["ari"].as_f64().unwrap() > 0.5, "{json}");
    for key in ["purity_mean", "ami", "silhouette", "dunn"] {
        assert!(json["scores"][key].is_number(), "{key}");
    }
    for key in ["decode", "embed", "reduce", "fit", "score", "arrange", "total"] {
        assert!(json["seconds"][key].is_number(), "{key}");
    }
    let sorted = snapshot(&desk.path("out"));
    for file in ["report.html", "clusters.csv", "model.alike", ".alike/run.json"] {
        assert!(sorted.contains_key(Path::new(file)), "{file}");
    }
    assert!(!sorted.contains_key(Path::new("skipped.csv")));
    let mut pictures: Vec<_> = sorted.iter().filter(|(p, _)| p.starts_with("cluster-000")).map(|(_, v)| v.1).collect();
    pictures.dedup();
    assert!(!pictures.is_empty());
    let count = sorted.keys().filter(|p| p.to_str().unwrap().starts_with("cluster-")).count();
    assert_eq!(count, 48);
    assert_eq!(snapshot(&desk.path("in")), before, "copying changes nothing");
    let csv = String::from_utf8(sorted[Path::new("clusters.csv")].0.clone()).unwrap();
    assert!(csv.starts_with("id,path,cluster,name,confidence,distance,destination\n"));
    assert_eq!(csv.lines().count(), 49);
    let graph = "out/neighbours.safetensors";
    assert!(!desk.path(graph).exists());
    desk.json(0, &["sort", "in", "--out", "out", "--truth", "dirs"]);
    assert_eq!(KnnGraph::read(&desk.path(graph)).unwrap().n_samples(), 48);
    desk.json(0, &["undo", "out"]);
    assert!(!desk.path("out").exists());
}

#[test]
fn the_report_shows_the_graph_that_the_clusterer_went_by() {
    let desk = desk(12);
    desk.json(0, &["embed", "in", "--out", "e.npy", "--no-cache"]);
    let few = ["--algorithm", "leiden", "--min-cluster-size", "2", "--neighbours", "2", "--no-cache"];
    desk.json(0, &[&["sort", "in", "--out", "out"], &few[..]].concat());
    let edges = |out: &str, more: &[&str]| {
        let graph = ["graph", "e.npy", "--labels", "out/clusters.csv", "--out", out];
        desk.json(0, &[&graph[..], more].concat())["n_edges"].as_u64().unwrap()
    };
    let went_by = edges("saved", &["--saved-neighbours", "out/neighbours.safetensors"]);
    let report = fs::read_to_string(desk.path("out/report.html")).unwrap();
    assert_eq!(report.matches("data-ends").count() as u64, went_by);
    assert!(went_by < edges("searched", &[]), "fifteen neighbours join more");
}

#[test]
fn a_second_run_changes_nothing_and_another_number_of_clusters_replaces_the_first() {
    let desk = desk(8);
    let args = ["sort", "in", "--out", "out", "--clusters", "3"];
    assert_eq!(desk.json(0, &args)["unchanged"], false);
    let first = snapshot(&desk.path("out"));
    assert_eq!(desk.json(0, &args)["unchanged"], true);
    assert_eq!(snapshot(&desk.path("out")), first);
    let json = desk.json(0, &["sort", "in", "--out", "out", "--clusters", "2"]);
    assert_eq!((&json["n_clusters"], &json["unchanged"]), (&2.into(), &false.into()));
    assert!(!desk.path("out/cluster-002").exists());
    fs::remove_file(
        snapshot(&desk.path("out"))
            .keys()
            .find(|p| p.starts_with("cluster-000"))
            .map(|p| desk.path("out").join(p))
            .unwrap(),
    )
    .unwrap();
    assert_eq!(desk.json(0, &["sort", "in", "--out", "out", "--clusters", "2"])["unchanged"], false);
}

#[test]
fn moved_files_come_back_with_their_bytes_and_times() {
    let desk = desk(10);
    let before = snapshot(&desk.path("in"));
    let args = ["sort", "in", "--out", "out", "--mode", "move", "--clusters", "4"];
    desk.json(0, &args);
    assert!(snapshot(&desk.path("in")).is_empty());
    assert_eq!(desk.json(0, &args)["unchanged"], true, "a second run has nothing to move");
    let report = desk.json(0, &["undo", "out"]);
    assert_eq!(report["returned"], 40);
    assert_eq!(snapshot(&desk.path("in")), before);
    assert!(!desk.path("out").exists());
}

#[test]
fn a_dry_run_touches_nothing() {
    let desk = desk(5);
    let output =
        desk.alike(&["sort", "in", "--out", "out", "--clusters", "2", "--dry-run", "--mode", "move", "--no-cache"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 20, "{text}");
    assert!(!desk.path("out").exists());
    assert_eq!(snapshot(&desk.path("in")).len(), 20);
}

#[test]
fn bad_images_are_skipped_and_named() {
    let desk = desk(6);
    fs::write(desk.path("in/0/text.jpg"), "no picture").unwrap();
    fs::write(desk.path("in/0/empty.png"), "").unwrap();
    let json = desk.json(3, &["sort", "in", "--out", "out", "--clusters", "2"]);
    assert_eq!((&json["n_samples"], json["skipped"].as_array().unwrap().len()), (&24.into(), 2));
    let csv = fs::read_to_string(desk.path("out/skipped.csv")).unwrap();
    assert!(
        csv.starts_with("id,stage,reason\n") && csv.contains("0/text.jpg,decode,") && csv.contains("0/empty.png"),
        "{csv}"
    );
}

#[test]
fn the_model_assigns_its_own_images_to_their_clusters() {
    let desk = desk(10);
    desk.json(0, &["sort", "in", "--out", "out", "--clusters", "4"]);
    let json = desk.json(0, &["assign", "out/model.alike", "in", "--no-cache"]);
    let table = fs::read_to_string(desk.path("out/clusters.csv")).unwrap();
    let sorted: BTreeMap<_, _> = csv::Reader::from_reader(table.as_bytes())
        .into_records()
        .map(|r| r.unwrap())
        .map(|r| (r[0].to_owned(), r[2].parse::<u64>().unwrap()))
        .collect();
    assert_eq!(json["images"].as_array().unwrap().len(), 40);
    for image in json["images"].as_array().unwrap() {
        assert_eq!(sorted[image["id"].as_str().unwrap()], image["cluster"].as_u64().unwrap());
    }
    assert!(desk.error(1, &["assign", "in/0", "in"]).contains("in/0"));
}

#[test]
fn what_was_learned_is_in_the_model_and_remembered() {
    let desk = desk(10);
    let learn = ["--model", "learn+pixels:0.5", "--learn-steps", "3", "-k", "4", "--out", "l.csv", "--save", "m.alike"];
    let cluster = |more: &[&str]| {
        desk.json(0, &[&["cluster", "in"], &learn[..], more].concat());
        fs::read(desk.path("m.alike")).unwrap()
    };
    let first = cluster(&["--threads", "1"]);
    assert_eq!(fs::read_dir(desk.path("cache/learned-v1")).unwrap().count(), 1);
    assert!(cluster(&["--threads", "2", "--no-cache"]) == first, "threads and cache make no difference");
    assert!(cluster(&["--seed", "1"]) != first);
    cluster(&[]);
    fs::remove_dir_all(desk.path("cache")).unwrap();
    let assigned = desk.json(0, &["assign", "m.alike", "in"]);
    let labels = fs::read_to_string(desk.path("l.csv")).unwrap();
    let images = assigned["images"].as_array().unwrap();
    let lines = images.iter().map(|image| format!("{},{}\n", image["id"].as_str().unwrap(), image["cluster"]));
    assert_eq!(format!("id,cluster\n{}", lines.collect::<String>()), labels);

    let few = desk.error(1, &["embed", "in/0", "--out", "f.npy", "--model", "dense-autoencoder"]);
    assert!(few.contains("dense-autoencoder") && few.contains("10 images"), "{few}");
    let idle = desk.error(2, &["embed", "in", "--out", "f.npy", "--model", "pixels", "--learn-steps", "3"]);
    assert!(idle.contains("--learn-steps belongs to"), "{idle}");
}

#[test]
fn features_labels_and_scores_travel_through_files() {
    let desk = desk(10);
    for features in ["f.npy", "f.parquet", "f.safetensors"] {
        desk.json(0, &["embed", "in", "--out", features, "--model", "pixels"]);
        for labels in ["l.csv", "l.npy"] {
            let json = desk.json(0, &["cluster", features, "--out", labels, "-k", "4", "--save", "m.alike"]);
            assert_eq!(json["n_samples"], 40);
        }
        let scored = desk.json(0, &["score", "l.csv", "--embeddings", features]);
        assert!(scored["scores"]["silhouette"].is_number() && scored["scores"]["ari"].is_null());
        assert_eq!(desk.json(0, &["assign", "m.alike", features])["n_samples"], 40);
    }
    let images = desk.json(0, &["cluster", "in", "--out", "i.csv", "-k", "4", "--model", "pixels", "--truth", "dirs"]);
    let truth: String = fs::read_to_string(desk.path("i.csv"))
        .unwrap()
        .lines()
        .skip(1)
        .map(|l| l.split(',').next().unwrap())
        .map(|id| format!("{id},{}\n", id.split('/').next().unwrap()))
        .collect();
    fs::write(desk.path("truth.csv"), format!("id,label\n{truth}")).unwrap();
    let scored = desk.json(0, &["score", "i.csv", "--truth", "truth.csv"]);
    assert_eq!(scored["scores"]["ari"], images["scores"]["ari"]);
    assert!(desk.error(1, &["assign", "m.alike", "in"]).contains("embeddings"));
}

#[test]
fn every_clusterer_saves_a_model_that_assigns_like_its_fit() {
    let desk = desk(12);
    for (algorithm, more) in [
        ("kmeans", &["-k", "4"][..]),
        ("spherical", &["-k", "4"]),
        ("minibatch", &["-k", "4", "--batch", "16"]),
        ("bisecting", &["-k", "4", "--split", "size"]),
        ("hierarchical", &["--levels", "12,6,3"]),
        ("mixture", &["-k", "3", "--reduce", "pca:3"]),
        ("dbscan", &["--min-points", "3", "--reduce", "pca:6"]),
        ("optics", &["--min-points", "3", "--reduce", "pca:6", "--xi", "0.1"]),
        ("hdbscan", &["--min-cluster-size", "3", "--min-samples", "2", "--selection", "leaf"]),
        ("layers", &["--min-cluster-size", "2", "--attach-noise", "--neighbours", "10"]),
        ("leiden", &["--resolution", "1.2", "--min-cluster-size", "2", "--neighbours", "10"]),
        ("tomato", &["-k", "4", "--min-cluster-size", "2", "--neighbours", "10"]),
        ("turtle", &["-k", "3", "--model", "pixels+gradients", "--gamma", "5"]),
        ("temi", &["-k", "3", "--neighbours", "6"]),
    ] {
        let [labels, model, graph] = ["csv", "alike", "safetensors"].map(|kind| format!("{algorithm}.{kind}"));
        let files = ["--out", &labels, "--save", &model, "--save-neighbours", &graph];
        let found = desk.json(0, &[&["cluster", "in", "--algorithm", algorithm], &files[..], more].concat());
        let neighbors = KnnGraph::read(&desk.path(&graph)).unwrap();
        assert_eq!(neighbors.n_samples(), found["n_samples"].as_u64().unwrap() as usize, "{algorithm}");
        let asked = more.iter().position(|option| *option == "--neighbours").map_or("15", |at| more[at + 1]);
        assert_eq!(neighbors.n_neighbors().to_string(), asked, "{algorithm}");
        let by_direction = ["spherical", "layers", "leiden", "temi"].contains(&algorithm);
        assert_eq!(neighbors.metric() == Metric::Cosine, by_direction, "{algorithm}");
        assert!(found["n_clusters"].as_u64().unwrap() >= 1, "{algorithm}");
        assert_eq!(
            found["inertia"].is_null(),
            ["mixture", "dbscan", "optics", "hdbscan", "layers", "leiden", "tomato", "turtle", "temi"]
                .contains(&algorithm),
            "{algorithm}"
        );
        let mut table = csv::Reader::from_path(desk.path(&labels)).unwrap();
        let n_levels = found["levels"].as_array().unwrap().len();
        assert!(n_levels == 2 || algorithm != "hierarchical");
        let levels = (1..=n_levels).map(|level| format!("level-{level}"));
        let columns: Vec<String> = ["id", "cluster"].map(String::from).into_iter().chain(levels).collect();
        assert_eq!(table.headers().unwrap(), columns);
        let clusters: Vec<Option<u64>> = table.records().map(|row| row.unwrap()[1].parse().ok()).collect();
        let assigned = desk.json(0, &["assign", &model, "in"]);
        let again: Vec<Option<u64>> =
            assigned["images"].as_array().unwrap().iter().map(|image| image["cluster"].as_u64()).collect();
        assert_eq!(again, clusters, "{algorithm}");
    }
    desk.json(0, &["sort", "in", "--out", "nested", "--algorithm", "hierarchical", "--levels", "12,6,3"]);
    let column = |file: &str, name: &str| -> Vec<String> {
        let mut table = csv::Reader::from_path(desk.path(file)).unwrap();
        let at = table.headers().unwrap().iter().position(|column| column == name).unwrap();
        table.records().map(|row| row.unwrap()[at].to_owned()).collect()
    };
    for level in ["level-1", "level-2"] {
        assert_eq!(column("nested/clusters.csv", level), column("hierarchical.csv", level));
    }
    let noise =
        desk.json(0, &["sort", "in", "--out", "out", "--algorithm", "dbscan", "--eps", "0.5", "--reduce", "pca:6"]);
    assert_eq!(desk.path("out/unclustered").is_dir(), noise["noise"].as_u64().unwrap() > 0);
    let hdbscan = ["cluster", "in", "--out", "l.csv", "--algorithm", "hdbscan", "--min-cluster-size", "3"];
    let noise = |more: &[&str]| desk.json(0, &[&hdbscan, more].concat())["noise"].as_u64().unwrap();
    let leaves = ["--selection", "leaf", "--min-samples", "2", "--max-cluster-size", "6"];
    assert!(noise(&leaves) > 0 && noise(&["--attach-noise"]) == 0);
    assert!(desk.error(0, &[&hdbscan[..], &["-v"]].concat()).contains("reduced by umap to 2 components"));
    let least = desk.error(2, &[&hdbscan[..], &["--max-cluster-size", "2"]].concat());
    assert!(least.contains("no less than --min-cluster-size, 3"), "{least}");
    let warned = desk.error(0, &["cluster", "in", "--out", "l.csv", "--algorithm", "dbscan", "-k", "5"]);
    assert!(warned.contains("5 is passed over"), "{warned}");
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let desk = desk(1);
    fs::write(desk.path("rows.npy"), "").unwrap();
    let streamed = ["cluster", "rows.npy", "--out", "l.csv", "--algorithm", "minibatch", "-k", "2"];
    let said = desk.error(2, &[&streamed[..], &["--save-neighbours", "n.safetensors"]].concat());
    assert!(said.contains("--save-neighbours"), "{said}");
    let said = desk.error(2, &[&streamed[..], &["--save-reduced", "r.npy"]].concat());
    assert!(said.contains("--save-reduced"), "{said}");
    for (args, said) in [
        (&["--levels", "9,3"][..], "--levels belongs to --algorithm hierarchical"),
        (&["--algorithm", "hierarchical", "--levels", "3,9"], "--levels 3,9: give falling numbers"),
        (&["--algorithm", "hierarchical", "--levels", "3,0"], "--levels 3,0: give falling numbers"),
        (&["--algorithm", "kmeans", "--eps", "3"], "--eps belongs to --algorithm dbscan, optics"),
        (&["--algorithm", "kmeans", "--min-points", "3"], "--min-points belongs to --algorithm dbscan, optics"),
        (&["--algorithm", "dbscan", "--attach-noise"], "--attach-noise belongs to --algorithm hdbscan"),
        (
            &["-k", "9", "--min-cluster-size", "5"],
            "--min-cluster-size belongs to --algorithm optics, hdbscan, layers, leiden, tomato",
        ),
        (&["--algorithm", "tomato", "--selection", "leaf"], "--selection belongs to --algorithm hdbscan"),
        (&["--algorithm", "layers", "--resolution", "2"], "--resolution belongs to --algorithm leiden"),
        (&["--algorithm", "dbscan", "--xi", "0.1"], "--xi belongs to --algorithm optics"),
        (&["--algorithm", "dbscan", "--split", "size"], "--split belongs to --algorithm bisecting"),
        (&["--algorithm", "turtle"], "--algorithm turtle must be told how many clusters"),
        (&["--algorithm", "temi", "-k", "2", "--gamma", "3"], "--gamma belongs to --algorithm turtle"),
        (&["--batch", "3"], "--batch belongs to --algorithm minibatch"),
        (
            &["--algorithm", "bisecting", "--init", "random"],
            "--init belongs to --algorithm kmeans, spherical, minibatch",
        ),
    ] {
        let refused = desk.error(2, &[&["cluster", "in", "--out", "l.csv"], args].concat());
        assert!(refused.contains(said), "{refused}");
    }
    let twice = desk.error(2, &["cluster", "in", "--out", "new.csv", "--save", "in/../new.csv"]);
    assert!(twice.contains("two results"), "{twice}");
    let wide = desk.error(1, &["cluster", "in", "--out", "l.csv", "--reduce", "random:99999999", "-k", "2"]);
    assert!(wide.contains("ask for at most"), "{wide}");
}

#[test]
fn embeddings_are_clustered_in_blocks_with_scores_and_a_model() {
    let desk = desk(1);
    assert!(desk.alike(&["synth", "blobs", "--out", "e.npy", "-n", "12000", "--classes", "3"]).status.success());
    let command = ["cluster", "e.npy", "--out", "l.csv", "--save", "m.alike", "--truth", "e.labels.csv", "-k", "3"];
    let found = desk.json(0, &[&command[..], &["--algorithm", "minibatch"]].concat());
    let whole = desk.json(0, &[&command[..], &["--algorithm", "kmeans"]].concat());
    let of = |found: &Value, path: &str| found.pointer(path).unwrap().as_f64().unwrap();
    assert!(of(&found, "/scores/ari") > of(&whole, "/scores/ari") - 0.02);
    assert!(of(&found, "/inertia") < 1.02 * of(&whole, "/inertia"));
    assert!((of(&found, "/scores/silhouette") - of(&whole, "/scores/silhouette")).abs() < 0.02);
    assert_eq!(of(&found, "/score_sample/n_samples"), 10_000.0);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((keys(&found), keys(&found["seconds"])), (keys(&whole), keys(&whole["seconds"])));
    assert_eq!(found["seconds"]["decode"], Value::Null);
    let labels = fs::read_to_string(desk.path("l.csv")).unwrap();
    assert_eq!(labels.lines().count(), 12_001);
}

#[test]
fn every_reducer_serves_images_and_new_ones() {
    let desk = desk(10);
    desk.json(0, &["embed", "in", "--out", "f.npy", "--model", "pixels"]);
    for reducer in ["pca:5", "svd:5", "whiten:5", "kernel-pca:5", "random:20", "diffusion:4", "none"] {
        let args = ["cluster", "f.npy", "--out", "l.csv", "-k", "4", "--reduce", reducer, "--save", "m.alike"];
        assert_eq!(desk.json(0, &args)["n_clusters"], 4, "{reducer}");
        let clusters = |args: &[&str], column: usize, file: &str| -> Vec<String> {
            desk.json(0, args);
            let table = fs::read_to_string(desk.path(file)).unwrap();
            table.lines().skip(1).map(|line| line.split(',').nth(column).unwrap().to_owned()).collect()
        };
        let assigned = clusters(&["assign", "m.alike", "f.npy", "--out", "a.csv"], 2, "a.csv");
        assert_eq!(assigned, clusters(&args, 1, "l.csv"), "{reducer}");
    }
    assert!(desk.error(2, &["cluster", "f.npy", "--out", "l.csv", "--reduce", "pca"]).contains("kernel-pca:N"));
    assert!(desk.error(2, &["cluster", "f.npy", "--out", "l.csv", "--reduce", "whiten:0"]).contains("whiten:50"));
}

#[test]
fn a_table_brings_its_labels_and_other_columns() {
    let desk = desk(4);
    let rows: String = snapshot(&desk.path("in"))
        .keys()
        .map(|p| p.to_str().unwrap().to_owned())
        .map(|p| format!("in/{p},{},\"shelf, {p}\"\n", &p[..1]))
        .collect();
    fs::write(desk.path("t.csv"), format!("path,label,place\n{rows}")).unwrap();
    let json = desk.json(0, &["sort", "t.csv", "--out", "out", "-k", "4"]);
    assert!(json["scores"]["ari"].is_number());
    let table = fs::read_to_string(desk.path("out/clusters.csv")).unwrap();
    assert!(table.lines().next().unwrap().ends_with("destination,place") && table.contains("\"shelf, 0/"), "{table}");
}

#[test]
fn the_map_is_coloured_by_the_columns_of_a_table() {
    let desk = desk(6);
    let ids: Vec<String> = snapshot(&desk.path("in")).keys().map(|p| p.to_str().unwrap().to_owned()).collect();
    // All images but the first, and one that isn't there.
    let rows: String =
        ids[1..].iter().enumerate().map(|(i, id)| format!("{id},{i},<b>{}</b>,{i}\n", &id[..1])).collect();
    fs::write(desk.path("t.csv"), format!("path,age,shelf,\nelse.png,,,\n{rows}")).unwrap();
    let args = ["sort", "in", "--out", "out", "-k", "3", "--table", "t.csv"];
    assert!(desk.error(0, &args).contains("t.csv: 1 images have no row there, 1 of its rows match no image"));
    let page = fs::read_to_string(desk.path("out/report.html")).unwrap();
    let options: Vec<&str> = page.split("<option value=").skip(1).map(|o| o.split('<').next().unwrap()).collect();
    let expected =
        ["\"groups\">cluster", "\"0\">confidence", "\"1\">distance", "\"2\">age", "\"3\">shelf", "\"4\">column 4"];
    assert_eq!(options, expected);
    let shelf = fs::read_to_string(desk.path("out/report/overlay-3.js")).unwrap();
    assert!(shelf.contains(r#""names":["\u003cb>1\u003c/b>","#) && shelf.matches("null").count() == 1, "{shelf}");
    assert_eq!(page.matches("<circle").count(), 3, "a node for each cluster");

    assert_eq!(desk.json(0, &args)["unchanged"], true);
    fs::write(desk.path("t.csv"), format!("path,age,shelf,\n{rows}").replace("<b>", "")).unwrap();
    assert_eq!(desk.json(0, &args)["unchanged"], false, "another table, another report");
    assert!(!fs::read_to_string(desk.path("out/report/overlay-3.js")).unwrap().contains("cb>"));
}

#[test]
fn a_table_that_cannot_be_used_is_told_where_it_is_wrong() {
    let desk = desk(3);
    let id = snapshot(&desk.path("in")).keys().next().unwrap().to_str().unwrap().to_owned();
    let cases = [
        (format!("id,x\n{id},1\n{id},2\n").into_bytes(), "appears in rows 1 and 2"),
        (format!("id,x\n{id},1\nb\n").into_bytes(), "line 3: expected"),
        ([format!("id,x\n{id},").as_bytes(), b"\xe9\n"].concat(), "line 2: expected a .csv in UTF-8"),
        (b"name,x\na,1\n".to_vec(), "expected a header with the column id or path, found the columns \"name,x\""),
        (b"id,x\na,1\n".to_vec(), "no id in common"),
    ];
    for (bytes, expected) in cases {
        fs::write(desk.path("t.csv"), bytes).unwrap();
        let error = desk.error(1, &["sort", "in", "--out", "out", "-k", "2", "--table", "t.csv"]);
        assert!(error.contains(expected) && error.contains("t.csv"), "{error}");
        assert!(!desk.path("out").exists());
    }
}

#[test]
fn synthetic_dots_are_sorted_by_shape() {
    let desk = desk(1);
    desk.json(0, &["synth", "dots", "--out", "dots", "-n", "60", "--classes", "3", "--size", "64"]);
    let json = desk.json(0, &["sort", "dots", "--out", "out", "-k", "3", "--truth", "dirs"]);
    assert_eq!(json["n_samples"], 60);
    desk.json(0, &["synth", "blobs", "--out", "b.npy", "-n", "200"]);
    let json = desk.json(0, &["cluster", "b.npy", "--out", "l.csv", "--truth", "b.labels.csv"]);
    assert!(json["scores"]["ari"].as_f64().unwrap() > 0.9, "{json}");
}

#[test]
fn what_cannot_be_meant_is_refused_before_any_work() {
    let desk = desk(2);
    desk.error(2, &["sort"]);
    desk.error(2, &["sort", "in", "--out", "out", "--clusters", "0"]);
    desk.error(2, &["sort", "in", "--out", "out", "--size", "8x8", "--model", "gradients"]);
    assert!(desk.error(1, &["sort", "nowhere", "--out", "out"]).contains("nowhere"));
    assert!(desk.error(1, &["sort", "in", "--out", "in/out"]).contains("in/out"));
    assert!(desk.error(1, &["sort", "in", "--out", "out", "-k", "100"]).contains("100 clusters of 8 images"));
    fs::create_dir(desk.path("full")).unwrap();
    fs::write(desk.path("full/mine.txt"), "mine").unwrap();
    assert!(desk.error(1, &["sort", "in", "--out", "full"]).contains("full"));
    assert!(desk.error(1, &["undo", "full"]).contains("full"));
    fs::create_dir(desk.path("empty")).unwrap();
    assert!(desk.error(1, &["sort", "empty", "--out", "out"]).contains("no images"));
    assert!(!desk.path("out").exists(), "a run that failed leaves no trace");
    assert_eq!(snapshot(&desk.path("in")).len(), 8);
}

#[test]
fn few_and_equal_images_are_one_cluster() {
    let desk = desk(1);
    fs::create_dir(desk.path("one")).unwrap();
    let digit = snapshot(&desk.path("in")).into_values().next().unwrap().0;
    fs::write(desk.path("one/a.png"), &digit).unwrap();
    assert_eq!(desk.json(0, &["sort", "one", "--out", "o1"])["n_clusters"], 1);
    for name in ["b.png", "c.png", "d.png", "e.png"] {
        fs::write(desk.path("one").join(name), &digit).unwrap();
    }
    assert_eq!(desk.json(0, &["sort", "one", "--out", "o2"])["n_clusters"], 1);
    assert_eq!(desk.json(0, &["sort", "one", "--out", "o3", "-k", "3"])["n_clusters"], 1);
}

#[cfg(unix)]
#[test]
fn the_last_copy_of_a_picture_behind_a_link_is_kept() {
    let desk = desk(3);
    fs::rename(desk.path("in"), desk.path("store")).unwrap();
    fs::create_dir_all(desk.path("in")).unwrap();
    fs::rename(desk.path("store"), desk.path("in/.store")).unwrap();
    let originals = snapshot(&desk.path("in/.store"));
    for (number, place) in originals.keys().enumerate() {
        std::os::unix::fs::symlink(Path::new(".store").join(place), desk.path(&format!("in/{number}.png"))).unwrap();
    }
    desk.json(0, &["sort", "in", "--out", "out", "--clusters", "2"]);
    // Moving a link would move no picture: each is left, and said so.
    let moved = desk.json(3, &["sort", "in", "--out", "moved", "--clusters", "2", "--mode", "move"]);
    assert_eq!(moved["skipped"].as_array().map(Vec::len), Some(12));
    fs::remove_dir_all(desk.path("in/.store")).unwrap();
    let undone = desk.json(1, &["undo", "out"]);
    assert_eq!((undone["removed"].as_u64(), undone["kept"].as_array().map(Vec::len)), (Some(0), Some(12)));
}

#[test]
fn an_edited_table_or_added_file_is_never_lost_to_another_run() {
    let desk = desk(6);
    desk.json(0, &["sort", "in", "--out", "out", "--clusters", "3"]);
    fs::write(desk.path("out/report/thumbs/mine.txt"), "mine").unwrap();
    fs::write(desk.path("out/skipped.csv"), "mine too").unwrap();
    let thumbs = |desk: &Desk| snapshot(&desk.path("out/report/thumbs"));
    let before = thumbs(&desk);
    // The thumbnails of the first run serve the second.
    let error = desk.error(0, &["sort", "in", "--out", "out", "--clusters", "4"]);
    assert!(!error.contains("thumbnail"), "{error}");
    assert!(thumbs(&desk) == before);
    fs::write(desk.path("out/clusters.csv"), "my notes").unwrap();
    let before = snapshot(&desk.path("out"));
    let error = desk.error(1, &["sort", "in", "--out", "out", "--clusters", "2"]);
    assert!(error.contains("clusters.csv was not written by alike, or was changed since"), "{error}");
    let after = snapshot(&desk.path("out"));
    let changed: Vec<&PathBuf> = before.keys().filter(|place| after.get(*place) != before.get(*place)).collect();
    assert!(changed.is_empty(), "{changed:?}");
    fs::remove_file(desk.path("out/clusters.csv")).unwrap();
    desk.json(0, &["sort", "in", "--out", "out", "--clusters", "2"]);
    assert_eq!(fs::read(desk.path("out/skipped.csv")).unwrap(), b"mine too");
}

#[test]
fn a_list_may_name_what_an_earlier_run_made() {
    let desk = desk(4);
    let run = |args: &[&str]| {
        let found = walkdir::WalkDir::new(desk.dir.path()).into_iter().map(|entry| entry.unwrap().into_path());
        let list: Vec<String> = found.filter(|path| path.is_file()).map(|path| path.display().to_string()).collect();
        let mut child = Command::new(env!("CARGO_BIN_EXE_alike"));
        child.args(args).current_dir(desk.dir.path()).env("ALIKE_CACHE", desk.path("cache"));
        child.env("HF_HUB_CACHE", desk.path("hub"));
        let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), list.join("\n").as_bytes()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        snapshot(&desk.path("out")).keys().filter(|place| place.starts_with("cluster-000")).count()
    };
    assert!(run(&["sort", "-", "--out", "out", "--clusters", "1", "--quiet"]) == 16);
    assert!(run(&["sort", "-", "--out", "out", "--clusters", "1", "--seed", "2", "--quiet"]) == 16);
}

#[test]
fn results_never_replace_what_they_are_made_from() {
    let desk = desk(3);
    desk.json(0, &["embed", "in", "--out", "f.npy"]);
    desk.json(0, &["cluster", "f.npy", "--out", "l.csv", "--save", "m.alike", "--clusters", "2"]);
    fs::copy(desk.path("in/0").join(first_name(&desk.path("in/0"))), desk.path("photo.jpg")).unwrap();
    let before = snapshot(desk.dir.path());
    for args in [
        &["cluster", "f.npy", "--out", "f.npy"][..],
        &["cluster", "f.npy", "--out", "x.csv", "--save", "x.csv"],
        &["cluster", "f.npy", "--out", "x.csv", "--truth", "l.csv", "--save", "l.csv"],
        &["cluster", "f.npy", "--out", "x.csv", "--save", "photo.jpg"],
        &["embed", "in", "--out", "in/0/f.npy"],
        &["assign", "m.alike", "f.npy", "--out", "m.alike"],
    ] {
        let error = desk.error(2, args);
        assert!(error.contains("choose another name for the result"), "{error}");
    }
    for args in [&["cluster", "in", "--out", "l.txt"][..], &["embed", "in", "--out", "f.txt"]] {
        let error = desk.error(1, args);
        assert!(!error.contains("list"), "no work is begun: {error}");
    }
    assert!(snapshot(desk.dir.path()) == before);
    // A result may be made again.
    desk.json(0, &["embed", "in", "--out", "f.npy"]);
}

fn first_name(directory: &Path) -> std::ffi::OsString {
    fs::read_dir(directory).unwrap().next().unwrap().unwrap().file_name()
}

#[test]
fn new_pictures_are_not_said_to_be_sorted_already() {
    let desk = desk(4);
    let args = ["sort", "in", "--out", "out", "--clusters", "2", "--mode", "move"];
    desk.json(0, &args);
    assert_eq!(desk.json(0, &args)["unchanged"], true);
    let moved = walkdir::WalkDir::new(desk.path("out/cluster-000")).into_iter().filter_map(Result::ok).last().unwrap();
    fs::copy(moved.path(), desk.path("in/new.png")).unwrap();
    let error = desk.error(1, &args);
    assert!(error.contains("something has changed since"), "{error}");
}

#[test]
fn the_tables_of_a_resumed_run_tell_what_could_not_be_placed() {
    let desk = desk(4);
    let args = ["sort", "in", "--out", "out", "--clusters", "2"];
    desk.json(0, &args);
    // As after a kill in the middle of placing files.
    let journal = fs::read_to_string(desk.path("out/.alike/journal.jsonl")).unwrap();
    let begun: String = journal
        .lines()
        .filter(|l| !l.contains("done") && !l.contains("finished"))
        .map(|l| l.to_owned() + "\n")
        .collect();
    fs::write(desk.path("out/.alike/journal.jsonl"), begun).unwrap();
    let table = fs::read_to_string(desk.path("out/clusters.csv")).unwrap();
    let cells: Vec<&str> = table.lines().nth(1).unwrap().split(',').collect();
    fs::remove_file(desk.path("out").join(cells[6])).unwrap();
    fs::remove_file(desk.path(cells[1])).unwrap();
    let json = desk.json(3, &args);
    assert_eq!(json["skipped"][0]["id"], cells[0]);
    let table = fs::read_to_string(desk.path("out/clusters.csv")).unwrap();
    assert!(table.lines().nth(1).unwrap().ends_with(','), "{table}");
    assert!(!table.lines().nth(2).unwrap().ends_with(','), "{table}");
    assert!(fs::read_to_string(desk.path("out/skipped.csv")).unwrap().contains(cells[0]));
}

#[test]
fn choose_prints_a_table_draws_it_and_gives_its_reasons() {
    let desk = desk(15);
    let json = desk.json(0, &["choose", "in", "--to", "8", "--plot", "k.svg", "--plot", "k.png"]);
    let numbers: Vec<u64> =
        json["candidates"].as_array().unwrap().iter().map(|c| c["n_clusters"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    let suggested = json["suggestion"]["n_clusters"].as_u64().unwrap();
    assert!((3..=7).contains(&suggested), "{json}");
    for key in ["inertia", "elbow", "silhouette", "calinski_harabasz", "davies_bouldin", "dunn", "stability"] {
        assert!(json["candidates"][3][key].is_number(), "{key}");
    }
    assert!(json["candidates"][3]["gap"]["value"].is_number());
    assert_eq!(json["suggestion"]["votes"].as_array().unwrap().len(), 7);
    assert!(fs::read_to_string(desk.path("k.svg")).unwrap().contains(&format!("{suggested} clusters suggested")));
    assert!(fs::read(desk.path("k.png")).unwrap().starts_with(b"\x89PNG"));
    let output = desk.alike(&["choose", "in", "--to", "8", "--quiet"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("\n>  {suggested} ")), "{text}");
    assert!(text.contains(&format!("Suggestion: {suggested} clusters\n")), "{text}");
    // What k-means takes when it is not told.
    let json = desk.json(0, &["cluster", "in", "--out", "l.csv", "--algorithm", "kmeans"]);
    let sweep = &json["sweep"]["suggestion"]["n_clusters"];
    assert_eq!(&json["n_clusters"], sweep);
    // Layers, which are what is taken where nothing is told, find it themselves, and have options of their own.
    let layers = desk.json(0, &["cluster", "in", "--out", "l.csv", "--min-cluster-size", "3"]);
    assert!(layers["sweep"].is_null(), "{layers}");
}

#[test]
fn a_truth_that_cannot_be_read_stops_a_run_before_its_work() {
    let desk = desk(3);
    std::fs::write(desk.path("damaged.csv"), "id,label\n\"a").unwrap();
    for (command, out, truth) in [("sort", "sorted", "none.csv"), ("cluster", "labels.csv", "damaged.csv")] {
        let error = desk.error(1, &[command, "in", "--out", out, "--clusters", "2", "--truth", truth]);
        assert!(error.contains(truth) && !error.contains("embed"), "{error}");
        assert!(!desk.path(out).exists());
    }
}

#[test]
fn choose_refuses_what_makes_no_sense() {
    let desk = desk(3);
    for (args, said) in [
        (&["--from", "5", "--to", "4"][..], "--from 5 --to 4"),
        (&["--clusters", "4"], "--clusters 4"),
        (&["--algorithm", "hierarchical", "--levels", "9,3"], "--levels: that is what choose is asked"),
        (&["--algorithm", "dbscan"], "nothing to choose"),
        (&["--algorithm", "optics"], "nothing to choose"),
        (&["--algorithm", "hdbscan"], "nothing to choose"),
        (&["--algorithm", "leiden"], "nothing to choose"),
        (&["--algorithm", "tomato"], "nothing to choose"),
        (&["--plot", "k.pdf"], ".svg or .png"),
        (&["--plot", "in/k.svg"], "never changed"),
    ] {
        let error = desk.error(2, &[&["choose", "in"], args].concat());
        assert!(error.contains(said), "{error}");
    }
    assert!(!desk.path("k.pdf").exists());
    let warned = desk.error(0, &["choose", "in", "--to", "40"]);
    assert!(warned.contains("at most 11 clusters"), "{warned}");
}
