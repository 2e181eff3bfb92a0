//! Neighbours are those of a plain search, whatever the rows.

use super::*;
use crate::progress::Watch;
use ndarray::{Axis, Slice};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Every distance in f64, sorted.
fn plain(
    rows: ArrayView2<'_, f32>,
    kept: ArrayView2<'_, f32>,
    k: usize,
    metric: Metric,
    is_same: bool,
) -> Vec<Vec<(f32, u32)>> {
    let unit = |row: ndarray::ArrayView1<'_, f32>| {
        let norm = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        row.iter()
            .map(|&v| (f64::from(v) / if metric == Metric::Cosine && norm > 0.0 { norm } else { 1.0 }) as f32)
            .collect()
    };
    let of = |x: ArrayView2<'_, f32>| x.outer_iter().map(unit).collect::<Vec<Vec<f32>>>();
    let (rows, kept) = (of(rows), of(kept));
    let is_zero = |row: &[f32]| row.iter().all(|&v| v == 0.0);
    let distance = |a: &[f32], b: &[f32]| {
        let squared: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        match metric {
            Metric::Euclidean => squared.sqrt() as f32,
            Metric::Cosine if is_zero(a) || is_zero(b) => 1.0,
            Metric::Cosine => (squared / 2.0) as f32,
        }
    };
    let nearest = |(i, row): (usize, &Vec<f32>)| {
        let others = kept.iter().enumerate().filter(|(j, _)| !is_same || i != *j);
        let mut all: Vec<_> = others.map(|(j, other)| (distance(row, other), j as u32)).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all.truncate(k);
        all
    };
    rows.iter().enumerate().map(nearest).collect()
}

fn listed(indices: ArrayView2<'_, u32>, distances: ArrayView2<'_, f32>) -> Vec<Vec<(f32, u32)>> {
    let rows = indices.outer_iter().zip(distances.outer_iter().map(|d| d.to_vec()));
    rows.map(|(indices, distances)| distances.into_iter().zip(indices.iter().copied()).collect()).collect()
}

fn check(x: &Array2<f32>, k: usize) {
    for metric in [Metric::Euclidean, Metric::Cosine] {
        let params = NeighborsParams { n_neighbors: k, metric, ..Default::default() };
        let graph = nearest(x.view(), &params, &Silent).unwrap();
        assert_eq!(graph.metric(), metric);
        // Sums differ in their order: distances that are nearly equal may change places.
        let (found, expected) =
            (listed(graph.indices(), graph.distances()), plain(x.view(), x.view(), k, metric, true));
        same(&found, &expected);
        let (indices, distances) = nearest_of(x.view(), x.view(), k, metric);
        same(&listed(indices.view(), distances.view()), &plain(x.view(), x.view(), k, metric, false));
    }
}

fn same(found: &[Vec<(f32, u32)>], expected: &[Vec<(f32, u32)>]) {
    assert_eq!(found.len(), expected.len());
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "row {row}");
        for (f, e) in found.iter().zip(expected) {
            let near = (f.0 - e.0).abs() <= 2.0 * f32::EPSILON * e.0;
            assert!(near && (f.1 == e.1 || f.0 > 0.0), "row {row}: {f:?}, not {e:?}");
        }
    }
    let differ = found.iter().flatten().zip(expected.iter().flatten()).filter(|(f, e)| f.1 != e.1).count();
    assert!(differ * 100 <= found.len(), "{differ} neighbours are others");
}

fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((n, d), || rng.random_range(-1.0..1.0))
}

#[test]
fn neighbors_are_those_of_a_plain_search() {
    for (n, d, k) in [(0, 3, 2), (1, 3, 2), (2, 3, 2), (5, 0, 2), (64, 1, 5), (65, 2, 64), (300, 2000, 4), (700, 7, 15)]
    {
        check(&random(n, d, n as u64), k);
    }
    check(&random(20, 3, 0), 0);
}

#[test]
fn more_rows_than_are_laid_out_at_a_time() {
    let x = random(9000, 2, 1);
    let params = NeighborsParams { n_neighbors: 3, ..Default::default() };
    let graph = nearest(x.view(), &params, &Silent).unwrap();
    let every = Slice::new(0, None, 97);
    let some = x.slice_axis(Axis(0), every);
    let (indices, distances) = nearest_of(some, x.view(), 4, Metric::Euclidean);
    let expected = plain(some, x.view(), 4, Metric::Euclidean, false);
    same(&listed(indices.view(), distances.view()), &expected);
    // The first is the row itself.
    let others: Vec<_> = expected.into_iter().map(|list| list[1..].to_vec()).collect();
    let (indices, distances) = (graph.indices(), graph.distances());
    let some = (indices.slice_axis(Axis(0), every), distances.slice_axis(Axis(0), every));
    same(&listed(some.0, some.1), &others);
}

#[test]
fn equal_rows_are_neighbors_by_their_number() {
    let mut x = random(600, 5, 3);
    x.slice_axis_mut(Axis(0), Slice::from(100..500)).fill(0.3);
    x.slice_axis_mut(Axis(0), Slice::from(50..60)).fill(0.0);
    check(&x, 12);
    check(&Array2::zeros((200, 4)), 7);
    check(&Array2::from_elem((200, 4), 0.1), 7);
}

#[test]
fn distances_are_exact_where_products_drown() {
    // Far from the origin, with one row far from all others, very large and very small.
    let mut x = random(400, 6, 4) + 1e4;
    check(&x, 6);
    x[[7, 0]] = 1e12;
    check(&x, 6);
    check(&(random(300, 5, 5) * 1e30), 6);
    check(&(random(300, 5, 5) * 1e-30), 6);
}

#[test]
fn any_layout_and_number_of_threads_gives_the_same() {
    let x = random(1500, 20, 6);
    let params = NeighborsParams::default();
    let graph = nearest(x.view(), &params, &Silent).unwrap();
    let columns = x.t().as_standard_layout().into_owned();
    assert_eq!(nearest(columns.t(), &params, &Silent).unwrap(), graph);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| nearest(x.view(), &params, &Silent)).unwrap(), graph);
    }
}

#[test]
fn a_search_can_be_interrupted() {
    let params = NeighborsParams::default();
    let x = random(3000, 3, 7);
    assert_eq!(nearest(x.view(), &params, &Watch::stopping_after(0)), Err(Interrupted));
}

/// Rows about points of planes of few dimensions.
fn clustered(n: usize, d: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (centers, directions) = (random(20, d, seed + 1), random(20 * 5, d, seed + 2));
    let mut x = Array2::zeros((n, d));
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        row.assign(&centers.row(i % 20));
        for j in 0..5 {
            row.scaled_add(rng.random_range(-0.3..0.3), &directions.row(i % 20 * 5 + j));
        }
    }
    x
}

#[test]
fn a_descent_finds_most_neighbors_at_their_distances() {
    let x = clustered(5000, 30, 8);
    for metric in [Metric::Euclidean, Metric::Cosine] {
        let params = NeighborsParams { metric, ..Default::default() };
        let exact = nearest(x.view(), &NeighborsParams { search: Search::Exact, ..params }, &Silent).unwrap();
        let params = NeighborsParams { search: Search::Descent, ..params };
        let found = nearest(x.view(), &params, &Silent).unwrap();
        let mut hits = 0;
        for row in 0..5000 {
            let expected: Vec<_> = exact.neighbors(row).collect();
            hits += found.neighbors(row).filter(|neighbor| expected.contains(neighbor)).count();
        }
        assert!(hits >= 5000 * 15 * 99 / 100, "{hits} neighbours of {}", 5000 * 15);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| nearest(x.view(), &params, &Silent)).unwrap(), found);
        }
        let others = nearest(x.view(), &NeighborsParams { seed: 1, ..params }, &Silent).unwrap();
        assert_eq!(others.distances().dim(), found.distances().dim());
    }
}

#[test]
fn a_descent_takes_any_rows() {
    let mut many_equal = random(3000, 3, 9);
    many_equal.slice_axis_mut(Axis(0), Slice::from(500..2500)).fill(0.7);
    let sets = [
        (random(2, 3, 0), 5),
        (random(40, 1, 0), 15),
        (random(300, 1, 0), 200),
        (random(1000, 2000, 0), 3),
        (random(1000, 0, 0), 3),
        (Array2::zeros((2000, 4)), 15),
        (random(500, 4, 0) * f32::MAX, 15),
        (many_equal, 15),
    ];
    for (x, k) in sets {
        for metric in [Metric::Euclidean, Metric::Cosine] {
            let params = NeighborsParams { n_neighbors: k, metric, search: Search::Descent, seed: 0 };
            let graph = nearest(x.view(), &params, &Silent).unwrap();
            assert_eq!(graph.indices().dim(), (x.nrows(), k.min(x.nrows() - 1)));
        }
    }
    let params = NeighborsParams { search: Search::Descent, ..Default::default() };
    assert_eq!(nearest(random(3000, 3, 7).view(), &params, &Watch::stopping_after(0)), Err(Interrupted));
}

#[test]
fn directions_have_one_dimension_less_than_the_space() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let x = Array2::from_shape_simple_fn((3000, 4), || rng.random_range(-1.0f32..1.0));
    let dimension = |metric| {
        let params = NeighborsParams { metric, ..Default::default() };
        nearest(x.view(), &params, &Silent).unwrap().intrinsic_dimension().unwrap()
    };
    let (space, sphere) = (dimension(Metric::Euclidean), dimension(Metric::Cosine));
    assert!((3.4..4.1).contains(&space) && (2.7..3.1).contains(&sphere), "{space} {sphere}");
    let equal = nearest(Array2::<f32>::zeros((20, 2)).view(), &NeighborsParams::default(), &Silent).unwrap();
    assert_eq!(equal.intrinsic_dimension(), None);
}
