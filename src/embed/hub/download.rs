//! One file from the hub to its cache: asked for, resumed, hashed while it comes, and put in place whole.
//!
//! The hub answers a request for `ORGANISATION/NAME/resolve/REVISION/FILE` with the commit, size and SHA-256 of the file
//! (`x-repo-commit`, `x-linked-size`, `x-linked-etag`), and redirects to where its bytes are. The user's token goes to
//! the endpoint alone. The bytes gather in `blobs/SHA256.incomplete`, which a cut, Ctrl-C or a full disk leaves as it is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use super::cache::megabytes;
use super::weights::hex;
use super::{AbsentReason, Hub, HubModel, WeightsError, is_hex};
use crate::files::{At, sync_directory};
use crate::progress::Reporter;

/// Failures in a row, without a byte between them, after which a download gives up.
const ATTEMPTS: u32 = 5;
/// Before the second attempt; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(250);
/// After which a silent connection is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Redirects in a row.
const REDIRECTS: usize = 10;

/// Fetches the model's file, or finds that its bytes are here already.
pub(super) fn download(hub: &Hub, model: &HubModel, reporter: &dyn Reporter) -> Result<PathBuf, WeightsError> {
    let client = Client::new(hub, model);
    let offer = client.ask()?;
    let blob = hub.blob(model, &offer.sha256);
    let directory = blob.parent().expect("a blob lies in a directory");
    fs::create_dir_all(directory).at("create", directory)?;
    let _lock = lock(&hub.lock(model, &offer.sha256), reporter)?;
    if !blob.is_file() {
        notice(hub, model, &offer, reporter);
        let stage = Stage::begin(reporter, offer.size);
        let fetched = fetch(&client, offer.clone(), &blob, &stage);
        reporter.end();
        fetched?;
    }
    hub.link(model, &blob, &offer.commit)?;
    Ok(blob)
}

fn notice(hub: &Hub, model: &HubModel, offer: &Offer, reporter: &dyn Reporter) {
    let (name, repository, megabytes) = (&model.name, &model.repository, megabytes(offer.size));
    reporter.notice(&format!("{name}: {megabytes} MB from {}/{repository}, {}", hub.endpoint, model.licence));
    if model.sha256.is_none() {
        let sha256 = &offer.sha256;
        reporter
            .notice(&format!("{name} has no pinned hash: what comes now, SHA-256 {sha256}, is trusted from here on"));
    }
}

/// What the hub has to offer.
#[derive(Clone)]
struct Offer {
    /// Where the bytes are.
    location: String,
    commit: String,
    sha256: String,
    size: u64,
}

/// Why an attempt came to nothing.
enum Failure {
    /// Worth another one.
    Passing(String),
    Lasting(WeightsError),
}

impl<E: Into<WeightsError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Lasting(error.into())
    }
}

/// Gathers the bytes of `offer` in a part beside `blob`, which it becomes once it is whole.
fn fetch(client: &Client<'_>, mut offer: Offer, blob: &Path, stage: &Stage<'_>) -> Result<(), WeightsError> {
    let mut part = Part::open(blob.with_extension("incomplete"))?;
    let mut failures = 0;
    loop {
        let before = part.length;
        let reason = match part.extend(client, &offer, stage) {
            Ok(()) => break,
            Err(Failure::Lasting(WeightsError::File(error))) if is_full(&error.source) => {
                let directory = blob.parent().unwrap_or(blob).to_owned();
                let model = client.model.name.clone();
                return Err(WeightsError::Full { model, megabytes: megabytes(offer.size), directory });
            }
            Err(Failure::Lasting(error)) => return Err(error),
            Err(Failure::Passing(reason)) => reason,
        };
        failures = if part.length > before { 1 } else { failures + 1 };
        if failures == ATTEMPTS {
            return Err(WeightsError::Failed { url: client.url(), reason });
        }
        pause(PAUSE * 2u32.pow(failures - 1), stage.reporter)?;
        // An address is good for some minutes only. Should even the hub be gone, the old one fails soon.
        if let Ok(again) = client.ask()
            && again.sha256 == offer.sha256
        {
            offer = again;
        }
    }
    part.finish(&offer, blob)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn pause(time: Duration, reporter: &dyn Reporter) -> Result<(), WeightsError> {
    let start = Instant::now();
    while start.elapsed() < time {
        reporter.check()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Waits for other processes, of huggingface_hub too, that fetch the same.
fn lock(path: &Path, reporter: &dyn Reporter) -> Result<File, WeightsError> {
    let directory = path.parent().expect("a lock lies in a directory");
    fs::create_dir_all(directory).at("create", directory)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).at("create", path)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            // Where there are no locks, two downloads at once fail their hash, and nothing worse.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut told, true) {
                    reporter.notice("another process is fetching the same file: waiting for it");
                }
                pause(Duration::from_millis(200), reporter)?;
            }
        }
    }
}

/// What has come so far.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    hasher: Sha256,
}

impl Part {
    fn open(path: PathBuf) -> Result<Self, WeightsError> {
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).at("create", &path)?;
        let mut hasher = Sha256::new();
        let length = io::copy(&mut file, &mut Hashing(&mut hasher)).at("read", &path)?;
        Ok(Self { path, file, length, hasher })
    }

    fn restart(&mut self) -> Result<(), WeightsError> {
        self.file.set_len(0).at("write", &self.path)?;
        self.file.seek(SeekFrom::Start(0)).at("write", &self.path)?;
        (self.length, self.hasher) = (0, Sha256::new());
        Ok(())
    }

    /// Asks for what is missing, and takes what comes.
    fn extend(&mut self, client: &Client<'_>, offer: &Offer, stage: &Stage<'_>) -> Result<(), Failure> {
        if self.length > offer.size {
            self.restart()?;
        }
        stage.show(self.length);
        if self.length == offer.size {
            return Ok(());
        }
        let mut response = client.get(&offer.location, self.length)?;
        match response.status().as_u16() {
            206 if starts_at(response.headers(), self.length) => {}
            200 => self.restart()?,
            // Of no use with this part: from the beginning, then.
            206 | 416 => {
                self.restart()?;
                return Err(Failure::Passing("the server doesn't resume".into()));
            }
            status => return Err(client.failure(status, &offer.location)),
        }
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 17];
        while self.length < offer.size {
            stage.reporter.check()?;
            let most = buffer.len().min((offer.size - self.length).try_into().unwrap_or(usize::MAX));
            let n = match body.read(&mut buffer[..most]) {
                Ok(0) => return Err(Failure::Passing("the connection was cut".into())),
                Ok(n) => n,
                Err(error) => return Err(Failure::Passing(error.to_string())),
            };
            self.file.write_all(&buffer[..n]).at("write", &self.path)?;
            self.hasher.update(&buffer[..n]);
            self.length += n as u64;
            stage.show(self.length);
        }
        Ok(())
    }

    /// Makes it `blob` if it is what was offered; else it is worth nothing.
    fn finish(self, offer: &Offer, blob: &Path) -> Result<(), WeightsError> {
        let found = hex(self.hasher);
        if found != offer.sha256 {
            fs::remove_file(&self.path).at("remove", &self.path)?;
            let (at, expected) = (format!("what came from {}", offer.location), offer.sha256.clone());
            return Err(WeightsError::Hash { at, expected, found, advice: "it was removed; try again" });
        }
        self.file.sync_all().at("write", &self.path)?;
        drop(self.file);
        fs::rename(&self.path, blob).at("create", blob)?;
        sync_directory(blob.parent().unwrap_or(blob)).at("write", blob)?;
        Ok(())
    }
}

struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the bytes to come begin at `start`, by `content-range: bytes START-END/SIZE`.
fn starts_at(headers: &HeaderMap, start: u64) -> bool {
    let range = header(headers, "content-range").and_then(|range| range.strip_prefix("bytes "));
    range.and_then(|range| range.split_once('-')).is_some_and(|(found, _)| found.parse() == Ok(start))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Counts megabytes for the reporter.
struct Stage<'a> {
    reporter: &'a dyn Reporter,
    shown: std::cell::Cell<u64>,
}

impl<'a> Stage<'a> {
    fn begin(reporter: &'a dyn Reporter, size: u64) -> Self {
        reporter.begin("fetch, MB", Some(megabytes(size)));
        Self { reporter, shown: 0.into() }
    }

    fn show(&self, length: u64) {
        let now = megabytes(length);
        self.reporter.advance(now.saturating_sub(self.shown.get()));
        self.shown.set(now.max(self.shown.get()));
    }
}

/// Talks to the hub about one model.
struct Client<'a> {
    hub: &'a Hub,
    model: &'a HubModel,
    agent: Agent,
}

impl<'a> Client<'a> {
    fn new(hub: &'a Hub, model: &'a HubModel) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("alike/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE));
        Self { hub, model, agent: config.build().into() }
    }

    fn url(&self) -> String {
        let HubModel { repository, file, .. } = self.model;
        format!("{}/{repository}/resolve/{}/{file}", self.hub.endpoint, self.model.revision())
    }

    /// What there is to fetch.
    fn ask(&self) -> Result<Offer, WeightsError> {
        let mut url = self.url();
        for _ in 0..REDIRECTS {
            let response = self.send(&url, None).map_err(|e| {
                self.hub.absent(self.model, AbsentReason::Unreachable(format!("{}: {e}", self.hub.endpoint)))
            })?;
            match (response.status().as_u16(), header(response.headers(), "location")) {
                // Elsewhere on the hub, such as the new name of a repository; or a mirror that says nothing itself.
                (300..=399, Some(location))
                    if !is_absolute(location) || header(response.headers(), "x-linked-size").is_none() =>
                {
                    url = absolute(&url, location);
                }
                (200..=399, location) => {
                    return self.offer(response.headers(), location.map_or(url.clone(), str::to_owned));
                }
                (status, _) => {
                    return Err(match self.failure(status, &url) {
                        Failure::Lasting(error) => error,
                        Failure::Passing(reason) => self.hub.absent(self.model, AbsentReason::Unreachable(reason)),
                    });
                }
            }
        }
        Err(WeightsError::Failed { url, reason: "it is redirected without end".into() })
    }

    fn offer(&self, headers: &HeaderMap, location: String) -> Result<Offer, WeightsError> {
        let etag = header(headers, "x-linked-etag").or_else(|| header(headers, "etag")).unwrap_or_default();
        let found = Some(etag.trim_start_matches("W/").trim_matches('"')).filter(|etag| is_hex(etag, 64));
        let sha256 = match (&self.model.sha256, found) {
            (Some(pinned), Some(found)) if pinned != found => {
                let (at, expected, found) = (self.url(), pinned.clone(), found.to_owned());
                let advice = "it was not fetched; is HF_ENDPOINT to be trusted?";
                return Err(WeightsError::Hash { at, expected, found, advice });
            }
            (Some(pinned), _) => pinned.as_str(),
            (None, Some(found)) => found,
            (None, None) => {
                return Err(WeightsError::NoHash { model: self.model.name.clone(), url: self.url() });
            }
        };
        let size = header(headers, "x-linked-size").or_else(|| header(headers, "content-length"));
        let Some(size) = size.and_then(|size| size.parse().ok()) else {
            return Err(WeightsError::Failed { url: self.url(), reason: "the server doesn't tell its size".into() });
        };
        let commit = header(headers, "x-repo-commit").filter(|commit| is_hex(commit, 40));
        let commit = commit.unwrap_or(self.model.revision()).to_owned();
        Ok(Offer { location, commit, sha256: sha256.to_owned(), size })
    }

    /// The bytes at `location` from `start` on, wherever they have moved to.
    fn get(&self, location: &str, start: u64) -> Result<Response<Body>, Failure> {
        let mut url = location.to_owned();
        for _ in 0..REDIRECTS {
            let response = self.send(&url, Some(start)).map_err(|e| Failure::Passing(e.to_string()))?;
            match (response.status().as_u16(), header(response.headers(), "location")) {
                (300..=399, Some(location)) => url = absolute(&url, location),
                _ => return Ok(response),
            }
        }
        Err(Failure::Passing("it is redirected without end".into()))
    }

    /// One request: for the headers alone, or for the bytes from `start`.
    fn send(&self, url: &str, start: Option<u64>) -> Result<Response<Body>, ureq::Error> {
        let request = if start.is_some() { self.agent.get(url) } else { self.agent.head(url) };
        let mut request = request.header("accept-encoding", "identity");
        if let Some(start) = start.filter(|start| *start > 0) {
            request = request.header("range", format!("bytes={start}-"));
        }
        if let Some(token) = &self.hub.token
            && origin(url) == origin(&self.hub.endpoint)
        {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.call()
    }

    fn failure(&self, status: u16, url: &str) -> Failure {
        let (endpoint, repository) = (self.hub.endpoint.clone(), self.model.repository.clone());
        match status {
            401 | 403 if origin(url) == origin(&endpoint) => {
                Failure::Lasting(WeightsError::Refused { status, endpoint, repository })
            }
            404 => Failure::Lasting(WeightsError::NotFound { url: url.into() }),
            _ => Failure::Passing(format!("{} answers {status}", origin(url))),
        }
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |end| &url[..host + end])
}

/// Where `location`, maybe relative, is as seen from `url`.
fn absolute(url: &str, location: &str) -> String {
    match location {
        _ if is_absolute(location) => location.to_owned(),
        _ if location.starts_with("//") => format!("{}:{location}", url.split(':').next().unwrap_or("https")),
        _ if location.starts_with('/') => format!("{}{location}", origin(url)),
        _ => format!("{}/{location}", url.rsplit_once('/').map_or(url, |(directory, _)| directory)),
    }
}

fn is_absolute(location: &str) -> bool {
    location.starts_with("https://") || location.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_joined() {
        assert_eq!(origin("https://hub:8443/a/b"), "https://hub:8443");
        assert_eq!(origin("https://hub"), "https://hub");
        assert_ne!(origin("https://hub.evil/a"), origin("https://hub"));
        assert_ne!(origin("http://hub/a"), origin("https://hub"));
        assert_eq!(absolute("https://hub/a/b", "/c?x=https://"), "https://hub/c?x=https://");
        assert_eq!(absolute("https://hub/a/b", "c"), "https://hub/a/c");
        assert_eq!(absolute("https://hub/a/b", "http://cdn/c"), "http://cdn/c");
        assert_eq!(absolute("https://hub/a/b", "//cdn/c"), "https://cdn/c");
    }

    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        assert!(is_full(&io::ErrorKind::StorageFull.into()) && is_full(&io::ErrorKind::QuotaExceeded.into()));
        assert!(!is_full(&io::ErrorKind::PermissionDenied.into()));
    }
}
