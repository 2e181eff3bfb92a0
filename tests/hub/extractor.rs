//! Published networks as extractors, their weights drawn at random.

use super::{Desk, said};
use alike::embed::HubModel;
use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// The smallest network, 15 MB.
const SMALL: &str = "mobilenetv4-small";
/// One whose hash isn't pinned.
const UNPINNED: &str = "dinov2-reg-small";

/// Weights that `model` could have, as a file.
fn weights(model: &str) -> Vec<u8> {
    let map = VarMap::new();
    let architecture = HubModel::find(model).unwrap().architecture;
    architecture.build(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu)).unwrap();
    let mut seed = 1u32;
    let variables = map.data().lock().unwrap();
    let mut names: Vec<_> = variables.keys().collect();
    names.sort();
    for name in names {
        let shape = variables[name].shape().clone();
        let fan_in = shape.dims().iter().skip(1).product::<usize>() as f32;
        let values: Vec<f32> = (0..shape.elem_count())
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
                if name.ends_with("running_var") { 1.0 } else { value * 2.0 / fan_in.sqrt() }
            })
            .collect();
        variables[name].set(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap();
    }
    drop(variables);
    let file = tempfile::NamedTempFile::new().unwrap();
    map.save(file.path()).unwrap();
    fs::read(file.path()).unwrap()
}

/// A desk with six digits of two classes.
struct Table {
    desk: Desk,
}

impl Table {
    fn new(served: Vec<u8>) -> Self {
        let desk = Desk::new(served);
        let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits");
        for class in ["0", "1"] {
            fs::create_dir_all(desk.home.path().join("in").join(class)).unwrap();
            let mut files: Vec<_> = fs::read_dir(digits.join(class)).unwrap().map(|e| e.unwrap().path()).collect();
            files.sort();
            for file in files.iter().take(3) {
                fs::copy(file, desk.home.path().join("in").join(class).join(file.file_name().unwrap())).unwrap();
            }
        }
        Self { desk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.home.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name).display().to_string()
    }

    fn alike(&self, args: &[&str], offline: bool) -> Output {
        let mut command = self.desk.command(args);
        command.env("ALIKE_CACHE", self.path("cache")).env("HF_HUB_OFFLINE", if offline { "1" } else { "0" });
        command.current_dir(self.desk.home.path()).output().unwrap()
    }

    fn json(&self, args: &[&str], offline: bool) -> Value {
        let output = self.alike(&[args, &["--format", "json"]].concat(), offline);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn error(&self, args: &[&str], offline: bool) -> String {
        let output = self.alike(args, offline);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", said(&output));
        said(&output)
    }

    /// What clustering said, and what it saved assigns.
    fn clusters(assigned: &Value) -> Vec<&Value> {
        assigned["images"].as_array().unwrap().iter().map(|image| &image["cluster"]).collect()
    }
}

#[test]
fn weights_from_a_file_serve_and_a_model_knows_them_again() {
    let table = Table::new(Vec::new());
    let file = table.file("tuned+best.safetensors", &weights(SMALL));
    let model = format!("{SMALL}={file}");
    let embedded = table.json(&["embed", "in", "--out", "f.npy", "--model", &model], true);
    assert_eq!((&embedded["n_features"], &embedded["model"]), (&1280.into(), &SMALL.into()));
    let features = fs::read(table.path("f.npy")).unwrap();
    let joined = format!("pixels+{model}:0.5");
    let embedded = table.json(&["embed", "in", "--out", "j.npy", "--model", &joined], true);
    assert_eq!(embedded["model"], format!("pixels+{SMALL}:0.5"));
    let again = table.json(&["embed", "in", "--out", "f.npy", "--model", &model, "--device", "cpu"], true);
    assert_eq!((&again["cached"], fs::read(table.path("f.npy")).unwrap()), (&6.into(), features));

    let cluster = ["cluster", "in", "--out", "l.csv", "-k", "2", "--save", "m.alike", "--model", &model];
    table.json(&cluster, true);
    let assign = ["assign", "m.alike", "in", "--no-cache"];
    let error = table.error(&assign, true);
    assert!(error.contains("--weights") && error.contains(SMALL), "{error}");
    let assigned = table.json(&[&assign[..], &["--weights", &file]].concat(), true);
    let labels = fs::read_to_string(table.path("l.csv")).unwrap();
    let labels: Vec<&str> = labels.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(Table::clusters(&assigned).iter().map(|c| c.to_string()).collect::<Vec<_>>(), labels);
    assert!(table.desk.server.requests().is_empty());
}

#[test]
fn files_that_are_not_such_weights_are_refused() {
    let table = Table::new(Vec::new());
    let whole = weights(SMALL);
    let with = |name: &str, file: &str| {
        table.error(&["embed", "in", "--out", "f.npy", "--model", &format!("{name}={file}")], true)
    };
    let pickled = with(SMALL, &table.file("pytorch_model.bin", b"PK\x03\x04 archive/data.pkl"));
    assert!(pickled.contains("pytorch_model.bin is a pickled") && pickled.contains("save_file"), "{pickled}");
    let cut = with(SMALL, &table.file("cut.safetensors", &whole[..whole.len() / 2]));
    assert!(cut.contains("cut.safetensors is no intact safetensors file"), "{cut}");
    let other = with("resnet18", &table.file("other.safetensors", &whole));
    assert!(other.contains("other.safetensors are not those of resnet18") && other.contains("conv1"), "{other}");
    assert!(with(SMALL, "nowhere.safetensors").contains("cannot read nowhere.safetensors"));
}

#[test]
fn a_named_model_is_fetched_once_and_then_serves_offline() {
    let table = Table::new(weights(UNPINNED));
    let model = ["--model", UNPINNED];
    let error = table.error(&[&["embed", "in", "--out", "f.npy"], &model[..]].concat(), true);
    assert!(error.contains("HF_HUB_OFFLINE") && error.contains("alike models fetch dinov2-reg-small"), "{error}");
    let cluster = [&["cluster", "in", "--out", "l.csv", "-k", "2", "--save", "m.alike"], &model[..]].concat();
    let output = table.alike(&cluster, false);
    assert!(output.status.success(), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("MB from http") && told.contains("Apache-2.0") && told.contains("no pinned hash"), "{told}");
    let asked = table.desk.server.requests().len();
    let first = table.json(&["assign", "m.alike", "in"], true);
    let second = table.json(&["assign", "m.alike", "in", "--no-cache"], true);
    assert_eq!(Table::clusters(&first), Table::clusters(&second));
    assert_eq!(table.desk.server.requests().len(), asked);
    // Elsewhere, the model fetches its weights itself.
    fs::remove_dir_all(table.path("hub")).unwrap();
    assert!(table.error(&["assign", "m.alike", "in", "--no-cache"], true).contains("HF_HUB_OFFLINE"));
    table.json(&["assign", "m.alike", "in", "--no-cache"], false);
    assert!(table.desk.server.requests().len() > asked);
}
