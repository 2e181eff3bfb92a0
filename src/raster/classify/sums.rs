//! What each class weighs in the window around each cell.

use ndarray::{Array3, ArrayD, IxDyn};
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use super::ClassifyParams;
use crate::device::DeviceError;
use crate::raster::filter::{Change, Convolver, Weighting, box_sum, scatter, sums_on};
use crate::raster::{CellLabel, RasterError, require};

/// Most sums that are kept: 2 GiB.
const MOST: usize = 1 << 28;

/// Additions in the time that a run of neighbouring cells costs [`scatter`] beside its own, as the next two measured on
/// rasters of 256 to 1024 cells a side.
const RUN: f64 = 50.0;
/// In the time of a running sum over a cell.
const RUNNING: f64 = 10.0;
/// In the time that transforming two classes there and back takes, by cell and the logarithm of their number.
const TRANSFORM: f64 = 7.0;

/// The sums of every class over the windows of all cells. For each row of the raster, the cells of one class after the
/// other.
pub(super) struct ClassSums<'a> {
    shape: Vec<usize>,
    n_classes: usize,
    params: &'a ClassifyParams,
    values: Vec<f64>,
    convolver: Option<Convolver>,
}

impl<'a> ClassSums<'a> {
    /// Those of a raster without classes: zero.
    pub fn new(shape: &[usize], n_classes: usize, params: &'a ClassifyParams) -> Result<Self, RasterError> {
        let n_sums = shape.iter().product::<usize>().saturating_mul(n_classes);
        require(n_sums < MOST, "cells x classes", n_sums, "below 2^28: draw fewer cells")?;
        Ok(Self { shape: shape.to_vec(), n_classes, params, values: vec![0.0; n_sums], convolver: None })
    }

    /// Cells of a row.
    pub fn side(&self) -> usize {
        *self.shape.last().expect("an axis")
    }

    /// The sums of each row.
    pub fn rows(&self) -> rayon::slice::Chunks<'_, f64> {
        self.values.par_chunks(self.n_classes * self.side())
    }

    /// Brings the sums from the classes `before` to those of `now`, the cheaper way.
    pub fn update(&mut self, before: &[CellLabel], now: &[CellLabel]) -> Result<(), DeviceError> {
        let &ClassifyParams { window, weighting, .. } = self.params;
        let changes = Self::changes(before, now);
        let (n_axes, n_cells) = (self.shape.len() as i32, now.len() as f64);
        let width = (2 * window + 1) as f64;
        let by_changes = changes.len() as f64 * width.powi(n_axes - 1) * (width + RUN);
        let anew = match weighting {
            Weighting::Equal => self.n_classes as f64 * n_cells * f64::from(n_axes) * RUNNING,
            Weighting::InverseDistance => self.n_classes.div_ceil(2) as f64 * n_cells * n_cells.log2() * TRANSFORM,
        };
        if by_changes < anew {
            self.by_changes(&changes);
            return Ok(());
        }
        let flops = 2.0 * self.n_classes as f64 * n_cells * width.powi(n_axes);
        match self.params.device.for_work(flops).filter(|_| n_axes == 2) {
            Some(device) => self.renew_on(device, now)?,
            None => self.renew(now),
        }
        Ok(())
    }

    /// What classes come and go, in order of the cells.
    pub fn changes(before: &[CellLabel], now: &[CellLabel]) -> Vec<Change> {
        let both = before.iter().zip(now).enumerate().filter(|(_, (before, now))| before.cluster != now.cluster);
        both.flat_map(|(cell, (before, now))| [(before.cluster, -1.0), (now.cluster, 1.0)].map(|change| (cell, change)))
            .filter_map(|(cell, (class, amount))| Some(Change { cell, plane: class?, amount }))
            .collect()
    }

    /// Adds what has changed.
    pub fn by_changes(&mut self, changes: &[Change]) {
        let &ClassifyParams { window, weighting, boundary, .. } = self.params;
        scatter(&mut self.values, &self.shape, changes, weighting, window, boundary);
    }

    /// Sums anew.
    pub fn renew(&mut self, now: &[CellLabel]) {
        match self.params.weighting {
            Weighting::Equal => self.renew_by_running_sums(now),
            Weighting::InverseDistance => self.renew_by_transforms(now),
        }
    }

    fn renew_by_running_sums(&mut self, now: &[CellLabel]) {
        for class in 0..self.n_classes {
            let is_class = now.iter().map(|cell| f64::from(u8::from(cell.cluster == Some(class)))).collect();
            let is_class = ArrayD::from_shape_vec(IxDyn(&self.shape), is_class).expect("a value for each cell");
            let sums = box_sum(is_class.view(), self.params.window, self.params.boundary);
            let sums = sums.as_slice().expect("standard layout");
            self.store(class, |cell| sums[cell]);
        }
    }

    fn renew_by_transforms(&mut self, now: &[CellLabel]) {
        let &ClassifyParams { window, boundary, .. } = self.params;
        let convolver = self.convolver.take().unwrap_or_else(|| Convolver::new(&self.shape, window, boundary));
        for class in (0..self.n_classes).step_by(2) {
            let sums = convolver.sums(|cell| {
                let is = |class| f64::from(u8::from(now[cell].cluster == Some(class)));
                Complex::new(is(class), is(class + 1))
            });
            self.store(class, |cell| sums[cell].re);
            if class + 1 < self.n_classes {
                self.store(class + 1, |cell| sums[cell].im);
            }
        }
        self.convolver = Some(convolver);
    }

    /// The same on a candle device, in the plane.
    pub fn renew_on(&mut self, device: &candle_core::Device, now: &[CellLabel]) -> candle_core::Result<()> {
        let &ClassifyParams { window, weighting, boundary, .. } = self.params;
        let is_class = Array3::from_shape_fn((self.n_classes, self.shape[0], self.shape[1]), |(class, x, y)| {
            f32::from(u8::from(now[x * self.shape[1] + y].cluster == Some(class)))
        });
        let sums = sums_on(device, is_class.view(), weighting, window, boundary)?;
        for (class, sums) in sums.outer_iter().enumerate() {
            let sums = sums.as_slice().expect("standard layout");
            self.store(class, |cell| f64::from(sums[cell]));
        }
        Ok(())
    }

    fn store(&mut self, class: usize, sum: impl Fn(usize) -> f64 + Sync) {
        let side = self.side();
        let rows = self.values.par_chunks_mut(self.n_classes * side).enumerate();
        rows.for_each(|(row, planes)| {
            let plane = &mut planes[class * side..][..side];
            plane.iter_mut().enumerate().for_each(|(at, value)| *value = sum(row * side + at));
        });
    }
}
