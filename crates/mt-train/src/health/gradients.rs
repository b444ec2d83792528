//! How the gradient of the loss reaches the parts of a model: its norm in each, and the angles between the tasks' shares.

use std::collections::BTreeMap;

use mt_layers::Run;
use mt_models::Features;
use serde::Serialize;

use crate::balance::Gram;
use crate::error::Result;
use crate::optim::{sum, sum_of_squares};
use crate::probe::Probe;

/// Rows looked at, at most: enough for means to a hundredth, few enough to cost next to nothing.
pub(super) const ROWS: usize = 4096;

/// A cosine below this is no noise of a batch: two tasks pull what they share in opposite directions.
const OPPOSED: f64 = -0.3;

/// The gradient of the plain loss, as `train.task_weights` weigh it, on one batch of training rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GradientHealth {
    /// Euclidean norm in each part that the model has: `embeddings`, `shared` (a bottom or experts of all tasks), `own`
    /// (bottoms and experts of single tasks), `gates`, `towers`.
    pub norms: BTreeMap<String, f64>,
    /// Cosine of the angle between two tasks' gradients of what they share, under `a/b`; none without anything shared.
    pub cosines: BTreeMap<String, f64>,
    /// Norm of each task's gradient of what the tasks share; none without anything shared.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub shared: BTreeMap<String, f64>,
}

impl GradientHealth {
    pub(super) fn warnings(&self) -> Vec<String> {
        // A gate over a single expert has no choice, and so no gradient.
        let unreached = self.norms.iter().filter(|(part, norm)| **norm == 0.0 && *part != "gates");
        let unreached =
            unreached.map(|(part, _)| format!("no gradient reaches the part {part} of the model"));
        let opposed = self.cosines.iter().filter(|(_, cosine)| **cosine < OPPOSED);
        let opposed = opposed.map(|(pair, cosine)| {
            format!("the gradients of {pair} are opposed in what the tasks share (cosine {cosine:.2})")
        });
        unreached.chain(opposed).collect()
    }
}

impl Probe<'_> {
    /// The gradient on a batch of training rows, evenly spaced, the same ones every time. Slots are left as if nothing had
    /// been added, so training goes on as without it.
    ///
    /// # Errors
    /// If the rows do not fit the model.
    pub fn gradient(&self) -> Result<GradientHealth> {
        let table = self.data.rows();
        let (rows, all) = (self.cfg.train.batch_size.min(ROWS).min(table.len()), table.len());
        let spaced: Vec<u32> = (0..rows).map(|i| (i * all / rows) as u32).collect();
        let (batch, labelled) = self.labelled(table.take(&spaced)?);
        let xs = self.layer.fetch(vec![Features::of(batch)?.to_device(self.device)?])?.swap_remove(0);
        let (count, mut products) = (table.tasks(), Vec::new());
        let forward = |run: &mut Run| {
            let xs = self.layer.forward(&xs, run).map_err(candle_core::Error::wrap)?;
            self.model.forward(&self.model.read(&xs, run)?, run)
        };
        let run = &mut Run::evaluation();
        self.objective.collect_by_task(self.gradients, &labelled, run, forward, |_, gram| {
            products = gram.to_vec();
            vec![1.0; count]
        })?;
        let norms = self.norms()?;
        self.reset();
        let gram = Gram::new(count, products);
        let named =
            self.data.schema.tasks.iter().enumerate().map(|(t, task)| (task.name.clone(), gram.norm(t)));
        let shared = named.filter(|(_, norm)| *norm > 0.0 && norm.is_finite()).collect();
        Ok(GradientHealth { norms, cosines: self.cosines(&gram), shared })
    }

    fn norms(&self) -> Result<BTreeMap<String, f64>> {
        let mut squares: BTreeMap<String, f64> = BTreeMap::new();
        for param in self.params {
            *squares.entry(part(&param.name).to_owned()).or_default() +=
                sum_of_squares(&param.gradient.lock())?;
        }
        if let Some(embeddings) = self.layer.embeddings() {
            let of_tables: Result<f64> = embeddings
                .tables()
                .map(|table| Ok(sum(&embeddings.gradient(table).map_err(mt_models::Error::from)?.values)))
                .sum();
            squares.insert("embeddings".to_owned(), of_tables?);
        }
        // JSON has no infinity; a loss that is none ends the run anyway.
        let norms = squares.into_iter().map(|(part, squares)| (part, squares.sqrt()));
        Ok(norms.filter(|(_, norm)| norm.is_finite()).collect())
    }

    fn cosines(&self, gram: &Gram) -> BTreeMap<String, f64> {
        let pairs = (0..gram.tasks()).flat_map(|a| (a + 1..gram.tasks()).map(move |b| (a, b)));
        let named = |(a, b): (usize, usize)| {
            let name = |task: usize| &self.data.schema.tasks[task].name;
            (format!("{}/{}", name(a), name(b)), gram.cosine(a, b))
        };
        // Undefined for a task without a gradient.
        pairs.map(named).filter(|(_, cosine)| cosine.is_finite()).collect()
    }

    fn reset(&self) {
        self.params.iter().for_each(|param| param.gradient.lock().reset());
        if let Some(embeddings) = self.layer.embeddings() {
            embeddings.step(|_| 0.0);
        }
    }
}

/// The part of a model that a parameter belongs to.
fn part(name: &str) -> &'static str {
    let names: Vec<&str> = name.split('.').collect();
    // Below `levels.N` are the names of CGC.
    let names = if names[0] == "levels" { names.get(2..).unwrap_or_default() } else { &names[..] };
    match names {
        ["towers", ..] => "towers",
        ["gates", ..] => "gates",
        ["experts", "shared", ..] | ["bottom", ..] => "shared",
        // A task's name stands before the layer's number; experts of an MMoE have the number alone.
        ["experts", _, layer, _, ..] if layer.parse::<usize>().is_ok() => "own",
        ["bottoms", ..] => "own",
        _ => "shared",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameters_name_says_which_part_it_belongs_to() {
        for (name, expected) in [
            ("bottom.0.weight", "shared"),
            ("bottoms.like.1.bias", "own"),
            ("experts.0.weight", "shared"),
            ("experts.0.norm.scale", "shared"),
            ("experts.like.0.weight", "own"),
            ("experts.7.0.norm.scale", "own"),
            ("experts.shared.0.bias", "shared"),
            ("levels.1.experts.like.0.weight", "own"),
            ("levels.1.experts.shared.0.weight", "shared"),
            ("levels.0.gates.shared.0.weight", "gates"),
            ("gates.like.0.weight", "gates"),
            ("towers.like.0.weight", "towers"),
        ] {
            assert_eq!(part(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_gradient_is_said_in_words() {
        let named = |values: &[(&str, f64)]| values.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        let norms = named(&[("gates", 0.0), ("shared", 0.0), ("towers", 1.0)]);
        let cosines = named(&[("a/b", -0.5), ("a/c", -0.1), ("b/c", 0.9)]);
        let words = GradientHealth { norms, cosines, ..Default::default() }.warnings();
        assert_eq!(
            words,
            [
                "no gradient reaches the part shared of the model",
                "the gradients of a/b are opposed in what the tasks share (cosine -0.50)"
            ]
        );
    }
}
