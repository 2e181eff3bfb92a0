//! Weights laid out for [`product`](super::product): panels of 64 outputs.

use rayon::prelude::*;

use super::geometry::Lattice;

/// Outputs of a full panel.
pub(super) const PANEL: usize = 64;
/// A panel's width is a multiple of this.
pub(super) const LANES: usize = 16;

/// Weights of up to 64 outputs; its width is filled up with zeros to 16, 32, 48 or 64.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// The first output, counted over all groups.
    pub first: usize,
    pub columns: usize,
    pub bias: [f32; PANEL],
    /// Row by row: for each tap, for each input of the group, the weights of all outputs.
    pub values: Vec<f32>,
}

impl Panel {
    /// Of given size, without a bias; `fill` gets the values and the length of a row.
    pub fn fill(first: usize, columns: usize, rows: usize, fill: impl FnOnce(&mut [f32], usize)) -> Self {
        let width = columns.next_multiple_of(LANES);
        let mut values = vec![0.0; rows * width];
        fill(&mut values, width);
        Self { first, columns, bias: [0.0; PANEL], values }
    }

    pub fn rows(&self) -> usize {
        self.values.len() / (self.vectors() * LANES)
    }

    /// In multiples of [`LANES`].
    pub fn vectors(&self) -> usize {
        self.columns.div_ceil(LANES)
    }
}

/// The weights under one lattice of outputs.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Panels of each group in turn.
    Panels(Vec<Panel>),
    /// Depthwise: for each tap the weights of all channels.
    Channels(Vec<f32>),
}

/// All weights of a layer, for each lattice of rows and each of columns.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) phases: Vec<Phase>,
    /// Depthwise layers keep their bias here.
    pub(super) bias: Vec<f32>,
}

/// PyTorch's weights of a convolution, seen in one of two directions.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// Shape (forward outputs, forward inputs / groups, kh, kw).
    pub values: &'a [f32],
    pub shape: [usize; 4],
    pub groups: usize,
    /// From the forward outputs to the forward inputs.
    pub backward: bool,
}

impl Weights<'_> {
    /// Inputs and outputs of a group.
    fn group(&self) -> [usize; 2] {
        let [outputs, inputs, ..] = self.shape;
        let outputs = outputs / self.groups;
        if self.backward { [outputs, inputs] } else { [inputs, outputs] }
    }

    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.group() == [1, 1]
    }

    /// Lays the weights out for the given lattices of rows and columns.
    pub fn pack(&self, lattices: &[Vec<Lattice>; 2], bias: Option<&[f32]>) -> Packed {
        let [inputs, outputs] = self.group();
        let bias = bias.map_or_else(|| vec![0.0; outputs * self.groups], <[f32]>::to_vec);
        let pairs = lattices[0].iter().flat_map(|rows| lattices[1].iter().map(move |columns| (rows, columns)));
        let phases = pairs.map(|(rows, columns)| {
            let width = self.shape[3];
            let row_taps = rows.taps.iter().map(|tap| tap.index * width);
            let taps: Vec<usize> =
                row_taps.flat_map(|row| columns.taps.iter().map(move |tap| row + tap.index)).collect();
            if self.is_depthwise() {
                let n_taps = self.shape[2] * width;
                let channels = |&tap: &usize| (0..self.groups).map(move |c| self.values[c * n_taps + tap]);
                return Phase::Channels(taps.iter().flat_map(channels).collect());
            }
            let per_group = outputs.div_ceil(PANEL);
            let panels = (0..self.groups * per_group).into_par_iter().map(|p| {
                let (group, first) = (p / per_group, p % per_group * PANEL);
                self.panel(group, first..outputs.min(first + PANEL), inputs, &taps, &bias)
            });
            Phase::Panels(panels.collect())
        });
        Packed { phases: phases.collect(), bias }
    }

    fn panel(
        &self,
        group: usize,
        outputs: std::ops::Range<usize>,
        n_inputs: usize,
        taps: &[usize],
        biases: &[f32],
    ) -> Panel {
        let [forward_outputs, forward_inputs, kh, kw] = self.shape;
        let (n_taps, per_group) = (kh * kw, forward_outputs / self.groups);
        let (first, columns) = (group * self.group()[1] + outputs.start, outputs.len());
        let mut panel = Panel::fill(first, columns, taps.len() * n_inputs, |values, width| {
            // A few columns at a time: rows of weights are often a power of two apart, and then share few cache lines.
            for start in (0..columns).step_by(8) {
                for input in 0..n_inputs {
                    for column in start..columns.min(start + 8) {
                        let output = outputs.start + column;
                        let (o, i) = if self.backward { (input, output) } else { (output, input) };
                        let kernel = &self.values[((group * per_group + o) * forward_inputs + i) * n_taps..][..n_taps];
                        for (t, &tap) in taps.iter().enumerate() {
                            values[(t * n_inputs + input) * width + column] = kernel[tap];
                        }
                    }
                }
            }
        });
        panel.bias[..columns].copy_from_slice(&biases[first..][..columns]);
        panel
    }
}

impl Packed {
    /// Multiplies weights and bias of each output by its `scale`.
    pub fn scale(&mut self, scale: &[f32]) {
        self.bias.iter_mut().zip(scale).for_each(|(bias, scale)| *bias *= scale);
        for phase in &mut self.phases {
            match phase {
                Phase::Channels(values) => {
                    for tap in values.chunks_exact_mut(scale.len()) {
                        tap.iter_mut().zip(scale).for_each(|(value, scale)| *value *= scale);
                    }
                }
                Phase::Panels(panels) => {
                    for panel in panels {
                        let scale = &scale[panel.first..][..panel.columns];
                        let width = panel.vectors() * LANES;
                        for row in panel.values.chunks_exact_mut(width).chain([&mut panel.bias[..]]) {
                            row.iter_mut().zip(scale).for_each(|(value, scale)| *value *= scale);
                        }
                    }
                }
            }
        }
    }

    /// Adds to the bias.
    pub fn shift(&mut self, shift: &[f32]) {
        self.bias.iter_mut().zip(shift).for_each(|(bias, shift)| *bias += shift);
        for phase in &mut self.phases {
            if let Phase::Panels(panels) = phase {
                for panel in panels {
                    let shift = &shift[panel.first..][..panel.columns];
                    panel.bias.iter_mut().zip(shift).for_each(|(bias, shift)| *bias += shift);
                }
            }
        }
    }
}
