//! Metrics of the training steps between two lines of the log.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::Tensor;
use mt_features::Task;
use mt_metrics::StreamingAuc;
use mt_models::{Readout, predictions};
use serde::Serialize;

use crate::error::{Error, Result};

/// What a step leaves to be looked at. Its tensors are still on the device: to read them is to wait for it.
pub(crate) struct Step {
    pub step: u64,
    pub epoch: usize,
    /// Rows of the batch, in the order of the epoch.
    pub rows: Range<usize>,
    pub total: Tensor,
    pub losses: Tensor,
    /// Of this rank's rows, as labels and mask are.
    pub logits: Option<Tensor>,
    pub labels: Vec<f32>,
    pub mask: Vec<f32>,
}

impl Step {
    /// Waits for its loss.
    ///
    /// # Errors
    /// [`Error::Diverged`] if that is not finite.
    pub fn check(&self) -> Result<()> {
        let loss = self.total.to_scalar::<f32>()?;
        if loss.is_finite() {
            return Ok(());
        }
        let Step { step, epoch, rows, .. } = self;
        Err(Error::Diverged { loss, step: *step, epoch: *epoch, rows: rows.clone(), culprit: None })
    }
}

/// Loss and AUC of a task over some steps.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct TaskProgress {
    /// Mean loss of the steps.
    pub loss: f64,
    /// AUC over their rows, by weight, from a histogram; `None` if a class is absent, or for a task that is not binary.
    pub auc: Option<f64>,
    /// Mean weight that loss balancing gave it, besides `train.task_weights`; `None` for fixed weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// Sums over the steps read so far.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    tasks: &'a [Task],
    readout: Readout,
    auc: Vec<StreamingAuc>,
    loss: Vec<f64>,
    total: f64,
    steps: u64,
}

impl<'a> Running<'a> {
    pub fn new(tasks: &'a [Task], readout: Readout) -> Self {
        let auc = vec![StreamingAuc::new(); tasks.len()];
        Self { tasks, readout, auc, loss: vec![0.0; tasks.len()], total: 0.0, steps: 0 }
    }

    /// Steps since the last [`take`](Self::take).
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Adds a step's results.
    ///
    /// # Errors
    /// If its tensors cannot be read.
    pub fn add(&mut self, step: &Step) -> Result<()> {
        self.total += f64::from(step.total.to_scalar::<f32>()?);
        self.steps += 1;
        let losses = step.losses.to_vec1::<f32>()?;
        self.loss.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += f64::from(loss));
        let Some(logits) = &step.logits else { return Ok(()) };
        let (scores, width) = (self.readout.predictions(logits)?, self.readout.width());
        let (tasks, mut at) = (self.tasks.len(), 0);
        for (t, (task, auc)) in self.tasks.iter().zip(&mut self.auc).enumerate() {
            if task.kind.is_binary() {
                let labelled = step.labels.iter().zip(&step.mask).skip(t).step_by(tasks);
                let own = scores.iter().skip(at).step_by(width);
                for (&score, (&label, &weight)) in own.zip(labelled) {
                    auc.add(score, label, weight);
                }
            }
            at += predictions(task.kind);
        }
        Ok(())
    }

    /// The mean total loss and each task's progress; starts anew.
    pub fn take(&mut self) -> (f64, BTreeMap<String, TaskProgress>) {
        let steps = self.steps.max(1) as f64;
        let mut tasks = BTreeMap::new();
        for ((task, auc), loss) in self.tasks.iter().zip(&mut self.auc).zip(&mut self.loss) {
            tasks.insert(
                task.name.clone(),
                TaskProgress { loss: *loss / steps, auc: auc.auc(), weight: None },
            );
            auc.reset();
            *loss = 0.0;
        }
        let total = self.total / steps;
        (self.total, self.steps) = (0.0, 0);
        (total, tasks)
    }
}
