//! Tasks that predict a product of heads' probabilities (`click * cvr`): loss, training, metrics, refusals.

use std::collections::BTreeMap;
use std::path::Path;

use approx::assert_relative_eq;
use candle_core::{DType, Device, Result, Tensor};
use mt_bundle::Predictor;
use mt_features::{Task, TaskKind, heads};
use mt_layers::{Input, Param, Params};
use mt_models::{ModelConfig, build, count, inventory};
use mt_train::{Config, Event, Labelled, Objective, read_state};

use crate::fields::{assert_goes_on, bits, config, folder, load, predictions_of_the_best, rows, run_in};

/// Clicks, what is bought over all rows, and what is bought of the clicks, which is looked at and not trained.
const ESMM: &str = "tasks=[{name: click, label: click}, {name: buy, label: click && buy, prediction: click * cvr}, \
                    {name: cvr, label: buy, where: click}]";
const LOOKED_AT: &str = "train.task_weights={cvr: 0}";

/// The same without the last task: `cvr` is a head without a label. What is returned of all is a longer chain.
const CHAIN: &str = "tasks=[{name: click, label: click}, {name: buy, label: click && buy, prediction: click * cvr}, \
                     {name: kept, label: click && buy && play > 0.3, prediction: click * cvr * keep}]";

fn tasks() -> [Task; 2] {
    let prediction = "click * cvr".parse().ok();
    [Task::new("click", TaskKind::Binary), Task { prediction, ..Task::new("buy", TaskKind::Binary) }]
}

/// PyTorch's 64-bit numbers for a bottom of 3 units below two linear towers, weights and biases `sin(1.3 i)`:
///
/// ```python
/// import torch
/// torch.set_default_dtype(torch.float64)
/// def w(*shape, at):
///     n = torch.Size(shape).numel()
///     return torch.sin(1.3 * (torch.arange(n) + at)).reshape(shape).requires_grad_()
/// bottom, b, towers, c = w(2, 3, at=1), w(3, at=7), w(2, 3, at=10), w(2, at=16)
/// x = torch.tensor([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5], [1.0, 1.0]])
/// click, buy = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([1.0, 0.0, 0.0, 1.0])
/// p = torch.sigmoid(torch.relu(x @ bottom + b) @ towers.T + c)
/// bce = torch.nn.functional.binary_cross_entropy
/// loss = bce(p[:, 0], click) + 2 * bce(p[:, 0] * p[:, 1], buy)
/// loss.backward()
/// print(bce(p[:, 0], click).item(), bce(p[:, 0] * p[:, 1], buy).item())
/// for g in [bottom, b, towers, c]: print(g.grad.flatten().tolist())
/// ```
#[test]
fn losses_and_gradients_of_esmm_are_those_of_pytorch() -> Result<()> {
    let tasks = tasks();
    let model = ModelConfig { tower: vec![], ..ModelConfig::new("shared-bottom") }.with("bottom", vec![3]);
    let params = Params::new(1);
    let network =
        build(&model, 2, &heads(&tasks), params.builder(DType::F32, &Device::Cpu)).expect("a model");
    let places = [
        ("bottom.0.weight", 1u8),
        ("bottom.0.bias", 7),
        ("towers.click.0.weight", 10),
        ("towers.cvr.0.weight", 13),
        ("towers.click.0.bias", 16),
        ("towers.cvr.0.bias", 17),
    ];
    let all: BTreeMap<String, Param> =
        params.all().into_iter().map(|param| (param.name.clone(), param)).collect();
    assert_eq!(all.len(), places.len());
    for (name, at) in places {
        let var = &all[name].var;
        let values = (0u8..).map(|i| (1.3 * f64::from(i + at)).sin() as f32).take(var.elem_count()).collect();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
    }
    let xs = Tensor::new(&[[0.5f32, -1.0], [2.0, 0.25], [-0.75, 1.5], [1.0, 1.0]], &Device::Cpu)?;
    let labels = vec![1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
    let batch = Labelled { rows: 4, labels, mask: vec![1.0; 8], groups: None };
    let mut cfg = config(Path::new("."), &[]);
    cfg.train.task_weights = [("buy".to_owned(), 2.0)].into();
    let objective = Objective::new(&cfg, &tasks).map_err(candle_core::Error::wrap)?;
    let mut losses = Vec::new();
    params.backward(|run| {
        let loss = objective.loss(&network.forward(&Input::from(xs.clone()), run)?, &batch);
        let loss = loss.map_err(candle_core::Error::wrap)?;
        losses = loss.tasks.to_vec1::<f32>()?;
        Ok(loss.total)
    })?;
    let expected: [(&str, &[f32]); 6] = [
        (
            "bottom.0.weight",
            &[0.483_790_94, 0.392_675_2, -0.079_067_28, -0.118_580_86, 0.049_084_4, 0.158_134_55],
        ),
        ("bottom.0.bias", &[0.600_788_5, 0.196_337_6, 0.105_423_03]),
        ("towers.click.0.weight", &[0.178_887_86, 0.058_321_146, 0.072_950_67]),
        ("towers.cvr.0.weight", &[-0.739_911_3, 0.011_737_944, 0.204_929]),
        ("towers.click.0.bias", &[-0.024_747_777]),
        ("towers.cvr.0.bias", &[-0.520_440_1]),
    ];
    assert_relative_eq!(losses[..], [0.729_737_6, 1.010_035_3], epsilon = 1e-6);
    for (name, gradient) in expected {
        assert_relative_eq!(all[name].gradient.lock().host[..], *gradient, epsilon = 1e-6);
    }
    Ok(())
}

#[test]
fn networks_have_what_belongs_to_a_head_for_heads_alone() {
    for (kind, own) in [
        ("shared-bottom", &["towers"][..]),
        ("single-task", &["bottoms", "towers"]),
        ("aitm", &["bottoms", "towers"]),
        ("dbmtl", &["specific", "towers"]),
        ("ppnet", &["bottoms", "gates", "towers"]),
        ("mmoe", &["gates", "towers"]),
        ("cgc", &["experts", "gates", "towers"]),
        ("ple", &["levels.0.experts", "levels.0.gates", "levels.1.experts", "levels.1.gates", "towers"]),
    ] {
        let cfg = ModelConfig::new(kind);
        let found = inventory(&cfg, 9, &heads(&tasks())).expect("a model");
        for part in own {
            let has = |head: &str| found.keys().any(|name| name.starts_with(&format!("{part}.{head}.")));
            assert_eq!(["click", "cvr", "buy"].map(has), [true, true, false], "{kind}: {part}");
        }
        let two = ["click", "cvr"].map(|name| Task::new(name, TaskKind::Binary));
        assert_eq!(count(&found), count(&inventory(&cfg, 9, &heads(&two)).expect("a model")), "{kind}");
    }
}

#[test]
fn a_chain_is_learnt_over_all_rows_and_its_factor_looked_at_among_clicks() {
    let dir = folder(&rows(3000));
    let cfg = config(dir.path(), &[ESMM, LOOKED_AT, "train.epochs=5", "train.select.task=buy"]);
    let data = load(&cfg);
    let mut last = None;
    let (run, outcome) = run_in(&cfg, &data, &dir.path().join("run"), &mut |event| {
        if let Event::Epoch { valid, .. } = event {
            last = valid.clone();
        }
    });
    let predictions = predictions_of_the_best(&run, &outcome, &data);
    for row in predictions.chunks_exact(3) {
        assert_eq!((row[0] * row[2]).to_bits(), row[1].to_bits(), "buy is click times cvr");
    }
    let evaluation = last.expect("an epoch");
    let [click, buy, cvr] = ["click", "buy", "cvr"].map(|task| *evaluation.task(task).expect("a task"));
    assert_eq!((buy.metrics.rows(), buy.everywhere), (click.metrics.rows(), None));
    // Its label is known of clicks only, so that is all the rows there are with one.
    assert!(cvr.metrics.rows() < click.metrics.rows());
    // Users decide all but who clicks, of which a tenth is chance.
    let auc = |task: mt_train::TaskEvaluation| task.metrics.ranking().expect("both classes");
    assert!(auc(cvr) > 0.99 && auc(buy) > 0.9 && auc(click) > 0.85, "{evaluation:?}");
}

#[test]
fn metrics_of_a_factor_are_taken_in_both_spaces_where_it_has_labels_in_both() {
    let dir = folder(&rows(600));
    let cfg = config(dir.path(), &[&ESMM.replace("label: buy", "label: click && buy"), LOOKED_AT]);
    let data = load(&cfg);
    let mut last = None;
    run_in(&cfg, &data, &dir.path().join("run"), &mut |event| {
        if let Event::Epoch { valid, .. } = event {
            last = valid.clone();
        }
    });
    let evaluation = last.expect("an epoch");
    let task = |name: &str| *evaluation.task(name).expect("a task");
    let (cvr, clicks) = (task("cvr"), task("click").metrics.rows());
    assert_eq!(cvr.everywhere.map(|all| all.rows()), Some(clicks));
    assert!(cvr.metrics.rows() < clicks && cvr.metrics.ranking().is_some());
}

#[test]
fn a_head_without_a_label_stands_behind_the_tasks_and_is_not_evaluated() {
    let dir = folder(&rows(600));
    for model in ["mmoe, experts: 2", "single-task", "ple", "cgc, norm: batch"] {
        let model = format!("model={{kind: {model}, gate_fields: {{cvr: [user]}}, embedding: {{width: 4}}}}");
        let model =
            if model.contains("single") { model.replace("gate_fields", "tower_fields") } else { model };
        let cfg = config(dir.path(), &[CHAIN, &model, "train.label_smoothing=0.1", "train.epochs=1"]);
        let data = load(&cfg);
        let path = dir.path().join(model.replace(['/', ':', ' '], ""));
        let (run, outcome) = run_in(&cfg, &data, &path, &mut |event| match event {
            Event::Epoch { valid: Some(valid), .. } => {
                let names: Vec<&str> = valid.tasks.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, ["click", "buy", "kept"]);
            }
            Event::Health { health, .. } => {
                for level in &health.levels {
                    let gates = level.gates.keys().filter(|name| *name != "shared");
                    assert_eq!(gates.collect::<Vec<_>>(), ["click", "cvr", "keep"]);
                }
                assert_eq!(health.gradients.shared.len(), if model.contains("single") { 0 } else { 3 });
            }
            _ => {}
        });
        // click, buy, kept, cvr, keep.
        for row in predictions_of_the_best(&run, &outcome, &data).chunks_exact(5) {
            let expected = [row[0] * row[3], row[0] * row[3] * row[4]];
            assert_eq!(bits(&row[1..3]), bits(&expected), "{model}");
        }
        let predictor = Predictor::load(&run.checkpoint(1), &Device::Cpu).expect("a model");
        assert_eq!((predictor.width(), predictor.signature().format), (5, 3));
    }
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bytes_whatever_the_threads_and_the_method() {
    let dir = folder(&rows(600));
    for method in ["fixed", "famo", "nash"] {
        let cfg = config(dir.path(), &[CHAIN, &format!("train.balance.kind={method}"), "train.epochs=2"]);
        assert_goes_on(&cfg, &load(&cfg), dir.path(), method);
    }
}

#[test]
fn every_method_balances_a_chain_as_a_task_like_others() {
    let dir = folder(&rows(600));
    let data = load(&config(dir.path(), &[CHAIN]));
    for method in
        ["uncertainty", "dwa", "geometric", "gradnorm", "pcgrad", "mgda", "cagrad", "imtl", "aligned"]
    {
        let cfg = config(dir.path(), &[CHAIN, &format!("train.balance.kind={method}"), "train.log_every=2"]);
        let mut lines = 0;
        let (run, _) = run_in(&cfg, &data, &dir.path().join(method), &mut |event| {
            let Event::Progress { tasks, cosines, .. } = event else { return };
            assert!(
                tasks.values().all(|task| task.weight.is_some_and(f64::is_finite)),
                "{method}: {tasks:?}"
            );
            assert_eq!((tasks.len(), cosines.len() % 3), (3, 0), "{method}");
            lines += 1;
        });
        assert!(lines > 5 && read_state(&run.checkpoint(2)).expect("a state").balance.is_some(), "{method}");
    }
}

#[test]
fn what_cannot_be_a_chain_is_refused_at_its_place() {
    let text = |more: &str| {
        format!(
            "version: 1\ndata: {{synth: {{}}}}\ntasks:\n- {{name: click, label: like}}\n- {{name: tab, label: tab, kind: \
             binary-softmax}}\n- {{name: buy, label: completion, prediction: click * cvr}}\n{more}"
        )
    };
    let refused = |set: &str| {
        let text = text("model: {kind: mmoe}\n");
        Config::parse(&text, "run.yaml", &[set.to_owned()]).expect_err("must be refused").to_string()
    };
    let read = |more: &str| Config::parse(&text(more), "run.yaml", &[]).map_err(|error| error.to_string());
    read("model: {kind: mmoe, gate_fields: {cvr: [x]}}\ntrain: {task_losses: {buy: cross-entropy}}\n")
        .expect("valid");
    let unknown = read("model: {kind: mmoe, gate_fields: {buy: [x]}}\n");
    assert_eq!(
        unknown.unwrap_err(),
        "run.yaml:7:40: model.gate_fields.buy: there is no head \"buy\"; the heads are click, tab, cvr"
    );
    let weight = read("model: {kind: mmoe}\ntrain: {task_weights: {cvr: 2}}\n");
    assert_eq!(
        weight.unwrap_err(),
        "run.yaml:8:29: train.task_weights.cvr: there is no task \"cvr\"; the tasks are click, tab, buy"
    );
    for (set, problem) in [
        (
            "tasks[2].prediction=cvr",
            "expected a product of two heads or more, such as `click * cvr`, found \"cvr\": a task without `prediction` \
             has a head of its own",
        ),
        (
            "tasks[2].prediction=click * tab",
            "tasks[2].prediction: expected a task with one logit, of kind: binary, found \"tab\", of kind: binary-softmax",
        ),
        (
            "tasks[2].kind=regression",
            "tasks[2].prediction: a product of probabilities is of kind: binary, found regression",
        ),
        (
            "train.loss=paddlerec-log",
            "train.loss: expected cross-entropy, as buy predicts a product of probabilities; other tasks may have others \
             in train.task_losses",
        ),
        (
            "train.task_losses={buy: {focal: {gamma: 2}}}",
            "train.task_losses.buy: expected cross-entropy, which a product of probabilities (tasks[].prediction) has",
        ),
    ] {
        let found = refused(set);
        assert!(found.starts_with(&format!("--set {set}")) || found.starts_with("run.yaml:6:"), "{found}");
        assert!(found.ends_with(problem), "{found}");
    }
}
