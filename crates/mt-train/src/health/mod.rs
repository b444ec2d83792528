//! How a model uses its experts: the gates' weights, units that never fire, experts that all say the same; and how the
//! gradient reaches its parts.

mod experts;
mod gradients;

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) use self::experts::Look;
pub use self::gradients::GradientHealth;
use self::gradients::ROWS;

/// An effective rank below this, of several experts, is a collapse: they are copies of each other.
const SAME: f64 = 1.05;

/// A mean weight above this is all of a gate's attention.
const ALONE: f64 = 0.98;

/// An expert below this share of a fair one, at every gate, is not used.
const UNUSED: f64 = 0.1;

/// Experts that are named one by one.
const LISTED: usize = 8;

/// A share of dead units above this leaves little of an expert.
const DEAD: f64 = 0.5;

/// The experts and gates of a model on some rows, by level, and its gradient on a batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Health {
    /// From the input up; none for models without gates.
    pub levels: Vec<LevelHealth>,
    /// How the gradient reaches the model's parts.
    pub gradients: GradientHealth,
    /// What is wrong, in words.
    pub warnings: Vec<String>,
}

/// One level of experts and gates.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LevelHealth {
    /// Names of the experts: a number, or `task.number` and `shared.number`.
    pub experts: Vec<String>,
    /// By head, and `shared` for the gate of the shared stream.
    pub gates: BTreeMap<String, GateHealth>,
    /// Share of the experts' units that are 0 on every row.
    pub dead_units: f64,
    /// Effective rank of the experts' outputs, from 1 (all the same but for their size) to the number of experts:
    /// `exp(-Σ p ln p)` over the shares `p` of the singular values. O. Roy & M. Vetterli, *The Effective Rank*, 2007.
    pub effective_rank: f64,
    /// Experts that the rank is of, evenly spaced over all, where it is not of all: at most 32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranked: Option<usize>,
}

/// One gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GateHealth {
    /// Mean weight of each expert; 0 for those it does not choose from.
    pub weights: Vec<f64>,
    /// Mean entropy of a row's weights, over that of even weights: 1 is undecided, 0 a single expert a row.
    pub entropy: f64,
}

impl LevelHealth {
    fn warnings(&self, level: usize) -> Vec<String> {
        let mut warnings = Vec::new();
        let count = self.experts.len();
        if count > 1 && self.effective_rank < SAME {
            warnings.push(format!(
                "level {level}: its {count} experts give the same output (effective rank {:.2}): they started equal, \
                 or have collapsed",
                self.effective_rank
            ));
        }
        if self.dead_units > DEAD {
            let share = 100.0 * self.dead_units;
            warnings.push(format!("level {level}: {share:.0} % of the experts' units are 0 on every row"));
        }
        for (name, gate) in &self.gates {
            let chosen = gate.weights.iter().filter(|weight| **weight > 0.0).count();
            let top = (0..count).max_by(|a, b| gate.weights[*a].total_cmp(&gate.weights[*b]));
            if let Some(top) = top.filter(|top| chosen > 1 && gate.weights[*top] > ALONE) {
                let (expert, weight) = (&self.experts[top], gate.weights[top]);
                warnings.push(format!(
                    "level {level}: the gate of {name} looks at expert {expert} alone ({weight:.3})"
                ));
            }
        }
        let most = |e: usize| self.gates.values().map(|gate| gate.weights[e]).fold(0.0, f64::max);
        let is_unused = |e: &usize| count > 1 && most(*e) < UNUSED / count as f64;
        let unused: Vec<usize> = (0..count).filter(is_unused).collect();
        if unused.len() > LISTED {
            let (first, unused) = (&self.experts[unused[0]], unused.len());
            warnings.push(format!(
                "level {level}: no gate looks at {unused} of its {count} experts, the first {first}"
            ));
            return warnings;
        }
        for e in unused {
            let (expert, most) = (&self.experts[e], most(e));
            warnings.push(format!("level {level}: no gate looks at expert {expert} (at most {most:.4})"));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ill_has_its_words() {
        let gate = |weights: &[f64]| GateHealth { weights: weights.to_vec(), entropy: 0.5 };
        let mut level = LevelHealth {
            experts: ["0", "1", "2"].map(str::to_owned).to_vec(),
            gates: [("like".into(), gate(&[0.5, 0.3, 0.2])), ("share".into(), gate(&[0.2, 0.5, 0.3]))].into(),
            dead_units: 0.1,
            effective_rank: 2.5,
            ranked: None,
        };
        assert_eq!(level.warnings(0), [""; 0]);
        level.gates.insert("like".into(), gate(&[0.99, 0.009, 0.001]));
        level.gates.insert("share".into(), gate(&[0.5, 0.49, 0.01]));
        (level.dead_units, level.effective_rank) = (0.6, 1.0);
        let words = level.warnings(1);
        assert_eq!(words.len(), 4, "{words:?}");
        assert!(words[0].starts_with("level 1: its 3 experts give the same output"));
        assert_eq!(words[1], "level 1: 60 % of the experts' units are 0 on every row");
        assert_eq!(words[2], "level 1: the gate of like looks at expert 0 alone (0.990)");
        assert_eq!(words[3], "level 1: no gate looks at expert 2 (at most 0.0100)");
    }
}
