//! Visual Clustering: points are plotted, a network sees where clusters are, and each is told from the next.
//!
//! T. Naous et al., Clustering Plotted Data by Image Segmentation, 2021. Beside what they do: counts are seen, not
//! occupancy alone; what parts two clusters is what the network sees as the core of each, not a share of the deepest
//! distance; labels reach as far as they are nearest; and a new point reads its cell.

use std::borrow::Cow;
use std::sync::LazyLock;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use ndarray::{ArrayD, IxDyn};

use super::density::{BORDER, DensityParams, bandwidth, by_normals, split_by_density};
use super::filter::{Boundary, gaussian, median};
use super::{
    CellLabel, Connectivity, Flood, Grid, LabelMap, RasterError, UNet, components, distance, grow, require, watershed,
};
use crate::collection::ClusterId;
use crate::progress::Reporter;

const WEIGHTS: &[u8] = include_bytes!("../../models/visual-unet.safetensors");
/// Points that a core needs; fewer are chance.
const LEAST: u32 = 4;
/// Log-odds above which a cell may be of a core, and which the surest of its cells has.
const CORE: [f32; 2] = [0.0, 1.0];
/// Share of the points that makes a cluster of what the network overlooks.
const OVERLOOKED: f64 = 0.02;

static NETWORK: LazyLock<UNet> = LazyLock::new(|| {
    let weights = VarBuilder::from_slice_safetensors(WEIGHTS, DType::F32, &Device::Cpu);
    weights.and_then(|weights| UNet::load(weights, false)).expect("the weights that are built in")
});

/// How points are plotted and labels spread.
#[derive(Clone, Debug, PartialEq)]
pub struct VisualParams {
    /// Cells on every side with which the median is taken of a count, before the network sees it: removes what is sparse.
    /// 0: none.
    pub denoise: usize,
    /// Cells that a label reaches beyond what the network sees as part of a cluster, 0 or more. Points farther out are
    /// noise.
    pub reach: f64,
    /// Whether what the network sees as one cluster is split where its density has peaks of its own.
    pub split: bool,
}

impl Default for VisualParams {
    fn default() -> Self {
        Self { denoise: 0, reach: 24.0, split: false }
    }
}

impl VisualParams {
    /// Whether the parameters are in their ranges.
    ///
    /// # Errors
    /// If one isn't.
    pub fn verify(&self) -> Result<(), RasterError> {
        require(self.reach >= 0.0, "reach", self.reach, "0 or more")
    }
}

/// Labels of the cells of a raster by what the network sees there. Clusters are numbered by their first cell. The
/// confidence of a cell is the probability that it is part of a cluster, as the network says; between clusters that look
/// normal, whose borders lie where fitted normal densities are equal, it is the share of its own.
///
/// Good at clusters of any shape that the eye tells apart, at any number of points. Not for more than some hundreds of
/// clusters, and not for ones that lie on one another in the plane. Some tens of milliseconds for 256 x 256 cells, which is
/// what the network was trained on.
///
/// # Errors
/// A parameter out of its range, other than two axes, sides that aren't a multiple of 32, or an interruption.
///
/// ```
/// use alike::progress::Silent;
/// use alike::raster::{Grid, GridParams, Transform, visual};
/// let moons = alike::synth::moons(&Default::default())?.data;
/// let grid = Grid::draw(Transform::fit(moons.view(), &GridParams::default())?, moons.view());
/// assert_eq!(visual(&grid, &Default::default(), &Silent)?.n_clusters(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn visual(grid: &Grid, params: &VisualParams, reporter: &dyn Reporter) -> Result<LabelMap, RasterError> {
    params.verify()?;
    let &[height, width] = grid.counts.shape() else {
        return Err(RasterError::NotPlane { found: grid.counts.ndim() });
    };
    for side in [height, width] {
        require(side % UNet::STRIDE == 0, "side", side, "a multiple of 32")?;
    }
    reporter.check()?;
    let odds = NETWORK.odds(&denoised(grid, params.denoise)).expect("a raster of a size that was checked");
    let seen = |channel: usize| {
        let odds = odds.iter().map(|odds| odds[channel]).collect();
        ArrayD::from_shape_vec(IxDyn(&grid.transform.shape), odds).expect("odds of each cell")
    };
    let [part, core] = [seen(0), seen(1)];
    let markers = markers(grid, &part, &core);
    let mask = ndarray::Zip::from(&part).and(&markers).map_collect(|&odds, marker| odds > 0.0 || marker.is_some());
    let mut labels = watershed(core.view(), Flood::High, &markers, mask.view(), Connectivity::Faces);
    grow(&mut labels, params.reach);
    add_overlooked(grid, &mut labels, params.reach);
    if params.split {
        split_by_density(grid, &mut labels, &DensityParams::default(), reporter)?;
    }
    let cells = labels.iter().zip(&part).map(|(&cluster, odds)| CellLabel {
        cluster,
        confidence: if cluster.is_some() { 1.0 / (1.0 + (-odds).exp()) } else { 0.0 },
    });
    let mut map = LabelMap { cells: cells.collect(), transform: grid.transform.clone() };
    let counts = grid.counts.mapv(f64::from);
    let density = gaussian(counts.view(), BORDER * bandwidth(&counts), Boundary::Plain);
    let n_clusters = map.n_clusters();
    by_normals(&counts, &density, &mut map.cells, n_clusters);
    Ok(map)
}

/// The raster with each count replaced by the median around it.
fn denoised(grid: &Grid, window: usize) -> Cow<'_, Grid> {
    if window == 0 {
        return Cow::Borrowed(grid);
    }
    let counts = grid.counts.mapv(f64::from).into_dimensionality().expect("two axes");
    let counts = median(counts.view(), window, Boundary::Plain).mapv(|count| count as u32).into_dyn();
    Cow::Owned(Grid { counts, ..grid.clone() })
}

/// The cores, numbered: parts that may be of one, if somewhere they surely are; and whole segments without one. Parts of
/// few points are chance.
fn markers(grid: &Grid, part: &ArrayD<f32>, core: &ArrayD<f32>) -> ArrayD<Option<ClusterId>> {
    let sure = |odds: &ArrayD<f32>, low: f32, high: f32| {
        let (mut found, n) = components(odds.mapv(|odds| odds > low).view(), Connectivity::Corners);
        let points = points_of(&found, n, grid);
        let mut surest = vec![f32::NEG_INFINITY; n];
        ndarray::Zip::from(&found).and(odds).for_each(|found, &odds| {
            if let Some(found) = found {
                surest[*found] = surest[*found].max(odds);
            }
        });
        found.mapv_inplace(|found| found.filter(|&found| points[found] >= LEAST && surest[found] > high));
        (found, n)
    };
    let (cores, _) = sure(core, CORE[0], CORE[1]);
    let (segments, n) = sure(part, 0.0, 0.0);
    let mut has_core = vec![false; n];
    ndarray::Zip::from(&segments).and(&cores).for_each(|segment, core| {
        if let (Some(segment), Some(_)) = (segment, core) {
            has_core[*segment] = true;
        }
    });
    let marker =
        |segment: &Option<usize>, core: &Option<usize>| core.is_some() || segment.is_some_and(|s| !has_core[s]);
    let mask = ndarray::Zip::from(&segments).and(&cores).map_collect(marker);
    components(mask.view(), Connectivity::Corners).0
}

/// The points in each of `n` parts.
fn points_of(parts: &ArrayD<Option<usize>>, n: usize, grid: &Grid) -> Vec<u32> {
    let mut points = vec![0; n];
    ndarray::Zip::from(parts).and(&grid.counts).for_each(|part, count| {
        if let Some(part) = part {
            points[*part] += count;
        }
    });
    points
}

/// Makes clusters of what lies far from all others and holds a good part of the points, or of everything if nothing was
/// seen at all.
fn add_overlooked(grid: &Grid, labels: &mut ArrayD<Option<ClusterId>>, reach: f64) {
    let mut next = labels.iter().flatten().max().map_or(0, |most| most + 1);
    let left = ndarray::Zip::from(&grid.counts).and(&*labels).map_collect(|&count, label| count > 0 && label.is_none());
    let Some(away) = distance(left.view()) else { return };
    let near = ndarray::Zip::from(&away)
        .and(&*labels)
        .map_collect(|&away, label| label.is_none() && f64::from(away) <= (reach / 2.0).powi(2));
    let (found, n) = components(near.view(), Connectivity::Corners);
    let points = points_of(&found, n, grid);
    let least = if next > 0 { OVERLOOKED * f64::from(grid.counts.sum()) } else { 0.0 };
    let names: Vec<Option<ClusterId>> = points
        .iter()
        .map(|&points| {
            (points > 0 && f64::from(points) >= least).then(|| {
                next += 1;
                next - 1
            })
        })
        .collect();
    ndarray::Zip::from(labels).and(&found).for_each(|label, found| {
        if let Some(found) = found {
            *label = names[*found];
        }
    });
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, concatenate};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::evaluate::{Contingency, ami};
    use crate::progress::Silent;
    use crate::raster::{GridParams, Transform};
    use crate::synth;

    fn seen(x: &Array2<f64>, params: &VisualParams) -> LabelMap {
        let transform = Transform::fit(x.view(), &GridParams::default()).unwrap();
        visual(&Grid::draw(transform, x.view()), params, &Silent).unwrap()
    }

    fn clusters(x: &Array2<f64>) -> (LabelMap, Vec<Option<ClusterId>>) {
        let map = seen(x, &VisualParams::default());
        let labels = map.assign(x.view()).into_iter().map(|cell| cell.cluster).collect();
        (map, labels)
    }

    fn score(points: synth::Points) -> f64 {
        let labels = clusters(&points.data).1;
        ami(&Contingency::from_pairs(labels.into_iter().zip(points.labels))).unwrap_or(1.0)
    }

    #[test]
    fn sees_what_the_eye_sees() {
        for seed in 1..4 {
            assert!(
                score(synth::circles(&synth::CirclesParams { seed, n_samples: 2000, ..Default::default() }).unwrap())
                    > 0.99
            );
            assert!(
                score(synth::moons(&synth::MoonsParams { seed, n_samples: 2000, ..Default::default() }).unwrap())
                    > 0.99
            );
            assert!(
                score(synth::blobs(&synth::BlobsParams { seed, n_samples: 2000, ..Default::default() }).unwrap())
                    > 0.99
            );
        }
        let uniform = synth::uniform(&synth::UniformParams { n_samples: 2000, seed: 1 });
        assert_eq!(clusters(&uniform.data).0.n_clusters(), 1);
    }

    /// Labels of one byte ended at 127.
    #[test]
    fn three_hundred_clusters() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let x = Array2::from_shape_fn((30_000, 2), |(row, axis)| {
            let node = [row % 20, row / 20 % 15][axis];
            12.0 * node as f64 + (0..4).map(|_| rng.random_range(-1.0..1.0)).sum::<f64>()
        });
        let truth = (0..30_000).map(|row| row % 300);
        let (map, labels) = clusters(&x);
        assert_eq!(map.n_clusters(), 300);
        assert!(ami(&Contingency::from_pairs(labels.into_iter().zip(truth))).unwrap() > 0.999);
    }

    /// A share of the deepest distance within any cluster decided whether a small one survived.
    #[test]
    fn a_small_cluster_beside_a_large_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let large = synth::blobs(&synth::BlobsParams { n_samples: 3000, ..Default::default() }).unwrap().data;
        let small = Array2::from_shape_fn((60, 2), |_| rng.random_range(-0.1..0.1));
        let (_, labels) = clusters(&concatenate![Axis(0), large, small]);
        let own = labels[3000];
        assert!(own.is_some() && labels[3000..].iter().all(|&label| label == own));
        assert!(labels[..3000].iter().all(|&label| label != own));
    }

    /// An outlier squashed all others into a few cells, and points at the maximum had no cell.
    #[test]
    fn an_outlier_is_noise_and_squashes_nothing() {
        let points = synth::moons(&synth::MoonsParams { n_samples: 2000, ..Default::default() }).unwrap();
        let x = concatenate![Axis(0), points.data, ndarray::array![[1e6, -1e6]]];
        let (map, labels) = clusters(&x);
        assert_eq!((map.n_clusters(), labels[2000]), (2, None));
        assert!(labels[..2000].iter().all(Option::is_some));
    }

    #[test]
    fn points_that_are_hardly_a_raster() {
        for (x, n) in [
            (Array2::zeros((1, 2)), 1),
            (Array2::from_elem((1_000_000, 2), 3.5), 1),
            (ndarray::array![[0.0, 0.0], [1.0, 5.0]], 2),
        ] {
            let (map, labels) = clusters(&x);
            assert_eq!(map.n_clusters(), n, "{:?}", x.dim());
            assert!(labels.iter().all(Option::is_some));
        }
        let constant = Array2::from_shape_fn((500, 2), |(row, axis)| if axis == 0 { row as f64 } else { 7.0 });
        assert_eq!(clusters(&constant).0.n_clusters(), 1);
    }

    /// A maximum filter handed cells between two clusters to the one of the higher number.
    #[test]
    fn labels_reach_half_way_to_one_another() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let x = Array2::from_shape_fn((2000, 2), |(row, axis)| {
            f64::from(u8::from(axis == 0 && row % 2 == 1)) * 10.0
                + (0..4).map(|_| rng.random_range(-1.0..1.0)).sum::<f64>()
        });
        let map = seen(&x, &VisualParams { reach: 100.0, ..Default::default() });
        let along = Array2::from_shape_fn((100, 2), |(i, axis)| if axis == 0 { i as f64 * 0.1 } else { 0.0 });
        let labels: Vec<_> = map.assign(along.view()).iter().map(|cell| cell.cluster.unwrap()).collect();
        let turn = labels.iter().position(|&label| label != labels[0]).unwrap();
        assert!((40..60).contains(&turn), "{turn}");
        assert!(labels[turn..].iter().all(|&label| label == labels[99]));
    }

    /// What is connected was never split.
    #[test]
    fn density_splits_what_is_connected_if_asked() {
        let centers = ndarray::array![[0.0, 0.0], [2.6, 0.0]];
        let x = synth::blobs(&synth::BlobsParams { n_samples: 20_000, centers, ..Default::default() }).unwrap();
        assert_eq!(seen(&x.data, &VisualParams { split: true, ..Default::default() }).n_clusters(), 2);
    }

    #[test]
    fn sparse_points_are_taken_away_if_asked() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let dense = synth::blobs(&synth::BlobsParams { n_samples: 100_000, ..Default::default() }).unwrap().data;
        let sparse = Array2::from_shape_fn((2000, 2), |_| rng.random_range(-12.0..12.0));
        let x = concatenate![Axis(0), dense, sparse];
        let params = VisualParams { denoise: 1, reach: 2.0, ..Default::default() };
        let map = seen(&x, &params);
        let found = map.assign(x.view());
        assert_eq!(map.n_clusters(), 3);
        assert!(found[..100_000].iter().filter(|cell| cell.cluster.is_some()).count() > 95_000);
        assert!(found[100_000..].iter().filter(|cell| cell.cluster.is_none()).count() > 1_000);
    }
}
