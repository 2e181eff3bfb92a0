//! INPUT as images or as embeddings, and the truth that goes with it.

use super::args::{ExtractorArgs, InputArgs};
use super::exit::UsageError;
use super::extractor::{ExtractorName, ModelChoice};
use super::settings;
use crate::collection::{self, ClusterId, Embeddings, Skipped, Truth};
use crate::device::Device;
use crate::embed::{
    self, BuiltinSpec, CombinedSpec, EmbedError, EmbedOptions, EmbedSeconds, Embedded, ExtractorSpec, Extractors,
    GradientsSpec, Hub, Layout, LearnParams, OnImage, PixelsChoice, PretrainedSpec, Setup,
};
use crate::evaluate::files::{Column, Table, align, read_truth};
use crate::files::check_writable;
use crate::progress::Reporter;
use crate::report::Overlay;
use crate::source::{self, Collection, Input};
use anyhow::Context;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Columns that the report keeps, each in a file of its own.
const MAX_OVERLAYS: usize = 50;

/// Opens INPUT as images; of a list or table those in OUT are left out.
pub fn open(args: &InputArgs, out: Option<&Path>, reporter: &dyn Reporter) -> anyhow::Result<Collection> {
    let input = if args.input == Path::new("-") {
        let mut list = Vec::new();
        std::io::stdin().lock().read_to_end(&mut list).context("cannot read the list of paths on standard input")?;
        Input::List(list)
    } else {
        Input::Path(args.input.clone())
    };
    let options = source::Options { exclude: out.map(Path::to_owned), ..source::Options::default() };
    let collection = source::open(&input, &options, reporter)?;
    if collection.source.items().is_empty() {
        let input = args.input.display();
        let also = match (collection.skipped.len(), collection.ignored) {
            (0, 0) => String::new(),
            (skipped, ignored) => format!(" ({ignored} other files, {skipped} that can't be read)"),
        };
        match collection.skipped.first() {
            Some(first) => anyhow::bail!("no images in {input}{also}; {}: {}", first.id, first.reason),
            None => anyhow::bail!("no images in {input}{also}: give a directory, file or list that has some"),
        }
    }
    if collection.ignored > 0 {
        reporter.detail(&format!("{} files that are no images are passed over", collection.ignored));
    }
    Ok(collection)
}

/// Refuses results that would replace what they are made from, a picture, or one another, and those that can't be
/// written, before any work.
pub fn check_results(input: &Path, from: &[&Path], results: &[&Path]) -> anyhow::Result<()> {
    for (at, result) in results.iter().enumerate() {
        check_writable(result)?;
        // A pipe is no file, and opening it could wait forever.
        let same = |other: &Path| match other.is_file() && result.is_file() {
            true => same_file::is_same_file(result, other).unwrap_or(false),
            false => place(result) == place(other),
        };
        let within = |directory: &Path| {
            directory.is_dir() && directory.canonicalize().is_ok_and(|directory| place(result).starts_with(directory))
        };
        let problem = if results[..at].iter().any(|other| same(other)) {
            "is to hold two results".to_owned()
        } else if same(input) || from.iter().any(|other| same(other)) {
            "is read by this command".to_owned()
        } else if within(input) {
            format!("lies in {}, whose files are never changed", input.display())
        } else if result.is_file() && source::is_picture(result).unwrap_or(false) {
            "is a picture, and pictures are never overwritten".to_owned()
        } else {
            continue;
        };
        return Err(UsageError(format!("{} {problem}: choose another name for the result", result.display())).into());
    }
    Ok(())
}

/// Where a file lies, or would, however that is spelled.
fn place(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().unwrap_or_else(|_| parent.to_owned());
    parent.join(file.file_name().unwrap_or_default())
}

/// The extractor asked for.
pub fn extractor(
    args: &ExtractorArgs,
    input: &InputArgs,
    seed: u64,
    collection: &Collection,
    reporter: &dyn Reporter,
) -> anyhow::Result<Extractors> {
    let parts = match &args.model {
        ModelChoice::Auto => &[],
        ModelChoice::Given(parts) => &parts[..],
    };
    let sized = |name: &ExtractorName| matches!(name, ExtractorName::Pixels | ExtractorName::Learned(_));
    if (args.size.is_some() || args.colour.is_some()) && !parts.iter().any(|(name, _)| sized(name)) {
        let refused = "--size and --colour belong to --model pixels and to what is learned, alone or joined";
        return Err(UsageError(refused.into()).into());
    }
    let learned = |name: &ExtractorName| matches!(name, ExtractorName::Learned(_));
    if args.learn_steps.is_some() && !parts.iter().any(|(name, _)| learned(name)) {
        return Err(
            UsageError("--learn-steps belongs to an extractor that is trained, such as --model learn".into()).into()
        );
    }
    let mut setup = Setup { hub: Hub::from_env(), files: Vec::new(), device: Device::open(args.device)? };
    let (source, limits) = (&*collection.source, settings::limits(input));
    let spec = |name: &ExtractorName| -> Result<_, EmbedError> {
        Ok(match name {
            ExtractorName::Pixels => {
                let choice = PixelsChoice { size: args.size, colour: args.colour, ..PixelsChoice::default() };
                embed::choose_pixels(source, &choice, &limits, reporter)?
            }
            ExtractorName::Gradients => ExtractorSpec::Gradients(GradientsSpec::default()),
            ExtractorName::Builtin => ExtractorSpec::Builtin(BuiltinSpec::default()),
            ExtractorName::Learned(method) => {
                let pixels = PixelsChoice { size: args.size, colour: args.colour, ..PixelsChoice::default() };
                let params = LearnParams { pixels, seed, device: setup.device.clone(), ..LearnParams::new(*method) };
                let max_steps = args.learn_steps.map_or(params.max_steps, |steps| steps as usize);
                let cache = settings::cache(input);
                embed::learn(source, &LearnParams { max_steps, ..params }, &limits, cache.as_ref(), reporter)?
            }
            ExtractorName::Published(model, None) => {
                ExtractorSpec::Pretrained(PretrainedSpec::published(model, &setup.hub, reporter)?)
            }
            ExtractorName::Published(model, Some(file)) => {
                ExtractorSpec::Pretrained(PretrainedSpec::with_file(model, file, reporter)?)
            }
        })
    };
    let spec = match parts {
        [] => embed::choose_extractor(source, &setup.hub, &limits, reporter)?,
        [(name, _)] => spec(name)?,
        _ => {
            let parts = parts.iter().map(|(name, weight)| Ok((spec(name)?, *weight)));
            ExtractorSpec::Combined(CombinedSpec::new(parts.collect::<Result<Vec<_>, EmbedError>>()?))
        }
    };
    let file = |(name, _): &(ExtractorName, f32)| match name {
        ExtractorName::Published(_, file) => file.clone(),
        _ => None,
    };
    setup.files = parts.iter().filter_map(file).collect();
    Ok(spec.build_with(&setup, reporter)?)
}

/// Embeds the collection; fails if no image could be.
pub fn embed(
    collection: &Collection,
    extractors: &Extractors,
    layout: Layout,
    args: &InputArgs,
    on_image: Option<OnImage<'_>>,
    reporter: &dyn Reporter,
) -> anyhow::Result<Embedded> {
    let options = EmbedOptions { limits: settings::limits(args), layout, ..EmbedOptions::default() };
    let cache = settings::cache(args);
    let embedded = embed::embed(&*collection.source, extractors, &options, cache.as_ref(), on_image, reporter)?;
    if embedded.n_cached > 0 {
        reporter.detail(&format!("{} images were remembered from an earlier run", embedded.n_cached));
    }
    match embedded.skipped.first() {
        Some(first) if embedded.kept.is_empty() => {
            anyhow::bail!("none of the {} images can be used; {}: {}", embedded.skipped.len(), first.id, first.reason)
        }
        _ => {
            if let (collection::Features::Sparse(rows), Layout::Auto) = (embedded.embeddings.features(), layout) {
                let share = 100.0 * rows.nnz() as f64 / (rows.rows() * rows.cols()) as f64;
                reporter.detail(&format!("sparse rows, for {share:.1} % of the values are not zero"));
            }
            Ok(embedded)
        }
    }
}

/// All images left out, while listing and while embedding.
pub fn skipped(collection: &Collection, embedded: &Embedded) -> Vec<Skipped> {
    collection.skipped.iter().chain(&embedded.skipped).cloned().collect()
}

/// The true classes of the rows kept, if any are known.
pub fn truth(
    asked: Option<&Path>,
    collection: &Collection,
    kept: &[usize],
    reporter: &dyn Reporter,
) -> anyhow::Result<Option<Truth>> {
    let items = kept.iter().map(|&i| &collection.source.items()[i]);
    let truth = match asked {
        Some(dirs) if dirs == Path::new("dirs") => Truth::from_names(items.map(|item| first_directory(&item.id))),
        Some(file) => {
            let ids: Vec<String> = items.map(|item| item.id.clone()).collect();
            truth_file(file, &ids, reporter)?
        }
        None => Truth::from_names(items.map(|item| item.label.as_deref())),
    };
    match (truth.n_known(), asked) {
        (0, None) => Ok(None),
        (0, Some(asked)) => anyhow::bail!("--truth {}: no image has a class there", asked.display()),
        _ => Ok(Some(truth)),
    }
}

/// Refuses a truth that isn't there or can't be read, before any work. A pipe can be read only once.
pub fn check_truth(asked: Option<&Path>) -> anyhow::Result<()> {
    if let Some(file) = asked.filter(|file| *file != Path::new("dirs") && (file.is_file() || !file.exists())) {
        read_truth(file)?;
    }
    Ok(())
}

/// The truth in a file, joined with `ids`.
pub fn truth_file(file: &Path, ids: &[String], reporter: &dyn Reporter) -> anyhow::Result<Truth> {
    let aligned = align(ids, &read_truth(file)?).with_context(|| format!("--truth {}", file.display()))?;
    if aligned.missing > 0 || aligned.unused > 0 {
        reporter.warn(&format!(
            "{}: {} images have no class there, {} of its rows match no image",
            file.display(),
            aligned.missing,
            aligned.unused
        ));
    }
    Ok(Truth::from_names(aligned.values))
}

/// What the map can be coloured by: the columns of INPUT, if it is a table, and those of another one, read from `file`.
pub fn overlays(
    collection: &Collection,
    kept: &[usize],
    table: Option<(&Path, &Table)>,
    reporter: &dyn Reporter,
) -> anyhow::Result<Vec<Overlay>> {
    let items: Vec<&source::Item> = kept.iter().map(|&i| &collection.source.items()[i]).collect();
    let own = collection.columns.iter().enumerate();
    let own = own.map(|(at, name)| Overlay::from_cells(name.clone(), items.iter().map(|i| Some(i.extra[at].clone()))));
    let mut overlays: Vec<Overlay> = own.collect();
    if let Some((file, Table { columns, rows })) = table {
        let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
        let aligned = align(&ids, rows).with_context(|| format!("--table {}", file.display()))?;
        if aligned.missing > 0 || aligned.unused > 0 {
            let (file, missing, unused) = (file.display(), aligned.missing, aligned.unused);
            reporter.warn(&format!("{file}: {missing} images have no row there, {unused} of its rows match no image"));
        }
        let cell = |at: usize| aligned.values.iter().map(move |row| Some(row.as_ref()?[at].clone()));
        let others = columns.iter().enumerate();
        overlays.extend(others.map(|(at, name)| Overlay::from_cells(name.clone(), cell(at))));
    }
    if overlays.len() > MAX_OVERLAYS {
        reporter.warn(&format!("the map is coloured by the first {MAX_OVERLAYS} of {} columns", overlays.len()));
        overlays.truncate(MAX_OVERLAYS);
    }
    Ok(overlays)
}

/// The cluster of each of `ids`.
pub fn aligned(
    labels: &Column<Option<ClusterId>>,
    ids: &[String],
    reporter: &dyn Reporter,
) -> anyhow::Result<Vec<Option<ClusterId>>> {
    // `align` fills gaps with `None`, which here is a row without a label, not noise.
    let column = Column { ids: labels.ids.clone(), values: labels.values.iter().map(|l| Some(*l)).collect() };
    let aligned = align(ids, &column)?;
    if aligned.missing > 0 || aligned.unused > 0 {
        let (missing, unused) = (aligned.missing, aligned.unused);
        reporter.warn(&format!("{missing} embeddings have no label, {unused} labels no embedding"));
    }
    Ok(aligned.values.into_iter().map(Option::flatten).collect())
}

fn first_directory(id: &str) -> Option<&str> {
    id.split_once('/').map(|(directory, _)| directory)
}

/// INPUT as embeddings, if it is such a file: .npz, .parquet and .safetensors with embeddings, .npy of two dimensions.
pub fn embeddings(path: &Path) -> anyhow::Result<Option<Embeddings>> {
    if !embed::files::is_embeddings(path) {
        return Ok(None);
    }
    Ok(Some(embed::files::read(path)?))
}

/// Features to cluster, with what is known of them.
pub struct Features {
    /// The features.
    pub embeddings: Embeddings,
    /// The true classes.
    pub truth: Option<Truth>,
    /// What made them, unless they were given.
    pub extractor: Option<ExtractorSpec>,
    /// Images left out.
    pub skipped: Vec<Skipped>,
    /// How long the extractor took, unless they were given.
    pub seconds: Option<EmbedSeconds>,
}

impl Features {
    /// Embeddings from a file.
    pub fn given(embeddings: Embeddings, truth: Option<&Path>, reporter: &dyn Reporter) -> anyhow::Result<Self> {
        let truth = truth.map(|file| truth_file(file, embeddings.ids(), reporter)).transpose()?;
        Ok(Self { embeddings, truth, extractor: None, skipped: Vec::new(), seconds: None })
    }

    /// Images, embedded.
    pub fn of_images(
        input: &InputArgs,
        extractor: &ExtractorArgs,
        seed: u64,
        layout: Layout,
        asked: Option<&Path>,
        reporter: &dyn Reporter,
    ) -> anyhow::Result<Self> {
        let collection = open(input, None, reporter)?;
        let extractor = self::extractor(extractor, input, seed, &collection, reporter)?;
        let embedded = embed(&collection, &extractor, layout, input, None, reporter)?;
        Ok(Self {
            truth: truth(asked, &collection, &embedded.kept, reporter)?,
            extractor: Some(extractor.spec().clone()),
            skipped: skipped(&collection, &embedded),
            seconds: Some(embedded.seconds),
            embeddings: embedded.embeddings,
        })
    }
}
