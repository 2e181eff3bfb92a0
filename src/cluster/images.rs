//! Rows mapped to fewer dimensions such that no distance grows, for sieving in [`search`](super::search).
//!
//! A row x becomes (Q(x - m), |x - m - Q'Q(x - m)|): its coordinates along the leading directions of the collection,
//! and the length of the rest. Q's rows being orthonormal, |f(x) - f(c)| <= |x - c|, so that a centroid whose image is
//! too far is too far. Pictures have most of their variance along few directions, which makes the two distances nearly
//! equal. (The bound by partial distance and rest is that of Bottesch et al., ICML 2016, there with blocks of
//! features.)

use super::kernel::{HALF_ULP, PANEL, Panels, Scores, TILE, pack};
use super::rows::Rows;
use super::{ClusterError, Metric};
use crate::distance::squared_norm;
use crate::progress::Reporter;
use crate::reduce::rough_basis;
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use std::borrow::Cow;

/// Values of an image.
const WIDTH: usize = 64;
/// Rows must have so many features for images to pay, and there must be so many of them.
const MIN_FEATURES: usize = 4 * WIDTH;
const MIN_ROWS: usize = 4096;
/// Rows from which the leading directions are found, and rounds of that.
const SAMPLE: usize = 2048;
const ROUNDS: usize = 3;
/// The share of the sample's variance that the directions must hold.
const MIN_SHARE: f64 = 0.7;
/// Features multiplied at a time in f32.
const CHUNK: usize = 112;
/// Rows mapped at a time.
const BATCH: usize = 4 * TILE;

/// The images of rows; or the rows themselves, where mapping them would not pay.
pub(super) struct Images<'a> {
    rows: &'a Rows<'a>,
    projection: Option<Projection>,
    /// Shape (n_rows, 64), with the length and the error of each; empty if there is no projection.
    values: Vec<f32>,
    lengths: Vec<f64>,
    errors: Vec<f32>,
}

/// An image with a bound on the distance to what it should be.
pub(super) struct Image<'a> {
    pub values: Cow<'a, [f32]>,
    pub error: f64,
}

struct Projection {
    mean: Vec<f32>,
    /// The directions, by chunk of features.
    chunks: Vec<Panels>,
}

impl<'a> Images<'a> {
    /// Maps all rows, if there are enough of them and few directions hold most of their variance. O(n d).
    ///
    /// # Errors
    /// If interrupted.
    pub fn new(rows: &'a Rows<'a>, reporter: &dyn Reporter) -> Result<Self, ClusterError> {
        let mut images = Self::identity(rows);
        if rows.len() < MIN_ROWS || rows.n_features() < MIN_FEATURES {
            return Ok(images);
        }
        let Some(projection) = Projection::find(rows, reporter)? else { return Ok(images) };
        let n = rows.len();
        (images.values, images.lengths, images.errors) = (vec![0.0; n * WIDTH], vec![0.0; n], vec![0.0; n]);
        images
            .values
            .par_chunks_mut(BATCH * WIDTH)
            .zip(images.lengths.par_chunks_mut(BATCH))
            .zip(images.errors.par_chunks_mut(BATCH))
            .enumerate()
            .for_each_init(Vec::new, |centred, (batch, ((values, lengths), errors))| {
                let batch = batch * BATCH..n.min((batch + 1) * BATCH);
                projection.map(batch.map(|i| (rows.row(i), rows.weight(i))), values, lengths, errors, centred);
            });
        // By cosine the weighting rounds too.
        if rows.metric() == Metric::Cosine {
            images.errors.iter_mut().for_each(|error| *error += 4.0 * f32::EPSILON);
        }
        images.projection = Some(projection);
        Ok(images)
    }

    /// The rows themselves as their images.
    pub fn identity(rows: &'a Rows<'a>) -> Self {
        Self { rows, projection: None, values: vec![], lengths: vec![], errors: vec![] }
    }

    pub fn are_rows(&self) -> bool {
        self.projection.is_none()
    }

    /// Number of values of an image.
    pub fn width(&self) -> usize {
        if self.are_rows() { self.rows.n_features() } else { WIDTH }
    }

    /// The image of row `i`, and what its values must be multiplied by.
    pub fn row(&self, i: usize) -> (&[f32], f32) {
        match self.projection {
            None => (self.rows.row(i), self.rows.weight(i) as f32),
            Some(_) => (&self.values[i * WIDTH..][..WIDTH], 1.0),
        }
    }

    /// The length of the image of row `i`.
    pub fn length(&self, i: usize) -> f64 {
        if self.are_rows() { self.rows.squared_length(i).sqrt() } else { self.lengths[i] }
    }

    /// At least the distance between the image of row `i` and what it should be.
    pub fn error(&self, i: usize) -> f64 {
        match (&self.projection, self.rows.metric()) {
            (Some(_), _) => self.errors[i].into(),
            (None, Metric::Euclidean) => 0.0,
            (None, Metric::Cosine) => 2.0 * f64::from(f32::EPSILON),
        }
    }

    /// The images of centroids.
    pub fn of<'v>(&self, vectors: &[&'v [f32]]) -> Vec<Image<'v>> {
        let Some(projection) = &self.projection else {
            return vectors.iter().map(|&vector| Image { values: vector.into(), error: 0.0 }).collect();
        };
        let map = |vectors: &[&'v [f32]]| {
            let n = vectors.len();
            let (mut values, mut lengths, mut errors) = (vec![0.0; n * WIDTH], vec![0.0; n], vec![0.0; n]);
            let rows = vectors.iter().map(|&vector| (vector, 1.0));
            projection.map(rows, &mut values, &mut lengths, &mut errors, &mut Vec::new());
            let images = values.chunks_exact(WIDTH).zip(errors);
            images.map(|(values, error)| Image { values: values.to_vec().into(), error: error.into() }).collect()
        };
        vectors.par_chunks(BATCH).flat_map_iter(|vectors| -> Vec<Image<'v>> { map(vectors) }).collect()
    }
}

impl Projection {
    /// The leading directions of a sample; `None` if they hold too little of its variance.
    fn find(rows: &Rows<'_>, reporter: &dyn Reporter) -> Result<Option<Self>, ClusterError> {
        let (n, d) = (rows.len(), rows.n_features());
        let size = n.min(SAMPLE);
        let mut sample = rows.view().select(Axis(0), &(0..size).map(|i| i * n / size).collect::<Vec<_>>());
        for (i, mut row) in sample.outer_iter_mut().enumerate() {
            let weight = rows.weight(i * n / size);
            row.mapv_inplace(|v| (f64::from(v) * weight) as f32);
        }
        let mean: Array1<f32> = (0..d)
            .map(|j| (sample.column(j).iter().map(|&v| f64::from(v)).sum::<f64>() / size as f64) as f32)
            .collect();
        let basis: Array2<f32> = rough_basis(sample.view(), &mean, WIDTH - 1, ROUNDS, reporter)?.mapv(|v| v as f32);
        sample -= &mean;
        let (held, all) = (sample.dot(&basis), &sample);
        let sum = |m: &Array2<f32>| m.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        if sum(&held) < MIN_SHARE * sum(all) {
            return Ok(None);
        }
        let basis = basis.reversed_axes().as_standard_layout().into_owned();
        let chunk = |from: usize| {
            let to = d.min(from + CHUNK);
            let directions = basis.outer_iter().map(|q| (&q.to_slice().expect("in standard layout")[from..to], 0.0));
            Panels::new(to - from, directions)
        };
        let chunks = (0..d).step_by(CHUNK).map(chunk).collect();
        Ok(Some(Self { mean: mean.to_vec(), chunks }))
    }

    /// Maps up to a batch of rows, each times its weight.
    fn map<'v>(
        &self,
        rows: impl Iterator<Item = (&'v [f32], f64)>,
        values: &mut [f32],
        lengths: &mut [f64],
        errors: &mut [f32],
        centred: &mut Vec<f32>,
    ) {
        let d = self.mean.len();
        centred.clear();
        for (row, weight) in rows {
            centred.extend(row.iter().zip(&self.mean).map(|(&v, m)| (f64::from(v) * weight) as f32 - m));
        }
        let n_rows = lengths.len();
        let n_panels = (WIDTH - 1).div_ceil(PANEL);
        let stride = n_panels * PANEL;
        let (mut tiles, mut scores) = (Vec::new(), vec![0.0; n_rows.next_multiple_of(TILE) * stride]);
        let mut least = vec![0.0; n_rows.next_multiple_of(TILE) * n_panels];
        let mut heads = vec![0f64; n_rows * stride];
        for (panels, from) in self.chunks.iter().zip((0..d).step_by(CHUNK)) {
            let to = d.min(from + CHUNK);
            pack(centred.chunks_exact(d).map(|row| (&row[from..to], 1.0)), to - from, &mut tiles);
            pulp::Arch::new().dispatch(Scores { tiles: &tiles, panels, scores: &mut scores, least: &mut least });
            // Scores of directions of half-length 0 are products with the opposite sign.
            heads.iter_mut().zip(&scores).for_each(|(sum, &score)| *sum -= f64::from(score));
        }
        let rows = centred.chunks_exact(d).zip(heads.chunks_exact(stride)).zip(values.chunks_exact_mut(WIDTH));
        for (((row, head), values), (length, error)) in rows.zip(lengths.iter_mut().zip(errors)) {
            let squared = squared_norm(row);
            let of_head: f64 = head[..WIDTH - 1].iter().map(|h| h * h).sum();
            let rest = (squared - of_head).max(0.0).sqrt();
            values.iter_mut().zip(&head[..WIDTH - 1]).for_each(|(to, &h)| *to = h as f32);
            values[WIDTH - 1] = rest as f32;
            *length = squared_norm(values).sqrt();
            // Rounding of the products (Higham 2002, 3.1) in each direction, of the directions, and of centring; then
            // what that makes of the rest: an error of its square.
            let along = ((CHUNK + 2) as f64 * HALF_ULP * (WIDTH as f64).sqrt() + 1e-6) * squared.sqrt();
            let of_square = 2.1 * along * squared.sqrt();
            let across = of_square.sqrt().min(of_square / rest);
            *error = ((along + across + 4.0 * HALF_ULP * squared.sqrt()) as f32).next_up();
        }
    }
}
