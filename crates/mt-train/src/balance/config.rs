//! How losses are balanced, as configured.

use std::collections::BTreeMap;
use std::fmt;

use mt_models::ModelConfig;
use serde::{Deserialize, Serialize};

/// A balancing method and its settings; keys that a method does not use are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BalanceConfig {
    /// The method. Default `fixed`.
    pub kind: BalanceKind,
    /// Factor of a task's weight from one epoch to the next, by task (`schedule`). Default 1 each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gamma: BTreeMap<String, f64>,
    /// Learning rate of what the method itself learns (`uncertainty`: 0.001; `famo`, `gradnorm`: 0.025).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Weight decay of the tasks' logits (`famo`). Default 0.001.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<f64>,
    /// Divides the ratios of losses: a larger one evens the weights out (`dwa`). Default 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// How much more a task counts that is behind (`gradnorm`). Default 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// How far from the mean of the gradients, in its lengths (`cagrad`). Default 0.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c: Option<f64>,
}

/// The balancing methods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BalanceKind {
    /// The tasks' weights as configured.
    #[default]
    Fixed,
    /// A factor each epoch; Tang et al. 2020.
    Schedule,
    /// A learned variance a task; Kendall et al. 2018.
    Uncertainty,
    /// By how slowly a loss falls from epoch to epoch; Liu et al. 2019.
    Dwa,
    /// Drawn anew at every step; Lin et al. 2022.
    Random,
    /// The geometric mean of the losses; Chennupati et al. 2019.
    Geometric,
    /// So that all losses fall by the same share; Liu et al. 2023.
    Famo,
    /// Gradients of about equal length; Chen et al. 2018.
    Gradnorm,
    /// Conflicting gradients projected; Yu et al. 2020.
    Pcgrad,
    /// The shortest mixture of the gradients; Sener & Koltun 2018.
    Mgda,
    /// Near the mean, where the worst task gains most; Liu et al. 2021.
    Cagrad,
    /// Equal projections on all gradients; Liu et al. 2021.
    Imtl,
    /// Gradients made orthogonal and equally long; Senushkin et al. 2023.
    Aligned,
    /// The Nash bargaining solution; Navon et al. 2022.
    Nash,
}

impl fmt::Display for BalanceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "fixed",
            Self::Schedule => "schedule",
            Self::Uncertainty => "uncertainty",
            Self::Dwa => "dwa",
            Self::Random => "random",
            Self::Geometric => "geometric",
            Self::Famo => "famo",
            Self::Gradnorm => "gradnorm",
            Self::Pcgrad => "pcgrad",
            Self::Mgda => "mgda",
            Self::Cagrad => "cagrad",
            Self::Imtl => "imtl",
            Self::Aligned => "aligned",
            Self::Nash => "nash",
        })
    }
}

impl BalanceKind {
    /// Whether it takes logarithms or ratios of losses, which then have to be above 0.
    pub(crate) fn needs_positive(self) -> bool {
        use BalanceKind::{Dwa, Famo, Geometric, Gradnorm, Uncertainty};
        matches!(self, Uncertainty | Dwa | Geometric | Famo | Gradnorm)
    }

    /// Whether it weighs the tasks' gradients of what they share, and not their losses.
    pub fn of_gradients(self) -> bool {
        use BalanceKind::{Aligned, Cagrad, Gradnorm, Imtl, Mgda, Nash, Pcgrad};
        matches!(self, Gradnorm | Pcgrad | Mgda | Cagrad | Imtl | Aligned | Nash)
    }
}

impl BalanceConfig {
    pub(super) fn rate(&self) -> f64 {
        self.lr.unwrap_or(if self.kind == BalanceKind::Uncertainty { 0.001 } else { 0.025 })
    }

    pub(super) fn decay(&self) -> f64 {
        self.decay.unwrap_or(0.001)
    }

    pub(super) fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(2.0)
    }

    pub(super) fn alpha(&self) -> f64 {
        self.alpha.unwrap_or(1.5)
    }

    pub(super) fn c(&self) -> f64 {
        self.c.unwrap_or(0.5)
    }

    /// Each key with whether its value is good, and what to say if not. `known` does the same for the name of a task.
    pub(crate) fn problems(
        &self,
        model: &ModelConfig,
        known: impl Fn(&str) -> (bool, String),
    ) -> Vec<(String, bool, String)> {
        use BalanceKind::{Cagrad, Dwa, Famo, Gradnorm, Schedule, Uncertainty};
        let unused = |key: &str| format!("{} has no {key}", self.kind);
        let mut checks = Vec::new();
        let mut check = |key: &str, value: Option<f64>, users: &[BalanceKind], least: f64, open: bool| {
            let Some(value) = value else { return };
            checks.push((key.to_owned(), users.contains(&self.kind), unused(key)));
            let good = value.is_finite() && if open { value > least } else { value >= least };
            let expected = if open { "above" } else { "from" };
            checks.push((
                key.to_owned(),
                good,
                format!("expected a number {expected} {least}, found {value}"),
            ));
        };
        check("lr", self.lr, &[Uncertainty, Famo, Gradnorm], 0.0, true);
        check("decay", self.decay, &[Famo], 0.0, false);
        check("temperature", self.temperature, &[Dwa], 0.0, true);
        check("alpha", self.alpha, &[Gradnorm], 0.0, false);
        check("c", self.c, &[Cagrad], 0.0, false);
        for (task, &gamma) in &self.gamma {
            check(&format!("gamma.{task}"), Some(gamma), &[Schedule], 0.0, true);
        }
        for task in self.gamma.keys() {
            let (good, problem) = known(task);
            checks.push((format!("gamma.{task}"), good, problem));
        }
        if self.kind == Schedule {
            let problem = "schedule needs a factor for at least one task".to_owned();
            checks.push(("gamma".to_owned(), !self.gamma.is_empty(), problem));
        }
        // What is wrong with the model itself is said elsewhere.
        let nothing_shared = model.resolve().ok().and_then(|model| model.facts(&[]).nothing_shared);
        if let (true, Some(why)) = (self.kind.of_gradients(), nothing_shared) {
            let problem = format!("{} weighs the tasks' gradients of what they share, and {why}", self.kind);
            checks.push(("kind".to_owned(), false, problem));
        }
        checks
    }
}
