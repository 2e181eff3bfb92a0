//! Where the rows of UMAP stand before they move: the first eigenvectors of the normalised Laplacian of their graph (Ng,
//! Jordan, Weiss 2001; Belkin, Niyogi 2003), which unroll what is rolled up.
//!
//! Parts of the graph that don't hang together at all have eigenvectors of their own. Each part gets a ball of a volume
//! that is its share of the rows, where its rows are in the mean by their first principal components, or farther out in
//! that direction, where there is room.

use super::start;
use crate::collection::{Csr, sparse_row};
use crate::progress::Reporter;
use crate::reduce::ReduceError;
use crate::reduce::features::times;
use crate::reduce::subspace::{Effort, eigen};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Enough for the digits of MNIST and for a rolled up sheet of 10,000 rows, which with fewer products or a coarser
/// tolerance starts folded. Where the products are spent first, what there is is smooth along the graph all the same.
const EFFORT: Effort = Effort { products: 200, tolerance: 1e-4, growth: 1e2 };
/// How far the centres of parts are apart at least, as a share of the radii of both.
const GAP: f64 = 1.1;
/// How wide the start is in each coordinate, and how far rows are shaken, so that none stand at one place.
const WIDTH: f64 = 10.0;
const NOISE: f64 = 1e-4;

/// The start of the rows of `x`, joined by `set`, shape (n_samples, n_components), 0 to 10.
///
/// At most 200 products of the graph with n_components + 11 vectors, or a quarter more than n_components where those are
/// more: O(edges x n_components) each.
pub(super) fn start(
    set: &Csr,
    x: ArrayView2<'_, f32>,
    n_components: usize,
    seed: u64,
    reporter: &dyn Reporter,
) -> Result<Array2<f32>, ReduceError> {
    let n = set.rows();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let parts = parts(set);
    let radii: Vec<f64> =
        parts.iter().map(|part| (part.len() as f64 / n as f64).powf((n_components as f64).recip())).collect();
    let centres = if parts.len() > 1 {
        let components = start::components(x, n_components, seed, reporter)?.mapv(f64::from);
        let means = parts.iter().map(|part| components.select(Axis(0), part).mean_axis(Axis(0)).expect("a row"));
        apart(means.collect(), &radii)
    } else {
        vec![Array1::zeros(n_components); parts.len()]
    };
    let mut numbers = vec![0; n];
    for part in &parts {
        part.iter().zip(0..).for_each(|(&row, number)| numbers[row] = number);
    }
    let mut places = Array2::<f64>::zeros((n, n_components));
    for ((part, radius), centre) in parts.iter().zip(radii).zip(centres) {
        let vectors = eigenvectors(&walk(set, part, &numbers), n_components, seed, reporter)?;
        for (i, &row) in part.iter().enumerate() {
            places.row_mut(row).assign(&centre);
            for (place, vector) in places.row_mut(row).iter_mut().zip(vectors.outer_iter()) {
                *place += radius * vector[i] / (n_components as f64).sqrt();
            }
        }
    }
    for mut coordinate in places.axis_iter_mut(Axis(1)) {
        let least = coordinate.iter().copied().fold(f64::INFINITY, f64::min);
        let most = coordinate.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scale = if most > least { WIDTH / (most - least) } else { 0.0 };
        coordinate.mapv_inplace(|v| (v - least) * scale + NOISE * (rng.random::<f64>() - 0.5));
    }
    Ok(places.mapv(|v| v as f32))
}

/// The rows of each part of the graph that hangs together, in order; the largest first.
fn parts(set: &Csr) -> Vec<Vec<usize>> {
    let mut seen = vec![false; set.rows()];
    let mut parts = Vec::new();
    for row in 0..set.rows() {
        if std::mem::replace(&mut seen[row], true) {
            continue;
        }
        let (mut part, mut at) = (vec![row], 0);
        while at < part.len() {
            let near = sparse_row(set, part[at]).0.iter().map(|&to| to as usize);
            part.extend(near.filter(|&to| !std::mem::replace(&mut seen[to], true)));
            at += 1;
        }
        part.sort_unstable();
        parts.push(part);
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts
}

/// Centres for balls of these radii that don't overlap: where they are wanted, the farthest brought to a distance of 1 from
/// the origin, or farther out from it where others are in the way.
fn apart(wanted: Vec<Array1<f64>>, radii: &[f64]) -> Vec<Array1<f64>> {
    let farthest = wanted.iter().map(|centre| centre.dot(centre).sqrt()).fold(0.0, f64::max);
    let mut centres: Vec<Array1<f64>> = Vec::new();
    for (wanted, radius) in wanted.into_iter().zip(radii) {
        let distance = wanted.dot(&wanted).sqrt();
        let mut direction = wanted / distance.max(f64::MIN_POSITIVE);
        if distance == 0.0 {
            direction[0] = 1.0;
        }
        // Where on the way out the ball would meet another.
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for (other, other_radius) in centres.iter().zip(radii) {
            let nearest = direction.dot(other);
            let square = (GAP * (radius + other_radius)).powi(2) - (other.dot(other) - nearest * nearest);
            if square > 0.0 {
                taken.push((nearest - square.sqrt(), nearest + square.sqrt()));
            }
        }
        taken.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut at = if farthest > 0.0 { distance / farthest } else { 0.0 };
        for (from, to) in taken {
            if from < at && at < to {
                at = to;
            }
        }
        centres.push(direction * at);
    }
    centres
}

/// The weights among the rows of a part, which have these numbers in it, each divided by the root of what either row has
/// in all.
fn walk(set: &Csr, part: &[usize], numbers: &[u32]) -> Csr {
    let degree = |row| sparse_row(set, row).1.iter().map(|&weight| f64::from(weight)).sum::<f64>();
    let scale: Vec<f64> = part.iter().map(|&row| degree(row).sqrt().recip()).collect();
    let (mut starts, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for (i, &row) in part.iter().enumerate() {
        let (to, weights) = sparse_row(set, row);
        for (&to, &weight) in to.iter().zip(weights) {
            let to = numbers[to as usize];
            indices.push(to);
            data.push((f64::from(weight) * scale[i] * scale[to as usize]) as f32);
        }
        starts.push(indices.len());
    }
    Csr::new((part.len(), part.len()), starts, indices, data)
}

/// The first eigenvectors of the Laplacian as rows, -1 to 1, but for the very first, which tells nothing but degrees; fewer
/// than `count` where there are no more rows.
fn eigenvectors(walk: &Csr, count: usize, seed: u64, reporter: &dyn Reporter) -> Result<Array2<f64>, ReduceError> {
    let n = walk.rows();
    // Those of twice the identity less the Laplacian, whose eigenvalues are 0 to 2.
    let matrix = || Array2::eye(n) + walk.to_dense().mapv(f64::from);
    let step = |q: &Array2<f64>| {
        reporter.check()?;
        let image = times(&walk.into(), q.mapv(|v| v as f32).view());
        Ok(q + &image.t().mapv(f64::from))
    };
    let (_, mut vectors) = eigen(n, (count + 1).min(n), seed, &EFFORT, reporter, matrix, step)?;
    vectors.remove_index(Axis(0), 0);
    for mut vector in vectors.outer_iter_mut() {
        let largest = vector.iter().fold(f64::MIN_POSITIVE, |largest, v| v.abs().max(largest));
        vector.mapv_inplace(|v| v / largest);
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// Closed rings of so many rows, each joined to the next and the one before; the rows lie together, ring by ring.
    fn rings(sizes: &[usize]) -> (Csr, Array2<f32>) {
        let n = sizes.iter().sum();
        let (mut starts, mut indices, mut x) = (vec![0], Vec::new(), Vec::new());
        for (ring, &size) in sizes.iter().enumerate() {
            let first = starts.len() - 1;
            for i in 0..size {
                let mut near = vec![(i + 1) % size, (i + size - 1) % size];
                near.sort_unstable();
                near.dedup();
                indices.extend(near.into_iter().filter(|&to| to != i).map(|to| (first + to) as u32));
                starts.push(indices.len());
                x.extend([ring as f32, (ring * ring % 3) as f32, 1.0]);
            }
        }
        let weights = vec![1.0; indices.len()];
        (Csr::new((n, n), starts, indices, weights), Array2::from_shape_vec((n, 3), x).unwrap())
    }

    fn of_rings(sizes: &[usize], n_components: usize) -> Array2<f32> {
        let (set, x) = rings(sizes);
        start(&set, x.view(), n_components, 0, &Silent).unwrap()
    }

    /// The first eigenvectors of a ring are a cosine and a sine: a circle. Of few rows they are found at once, of many in
    /// rounds.
    #[test]
    fn a_ring_is_a_circle() {
        for size in [24, 200] {
            let places = of_rings(&[size], 2);
            let apart = |a: usize, b: usize| (&places.row(a) - &places.row(b)).mapv(|v| v * v).sum().sqrt();
            for row in 0..size {
                let chord = 10.0 * (std::f32::consts::PI / size as f32).sin();
                assert!((apart(row, (row + size / 2) % size) - 10.0).abs() < 0.3, "{size} {row}");
                assert!((apart(row, (row + 1) % size) / chord - 1.0).abs() < 0.1, "{size} {row}");
            }
        }
    }

    #[test]
    fn parts_stand_apart() {
        let sizes = [9, 120, 30, 40, 5, 1, 60];
        for n_components in [1, 2, 3] {
            let places = of_rings(&sizes, n_components);
            let ring: Vec<usize> = sizes.iter().enumerate().flat_map(|(ring, &size)| vec![ring; size]).collect();
            let boxes = sizes.iter().enumerate().map(|(of, _)| {
                let rows: Vec<usize> = (0..ring.len()).filter(|&row| ring[row] == of).collect();
                let own = places.select(Axis(0), &rows);
                let far = |f: fn(f32, f32) -> f32, from: f32| own.fold_axis(Axis(0), from, |&a, &b| f(a, b));
                (far(f32::min, f32::INFINITY), far(f32::max, f32::NEG_INFINITY))
            });
            let boxes: Vec<_> = boxes.collect();
            for (i, (least, _)) in boxes.iter().enumerate() {
                for (other_least, other_most) in &boxes[..i] {
                    let most = &boxes[i].1;
                    let axis = |d: usize| least[d] > other_most[d] || other_least[d] > most[d];
                    assert!((0..n_components).any(axis), "{n_components}: {boxes:?}");
                }
            }
            assert!(places.iter().all(|v| (-0.1..=10.1).contains(v)));
        }
    }

    #[test]
    fn balls_stay_where_they_are_wanted_if_there_is_room() {
        let at = |x: f64, y: f64| Array1::from(vec![x, y]);
        let found = apart(
            vec![at(0.0, 0.0), at(1.0, 0.0), at(0.0, 2.0), at(3.0, 4.0), at(3.0, 4.0)],
            &[0.6, 0.2, 0.1, 0.1, 0.1],
        );
        let expected = [at(0.0, 0.0), at(0.88, 0.0), at(0.0, 0.77), at(0.6, 0.8), at(0.732, 0.976)];
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).iter().all(|off| off.abs() < 1e-9), "{found} {expected}");
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_and_a_seed_another() {
        let (set, x) = rings(&[700, 40]);
        let on = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| start(&set, x.view(), 2, seed, &Silent).unwrap())
        };
        assert_eq!(on(1, 0), on(3, 0));
        assert_ne!(on(1, 0), on(1, 1));
    }

    #[test]
    fn few_rows_have_a_start() {
        for sizes in [&[1][..], &[2], &[3], &[1, 1, 1]] {
            let n = sizes.iter().sum();
            for n_components in 1..=n {
                assert!(of_rings(sizes, n_components).iter().all(|v| v.is_finite()), "{sizes:?}");
            }
        }
    }
}
