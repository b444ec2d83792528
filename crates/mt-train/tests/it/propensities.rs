//! Rows that count by the inverse of a predicted probability.

use std::path::Path;

use candle_core::{Device, Result, Var};
use mt_features::{Task, TaskKind};
use mt_train::{Labelled, Objective};

use crate::fields::config;

/// PyTorch's 64-bit numbers; the second row's probability is below the least one:
///
/// ```python
/// import torch
/// torch.set_default_dtype(torch.float64)
/// z = torch.tensor([[0.4, -1.2], [-6.0, 0.3], [1.5, 2.0], [-0.7, -0.4]], requires_grad=True)
/// click, buy = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 1.0, 0.0])
/// bce = torch.nn.functional.binary_cross_entropy
/// p, r = torch.sigmoid(z).T
/// w = click / p.detach().clamp(min=0.01)
/// losses = [bce(p, click), bce(p * r, buy), (w * bce(r, buy, reduction="none")).sum() / w.sum()]
/// (losses[0] + losses[1] + 0.5 * losses[2]).backward()
/// print([round(l.item(), 6) for l in losses], [round(g, 6) for g in z.grad.flatten().tolist()])
/// ```
#[test]
fn losses_and_gradients_are_those_of_pytorch() -> Result<()> {
    let prediction = "click * cvr".parse().ok();
    let tasks = [
        Task::new("click", TaskKind::Binary),
        Task { prediction, ..Task::new("buy", TaskKind::Binary) },
        Task::new("cvr", TaskKind::Binary),
    ];
    let mut cfg = config(Path::new("."), &[]);
    cfg.train.task_weights = [("cvr".to_owned(), 0.5)].into();
    cfg.train.propensities = [("cvr".to_owned(), "click".to_owned())].into();
    let objective = Objective::new(&cfg, &tasks).expect("losses");
    let labels = vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
    let mask = vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    let batch = Labelled { rows: 4, labels, mask, groups: None };
    let logits = Var::new(&[[0.4f32, -1.2], [-6.0, 0.3], [1.5, 2.0], [-0.7, -0.4]], &Device::Cpu)?;
    let loss = objective.loss(&logits, &batch).map_err(candle_core::Error::wrap)?;
    let expected = [1.780_023, 1.794_312, 0.544_549];
    approx::assert_relative_eq!(loss.tasks.to_vec1::<f32>()?[..], expected, epsilon = 2e-6);
    let gradients = loss.total.backward()?;
    let found = gradients.get(&logits).expect("a gradient").flatten_all()?.to_vec1::<f32>()?;
    let expected =
        [-0.084_188, 0.032_788, -0.498_764, -0.313_185, -0.091_213, -0.030_509, 0.108_614, 0.022_992];
    approx::assert_relative_eq!(found[..], expected, epsilon = 2e-6);
    Ok(())
}

#[test]
fn what_cannot_be_weighed_is_refused_with_its_place() {
    let text = "version: 1
data: {synth: {}}
tasks:
- {name: click, label: 0}
- {name: buy, label: 1, prediction: click * cvr}
- {name: seconds, label: 1, kind: regression}
model: {kind: mmoe}
train: {propensities: {PAIR}, accumulate: 2}
";
    let expected = "expected another task, of the kind binary and with a head of its own";
    for (pair, problem) in [
        ("clik: click", "there is no task \"clik\"; the tasks are click, buy, seconds".to_owned()),
        ("click: kept", "there is no task \"kept\"; the tasks are click, buy, seconds".to_owned()),
        ("click: click", format!("{expected}, found click")),
        ("click: buy", format!("{expected}, found buy")),
        ("click: seconds", format!("{expected}, found seconds")),
    ] {
        let error =
            mt_train::Config::parse(&text.replace("PAIR", pair), "c.yaml", &[]).expect_err(pair).to_string();
        let (task, _) = pair.split_once(':').expect("a pair");
        assert_eq!(error, format!("c.yaml:8:{}: train.propensities.{task}: {problem}", 26 + task.len()));
    }
    let error =
        mt_train::Config::parse(&text.replace("PAIR", "buy: click"), "c.yaml", &[]).expect_err("batches");
    let problem = "buy weighs rows by what a batch predicts, and a step has 2 batches; expected 1, with as large a \
                   train.batch_size";
    assert_eq!(error.to_string(), format!("c.yaml:8:49: train.accumulate: {problem}"));
}
