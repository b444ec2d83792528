//! From logits to what a task predicts.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{DType, Tensor};
use mt_features::{Head, Task, TaskKind, heads, logit_columns, predicted};
use mt_kernels::simd;
use mt_layers::{ordinal_base, ziln_log_mean};

use crate::error::{Error, Result};
use crate::link::Link;
use crate::ordinal::Ordinal;
use crate::target::Target;

/// What each task predicts from the heads' logits: the only place with a sigmoid or a softmax over classes.
#[derive(Debug, Clone)]
pub struct Readout {
    /// Logits `L` a row.
    logits: usize,
    outputs: Vec<Output>,
}

/// What is made of the logits of a row.
#[derive(Debug, Clone)]
enum Output {
    /// Of those of one head.
    Own {
        columns: Range<usize>,
        kind: TaskKind,
        link: Link,
        /// Factor and summand of a regression's output before its link, if its labels were scaled.
        scale: Option<(f32, f32)>,
    },
    /// Of one logit each of several heads the product of their probabilities.
    Product(Vec<usize>),
    /// Of those of one head what each adds by its probability to the least there is; with each step the base of its logit.
    Steps { start: usize, least: f32, steps: Vec<(f32, f32)> },
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
        let output = |(task, columns): (&Task, Vec<usize>)| {
            if task.prediction.is_some() {
                return Output::Product(columns);
            }
            let link = links.get(&task.name).copied().unwrap_or_default();
            let scale = targets.get(&task.name).map(|target| target.undo(link));
            let start = columns.first().copied().unwrap_or_default();
            if let TaskKind::Ordinal { .. } = task.kind {
                let fitted = targets.get(&task.name).and_then(|target| target.ordinal.as_ref());
                let fitted = fitted.filter(|fitted| fitted.thresholds.len() == columns.len());
                let (least, steps) =
                    fitted.map_or_else(|| Ordinal::numbered(columns.len()).steps(), Ordinal::steps);
                let base = |k| ordinal_base(k, columns.len());
                let steps = steps.into_iter().enumerate().map(|(k, step)| (base(k), step)).collect();
                return Output::Steps { start, least, steps };
            }
            Output::Own { columns: start..start + columns.len(), kind: task.kind, link, scale }
        };
        let predicted = predicted(tasks);
        let outputs = predicted.iter().zip(logit_columns(&predicted)).map(output).collect();
        Self { logits: heads(tasks).iter().map(Head::outputs).sum(), outputs }
    }

    /// Predictions `P` a row: one a task, `classes` of a multiclass one, and one a head without a label.
    #[inline]
    pub fn width(&self) -> usize {
        let width = |output: &Output| match output {
            Output::Own { kind, .. } => predictions(*kind),
            Output::Product(_) | Output::Steps { .. } => 1,
        };
        self.outputs.iter().map(width).sum()
    }

    /// Logits `(B, L)` to predictions `(B, P)`, row-major, task after task and then the heads without a label: the
    /// probability of the positive class, of each class, or the predicted number.
    ///
    /// # Errors
    /// [`Error::Logits`] if the logits are not those of the tasks' heads.
    pub fn predictions(&self, logits: &Tensor) -> Result<Vec<f32>> {
        let mut out = Vec::new();
        self.predictions_into(logits, &mut out)?;
        Ok(out)
    }

    /// As [`Readout::predictions`], appended to `out`.
    ///
    /// # Errors
    /// As [`Readout::predictions`].
    #[inline]
    pub fn predictions_into(&self, logits: &Tensor, out: &mut Vec<f32>) -> Result<()> {
        let (rows, columns) = logits.dims2()?;
        if columns != self.logits {
            return Err(Error::Logits { found: columns, expected: self.logits });
        }
        let logits = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        out.reserve(rows * self.width());
        for row in logits.chunks_exact(columns.max(1)) {
            for output in &self.outputs {
                match output {
                    Output::Product(columns) => {
                        out.push(columns.iter().map(|&head| simd::sigmoid(row[head])).product());
                    }
                    Output::Steps { start, least, steps } => {
                        let read = row[*start..].iter().zip(steps);
                        out.push(
                            read.fold(*least, |sum, (&z, (base, step))| sum + simd::sigmoid(z + base) * step),
                        );
                    }
                    Output::Own { columns, kind, link, scale } => {
                        own(&row[columns.clone()], *kind, (*link, *scale), out);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Predictions of a task from the logits of its own head.
#[inline]
fn own(logits: &[f32], kind: TaskKind, (link, scale): (Link, Option<(f32, f32)>), out: &mut Vec<f32>) {
    match kind {
        TaskKind::Binary => out.push(simd::sigmoid(logits[0])),
        TaskKind::BinarySoftmax => out.push(simd::sigmoid(logits[1] - logits[0])),
        TaskKind::Multiclass { .. } => softmax(logits, out),
        TaskKind::Regression | TaskKind::Ordinal { .. } => out.push(number(logits[0], link, scale)),
        TaskKind::ZeroInflated => {
            let z = ziln_log_mean([logits[0], logits[1], logits[2]]) as f32;
            out.push(number(z, link, scale));
        }
    }
}

/// Prediction of a regression from its output.
fn number(z: f32, link: Link, scale: Option<(f32, f32)>) -> f32 {
    let z = scale.map_or(z, |(factor, summand)| z * factor + summand);
    match link {
        Link::Identity => z,
        Link::ExpM1 => libm::expm1(z.into()) as f32,
        Link::Exp => libm::exp(z.into()) as f32,
    }
}

/// Predictions a row of a model of these tasks, see [`Readout::width`].
pub fn row_width(tasks: &[Task]) -> usize {
    predicted(tasks).iter().map(|task| predictions(task.kind)).sum()
}

/// Predictions a row of a task of this kind.
pub fn predictions(kind: TaskKind) -> usize {
    match kind {
        TaskKind::Binary
        | TaskKind::BinarySoftmax
        | TaskKind::Regression
        | TaskKind::ZeroInflated
        | TaskKind::Ordinal { .. } => 1,
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
        let tasks = [
            Task::new("like", TaskKind::Binary),
            Task::new("done", TaskKind::BinarySoftmax),
            Task::new("tab", TaskKind::Multiclass { classes: 3 }),
            Task::new("ratio", TaskKind::Regression),
            Task::new("seconds", TaskKind::Regression),
            Task::new("odds", TaskKind::Regression),
            Task::new("spend", TaskKind::ZeroInflated),
        ];
        let exp = |name: &str| (name.to_owned(), Link::Exp);
        let links = [("seconds".to_owned(), Link::ExpM1), exp("odds"), exp("spend")].into();
        let readout = Readout::new(&tasks, &links);
        // σ = 1.
        let s = (1.0 - mt_layers::LEAST_SIGMA).exp_m1().ln() as f32;
        let logits = [0.0, 1.0, 1.0, 0.0, 0.0, 2f32.ln(), -3.5, 0.0, 5f32.ln(), 0.0, 6f32.ln(), s];
        let logits = Tensor::new(&[logits], &Device::Cpu)?;
        let found = readout.predictions(&logits)?;
        let expected = [0.5, 0.5, 0.25, 0.25, 0.5, -3.5, 0.0, 5.0, 3.0 * 0.5f32.exp()];
        assert_eq!(found.len(), readout.width());
        for (found, expected) in found.into_iter().zip(expected) {
            approx::assert_relative_eq!(found, expected, epsilon = 1e-6);
        }
        assert!(matches!(
            readout.predictions(&logits.narrow(1, 0, 4)?),
            Err(Error::Logits { expected: 12, .. })
        ));
        Ok(())
    }

    #[test]
    fn a_product_of_heads_is_predicted_and_so_is_a_head_without_a_label() -> Result<()> {
        let product = |name: &str, product: &str| Task {
            prediction: product.parse().ok(),
            ..Task::new(name, TaskKind::Binary)
        };
        let tasks = [
            product("buy", "click * cvr"),
            Task::new("tab", TaskKind::Multiclass { classes: 2 }),
            Task::new("click", TaskKind::Binary),
            product("return", "click * cvr * regret"),
        ];
        let readout = Readout::new(&tasks, &BTreeMap::new());
        // tab, click, cvr, regret.
        let odds = |odds: f32| odds.ln();
        let logits = Tensor::new(&[[0f32, odds(3.0), odds(4.0), odds(1.0 / 3.0), odds(1.0)]], &Device::Cpu)?;
        let found = readout.predictions(&logits)?;
        let expected = [0.8 * 0.25, 0.25, 0.75, 0.8, 0.8 * 0.25 * 0.5, 0.25, 0.5];
        assert_eq!((found.len(), readout.width(), row_width(&tasks)), (7, 7, 7));
        for (found, expected) in found.into_iter().zip(expected) {
            approx::assert_relative_eq!(found, expected, epsilon = 1e-6);
        }
        Ok(())
    }
}
