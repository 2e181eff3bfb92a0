//! The architecture that `src/lib.rs` describes is the one that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Imports between modules of one layer that are meant: who, whom.
const SIDEWAYS: [(&str, &str); 5] =
    [("source", "decode"), ("embed", "decode"), ("embed", "source"), ("cluster", "reduce"), ("cluster", "raster")];

/// Where printing and exiting are at home.
const EDGES: [&str; 2] = ["cli", "main"];

/// A source file.
struct Source {
    /// Below `src`.
    path: PathBuf,
    /// Its modules from the crate's root: `["embed", "cache"]`.
    modules: Vec<String>,
    text: String,
}

impl Source {
    /// The text without comment lines and without the test module at its end.
    fn code(&self) -> String {
        code(&self.text)
    }
}

fn code(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every file of `src`, but those that hold tests alone.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
                let path = path.strip_prefix(&root).unwrap().to_owned();
                let stem = path.with_extension("");
                let modules = stem.iter().map(|module| module.to_str().unwrap().to_owned());
                let modules: Vec<String> = modules.filter(|module| module != "mod").collect();
                if !modules.iter().any(|module| module == "tests") {
                    sources.push(Source { path, modules, text });
                }
            }
        }
    }
    assert!(sources.len() > 15, "the sources were found");
    sources
}

/// The layer of each module as drawn in `src/lib.rs`, 0 at the top.
fn layers(lib: &str) -> BTreeMap<String, usize> {
    let declared: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let drawing = lib.lines().skip_while(|line| !line.contains("Imports run downwards only")).skip(1);
    let drawing = drawing.skip_while(|line| !line.contains("```text")).skip(1).take_while(|line| !line.contains("```"));
    let mut layers = BTreeMap::new();
    for (layer, line) in drawing.enumerate() {
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| declared.contains(word)) {
            assert_eq!(layers.insert(word.to_owned(), layer), None, "{word} is drawn twice");
        }
    }
    let drawn: BTreeSet<&str> = layers.keys().map(String::as_str).collect();
    assert_eq!(drawn, declared, "the drawing holds the modules that there are");
    layers
}

/// The names that follow `crate::` in some code, braces opened.
fn imports(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(leading_name(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (i, c) in list.char_indices() {
            if depth == 0 && (c == ',' || c == '}') {
                names.insert(leading_name(&list[start..i]));
                start = i + 1;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    names.remove("");
    names
}

fn leading_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_run_down_the_layers() {
    let sources = sources();
    let layers = layers(&sources.iter().find(|source| source.path == Path::new("lib.rs")).unwrap().text);
    let mut wrong = Vec::new();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| layers.contains_key(&source.modules[0])) {
        let (from, path, code) = (&source.modules[0], source.path.display(), source.code());
        if code.contains(&"super::".repeat(source.modules.len())) {
            wrong.push(format!("{path} reaches the root by super: say crate"));
        }
        for to in imports(&code) {
            match layers.get(&to) {
                None => wrong.push(format!("{path} imports {to}, which is no module in src/lib.rs")),
                Some(_) if to == *from => {}
                Some(layer) => {
                    let down = *layer > layers[from] || SIDEWAYS.contains(&(from, &to));
                    // The vocabulary may build on itself, as long as there is no ring.
                    let vocabulary = layers.values().all(|other| *other <= layers[from]) && *layer == layers[from];
                    if !down && !vocabulary {
                        wrong.push(format!("{path} imports {to}, which is not below {from}"));
                    }
                    graph.entry(from.clone()).or_default().insert(to);
                }
            }
        }
    }
    wrong.extend(ring(&graph).map(|module| format!("{module} imports itself in a ring")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A module from which following the imports leads back to it.
fn ring(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<&String> {
    graph.keys().find(|start| {
        let mut seen = BTreeSet::new();
        let mut ahead = vec![*start];
        while let Some(module) = ahead.pop() {
            for next in graph.get(module).into_iter().flatten() {
                if next == *start {
                    return true;
                }
                if seen.insert(next) {
                    ahead.push(next);
                }
            }
        }
        false
    })
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> =
        sources().into_iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path).collect();
    assert!(silent.is_empty(), "no //! at the start of {silent:?}");
}

#[test]
fn the_library_never_prints_and_never_exits() {
    let forbidden = ["print!(", "println!(", "dbg!(", "stdout()", "stderr()", "process::exit", "process::abort"];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !EDGES.contains(&source.modules[0].as_str())) {
        let code = source.code();
        wrong.extend(forbidden.iter().filter(|word| code.contains(*word)).map(|word| (source.path.clone(), *word)));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::files::{At, b};\n// use crate::comment;\nuse crate::{cluster::{KMeans, x}, pipeline,\n  \
                report as r};\nfn f() { crate::arrange::plan(my_crate::no) }\n#[cfg(test)]\nmod tests { use crate::cli; }";
    let found: Vec<String> = imports(&code(text)).into_iter().collect();
    assert_eq!(found, ["arrange", "cluster", "files", "pipeline", "report"]);
}

#[test]
fn rings_are_found() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in edges {
            graph.entry(from.to_string()).or_default().insert(to.to_string());
        }
        graph
    };
    assert_eq!(ring(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(ring(&graph(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(&"b".to_owned()));
}
