//! Rows of the built-in generator as those of files: with the labels of tasks.

use mt_datasets::synth::{self, SynthConfig, TASKS, Truth};
use mt_features::{Table, TaskConfig};

use crate::error::{Error, Result};
use crate::memory::{gigabytes, physical_memory};
use crate::reader::{Columns, Rule};

/// The generator's rows with the labels of `tasks`, in their order, and the probabilities from which they were drawn. A label is
/// named as in [`TASKS`], or by its column in the file that the generator writes.
///
/// # Errors
/// Settings out of range, more rows than memory has room for, a label that does not exist, or two tasks with the same one.
pub(crate) fn generate(config: &SynthConfig, tasks: &[TaskConfig]) -> Result<(Table, Truth)> {
    config.check()?;
    // Features, and of each task label, probability and mask.
    let bytes = 4 * config.rows as u128 * (config.width() + 3 * TASKS.len()) as u128;
    if let Some(there) = physical_memory().map(u128::from).filter(|there| bytes > *there) {
        let found =
            format!("{}, which take {} of the {} there are", config.rows, gigabytes(bytes), gigabytes(there));
        let expected = "as many rows as memory has room for";
        let key = "data.synth.rows".to_owned();
        return Err(mt_features::Error::Entry { key, expected, found }.into());
    }
    let synth = synth::generate(config)?;
    let labels = labels(&synth.names, tasks)?;
    let pick = |from: &[f32]| -> Vec<f32> {
        from.chunks_exact(TASKS.len()).flat_map(|row| labels.iter().map(|&label| row[label])).collect()
    };
    let truth = synth.truth.of_tasks(&labels);
    let batch = synth.table.into_batch();
    let (picked, mask) = (pick(&batch.labels), pick(&batch.mask));
    Ok((Table::new(batch.numeric, picked, mask, tasks.len())?, truth))
}

/// The generator's label of each task, by its place in [`TASKS`].
fn labels(names: &[String], tasks: &[TaskConfig]) -> Result<Vec<usize>> {
    let (path, own) = ("the synthetic data".as_ref(), names.len());
    let (partitions, fields) = (&[], &[]);
    let columns = Columns { path, names, named: true, typed: false, own, partitions, shifted: false, fields };
    let rules = columns.labels(tasks, false)?;
    let plain = |(rule, task): (&Rule, &TaskConfig)| match (rule.plain(), &task.within) {
        (Some(column), None) if column < TASKS.len() => Ok(column),
        (Some(column), None) => {
            Err(Error::NoLabel { key: format!("tasks.{}.label", task.name), found: names[column].clone() })
        }
        _ => {
            let key = format!("tasks.{}", task.name);
            let found = task.within.as_ref().map_or_else(|| rule.text.clone(), ToString::to_string);
            let expected = "a label column and no expression with `data.synth`";
            Err(mt_features::Error::Entry { key, expected, found }.into())
        }
    };
    rules.iter().zip(tasks).map(plain).collect()
}
