//! Doing what a plan says, and going on with it after an interruption.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

use super::batch::{self, Bytes, Job};
use super::journal::{Header, Journal, Line, SavedPlan, VERSION, Writer};
use super::{ArrangeError, Mode, Operation, Output, Plan, State, place};
use crate::collection::{Skipped, Stage};
use crate::files::{At, FileError, sync_directory};
use crate::progress::Reporter;

/// Operations between two waits for the disk.
const BATCH: usize = 256;
/// Bytes copied after which a batch ends early, so that an interruption is heard.
const BATCH_BYTES: u64 = 256 << 20;
/// Files worked on at once: mostly they wait for the disk, whatever the number of cores.
const WORKERS: usize = 8;
/// What a file takes on disk beyond its bytes, as a guess.
const OVERHEAD: u64 = 4096;

/// What became of an arrangement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of images placed.
    pub images: usize,
    /// Number of companions placed with them.
    pub companions: usize,
    /// Where each placement's image is now, below OUT; `None` if it was skipped.
    pub destinations: Vec<Option<PathBuf>>,
    /// Images and companions left where they were.
    pub skipped: Vec<Skipped>,
}

/// Does what `plan` says in `out`, which must hold no arrangement. On an output opened by [`Output::preview`] it
/// only looks: the report says what would be done.
///
/// `settings` is kept with the plan and told by [`Output::state`]. `provider` makes the bytes of the placement with
/// this index, for those that are no files; it is asked for one at a time, in rising order. Images can be skipped
/// (the source changed, can't be read, ...); a full disk or an interruption ends the work, and [`resume`] goes on.
///
/// Costs a few waits for the disk every 256 files, and one for every copy (none for a move on one file system or a
/// link).
///
/// # Errors
/// If `out` isn't fresh, lies around a source, has too little space for copies, or can't be written.
pub fn apply(
    plan: &Plan,
    out: &mut Output,
    settings: &str,
    provider: &(dyn Fn(usize) -> io::Result<Vec<u8>> + Sync),
    reporter: &dyn Reporter,
) -> Result<Report, ArrangeError> {
    if *out.state() != State::Fresh {
        return Err(out.unready());
    }
    let pool = pool(out.root())?;
    let (operations, problems) = pool.install(|| prepare(plan, out))?;
    if out.is_preview() {
        return Ok(report(plan.n_images, &operations, &plan.skipped, &problems));
    }
    let input_stamp = out.input().and_then(|path| fs::metadata(path).ok()).filter(fs::Metadata::is_file);
    let header = Header {
        version: VERSION,
        mode: plan.mode,
        settings: settings.to_owned(),
        input: out.input().map(Path::to_owned),
        input_stamp: input_stamp.and_then(|meta| place::stamp(&meta).ok()),
        made: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() & !1),
        n_images: plan.n_images,
        n_operations: operations.len(),
        skipped: plan.skipped.clone(),
    };
    let saved = SavedPlan::save(&out.own("plan.jsonl"), header, operations)?;
    let bytes = |operation: &Operation| provider(operation.image);
    let done = pool.install(|| work(&saved, &Journal::default(), out, &bytes, reporter));
    out.refresh()?;
    done
}

/// Finishes an arrangement that was stopped, by the plan it was begun with. The report is about the whole of it.
///
/// `provider` makes the bytes of the image with this id, for those that are no files.
///
/// # Errors
/// If there is nothing to finish or an undo was begun; else as [`apply`].
pub fn resume(
    out: &mut Output,
    provider: &(dyn Fn(&str) -> io::Result<Vec<u8>> + Sync),
    reporter: &dyn Reporter,
) -> Result<Report, ArrangeError> {
    let (State::Unfinished { .. }, false, Some((saved, journal))) = (out.state(), out.is_preview(), out.load()?) else {
        return Err(out.unready());
    };
    let bytes = |operation: &Operation| provider(&operation.id);
    let done = pool(out.root())?.install(|| work(&saved, &journal, out, &bytes, reporter));
    out.refresh()?;
    done
}

/// Threads that wait for the disk.
pub(super) fn pool(root: &Path) -> Result<rayon::ThreadPool, FileError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build();
    pool.map_err(io::Error::other).at("start threads for", root)
}

/// A family is never split between batches.
pub(super) fn batches(operations: &[Operation], from: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = from;
    std::iter::from_fn(move || {
        let mut bytes = 0u64;
        let mut end = start;
        while end < operations.len() && (operations[end].companion || end < start + BATCH && bytes < BATCH_BYTES) {
            bytes = bytes.saturating_add(operations[end].stamp.map_or(0, |stamp| stamp.len));
            end += 1;
        }
        let range = start..end;
        start = end;
        (!range.is_empty()).then_some(range)
    })
}

/// Whether `plan` could be done in `out` as things are, once what is in it now is cleared away.
///
/// # Errors
/// Those of [`clear`](super::clear) and [`apply`] that show before the first change.
pub fn check(plan: &Plan, out: &Output) -> Result<(), ArrangeError> {
    match out.changed_artefact() {
        Some(path) => Err(ArrangeError::Foreign { path }),
        None => pool(out.root())?.install(|| prepare(plan, out)).map(drop),
    }
}

/// Looks at every source once: absolute paths, the companions' stamps, whether all fits. Also tells what would be
/// skipped as things are now.
fn prepare(plan: &Plan, out: &Output) -> Result<(Vec<Operation>, BTreeMap<usize, String>), ArrangeError> {
    let found: Vec<Option<io::Result<fs::Metadata>>> =
        plan.operations.par_iter().map(|operation| operation.source.as_deref().map(fs::metadata)).collect();
    let device = out.root().ancestors().find_map(|path| fs::metadata(path).ok()).map(|meta| place::device(&meta));
    let mut parents: HashMap<PathBuf, (bool, bool)> = HashMap::new();
    let (mut operations, mut problems, mut needed) = (plan.operations.clone(), BTreeMap::new(), 0u64);
    for (at, (operation, found)) in operations.iter_mut().zip(found).enumerate() {
        let (Some(source), Some(found)) = (&mut operation.source, found) else { continue };
        *source = std::path::absolute(&*source).at("find", source)?;
        let parent = source.parent().unwrap_or(source);
        let (inside, movable) = *parents.entry(parent.to_owned()).or_insert_with(|| {
            let inside = parent.canonicalize().is_ok_and(|parent| parent.starts_with(out.root()));
            (inside, place::may_change(parent))
        });
        if inside {
            return Err(ArrangeError::Overlap { input: source.clone(), output: out.root().to_owned() });
        }
        match found {
            Err(e) => drop(problems.insert(at, format!("{source:?}: {e}"))),
            Ok(meta) => {
                let now = place::stamp(&meta).at("read", source)?;
                if operation.stamp.get_or_insert(now) != &now {
                    problems.insert(at, format!("{source:?} changed since it was listed"));
                }
                let elsewhere = device != Some(place::device(&meta));
                if plan.mode == Mode::HardLink && elsewhere {
                    return Err(ArrangeError::OtherDevice { file: source.clone(), output: out.root().to_owned() });
                }
                if plan.mode == Mode::Move && !movable {
                    return Err(ArrangeError::Immovable { file: source.clone() });
                }
                let copied = plan.mode == Mode::Copy || plan.mode == Mode::Move && elsewhere;
                needed = needed.saturating_add(if copied { now.len.saturating_add(OVERHEAD) } else { 0 });
            }
        }
    }
    let existing = out.root().ancestors().find(|path| path.exists()).unwrap_or(out.root());
    // What is in the output is cleared away before.
    let freed: u64 = match out.load()? {
        Some((before, _)) if before.header.mode == Mode::Copy => {
            before.operations.iter().filter_map(|o| o.stamp).map(|stamp| stamp.len.saturating_add(OVERHEAD)).sum()
        }
        _ => 0,
    };
    match place::free_space(existing).at("read", existing)?.map(|free| free.saturating_add(freed)) {
        Some(free) if free < needed => Err(ArrangeError::Space { path: out.root().to_owned(), needed, free }),
        _ => Ok((operations, problems)),
    }
}

/// The batches not done yet.
fn work(
    plan: &SavedPlan,
    journal: &Journal,
    out: &Output,
    bytes: Bytes,
    reporter: &dyn Reporter,
) -> Result<Report, ArrangeError> {
    let mut writer = start(plan, journal, out)?;
    let staging = out.own("staging");
    let job = Job {
        mode: plan.header.mode,
        operations: &plan.operations,
        root: out.root(),
        staging: &staging,
        made: plan.made(),
        bytes,
        begun_before: journal.begun,
    };
    let images = |range: Range<usize>| plan.operations[range].iter().filter(|o| !o.companion).count() as u64;
    reporter.begin("arrange", Some(images(0..plan.operations.len())));
    reporter.advance(images(0..journal.done));
    let mut skipped = journal.skipped.clone();
    for range in batches(&plan.operations, journal.done) {
        reporter.check()?;
        writer.write(&Line::Begin(range.clone()))?;
        writer.sync()?;
        let done = batch::run(&job, range.clone());
        if done.is_err() {
            // Room for what the user will do about it; the next start removes the rest anyway.
            let _ = fs::remove_dir_all(&staging);
        }
        let given_up: BTreeMap<usize, String> = done?.into_iter().collect();
        skipped.extend(given_up.clone());
        writer.write(&Line::Done(range.clone(), given_up))?;
        reporter.advance(images(range));
    }
    fs::remove_dir_all(&staging).at("remove", &staging)?;
    writer.write(&Line::Finished)?;
    writer.sync()?;
    reporter.end();
    Ok(report(plan.header.n_images, &plan.operations, &plan.header.skipped, &skipped))
}

/// The journal open, the directories there, the staging directory there and empty.
fn start(plan: &SavedPlan, journal: &Journal, out: &Output) -> Result<Writer, ArrangeError> {
    let mut writer = Writer::open(&out.own("journal.jsonl"), journal)?;
    if journal.plan.is_empty() {
        writer.write(&Line::Plan(plan.hash.clone()))?;
    }
    let mut missing = BTreeSet::new();
    for directory in plan.operations.iter().filter_map(|o| o.destination.parent()).collect::<BTreeSet<_>>() {
        let path = out.root().join(directory);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(ArrangeError::Foreign { path }),
            Err(_) => drop(missing.insert(directory.to_string_lossy().into_owned())),
        }
    }
    writer.write(&Line::Directories(missing.clone()))?;
    writer.sync()?;
    let own = out.own("");
    sync_directory(&own).at("sync", &own)?;
    let staging = out.own("staging");
    if place::exists(&staging).at("read", &staging)? {
        fs::remove_dir_all(&staging).at("remove", &staging)?;
    }
    for path in missing.iter().map(|name| out.root().join(name)).chain([staging]) {
        fs::create_dir(&path).at("create", &path)?;
    }
    place::sync_directories([out.root()])?;
    Ok(writer)
}

fn report(
    n_images: usize,
    operations: &[Operation],
    skipped: &[Skipped],
    given_up: &BTreeMap<usize, String>,
) -> Report {
    let mut report = Report { destinations: vec![None; n_images], skipped: skipped.to_vec(), ..Report::default() };
    for (at, operation) in operations.iter().enumerate() {
        match (given_up.get(&at), &operation.source) {
            (None, _) if operation.companion => report.companions += 1,
            (None, _) => {
                report.images += 1;
                report.destinations[operation.image] = Some(operation.destination.clone());
            }
            (Some(reason), source) => {
                let reason = match source {
                    Some(companion) if operation.companion => format!("companion {companion:?}: {reason}"),
                    _ => reason.clone(),
                };
                report.skipped.push(Skipped { id: operation.id.clone(), stage: Stage::Arrange, reason });
            }
        }
    }
    report
}
