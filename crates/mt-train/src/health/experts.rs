//! A look at experts and gates, which costs less than a tenth of the epoch it follows: a part of the rows at a time, of
//! which there are few, and the rank of some experts where there are many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use candle_core::Device;
use mt_features::{Head, Table};
use mt_layers::{Mixed, Run};
use mt_models::{Features, ModelConfig};

use super::{GateHealth, GradientHealth, Health, LevelHealth, ROWS};
use crate::eigen::eigenvalues;
use crate::error::Result;
use crate::evaluate::Scorer;
use crate::ranks::decide;

/// Of the training rows, one in so many is looked at: without a backward pass that is a fiftieth of the epoch.
const SHARE: usize = 16;

/// Rows at least, of those there are.
const LEAST: usize = 64;

/// Rows at a time; between two parts the time is looked at, and whether to stop.
const PART: usize = 256;

/// Time that a look may take after the shortest epoch.
const FREE: Duration = Duration::from_millis(200);

/// Experts whose outputs are compared at most. Eigenvalues of 32 take a millisecond; of 1,024 they took minutes.
const RANKED: usize = 32;

/// Multiplications at most in the inner products of their outputs: a few milliseconds. Of 32 experts with 16 units that is
/// 3,971 rows.
const PRODUCTS: usize = 1 << 25;

/// What is looked at.
pub(crate) struct Look<'a> {
    pub scorer: &'a Scorer,
    pub cfg: &'a ModelConfig,
    pub table: &'a Table,
    /// Those with a gate each.
    pub heads: &'a [Head],
    pub device: &'a Device,
    /// Rows that the epoch trained on.
    pub trained: usize,
    /// Time that it took.
    pub epoch: Duration,
    /// Ends the look.
    pub stop: &'a AtomicBool,
}

impl Look<'_> {
    /// Looks at the experts and gates on the first rows of the table; the gradients are taken as given. `None` if it was
    /// stopped.
    ///
    /// # Errors
    /// If the rows do not fit the model.
    pub fn health(&self, gradients: GradientHealth) -> Result<Option<Health>> {
        let heads: Vec<&str> = self.heads.iter().map(|head| head.name.as_str()).collect();
        let names = self.cfg.resolve()?.facts(&heads).levels;
        let (started, allowed) = (Instant::now(), FREE.max(self.epoch / 10));
        let rows = self.table.len().min(ROWS).min(LEAST.max(self.trained / SHARE));
        let mut seen: Vec<Seen> = Vec::new();
        let mut cut = None;
        // Without gates there is nothing to see.
        for start in (0..rows).step_by(PART).take_while(|_| !names.is_empty()) {
            let ranks = &*self.scorer.ranks;
            if decide(ranks, self.stop.load(Ordering::Relaxed))? {
                return Ok(None);
            }
            if decide(ranks, started.elapsed() > allowed)? {
                cut = Some(format!(
                    "experts and gates were looked at on {start} rows alone: {rows} would take more than a tenth of the \
                     epoch's time"
                ));
                break;
            }
            let batch = self.table.slice(start..(start + PART).min(rows));
            let Scorer { layer, model, .. } = self.scorer;
            let (features, mut run) = (Features::of(batch)?.to_device(self.device)?, Run::evaluation());
            let features = layer.fetch(vec![features])?.swap_remove(0);
            let xs = model.read(&layer.forward(&features, &mut run)?, &mut run)?;
            let (_, mixed) = run.observe(|run| self.scorer.model.forward(&xs, run))?;
            if seen.is_empty() {
                seen = names.iter().zip(&mixed).map(|(names, mixed)| Seen::new(names.len(), mixed)).collect();
            }
            seen.iter_mut().zip(&mixed).try_for_each(|(seen, mixed)| seen.add(mixed))?;
        }
        let levels: Vec<_> =
            seen.into_iter().zip(names).map(|(seen, names)| seen.level(names, self.heads)).collect();
        let of_levels = levels.iter().enumerate().flat_map(|(l, level)| level.warnings(l));
        let warnings = of_levels.chain(gradients.warnings()).chain(cut).collect();
        Ok(Some(Health { levels, gradients, warnings }))
    }
}

/// What the rows so far have shown of a level.
struct Seen {
    width: usize,
    rows: usize,
    /// Of each unit, whether it was other than 0 on a row.
    alive: Vec<bool>,
    /// The experts whose outputs are compared.
    ranked: Vec<usize>,
    /// Inner products of their outputs, the lower half of `(n, n)`, over the first rows.
    products: Vec<f64>,
    gates: Vec<Gate>,
}

/// Sums over rows.
struct Gate {
    /// The experts it chooses from.
    chosen: Vec<usize>,
    weights: Vec<f64>,
    entropy: f64,
}

impl Seen {
    fn new(experts: usize, mixed: &Mixed) -> Self {
        let n = experts.min(RANKED);
        let gate =
            |chosen: &Vec<usize>| Gate { chosen: chosen.clone(), weights: vec![0.0; experts], entropy: 0.0 };
        Self {
            width: mixed.width,
            rows: 0,
            alive: vec![false; experts * mixed.width],
            ranked: (0..n).map(|i| i * experts / n).collect(),
            products: vec![0.0; n * n],
            gates: mixed.gates.iter().map(gate).collect(),
        }
    }

    fn add(&mut self, mixed: &Mixed) -> Result<()> {
        let outputs = mixed.experts.flatten_all()?.to_vec1::<f32>()?;
        let weights = mixed.weights.flatten_all()?.to_vec1::<f32>()?;
        let (n, width, units) = (self.ranked.len(), self.width, self.alive.len());
        let compared = (PRODUCTS / (n * (n + 1) / 2 * width).max(1)).saturating_sub(self.rows);
        for (at, row) in outputs.chunks_exact(units).enumerate() {
            self.alive.iter_mut().zip(row).for_each(|(alive, x)| *alive |= *x != 0.0);
            if at >= compared {
                continue;
            }
            let expert = |i: usize| &row[self.ranked[i] * width..][..width];
            for a in 0..n {
                for b in 0..=a {
                    self.products[a * n + b] += f64::from(dot(expert(a), expert(b)));
                }
            }
        }
        let choices = self.gates.iter().map(|gate| gate.chosen.len()).sum::<usize>();
        for row in weights.chunks_exact(choices) {
            let mut at = 0;
            for Gate { chosen, weights, entropy } in &mut self.gates {
                for (&expert, &weight) in chosen.iter().zip(&row[at..]) {
                    let weight = f64::from(weight);
                    weights[expert] += weight;
                    *entropy -= if weight > 0.0 { weight * weight.ln() } else { 0.0 };
                }
                at += chosen.len();
            }
        }
        self.rows += outputs.len() / units;
        Ok(())
    }

    fn level(mut self, experts: Vec<String>, heads: &[Head]) -> LevelHealth {
        let rows = self.rows.max(1) as f64;
        let gate = |(g, gate): (usize, Gate)| {
            let name = heads.get(g).map_or_else(|| "shared".to_owned(), |head| head.name.clone());
            let weights = gate.weights.into_iter().map(|sum| sum / rows).collect();
            // Of a single choice there is nothing to decide.
            let all = gate.chosen.len() as f64;
            let entropy = if all > 1.0 { gate.entropy / rows / all.ln() } else { 1.0 };
            (name, GateHealth { weights, entropy })
        };
        let gates: BTreeMap<_, _> = self.gates.into_iter().enumerate().map(gate).collect();
        let dead = self.alive.iter().filter(|alive| !**alive).count();
        let n = self.ranked.len();
        for a in 0..n {
            for b in 0..a {
                self.products[b * n + a] = self.products[a * n + b];
            }
        }
        LevelHealth {
            gates,
            dead_units: dead as f64 / self.alive.len().max(1) as f64,
            effective_rank: effective_rank(n, self.products),
            ranked: (n < experts.len()).then_some(n),
            experts,
        }
    }
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
}
