//! Metrics of the training steps between two lines of the log.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::Tensor;
use mt_data::Task;
use mt_metrics::StreamingAuc;
use mt_models::probabilities;
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
    pub logits: Tensor,
    pub labels: Vec<f32>,
    pub mask: Vec<f32>,
}

/// Loss and AUC of a task over some steps.
#[derive(Debug, Clone, Serialize)]
pub struct TaskProgress {
    /// Mean loss of the steps.
    pub loss: f64,
    /// AUC over their rows, from a histogram; `None` if a class is absent.
    pub auc: Option<f64>,
}

/// Sums over the steps read so far.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    tasks: &'a [Task],
    auc: Vec<StreamingAuc>,
    loss: Vec<f64>,
    total: f64,
    steps: u64,
}

impl<'a> Running<'a> {
    pub fn new(tasks: &'a [Task]) -> Self {
        let auc = vec![StreamingAuc::new(); tasks.len()];
        Self { tasks, auc, loss: vec![0.0; tasks.len()], total: 0.0, steps: 0 }
    }

    /// Reads a step's results.
    ///
    /// # Errors
    /// [`Error::Diverged`] if its loss is not finite.
    pub fn read(&mut self, step: Step) -> Result<()> {
        let loss = step.total.to_scalar::<f32>()?;
        if !loss.is_finite() {
            let Step { step, epoch, rows, .. } = step;
            return Err(Error::Diverged { loss, step, epoch, rows });
        }
        self.total += f64::from(loss);
        self.steps += 1;
        let losses = step.losses.to_vec1::<f32>()?;
        self.loss.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += f64::from(loss));
        let probabilities = probabilities(&step.logits, self.tasks)?;
        let tasks = self.tasks.len();
        let labelled = step.labels.chunks_exact(tasks).zip(step.mask.chunks_exact(tasks));
        for (p, (y, m)) in probabilities.chunks_exact(tasks).zip(labelled) {
            for (t, auc) in self.auc.iter_mut().enumerate() {
                if m[t] != 0.0 {
                    auc.add(p[t], y[t]);
                }
            }
        }
        Ok(())
    }

    /// The mean total loss and each task's progress; starts anew.
    pub fn take(&mut self) -> (f64, BTreeMap<String, TaskProgress>) {
        let steps = self.steps.max(1) as f64;
        let mut tasks = BTreeMap::new();
        for ((task, auc), loss) in self.tasks.iter().zip(&mut self.auc).zip(&mut self.loss) {
            tasks.insert(task.name.clone(), TaskProgress { loss: *loss / steps, auc: auc.auc() });
            auc.reset();
            *loss = 0.0;
        }
        let total = self.total / steps;
        (self.total, self.steps) = (0.0, 0);
        (total, tasks)
    }
}
