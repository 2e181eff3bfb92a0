//! The hub as the environment describes it, and its cache on disk.
//!
//! The layout is that of Python's huggingface_hub: a directory for each repository, in it `blobs` by hash, `snapshots` of
//! commits that link to them, and `refs` from branches to commits. A blob of weights is named by its SHA-256, which is how
//! the hash of a first download is remembered.

use std::fs;
use std::path::{Path, PathBuf};

use super::{AbsentReason, HubModel, Weights, WeightsError, is_hex};
use crate::progress::Reporter;

/// Where weights are kept, and where they come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Hub {
    cache: PathBuf,
    pub(super) endpoint: String,
    pub(super) token: Option<String>,
    offline: bool,
}

impl std::fmt::Debug for Hub {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hub({} in {})", self.endpoint, self.cache.display())
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::from_env()
    }
}

impl Hub {
    /// As the variables say that huggingface_hub heeds, too: `HF_HUB_CACHE`, `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` (else
    /// `HF_TOKEN_PATH`, else the file `token` in `HF_HOME`), `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        Self::of(|name| std::env::var(name).ok(), std::env::home_dir())
    }

    /// As `variable` says, in the absence of others for a user at `user`.
    pub(in crate::embed) fn of(variable: impl Fn(&str) -> Option<String>, user: Option<PathBuf>) -> Self {
        let user = user.unwrap_or_default();
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| {
            let value = variable(name)?;
            Some(value.strip_prefix("~/").map_or_else(|| PathBuf::from(&value), |below| user.join(below)))
        };
        let caches = || path("XDG_CACHE_HOME").unwrap_or_else(|| user.join(".cache"));
        let home = path("HF_HOME").unwrap_or_else(|| caches().join("huggingface"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = variable("HF_TOKEN").or_else(|| fs::read_to_string(token_file).ok());
        let offline = variable("HF_HUB_OFFLINE").map(|value| value.to_uppercase());
        Self {
            cache: path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")).unwrap_or_else(|| home.join("hub")),
            endpoint: variable("HF_ENDPOINT")
                .unwrap_or_else(|| "https://huggingface.co".into())
                .trim_end_matches('/')
                .into(),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: offline.is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.as_str())),
        }
    }

    /// The file of a model's weights, if it is here; it has not been looked into.
    pub fn cached(&self, model: &HubModel) -> Option<PathBuf> {
        let pinned = model.sha256.as_ref().map(|sha256| self.blob(model, sha256)).filter(|blob| blob.is_file());
        pinned.or_else(|| {
            let directory = self.directory(model);
            let commit = match &model.revision {
                Some(commit) => commit.clone(),
                None => fs::read_to_string(directory.join("refs/main")).ok()?.trim().to_owned(),
            };
            Some(directory.join("snapshots").join(commit).join(&model.file)).filter(|file| file.is_file())
        })
    }

    /// Whether weights that hash to `sha256` are here.
    pub(in crate::embed) fn has(&self, model: &HubModel, sha256: &str) -> bool {
        self.blob(model, sha256).is_file()
    }

    /// The weights of a model, from the cache or else from the hub: those that are pinned, or that hash to `sha256`; where
    /// neither is given, those of an earlier download, or of the first.
    ///
    /// # Errors
    /// If they can't be had, or are others.
    pub fn weights(
        &self,
        model: &HubModel,
        sha256: Option<&str>,
        reporter: &dyn Reporter,
    ) -> Result<Weights, WeightsError> {
        let sha256 = sha256.or(model.sha256.as_deref());
        let named = sha256.filter(|sha256| self.has(model, sha256)).map(|sha256| self.blob(model, sha256));
        let path = match named.or_else(|| self.cached(model)) {
            Some(path) => path,
            None => self.fetch(model, reporter)?,
        };
        let trusted = path.canonicalize().ok().and_then(|blob| Some(blob.file_name()?.to_str()?.to_owned()));
        let trusted = trusted.filter(|name| is_hex(name, 64));
        Weights::read(&path, sha256.or(trusted.as_deref()), reporter)
    }

    #[cfg(feature = "hub")]
    fn fetch(&self, model: &HubModel, reporter: &dyn Reporter) -> Result<PathBuf, WeightsError> {
        if self.offline {
            return Err(self.absent(model, AbsentReason::Offline));
        }
        super::download::download(self, model, reporter)
    }

    #[cfg(not(feature = "hub"))]
    fn fetch(&self, model: &HubModel, _: &dyn Reporter) -> Result<PathBuf, WeightsError> {
        Err(self.absent(model, if self.offline { AbsentReason::Offline } else { AbsentReason::NotBuilt }))
    }

    /// The error for weights that can't be fetched.
    pub(super) fn absent(&self, model: &HubModel, reason: AbsentReason) -> WeightsError {
        let (directory, megabytes) = (self.directory(model), megabytes(model.bytes));
        WeightsError::Absent { model: model.name.clone(), megabytes, directory, reason }
    }

    /// What the cache keeps of a model's repository.
    pub fn directory(&self, model: &HubModel) -> PathBuf {
        self.cache.join(folder(model))
    }

    pub(super) fn blob(&self, model: &HubModel, sha256: &str) -> PathBuf {
        self.directory(model).join("blobs").join(sha256)
    }

    /// The file that huggingface_hub locks, too, while it fetches this blob.
    #[cfg(feature = "hub")]
    pub(super) fn lock(&self, model: &HubModel, sha256: &str) -> PathBuf {
        self.cache.join(".locks").join(folder(model)).join(format!("{sha256}.lock"))
    }

    /// Makes a blob the model's file at `commit`, and notes the commit if it was asked for by a branch.
    #[cfg(feature = "hub")]
    pub(super) fn link(&self, model: &HubModel, blob: &Path, commit: &str) -> Result<(), crate::files::FileError> {
        use crate::files::{At, write_whole};
        let directory = self.directory(model);
        let snapshot = directory.join("snapshots").join(commit);
        let file = snapshot.join(&model.file);
        fs::create_dir_all(&snapshot).at("create", &snapshot)?;
        if !file.exists() {
            // A dangling link is in the way.
            let _ = fs::remove_file(&file);
            link(blob, &file).at("create", &file)?;
        }
        if commit != model.revision() {
            let refs = directory.join("refs");
            fs::create_dir_all(&refs).at("create", &refs)?;
            write_whole(&refs.join(model.revision()), |out| out.write_all(commit.as_bytes()))?;
        }
        Ok(())
    }
}

fn folder(model: &HubModel) -> String {
    format!("models--{}", model.repository.replace('/', "--"))
}

/// `snapshots/COMMIT/FILE` to `blobs/NAME`, relative so that the cache can be moved.
#[cfg(all(feature = "hub", unix))]
fn link(blob: &Path, file: &Path) -> std::io::Result<()> {
    let name = blob.file_name().expect("a blob has a name");
    std::os::unix::fs::symlink(Path::new("../../blobs").join(name), file)
}

/// Symbolic links may be forbidden here; a second name for the file serves as well.
#[cfg(all(feature = "hub", not(unix)))]
fn link(blob: &Path, file: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, file).or_else(|_| fs::copy(blob, file).map(drop))
}

/// As people are told.
pub(super) fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        let of = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Hub::of(of, Some("/nobody".into()))
    }

    #[test]
    fn the_environment_is_read_as_huggingface_hub_reads_it() {
        let plain = hub(&[]);
        assert_eq!(plain.cache, Path::new("/nobody/.cache/huggingface/hub"));
        assert_eq!(
            (plain.endpoint.as_str(), plain.token.as_deref(), plain.offline),
            ("https://huggingface.co", None, false)
        );
        assert_eq!(hub(&[("XDG_CACHE_HOME", "/x")]).cache, Path::new("/x/huggingface/hub"));
        assert_eq!(hub(&[("HF_HOME", "~/h"), ("XDG_CACHE_HOME", "/x")]).cache, Path::new("/nobody/h/hub"));
        assert_eq!(hub(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]).cache, Path::new("/c"));
        assert_eq!(hub(&[("HF_HUB_CACHE", ""), ("HF_HOME", "/h")]).cache, Path::new("/h/hub"));
        assert_eq!(hub(&[("HF_ENDPOINT", "http://mirror/hf/")]).endpoint, "http://mirror/hf");
        for (value, offline) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false)] {
            assert_eq!(hub(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value:?}");
        }
    }

    #[test]
    fn the_token_is_the_variable_s_else_the_file_s_and_is_not_shown() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("token"), "hf_file\n").unwrap();
        fs::write(home.path().join("other"), "hf_other").unwrap();
        let home_path = home.path().to_str().unwrap();
        let other = home.path().join("other");
        assert_eq!(hub(&[("HF_HOME", home_path)]).token.as_deref(), Some("hf_file"));
        let named = hub(&[("HF_HOME", home_path), ("HF_TOKEN_PATH", other.to_str().unwrap())]);
        assert_eq!(named.token.as_deref(), Some("hf_other"));
        let set = hub(&[("HF_HOME", home_path), ("HF_TOKEN", "hf_set")]);
        assert_eq!(set.token.as_deref(), Some("hf_set"));
        assert!(!format!("{set:?}").contains("hf_set"));
    }
}
