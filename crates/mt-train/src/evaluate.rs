//! Predictions and metrics of a model on a table.

use std::sync::Arc;

use candle_core::Device;
use mt_data::Rows;
use mt_dist::{Collective, Message, Reader};
use mt_features::{Numeric, SparseRows, Table, Task, TaskKind};
use mt_layers::Run;
use mt_metrics::{
    BinarySummary, GroupAuc, GroupWeighting, MulticlassSummary, RegressionSummary, binary_summary, group_auc,
    multiclass_summary, regression_summary,
};
use mt_models::{Features, InputLayer, Model, Readout, predictions, row_width};
use serde::Serialize;

use crate::error::Result;

/// Rows a batch of an evaluation: large enough to be limited by arithmetic, small enough for the cache.
const ROWS: usize = 4096;

/// Everything that turns rows into predictions.
#[derive(Debug)]
pub struct Scorer {
    /// From a batch to the trunk's input.
    pub layer: InputLayer,
    /// From there to logits.
    pub model: Box<dyn Model>,
    /// From there to predictions.
    pub readout: Readout,
    /// Who shares the work: all of them score together.
    pub ranks: Arc<dyn Collective>,
}

impl Scorer {
    /// Predictions `(B, P)`, row-major, of every row in order; see [`Readout::width`].
    ///
    /// # Errors
    /// If the rows do not fit the model.
    pub fn predict(&self, table: &Table, device: &Device) -> Result<Vec<f32>> {
        let mut own = Vec::with_capacity(table.len() / self.ranks.size() * self.readout.width());
        let starts: Vec<usize> = (0..table.len()).step_by(ROWS).collect();
        // One batch a rank at a time, as they fetch what they look up together.
        for starts in starts.chunks(self.ranks.size()) {
            let start = starts.get(self.ranks.rank());
            let batch = start.map(|&start| table.slice(start..(start + ROWS).min(table.len())));
            let features = batch.map(|batch| Features::of(batch)?.to_device(device)).transpose()?;
            for features in self.layer.fetch(features.into_iter().collect())? {
                let run = &mut Run::evaluation();
                let xs = self.model.read(&self.layer.forward(&features, run)?, run)?;
                own.extend(self.readout.predictions(&self.model.forward(&xs, run)?.detach())?);
            }
        }
        self.in_order(own, table.len())
    }

    /// Metrics on rows wherever they are, of which labels and predictions are in memory.
    ///
    /// # Errors
    /// If the rows do not fit the model, or cannot be read.
    pub(crate) fn evaluate(&self, rows: Rows<'_>, tasks: &[Task], device: &Device) -> Result<Evaluation> {
        if let Rows::Table(table) = rows {
            return Ok(Evaluation::new(&self.predict(table, device)?, table, tasks));
        }
        let [mut predictions, mut labels, mut mask, mut labelled] = [const { Vec::new() }; 4];
        rows.each(|block| -> Result<()> {
            predictions.extend(self.predict(block, device)?);
            labels.extend_from_slice(block.labels());
            mask.extend_from_slice(block.mask());
            labelled.extend_from_slice(block.labelled().unwrap_or_default());
            Ok(())
        })?;
        // Rows without features: nothing else is looked at.
        let offsets = vec![0; rows.len() + 1];
        let none = SparseRows { offsets, ..SparseRows::empty(1) };
        let mut table = Table::new(Numeric::Sparse(none), labels, mask, rows.tasks())?;
        if !labelled.is_empty() {
            table = table.with_labelled(labelled)?;
        }
        if let Some(groups) = rows.groups() {
            table = table.with_groups(groups.to_vec())?;
        }
        Ok(Evaluation::new(&predictions, &table, tasks))
    }

    /// Predictions of all ranks in the order of their rows; each has those of every so manieth batch.
    fn in_order(&self, own: Vec<f32>, rows: usize) -> Result<Vec<f32>> {
        let ranks = self.ranks.size();
        if ranks == 1 {
            return Ok(own);
        }
        let mut message = Message::default();
        message.put_floats(&own);
        let messages = self.ranks.gather(message.bytes())?;
        let mut readers: Vec<Reader> = messages.iter().map(|message| Reader::new(message)).collect();
        let mut all = Vec::with_capacity(rows * self.readout.width());
        for (batch, start) in (0..rows).step_by(ROWS).enumerate() {
            let count = (rows - start).min(ROWS) * self.readout.width();
            all.extend(readers[batch % ranks].floats(count)?);
        }
        Ok(all)
    }
}

/// Metrics by task; where `data.weight` makes rows count unlike, they count by their weights in every metric.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Evaluation {
    /// In the order of the schema.
    #[serde(serialize_with = "by_name")]
    pub tasks: Vec<(String, TaskEvaluation)>,
}

/// Metrics of one task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskEvaluation {
    /// On the rows of the task's sample space.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// AUC within the groups of `data.group`, weighted by their rows or these rows' weights; binary tasks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gauc: Option<GroupAuc>,
    /// On all rows with a label, where the task has a sample space (`where`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub everywhere: Option<Metrics>,
}

/// Metrics by the kind of task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    /// Of a label 0 or 1.
    Binary(BinarySummary),
    /// Of a class.
    Multiclass(MulticlassSummary),
    /// Of a number.
    Regression(RegressionSummary),
}

impl Metrics {
    /// How well rows are ranked, from 0 to 1, by chance ½: AUC, the mean AUC of the classes, or XAUC.
    pub fn ranking(&self) -> Option<f64> {
        match self {
            Self::Binary(summary) => summary.auc,
            Self::Multiclass(summary) => summary.macro_auc,
            Self::Regression(summary) => summary.xauc,
        }
    }

    /// Log loss; a regression has none.
    pub fn log_loss(&self) -> Option<f64> {
        match self {
            Self::Binary(summary) => summary.log_loss,
            Self::Multiclass(summary) => summary.log_loss,
            Self::Regression(_) => None,
        }
    }

    /// Rows with a label.
    pub fn rows(&self) -> usize {
        match self {
            Self::Binary(summary) => summary.rows,
            Self::Multiclass(summary) => summary.rows,
            Self::Regression(summary) => summary.count,
        }
    }

    /// The sum of the weights of these rows; `None` if all count alike, and nothing is weighted.
    pub fn weight(&self) -> Option<f64> {
        match self {
            Self::Binary(summary) => summary.weight,
            Self::Multiclass(summary) => summary.weight,
            Self::Regression(summary) => summary.weight,
        }
    }

    fn new(kind: TaskKind, rows: &Scored) -> Self {
        let Scored { predictions, labels, .. } = rows;
        let weights = rows.weights.as_deref();
        match kind {
            TaskKind::Binary | TaskKind::BinarySoftmax => {
                Self::Binary(binary_summary(predictions, labels, weights))
            }
            TaskKind::Multiclass { classes } => {
                Self::Multiclass(multiclass_summary(predictions, labels, classes as usize, weights))
            }
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                Self::Regression(regression_summary(predictions, labels, weights))
            }
        }
    }
}

fn by_name<S: serde::Serializer>(
    tasks: &[(String, TaskEvaluation)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(tasks.iter().map(|(name, summary)| (name, summary)))
}

impl Evaluation {
    /// Scores predictions `(B, P)` against the labels that are present.
    pub fn new(predictions: &[f32], table: &Table, tasks: &[Task]) -> Self {
        let score = |(t, task): (usize, &Task)| {
            let rows = Scored::new(predictions, table, tasks, t, table.mask());
            let metrics = Metrics::new(task.kind, &rows);
            let gauc = match &rows.groups {
                Some(groups) if task.kind.is_binary() => {
                    let Scored { predictions, labels, weights, .. } = &rows;
                    let weighting = GroupWeighting::Impressions;
                    Some(group_auc(predictions, labels, groups, weighting, weights.as_deref()))
                }
                _ => None,
            };
            let differs = |labelled: &&[f32]| {
                let counts = labelled.iter().zip(table.mask()).skip(t).step_by(tasks.len());
                counts.into_iter().any(|(&everywhere, &within)| everywhere != within)
            };
            let everywhere = table
                .labelled()
                .filter(differs)
                .map(|mask| Metrics::new(task.kind, &Scored::new(predictions, table, tasks, t, mask)));
            (task.name.clone(), TaskEvaluation { metrics, gauc, everywhere })
        };
        Self { tasks: tasks.iter().enumerate().map(score).collect() }
    }

    /// The mean over all tasks of a metric; `None` if it is undefined for one of them.
    pub fn mean(&self, metric: impl Fn(&Metrics) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.tasks.iter().map(|(_, task)| metric(&task.metrics)).collect();
        values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// Whether rows count by their weights in some task.
    pub fn weighted(&self) -> bool {
        let of = |task: &TaskEvaluation| task.metrics.weight().or_else(|| task.everywhere?.weight());
        self.tasks.iter().any(|(_, task)| of(task).is_some())
    }

    /// The metrics of a task.
    pub fn task(&self, name: &str) -> Option<&TaskEvaluation> {
        self.tasks.iter().find(|(task, _)| task == name).map(|(_, evaluation)| evaluation)
    }
}

/// The rows of one task that have a label.
#[derive(Debug, Clone)]
pub struct Scored {
    /// Predictions, `classes` a row of a multiclass task.
    pub predictions: Vec<f32>,
    /// Labels.
    pub labels: Vec<f32>,
    /// Groups, if the table has them.
    pub groups: Option<Vec<u32>>,
    /// Weights; `None` where they are all the same.
    pub weights: Option<Vec<f32>>,
}

impl Scored {
    /// The rows of task number `task` where `mask` `(B, T)` is not 0, which is then their weight, of predictions `(B, P)`.
    pub fn new(all: &[f32], table: &Table, tasks: &[Task], task: usize, mask: &[f32]) -> Self {
        let before = tasks[..task].iter().map(|task| predictions(task.kind));
        let (at, width, of_row) = (before.sum::<usize>(), predictions(tasks[task].kind), row_width(tasks));
        let present = || (0..table.len()).filter(|row| mask[row * tasks.len() + task] != 0.0);
        let own = |row| &all[row * of_row + at..][..width];
        let weights: Vec<f32> = present().map(|row| mask[row * tasks.len() + task]).collect();
        Self {
            predictions: present().flat_map(own).copied().collect(),
            labels: present().map(|row| table.labels()[row * tasks.len() + task]).collect(),
            groups: table.groups().map(|groups| present().map(|row| groups[row]).collect()),
            weights: weights.windows(2).any(|pair| pair[0] != pair[1]).then_some(weights),
        }
    }
}
