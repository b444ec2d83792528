//! Made-up short-video interactions: the built-in source, so that a first run needs no file.
//!
//! Users have tastes, videos have traits, an impression has a place and a time. Each task has a preference vector
//! over a basis of these, part of it linear, part of it products of a taste and a trait (which a linear model
//! cannot see). `correlation` is the cosine between the two tasks' vectors; with `sinusoids` the score also has a
//! sum of sines of its linear part, the synthetic experiment of Ma et al., *Modeling Task Relationships in
//! Multi-task Learning with Multi-gate Mixture-of-Experts*, KDD 2018, section 3.2. Labels are drawn from the true
//! probability, a logistic function of the score.
//!
//! With several `contexts` an impression also has a tab, and each tab a motive of its own, at right angles to the
//! others'. In tab `c` completion follows motive `c`, and like `correlation` parts of it and else the motive of
//! the next tab: what the tasks want differs from tab to tab, but each motive drives completion in one tab and
//! likes in another, so what is learned of one task helps the other, for a model that can tell where.
//!
//! Every term of the score is a function of the row's own features, so the true probabilities are the best
//! possible predictions, and their AUC is the best possible AUC ([`Truth::auc`]).

mod columns;
mod truth;
mod world;
mod write;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use columns::{column_names, feature_names};
pub use truth::Truth;
pub use write::write_csv;

use crate::config::TaskConfig;
use crate::error::{Error, Result};
use crate::memory::{gigabytes, physical_memory};
use crate::reader::{Columns, Rule};
use crate::rows::{DenseRows, Numeric};
use crate::table::Table;
use columns::{FEATURES, TRAITS};
use world::World;

/// The generator's tasks, in the order of its label columns.
pub const TASKS: [&str; 2] = ["completion", "like"];

/// The generator's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SynthConfig {
    /// Number of rows. Default 100,000.
    pub rows: usize,
    /// Decides preference vectors and rows. Default 1.
    pub seed: u64,
    /// Cosine between the two tasks' preference vectors, from -1 to 1. Default 0.5.
    pub correlation: f64,
    /// Standard deviation of the score, in logits: how much of a label is no chance. Default 2.
    pub signal: f64,
    /// Share of the score's variance that is products of a taste and a trait, from 0 to 1. Default 0.5.
    pub interaction: f64,
    /// Share of the score's variance that is a sum of sines of its linear part, from 0 to `1 - interaction`.
    /// Default 0.
    pub sinusoids: f64,
    /// Tabs, from 1 to 8, in each of which the tasks follow other motives. Default 1: no columns of tabs.
    pub contexts: usize,
}

impl Default for SynthConfig {
    fn default() -> Self {
        SynthConfig {
            rows: 100_000,
            seed: 1,
            correlation: 0.5,
            signal: 2.0,
            interaction: 0.5,
            sinusoids: 0.0,
            contexts: 1,
        }
    }
}

impl SynthConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let fits = |ok: bool, key, expected, found: &dyn ToString| match ok {
            true => Ok(()),
            false => Err(Error::Setting { key, expected, found: found.to_string() }),
        };
        let rows = (1..=u32::MAX as usize).contains(&self.rows);
        fits(rows, "data.synth.rows", "1 to 4294967295", &self.rows)?;
        let correlation = (-1.0..=1.0).contains(&self.correlation);
        fits(correlation, "data.synth.correlation", "-1 to 1", &self.correlation)?;
        let signal = self.signal >= 0.0 && self.signal.is_finite();
        fits(signal, "data.synth.signal", "a number from 0", &self.signal)?;
        let interaction = (0.0..=1.0).contains(&self.interaction);
        fits(interaction, "data.synth.interaction", "0 to 1", &self.interaction)?;
        let sinusoids = (0.0..=1.0).contains(&self.sinusoids);
        fits(sinusoids, "data.synth.sinusoids", "0 to 1", &self.sinusoids)?;
        let sum = self.interaction + self.sinusoids;
        fits(sum <= 1.0 + 1e-9, "data.synth.interaction + data.synth.sinusoids", "a sum of at most 1", &sum)?;
        // Motives at right angles to each other: as many as there are products.
        let contexts = (1..=TRAITS).contains(&self.contexts);
        fits(contexts, "data.synth.contexts", "1 to 8", &self.contexts)
    }

    /// Columns that say which tab: none where there is one.
    fn tabs(&self) -> usize {
        if self.contexts > 1 { self.contexts } else { 0 }
    }
}

/// Generated rows.
#[derive(Debug, Clone)]
pub struct Synth {
    /// Features as [`feature_names`] says, labels as [`TASKS`] says; nothing is missing.
    pub table: Table,
    /// The probabilities from which the labels were drawn.
    pub truth: Truth,
    names: Vec<String>,
}

/// Makes the rows. Row `i` depends on the settings and `i` alone, so more rows begin with the same ones.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, [`Error::Entry`] for more rows than fit in memory.
pub fn generate(config: &SynthConfig) -> Result<Synth> {
    config.check()?;
    let world = World::new(config);
    let (rows, tasks, width) = (config.rows, TASKS.len(), FEATURES + config.tabs());
    // Features, and of each task label, probability and mask.
    let bytes = 4 * rows as u128 * (width + 3 * tasks) as u128;
    if let Some(there) = physical_memory().map(u128::from).filter(|there| bytes > *there) {
        let found = format!("{rows}, which take {} of the {} there are", gigabytes(bytes), gigabytes(there));
        let expected = "as many rows as memory has room for";
        return Err(Error::Entry { key: "data.synth.rows".to_owned(), expected, found });
    }
    let mut values = vec![0f32; rows * width];
    let mut labels = vec![0f32; rows * tasks];
    let mut probabilities = vec![0f32; rows * tasks];
    // A chunk to a worker: rows are too quick to be handed out one by one.
    const CHUNK: usize = 1024;
    values
        .par_chunks_mut(CHUNK * width)
        .zip(labels.par_chunks_mut(CHUNK * tasks))
        .zip(probabilities.par_chunks_mut(CHUNK * tasks))
        .enumerate()
        .for_each(|(chunk, ((values, labels), probabilities))| {
            let labels = labels.chunks_exact_mut(tasks).zip(probabilities.chunks_exact_mut(tasks));
            for (i, (values, (labels, truth))) in values.chunks_exact_mut(width).zip(labels).enumerate() {
                world.row((chunk * CHUNK + i) as u64, values, labels, truth);
            }
        });
    let numeric = Numeric::Dense(DenseRows { width, values });
    let table = Table::new(numeric, labels, vec![1.0; rows * tasks], tasks)?;
    Ok(Synth { table, truth: Truth { probabilities, tasks }, names: column_names(config) })
}

impl Synth {
    /// The rows with the labels of `tasks`, in their order. A label is named as in [`TASKS`], or by its column
    /// in the file that [`write_csv`] writes.
    ///
    /// # Errors
    /// A label that does not exist, or two tasks with the same one.
    pub fn for_tasks(self, tasks: &[TaskConfig]) -> Result<(Table, Truth)> {
        let names = self.names;
        let (path, own) = ("the synthetic data".as_ref(), names.len());
        let columns =
            Columns { path, names: &names, named: true, typed: false, own, shifted: false, fields: &[] };
        let rules = columns.labels(tasks, false)?;
        let plain = |(rule, task): (&Rule, &TaskConfig)| match (rule.plain(), &task.within) {
            (Some(column), None) => Ok(column),
            _ => {
                let key = format!("tasks.{}", task.name);
                let found = task.within.as_ref().map_or_else(|| rule.text.clone(), ToString::to_string);
                Err(Error::Entry {
                    key,
                    expected: "a label column and no expression with `data.synth`",
                    found,
                })
            }
        };
        let labels: Vec<usize> = rules.iter().zip(tasks).map(plain).collect::<Result<_>>()?;
        if let Some(task) = labels.iter().position(|&label| label >= TASKS.len()) {
            let key = format!("tasks.{}.label", tasks[task].name);
            return Err(Error::NoLabel { key, found: names[labels[task]].clone() });
        }
        let pick = |from: &[f32]| -> Vec<f32> {
            from.chunks_exact(TASKS.len()).flat_map(|row| labels.iter().map(|&label| row[label])).collect()
        };
        let probabilities = pick(&self.truth.probabilities);
        let batch = self.table.into_batch();
        let (picked, mask) = (pick(&batch.labels), pick(&batch.mask));
        let table = Table::new(batch.numeric, picked, mask, tasks.len())?;
        Ok((table, Truth { probabilities, tasks: tasks.len() }))
    }
}
