//! Optimizers that update in place, in one pass, with their state by parameter name.

mod average;
mod clip;
mod cuda;
mod in_place;
mod rules;

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};
use mt_layers::{Gradient, Param};
use serde::{Deserialize, Serialize};

pub(crate) use average::average;
pub use clip::clip_norm;
pub(crate) use clip::{clip, sum, sum_of_squares};

/// An optimizer and its settings; keys that a kind does not use are refused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OptimizerConfig {
    /// The update rule. Default `adam`.
    #[serde(default)]
    pub kind: OptimizerKind,
    /// Learning rate. Default 0.001.
    #[serde(default = "thousandth")]
    pub lr: f64,
    /// Weight decay; decoupled for `adamw`, added to the gradient for the others. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Decay of the gradient's mean (`adam`, `adamw`). Default 0.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta1: Option<f64>,
    /// Decay of the squared gradient's mean (`adam`, `adamw`). Default 0.999.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta2: Option<f64>,
    /// Added to the denominator (`adam`, `adamw`: 1e-8; `adagrad`: 1e-10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Momentum (`sgd`). Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
}

fn thousandth() -> f64 {
    1e-3
}

impl OptimizerConfig {
    /// A rule and its learning rate, the rule's own defaults else.
    pub fn new(kind: OptimizerKind, lr: f64) -> Self {
        Self { kind, lr, weight_decay: None, beta1: None, beta2: None, epsilon: None, momentum: None }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::new(OptimizerKind::default(), thousandth())
    }
}

/// The update rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OptimizerKind {
    /// Kingma & Ba 2015, algorithm 1, with bias correction.
    #[default]
    Adam,
    /// Loshchilov & Hutter 2019: Adam with decoupled weight decay.
    AdamW,
    /// Stochastic gradient descent, with momentum as in PyTorch (the buffer starts as the first gradient).
    Sgd,
    /// Duchi et al. 2011.
    Adagrad,
}

impl OptimizerKind {
    /// Names of the values kept for each parameter value.
    pub(crate) fn state(self) -> &'static [&'static str] {
        match self {
            Self::Adam | Self::AdamW => &["mean", "square"],
            Self::Sgd => &["momentum"],
            Self::Adagrad => &["sum"],
        }
    }
}

impl OptimizerConfig {
    /// Each key with whether its value is good, and what to say if not.
    pub(crate) fn problems(&self) -> Vec<(&'static str, bool, String)> {
        let adam = matches!(self.kind, OptimizerKind::Adam | OptimizerKind::AdamW);
        let positive = |x: f64| (x.is_finite() && x > 0.0, format!("expected a number above 0, found {x}"));
        let share =
            |x: f64| ((0.0..1.0).contains(&x), format!("expected a number from 0 to below 1, found {x}"));
        let unused = |key: &str| (false, format!("{:?} has no {key}", self.kind).to_lowercase());
        let (good, problem) = positive(self.lr);
        let mut checks = vec![("lr", good, problem)];
        let mut check = |key, value: Option<f64>, used, rule: &dyn Fn(f64) -> (bool, String)| {
            if let Some(value) = value {
                let (good, problem) = if used { rule(value) } else { unused(key) };
                checks.push((key, good, problem));
            }
        };
        let from_zero = |x: f64| (x.is_finite() && x >= 0.0, format!("expected a number from 0, found {x}"));
        check("weight_decay", self.weight_decay, true, &from_zero);
        check("beta1", self.beta1, adam, &share);
        check("beta2", self.beta2, adam, &share);
        check("epsilon", self.epsilon, self.kind != OptimizerKind::Sgd, &positive);
        check("momentum", self.momentum, self.kind == OptimizerKind::Sgd, &share);
        checks
    }
}

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

/// One number for each value of a parameter, where the parameter is.
///
/// Not to be cloned: a tensor's clone is the same memory, which is updated in place.
#[derive(Debug)]
enum Values {
    Host(Vec<f32>),
    Device(Tensor),
}

impl Values {
    #[cfg(feature = "cuda")]
    fn on_device(&self) -> Option<&Tensor> {
        match self {
            Self::Host(_) => None,
            Self::Device(tensor) => Some(tensor),
        }
    }
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
