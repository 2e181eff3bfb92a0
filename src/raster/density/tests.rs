//! What the clusters of a density must show, the faults of earlier systems among it.

use ndarray::{Array2, ArrayD, ArrayView2, IxDyn, array, concatenate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::evaluate::{EvaluateParams, evaluate};
use crate::progress::{Silent, Watch};
use crate::raster::filter::Weighting;
use crate::raster::{ClassifyParams, GridParams, Loop, Transform, classify, components};
use crate::synth::*;

fn grid(x: ArrayView2<'_, f64>) -> Grid {
    Grid::draw(Transform::fit(x, &GridParams::default()).unwrap(), x)
}

fn found(x: ArrayView2<'_, f64>, params: &DensityParams) -> (Vec<Option<ClusterId>>, DensityClusters) {
    let found = clusters(&grid(x), params, &Silent).unwrap();
    (found.map.assign(x).into_iter().map(|label| label.cluster).collect(), found)
}

/// In a raster of so many cells along each axis.
fn found_in(side: usize, x: ArrayView2<'_, f64>) -> (Vec<Option<ClusterId>>, DensityClusters) {
    let params = GridParams { side, margin: 4, ..Default::default() };
    let grid = Grid::draw(Transform::fit(x, &params).unwrap(), x);
    let found = clusters(&grid, &DensityParams::default(), &Silent).unwrap();
    (found.map.assign(x).into_iter().map(|label| label.cluster).collect(), found)
}

fn n_clusters(x: ArrayView2<'_, f64>) -> usize {
    found(x, &DensityParams::default()).1.map.n_clusters()
}

/// Adjusted mutual information with the classes.
fn ami(labels: &[Option<ClusterId>], points: &Points) -> f64 {
    let truth = crate::collection::Truth::from_names(points.labels.iter().map(|label| Some(label.to_string())));
    evaluate(labels, Some(&truth), None, &EvaluateParams::default()).unwrap().scores.ami.unwrap()
}

fn lattice_of_clusters(n: usize, std: f64, each: usize) -> Points {
    let side = (n as f64).sqrt().ceil() as usize;
    let centers = Array2::from_shape_fn((n, 2), |(i, axis)| if axis == 0 { i / side } else { i % side } as f64);
    blobs(&BlobsParams { n_samples: n * each, centers, std: vec![std], transform: None, seed: 3 }).unwrap()
}

#[test]
fn the_comparison_suite_at_one_setting() {
    for n_samples in [2000, 20_000] {
        let sets = [
            (circles(&CirclesParams { n_samples, ..Default::default() }).unwrap(), 2, 0.99),
            (moons(&MoonsParams { n_samples, ..Default::default() }).unwrap(), 2, 0.99),
            (blobs(&BlobsParams { n_samples, ..Default::default() }).unwrap(), 3, 0.99),
            (blobs(&BlobsParams { n_samples, ..BlobsParams::aniso() }).unwrap(), 3, 0.98),
            (blobs(&BlobsParams { n_samples, ..BlobsParams::varied() }).unwrap(), 3, 0.9),
        ];
        for (set, (points, k, least)) in sets.iter().enumerate() {
            let (labels, found) = found(points.data.view(), &DensityParams::default());
            assert_eq!(found.map.n_clusters(), *k, "set {set} of {n_samples}");
            let ami = ami(&labels, points);
            assert!(ami > *least, "set {set} of {n_samples}: {ami}");
        }
    }
}

#[test]
fn a_square_is_one_cluster_however_many_points_fill_it() {
    for n_samples in [2000, 20_000, 500_000] {
        assert_eq!(n_clusters(uniform(&UniformParams { n_samples, seed: 4 }).data.view()), 1, "{n_samples}");
    }
}

/// A label of 8 bits ends at 127.
#[test]
fn fault_3_300_clusters() {
    let points = lattice_of_clusters(300, 0.12, 100);
    let (labels, found) = found(points.data.view(), &DensityParams::default());
    assert_eq!(found.map.n_clusters(), 300);
    assert!(ami(&labels, &points) > 0.98);
}

/// An occupied cell says nothing once all are occupied.
#[test]
fn fault_5_density_counts_where_every_cell_is_occupied() {
    let centers = array![[0.3, 0.3], [0.7, 0.7]];
    let peaks = blobs(&BlobsParams { n_samples: 200_000, centers, std: vec![0.1], transform: None, seed: 1 }).unwrap();
    let square = uniform(&UniformParams { n_samples: 400_000, seed: 2 });
    let x = concatenate![ndarray::Axis(0), peaks.data, square.data];
    let grid = grid(x.view());
    let middle = grid.transform.cell(array![0.5, 0.5].view()).unwrap();
    assert!(grid.counts.iter().nth(middle).unwrap() > &1);
    assert_eq!(n_clusters(x.view()), 2);
}

/// One threshold for all distances, and an opening, erase what is small.
#[test]
fn fault_6_small_clusters_survive() {
    let large =
        blobs(&BlobsParams { n_samples: 20_000, centers: array![[0.0, 0.0]], std: vec![3.0], ..Default::default() });
    let small =
        blobs(&BlobsParams { n_samples: 40, centers: array![[14.0, 8.0]], std: vec![0.02], ..Default::default() });
    let (large, small) = (large.unwrap(), small.unwrap());
    let x = concatenate![ndarray::Axis(0), large.data, small.data];
    let (labels, found) = found(x.view(), &DensityParams::default());
    assert_eq!(found.map.n_clusters(), 2);
    assert!(labels[20_000..].iter().all(|label| *label == Some(1)));
}

/// Connected segments are split by their density.
#[test]
fn fault_11_density_splits_a_connected_segment() {
    let centers = array![[0.0, 0.0], [3.4, 0.0]];
    let params = BlobsParams { n_samples: 20_000, centers, std: vec![1.0], transform: None, seed: 1 };
    let points = blobs(&params).unwrap();
    let grid = grid(points.data.view());
    let (segments, _) = components(grid.counts.mapv(|count| count > 0).view(), Connectivity::Corners);
    let segment = |x: f64| segments.as_slice().unwrap()[grid.transform.cell(array![x, 0.0].view()).unwrap()];
    assert!(segment(0.0).is_some() && segment(0.0) == segment(3.4), "one segment");
    assert_eq!(n_clusters(points.data.view()), 2);
}

#[test]
fn few_and_equal_points() {
    for x in [array![[1.0, 2.0]], array![[1.0, 2.0], [3.0, 4.0]], Array2::from_elem((1_000_000, 2), 0.3)] {
        let (labels, found) = found(x.view(), &DensityParams::default());
        assert_eq!(found.map.n_clusters(), 1);
        assert!(labels.iter().all(|label| *label == Some(0)));
    }
}

#[test]
fn a_constant_column_changes_nothing() {
    let mut points = lattice_of_clusters(4, 0.05, 200);
    points.data.column_mut(1).fill(5.0);
    assert_eq!(n_clusters(points.data.view()), 2);
}

/// A corner of the cube for each cluster, and one in its middle.
#[test]
fn other_dimensions() {
    for (n_axes, side) in [(1, 48), (3, 48), (4, 24)] {
        let k = (1 << n_axes) + usize::from(n_axes > 1);
        let centers = Array2::from_shape_fn((k, n_axes), |(cluster, axis)| match cluster >> n_axes {
            0 => 8.0 * (cluster >> axis & 1) as f64,
            _ => 4.0,
        });
        let points =
            blobs(&BlobsParams { n_samples: 500 * k, centers, std: vec![0.8], transform: None, seed: 1 }).unwrap();
        let (labels, found) = found_in(side, points.data.view());
        assert_eq!(found.map.n_clusters(), k, "{n_axes} axes");
        let ami = ami(&labels, &points);
        assert!(ami > 0.98, "{n_axes} axes: {ami}");
    }
}

/// No plane parts them.
#[test]
fn a_ball_within_a_shell() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for row in 0..6000 {
        let normal: [f64; 3] = std::array::from_fn(|_| rng.sample(rand_distr::StandardNormal));
        let length = normal.iter().map(|v| v * v).sum::<f64>().sqrt();
        let label = usize::from(row % 3 > 0);
        let radius =
            [0.15, 1.0 / length][label] + [0.0, 0.04 * rng.sample::<f64, _>(rand_distr::StandardNormal)][label];
        values.extend(normal.map(|v| v * radius));
        labels.push(label);
    }
    let points = Points { data: Array2::from_shape_vec((6000, 3), values).unwrap(), labels };
    let (labels, found) = found_in(48, points.data.view());
    assert_eq!(found.map.n_clusters(), 2);
    let ami = ami(&labels, &points);
    assert!(ami > 0.9, "{ami}");
}

#[test]
fn as_many_as_asked_for() {
    let points = lattice_of_clusters(9, 0.2, 500);
    for k in [1, 2, 9] {
        let params = DensityParams { n_clusters: Some(k), ..Default::default() };
        assert_eq!(found(points.data.view(), &params).1.map.n_clusters(), k);
    }
}

#[test]
fn noise_is_where_the_density_is_lowest() {
    let points = blobs(&BlobsParams::default()).unwrap();
    let (labels, _) = found(points.data.view(), &DensityParams { noise: 0.1, ..Default::default() });
    let n_noise = labels.iter().filter(|label| label.is_none()).count();
    assert!((150..=200).contains(&n_noise), "{n_noise}");
    let (labels, _) = found(points.data.view(), &DensityParams::default());
    assert!(labels.iter().all(Option::is_some));
}

#[test]
fn the_tree_counts_the_components_of_every_level() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for shape in [vec![30], vec![14, 17], vec![6, 5, 7]] {
        let density = ArrayD::from_shape_simple_fn(IxDyn(&shape), || f64::from(rng.random_range(0..12u8)));
        for connectivity in [Connectivity::Faces, Connectivity::Corners] {
            let tree = component_tree(density.view(), connectivity);
            for level in 1..13 {
                let level = f64::from(level);
                let expected = components(density.mapv(|v| v >= level).view(), connectivity).1;
                assert_eq!(tree.n_components(level), expected, "{shape:?} at {level}");
            }
            for (at, branch) in tree.branches.iter().enumerate() {
                assert!(branch.birth > branch.death);
                assert_eq!(density.iter().nth(branch.peak), Some(&branch.birth));
                match branch.parent {
                    Some(parent) => assert!(parent < at && tree.branches[parent].death <= branch.death),
                    None => assert_eq!(branch.death, 0.0),
                }
            }
        }
    }
}

#[test]
fn levels_are_nested() {
    let density = found(blobs(&BlobsParams::varied()).unwrap().data.view(), &DensityParams::default()).1.density;
    let most = density.iter().copied().fold(0.0, f64::max);
    let levels = hierarchy(density.view(), &[0.01, 0.1, 0.3, 0.6].map(|share| share * most));
    for pair in levels.windows(2) {
        let mut outer = vec![None; pair[1].1];
        for (low, high) in pair[0].0.iter().zip(&pair[1].0) {
            if let Some(high) = high {
                assert!(low.is_some() && outer[*high].is_none_or(|outer| outer == *low));
                outer[*high] = Some(*low);
            }
        }
    }
}

#[test]
fn the_published_levels() {
    let density = ArrayD::from_shape_fn(IxDyn(&[100]), |at| (at[0] * 37 % 100) as f64);
    let levels = equalise(density.view(), Equaliser::Published);
    let at = |rank: usize| levels[(0..100).position(|i| i * 37 % 100 == rank).unwrap()];
    let expected = [(0, 0), (7, 0), (8, 30), (18, 55), (28, 90), (42, 120), (62, 140), (80, 170), (95, 254), (99, 254)];
    assert!(expected.iter().all(|&(rank, level)| at(rank) == level));
    let even = equalise(density.view(), Equaliser::Histogram);
    assert!(density.iter().zip(&even).all(|(v, level)| (f64::from(*level) - v * 255.0 / 99.0).abs() <= 0.5));
}

#[test]
fn bad_parameters_and_interruptions_are_errors() {
    let grid = grid(array![[0.0, 0.0], [1.0, 1.0]].view());
    let of = |params: DensityParams| clusters(&grid, &params, &Silent);
    assert!(of(DensityParams { n_clusters: Some(0), ..Default::default() }).is_err());
    assert!(of(DensityParams { chance: 0.0, ..Default::default() }).is_err());
    assert!(of(DensityParams { chance: f64::NAN, ..Default::default() }).is_err());
    assert!(of(DensityParams { noise: 1.0, ..Default::default() }).is_err());
    let stopped = clusters(&grid, &DensityParams::default(), &Watch::stopping_after(0));
    assert!(matches!(stopped, Err(RasterError::Interrupted(_))));
}

/// The density that classification adds up, of points of one class.
#[test]
fn loops_add_up_as_in_classification() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let grid = grid(Array2::from_shape_simple_fn((40, 2), || rng.random_range(0.0..1.0)).view());
    let classes = vec![Some(0); grid.cells.len()];
    let middles: Vec<f64> = grid.cells.iter().flat_map(|&cell| grid.transform.center(cell as usize)).collect();
    let middles = Array2::from_shape_vec((grid.cells.len(), 2), middles).unwrap();
    for (weighting, boundary) in [(Weighting::Equal, Boundary::Plain), (Weighting::InverseDistance, Boundary::Torus)] {
        let drawn = LabelMap::draw(grid.transform.clone(), middles.view(), &classes);
        let params = ClassifyParams { window: 6, weighting, boundary, ..ClassifyParams::default() };
        let mut last = None;
        classify(drawn, &params, &mut |after: Loop<'_>| last = Some(after.density.clone()), &Silent).unwrap();
        let found = by_loops(grid.counts.view(), 6, params.n_loops, weighting, boundary);
        let apart = (&found - &last.unwrap()).mapv(f64::abs);
        assert!(apart.iter().all(|&apart| apart < 1e-9), "{weighting:?}");
    }
}
