//! From what was typed to what it means; may fail.

use super::args::{AlgorithmChoice, ExtractorArgs, FitArgs, InputArgs, SplitChoice, TruthArgs};
use super::exit::UsageError;
use crate::cluster::{
    Algorithm, BisectingParams, DbscanParams, HierarchicalParams, Init, KMeansParams, MiniBatchParams, MixtureParams,
    Split,
};
use crate::decode::Limits;
use crate::device::Device;
use crate::embed::Cache;
use crate::pipeline::{FitParams, NClusters};
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The parameters of the stages between features and clusters.
pub fn fit_params(args: &FitArgs) -> anyhow::Result<FitParams> {
    if !args.levels.is_empty() && args.algorithm != AlgorithmChoice::Hierarchical {
        return Err(UsageError("--levels belongs to --algorithm hierarchical".into()).into());
    }
    let asked = args.levels.last().map_or(args.clusters, |&n| NClusters::Fixed(n));
    let (init, n_clusters) = match args.init.as_str() {
        "auto" => (Init::Auto, asked),
        "kmeans++" => (Init::KMeansPlusPlus, asked),
        "kmeans||" => (Init::KMeansParallel, asked),
        "random" => (Init::Random, asked),
        _ if !takes_start(args.algorithm) => {
            return Err(UsageError(format!("--init {}: the algorithm takes no given start", args.init)).into());
        }
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
    let device = Device::open(args.device)?;
    Ok(FitParams {
        reduction: args.reduce,
        n_clusters,
        algorithm: algorithm(args, init, &device),
        seed: args.seed,
        device,
    })
}

/// The clusterer with its parameters; the number of clusters is set later.
fn algorithm(args: &FitArgs, init: Init, device: &Device) -> Algorithm {
    let (restarts, rounds) = (args.restarts as usize, args.max_iterations as usize);
    let kmeans = |params: KMeansParams| {
        let params = params.init(init.clone()).n_restarts(restarts).max_iterations(rounds);
        Algorithm::KMeans(params.tolerance(args.tolerance).seed(args.seed).device(device.clone()))
    };
    match args.algorithm {
        AlgorithmChoice::Auto | AlgorithmChoice::Kmeans => kmeans(KMeansParams::new(1)),
        AlgorithmChoice::Spherical => kmeans(KMeansParams::spherical(1)),
        AlgorithmChoice::Minibatch => {
            let params = MiniBatchParams::new(1).init(init).n_restarts(restarts).batch(args.batch as usize);
            Algorithm::MiniBatch(params.max_epochs(rounds).seed(args.seed))
        }
        AlgorithmChoice::Bisecting => {
            let split = match args.split {
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
            let params = DbscanParams::new().min_points(args.min_points as usize).seed(args.seed);
            Algorithm::Dbscan(args.eps.map_or(params.clone(), |eps| params.eps(eps)))
        }
    }
}

/// Whether the clusterer can begin with given centroids.
fn takes_start(algorithm: AlgorithmChoice) -> bool {
    matches!(
        algorithm,
        AlgorithmChoice::Auto | AlgorithmChoice::Kmeans | AlgorithmChoice::Spherical | AlgorithmChoice::Minibatch
    )
}

/// The clusterer's name in the field.
pub fn algorithm_name(algorithm: AlgorithmChoice) -> &'static str {
    match algorithm {
        AlgorithmChoice::Auto | AlgorithmChoice::Kmeans => "k-means",
        AlgorithmChoice::Spherical => "spherical k-means",
        AlgorithmChoice::Minibatch => "mini-batch k-means",
        AlgorithmChoice::Mixture => "mixture of Gaussians",
        AlgorithmChoice::Dbscan => "DBSCAN",
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

/// What was typed, by option: what makes two runs the same run.
pub fn typed(
    input: &InputArgs,
    extractor: &ExtractorArgs,
    fit: &FitArgs,
    truth: &TruthArgs,
) -> BTreeMap<String, String> {
    let path = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    BTreeMap::from(
        [
            ("input", path(&input.input)),
            ("max-megapixels", input.max_megapixels.to_string()),
            ("max-image-memory", input.max_image_memory.to_string()),
            ("model", format!("{:?}", extractor.model).to_lowercase()),
            ("size", extractor.size.map_or_else(|| "auto".into(), |(w, h)| format!("{w}x{h}"))),
            ("colour", extractor.colour.map_or_else(|| "auto".into(), |c| format!("{c:?}").to_lowercase())),
            ("algorithm", format!("{:?}", fit.algorithm).to_lowercase()),
            ("clusters", fit.clusters.to_string()),
            ("reduce", fit.reduce.to_string()),
            ("seed", fit.seed.to_string()),
            ("init", fit.init.clone()),
            ("restarts", fit.restarts.to_string()),
            ("max-iterations", fit.max_iterations.to_string()),
            ("tolerance", fit.tolerance.to_string()),
            ("batch", fit.batch.to_string()),
            ("levels", format!("{:?}", fit.levels)),
            ("eps", fit.eps.map_or_else(|| "auto".into(), |eps| eps.to_string())),
            ("min-points", fit.min_points.to_string()),
            ("split", format!("{:?}", fit.split).to_lowercase()),
            ("device", format!("{:?}", fit.device).to_lowercase()),
            (
                "truth",
                match truth.truth.as_deref() {
                    None => "auto".into(),
                    Some(dirs) if dirs == Path::new("dirs") => "dirs".into(),
                    Some(file) => path(file),
                },
            ),
            ("noise", format!("{:?}", truth.noise).to_lowercase()),
        ]
        .map(|(option, value)| (option.to_owned(), value)),
    )
}
