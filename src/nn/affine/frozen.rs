//! A layer on the CPU whose weights stay as they are.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape};

use crate::nn::kernel::{Convolution, Geometry, Packed, activate};
use crate::nn::{Activation, values};

pub(super) struct Frozen<'a> {
    pub geometry: &'a Geometry,
    pub packed: &'a Packed,
    pub activation: Activation,
}

impl Frozen<'_> {
    fn run(&self, x: &[f32], residual: Option<&[f32]>) -> (CpuStorage, Shape) {
        let bounds = self.activation.bounds();
        let work = Convolution { geometry: self.geometry, packed: self.packed, x, residual, bounds };
        let out = match bounds {
            Some(_) => work.run(|_| ()),
            None => work.run(|out| activate(self.activation, out)),
        };
        (CpuStorage::F32(out), self.geometry.shape())
    }
}

impl CustomOp1 for Frozen<'_> {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(self.run(values(x, layout)?, None))
    }
}

impl CustomOp2 for Frozen<'_> {
    fn name(&self) -> &'static str {
        "affine_add"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.run(values(x, x_layout)?, Some(values(residual, layout)?)))
    }
}
