//! What was typed after `alike graph`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `alike graph`.
#[derive(Args, Debug)]
pub struct GraphArgs {
    /// Embeddings: .npy, .npz, .parquet or .safetensors
    pub embeddings: PathBuf,
    /// Labels, .csv (id,cluster) or .npy: clusters are joined where images have neighbours in the other
    #[arg(long, value_name = "FILE", required_unless_present = "mapper", conflicts_with = "mapper")]
    pub labels: Option<PathBuf>,
    /// The directory for the results: new or empty
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// True classes: colours, and how much of the edges' weight joins clusters of one class, beside chance
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Where the images lie in the plane, two columns: groups are drawn there, and it is the lens of --mapper [default:
    /// groups are drawn by their edges; the lens is the first two principal components]
    #[arg(long, value_name = "FILE")]
    pub layout: Option<PathBuf>,
    /// Neighbours of an image that are looked at
    #[arg(long, value_name = "K", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    pub neighbours: u32,
    /// Neighbours by cosine distance instead of the straight line
    #[arg(long)]
    pub cosine: bool,
    /// The neighbours that `cluster --save-neighbours` or `sort` saved of the same rows, instead of a search
    #[arg(long, value_name = "FILE", conflicts_with_all = ["neighbours", "cosine", "mapper"])]
    pub saved_neighbours: Option<PathBuf>,
    /// Seed of the random graphs, and of the principal components
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Groups that overlap instead of clusters
    #[arg(help_heading = "Mapper", long, value_enum)]
    pub mapper: Option<MapperChoice>,
    /// Intervals along each column of the lens
    #[arg(help_heading = "Mapper", long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub intervals: u32,
    /// Share that neighbouring intervals have in common
    #[arg(help_heading = "Mapper", long, value_name = "SHARE", default_value_t = 0.3)]
    pub overlap: f64,
    /// Radius of the DBSCAN within an interval [default: single linkage, cut at its first gap]
    #[arg(help_heading = "Mapper", long, value_name = "DISTANCE")]
    pub eps: Option<f64>,
    /// Images within that radius in the midst of a group, itself counted
    #[arg(help_heading = "Mapper", long, value_name = "N", default_value_t = 5, requires = "eps", value_parser = clap::value_parser!(u32).range(1..))]
    pub min_points: u32,
    /// ball: radius of a ball
    #[arg(help_heading = "Mapper", long, value_name = "DISTANCE", required_if_eq("mapper", "ball"))]
    pub radius: Option<f64>,
    /// Images that two groups share at least to be joined
    #[arg(help_heading = "Mapper", long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub min_intersection: u32,
}

/// How Mapper covers the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MapperChoice {
    /// Intervals of the lens, equally long.
    Interval,
    /// Intervals of the lens, equally full.
    Balanced,
    /// Balls in the embeddings themselves: no lens.
    Ball,
}
