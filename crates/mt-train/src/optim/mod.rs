//! Optimizers that update in place, in one pass, with their state by parameter name.

mod average;
mod clip;
mod config;
mod cuda;
mod in_place;
mod rules;
mod values;

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};
use mt_layers::{Gradient, Param};

use values::Values;

pub(crate) use average::average;
pub use clip::clip_norm;
pub(crate) use clip::{clip, sum, sum_of_squares};
pub use config::{OptimizerConfig, OptimizerKind};

/// Applies gradients to parameters.
#[derive(Debug)]
pub struct Optimizer {
    cfg: OptimizerConfig,
    states: BTreeMap<String, State>,
}

/// What is kept for one parameter.
#[derive(Debug)]
struct State {
    steps: u64,
    values: Vec<Values>,
}

impl Optimizer {
    /// An optimizer without history.
    pub fn new(cfg: OptimizerConfig) -> Self {
        Self { cfg, states: BTreeMap::new() }
    }

    /// Updates every parameter that has a gradient, and consumes the gradients. Parameters without one stay as they
    /// are, and so does their state. `factor(i)` multiplies the learning rate of `params[i]`; 0 freezes it.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn step(&mut self, params: &[Param], factor: impl Fn(usize) -> f64) -> Result<()> {
        for (i, param) in params.iter().enumerate() {
            let (mut gradient, rate) = (param.gradient.lock(), self.cfg.lr * factor(i));
            if gradient.touched && rate == 0.0 {
                gradient.reset();
            }
            if gradient.touched {
                if !self.states.contains_key(&param.name) {
                    self.states.insert(param.name.clone(), State::new(self.cfg.kind, param)?);
                }
                if let Some(state) = self.states.get_mut(&param.name) {
                    state.update(&self.cfg, rate, param, &mut gradient)?;
                }
                gradient.clear();
            }
        }
        Ok(())
    }

    /// The state as tensors, under `{parameter}.{what}`, and the number of updates of each parameter.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn export(&self) -> Result<(BTreeMap<String, Tensor>, BTreeMap<String, u64>)> {
        let (mut tensors, mut steps) = (BTreeMap::new(), BTreeMap::new());
        for (name, state) in &self.states {
            steps.insert(name.clone(), state.steps);
            for (what, values) in self.cfg.kind.state().iter().zip(&state.values) {
                let tensor = match values {
                    Values::Host(values) => Tensor::from_slice(values, values.len(), &Device::Cpu)?,
                    Values::Device(tensor) => tensor.flatten_all()?.to_device(&Device::Cpu)?,
                };
                tensors.insert(format!("{name}.{what}"), tensor);
            }
        }
        Ok((tensors, steps))
    }

    /// An optimizer with the history that [`Optimizer::export`] gave.
    ///
    /// # Errors
    /// If the state of a parameter is missing or has another size.
    pub fn import(
        cfg: OptimizerConfig,
        params: &[Param],
        tensors: &BTreeMap<String, Tensor>,
        steps: &BTreeMap<String, u64>,
    ) -> Result<Self> {
        let mut states = BTreeMap::new();
        for param in params {
            let Some(&steps) = steps.get(&param.name) else { continue };
            let values = |what: &&str| {
                let name = format!("{}.{what}", param.name);
                let tensor =
                    tensors.get(&name).filter(|tensor| tensor.elem_count() == param.var.elem_count());
                let Some(tensor) = tensor else {
                    candle_core::bail!("no optimizer state {name:?} of this size")
                };
                Ok(match param.var.device() {
                    Device::Cpu => Values::Host(tensor.flatten_all()?.to_vec1()?),
                    // A copy, as a tensor that is already there would be shared with whoever gave it.
                    device => Values::Device(tensor.to_device(device)?.reshape(param.var.shape())?.copy()?),
                })
            };
            let values = cfg.kind.state().iter().map(values).collect::<Result<_>>()?;
            states.insert(param.name.clone(), State { steps, values });
        }
        Ok(Self { cfg, states })
    }
}

impl State {
    fn new(kind: OptimizerKind, param: &Param) -> Result<Self> {
        let zeros = |_: &&str| match param.var.device() {
            Device::Cpu => Ok(Values::Host(vec![0.0; param.var.elem_count()])),
            _ => Ok(Values::Device(param.var.zeros_like()?)),
        };
        Ok(Self { steps: 0, values: kind.state().iter().map(zeros).collect::<Result<_>>()? })
    }

    fn update(
        &mut self,
        cfg: &OptimizerConfig,
        rate: f64,
        param: &Param,
        gradient: &mut Gradient,
    ) -> Result<()> {
        self.steps += 1;
        let rule = rules::Rule::new(cfg, rate, self.steps);
        if let Some(gradient) = &gradient.device {
            return rule.on_device(&param.var, gradient, &mut self.values);
        }
        let rows = param.var.dims().first().copied().unwrap_or(1);
        in_place::with_values_mut(&param.var, |values| rule.on_host(values, rows, gradient, &mut self.values))
    }
}
