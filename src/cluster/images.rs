//! Rows mapped to fewer dimensions such that no distance grows, for sieving in [`search`](super::search).
//!
//! A row x becomes (Q(x - m), |x - m - Q'Q(x - m)|): its coordinates along some directions, and the length of the rest.
//! Q's rows being orthonormal, the distance of two images is at most that of the rows, and it falls short of it by no
//! more than the rests allow: |x - c|^2 <= |f(x) - f(c)|^2 + 4 rest(x) rest(c). The directions are those in which the
//! *centroids* differ most, so that their rests are small and images alone decide. (The lower bound by partial distance
//! and rest is that of Bottesch et al., ICML 2016, there with blocks of features.)

use super::kernel::{HALF_ULP, PANEL, Panels, Scores, TILE, Tile, Tiles, WIDE};
use super::rows::{Points, Rows};
use super::{ClusterError, Metric, Strategy};
use crate::distance::{Packed, product, squared_norm};
use crate::progress::{Interrupted, Reporter};
use crate::reduce::orthonormalise;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use std::borrow::Cow;

/// Values of an image: few for up to so many clusters, else many, where rows have many features.
const FEW: usize = 64;
const FEW_CLUSTERS: usize = 48;
const MANY: usize = 128;
/// A row must have so many times the features of its image for images to pay, and there must be so many rows.
const MIN_RATIO: usize = 4;
const MIN_ROWS: usize = 4096;
/// Rows that stand for the collection, and what they count beside the centroids.
const SAMPLE: usize = 1024;
const SAMPLE_WEIGHT: f64 = 1e-3;
/// Rounds of the search for directions.
const ROUNDS: usize = 2;
/// Rows mapped at a time: the directions are read once for all of them.
const BATCH: usize = 4 * TILE;
/// One distance of two rows, which lie anywhere in memory, costs as much as so many among those of neighbours.
const DISTANCE: f64 = 16.0;

/// The images of rows; or the rows themselves, where mapping them would not pay.
pub(super) struct Images<'a> {
    rows: &'a Rows<'a>,
    mapped: Option<Mapped>,
    pace: Pace,
}

/// When rows are mapped anew: the distances a row took in the round after they were, and what has been spent beyond
/// that since.
#[derive(Clone, Copy)]
enum Pace {
    First,
    Second,
    Fresh,
    Since { least: f64, excess: f64 },
    GivenUp,
}

/// An image with a bound on the distance to what it should be.
pub(super) struct Image<'a> {
    pub values: Cow<'a, [f32]>,
    pub error: f64,
}

struct Mapped {
    width: usize,
    mean: Vec<f32>,
    /// Shape (n_features, width - 1), its columns orthonormal.
    directions: Packed<f64>,
    /// The same rounded, by chunk of so many features as the kernel takes at a time.
    chunks: Vec<Panels>,
    /// Shape (n_rows, width), with the length and the error of each.
    values: Vec<f32>,
    lengths: Vec<f64>,
    errors: Vec<f32>,
}

impl<'a> Images<'a> {
    /// The rows themselves as their images.
    pub fn identity(rows: &'a Rows<'a>) -> Self {
        Self { rows, mapped: None, pace: Pace::First }
    }

    /// Images along the directions in which the rows differ most. O(n d).
    ///
    /// # Errors
    /// If interrupted.
    pub fn new(rows: &'a Rows<'a>, reporter: &dyn Reporter) -> Result<Self, ClusterError> {
        let mut images = Self::identity(rows);
        if let Some(width) = width(rows, 1) {
            images.map(width, Array2::zeros((0, rows.n_features())).view(), &[], reporter)?;
        }
        Ok(images)
    }

    /// Maps the rows so that images tell these centroids apart, if that pays: to be asked before each round, with the
    /// number of rows of each cluster (all 0 if not known) and the distances of the last round. O(n d).
    ///
    /// # Errors
    /// If interrupted.
    pub fn renew(
        &mut self,
        centroids: ArrayView2<'_, f32>,
        counts: &[usize],
        n_distances: u64,
        reporter: &dyn Reporter,
    ) -> Result<(), ClusterError> {
        let k = centroids.nrows();
        let Some(width) = width(self.rows, k) else { return Ok(()) };
        let spent = n_distances as f64 / self.rows.len() as f64;
        let (due, pace) = match self.pace {
            // The first round costs about as much as mapping: what few centroids there are can do without.
            Pace::First => (k >= width, Pace::Second),
            Pace::Second => (true, Pace::Fresh),
            Pace::Fresh if spent > k.next_multiple_of(PANEL) as f64 / DISTANCE => {
                self.mapped = None;
                (false, Pace::GivenUp)
            }
            Pace::Fresh => (false, Pace::Since { least: spent, excess: 0.0 }),
            Pace::Since { least, excess } => {
                let excess = excess + (spent - least).max(0.0);
                let due = excess > width as f64 / DISTANCE;
                (due, if due { Pace::Fresh } else { Pace::Since { least, excess } })
            }
            Pace::GivenUp => (false, Pace::GivenUp),
        };
        self.pace = pace;
        if due {
            self.map(width, centroids, counts, reporter)?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        width: usize,
        centroids: ArrayView2<'_, f32>,
        counts: &[usize],
        reporter: &dyn Reporter,
    ) -> Result<(), Interrupted> {
        // The old ones go first: they take as much memory.
        let old = self.mapped.take().filter(|old| old.width == width);
        let Some(mut mapped) = Mapped::directed(self.rows, width, centroids, counts, reporter)? else {
            self.pace = Pace::GivenUp;
            return Ok(());
        };
        let n = self.rows.len();
        (mapped.values, mapped.lengths, mapped.errors) = old.map_or_else(
            || (vec![0.0; n * width], vec![0.0; n], vec![0.0; n]),
            |old| (old.values, old.lengths, old.errors),
        );
        mapped.map(self.rows);
        self.mapped = Some(mapped);
        Ok(())
    }

    pub fn strategy(&self) -> Strategy {
        self.mapped.as_ref().map_or(Strategy::Rows, |mapped| Strategy::Images(mapped.width))
    }

    pub fn are_rows(&self) -> bool {
        self.mapped.is_none()
    }

    /// Number of values of an image.
    pub fn width(&self) -> usize {
        self.mapped.as_ref().map_or(self.rows.n_features(), |mapped| mapped.width)
    }

    /// The image of row `i`, and what its values must be multiplied by.
    pub fn row(&self, i: usize) -> (&[f32], f32) {
        match &self.mapped {
            None => (self.rows.row(i), self.rows.weight(i) as f32),
            Some(mapped) => (&mapped.values[i * mapped.width..][..mapped.width], 1.0),
        }
    }

    /// Lays out images of rows.
    pub fn pack(&self, rows: impl Iterator<Item = usize>, tiles: &mut Tiles) {
        tiles.take(rows.map(|i| self.row(i)), self.width());
    }

    /// The length of the image of row `i`.
    pub fn length(&self, i: usize) -> f64 {
        self.mapped.as_ref().map_or_else(|| self.rows.squared_length(i).sqrt(), |mapped| mapped.lengths[i])
    }

    /// The length of the rest of row `i`; 0 if images are the rows themselves.
    pub fn rest(&self, i: usize) -> f64 {
        self.mapped.as_ref().map_or(0.0, |mapped| mapped.values[(i + 1) * mapped.width - 1].into())
    }

    /// At least the distance between the image of row `i` and what it should be.
    pub fn error(&self, i: usize) -> f64 {
        match (&self.mapped, self.rows.metric()) {
            (Some(mapped), _) => mapped.errors[i].into(),
            (None, Metric::Euclidean) => 0.0,
            (None, Metric::Cosine) => 2.0 * f64::from(f32::EPSILON),
        }
    }

    /// Length and error of the image of row `i`, and length of its rest.
    pub fn figures(&self, i: usize) -> (f64, f64, f64) {
        (self.length(i), self.error(i), self.rest(i))
    }

    /// The images of centroids.
    pub fn of<'v>(&self, centroids: &'v Array2<f32>) -> Vec<Image<'v>> {
        match &self.mapped {
            None => centroids
                .outer_iter()
                .map(|c| Image { values: c.to_slice().expect("centroids are contiguous").into(), error: 0.0 })
                .collect(),
            Some(mapped) => mapped.of(centroids),
        }
    }

    /// The length of the rest of a centroid, from its image.
    pub fn rest_of(&self, image: &Image<'_>) -> f64 {
        if self.are_rows() { 0.0 } else { image.values[self.width() - 1].into() }
    }
}

/// Values of an image, if images can pay.
fn width(rows: &Rows<'_>, n_clusters: usize) -> Option<usize> {
    let pays = |width: usize| rows.len() >= MIN_ROWS && rows.n_features() >= MIN_RATIO * width;
    let width = if n_clusters > FEW_CLUSTERS && pays(MANY) { MANY } else { FEW };
    pays(width).then_some(width)
}

impl Mapped {
    /// Directions in which the centroids differ most, and where that leaves room, the rows; none if values are too large
    /// for them to be found.
    fn directed(
        rows: &Rows<'_>,
        width: usize,
        centroids: ArrayView2<'_, f32>,
        counts: &[usize],
        reporter: &dyn Reporter,
    ) -> Result<Option<Self>, Interrupted> {
        let (n, d, k) = (rows.len(), rows.n_features(), centroids.nrows());
        let size = n.min(SAMPLE);
        let mut points = Array2::<f32>::zeros((k + size, d));
        let (mut first, mut sample) = points.view_mut().split_at(Axis(0), k);
        first.assign(&centroids);
        for (i, mut point) in sample.outer_iter_mut().enumerate() {
            let (row, weight) = (i * n / size, rows.weight(i * n / size) as f32);
            point.iter_mut().zip(rows.row(row)).for_each(|(to, &v)| *to = v * weight);
        }
        let mut sum = Array1::<f64>::zeros(d);
        sample.outer_iter().for_each(|point| sum.zip_mut_with(&point, |s, &v| *s += f64::from(v)));
        let mean = sum.mapv(|s| (s / size as f64) as f32);
        points -= &mean;
        let n_members: usize = counts.iter().sum();
        for (i, mut point) in points.outer_iter_mut().enumerate() {
            let weight = match counts.get(i) {
                Some(&count) if n_members > 0 => count as f64 / n_members as f64,
                _ if i < k => 1.0 / k as f64,
                _ => SAMPLE_WEIGHT / size as f64,
            };
            point *= weight.sqrt() as f32;
        }
        let mut directions = orthonormalise(points.slice_axis(Axis(0), (..width - 1).into()).mapv(f64::from));
        for _ in 0..ROUNDS {
            reporter.check()?;
            let along = product(points.view(), directions.t().mapv(|v| v as f32).view());
            directions = orthonormalise(product(along.t().as_standard_layout().view(), points.view()).mapv(f64::from));
        }
        if directions.iter().any(|v| !v.is_finite()) {
            return Ok(None);
        }
        let rounded = directions.mapv(|v| v as f32);
        let chunk = |from: usize| {
            let to = d.min(from + WIDE);
            let directions = rounded.outer_iter().map(|q| (q.to_slice().expect("in standard layout"), 0.0));
            Panels::new(WIDE, directions.map(|(q, half)| (&q[from..to], half)))
        };
        let chunks = (0..d).step_by(WIDE).map(chunk).collect();
        let (values, lengths, errors) = (vec![], vec![], vec![]);
        let directions = Packed::new(directions.t());
        Ok(Some(Self { width, mean: mean.to_vec(), directions, chunks, values, lengths, errors }))
    }

    /// Maps all rows.
    fn map(&mut self, rows: &Rows<'_>) {
        let (width, n) = (self.width, rows.len());
        let (mut values, mut lengths, mut errors) =
            (std::mem::take(&mut self.values), std::mem::take(&mut self.lengths), std::mem::take(&mut self.errors));
        values
            .par_chunks_mut(BATCH * width)
            .zip(lengths.par_chunks_mut(BATCH))
            .zip(errors.par_chunks_mut(BATCH))
            .enumerate()
            .for_each_init(Buffers::default, |buffers, (batch, ((values, lengths), errors))| {
                self.map_batch(rows, batch * BATCH..n.min((batch + 1) * BATCH), values, lengths, errors, buffers);
            });
        (self.values, self.lengths, self.errors) = (values, lengths, errors);
    }

    fn map_batch(
        &self,
        rows: &Rows<'_>,
        of: std::ops::Range<usize>,
        values: &mut [f32],
        lengths: &mut [f64],
        errors: &mut [f32],
        buffers: &mut Buffers,
    ) {
        let width = self.width;
        let n_panels = (width - 1).div_ceil(PANEL);
        let stride = n_panels * PANEL;
        let Buffers { tiles, scores, least, heads } = buffers;
        tiles.resize(self.chunks.len(), [[0.0; WIDE]; BATCH]);
        scores.resize(BATCH * stride, 0.0);
        least.resize(BATCH * n_panels, 0.0);
        heads.clear();
        heads.resize(BATCH * stride, 0.0);
        let mut squared = [0.0; BATCH];
        for (r, i) in of.enumerate() {
            let centre = Centre { row: rows.row(i), weight: rows.weight(i) as f32, mean: &self.mean, r, tiles };
            squared[r] = pulp::Arch::new().dispatch(centre);
        }
        for (panels, tile) in self.chunks.iter().zip(tiles) {
            pulp::Arch::new().dispatch(Scores { tiles: Tile::of(tile), panels, scores, least });
            // Scores of directions of half-length 0 are products with the opposite sign.
            subtract(scores, heads);
        }
        let to = heads.chunks_exact(stride).zip(values.chunks_exact_mut(width)).zip(squared);
        for (((head, values), squared), (length, error)) in to.zip(lengths.iter_mut().zip(errors)) {
            let rest = write(&head[..width - 1], squared, values);
            *length = squared_norm(values).sqrt();
            // Rounding of the products (Higham 2002, 3.1) in each direction, of the directions, and of weighting and
            // centring; then what that makes of the rest: an error of its square.
            let along = ((WIDE + 2) as f64 * HALF_ULP * (width as f64).sqrt() + 1e-6) * squared.sqrt();
            let of_square = 2.1 * along * squared.sqrt();
            let across = of_square.sqrt().min(of_square / rest);
            let weighting = if rows.metric() == Metric::Cosine { 4.0 * f64::from(f32::EPSILON) } else { 0.0 };
            *error = ((along + across + 4.0 * HALF_ULP * squared.sqrt() + weighting) as f32).next_up();
        }
    }

    /// Images of centroids, in f64: these are few, and their rests small.
    fn of<'v>(&self, centroids: &Array2<f32>) -> Vec<Image<'v>> {
        let mean = ArrayView2::from_shape((1, self.mean.len()), &self.mean).expect("one row");
        let mut centred = centroids.mapv(f64::from);
        centred.zip_mut_with(&mean, |v, &m| *v -= f64::from(m));
        let heads = self.directions.product(centred.view());
        let image = |(head, centred): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, f64>)| {
            let squared = centred.dot(&centred);
            let mut values = vec![0.0; self.width];
            write(head.to_slice().expect("in standard layout"), squared, &mut values);
            Image { values: values.into(), error: 3e-7 * squared.sqrt() }
        };
        heads.outer_iter().zip(centred.outer_iter()).map(image).collect()
    }
}

/// Subtracts scores from sums.
fn subtract(scores: &[f32], sums: &mut [f64]) {
    // Dispatched for the machine's widest instructions.
    pulp::Arch::new().dispatch(|| {
        for (sum, &score) in sums.iter_mut().zip(scores) {
            *sum -= score as f64;
        }
    });
}

/// Writes an image: the coordinates and the length of the rest, which is returned.
fn write(head: &[f64], squared: f64, values: &mut [f32]) -> f64 {
    const LANES: usize = 16;
    // Dispatched for the machine's widest instructions.
    pulp::Arch::new().dispatch(|| {
        let mut lanes = [0.0; LANES];
        let (whole, rest) = head.as_chunks::<LANES>();
        for chunk in whole {
            for lane in 0..LANES {
                lanes[lane] += chunk[lane] * chunk[lane];
            }
        }
        let of_head = lanes.iter().sum::<f64>() + rest.iter().map(|h| h * h).sum::<f64>();
        for j in 0..head.len() {
            values[j] = head[j] as f32;
        }
        let rest = (squared - of_head).max(0.0).sqrt();
        values[head.len()] = rest as f32;
        rest
    })
}

/// Writes a row, weighted and centred, as number `r` of the tiles, one a chunk of features; its squared length then.
struct Centre<'a> {
    row: &'a [f32],
    weight: f32,
    mean: &'a [f32],
    r: usize,
    tiles: &'a mut [[[f32; WIDE]; BATCH]],
}

impl pulp::WithSimd for Centre<'_> {
    type Output = f64;

    // Plain loops: closures and iterators would be compiled for the least machine.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        const LANES: usize = 16;
        let Self { row, weight, mean, r, tiles } = self;
        let mut lanes = [0.0; LANES];
        for (chunk, tile) in tiles.iter_mut().enumerate() {
            let from = chunk * WIDE;
            let len = WIDE.min(row.len() - from);
            let (row, mean, to) = (&row[from..from + len], &mean[from..from + len], &mut tile[r]);
            for j in 0..len {
                to[j] = row[j] * weight - mean[j];
            }
            let mut at = 0;
            while at < WIDE {
                let values = &to[at..at + LANES];
                for lane in 0..LANES {
                    lanes[lane] += values[lane] as f64 * values[lane] as f64;
                }
                at += LANES;
            }
        }
        let mut sum = 0.0;
        for lane in 0..LANES {
            sum += lanes[lane];
        }
        sum
    }
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers {
    tiles: Vec<[[f32; WIDE]; BATCH]>,
    scores: Vec<f32>,
    least: Vec<f32>,
    heads: Vec<f64>,
}
