//! Losses over what several tasks predict together.

use std::sync::Arc;

use candle_core::{Result, Tensor, bail};
use mt_features::{Table, Task};
use mt_models::{Coupling, JointLoss, JointRows, Target};

use crate::config::Config;
use crate::error::Error;
use crate::labelled::Labelled;

/// A joint loss, and where its tasks are.
#[derive(Debug, Clone)]
pub(crate) struct Joint {
    pub loss: Arc<dyn JointLoss>,
    pub weight: f64,
    /// Places among the tasks.
    pub tasks: Vec<usize>,
}

impl Joint {
    /// Those of a configuration.
    ///
    /// # Errors
    /// As [`Config::joint_losses`], and for rows that have not their tasks.
    pub fn all(cfg: &Config, tasks: &[Task]) -> crate::Result<Vec<Self>> {
        let joint = |(weight, loss): (f64, Box<dyn JointLoss>)| {
            let tasks = Config::joint_places(&*loss, tasks)?;
            Ok(Self { loss: loss.into(), weight, tasks })
        };
        cfg.joint_losses()?.into_iter().map(joint).collect()
    }

    /// Refuses rows without groups where a loss compares those of one.
    pub fn check_groups(cfg: &Config, table: &Table) -> crate::Result<()> {
        for ((_, loss), written) in cfg.joint_losses()?.iter().zip(&cfg.train.joint_losses) {
            if loss.coupling() == Coupling::Group && table.groups().is_none() {
                let at = "configuration".to_owned();
                return Err(Error::ungrouped(at, "train.joint_losses", &written.name));
            }
        }
        Ok(())
    }

    /// Whether it compares the rows of a group.
    pub fn couples_groups(&self) -> bool {
        self.loss.coupling() == Coupling::Group
    }

    /// Its weighted loss, of what `logits` gives of a task: its logits `(B, k)`, and how a regression's labels are scaled.
    pub fn weighted<'a>(
        &self,
        batch: &Labelled,
        logits: impl Fn(usize) -> Result<(Tensor, Option<&'a Target>)>,
    ) -> Result<Tensor> {
        let all = batch.labels.len() / batch.rows.max(1);
        let own = |&task: &usize| match logits(task)? {
            (logits, Some(Target { mean, sd, .. })) => logits.affine(*sd, *mean),
            (logits, None) => Ok(logits),
        };
        let column = |values: &[f32], task: usize| values.iter().skip(task).step_by(all).copied().collect();
        let of = |values: &[f32]| -> Vec<Vec<f32>> {
            self.tasks.iter().map(|&task| column(values, task)).collect()
        };
        let own = self.tasks.iter().map(own).collect::<Result<Vec<_>>>()?;
        let (labels, weights) = (of(&batch.labels), of(&batch.mask));
        let found =
            self.loss.forward(&JointRows::new(&own, (&labels, &weights), batch.groups.as_deref())?)?;
        if found.rank() != 0 {
            bail!("{:?} gives a loss {:?}; expected a scalar", self.loss, found.shape())
        }
        found * self.weight
    }
}
