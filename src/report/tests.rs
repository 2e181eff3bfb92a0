//! The report as a whole, read back from disk.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::*;
use crate::collection::{Skipped, Stage};
use crate::progress::{Interrupted, Silent, Watch};
use crate::topology;

const HOSTILE: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "a\nb\r\0c.jpg",
    "\"><img src=x onerror=alert(1)>",
    "it's & \\ `${1}` <!-- .jpg",
    "\u{202e}gpj.exe",
    "line\u{2028}paragraph\u{2029}",
    "日本語 é 🦊.png",
    "",
];

fn placed(places: &Array2<f32>) -> Layout<'_> {
    Layout { places: places.view(), meaning: "placed <b>somehow</b>" }
}

/// What a test's report is made from.
struct Made {
    ids: Vec<String>,
    clusters: Vec<Cluster>,
    layout: Array2<f32>,
}

impl Made {
    fn new(n_members: usize, n_clusters: usize) -> Self {
        let ids = (0..n_members).map(|i| format!("{}{i}", HOSTILE[i % HOSTILE.len()])).collect();
        let picture = Some(image::DynamicImage::new_luma8(3, 3));
        let cluster = |i: usize| Cluster {
            name: HOSTILE[i % HOSTILE.len()].to_owned(),
            facts: vec![("purity".into(), HOSTILE[0].into())],
            picture: picture.clone().filter(|_| i.is_multiple_of(2)),
        };
        let layout = Array2::from_shape_fn((n_members, 2), |(i, axis)| ((i * (7 + axis)) % 101) as f32);
        Self { ids, clusters: (0..n_clusters).map(cluster).collect(), layout }
    }

    /// Members in turn in each cluster and, every `noise`-th, in none.
    fn members(&self, noise: usize) -> Vec<Member<'_>> {
        let member = |(i, id)| Member {
            id,
            thumbnail: (i % 3 != 0).then(|| format!("report/thumbs/{i}.jpg")),
            target: (i % 4 != 0).then(|| target(i)),
            cluster: (i % noise != 0).then_some(i % self.clusters.len()),
            confidence: Some(0.5),
            distance: Some((i % 17) as f32),
            class: Some(HOSTILE[i % 3]),
            size: Some((28, 28)),
        };
        self.ids.iter().map(String::as_str).enumerate().map(member).collect()
    }

    fn contents<'a>(&'a self, members: &'a [Member<'a>]) -> Contents<'a> {
        Contents {
            title: HOSTILE[0],
            facts: &[],
            scores: &[],
            members,
            clusters: &self.clusters,
            layout: Some(placed(&self.layout)),
            overlays: &[],
            graph: None,
            confusion: None,
            sweep: None,
            drawing: None,
            skipped: &[],
        }
    }
}

/// Numbers and texts, some of them none.
fn overlays(n_members: usize) -> [Overlay; 2] {
    let cell = |i: usize, text: &str| (!i.is_multiple_of(5)).then(|| text.to_owned());
    let numbers = Overlay::from_cells(HOSTILE[0].into(), (0..n_members).map(|i| cell(i, &i.to_string())));
    let texts = Overlay::from_cells(HOSTILE[2].into(), (0..n_members).map(|i| cell(i, HOSTILE[i % HOSTILE.len()])));
    [numbers, texts]
}

/// Where the member `i` is said to be arranged; of the odd ones the name isn't Unicode where paths may be so.
fn target(i: usize) -> PathBuf {
    let directory = PathBuf::from(format!("cluster #{}?", i % 5));
    #[cfg(unix)]
    if i % 2 == 1 {
        use std::os::unix::ffi::OsStringExt;
        return directory
            .join(std::ffi::OsString::from_vec([b"\xff\n\"%41".as_slice(), i.to_string().as_bytes()].concat()));
    }
    directory.join(format!("javascript:{i}<é>.jpg"))
}

/// Every file of a report, by path below `out`.
fn files(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(out).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    let name = |path: &Path| path.strip_prefix(out).unwrap().to_str().unwrap().to_owned();
    files.map(|e| (name(e.path()), std::fs::read(e.path()).unwrap())).collect()
}

/// A tag of a page: its name and attributes, unescaped.
type Tag = (String, BTreeMap<String, String>);

/// The opening tags of `html`, after checking that all are closed in order and that nothing is left unescaped.
fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains(['>', '"']), "unescaped text {:?}", &rest[..start]);
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('/') {
            let (name, after) = after.split_once('>').unwrap();
            assert_eq!(open.pop().as_deref(), Some(name));
            rest = after;
            continue;
        }
        let end = rest.find([' ', '>']).unwrap();
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut attributes = BTreeMap::new();
        while let Some(after) = rest.strip_prefix(' ') {
            let end = after.find(['=', ' ', '>']).unwrap();
            let (key, after) = after.split_at(end);
            let mut value = "";
            rest = after;
            if let Some(quoted) = after.strip_prefix("=\"") {
                (value, rest) = quoted.split_once('"').unwrap();
            }
            let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            assert!(!value.contains(['<', '>']), "unescaped {key}={value:?}");
            assert!(attributes.insert(key.to_owned(), plain).is_none(), "{key} twice");
        }
        rest = rest.strip_prefix('>').unwrap_or_else(|| panic!("{name} goes on with {:.40}", rest));
        if !["meta", "link", "img"].contains(&name.as_str()) {
            open.push(name.clone());
        }
        tags.push((name, attributes));
    }
    assert!(open.is_empty(), "{open:?} stay open");
    tags
}

fn pages(files: &BTreeMap<String, Vec<u8>>) -> impl Iterator<Item = (&String, Vec<Tag>)> {
    let html = files.iter().filter(|(name, _)| name.ends_with(".html"));
    html.map(|(name, bytes)| (name, tags(std::str::from_utf8(bytes).unwrap())))
}

/// The data of a script of the map.
fn data(script: &[u8]) -> serde_json::Value {
    let script = std::str::from_utf8(script).unwrap();
    assert!(!script.contains(['<', '\u{2028}', '\u{2029}']));
    let (_, call) = script.split_once('(').unwrap();
    serde_json::from_str(call.strip_suffix(");\n").unwrap()).unwrap()
}

/// `link` on the page `from`, as a path below `out` in bytes, and its fragment.
fn resolve(from: &str, link: &str) -> (Vec<u8>, Option<String>) {
    let (path, fragment) = link.split_once('#').map_or((link, None), |(p, f)| (p, Some(f.to_owned())));
    assert!(!path.contains([':', '?']), "{link} is no plain path");
    if path.is_empty() {
        return (from.into(), fragment);
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        if part == ".." {
            parts.pop().expect("below the directory");
        } else {
            parts.push(part);
        }
    }
    let (text, mut bytes) = (parts.join("/"), Vec::new());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    (bytes, fragment)
}

#[test]
fn every_page_is_sound_and_every_link_arrives() {
    let made = Made::new(1300, 104);
    let mut members = made.members(usize::MAX);
    members.iter_mut().take(1100).for_each(|m| m.cluster = None);
    let classes: Vec<String> = HOSTILE[..3].iter().map(ToString::to_string).collect();
    let confusion = Confusion { classes: &classes, rows: vec![(Some(1), &[1, 0, 2]), (None, &[0; 3])] };
    let skipped = vec![Skipped { id: HOSTILE[0].into(), stage: Stage::Decode, reason: HOSTILE[2].into() }; 300];
    let scores = [Score { name: HOSTILE[0].into(), value: None, meaning: HOSTILE[2].into() }];
    let facts = [(HOSTILE[2].to_owned(), HOSTILE[0].to_owned())];
    let node = |row| topology::Node { members: vec![row], medoid: row, ..Default::default() };
    let edges = (1..104).map(|to| topology::Edge { from: to - 1, to, count: 1, weight: 1.0 / to as f64 });
    let graph = topology::Graph { nodes: (1100..1204).map(node).collect(), edges: edges.collect() };
    let overlays = overlays(1300);
    let contents = Contents {
        facts: &facts,
        scores: &scores,
        overlays: &overlays,
        graph: Some(&graph),
        confusion: Some(&confusion),
        skipped: &skipped,
        ..made.contents(&members)
    };
    let out = tempfile::tempdir().unwrap();
    write(out.path(), &contents, &Silent).unwrap();

    let files = files(out.path());
    let given: HashSet<Vec<u8>> = (0..members.len())
        .flat_map(|i| {
            let target = target(i).into_os_string().into_encoded_bytes();
            let directory = format!("cluster #{}?/", i % 5).into_bytes();
            [target, directory, format!("report/thumbs/{i}.jpg").into_bytes()]
        })
        .chain([b"skipped.csv".to_vec()])
        .collect();
    let anchors: BTreeMap<&String, HashSet<String>> = pages(&files)
        .map(|(name, tags)| (name, tags.into_iter().filter_map(|(_, mut a)| a.remove("id")).collect()))
        .collect();
    let arrives = |from: &str, link: &str| {
        let (path, fragment) = resolve(from, link);
        let name = String::from_utf8(path.clone()).unwrap_or_default();
        let there = fragment.is_none_or(|f| anchors.get(&name).is_some_and(|ids| ids.contains(&f)));
        assert!((files.contains_key(&name) || given.contains(&path)) && there, "{from}: {link}");
    };
    for (name, tags) in pages(&files) {
        let scripts = tags.iter().filter(|(tag, _)| tag == "script").count();
        assert_eq!(scripts, if name == "report.html" { 2 } else { 1 });
        for (tag, attributes) in tags {
            assert!(
                !attributes.keys().any(|key| key.starts_with("on") || key == "style"),
                "{name}: {tag} {attributes:?}"
            );
            attributes.get("href").or(attributes.get("src")).into_iter().for_each(|link| arrives(name, link));
            assert!(tag != "img" || attributes.contains_key("alt"), "{name}: a picture without a text");
        }
    }
    let (_, overview) = pages(&files).find(|(name, _)| *name == "report.html").unwrap();
    let nodes: HashSet<_> =
        overview.iter().filter(|(_, a)| a.contains_key("data-node")).map(|(_, a)| &a["href"]).collect();
    assert!(nodes.len() == 104 && nodes.contains(&"report.html#cluster-003".to_owned()), "{nodes:?}");
    assert_eq!(overview.iter().filter(|(tag, _)| tag == "option").count(), 4);
    let rows: Vec<_> = ["report/points-0.js", "report/points-1.js"].map(|n| data(&files[n])["rows"].clone()).into();
    let rows: Vec<_> = rows.iter().flat_map(|rows| rows.as_array().unwrap()).collect();
    assert_eq!(rows.len(), members.len());
    for row in rows {
        arrives("report.html", row[2].as_str().unwrap());
        row[1].as_str().into_iter().for_each(|link| arrives("report.html", link));
    }
}

#[test]
fn no_page_grows_with_the_collection() {
    let made = Made::new(5200, 250);
    let mut members = made.members(usize::MAX);
    members.iter_mut().for_each(|m| m.cluster = m.cluster.map(|c| if c < 125 { 7 } else { c }));
    let out = tempfile::tempdir().unwrap();
    write(out.path(), &made.contents(&members), &Silent).unwrap();
    let files = files(out.path());
    let (mut n_figures, mut n_cards) = (0, 0);
    for (_, tags) in pages(&files) {
        let count = |wanted: &str| tags.iter().filter(|(_, a)| a.get("class").is_some_and(|c| c == wanted)).count();
        let figures = tags.iter().filter(|(t, a)| t == "figure" && a.contains_key("id")).count();
        assert!(figures <= 1000 && count("card") <= 100 && tags.len() < 10_000);
        n_figures += figures;
        n_cards += count("card");
    }
    assert_eq!((n_figures, n_cards), (5200, 250 + 1), "each is shown once, with the noise last");
    assert!(files.contains_key("report/clusters-3.html") && files.contains_key("report/cluster-007-3.html"));
    assert!(files.values().all(|bytes| bytes.len() < 1_000_000));
}

#[test]
fn typical_members_come_first() {
    let m = |id, distance, confidence| Member { id, distance, confidence, cluster: Some(0), ..Member::default() };
    let members = [
        m("unknown", None, None),
        m("far", Some(2.0), Some(1.0)),
        m("unsure", Some(1.0), Some(0.1)),
        m("not a number", Some(f32::NAN), Some(f32::NAN)),
        m("near", Some(1.0), Some(0.9)),
    ];
    let made = Made::new(5, 1);
    let groups = groups::groups(&made.contents(&members));
    assert_eq!(
        groups[0].rows.iter().map(|&r| members[r].id).collect::<Vec<_>>(),
        ["near", "unsure", "far", "unknown", "not a number"]
    );
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    let made = Made::new(2300, 9);
    let members = made.members(7);
    let [one, many] = [1, 4].map(|threads| {
        let out = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| write(out.path(), &made.contents(&members), &Silent)).unwrap();
        files(out.path())
    });
    assert!(one == many);
}

#[test]
fn a_smaller_report_leaves_nothing_of_a_larger_one() {
    let (large, small) = (Made::new(3000, 130), Made::new(20, 2));
    let [fresh, used] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    write(used.path(), &large.contents(&large.members(2)), &Silent).unwrap();
    let kept = ["report/thumbs/ab/x.jpg", "report/cluster-notes.html", "report/clusters.html", "cluster-000/a.jpg"];
    for dir in [&fresh, &used] {
        for name in kept {
            std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        write(dir.path(), &small.contents(&small.members(usize::MAX)), &Silent).unwrap();
    }
    assert!(files(fresh.path()) == files(used.path()));
    assert!(kept.iter().all(|name| used.path().join(name).exists()));
}

#[test]
fn the_map_keeps_proportions_and_leaves_out_what_has_no_place() {
    let made = Made::new(4, 1);
    let members = made.members(usize::MAX);
    let layout = ndarray::array![[-1.0, 5.0], [3.0, 5.0], [f32::NAN, 0.0], [1.0, 6.0]];
    let contents = Contents { layout: Some(placed(&layout)), ..made.contents(&members) };
    let out = tempfile::tempdir().unwrap();
    write(out.path(), &contents, &Silent).unwrap();
    let map = data(&std::fs::read(out.path().join("report/points.js")).unwrap());
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("Each point is an image, placed &lt;b&gt;somehow&lt;/b&gt;."), "{page}");
    assert_eq!(map["sizes"].to_string(), "[2,1]", "the first member is noise");
    assert_eq!(map["x"].to_string(), "[65535,32768,0]");
    assert_eq!(map["y"].to_string(), "[0,16384,0]");

    let layout = Array2::from_elem((4, 2), f32::MAX);
    let one_place = Contents { layout: Some(placed(&layout)), ..contents };
    write(out.path(), &one_place, &Silent).unwrap();
    let nowhere = Array2::from_elem((4, 2), f32::INFINITY);
    write(out.path(), &Contents { layout: Some(placed(&nowhere)), ..contents }, &Silent).unwrap();
    assert!(!out.path().join("report/points.js").exists());
}

#[test]
fn overlays_follow_the_points_and_go_with_the_next_report() {
    let made = Made::new(20, 3);
    let members = made.members(7);
    let overlays = overlays(20);
    let out = tempfile::tempdir().unwrap();
    let script = |name: &str| data(&std::fs::read(out.path().join("report").join(name)).unwrap());
    write(out.path(), &Contents { overlays: &overlays, ..made.contents(&members) }, &Silent).unwrap();
    let ids: Vec<usize> = script("points-0.js")["rows"].as_array().unwrap().iter().map(row_of).collect();
    assert_ne!(ids, (0..20).collect::<Vec<_>>(), "points go by cluster");
    let [numbers, texts] = ["overlay-0.js", "overlay-1.js"].map(script);
    assert_eq!((&numbers["number"], &texts["number"]), (&0.into(), &1.into()));
    for (point, &row) in ids.iter().enumerate() {
        let (number, text) = (&numbers["values"][point], &texts["values"][point]);
        if row.is_multiple_of(5) {
            assert!(number.is_null() && text.is_null());
        } else {
            assert_eq!(number.as_f64(), Some(row as f64));
            let name = text.as_u64().map(|place| &texts["names"][place as usize]);
            let given = HOSTILE[row % HOSTILE.len()];
            assert_eq!(name.and_then(|name| name.as_str()), (!given.is_empty()).then(|| link::shown(given)).as_deref());
        }
    }
    write(out.path(), &made.contents(&members), &Silent).unwrap();
    assert!(!out.path().join("report/overlay-0.js").exists());
}

/// The member that a row of the map's names is of.
fn row_of(names: &serde_json::Value) -> usize {
    names[0].as_str().unwrap().rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn parts_that_do_not_fit_are_errors_before_anything_is_written() {
    let made = Made::new(4, 2);
    let members = made.members(usize::MAX);
    let contents = made.contents(&members);
    let classes = ["a".to_owned()];
    let short = Array2::zeros((3, 2));
    let few = Contents { clusters: &made.clusters[..1], ..contents };
    let layout = Contents { layout: Some(placed(&short)), ..contents };
    let overlays = overlays(3);
    let node = topology::Node { medoid: 4, ..Default::default() };
    let nodes = topology::Graph { nodes: vec![node], edges: Vec::new() };
    let overlay = Contents { overlays: &overlays, ..contents };
    let graph = Contents { graph: Some(&nodes), ..contents };
    let table = Confusion { classes: &classes, rows: vec![(Some(0), &[1, 2])] };
    let confusion = Contents { confusion: Some(&table), ..contents };
    let out = tempfile::tempdir().unwrap();
    assert!(matches!(write(out.path(), &few, &Silent), Err(ReportError::Cluster { cluster: 1, .. })));
    assert!(matches!(write(out.path(), &layout, &Silent), Err(ReportError::Layout { found: [3, 2], .. })));
    assert!(matches!(write(out.path(), &overlay, &Silent), Err(ReportError::Overlay { found: 3, expected: 4, .. })));
    assert!(matches!(write(out.path(), &graph, &Silent), Err(ReportError::Graph { node: 0, row: 4 })));
    assert!(matches!(write(out.path(), &confusion, &Silent), Err(ReportError::Confusion { row: 0, .. })));
    assert!(files(out.path()).is_empty());
}

#[test]
fn an_interrupted_report_leaves_the_earlier_one() {
    let made = Made::new(9, 2);
    let members = made.members(3);
    let out = tempfile::tempdir().unwrap();
    write(out.path(), &made.contents(&members), &Silent).unwrap();
    let before = files(out.path());
    let other = Contents { title: "other", ..made.contents(&members) };
    assert!(matches!(write(out.path(), &other, &Watch::stopping_after(0)), Err(ReportError::Interrupted(Interrupted))));
    assert!(files(out.path()) == before);
}

#[test]
fn an_empty_collection_has_a_report() {
    let out = tempfile::tempdir().unwrap();
    let made = Made::new(0, 1);
    write(out.path(), &made.contents(&[]), &Silent).unwrap();
    assert_eq!(pages(&files(out.path())).count(), 2);
}

/// A sweep of three numbers, whose criteria disagree.
fn sweep() -> crate::pipeline::Sweep {
    use crate::evaluate::{Candidate, suggest};
    let candidate = |(n_clusters, inertia, silhouette): (usize, f64, Option<f64>)| Candidate {
        n_clusters,
        inertia,
        silhouette,
        calinski_harabasz: silhouette.map(|s| 100.0 - s),
        ..Candidate::default()
    };
    let mut candidates = [(1, 9.0, None), (2, 4.0, Some(0.4)), (3, 1.0, Some(0.7)), (4, 0.9, Some(0.6))].map(candidate);
    let suggestion = suggest(&mut candidates).unwrap();
    crate::pipeline::Sweep { candidates: candidates.into(), suggestion, n_samples: 40 }
}

#[test]
fn a_sweep_is_drawn_alike_as_svg_and_as_png() {
    let figure = sweep_figure(&sweep());
    let svg = figure.svg();
    for text in ["3 clusters suggested", "judged on 40 images", "Silhouette", "Dunn", "not defined", ">0.70<"] {
        assert!(svg.contains(text), "{text} in {svg}");
    }
    // The picks of inertia, silhouette, Calinski-Harabasz, and of all together.
    assert_eq!(svg.matches("<circle").count(), 4);
    assert_eq!(svg.matches("<svg").count() + svg.matches("</svg>").count(), 2);
    let png = image::load_from_memory(&figure.png()).unwrap().to_rgb8();
    assert_eq!(png.dimensions(), (2000, 772));
    let drawn = |[r, g, b]: [u8; 3]| png.pixels().filter(|p| p.0 == [r, g, b]).count();
    assert!(drawn([0xc4, 0x4e, 0x1c]) > 200 && drawn([0x1f, 0x65, 0x88]) > 500, "picks and curves");
    // Where the one has a dot, so has the other.
    let attribute =
        |dot: &str, name: &str| -> f32 { dot.split(name).nth(1).unwrap().split('"').nth(1).unwrap().parse().unwrap() };
    for dot in svg.split("<circle").skip(1) {
        let [x, y] = ["cx=", "cy="].map(|name| (2.0 * attribute(dot, name)) as u32);
        assert_eq!(png.get_pixel(x, y).0, [0xc4, 0x4e, 0x1c], "{dot}");
    }
    let title = image::imageops::crop_imm(&png, 0, 0, 500, 80).to_image();
    assert!(title.pixels().filter(|p| p.0[0] < 100).count() > 300, "letters");
}

#[test]
fn the_report_shows_how_the_number_was_chosen() {
    let made = Made::new(20, 3);
    let members = made.members(20);
    let out = tempfile::tempdir().unwrap();
    let html = || std::fs::read_to_string(out.path().join("report.html")).unwrap();
    write(out.path(), &made.contents(&members), &Silent).unwrap();
    assert!(!html().contains("#number"));
    let sweep = sweep();
    write(out.path(), &Contents { sweep: Some(&sweep), ..made.contents(&members) }, &Silent).unwrap();
    let html = html();
    assert!(html.contains("href=\"#number\"") && html.contains("<svg") && html.contains(&sweep.suggestion.reasons[0]));
}

#[test]
fn a_drawing_is_shown_and_goes_with_the_next_report() {
    let made = Made::new(20, 3);
    let members = made.members(20);
    let out = tempfile::tempdir().unwrap();
    let drawing = image::DynamicImage::new_rgb8(8, 8);
    write(out.path(), &Contents { drawing: Some(&drawing), ..made.contents(&members) }, &Silent).unwrap();
    let html = || std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(html().contains("href=\"#drawing\"") && html().contains("src=\"report/drawing.png\""));
    assert_eq!(image::open(out.path().join("report/drawing.png")).unwrap().width(), 8);
    write(out.path(), &made.contents(&members), &Silent).unwrap();
    assert!(!html().contains("drawing") && !out.path().join("report/drawing.png").exists());
}
