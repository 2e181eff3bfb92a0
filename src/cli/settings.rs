//! From what was typed to what it means; may fail.

use super::args::{ExtractorArgs, InputArgs, TruthArgs, name};
use super::clustering::{AlgorithmChoice, FitArgs, SplitChoice};
use super::exit::UsageError;
use crate::cluster::{
    Algorithm, BisectingParams, DbscanParams, FilterParams, HdbscanParams, HierarchicalParams, Init, KMeansParams,
    LayersParams, LeidenParams, MiniBatchParams, MixtureParams, OpticsParams, Split, TemiParams, TomatoParams,
    TurtleParams, VisualParams,
};
use crate::decode::Limits;
use crate::device::{Device, DeviceChoice};
use crate::embed::Cache;
use crate::pipeline::{FitParams, NClusters};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The parameters of the stages between features and clusters.
pub fn fit_params(args: &FitArgs, device: DeviceChoice) -> anyhow::Result<FitParams> {
    check_options(args)?;
    let asked = args.levels.last().map_or(args.clusters, |&n| NClusters::Fixed(n));
    let (init, n_clusters) = match args.init.as_str() {
        "auto" => (Init::Auto, asked),
        "kmeans++" => (Init::KMeansPlusPlus, asked),
        "kmeans||" => (Init::KMeansParallel, asked),
        "random" => (Init::Random, asked),
        file => {
            let centroids = crate::embed::files::read(Path::new(file))
                .with_context(|| {
                    format!("--init {file}: neither auto, random, kmeans++, kmeans|| nor a file of centroids")
                })?
                .features()
                .to_dense()
                .into_owned();
            match args.clusters {
                NClusters::Fixed(k) if k != centroids.nrows() => {
                    let found = centroids.nrows();
                    return Err(UsageError(format!("--clusters {k}, but {file} holds {found} centroids")).into());
                }
                _ => {}
            }
            let n_clusters = NClusters::Fixed(centroids.nrows());
            (Init::Given(centroids), n_clusters)
        }
    };
    if !args.tolerance.is_finite() || args.tolerance < 0.0 {
        return Err(UsageError(format!("--tolerance {}: give a number from 0", args.tolerance)).into());
    }
    let device = Device::open(device)?;
    Ok(FitParams {
        reduction: args.reduce,
        n_clusters,
        algorithm: algorithm(args, init, &device),
        seed: args.seed,
        device,
    })
}

/// Refuses options of other algorithms, and levels that don't fall.
fn check_options(args: &FitArgs) -> Result<(), UsageError> {
    use AlgorithmChoice::{
        Bisecting, Dbscan, Filter, Hdbscan, Hierarchical, Kmeans, Layers, Leiden, Minibatch, Optics, Spherical, Temi,
        Tomato, Turtle, Visual,
    };
    let options: [(&str, bool, &[AlgorithmChoice]); 19] = [
        ("init", args.init != "auto", &[Kmeans, Spherical, Minibatch]),
        ("batch", args.batch.is_some(), &[Minibatch]),
        ("levels", !args.levels.is_empty(), &[Hierarchical]),
        ("eps", args.eps.is_some(), &[Dbscan, Optics]),
        ("min-points", args.min_points.is_some(), &[Dbscan, Optics]),
        ("xi", args.xi.is_some(), &[Optics]),
        ("min-cluster-size", args.min_cluster_size.is_some(), &[Optics, Hdbscan, Layers, Leiden, Tomato]),
        ("max-cluster-size", args.max_cluster_size.is_some(), &[Hdbscan, Layers]),
        ("min-samples", args.min_samples.is_some(), &[Hdbscan]),
        ("selection", args.selection.is_some(), &[Hdbscan]),
        ("attach-noise", args.attach_noise, &[Hdbscan, Layers, Leiden]),
        ("neighbours", args.neighbours.is_some(), &[Layers, Leiden, Tomato, Temi]),
        ("resolution", args.resolution.is_some(), &[Leiden]),
        ("gamma", args.gamma.is_some(), &[Turtle]),
        ("alone", args.alone.is_some(), &[Filter]),
        ("reach", args.reach.is_some(), &[Visual]),
        ("denoise", args.denoise.is_some(), &[Visual]),
        ("split-by-density", args.split_by_density, &[Visual]),
        ("split", args.split.is_some(), &[Bisecting]),
    ];
    for (option, given, algorithms) in options {
        if given && !algorithms.contains(&chosen(args)) {
            let names: Vec<String> = algorithms.iter().map(name).collect();
            return Err(UsageError(format!("--{option} belongs to --algorithm {}", names.join(", "))));
        }
    }
    let least = args.min_cluster_size.unwrap_or(5);
    if let Some(most) = args.max_cluster_size.filter(|&most| most < least) {
        return Err(UsageError(format!("--max-cluster-size {most}: give no less than --min-cluster-size, {least}")));
    }
    if matches!(args.algorithm, Turtle | Temi) && args.clusters == NClusters::Auto {
        let algorithm = name(&args.algorithm);
        return Err(UsageError(format!(
            "--algorithm {algorithm} must be told how many clusters: give --clusters N (alike choose suggests a number)"
        )));
    }
    if args.levels.contains(&0) || args.levels.windows(2).any(|pair| pair[0] <= pair[1]) {
        let levels: Vec<String> = args.levels.iter().map(usize::to_string).collect();
        let levels = levels.join(",");
        return Err(UsageError(format!("--levels {levels}: give falling numbers from 1, such as 1000,100,10")));
    }
    Ok(())
}

/// The clusterer: of [`AlgorithmChoice::Auto`] layers where they may find the number of clusters, else k-means.
pub fn chosen(args: &FitArgs) -> AlgorithmChoice {
    match args.algorithm {
        AlgorithmChoice::Auto if args.clusters == NClusters::Auto && args.init == "auto" => AlgorithmChoice::Layers,
        AlgorithmChoice::Auto => AlgorithmChoice::Kmeans,
        algorithm => algorithm,
    }
}

/// The clusterer with its parameters; the number of clusters is set later.
fn algorithm(args: &FitArgs, init: Init, device: &Device) -> Algorithm {
    let (restarts, rounds) = (args.restarts as usize, args.max_iterations as usize);
    let kmeans = |params: KMeansParams| {
        let params = params.init(init.clone()).n_restarts(restarts).max_iterations(rounds);
        Algorithm::KMeans(params.tolerance(args.tolerance).seed(args.seed).device(device.clone()))
    };
    match chosen(args) {
        AlgorithmChoice::Auto | AlgorithmChoice::Kmeans => kmeans(KMeansParams::new(1)),
        AlgorithmChoice::Spherical => kmeans(KMeansParams::spherical(1)),
        AlgorithmChoice::Minibatch => {
            let params = MiniBatchParams::new(1).init(init).n_restarts(restarts).max_epochs(rounds).seed(args.seed);
            Algorithm::MiniBatch(args.batch.map_or(params.clone(), |batch| params.batch(batch as usize)))
        }
        AlgorithmChoice::Bisecting => {
            let split = match args.split.unwrap_or_default() {
                SplitChoice::Inertia => Split::Inertia,
                SplitChoice::Size => Split::Size,
            };
            let params = BisectingParams::new(1).split(split).n_restarts(restarts).max_iterations(rounds);
            Algorithm::Bisecting(params.tolerance(args.tolerance).seed(args.seed))
        }
        AlgorithmChoice::Hierarchical => {
            let params = match args.levels.split_last() {
                Some((&top, finer)) => HierarchicalParams::new(top).levels(finer.to_vec()),
                None => HierarchicalParams::new(1),
            };
            let params = params.n_restarts(restarts).max_iterations(rounds).tolerance(args.tolerance);
            Algorithm::Hierarchical(params.seed(args.seed))
        }
        AlgorithmChoice::Mixture => {
            let params = MixtureParams::new(1).n_restarts(restarts).max_iterations(rounds);
            Algorithm::Mixture(params.tolerance(args.tolerance).seed(args.seed))
        }
        AlgorithmChoice::Dbscan => {
            let params = DbscanParams::new().seed(args.seed);
            let params = args.eps.map_or(params.clone(), |eps| params.eps(eps));
            Algorithm::Dbscan(args.min_points.map_or(params.clone(), |n| params.min_points(n as usize)))
        }
        AlgorithmChoice::Optics => Algorithm::Optics(optics(args)),
        AlgorithmChoice::Hdbscan => Algorithm::Hdbscan(hdbscan(args)),
        AlgorithmChoice::Layers => Algorithm::Layers(layers(args)),
        AlgorithmChoice::Leiden => Algorithm::Leiden(leiden(args)),
        AlgorithmChoice::Tomato => {
            let params = TomatoParams::new().seed(args.seed);
            let params = args.neighbours.map_or(params.clone(), |k| params.n_neighbors(k as usize));
            let least = args.min_cluster_size.map(|n| n as usize);
            Algorithm::Tomato(least.map_or(params.clone(), |n| params.min_cluster_size(n)))
        }
        AlgorithmChoice::Filter => {
            Algorithm::Filter(args.alone.map_or(FilterParams::new(), |share| FilterParams::new().noise(share)))
        }
        AlgorithmChoice::Visual => {
            let params = VisualParams::new().denoise(args.denoise.unwrap_or(0) as usize).split(args.split_by_density);
            Algorithm::Visual(args.reach.map_or(params.clone(), |reach| params.reach(reach)))
        }
        AlgorithmChoice::Turtle => {
            let params = TurtleParams::new(1).seed(args.seed);
            Algorithm::Turtle(args.gamma.map_or(params.clone(), |gamma| params.gamma(gamma)))
        }
        AlgorithmChoice::Temi => {
            let params = TemiParams::new(1).seed(args.seed);
            Algorithm::Temi(args.neighbours.map_or(params.clone(), |k| params.n_neighbors(k as usize)))
        }
    }
}

fn layers(args: &FitArgs) -> LayersParams {
    let params = LayersParams::new().seed(args.seed).attach_noise(args.attach_noise);
    let params = args.neighbours.map_or(params.clone(), |k| params.n_neighbors(k as usize));
    let params = args.min_cluster_size.map_or(params.clone(), |n| params.min_cluster_size(n as usize));
    args.max_cluster_size.map_or(params.clone(), |n| params.max_cluster_size(n as usize))
}

fn leiden(args: &FitArgs) -> LeidenParams {
    let params = LeidenParams::new().seed(args.seed).attach_noise(args.attach_noise);
    let params = args.neighbours.map_or(params.clone(), |k| params.n_neighbors(k as usize));
    let params = params.max_iterations(args.max_iterations as usize);
    let params = args.min_cluster_size.map_or(params.clone(), |n| params.min_cluster_size(n as usize));
    args.resolution.map_or(params.clone(), |resolution| params.resolution(resolution))
}

fn optics(args: &FitArgs) -> OpticsParams {
    let params = OpticsParams::new();
    let params = args.min_points.map_or(params.clone(), |n| params.min_points(n as usize));
    let params = args.min_cluster_size.map_or(params.clone(), |n| params.min_cluster_size(n as usize));
    let params = args.xi.map_or(params.clone(), |xi| params.xi(xi));
    args.eps.map_or(params.clone(), |eps| params.eps(eps))
}

fn hdbscan(args: &FitArgs) -> HdbscanParams {
    let params = HdbscanParams::new().seed(args.seed).attach_noise(args.attach_noise);
    let params = params.selection(args.selection.unwrap_or_default());
    let params = args.min_cluster_size.map_or(params.clone(), |n| params.min_cluster_size(n as usize));
    let params = args.max_cluster_size.map_or(params.clone(), |n| params.max_cluster_size(n as usize));
    args.min_samples.map_or(params.clone(), |n| params.min_samples(n as usize))
}

/// The clusterer's name in the field.
pub fn algorithm_name(args: &FitArgs) -> &'static str {
    match chosen(args) {
        AlgorithmChoice::Auto | AlgorithmChoice::Kmeans => "k-means",
        AlgorithmChoice::Spherical => "spherical k-means",
        AlgorithmChoice::Minibatch => "mini-batch k-means",
        AlgorithmChoice::Mixture => "mixture of Gaussians",
        AlgorithmChoice::Dbscan => "DBSCAN",
        AlgorithmChoice::Optics => "OPTICS",
        AlgorithmChoice::Hdbscan => "HDBSCAN*",
        AlgorithmChoice::Layers => "layers",
        AlgorithmChoice::Leiden => "Leiden",
        AlgorithmChoice::Tomato => "ToMATo",
        AlgorithmChoice::Filter => "filtered drawing",
        AlgorithmChoice::Visual => "visual clustering",
        AlgorithmChoice::Turtle => "TURTLE",
        AlgorithmChoice::Temi => "TEMI",
        AlgorithmChoice::Hierarchical => "hierarchical k-means",
        AlgorithmChoice::Bisecting => "bisecting k-means",
    }
}

/// The file of starting centroids, if one was named.
pub fn start_file(args: &FitArgs) -> Option<&Path> {
    (!matches!(args.init.as_str(), "auto" | "kmeans++" | "kmeans||" | "random")).then(|| Path::new(&args.init))
}

/// The limits on one picture.
pub fn limits(args: &InputArgs) -> Limits {
    Limits { max_pixels: u64::from(args.max_megapixels) * 1_000_000, max_bytes: u64::from(args.max_image_memory) << 20 }
}

/// The embedding cache, unless it is turned off or there is no place for it.
pub fn cache(args: &InputArgs) -> Option<Cache> {
    if args.no_cache {
        return None;
    }
    args.cache.clone().or_else(cache_directory).map(Cache::new)
}

/// The user's cache directory for alike.
fn cache_directory() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(directory) = of("ALIKE_CACHE") {
        return Some(directory);
    }
    let user = if cfg!(windows) {
        of("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        of("HOME").map(|home| home.join("Library/Caches"))
    } else {
        of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))
    };
    user.map(|user| user.join("alike"))
}

/// A path as it is typed anywhere.
pub fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// What was typed, by option: what makes two runs the same run.
pub fn typed(
    input: &InputArgs,
    extractor: &ExtractorArgs,
    fit: &FitArgs,
    truth: &TruthArgs,
) -> BTreeMap<String, String> {
    fn or_auto<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(|| "auto".into(), |value| value.to_string())
    }
    BTreeMap::from(
        [
            ("input", absolute(&input.input)),
            ("max-megapixels", input.max_megapixels.to_string()),
            ("max-image-memory", input.max_image_memory.to_string()),
            ("model", extractor.model.to_string()),
            ("size", or_auto(extractor.size.map(|(w, h)| format!("{w}x{h}")))),
            ("colour", or_auto(extractor.colour.as_ref().map(name))),
            ("learn-steps", or_auto(extractor.learn_steps)),
            ("algorithm", name(&fit.algorithm)),
            ("clusters", fit.clusters.to_string()),
            ("reduce", fit.reduce.to_string()),
            ("seed", fit.seed.to_string()),
            ("init", fit.init.clone()),
            ("restarts", fit.restarts.to_string()),
            ("max-iterations", fit.max_iterations.to_string()),
            ("tolerance", fit.tolerance.to_string()),
            ("batch", or_auto(fit.batch)),
            ("levels", format!("{:?}", fit.levels)),
            ("eps", or_auto(fit.eps)),
            ("min-points", or_auto(fit.min_points)),
            ("xi", or_auto(fit.xi)),
            ("min-cluster-size", or_auto(fit.min_cluster_size)),
            ("max-cluster-size", or_auto(fit.max_cluster_size)),
            ("min-samples", or_auto(fit.min_samples)),
            ("selection", or_auto(fit.selection.as_ref().map(name))),
            ("attach-noise", fit.attach_noise.to_string()),
            ("neighbours", or_auto(fit.neighbours)),
            ("resolution", or_auto(fit.resolution)),
            ("gamma", or_auto(fit.gamma)),
            ("alone", or_auto(fit.alone)),
            ("reach", or_auto(fit.reach)),
            ("denoise", or_auto(fit.denoise)),
            ("split-by-density", fit.split_by_density.to_string()),
            ("split", or_auto(fit.split.as_ref().map(name))),
            ("device", name(&extractor.device)),
            (
                "truth",
                match truth.truth.as_deref() {
                    None => "auto".into(),
                    Some(dirs) if dirs == Path::new("dirs") => "dirs".into(),
                    Some(file) => absolute(file),
                },
            ),
            ("noise", name(&truth.noise)),
        ]
        .map(|(option, value)| (option.to_owned(), value)),
    )
}
