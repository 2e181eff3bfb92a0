//! The nearest centroid of every row on a device, the same as on the CPU to the last label.
//!
//! Scores |c|^2 / 2 - x'c are f32 products of blocks of rows and all centroids. A bound on their rounding tells which
//! rows have one centroid that is certainly nearest; the few others are compared in f64 on the CPU. All else of a round
//! (sums, relocation, convergence) is the CPU's, so that the whole fit gives the CPU's bytes.

use super::bounds::{Found, Move};
use super::kernel::HALF_ULP;
use super::rows::{Points, Rows};
use super::{ClusterError, Metric};
use crate::device::DeviceRows;
use crate::distance::squared_norm;
use crate::progress::Reporter;
use candle_core::{Device, Result, Tensor};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

/// Rows from which the mean is found that is subtracted from all.
const SAMPLE: usize = 2048;
/// Features multiplied at a time: rounding grows with them.
const CHUNK: usize = 1024;
/// Rows and centroids of this length and beyond are left to f64; scores of shorter ones are below the two that follow.
const LONG: f64 = 1e18;
/// The score of a centroid without a direction, by cosine.
const BARRED: f32 = 1e37;
/// The score of a centroid that is out of consideration.
const TAKEN: f32 = 2e37;
/// What a device makes of smaller values may be 0.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// Rows on a device, to be searched for their nearest centroids.
pub(super) struct DeviceSearch<'a> {
    rows: &'a Rows<'a>,
    blocks: DeviceRows<'a>,
    shift: Shift,
    /// Of the rows as they are sent.
    lengths: Vec<f64>,
}

impl<'a> DeviceSearch<'a> {
    /// Makes `rows` ready for searches among `n_clusters` centroids. O(n d).
    pub fn new(rows: &'a Rows<'a>, device: &'a Device, n_clusters: usize) -> Self {
        let (n, d) = (rows.len(), rows.n_features());
        let shift = Shift::of(rows);
        let send = |i: usize, to: &mut [f32]| shift.send(rows.row(i), rows.weight(i), to);
        let lengths = (0..n).into_par_iter().map_init(|| vec![0.0; d], |to, i| send(i, to)).collect();
        let scratch = 3 * n_clusters + d.min(CHUNK);
        let (weights, mean) = (rows, shift.clone());
        let blocks = DeviceRows::new(device, (n, d), scratch, move |i, to| {
            mean.send(weights.row(i), weights.weight(i), to);
        });
        Self { rows, blocks, shift, lengths }
    }

    /// Brings `labels` up to date with `centroids`; the rows that changed, in order. Rows without a direction (by
    /// cosine) are passed over.
    ///
    /// # Errors
    /// A failing device, or an interruption.
    pub fn update(
        &mut self,
        centroids: &Array2<f32>,
        labels: &mut [u32],
        reporter: &dyn Reporter,
    ) -> std::result::Result<Found, ClusterError> {
        if centroids.is_empty() {
            return Ok(Found::default()); // No row has a direction.
        }
        let Self { rows, blocks, shift, lengths } = self;
        let device = blocks.device();
        let targets = Targets::new(centroids, rows.metric(), shift);
        let mut sent = None;
        let Found { mut moves, mut tied, mut work } = Found::default();
        blocks.for_each::<ClusterError>(reporter, |range, block| {
            let sent = match &sent {
                Some(sent) => sent,
                None => sent.insert(targets.send(device)?),
            };
            let first = range.start;
            let mut found = sent.two_least(block)?;
            let searched = |i: &usize| !rows.is_blank(first + i) && found.least[*i] < BARRED;
            let window = |i: usize| targets.window(lengths[first + i]);
            let is_open = |i: &usize| f64::from(found.next[*i]) - f64::from(found.least[*i]) <= window(*i);
            let searched: Vec<usize> = (0..range.len()).filter(searched).collect();
            let open: Vec<usize> = searched.iter().copied().filter(is_open).collect();
            let settle = |(&i, scores): (&usize, &[f32])| {
                let (nearest, least) = (found.nearest[i], f64::from(found.least[i]));
                let is_near = |c: &usize| *c == nearest as usize || f64::from(scores[*c]) - least <= window(i);
                let squared = |c: usize| rows.squared(first + i, centroids.row(c).to_slice().expect("contiguous"));
                let near: Vec<(f64, usize)> = (0..scores.len()).filter(is_near).map(|c| (squared(c), c)).collect();
                let nearest = near.iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("the nearest at least");
                let is_tied = near.iter().filter(|other| other.0 == nearest.0).count() > 1;
                (nearest.1 as u32, near.len() as u64, is_tied)
            };
            let scores = found.scores_of(&open)?;
            let settled: Vec<(u32, u64, bool)> =
                open.par_iter().zip(scores.par_chunks(centroids.nrows())).map(settle).collect();
            work.compared += (searched.len() * centroids.nrows()) as u64;
            for (i, (nearest, n_distances, is_tied)) in open.into_iter().zip(settled) {
                found.nearest[i] = nearest;
                work.distances += n_distances;
                tied.extend(is_tied.then_some((first + i) as u32));
            }
            for i in searched {
                let (label, row) = (&mut labels[first + i], (first + i) as u32);
                let from = std::mem::replace(label, found.nearest[i]);
                if from != *label {
                    moves.push(Move { row, from });
                }
            }
            Ok(())
        })?;
        Ok(Found { moves, tied, work })
    }
}

/// What is subtracted from rows and centroids, so that products are small and round little; nothing by cosine.
#[derive(Clone)]
struct Shift(Option<Vec<f32>>);

impl Shift {
    /// The mean of some of the rows.
    fn of(rows: &Rows<'_>) -> Self {
        if rows.metric() == Metric::Cosine {
            return Self(None);
        }
        let size = rows.len().min(SAMPLE);
        let mut mean = vec![0f64; rows.n_features()];
        for i in 0..size {
            let row = rows.row(i * rows.len() / size);
            mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v) / size as f64);
        }
        Self(Some(mean.into_iter().map(|m| m as f32).collect()))
    }

    /// Writes a vector as it is sent, and returns its length; one that is too long is sent as zeros.
    fn send(&self, vector: &[f32], weight: f64, to: &mut [f32]) -> f64 {
        match &self.0 {
            Some(mean) => to.iter_mut().zip(vector).zip(mean).for_each(|((to, v), m)| *to = v - m),
            None => to.iter_mut().zip(vector).for_each(|(to, &v)| *to = (f64::from(v) * weight) as f32),
        }
        let length = squared_norm(to).sqrt();
        if length >= LONG {
            to.fill(0.0);
        }
        length
    }
}

/// Centroids, ready to be sent.
struct Targets {
    values: Array2<f32>,
    /// Half the squared length of each; by cosine 0.
    halves: Vec<f32>,
    longest: f64,
}

impl Targets {
    fn new(centroids: &Array2<f32>, metric: Metric, shift: &Shift) -> Self {
        let mut values = Array2::zeros(centroids.dim());
        let mut longest = 0f64;
        let half = |(vector, mut to): (ndarray::ArrayView1<'_, f32>, ndarray::ArrayViewMut1<'_, f32>)| {
            let vector = vector.to_slice().expect("contiguous");
            let length = shift.send(vector, 1.0, to.as_slice_mut().expect("contiguous"));
            longest = longest.max(length);
            match metric {
                Metric::Cosine if length == 0.0 => BARRED,
                Metric::Cosine => 0.0,
                Metric::Euclidean if length >= LONG => 0.0,
                Metric::Euclidean => (length * length / 2.0) as f32,
            }
        };
        let halves = centroids.outer_iter().zip(values.outer_iter_mut()).map(half).collect();
        Self { values, halves, longest }
    }

    /// Centroids whose scores for a row of some length are farther apart than this are in their true order.
    ///
    /// Each score is off by at most: the rounding of its product, of partial products and of the vectors sent; that of
    /// the half square and of the difference; what is lost below the smallest values; and what f64 may be off itself.
    fn window(&self, length: f64) -> f64 {
        let (own, longest, d) = (length, self.longest, self.values.ncols());
        if own >= LONG || longest >= LONG {
            return f64::INFINITY;
        }
        let (terms, chunks) = (d.min(CHUNK) as f64, d.div_ceil(CHUNK) as f64);
        let product = HALF_ULP * ((terms + 2.0 * chunks + 4.0) * own * longest + (chunks + 2.0) * longest * longest);
        let rest = (d + 4) as f64 * (LEAST * (1.0 + own + longest) + f64::EPSILON * (own + longest).powi(2));
        2.02 * (product + rest)
    }

    fn send(&self, device: &Device) -> Result<Sent> {
        let (k, d) = self.values.dim();
        let chunk = |from: usize| {
            let chunk = self.values.slice_axis(Axis(1), (from..d.min(from + CHUNK)).into());
            Tensor::from_vec(chunk.iter().copied().collect::<Vec<f32>>(), chunk.dim(), device)?.t()
        };
        let chunks = (0..d).step_by(CHUNK).map(chunk).collect::<Result<_>>()?;
        Ok(Sent { chunks, halves: Tensor::from_slice(&self.halves, (1, k), device)? })
    }
}

/// Centroids on the device: chunks of features, each of shape (features, n_clusters), and their halves.
struct Sent {
    chunks: Vec<Tensor>,
    halves: Tensor,
}

impl Sent {
    /// The two least scores of the rows of a block.
    fn two_least(&self, block: &Tensor) -> Result<TwoLeast> {
        let mut scores = self.halves.broadcast_as((block.dim(0)?, self.halves.dim(1)?))?;
        let mut from = 0;
        for chunk in &self.chunks {
            let width = chunk.dim(0)?;
            scores = (scores - block.narrow(1, from, width)?.contiguous()?.matmul(chunk)?)?;
            from += width;
        }
        let scores = scores.contiguous()?;
        let nearest = scores.argmin_keepdim(1)?;
        let least = scores.gather(&nearest, 1)?;
        scores.scatter_set(&nearest, &Tensor::full(TAKEN, least.shape(), least.device())?, 1)?;
        Ok(TwoLeast {
            nearest: nearest.flatten_all()?.to_vec1()?,
            least: least.flatten_all()?.to_vec1()?,
            next: scores.min(1)?.to_vec1()?,
            scores,
        })
    }
}

/// What a device found for the rows of a block.
struct TwoLeast {
    /// The centroid of the least score.
    nearest: Vec<u32>,
    /// That score.
    least: Vec<f32>,
    /// The next one.
    next: Vec<f32>,
    /// All others, shape (rows, n_clusters).
    scores: Tensor,
}

impl TwoLeast {
    fn scores_of(&self, rows: &[usize]) -> Result<Vec<f32>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<u32> = rows.iter().map(|&i| i as u32).collect();
        let rows = Tensor::from_slice(&rows, rows.len(), self.scores.device())?;
        self.scores.index_select(&rows, 0)?.flatten_all()?.to_vec1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::images::Images;
    use crate::cluster::{Clustering, Init, KMeansParams};
    use crate::cluster::{bounds::Bounds, search::Search};
    use crate::progress::Silent;
    use linfa::ParamGuard;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(n: usize, d: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_simple_fn((n, d), || rng.random::<f32>() - 0.3)
    }

    fn fit(params: KMeansParams, x: &Array2<f32>) -> Clustering {
        let fitted = params.check().unwrap().fit_rows(x.view(), &Silent).unwrap();
        Clustering { summary: None, ..fitted }
    }

    fn on_candle(params: KMeansParams, x: &Array2<f32>) -> Clustering {
        fit(params.device(crate::device::Device::Candle(Device::Cpu)), x)
    }

    /// Rows that are hard in some way.
    fn problems() -> Vec<(&'static str, Array2<f32>)> {
        let coarse = random(400, 7, 1).mapv(|v| (v * 3.0).round());
        let mut blank = random(200, 12, 2);
        (0..200).step_by(9).for_each(|i| blank.row_mut(i).fill(0.0));
        let mut far = random(60, 3, 3);
        far.row_mut(5).fill(3e30);
        far.row_mut(6).fill(-1e-38);
        let close = random(150, 30, 11);
        let twins = ndarray::concatenate![Axis(0), close, close.mapv(|v| v * (1.0 + 2e-7))];
        vec![
            ("random", random(700, 20, 4)),
            ("closer than products tell", twins),
            ("all but zero", random(60, 5, 12) * 1e-40),
            ("many features", random(90, 2 * CHUNK + 30, 5)),
            ("duplicates and ties", coarse),
            ("offset", random(300, 9, 6).mapv(|v| v + 1e6)),
            ("blank rows", blank),
            ("beyond f32", far),
            ("one value", random(40, 1, 7)),
        ]
    }

    #[test]
    fn a_fit_is_the_cpu_s_to_the_last_bit() {
        for (name, x) in problems() {
            for k in [1, 3, 17, x.nrows()].into_iter().filter(|&k| k <= x.nrows()) {
                for (metric, params) in [("", KMeansParams::new(k)), ("cosine", KMeansParams::spherical(k))] {
                    let params = params.n_restarts(2).tolerance(0.0).max_iterations(20);
                    let (cpu, device) = (fit(params.clone(), &x), on_candle(params, &x));
                    assert_eq!(device, cpu, "{name} {metric}, k = {k}");
                }
            }
        }
    }

    #[test]
    fn an_empty_cluster_takes_the_same_row() {
        let x = random(50, 4, 8);
        let mut start = random(3, 4, 9);
        start.row_mut(2).fill(1e3);
        let params = KMeansParams::new(3).init(Init::Given(start));
        assert_eq!(on_candle(params.clone(), &x), fit(params, &x));
    }

    #[test]
    fn few_rows_are_left_to_f64() {
        let x = random(1000, 64, 10);
        let rows = x.view();
        let rows = Rows::new(&rows, Metric::Euclidean);
        let centroids = x.select(Axis(0), &(0..50).map(|c| c * 20).collect::<Vec<_>>());
        let mut bounds = Bounds::new(1000);
        Search::new(&rows, &Images::identity(&rows), &centroids).update(&mut bounds);
        for size in [1000, 99, 1] {
            let mut labels = vec![u32::MAX; 1000];
            let search = DeviceSearch::new(&rows, &Device::Cpu, 50);
            let mut search = DeviceSearch { blocks: search.blocks.in_blocks_of(size), ..search };
            let Found { moves, work, .. } = search.update(&centroids, &mut labels, &Silent).unwrap();
            assert!(moves.iter().map(|m| m.row).eq(0..1000), "blocks of {size}");
            assert!(work.compared == 50_000 && work.distances < 20, "{work:?}");
            assert!(search.update(&centroids, &mut labels, &Silent).unwrap().moves.is_empty());
            assert_eq!(labels, bounds.labels);
        }
    }
}
