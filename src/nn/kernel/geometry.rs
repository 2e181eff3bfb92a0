//! Which inputs the outputs of a convolution see.

use candle_core::Shape;

/// What moves over an image, along both axes alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub stride: usize,
    pub padding: usize,
    pub dilation: usize,
}

/// Input `m * stride + offset` under output `m`, weighted by place `index` of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    pub offset: isize,
    pub index: usize,
}

/// Outputs `first + m * step` along one axis for m = 0, 1, .., and the inputs they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lattice {
    pub first: usize,
    pub step: usize,
    pub stride: usize,
    /// By offset.
    pub taps: Vec<Tap>,
}

impl Lattice {
    /// All outputs of a convolution.
    pub fn forward(window: Window, kernel: usize) -> Vec<Self> {
        let tap = |index| Tap { offset: (index * window.dilation) as isize - window.padding as isize, index };
        vec![Self { first: 0, step: 1, stride: window.stride, taps: (0..kernel).map(tap).collect() }]
    }

    /// The way back from outputs to inputs: one lattice for each place between two strides.
    pub fn backward(window: Window, kernel: usize) -> Vec<Self> {
        let stride = window.stride as isize;
        let lattice = |first: usize| {
            let tap = |index: usize| {
                let distance = (first + window.padding) as isize - (index * window.dilation) as isize;
                (distance % stride == 0).then_some(Tap { offset: distance / stride, index })
            };
            let taps = (0..kernel).rev().filter_map(tap).collect();
            Self { first, step: window.stride, stride: 1, taps }
        };
        (0..window.stride).map(lattice).collect()
    }

    /// How many of its outputs lie below `end`.
    pub fn count(&self, end: usize) -> usize {
        end.saturating_sub(self.first).div_ceil(self.step)
    }
}

/// A convolution of images of one size.
#[derive(Clone, Debug)]
pub struct Geometry {
    pub n: usize,
    /// Rows, columns and channels of the inputs.
    pub input: [usize; 3],
    /// Rows, columns and channels of the outputs.
    pub output: [usize; 3],
    pub groups: usize,
    /// Of rows and of columns.
    pub lattices: [Vec<Lattice>; 2],
}

impl Geometry {
    /// A product of `n` rows with a matrix.
    pub fn rows(n: usize, c_in: usize, c_out: usize) -> Self {
        let window = Window { stride: 1, padding: 0, dilation: 1 };
        let lattices = [Lattice::forward(window, 1), Lattice::forward(window, 1)];
        Self { n: 1, input: [n, 1, c_in], output: [n, 1, c_out], groups: 1, lattices }
    }

    /// From the outputs' size to the inputs'.
    pub fn backward(&self, window: Window, kernel: [usize; 2]) -> Self {
        let lattices = kernel.map(|kernel| Lattice::backward(window, kernel));
        Self { input: self.output, output: self.input, lattices, ..self.clone() }
    }

    /// The same, as rows of a matrix if every pixel stands for itself.
    pub fn flat(&self) -> Self {
        let alone = [Tap { offset: 0, index: 0 }];
        let one = |lattices: &Vec<Lattice>| matches!(&lattices[..], [only] if only.step == 1 && only.stride == 1 && only.taps == alone);
        if self.groups != 1 || !self.lattices.iter().all(one) {
            return self.clone();
        }
        Self::rows(self.n * self.input[0] * self.input[1], self.input[2], self.output[2])
    }

    /// Least and greatest offset along an axis.
    pub fn reach(&self, axis: usize) -> [isize; 2] {
        let offsets = || self.lattices[axis].iter().flat_map(|lattice| &lattice.taps).map(|tap| tap.offset);
        [offsets().min().unwrap_or(0), offsets().max().unwrap_or(0)]
    }

    /// Of the outputs.
    pub fn shape(&self) -> Shape {
        let [height, width, channels] = self.output;
        Shape::from((self.n, height, width, channels))
    }

    pub fn n_outputs(&self) -> usize {
        self.n * self.output.iter().product::<usize>()
    }
}
