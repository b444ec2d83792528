//! Update rules and their settings.

use serde::{Deserialize, Serialize};

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
