//! `alike sort`: the main job.
//!
//! Everything that tells of the result (report, tables, model) is written before the first file is placed: a run that is
//! killed while placing files is finished from its journal alone, whatever has become of INPUT by then.

use super::args::SortArgs;
use super::clustering::AlgorithmChoice;
use super::gallery::{self, Gallery};
use super::printer::Printer;
use super::tables::{self, Row, RunSummary};
use super::{Exit, UsageError, inputs, results, settings};
use crate::arrange::{self, Mode, Origin, Output, Placement, Plan, State};
use crate::collection::{Skipped, Truth};
use crate::embed::{Embedded, Extractors};
use crate::evaluate::files::read_table;
use crate::files::At;
use crate::model::UNCLUSTERED;
use crate::pipeline::{self, Context, Outcome};
use crate::progress::Reporter;
use crate::report::{self, Overlay};
use crate::source::{Collection, Content, Source};
use anyhow::bail;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where the report is put together before it is moved into OUT.
const STAGING: &str = ".alike/report";
/// The other files that are written into OUT.
const CLUSTERS: &str = "clusters.csv";
const SKIPPED: &str = "skipped.csv";
const MODEL: &str = "model.alike";
const NEIGHBOURS: &str = "neighbours.safetensors";

/// Runs the command.
pub fn run(args: &SortArgs, printer: &Printer) -> anyhow::Result<Exit> {
    let input = (args.input.input != Path::new("-")).then_some(args.input.input.as_path());
    // Looking closer at a pipe would wait for whoever writes to it.
    if let Some(input) = input
        && std::fs::metadata(input).is_ok_and(|found| !found.is_dir() && !found.is_file())
    {
        return Err(UsageError(format!("{} is neither a directory nor a file", input.display())).into());
    }
    let mut output = if args.dry_run { Output::preview(&args.out, input)? } else { Output::open(&args.out, input)? };
    let result = sort(args, &mut output, printer);
    // A run that fails before it placed a file leaves no trace; one that was interrupted keeps its thumbnails.
    if result.is_err() && !args.dry_run && !printer.interrupted() && *output.state() == State::Fresh {
        let _ = std::fs::remove_dir_all(output.root().join(STAGING));
        let _ = arrange::undo(output, printer);
    }
    result
}

fn sort(args: &SortArgs, output: &mut Output, printer: &Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    inputs::check_truth(args.truth.truth.as_deref())?;
    let table = args.table.as_deref().map(|file| anyhow::Ok((file, read_table(file)?))).transpose()?;
    let params = settings::fit_params(&args.fit, args.extractor.device)?;
    let mut typed = settings::typed(&args.input, &args.extractor, &args.fit, &args.truth);
    typed.insert("mode".into(), format!("{:?}", args.mode).to_lowercase());
    typed.extend(args.table.as_deref().map(|file| ("table".into(), settings::absolute(file))));
    let settings = serde_json::to_string(&typed)?;
    if let Some(exit) = go_on(args, &settings, output, printer)? {
        return Ok(exit);
    }
    let collection = inputs::open(&args.input, Some(output.root()), printer)?;
    let extractor = inputs::extractor(&args.extractor, &args.input, args.fit.seed, &collection, printer)?;
    let staging = output.root().join(STAGING);
    let store = |_: usize, image: &image::DynamicImage, hash: &crate::embed::ContentHash| {
        // A thumbnail that can't be written is missing from the report; nothing else depends on it.
        let _ = report::store_thumbnail(&staging, hash.as_bytes(), image);
    };
    let on_image: Option<crate::embed::OnImage<'_>> = if args.dry_run { None } else { Some(&store) };
    let embedded = inputs::embed(&collection, &extractor, params.layout(), &args.input, on_image, printer)?;
    let truth = inputs::truth(args.truth.truth.as_deref(), &collection, &embedded.kept, printer)?;
    let table = table.as_ref().map(|(file, table)| (*file, table));
    let overlays = inputs::overlays(&collection, &embedded.kept, table, printer)?;
    let job = Job { args, collection, extractor, embedded, truth, overlays, typed, settings };
    let fingerprint = job.fingerprint();
    if matches!(output.state(), State::Finished { .. })
        && let Some(summary) = RunSummary::read(output.root())
        && summary.fingerprint == fingerprint
        && output.is_intact()?
    {
        return say(args, &summary, true, printer);
    }
    let context = Context {
        truth: job.truth.as_ref(),
        noise: args.truth.noise,
        extractor: Some(job.extractor.spec()),
        settings: job.typed.clone(),
    };
    let outcome = pipeline::run(job.embedded.embeddings.features(), &params, &context, printer)?;
    printer.check()?;
    if !args.dry_run {
        if *output.state() != State::Fresh {
            // Nothing of an earlier result goes before it is known that the new one can take its place.
            arrange::check(&arrange::plan(job.placements(&outcome), args.mode.into(), &[])?, output)?;
        }
        clear(output, printer)?;
    }
    let plan = arrange::plan(job.placements(&outcome), args.mode.into(), &output.taken()?)?;
    if args.dry_run {
        printer.out(plan.to_string().trim_end())?;
        return Ok(Exit::of_skipped(plan.skipped().len() + job.skipped().len()));
    }
    job.finish(&outcome, &plan, output, fingerprint, started, printer)
}

/// What an OUT that was used before asks for: an end, or `None` to sort into it.
fn go_on(args: &SortArgs, settings: &str, output: &mut Output, printer: &Printer) -> anyhow::Result<Option<Exit>> {
    let out = args.out.display();
    match output.state().clone() {
        State::Fresh => Ok(None),
        State::Undoing { .. } => bail!("{out} is half undone: run `alike undo {out}` to finish that"),
        State::Unfinished { settings: before, .. } if before != settings => {
            bail!(
                "{out} holds the unfinished result of another command: repeat that one, or take it back with `alike undo {out}`"
            )
        }
        State::Unfinished { .. } if args.dry_run => {
            bail!("{out} holds the unfinished result of this command: leave --dry-run out to finish it")
        }
        State::Unfinished { .. } => {
            printer.detail("going on where the last run was stopped");
            resume(args, output, printer).map(Some)
        }
        State::Finished { mode: Mode::Move, settings: before } => match RunSummary::read(output.root()) {
            Some(summary) if before == settings && output.is_intact()? && !has_new_images(args, &summary, output)? => {
                say(args, &summary, true, printer).map(Some)
            }
            _ => bail!(
                "the images in {out} were moved there, and something has changed since: take them back with \
                 `alike undo {out}`, or choose another --out"
            ),
        },
        State::Finished { .. } => Ok(None),
    }
}

/// Whether INPUT holds images beside those that the last run had to leave there.
fn has_new_images(args: &SortArgs, summary: &RunSummary, output: &Output) -> anyhow::Result<bool> {
    let Ok(collection) = inputs::open(&args.input, Some(output.root()), &crate::progress::Silent) else {
        return Ok(false);
    };
    let left: HashSet<String> = summary.skipped()?.into_iter().map(|skipped| skipped.id).collect();
    Ok(collection.source.items().iter().any(|item| !left.contains(&item.id)))
}

/// Finishes placing files from the journal.
fn resume(args: &SortArgs, output: &mut Output, printer: &Printer) -> anyhow::Result<Exit> {
    // Only images that aren't files of their own are asked for, and those a run can't have moved away.
    let collection = std::sync::OnceLock::new();
    let bytes = |id: &str| -> io::Result<Vec<u8>> {
        let collection = match collection.get() {
            Some(collection) => collection,
            None => {
                let opened = inputs::open(&args.input, None, printer).map_err(io::Error::other)?;
                collection.get_or_init(|| opened)
            }
        };
        let index = collection.source.items().iter().position(|item| item.id == id);
        file_bytes(&*collection.source, index.ok_or(io::ErrorKind::NotFound)?)
    };
    let report = arrange::resume(output, &bytes, printer)?;
    let Some(mut summary) = RunSummary::read(output.root()) else {
        bail!("the files are placed, but {} can't be read", RunSummary::PLACE)
    };
    let mut skipped = summary.skipped()?;
    let n_known = skipped.len();
    let new: Vec<Skipped> = report.skipped.into_iter().filter(|new| !skipped.contains(new)).collect();
    skipped.extend(new);
    if skipped.len() > n_known {
        tables::forget_destinations(&output.root().join(CLUSTERS), &report.destinations)?;
        write_skipped(&skipped, output)?;
        summary.result["skipped"] = json!(skipped);
    }
    output.seal()?;
    summary.result["companions"] = json!(report.companions);
    summary.write(output.root())?;
    results::warn_of(&skipped, printer);
    say(args, &summary, false, printer)
}

/// Writes skipped.csv, if there is anything to write.
fn write_skipped(skipped: &[Skipped], output: &mut Output) -> anyhow::Result<()> {
    if !skipped.is_empty() {
        output.register([SKIPPED])?;
        tables::write_skipped(&output.root().join(SKIPPED), skipped)?;
    }
    Ok(())
}

/// Takes back an earlier arrangement of copies or links, keeping its thumbnails, and removes its report.
fn clear(output: &mut Output, printer: &Printer) -> anyhow::Result<()> {
    let (root, thumbnails) = (output.root().to_owned(), Path::new("report/thumbs"));
    if root.join(thumbnails).is_dir() {
        let ours = |place: &Path| output.is_registered(&thumbnails.join(place));
        merge(&root.join(thumbnails), &root.join(STAGING).join(thumbnails), ours)?;
    }
    let report = arrange::clear(output, printer)?;
    for kept in &report.kept {
        printer.warn(&format!("kept {}: {}", output.root().join(&kept.path).display(), kept.reason));
    }
    Ok(())
}

/// Moves the files below `from` that are `wanted` to the same place below `to`, leaving those that are there already.
fn merge(from: &Path, to: &Path, wanted: impl Fn(&Path) -> bool) -> anyhow::Result<()> {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry?;
        let place = entry.path().strip_prefix(from)?.to_owned();
        let target = to.join(&place);
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).at("create", &target)?;
        } else if wanted(&place) && !target.exists() {
            std::fs::rename(entry.path(), &target).at("write", &target)?;
        }
    }
    Ok(())
}

/// The bytes of an image that is no file of its own: as it was stored, or as a PNG.
fn file_bytes(source: &dyn Source, index: usize) -> io::Result<Vec<u8>> {
    match source.read(index).map_err(io::Error::other)? {
        Content::Encoded(bytes) => Ok(bytes),
        Content::Pixels(image) => {
            let mut png = io::Cursor::new(Vec::new());
            image.write_to(&mut png, image::ImageFormat::Png).map_err(io::Error::other)?;
            Ok(png.into_inner())
        }
    }
}

/// Prints what a run has come to.
fn say(args: &SortArgs, summary: &RunSummary, unchanged: bool, printer: &Printer) -> anyhow::Result<Exit> {
    let mut json = summary.result.clone();
    json["unchanged"] = json!(unchanged);
    let (out, n_skipped) = (args.out.display(), summary.skipped()?.len());
    let verb = match summary.mode {
        Mode::Copy => "copied to",
        Mode::HardLink => "hard-linked in",
        Mode::Symlink => "linked in",
        Mode::Move => "moved to",
    };
    let mut text = summary.text.clone();
    if n_skipped > 0 {
        text += &format!("{n_skipped} skipped, see {out}/{SKIPPED}\n");
    }
    text += &format!("{verb} {out}; look at {out}/report.html\n");
    if unchanged {
        text += "nothing has changed since\n";
    }
    printer.result(&json, &text)?;
    Ok(Exit::of_skipped(n_skipped))
}

/// A collection on its way into OUT.
struct Job<'a> {
    args: &'a SortArgs,
    collection: Collection,
    extractor: Extractors,
    embedded: Embedded,
    truth: Option<Truth>,
    overlays: Vec<Overlay>,
    typed: BTreeMap<String, String>,
    settings: String,
}

impl Job<'_> {
    fn skipped(&self) -> Vec<Skipped> {
        inputs::skipped(&self.collection, &self.embedded)
    }

    /// A hash of all that decides the result: the version, the settings, the images, their names, classes and overlays.
    fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        add(self.settings.as_bytes());
        add(self.extractor.spec().hash().to_string().as_bytes());
        for (row, &index) in self.embedded.kept.iter().enumerate() {
            let item = &self.collection.source.items()[index];
            add(item.id.as_bytes());
            add(self.embedded.hashes[row].as_bytes());
            add(format!("{:?} {:?}", item.companions, item.extra).as_bytes());
            add(format!("{:?}", self.truth.as_ref().map(|t| t.classes[row])).as_bytes());
        }
        add(format!("{:?}", self.overlays).as_bytes());
        for skipped in self.skipped() {
            add(format!("{skipped:?}").as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    fn placements(&self, outcome: &Outcome<'_>) -> Vec<Placement> {
        let items = self.embedded.kept.iter().map(|&index| &self.collection.source.items()[index]);
        items
            .zip(&outcome.verdicts)
            .map(|(item, verdict)| Placement {
                id: item.id.clone(),
                directory: verdict.cluster.map_or(UNCLUSTERED, |c| &outcome.model.clusters[c].name).to_owned(),
                name: item.name.clone(),
                origin: match (&item.path, item.stamp) {
                    (Some(path), Some(stamp)) => Origin::File { path: path.clone(), stamp },
                    _ => Origin::Bytes,
                },
                companions: item.companions.clone(),
            })
            .collect()
    }

    /// Writes everything that tells of the result, then places the files.
    fn finish(
        &self,
        outcome: &Outcome<'_>,
        plan: &Plan,
        output: &mut Output,
        fingerprint: String,
        started: Instant,
        printer: &Printer,
    ) -> anyhow::Result<Exit> {
        let mut destinations: Vec<Option<PathBuf>> = vec![None; outcome.verdicts.len()];
        for operation in plan.operations().iter().filter(|o| !o.companion) {
            destinations[operation.image] = Some(operation.destination.clone());
        }
        let mut skipped = self.skipped();
        skipped.extend_from_slice(plan.skipped());
        self.report(outcome, &destinations, &skipped, output, printer)?;
        output.register([CLUSTERS, MODEL])?;
        outcome.model.save(&output.root().join(MODEL))?;
        if let Some(neighbors) = &outcome.fitted.clustering.neighbors {
            output.register([NEIGHBOURS])?;
            neighbors.write(&output.root().join(NEIGHBOURS))?;
        }
        self.write_clusters(outcome, &destinations, output)?;
        write_skipped(&skipped, output)?;
        // From here on what somebody edits is theirs.
        output.seal()?;
        let result = self.json(outcome, &skipped, output.root());
        let basis = results::basis(&outcome.model, &outcome.evaluation, results::SAMPLED);
        let text = results::text(&outcome.evaluation, &basis);
        let mut summary = RunSummary { fingerprint, result, text, mode: self.args.mode.into() };
        summary.write(output.root())?;
        let placing = Instant::now();
        let bytes = |row: usize| file_bytes(&*self.collection.source, self.embedded.kept[row]);
        let placed = arrange::apply(plan, output, &self.settings, &bytes, printer)?;
        if placed.skipped.len() > plan.skipped().len() {
            // A file changed or went away meanwhile: the tables say so.
            skipped = self.skipped();
            skipped.extend_from_slice(&placed.skipped);
            self.write_clusters(outcome, &placed.destinations, output)?;
            write_skipped(&skipped, output)?;
            summary.result["skipped"] = json!(skipped);
        }
        output.seal()?;
        summary.result["companions"] = json!(placed.companions);
        summary.result["seconds"]["arrange"] = json!(placing.elapsed().as_secs_f64());
        summary.result["seconds"]["total"] = json!(started.elapsed().as_secs_f64());
        summary.write(output.root())?;
        results::warn_of(&skipped, printer);
        say(self.args, &summary, false, printer)
    }

    /// Puts the report together aside and moves it into OUT file by file.
    fn report(
        &self,
        outcome: &Outcome<'_>,
        destinations: &[Option<PathBuf>],
        skipped: &[Skipped],
        output: &mut Output,
        printer: &Printer,
    ) -> anyhow::Result<()> {
        let staging = output.root().join(STAGING);
        std::fs::create_dir_all(&staging).at("create", &staging)?;
        let gallery = Gallery {
            collection: &self.collection,
            embedded: &self.embedded,
            extractor: &self.extractor,
            truth: self.truth.as_ref(),
            overlays: &self.overlays,
            outcome,
            destinations,
            skipped,
            facts: self.facts(outcome),
        };
        gallery::write(&staging, &gallery, &self.args.input, printer)?;
        let files: Vec<PathBuf> = walkdir::WalkDir::new(&staging)
            .into_iter()
            .filter_map(|entry| entry.ok().filter(|e| e.file_type().is_file()))
            .filter_map(|entry| entry.path().strip_prefix(&staging).ok().map(Path::to_owned))
            .collect();
        output.register(&files)?;
        merge(&staging, output.root(), |_| true)?;
        std::fs::remove_dir_all(&staging).at("remove", &staging)?;
        Ok(())
    }

    fn write_clusters(
        &self,
        outcome: &Outcome<'_>,
        destinations: &[Option<PathBuf>],
        output: &Output,
    ) -> anyhow::Result<()> {
        let items = self.embedded.kept.iter().map(|&index| &self.collection.source.items()[index]);
        let levels = &outcome.fitted.clustering.levels;
        let rows: Vec<Row<'_>> = items
            .zip(&outcome.verdicts)
            .zip(destinations)
            .map(|((item, verdict), destination)| Row { item, verdict, destination: destination.as_deref() })
            .collect();
        Ok(tables::write_clusters(&output.root().join(CLUSTERS), &rows, levels, &outcome.model, &self.collection)?)
    }

    fn facts(&self, outcome: &Outcome<'_>) -> Vec<(String, String)> {
        let fitted = &outcome.fitted;
        let reduced = match &fitted.reducer {
            Some(reducer) => pipeline::describe(reducer),
            None => "none".into(),
        };
        let clustering = &fitted.clustering;
        let algorithm = settings::algorithm_name(&self.args.fit);
        let why = match (self.args.fit.algorithm, settings::chosen(&self.args.fit)) {
            (AlgorithmChoice::Auto, AlgorithmChoice::Layers) => ", as no number of clusters is given",
            (AlgorithmChoice::Auto, _) => ", as the number of clusters or a start is given",
            _ => "",
        };
        let ended = match (clustering.n_iterations, clustering.converged) {
            (0 | 1, true) => String::new(),
            (rounds, true) => format!("; converged after {rounds} rounds"),
            (rounds, false) => format!("; stopped after {rounds} rounds"),
        };
        let chosen = if fitted.sweep.is_some() { ", as suggested by the sweep" } else { "" };
        let asked = |option: &str| self.typed[option].clone();
        [
            ("Input", asked("input")),
            ("Extractor", format!("{}, {} features", self.extractor.spec().name(), self.extractor.n_features())),
            ("Reducer", reduced),
            ("Algorithm", format!("{algorithm}{why}{ended}")),
            ("Fit", clustering.summary.as_ref().map_or_else(String::new, |summary| summary.text())),
            ("Inertia by round", clustering.summary.as_ref().map_or_else(String::new, |summary| summary.curve())),
            ("Clusters", format!("{}{chosen}", clustering.n_clusters())),
            ("Scores", results::basis(&outcome.model, &outcome.evaluation, results::SAMPLED)),
            ("Seed", asked("seed")),
            ("Files", asked("mode")),
            ("Version", env!("CARGO_PKG_VERSION").into()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    fn json(&self, outcome: &Outcome<'_>, skipped: &[Skipped], out: &Path) -> serde_json::Value {
        let mut json = results::json(outcome, self.extractor.n_features(), Some(&self.embedded.seconds));
        json["images"] = json!(self.collection.source.items().len());
        json["skipped"] = json!(skipped);
        json["ignored"] = json!(self.collection.ignored);
        json["cached"] = json!(self.embedded.n_cached);
        json["extractor"] = json!(self.extractor.spec().name());
        json["mode"] = json!(self.typed["mode"]);
        json["out"] = json!(out);
        json
    }
}
