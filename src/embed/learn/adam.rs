//! Adam with decoupled weight decay (Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization"), whose state can
//! be kept and taken up again.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor, Var};

const DECAY: f64 = 1e-4;
const BETAS: [f64; 2] = [0.9, 0.999];
const EPS: f64 = 1e-8;

/// The variables with the running means of their gradients and of the squares of those.
pub(super) struct Adam {
    variables: BTreeMap<String, (Var, [Tensor; 2])>,
    steps: i32,
}

impl Adam {
    pub fn new(variables: BTreeMap<String, Var>) -> Result<Self> {
        let begin = |(name, variable): (String, Var)| {
            let zeros = variable.zeros_like()?;
            Ok((name, (variable, [zeros.clone(), zeros])))
        };
        Ok(Self { variables: variables.into_iter().map(begin).collect::<Result<_>>()?, steps: 0 })
    }

    /// The variables by name.
    pub fn variables(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.variables.iter().map(|(name, (variable, _))| (name, variable))
    }

    /// Moves what has a gradient; weights, not biases and norms, shrink a little too.
    pub fn step(&mut self, gradients: &GradStore, rate: f64) -> Result<()> {
        self.steps += 1;
        let correct = BETAS.map(|beta| 1.0 - beta.powi(self.steps));
        for (variable, [mean, square]) in self.variables.values_mut() {
            let Some(gradient) = gradients.get(variable.as_tensor()) else { continue };
            *mean = ((&*mean * BETAS[0])? + (gradient * (1.0 - BETAS[0]))?)?;
            *square = ((&*square * BETAS[1])? + (gradient.sqr()? * (1.0 - BETAS[1]))?)?;
            let step = ((&*mean * (rate / correct[0]))? / ((&*square / correct[1])?.sqrt()? + EPS)?)?;
            let decay = if variable.rank() > 1 { rate * DECAY } else { 0.0 };
            variable.set(&((variable.as_detached_tensor() * (1.0 - decay))? - step)?)?;
        }
        Ok(())
    }

    /// Variables and state by name, on the CPU.
    ///
    /// # Errors
    /// If the device fails.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let named = |(name, (variable, [mean, square])): (&String, &(Var, [Tensor; 2]))| {
            [
                (name.clone(), variable.as_detached_tensor()),
                (format!("{name}.mean"), mean.clone()),
                (format!("{name}.square"), square.clone()),
            ]
        };
        let cpu = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_device(&Device::Cpu)?));
        self.variables.iter().flat_map(named).map(cpu).collect()
    }

    /// Goes on from a state after `steps` steps.
    ///
    /// # Errors
    /// If something is missing or has another shape.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>, steps: i32) -> Result<()> {
        let get = |name: &str| state.get(name).ok_or_else(|| candle_core::Error::msg(format!("no tensor {name}")));
        for (name, (variable, moments)) in &mut self.variables {
            let device = variable.device().clone();
            let get = |name: &str| get(name)?.to_device(&device);
            variable.set(&get(name)?)?;
            *moments = [get(&format!("{name}.mean"))?, get(&format!("{name}.square"))?];
        }
        self.steps = steps;
        Ok(())
    }
}
