//! The probabilities that the pinned process settles on.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::voter::{Beside, plane};
use crate::progress::Reporter;
use crate::raster::filter::Boundary;
use crate::raster::{CellLabel, LabelMap, RasterError, require};

/// Values that are added up together, so that sums don't depend on the threads.
const BLOCK: usize = 1 << 12;
/// Rounds between two questions whether to stop.
const ROUNDS: usize = 32;

/// Parameters of [`harmonic`].
#[derive(Clone, Debug, PartialEq)]
pub struct HarmonicParams {
    /// What lies beyond the edges.
    pub boundary: Boundary,
    /// The most by which a probability may differ from the mean of its neighbours', 1e-12 to 0.1.
    pub tolerance: f64,
}

impl Default for HarmonicParams {
    fn default() -> Self {
        Self { boundary: Boundary::Plain, tolerance: 1e-6 }
    }
}

/// The class probabilities of each cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Harmonic {
    /// Shape (n_classes, n_cells), from 0 to 1; those of a cell add up to 1.
    pub probabilities: Array2<f64>,
    /// The most probable class of each cell, the lowest of equal ones, and its probability as confidence.
    pub map: LabelMap,
    /// Rounds that the solver made, all told.
    pub n_rounds: usize,
}

/// The probability of each class that a random walk to the neighbours at the sides, from each cell until it meets a
/// training cell, ends in that class (Grady, *Random walks for image segmentation*, 2006): harmonic functions, of which
/// each value is the mean of its neighbours'. This is the share of time that a cell of the pinned
/// [`fractal`](super::fractal) process spends in each class.
///
/// `drawn` is a raster of two axes with the classes of training points. One sparse system for all classes but one, solved
/// by conjugate gradients: O(n) a round, and about as many rounds as the training cells lie cells apart, times ten.
///
/// # Errors
/// A parameter out of its range, a raster of another number of axes, nothing labelled, or an interruption.
///
/// ```
/// use alike::progress::Silent;
/// use alike::raster::{HarmonicParams, LabelMap, Transform, harmonic};
/// let x = ndarray::array![[-0.8, 0.0], [0.8, 0.0]];
/// let drawn = LabelMap::draw(Transform::folded(10), x.view(), &[Some(0), Some(1)]);
/// let found = harmonic(&drawn, &HarmonicParams::default(), &Silent)?;
/// let near = drawn.transform.cell(ndarray::aview1(&[-0.6, 0.1])).unwrap();
/// assert!(found.probabilities[[0, near]] > 0.6 && found.map.cells[near].cluster == Some(0));
/// # Ok::<(), alike::raster::RasterError>(())
/// ```
pub fn harmonic(drawn: &LabelMap, params: &HarmonicParams, reporter: &dyn Reporter) -> Result<Harmonic, RasterError> {
    let &HarmonicParams { boundary, tolerance } = params;
    require((1e-12..=0.1).contains(&tolerance), "tolerance", tolerance, "from 1e-12 to 0.1")?;
    let side = plane(drawn)?;
    let n_classes = drawn.n_clusters();
    let system = Laplace::new(drawn, side, boundary);
    let mut probabilities = Array2::zeros((n_classes, drawn.cells.len()));
    let mut n_rounds = 0;
    reporter.begin("harmonic", Some(n_classes as u64 - 1));
    let (mut others, mut last) = probabilities.view_mut().split_at(Axis(0), n_classes - 1);
    last.fill(1.0);
    for (class, mut solved) in others.outer_iter_mut().enumerate() {
        let pinned = drawn.cells.iter().map(|cell| f64::from(u8::from(cell.cluster == Some(class)))).collect();
        let (values, rounds) = system.solve(pinned, tolerance, reporter)?;
        n_rounds += rounds;
        solved.iter_mut().zip(&values).for_each(|(solved, value)| *solved = value.clamp(0.0, 1.0));
        last -= &solved.insert_axis(Axis(0));
        reporter.advance(1);
    }
    last.mapv_inplace(|value| value.clamp(0.0, 1.0));
    reporter.end();
    let cells = probabilities.columns().into_iter().map(|cell| {
        let first = (0, cell[0]);
        let best = cell.iter().copied().enumerate().fold(first, |best, next| if next.1 > best.1 { next } else { best });
        CellLabel { cluster: Some(best.0), confidence: best.1 as f32 }
    });
    let map = LabelMap { transform: drawn.transform.clone(), cells: cells.collect() };
    Ok(Harmonic { probabilities, map, n_rounds })
}

/// The system whose rows say that a cell is the mean of its neighbours.
struct Laplace {
    side: usize,
    n_rows: usize,
    boundary: Boundary,
    /// Whether a value is sought: it isn't in training cells.
    free: Vec<bool>,
}

impl Laplace {
    fn new(drawn: &LabelMap, side: usize, boundary: Boundary) -> Self {
        let free = drawn.cells.iter().map(|cell| cell.cluster.is_none()).collect();
        Self { side, n_rows: drawn.cells.len() / side, boundary, free }
    }

    /// Of each free cell, its value times its number of neighbours less theirs; 0 elsewhere.
    fn apply(&self, x: &[f64], product: &mut [f64]) {
        let rows = product.par_chunks_mut(self.side).enumerate().with_min_len(BLOCK.div_ceil(self.side));
        rows.for_each(|(row, product)| {
            let beside = Beside::new(row, self.n_rows, self.side, self.boundary);
            for (column, product) in product.iter_mut().enumerate() {
                let cell = row * self.side + column;
                let less = |direction| beside.cell(column, direction).map_or(0.0, |other| x[cell] - x[other]);
                *product = if self.free[cell] { (0..4).map(less).sum() } else { 0.0 };
            }
        });
    }

    /// Conjugate gradients from the pinned values, which stay; and the rounds made.
    fn solve(
        &self,
        pinned: Vec<f64>,
        tolerance: f64,
        reporter: &dyn Reporter,
    ) -> Result<(Vec<f64>, usize), RasterError> {
        let mut x = pinned;
        let mut residual = vec![0.0; x.len()];
        self.apply(&x, &mut residual);
        residual.par_iter_mut().with_min_len(BLOCK).for_each(|value| *value = -*value);
        let mut direction = residual.clone();
        let mut product = vec![0.0; x.len()];
        let mut squared = dot(&residual, &residual);
        // Rounding ends the search where exact arithmetic would have.
        for round in 0..x.len().max(ROUNDS) {
            let largest = residual.par_chunks(BLOCK).map(|block| block.iter().fold(0.0, |a: f64, b| a.max(b.abs())));
            // A row is divided by two to four neighbours.
            if largest.reduce(|| 0.0, f64::max) <= tolerance {
                return Ok((x, round));
            }
            if round % ROUNDS == 0 {
                reporter.check()?;
            }
            self.apply(&direction, &mut product);
            let step = squared / dot(&direction, &product);
            add(&mut x, step, &direction);
            add(&mut residual, -step, &product);
            let before = std::mem::replace(&mut squared, dot(&residual, &residual));
            let turn = squared / before;
            let blocks = direction.par_iter_mut().zip(&residual).with_min_len(BLOCK);
            blocks.for_each(|(direction, residual)| *direction = residual + turn * *direction);
        }
        let n_rounds = x.len();
        Ok((x, n_rounds))
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let block = |(a, b): (&[f64], &[f64])| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let sums: Vec<f64> = a.par_chunks(BLOCK).zip(b.par_chunks(BLOCK)).map(block).collect();
    sums.iter().sum()
}

fn add(x: &mut [f64], factor: f64, y: &[f64]) {
    x.par_iter_mut().zip(y).with_min_len(BLOCK).for_each(|(x, y)| *x += factor * y);
}
