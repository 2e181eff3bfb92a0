//! Outputs in blocks that stay in the cache, each with the inputs it sees.

use std::ops::Range;

use super::geometry::{Geometry, Lattice};
use super::product::{Pixel, Run};

/// Inputs summed at a stretch: their part of a panel stays in the second level cache.
const STRETCH: usize = 512;

/// Some output rows of an image, or some images.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

/// How outputs are cut: rows of an image, or all rows of so many images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub images: usize,
    pub rows: usize,
}

impl Cut {
    /// Blocks of about `target` pixels.
    pub fn new(geometry: &Geometry, target: usize) -> Self {
        let [rows, columns, _] = geometry.output;
        let pixels = (rows * columns).max(1);
        if pixels <= target {
            let images = (target / pixels).clamp(1, geometry.n.max(1));
            return Self { images: geometry.n.div_ceil(geometry.n.div_ceil(images).max(1)), rows };
        }
        let step = geometry.lattices[0][0].step;
        let rows = rows.div_ceil(pixels.div_ceil(target)).next_multiple_of(step);
        Self { images: 1, rows }
    }

    /// The blocks, in order.
    pub fn blocks(self, geometry: &Geometry) -> Vec<Block> {
        let (n, height) = (geometry.n, geometry.output[0]);
        let starts = (0..n).step_by(self.images.max(1));
        let rows = move |first: usize| {
            let images = first..n.min(first + self.images);
            let block = move |row| Block { images: images.clone(), rows: row..height.min(row + self.rows) };
            (0..height).step_by(self.rows.max(1)).map(block)
        };
        starts.flat_map(rows).collect()
    }
}

/// The inputs under a block: where they stand, or a copy with zeros around.
pub(super) struct Patch<'a> {
    pub x: &'a [f32],
    /// Columns of a row.
    width: usize,
    /// From one image to the next.
    image: usize,
    /// Of the first image, the value that the first output would see with the least offsets.
    origin: usize,
}

impl<'a> Patch<'a> {
    /// Copies into `room` only if it must.
    pub fn new(geometry: &Geometry, x: &'a [f32], block: &Block, room: &'a mut Vec<f32>) -> Self {
        let [height, width, channels] = geometry.input;
        let span = |axis: usize, from: usize, to: usize| {
            let lattice = &geometry.lattices[axis][0];
            let [least, most] = geometry.reach(axis);
            let first = (from / lattice.step * lattice.stride) as isize + least;
            let last = ((to.div_ceil(lattice.step) - 1) * lattice.stride) as isize + most;
            first..last + 1
        };
        let (rows, columns) = (span(0, block.rows.start, block.rows.end), span(1, 0, geometry.output[1]));
        let inside = |span: &Range<isize>, size: usize| span.start >= 0 && span.end <= size as isize;
        if inside(&rows, height) && inside(&columns, width) {
            let row = block.images.start * height + rows.start as usize;
            let origin = (row * width + columns.start as usize) * channels;
            return Self { x, width, image: height * width * channels, origin };
        }
        let from = (columns.start.clamp(0, width as isize), columns.end.clamp(0, width as isize));
        let before = (from.0 - columns.start) as usize * channels;
        room.clear();
        for image in block.images.clone() {
            for row in rows.clone() {
                let end = room.len() + columns.len() * channels;
                if (0..height as isize).contains(&row) && from.0 < from.1 {
                    let row = (image * height + row as usize) * width;
                    room.resize(room.len() + before, 0.0);
                    room.extend_from_slice(&x[(row + from.0 as usize) * channels..(row + from.1 as usize) * channels]);
                }
                room.resize(end, 0.0);
            }
        }
        Self { x: room, width: columns.len(), image: rows.len() * columns.len() * channels, origin: 0 }
    }

    /// The block's pixels on two lattices; outputs counted from the block's first.
    pub fn pixels(&self, geometry: &Geometry, block: &Block, lattices: [&Lattice; 2], pixels: &mut Vec<Pixel>) {
        let [rows, columns] = lattices;
        let ([height, width, c_out], c_in) = (geometry.output, geometry.input[2]);
        let first = block.rows.start / rows.step;
        pixels.clear();
        for image in 0..block.images.len() {
            for m in first..rows.count(block.rows.end) {
                let output = image * height + rows.first + m * rows.step - block.rows.start;
                let input = self.origin + image * self.image + (m - first) * rows.stride * self.width * c_in;
                for k in 0..columns.count(width) {
                    pixels.push(Pixel {
                        input: input + k * columns.stride * c_in,
                        output: (output * width + columns.first + k * columns.step) * c_out,
                    });
                }
            }
        }
    }

    /// For each tap of these lattices, where its inputs begin, from a pixel's own.
    pub fn taps(&self, geometry: &Geometry, lattices: [&Lattice; 2]) -> Vec<usize> {
        let [top, left] = [0, 1].map(|axis| geometry.reach(axis)[0]);
        let pixel = |row: isize, column: isize| (row - top) as usize * self.width + (column - left) as usize;
        let [rows, columns] = lattices.map(|lattice| &lattice.taps);
        let taps = rows.iter().flat_map(|row| columns.iter().map(|column| pixel(row.offset, column.offset)));
        taps.map(|pixel| pixel * geometry.input[2]).collect()
    }

    /// The inputs that a pixel of these lattices sees in one group, tap by tap, merged where they touch.
    pub fn runs(&self, geometry: &Geometry, lattices: [&Lattice; 2], group: usize) -> Vec<Run> {
        let len = geometry.input[2] / geometry.groups;
        let mut runs: Vec<Run> = Vec::new();
        for tap in self.taps(geometry, lattices) {
            let offset = tap + group * len;
            match runs.last_mut() {
                Some(run) if run.offset + run.len == offset => run.len += len,
                _ => runs.push(Run { offset, len }),
            }
        }
        runs
    }
}

/// Cuts runs into stretches.
pub(super) fn stretches(runs: &[Run]) -> Vec<Vec<Run>> {
    let mut stretches = vec![Vec::new()];
    let mut filled = 0;
    for run in runs {
        let parts = run.len.div_ceil(STRETCH);
        let len = run.len.div_ceil(parts.max(1));
        for start in (0..run.len).step_by(len.max(1)) {
            let part = Run { offset: run.offset + start, len: len.min(run.len - start) };
            if filled > 0 && filled + part.len > STRETCH {
                stretches.push(Vec::new());
                filled = 0;
            }
            filled += part.len;
            stretches.last_mut().expect("there is one").push(part);
        }
    }
    stretches
}
