//! From logits to what a task predicts.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use mt_features::{Task, TaskKind};
use mt_layers::{LossKind, simd};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::target::Target;

/// From the output of a regression to its prediction, the inverse of what its loss compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The output itself.
    #[default]
    Identity,
    /// `e^z - 1`, of a loss on `ln(1 + y)`.
    ExpM1,
    /// `e^z`, the odds of a weighted logistic regression.
    Exp,
}

impl Link {
    /// What undoes a loss.
    pub fn of(loss: LossKind) -> Self {
        match loss {
            LossKind::LogMse => Self::ExpM1,
            LossKind::WeightedLogistic => Self::Exp,
            _ => Self::Identity,
        }
    }
}

/// What each task predicts from its logits: the only place with a sigmoid or a softmax over classes.
#[derive(Debug, Clone)]
pub struct Readout {
    heads: Vec<Head>,
}

/// What is made of a task's logits.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: TaskKind,
    link: Link,
    /// Factor and summand of a regression's output before its link, if its labels were scaled.
    scale: Option<(f32, f32)>,
}

impl Readout {
    /// For these tasks; `links` of the regressions by name, [`Link::Identity`] where it has none.
    pub fn new(tasks: &[Task], links: &BTreeMap<String, Link>) -> Self {
        Self::scaled(tasks, links, &BTreeMap::new())
    }

    /// The same where the labels of the regressions named in `targets` were scaled.
    pub fn scaled(
        tasks: &[Task],
        links: &BTreeMap<String, Link>,
        targets: &BTreeMap<String, Target>,
    ) -> Self {
        let head = |task: &Task| {
            let link = links.get(&task.name).copied().unwrap_or_default();
            let scale = targets.get(&task.name).map(|target| target.undo(link));
            Head { kind: task.kind, link, scale }
        };
        Self { heads: tasks.iter().map(head).collect() }
    }

    /// Predictions `P` a row: one a task, `classes` of a multiclass one.
    pub fn width(&self) -> usize {
        self.heads.iter().map(|head| predictions(head.kind)).sum()
    }

    /// Logits `(B, L)` to predictions `(B, P)`, row-major, task after task: the probability of the positive class,
    /// of each class, or the predicted number.
    ///
    /// # Errors
    /// [`Error::Logits`] if the logits are not those of the tasks.
    pub fn predictions(&self, logits: &Tensor) -> Result<Vec<f32>> {
        let mut out = Vec::new();
        self.predictions_into(logits, &mut out)?;
        Ok(out)
    }

    /// As [`Readout::predictions`], appended to `out`.
    ///
    /// # Errors
    /// As [`Readout::predictions`].
    pub fn predictions_into(&self, logits: &Tensor, out: &mut Vec<f32>) -> Result<()> {
        let (rows, columns) = logits.dims2()?;
        let expected: usize = self.heads.iter().map(|head| head.kind.outputs()).sum();
        if columns != expected {
            return Err(Error::Logits { found: columns, expected });
        }
        let logits = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        out.reserve(rows * self.width());
        for row in logits.chunks_exact(columns.max(1)) {
            let mut at = 0;
            for &Head { kind, link, scale } in &self.heads {
                let own = &row[at..at + kind.outputs()];
                match kind {
                    TaskKind::Binary => out.push(simd::sigmoid(own[0])),
                    TaskKind::BinarySoftmax => out.push(simd::sigmoid(own[1] - own[0])),
                    TaskKind::Multiclass { .. } => softmax(own, out),
                    TaskKind::Regression => {
                        let z = scale.map_or(own[0], |(factor, summand)| own[0] * factor + summand);
                        out.push(match link {
                            Link::Identity => z,
                            Link::ExpM1 => libm::expm1(z.into()) as f32,
                            Link::Exp => libm::exp(z.into()) as f32,
                        });
                    }
                }
                at += own.len();
            }
        }
        Ok(())
    }
}

/// Predictions a row of a task of this kind.
pub fn predictions(kind: TaskKind) -> usize {
    match kind {
        TaskKind::Binary | TaskKind::BinarySoftmax | TaskKind::Regression => 1,
        TaskKind::Multiclass { classes } => classes as usize,
    }
}

fn softmax(logits: &[f32], out: &mut Vec<f32>) {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |m, &z| m.max(z));
    let start = out.len();
    out.extend(logits.iter().map(|&z| simd::exp(z - largest)));
    let sum: f32 = out[start..].iter().sum();
    out[start..].iter_mut().for_each(|p| *p /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn every_kind_of_task_predicts_what_its_loss_was_about() -> Result<()> {
        let task = |name: &str, kind| Task { name: name.into(), kind };
        let tasks = [
            task("like", TaskKind::Binary),
            task("done", TaskKind::BinarySoftmax),
            task("tab", TaskKind::Multiclass { classes: 3 }),
            task("ratio", TaskKind::Regression),
            task("seconds", TaskKind::Regression),
            task("odds", TaskKind::Regression),
        ];
        let links = [("seconds".to_owned(), Link::ExpM1), ("odds".to_owned(), Link::Exp)].into();
        let readout = Readout::new(&tasks, &links);
        let logits =
            Tensor::new(&[[0f32, 1.0, 1.0, 0.0, 0.0, 2f32.ln(), -3.5, 0.0, 5f32.ln()]], &Device::Cpu)?;
        let found = readout.predictions(&logits)?;
        let expected = [0.5, 0.5, 0.25, 0.25, 0.5, -3.5, 0.0, 5.0];
        assert_eq!(found.len(), readout.width());
        for (found, expected) in found.into_iter().zip(expected) {
            approx::assert_relative_eq!(found, expected, epsilon = 1e-6);
        }
        assert!(matches!(
            readout.predictions(&logits.narrow(1, 0, 4)?),
            Err(Error::Logits { expected: 9, .. })
        ));
        Ok(())
    }
}
