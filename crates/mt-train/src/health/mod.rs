//! How a model uses its experts: the gates' weights, units that never fire, experts that all say the same; and how the
//! gradient reaches its parts.

mod gradients;

use std::collections::BTreeMap;

use candle_core::Device;
use mt_data::{Table, Task};
use mt_layers::{Mixed, observe};
use mt_models::{Architecture, CgcConfig, Features, ModelConfig};
use serde::Serialize;

pub use self::gradients::GradientHealth;
use crate::eigen::eigenvalues;
use crate::error::Result;
use crate::evaluate::Scorer;

/// Rows looked at: enough for means to a hundredth, few enough to cost next to nothing.
const ROWS: usize = 4096;

/// An effective rank below this, of several experts, is a collapse: they are copies of each other.
const SAME: f64 = 1.05;

/// A mean weight above this is all of a gate's attention.
const ALONE: f64 = 0.98;

/// An expert below this share of a fair one, at every gate, is not used.
const UNUSED: f64 = 0.1;

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
pub struct LevelHealth {
    /// Names of the experts: a number, or `task.number` and `shared.number`.
    pub experts: Vec<String>,
    /// By task, and `shared` for the gate of the shared stream.
    pub gates: BTreeMap<String, GateHealth>,
    /// Share of the experts' units that are 0 on every row.
    pub dead_units: f64,
    /// Effective rank of the experts' outputs, from 1 (all the same but for their size) to the number of experts:
    /// `exp(-Σ p ln p)` over the shares `p` of the singular values. O. Roy & M. Vetterli, *The Effective Rank*, 2007.
    pub effective_rank: f64,
}

/// One gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateHealth {
    /// Mean weight of each expert; 0 for those it does not choose from.
    pub weights: Vec<f64>,
    /// Mean entropy of a row's weights, over that of even weights: 1 is undecided, 0 a single expert a row.
    pub entropy: f64,
}

impl Health {
    /// Looks at the experts and gates on the first rows of `table`; the gradients are taken as given.
    ///
    /// # Errors
    /// If the rows do not fit the model.
    pub fn of(
        scorer: &Scorer,
        cfg: &ModelConfig,
        table: &Table,
        tasks: &[Task],
        device: &Device,
        gradients: GradientHealth,
    ) -> Result<Self> {
        let levels: Vec<Vec<String>> = match cfg.resolve()? {
            Architecture::SharedBottom(_) | Architecture::SingleTask(_) => {
                let warnings = gradients.warnings();
                return Ok(Self { levels: Vec::new(), gradients, warnings });
            }
            Architecture::Mmoe(cfg) => vec![(0..cfg.experts).map(|e| e.to_string()).collect()],
            Architecture::Cgc(cfg) => vec![names(&cfg, tasks)],
            Architecture::Ple(cfg) => cfg.levels.iter().map(|level| names(level, tasks)).collect(),
        };
        let batch = table.slice(0..table.len().min(ROWS));
        let xs = scorer.layer.forward(&Features::of(batch)?.to_device(device)?)?;
        let (_, seen) = observe(|| scorer.model.forward(&xs))?;
        let level = |(experts, mixed): (Vec<String>, &Mixed)| LevelHealth::of(experts, mixed, tasks);
        let levels: Vec<_> = levels.into_iter().zip(&seen).map(level).collect::<Result<_>>()?;
        let of_levels = levels.iter().enumerate().flat_map(|(l, level)| level.warnings(l));
        let warnings = of_levels.chain(gradients.warnings()).collect();
        Ok(Self { levels, gradients, warnings })
    }
}

fn names(cfg: &CgcConfig, tasks: &[Task]) -> Vec<String> {
    let numbered = |name: &str, n| (0..n).map(|i| format!("{name}.{i}")).collect::<Vec<_>>();
    let own = tasks.iter().flat_map(|task| numbered(&task.name, cfg.experts_per_task));
    own.chain(numbered("shared", cfg.shared_experts)).collect()
}

/// The inner product, in as many sums as let the compiler use vectors: one after the other took a hundredth of a short
/// epoch.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0f32; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

impl LevelHealth {
    fn of(experts: Vec<String>, mixed: &Mixed, tasks: &[Task]) -> Result<Self> {
        let outputs = mixed.experts.flatten_all()?.to_vec1::<f32>()?;
        let weights = mixed.weights.flatten_all()?.to_vec1::<f32>()?;
        let (count, units) = (experts.len(), experts.len() * mixed.width);
        let mut alive = vec![false; units];
        let mut products = vec![0f64; count * count];
        for row in outputs.chunks_exact(units) {
            alive.iter_mut().zip(row).for_each(|(alive, x)| *alive |= *x != 0.0);
            for a in 0..count {
                for b in 0..=a {
                    let expert = |e: usize| &row[e * mixed.width..][..mixed.width];
                    products[a * count + b] += f64::from(dot(expert(a), expert(b)));
                }
            }
        }
        for a in 0..count {
            for b in 0..a {
                products[b * count + a] = products[a * count + b];
            }
        }
        let (choices, mut at) = (mixed.gates.iter().map(Vec::len).sum::<usize>(), 0);
        let mut gates = BTreeMap::new();
        for (g, chosen) in mixed.gates.iter().enumerate() {
            let mut gate = GateHealth { weights: vec![0.0; count], entropy: 0.0 };
            let rows = (weights.len() / choices).max(1) as f64;
            for row in weights.chunks_exact(choices) {
                for (&expert, &weight) in chosen.iter().zip(&row[at..]) {
                    let weight = f64::from(weight);
                    gate.weights[expert] += weight / rows;
                    gate.entropy -= if weight > 0.0 { weight * weight.ln() / rows } else { 0.0 };
                }
            }
            // Of a single choice there is nothing to decide.
            gate.entropy = if chosen.len() > 1 { gate.entropy / (chosen.len() as f64).ln() } else { 1.0 };
            gates.insert(tasks.get(g).map_or_else(|| "shared".to_owned(), |task| task.name.clone()), gate);
            at += chosen.len();
        }
        let dead = alive.iter().filter(|alive| !**alive).count();
        let (dead_units, effective_rank) =
            (dead as f64 / units.max(1) as f64, effective_rank(count, products));
        Ok(Self { experts, gates, dead_units, effective_rank })
    }

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
        for (e, expert) in self.experts.iter().enumerate() {
            let most = self.gates.values().map(|gate| gate.weights[e]).fold(0.0, f64::max);
            if count > 1 && most < UNUSED / count as f64 {
                warnings.push(format!("level {level}: no gate looks at expert {expert} (at most {most:.4})"));
            }
        }
        warnings
    }
}

/// Effective rank of outputs with these inner products `(n, n)`; 0 where all are zero.
fn effective_rank(n: usize, products: Vec<f64>) -> f64 {
    let singular: Vec<f64> = eigenvalues(n, products).into_iter().map(|x| x.max(0.0).sqrt()).collect();
    let sum: f64 = singular.iter().sum();
    if sum <= 0.0 {
        return 0.0;
    }
    let entropy = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    singular.iter().map(|x| entropy(x / sum)).sum::<f64>().exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_rank_counts_what_differs() {
        let rank = |products: [f64; 4]| effective_rank(2, products.to_vec());
        assert!((rank([1.0, 0.0, 0.0, 1.0]) - 2.0).abs() < 1e-12);
        assert!((rank([1.0, 2.0, 2.0, 4.0]) - 1.0).abs() < 1e-6, "one is twice the other");
        assert_eq!(rank([0.0; 4]), 0.0);
    }

    #[test]
    fn each_ill_has_its_words() {
        let gate = |weights: &[f64]| GateHealth { weights: weights.to_vec(), entropy: 0.5 };
        let mut level = LevelHealth {
            experts: ["0", "1", "2"].map(str::to_owned).to_vec(),
            gates: [("like".into(), gate(&[0.5, 0.3, 0.2])), ("share".into(), gate(&[0.2, 0.5, 0.3]))].into(),
            dead_units: 0.1,
            effective_rank: 2.5,
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
