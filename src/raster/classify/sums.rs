//! What each class weighs in the window around each cell.

use ndarray::Array3;
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use super::ClassifyParams;
use crate::device::DeviceError;
use crate::raster::filter::{Boundary, Change, Convolver, Weighting, scatter, sum_across, sum_along, sums_on};
use crate::raster::{CellLabel, RasterError, require};

/// Most sums that are kept: 2 GiB.
const MOST: usize = 1 << 28;
/// The class of a cell that has none.
const NONE: u32 = u32::MAX;

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
    /// The class of each cell.
    classes: Vec<u32>,
    values: Vec<f64>,
    convolver: Option<Convolver>,
}

impl<'a> ClassSums<'a> {
    /// Those of a raster without classes: zero.
    pub fn new(shape: &[usize], n_classes: usize, params: &'a ClassifyParams) -> Result<Self, RasterError> {
        let n_cells = shape.iter().product::<usize>();
        let n_sums = n_cells.saturating_mul(n_classes);
        require(n_sums < MOST, "cells x classes", n_sums, "below 2^28: draw fewer cells")?;
        let (classes, values) = (vec![NONE; n_cells], vec![0.0; n_sums]);
        Ok(Self { shape: shape.to_vec(), n_classes, params, classes, values, convolver: None })
    }

    /// Cells of a row.
    pub fn side(&self) -> usize {
        *self.shape.last().expect("an axis")
    }

    /// The sums of each row.
    pub fn rows(&self) -> rayon::slice::Chunks<'_, f64> {
        self.values.par_chunks(self.n_classes * self.side())
    }

    /// Brings the sums to those of these classes, the cheaper way.
    pub fn update(&mut self, now: &[CellLabel]) -> Result<(), DeviceError> {
        let now = Self::classes(now);
        let &ClassifyParams { window, weighting, .. } = self.params;
        let n_changes = self.classes.par_iter().zip(&now).map(|(&before, &now)| {
            if before == now { 0 } else { usize::from(before != NONE) + usize::from(now != NONE) }
        });
        let n_changes: usize = n_changes.sum();
        let (n_axes, n_cells) = (self.shape.len() as i32, now.len() as f64);
        let width = (2 * window + 1) as f64;
        let by_changes = n_changes as f64 * width.powi(n_axes - 1) * (width + RUN);
        let anew = match weighting {
            Weighting::Equal => self.n_classes as f64 * n_cells * f64::from(n_axes) * RUNNING,
            Weighting::InverseDistance => self.n_classes.div_ceil(2) as f64 * n_cells * n_cells.log2() * TRANSFORM,
        };
        let flops = 2.0 * self.n_classes as f64 * n_cells * width.powi(n_axes);
        if by_changes < anew {
            self.by_changes(&Self::changes(&self.classes, &now));
        } else if let Some(device) = self.params.device.for_work(flops).filter(|_| n_axes == 2) {
            self.renew_on(device, &now)?;
        } else {
            self.renew(&now);
        }
        self.classes = now;
        Ok(())
    }

    /// The class of each cell.
    pub fn classes(cells: &[CellLabel]) -> Vec<u32> {
        cells.par_iter().map(|cell| cell.cluster.map_or(NONE, |class| class as u32)).collect()
    }

    /// What classes come and go, in order of the cells.
    pub fn changes(before: &[u32], now: &[u32]) -> Vec<Change> {
        let both = before.iter().zip(now).enumerate().filter(|(_, (before, now))| before != now);
        both.flat_map(|(cell, (&before, &now))| [(before, -1.0), (now, 1.0)].map(|change| (cell, change)))
            .filter(|(_, (class, _))| *class != NONE)
            .map(|(cell, (class, amount))| Change { cell, plane: class as usize, amount })
            .collect()
    }

    /// Adds what has changed.
    pub fn by_changes(&mut self, changes: &[Change]) {
        let &ClassifyParams { window, weighting, boundary, .. } = self.params;
        scatter(&mut self.values, &self.shape, changes, weighting, window, boundary);
    }

    /// Sums anew.
    pub fn renew(&mut self, now: &[u32]) {
        match self.params.weighting {
            Weighting::Equal => self.renew_by_running_sums(now),
            Weighting::InverseDistance => self.renew_by_transforms(now),
        }
    }

    fn renew_by_running_sums(&mut self, now: &[u32]) {
        let &ClassifyParams { window, boundary, .. } = self.params;
        let side = self.side();
        let mut along = vec![0_i32; self.values.len()];
        let rows = along.par_chunks_mut(self.n_classes * side).zip(now.par_chunks(side));
        rows.for_each_init(Vec::new, |running, (sums, row)| {
            for (class, sums) in sums.chunks_mut(side).enumerate() {
                let is_class = |at: usize| i32::from(row[at] == class as u32);
                sum_along(is_class, |number| number as i32, window, boundary, running, sums);
            }
        });
        let Some((&n_lines, leading)) = self.shape[..self.shape.len() - 1].split_last() else {
            self.values = along.into_iter().map(f64::from).collect();
            return;
        };
        let mut length = self.n_classes * side;
        sum_across(&along, n_lines, length, window, boundary, &mut self.values);
        for (&next, inner) in leading.iter().rev().zip(self.shape[..leading.len() + 1].iter().rev()) {
            length *= inner;
            let sums = self.values.clone();
            sum_across(&sums, next, length, window, boundary, &mut self.values);
        }
    }

    fn renew_by_transforms(&mut self, now: &[u32]) {
        let &ClassifyParams { window, boundary, .. } = self.params;
        let convolver = self.convolver.take().unwrap_or_else(|| Convolver::new(&self.shape, window, boundary));
        // Where all cells of all windows have a class, the sums of the last are what the others leave.
        let last = self.n_classes - 1;
        let left = last > 0
            && last.is_multiple_of(2)
            && boundary == Boundary::Torus
            && now.par_iter().all(|&class| class != NONE);
        for class in (0..if left { last } else { self.n_classes }).step_by(2) {
            let sums = convolver.sums(|cell| {
                let is = |class| f64::from(u8::from(now[cell] == class));
                Complex::new(is(class as u32), is(class as u32 + 1))
            });
            self.store(class, |cell| sums[cell].re);
            if class < last {
                self.store(class + 1, |cell| sums[cell].im);
            }
        }
        if left {
            let side = self.side();
            self.values.par_chunks_mut(self.n_classes * side).for_each(|planes| {
                let (others, rest) = planes.split_at_mut(last * side);
                rest.fill(convolver.whole());
                for other in others.chunks(side) {
                    rest.iter_mut().zip(other).for_each(|(rest, other)| *rest -= other);
                }
            });
        }
        self.convolver = Some(convolver);
    }

    /// The same on a candle device, in the plane.
    pub fn renew_on(&mut self, device: &candle_core::Device, now: &[u32]) -> candle_core::Result<()> {
        let &ClassifyParams { window, weighting, boundary, .. } = self.params;
        let is_class = Array3::from_shape_fn((self.n_classes, self.shape[0], self.shape[1]), |(class, x, y)| {
            f32::from(u8::from(now[x * self.shape[1] + y] == class as u32))
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
