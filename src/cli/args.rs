//! What was typed; no I/O.

use super::clustering::FitArgs;
use super::extractor::ModelChoice;
use crate::arrange::Mode;
use crate::device::DeviceChoice;
use crate::embed::{Colour, HubModel};
use crate::evaluate::NoiseRule;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Sort images that look alike: embed, cluster, score, and arrange into one directory per cluster.
///
/// Works offline. Your pictures are never changed, moved or overwritten unless you type --mode move.
#[derive(Debug, Parser)]
#[command(name = "alike", version, max_term_width = 110)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "General")]
pub struct Common {
    /// Threads to use [default: one a core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// Print results and errors only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say what was chosen, and why
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object on standard output.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Embed, cluster, score, report, and arrange into one directory per cluster; the main job
    Sort(Box<SortArgs>),
    /// Turn images into features: .npy or sparse .npz (with FILE.ids.csv), .parquet or .safetensors
    Embed(EmbedArgs),
    /// Cluster images or embeddings without arranging: labels as .csv or .npy
    Cluster(Box<ClusterArgs>),
    /// Judge every number of clusters of a range, and suggest one: a table, a picture, and who disagrees
    Choose(Box<ChooseArgs>),
    /// Score labels against the truth, and with --embeddings by themselves
    Score(ScoreArgs),
    /// Join clusters that are kin, or draw the shape of embeddings by Mapper: graph.json, .graphml, .png, .svg
    Graph(super::graph::GraphArgs),
    /// Put new images into the clusters of a saved model
    Assign(AssignArgs),
    /// Take an arrangement back: copies and links are removed, moved files return
    Undo(UndoArgs),
    /// List the extractors, or fetch the weights of published ones
    Models(ModelsArgs),
    /// Make synthetic data
    Synth(SynthArgs),
    /// Draw points, and label them as pictures are: classify, fractal
    Raster(super::raster::RasterArgs),
}

/// Images to read.
#[derive(Args, Debug)]
pub struct InputArgs {
    /// A directory of images, an image, an IDX (MNIST) or CIFAR file, a .npy of images, a CSV or Parquet table with a
    /// `path` column, a tar or zip of images, or - for a list of paths on standard input. For cluster and choose also an
    /// embeddings file: .npy (n x d), .npz (sparse), .parquet or .safetensors
    pub input: PathBuf,
    /// Largest picture decoded, in megapixels; larger ones are skipped
    #[arg(help_heading = "Reading", long, value_name = "MP", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_megapixels: u32,
    /// Most memory for decoding one picture, in MiB; what needs more is skipped
    #[arg(help_heading = "Reading", long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_image_memory: u32,
    /// Where embeddings are remembered [default: the user's cache directory]
    #[arg(help_heading = "Reading", long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Remember nothing
    #[arg(help_heading = "Reading", long, conflicts_with = "cache")]
    pub no_cache: bool,
}

/// From pixels to features.
#[derive(Args, Debug)]
#[command(next_help_heading = "Features")]
pub struct ExtractorArgs {
    /// The extractor, of those that `alike models` lists, or auto (pixels+builtin for small grey pictures, else a published
    /// one whose weights are here, else builtin). Some are trained on the images first: learn, autoencoder,
    /// dense-autoencoder. Weights of a published one are fetched if they aren't here, or taken from a safetensors file:
    /// resnet18=FILE. Several are joined by +, such as pixels+builtin:2: each one's part of a row is brought to unit
    /// length, then multiplied by its weight, 0.001 to 1000 [default weight: 1]
    #[arg(long, value_name = "NAME[=FILE][:WEIGHT][+...]", default_value = "auto", value_parser = ModelChoice::parse)]
    pub model: ModelChoice,
    /// pixels, and what is trained: size images are resized to, such as 28x28 [default: their own if small and all equal,
    /// else 32x32]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub size: Option<(u32, u32)>,
    /// The same: grey or RGB [default: grey if the images are]
    #[arg(long, value_enum)]
    pub colour: Option<Colour>,
    /// learn, autoencoder, dense-autoencoder: steps of the training at most [default: 400, 1000, 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub learn_steps: Option<u32>,
    /// Where networks and matrix products run
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
}

/// The true classes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Scores")]
pub struct TruthArgs {
    /// True classes to score against: `dirs` (the first directory below INPUT), or a .csv (id,label), .npy or IDX file
    /// [default: those that INPUT itself states: a labels file beside it, a `label` column]
    #[arg(long, value_name = "dirs|FILE")]
    pub truth: Option<PathBuf>,
    /// How images in no cluster count in the scores
    #[arg(long, value_enum, default_value_t)]
    pub noise: NoiseRule,
}

/// `alike sort`.
#[derive(Args, Debug)]
pub struct SortArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The directory to sort into: new, empty, or one that alike made
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// What happens to the files
    #[arg(long, value_enum, default_value_t)]
    pub mode: ModeChoice,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
    #[command(flatten)]
    pub fit: FitArgs,
    #[command(flatten)]
    pub truth: TruthArgs,
    /// A .csv with a header whose columns the report's map can be coloured by: a row an image, named by the column id, or
    /// path, as in OUT/clusters.csv [beside those of an INPUT that is a table]
    #[arg(help_heading = "Report", long, value_name = "FILE")]
    pub table: Option<PathBuf>,
}

/// What happens to the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ModeChoice {
    /// Copy them.
    #[default]
    Copy,
    /// Give them a second name on the same disk.
    Hardlink,
    /// Point to them.
    Symlink,
    /// Move them; `alike undo` moves them back.
    Move,
}

impl From<ModeChoice> for Mode {
    fn from(choice: ModeChoice) -> Self {
        match choice {
            ModeChoice::Copy => Self::Copy,
            ModeChoice::Hardlink => Self::HardLink,
            ModeChoice::Symlink => Self::Symlink,
            ModeChoice::Move => Self::Move,
        }
    }
}

/// `alike embed`.
#[derive(Args, Debug)]
pub struct EmbedArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The file to write: .npy, .npz (sparse rows, as scipy's), .parquet or .safetensors
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Seed of what is learned
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
}

/// `alike cluster`.
#[derive(Args, Debug)]
pub struct ClusterArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// The labels to write: .csv (id,cluster) or .npy (i32, -1 for noise)
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Save the model too
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Save the nearest neighbours too: those the clusterer goes by, or 15 of each image; a .safetensors of indices and
    /// distances
    #[arg(long, value_name = "FILE")]
    pub save_neighbours: Option<PathBuf>,
    /// Save the rows that were clustered too, as --reduce left them, such as a layout by umap:2: .npy, .parquet or
    /// .safetensors
    #[arg(long, value_name = "FILE")]
    pub save_reduced: Option<PathBuf>,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
    #[command(flatten)]
    pub fit: FitArgs,
    #[command(flatten)]
    pub truth: TruthArgs,
}

/// `alike choose`.
#[derive(Args, Debug)]
pub struct ChooseArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Least number of clusters to judge; below 3, one cluster is judged too
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub from: u32,
    /// Largest; beyond 20 in steps of an eighth [default: 40 or a third of the images, whichever is less]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub to: Option<u32>,
    /// Draw the criteria: .svg or .png; may be given twice
    #[arg(long, value_name = "FILE")]
    pub plot: Vec<PathBuf>,
    #[command(flatten)]
    pub extractor: ExtractorArgs,
    #[command(flatten)]
    pub fit: FitArgs,
}

/// `alike score`.
#[derive(Args, Debug)]
pub struct ScoreArgs {
    /// Labels: .csv (id,cluster) or .npy
    pub labels: PathBuf,
    /// True classes: .csv (id,label), .npy or an IDX labels file
    #[arg(long, value_name = "FILE", required_unless_present = "embeddings")]
    pub truth: Option<PathBuf>,
    /// Embeddings of the same images: adds silhouette and the other internal scores
    #[arg(long, value_name = "FILE")]
    pub embeddings: Option<PathBuf>,
    /// How images in no cluster count
    #[arg(long, value_enum, default_value_t)]
    pub noise: NoiseRule,
    /// Seed of the sample that silhouette and Dunn are taken of above 10,000 images (2,000 where rows are sparse)
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Add how often the nearest neighbours of an image have its class, for 1 to K of them [K: 100]
    #[arg(help_heading = "Curves", long, value_name = "K", num_args = 0..=1, default_missing_value = "100", requires_all = ["truth", "embeddings"], value_parser = clap::value_parser!(u32).range(1..))]
    pub neighbours: Option<u32>,
    /// Neighbours by cosine distance instead of the straight line
    #[arg(help_heading = "Curves", long, requires = "neighbours")]
    pub cosine: bool,
    /// Add what 20 runs of DBSCAN find of the classes in embeddings of two columns: eps 2 and 3, 5 to 50 points
    #[arg(help_heading = "Curves", long, requires_all = ["truth", "embeddings"])]
    pub dbscan_grid: bool,
    /// Add the purity of the images that are surest of their cluster, by the column confidence of LABELS
    #[arg(help_heading = "Curves", long, requires = "truth")]
    pub coverage_curve: bool,
    /// Leave a table and pictures of each of these in a new directory
    #[arg(help_heading = "Curves", long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
}

/// `alike assign`.
#[derive(Args, Debug)]
pub struct AssignArgs {
    /// A model.alike
    pub model: PathBuf,
    #[command(flatten)]
    pub input: InputArgs,
    /// Weights of the model's extractor, if they came from a file; may be given several times
    #[arg(long, value_name = "FILE")]
    pub weights: Vec<PathBuf>,
    /// Where networks run
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
    /// Where to write id,path,cluster,name,confidence,distance,outlier [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `alike models`.
#[derive(Args, Debug)]
pub struct ModelsArgs {
    /// List them if nothing is given.
    #[command(subcommand)]
    pub action: Option<ModelsAction>,
}

/// What `alike models` does.
#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// Fetch the weights of published models from the Hugging Face hub into its cache (HF_HOME, HF_HUB_CACHE), and check
    /// them; what is there is checked alone
    Fetch {
        /// The models
        #[arg(required = true, value_name = "NAME", value_parser = parse_published)]
        names: Vec<&'static HubModel>,
    },
}

/// `alike undo`.
#[derive(Args, Debug)]
pub struct UndoArgs {
    /// The directory that was sorted into
    pub out: PathBuf,
}

/// `alike synth`.
#[derive(Args, Clone, Debug)]
pub struct SynthArgs {
    /// What to make
    #[arg(value_enum)]
    pub kind: crate::synth::Kind,
    /// Points: a .npy (with FILE.labels.csv) or .csv file. Dots: a new directory, a .npy, or NAME-images-idx3-ubyte
    #[arg(long, short, value_name = "OUT")]
    pub out: PathBuf,
    /// How many points or pictures [default: 2000, dots 1200]
    #[arg(long, short = 'n', value_name = "N", value_parser = parse_count)]
    pub count: Option<usize>,
    /// blobs, dots: number of classes
    #[arg(long, value_name = "N")]
    pub classes: Option<usize>,
    /// dots: side of a picture in pixels [default: 200]
    #[arg(long, value_name = "PIXELS")]
    pub size: Option<u32>,
    /// Seed of everything random [default: 0, lattice and radial 82431]
    #[arg(long)]
    pub seed: Option<u64>,
}

/// A choice as it is typed.
pub fn name<T: ValueEnum>(choice: &T) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn parse_published(text: &str) -> Result<&'static HubModel, String> {
    HubModel::find(text).ok_or_else(|| {
        let known: Vec<&str> = HubModel::all().iter().map(|model| model.name.as_str()).collect();
        format!("no published model {text:?}: give {}", known.join(", "))
    })
}

fn parse_count(text: &str) -> Result<usize, String> {
    const MOST: usize = 100_000_000;
    let count = text.parse().ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| format!("give a number from 1 to {MOST}"))
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    text.split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)))
        .filter(|(w, h)| (1..=4096).contains(w) && (1..=4096).contains(h))
        .ok_or_else(|| "give width x height in pixels, such as 28x28, each 1 to 4096".into())
}
