//! Whether the losses take the labels there are, wherever the rows come from.

use mt_data::Rows;
use mt_features::{Table, Task};
use mt_models::Coupling;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::joint::Joint;
use crate::objective::Objective;

impl Objective {
    /// As [`check_labels`](Self::check_labels), of all rows to train on.
    ///
    /// # Errors
    /// As there, and if the rows cannot be read.
    pub(crate) fn check_rows(cfg: &Config, tasks: &[Task], rows: Rows<'_>) -> Result<()> {
        let mut first = 0;
        rows.each(|table| {
            Self::check_labels(cfg, tasks, table).map_err(|error| match error {
                Error::Label { task, row, expected, found } => {
                    Error::Label { task, row: first + row, expected, found }
                }
                error => error,
            })?;
            first += table.len();
            Ok(())
        })
    }

    /// Checks that each task's loss takes its labels in `table`, wherever that comes from.
    ///
    /// # Errors
    /// [`Error::Label`] for the first that it does not, and [`Error::Config`] for a loss that takes other outputs, or groups where
    /// there are none.
    pub(crate) fn check_labels(cfg: &Config, tasks: &[Task], table: &Table) -> Result<()> {
        Joint::check_groups(cfg, table)?;
        for (t, task) in tasks.iter().enumerate() {
            let loss = cfg.loss_of(task)?;
            let outputs = task.kind.outputs();
            cfg.check_heads(task)?;
            let fits = loss.fused().map_or_else(|| loss.is_for(task.kind), |kind| kind.takes(outputs));
            if task.prediction.is_none() && !fits {
                let problem = "the rows were read for a loss with other outputs, such as ziln; read them with this \
                               configuration";
                let at = format!("train.task_losses.{}", task.name);
                return Err(Error::Config { at, problem: problem.to_owned() });
            }
            if loss.coupling() == Coupling::Group && table.groups().is_none() {
                let name = cfg.train.task_losses.get(&task.name).map_or("its loss", |loss| &loss.name);
                let key = format!("train.task_losses.{}", task.name);
                return Err(Error::ungrouped("configuration".to_owned(), &key, name));
            }
            let column = |values| <[f32]>::iter(values).skip(t).step_by(tasks.len()).copied();
            let mut labels = column(table.labels()).zip(column(table.mask()));
            let refused = match loss.fused() {
                Some(kind) => {
                    let (row, expected) = kind.first_refused(outputs, labels);
                    row.map(|row| (row, expected.to_owned()))
                }
                None => {
                    let refused = |(label, mask)| if mask > 0.0 { loss.refuses(label) } else { None };
                    let found = |(row, pair)| Some((row, refused(pair)?));
                    labels.by_ref().enumerate().find_map(found)
                }
            };
            if let Some((row, expected)) = refused {
                let found = table.labels()[row * tasks.len() + t];
                return Err(Error::Label { task: task.name.clone(), row, expected, found });
            }
        }
        Ok(())
    }
}
