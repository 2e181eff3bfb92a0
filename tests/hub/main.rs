//! Weights fetched from a server that behaves like the Hugging Face hub, as a user meets it.

mod extractor;
mod fetch;
mod server;

use serde_json::Value;
use server::Server;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::{Command, Output};

/// A model without a pinned hash, and one with.
const UNPINNED: &str = "resnet152";
const PINNED: &str = "resnet18";
const REPOSITORY: &str = "models--timm--resnet152.a1_in1k";
/// Of the server.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A cache of its own and a server.
struct Desk {
    home: tempfile::TempDir,
    server: Server,
}

impl Desk {
    fn new(file: Vec<u8>) -> Self {
        Self { home: tempfile::tempdir().unwrap(), server: Server::new(file, COMMIT) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alike"));
        let variables = ["HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"];
        for variable in variables.iter().chain(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]) {
            command.env_remove(variable);
        }
        command.args(args).env("HF_HOME", self.home.path()).env("HF_ENDPOINT", &self.server.endpoint);
        command
    }

    fn fetch(&self, model: &str) -> Output {
        self.command(&["models", "fetch", model, "--format", "json"]).output().unwrap()
    }

    /// Fetches what must come.
    fn fetched(&self, model: &str) -> Value {
        let output = self.fetch(model);
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["models"][0].clone()
    }

    /// Fetches what can't, and gives what was said.
    fn refused(&self, model: &str) -> String {
        let output = self.fetch(model);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        said(&output)
    }

    fn repository(&self) -> PathBuf {
        self.home.path().join("hub").join(REPOSITORY)
    }

    fn part(&self) -> PathBuf {
        self.repository().join("blobs").join(sha256(&self.server.file())).with_extension("incomplete")
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An intact safetensors file of some megabytes.
fn weights() -> Vec<u8> {
    let values: Vec<u8> = (0..700_000u32).flat_map(|i| (i as f32).sin().to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![700_000], &values).unwrap();
    safetensors::serialize([("some.weight", view)], None).unwrap()
}
