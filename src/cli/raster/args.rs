//! What was typed after `alike raster`; no I/O.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::device::DeviceChoice;
use crate::raster::filter::{Boundary, Weighting};
use crate::raster::{Aspect, GridParams};

/// `alike raster`.
#[derive(Args, Debug)]
pub struct RasterArgs {
    /// What is made of the drawing.
    #[command(subcommand)]
    pub action: RasterAction,
}

/// What `alike raster` does.
#[derive(Debug, Subcommand)]
pub enum RasterAction {
    /// Give every cell the class that weighs most around it, from points whose classes are known
    Classify(ClassifyArgs),
    /// Find clusters by the peaks of the density, and the hierarchy of its levels
    Cluster(ClusterArgs),
    /// Let cells copy their neighbours' classes at random, or settle what that leads to
    Fractal(FractalArgs),
    /// Find clusters as a network sees them in the picture
    Visual(VisualArgs),
}

/// Points to draw.
#[derive(Args, Debug)]
pub struct PointsArgs {
    /// Points: .npy, .npz, .parquet or .safetensors of embeddings, or a .csv of numbers with a header
    pub points: PathBuf,
    /// The directory to write to: new or empty
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// Cells along each axis
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub side: usize,
    /// Whether a unit is as long on every axis, or every axis fills the picture, for columns of different units
    #[arg(long, value_enum, default_value_t)]
    pub aspect: Aspect,
}

impl PointsArgs {
    /// How the points are laid on the raster.
    pub fn grid(&self) -> GridParams {
        GridParams { side: self.side, aspect: self.aspect, ..GridParams::default() }
    }
}

/// What is known of the points.
#[derive(Args, Debug)]
pub struct ClassesArgs {
    /// Classes of points: a .csv (id,label), .npy or IDX file; a point without one is classified alone [default: POINTS
    /// with the ending .labels.csv, or the column `label` of a .csv]
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// What lies beyond the edges; on a torus only what is left of coordinates without their whole units is drawn
    #[arg(long, value_enum, default_value_t)]
    pub boundary: Boundary,
}

/// `alike raster classify`.
#[derive(Args, Debug)]
pub struct ClassifyArgs {
    #[command(flatten)]
    pub points: PointsArgs,
    #[command(flatten)]
    pub classes: ClassesArgs,
    /// Cells to each side that a window reaches
    #[arg(long, value_name = "CELLS", default_value_t = 20)]
    pub window: usize,
    /// How often all cells are classified
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub loops: usize,
    /// How much a cell of a window counts
    #[arg(long, value_enum, default_value_t)]
    pub weighting: Weighting,
    /// Where sums are made
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
}

/// `alike raster cluster`.
#[derive(Args, Debug)]
pub struct ClusterArgs {
    #[command(flatten)]
    pub points: PointsArgs,
    /// How many clusters: a number, or auto (as many as stand out farther than chance lets them)
    #[arg(long, short = 'k', value_name = "N|auto", default_value = "auto", value_parser = crate::cli::clustering::parse_clusters)]
    pub clusters: crate::pipeline::NClusters,
    /// Share of the points, those that lie most alone, that belong to no cluster
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub alone: f64,
    /// Levels of the hierarchy to draw, each half as dense as the next
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(..=60))]
    pub levels: u32,
}

/// `alike raster fractal`.
#[derive(Args, Debug)]
pub struct FractalArgs {
    #[command(flatten)]
    pub points: PointsArgs,
    #[command(flatten)]
    pub classes: ClassesArgs,
    /// What cells do
    #[arg(long, value_enum, default_value_t)]
    pub method: FractalMethod,
    /// voter, pinned: how often cells copy
    #[arg(long, value_name = "N", default_value_t = 250)]
    pub loops: usize,
    /// voter, pinned: loops at the start in which cells keep a class once they have it
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub growing: usize,
    /// voter, pinned: a picture after every so many loops; the animation shows all
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Seed of the choices
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// `alike raster visual`.
#[derive(Args, Debug)]
pub struct VisualArgs {
    #[command(flatten)]
    pub points: PointsArgs,
    /// Cells that a label reaches beyond what is seen as a cluster
    #[arg(long, value_name = "CELLS", default_value_t = 24.0, value_parser = crate::cli::clustering::parse_reach)]
    pub reach: f64,
    /// Cells on every side with which a count's median is taken first, which removes what is sparse
    #[arg(long, value_name = "CELLS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=64))]
    pub denoise: u32,
    /// Split what is seen as one cluster where its density has peaks of its own
    #[arg(long)]
    pub split_by_density: bool,
}

/// What cells do with their neighbours' classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FractalMethod {
    /// All copy for ever: the published process, which never settles.
    #[default]
    Voter,
    /// All but the training points copy.
    Pinned,
    /// The probabilities that pinned settles on, solved.
    Harmonic,
}
