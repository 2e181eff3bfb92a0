//! A place to run `alike` in, as a user does.

// Not every test looks at all of it.
#![allow(dead_code)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fresh directory, the caches in it.
pub struct Desk {
    pub dir: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn alike(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alike"));
        command.env("ALIKE_CACHE", self.path("cache")).env("HF_HUB_CACHE", self.path("hub"));
        command.args(args).current_dir(self.dir.path()).output().unwrap()
    }

    /// Runs, checks the exit code, gives the JSON object printed.
    pub fn json(&self, code: i32, args: &[&str]) -> Value {
        let output = self.alike(&[args, &["--format", "json", "--quiet"]].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs, checks the exit code, gives what was said on standard error.
    pub fn error(&self, code: i32, args: &[&str]) -> String {
        let output = self.alike(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        error
    }
}

/// The first pictures of four classes of the digits that ship with the project, so many of each, class by class.
pub fn digits(per_class: usize) -> Vec<(&'static str, PathBuf)> {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits");
    let of = |class: &'static str| {
        let mut files: Vec<_> = fs::read_dir(digits.join(class)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.into_iter().take(per_class).map(move |file| (class, file))
    };
    ["0", "1", "4", "7"].into_iter().flat_map(of).collect()
}
