//! Rows that count by the inverse of a predicted probability.

use std::path::Path;

use candle_core::{Device, Result, Tensor, Var};
use mt_features::{Task, TaskKind};
use mt_train::{Labelled, Objective, PropensityConfig};

use crate::fields::config;

fn tasks() -> [Task; 3] {
    let prediction = "click * cvr".parse().ok();
    [
        Task::new("click", TaskKind::Binary),
        Task { prediction, ..Task::new("buy", TaskKind::Binary) },
        Task::new("cvr", TaskKind::Binary),
    ]
}

/// Four rows, of which the last was not clicked; its label of `cvr` is no number.
fn batch() -> Labelled {
    let labels = vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, f32::NAN];
    let mask = vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    Labelled { rows: 4, labels, mask, groups: None }
}

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
    let tasks = tasks();
    let mut cfg = config(Path::new("."), &[]);
    cfg.train.task_weights = [("cvr".to_owned(), 0.5)].into();
    cfg.train.propensities = [("cvr".to_owned(), "click".into())].into();
    let objective = Objective::new(&cfg, &tasks).expect("losses");
    let batch = batch();
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

/// PyTorch's 64-bit numbers, of rows that weigh differently:
///
/// ```python
/// import torch
/// torch.set_default_dtype(torch.float64)
/// z = torch.tensor([[0.4, -1.2, -0.5], [-6.0, 0.3, 1.1], [1.5, 2.0, 0.0], [-0.7, -0.4, 0.6]], requires_grad=True)
/// click, buy, w = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 1.0, 0.0]), torch.tensor([1.0, 2.0, 1.0, 0.5])
/// bce = torch.nn.functional.binary_cross_entropy
/// p, r, _ = torch.sigmoid(z).T
/// o, imputed = click / p.detach().clamp(min=0.01), torch.nn.functional.softplus(z[:, 2])
/// error = bce(r, buy, reduction="none") - imputed
/// losses = [(w * bce(p, click, reduction="none")).sum() / w.sum(), (w * bce(p * r, buy, reduction="none")).sum() / w.sum()]
/// losses.append((w * (imputed + o * error + o * error ** 2)).sum() / w.sum())
/// (losses[0] + losses[1] + 0.5 * losses[2]).backward()
/// print([round(l.item(), 6) for l in losses], [round(g, 6) for g in z.grad.flatten().tolist()])
/// ```
#[test]
fn losses_and_gradients_with_what_is_imputed_are_those_of_pytorch() -> Result<()> {
    let (objective, mut batch) = (imputing(&[("cvr", 0.5)]), batch());
    let weigh = |(mask, weight): (&mut [f32], f32)| mask.iter_mut().for_each(|mask| *mask *= weight);
    batch.mask.chunks_exact_mut(3).zip([1.0, 2.0, 1.0, 0.5]).for_each(weigh);
    let logits = [[0.4f32, -1.2, -0.5], [-6.0, 0.3, 1.1], [1.5, 2.0, 0.0], [-0.7, -0.4, 0.6]];
    let logits = Var::new(&logits, &Device::Cpu)?;
    let loss = objective.loss(&logits, &batch).map_err(candle_core::Error::wrap)?;
    let expected = [2.871_327, 3.036_14, -5.320_557];
    approx::assert_relative_eq!(loss.tasks.to_vec1::<f32>()?[..], expected, max_relative = 2e-6);
    let gradients = loss.total.backward()?;
    let found = gradients.get(&logits).expect("a gradient").flatten_all()?.to_vec1::<f32>()?;
    let expected = [
        -0.074_834, 0.052_323, 0.001_421, -0.886_691, 6.108_737, 11.269_91, -0.081_078, -0.024_344,
        0.064_555, 0.048_273, 0.010_219, 0.035_87,
    ];
    approx::assert_relative_eq!(found[..], expected, epsilon = 2e-6, max_relative = 2e-6);
    Ok(())
}

/// `click`, `buy` of `click * cvr` and `cvr`, whose loss is imputed; with these weights.
fn imputing(weights: &[(&str, f32)]) -> Objective {
    let (mut cfg, mut tasks) = (config(Path::new("."), &[]), tasks());
    let imputed = Some("cvr_error".to_owned());
    tasks[2].imputed.clone_from(&imputed);
    cfg.train.task_weights = weights.iter().map(|(task, weight)| ((*task).to_owned(), *weight)).collect();
    cfg.train.propensities =
        [("cvr".to_owned(), PropensityConfig { of: "click".to_owned(), imputed })].into();
    Objective::new(&cfg, &tasks).expect("losses")
}

#[test]
fn right_errors_make_any_probability_right() -> Result<()> {
    let objective = imputing(&[]);
    let cvr = [-1.2f32, 0.3, 2.0, -0.4];
    // Had it been seen, the last row would have been no purchase.
    let bought = [0.0, 1.0, 1.0, 0.0];
    let errors = cvr.iter().zip(bought).map(|(z, y)| f64::from(*z).exp().ln_1p() - f64::from(*z) * y);
    let errors: Vec<f64> = errors.collect();
    let mut found = Vec::new();
    for click in [[0.4f32, -6.0, 1.5, -0.7], [-2.0, 3.0, 0.1, 4.0]] {
        let row = |i: usize| [click[i], cvr[i], errors[i].exp_m1().ln() as f32];
        let logits = Tensor::new(&[row(0), row(1), row(2), row(3)], &Device::Cpu)?;
        let loss = objective.loss(&logits, &batch()).map_err(candle_core::Error::wrap)?;
        found.push(loss.tasks.to_vec1::<f32>()?[2]);
    }
    let expected = (errors.iter().sum::<f64>() / 4.0) as f32;
    approx::assert_relative_eq!(found[..], [expected; 2][..], max_relative = 1e-4);
    Ok(())
}

#[test]
fn a_batch_without_a_label_of_the_task_leaves_it_and_what_is_imputed_alone() -> Result<()> {
    let (objective, mut batch) = (imputing(&[]), batch());
    batch.mask.iter_mut().skip(2).step_by(3).for_each(|mask| *mask = 0.0);
    let logits =
        Var::new(&[[0.4f32, -1.2, -0.5], [1.0, 0.3, 1.1], [1.5, 2.0, 0.0], [-0.7, -0.4, 0.6]], &Device::Cpu)?;
    let loss = objective.loss(&logits, &batch).map_err(candle_core::Error::wrap)?;
    assert_eq!(loss.tasks.to_vec1::<f32>()?[2], 0.0);
    let slopes = loss.total.backward()?.get(&logits).expect("a gradient").to_vec2::<f32>()?;
    assert!(slopes.iter().all(|row| row[2] == 0.0 && row[0] != 0.0), "{slopes:?}");
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
train: {propensities: {PAIR}, shards: 2}
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
    let refused = |imputed: &str, set: &[&str]| {
        let pair = format!("cvr: {{of: click, imputed: {imputed}}}");
        let (text, set) =
            (text.replace("PAIR", &pair), set.iter().map(|&set| set.to_owned()).collect::<Vec<_>>());
        mt_train::Config::parse(&text, "c.yaml", &set).expect_err(imputed).to_string()
    };
    let one = ["train.shards=1", "tasks[2]={name: cvr, label: 1, where: 0}"];
    let also = |set: &'static str| [&one[..], &[set]].concat();
    for (found, expected) in [
        (refused("click", &one), "imputed: \"click\" is a task; expected a name of its own"),
        (
            refused("a.b", &one),
            "imputed: \"a.b\" cannot name a head: dots, slashes and blanks have a meaning in parameter names",
        ),
        (
            refused("keep", &also("tasks[1].prediction=click * keep")),
            "imputed: \"keep\" is a factor of a prediction; expected a name of its own",
        ),
        (
            refused("error", &also("tasks[2].kind=regression")),
            "imputed: expected cvr to be of the kind binary and with a head of its own",
        ),
        (
            refused("error", &also("train.task_losses.cvr=paddlerec-log")),
            "imputed: expected cvr to have the loss cross-entropy, which a row has by itself",
        ),
        (
            refused("error", &also("train.balance.kind=famo")),
            "famo needs losses above 0, and that of cvr may be below with an imputed one (train.propensities); expected fixed, schedule, random or a method of gradients other than gradnorm",
        ),
        (
            refused("error}, buy: {of: click, imputed: error", &one),
            "imputed: \"error\" is imputed for two tasks; expected a name of its own for each",
        ),
        (
            refused("error, by: 3", &one),
            "train.propensities.cvr: unknown key \"by\" (expected one of: of, imputed)",
        ),
    ] {
        assert!(found.ends_with(expected), "{found}");
    }
    let error =
        mt_train::Config::parse(&text.replace("PAIR", "buy: click"), "c.yaml", &[]).expect_err("shards");
    let problem = "buy weighs rows by what all of a step predict, and it has 2 shards; expected 1";
    assert_eq!(error.to_string(), format!("c.yaml:8:45: train.shards: {problem}"));
}
