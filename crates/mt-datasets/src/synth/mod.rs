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

mod config;
mod truth;
mod world;
mod write;

use std::ops::Range;

use mt_features::{DenseRows, Numeric, Table};
use rayon::prelude::*;

pub use config::{SynthConfig, TASKS, column_names, feature_names};
pub use truth::Truth;
pub use write::write_csv;

use crate::error::Result;
use world::World;

/// Generated rows.
#[derive(Debug, Clone)]
pub struct Synth {
    /// Features as [`feature_names`] says, labels as [`TASKS`] says; nothing is missing.
    pub table: Table,
    /// The probabilities from which the labels were drawn.
    pub truth: Truth,
    /// Columns of `table` and before them its labels, by name.
    pub names: Vec<String>,
}

/// Makes the rows. Row `i` depends on the settings and `i` alone, so more rows begin with the same ones.
///
/// # Errors
/// [`Error::Setting`](crate::Error::Setting) for settings out of range.
pub fn generate(config: &SynthConfig) -> Result<Synth> {
    config.check()?;
    let Rows { values, labels, probabilities } = rows(&World::new(config), config.width(), 0..config.rows);
    let (tasks, mask) = (TASKS.len(), vec![1.0; labels.len()]);
    let numeric = Numeric::Dense(DenseRows { width: config.width(), values });
    let table = Table::new(numeric, labels, mask, tasks)?;
    Ok(Synth { table, truth: Truth { probabilities, tasks }, names: column_names(config) })
}

/// Some rows, each part row-major.
struct Rows {
    values: Vec<f32>,
    labels: Vec<f32>,
    probabilities: Vec<f32>,
}

/// The rows of these numbers, with `width` features.
fn rows(world: &World, width: usize, numbers: Range<usize>) -> Rows {
    /// A chunk to a worker: rows are too quick to be handed out one by one.
    const CHUNK: usize = 1024;
    let (rows, tasks) = (numbers.len(), TASKS.len());
    let mut values = vec![0f32; rows * width];
    let mut labels = vec![0f32; rows * tasks];
    let mut probabilities = vec![0f32; rows * tasks];
    values
        .par_chunks_mut(CHUNK * width)
        .zip(labels.par_chunks_mut(CHUNK * tasks))
        .zip(probabilities.par_chunks_mut(CHUNK * tasks))
        .enumerate()
        .for_each(|(chunk, ((values, labels), probabilities))| {
            let labels = labels.chunks_exact_mut(tasks).zip(probabilities.chunks_exact_mut(tasks));
            for (i, (values, (labels, truth))) in values.chunks_exact_mut(width).zip(labels).enumerate() {
                world.row((numbers.start + chunk * CHUNK + i) as u64, values, labels, truth);
            }
        });
    Rows { values, labels, probabilities }
}
