//! A loss of one's own is trained as those here are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Result, Tensor, Var};
use mt_data::Dataset;
use mt_features::{Table, Task, TaskKind};
use mt_models::{Coupling, LossRows, Registry, Target, TaskLoss, testing};
use mt_train::{Config, Event, Labelled, Objective, RunDir, train};

use crate::fields::{self, assert_same_files, folder, load, rows, run_in};

/// Squared errors of regressions by the weight of their group, of labels from 0; with `centred` less the batch's mean label, which
/// may be below 0.
#[derive(Debug)]
struct Grouped {
    centred: bool,
}

impl TaskLoss for Grouped {
    fn is_for(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Regression
    }

    fn refuses(&self, label: f32) -> Option<String> {
        (label < 0.0).then(|| "a number from 0".to_owned())
    }

    fn forward(&self, rows: &LossRows<'_>) -> Result<Tensor> {
        assert_eq!(rows.logits.dtype(), DType::F32);
        let by_group: Vec<f32> = match rows.groups {
            Some(groups) => groups.iter().map(|&group| 1.0 + group as f32).collect(),
            None => vec![1.0; rows.labels.len()],
        };
        rows.mean(&((rows.logits - rows.targets()?)?.sqr()? * rows.column(&by_group)?)?)
    }

    fn coupling(&self) -> Coupling {
        if self.centred { Coupling::Batch } else { Coupling::None }
    }

    fn may_be_negative(&self) -> bool {
        self.centred
    }
}

fn registry() -> Registry {
    Registry::default().with_loss("softplus", testing::softplus).with_loss("grouped", |section| {
        Ok(Box::new(Grouped { centred: section.get("centred")?.unwrap_or(false) }))
    })
}

fn try_config(dir: &Path, overrides: &[&str]) -> mt_train::Result<Config> {
    let text = fields::config(dir, &[]).to_yaml().expect("yaml");
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    Config::parse_with(&text, "test.yaml", &overrides, &registry())
}

fn config(dir: &Path, overrides: &[&str]) -> Config {
    try_config(dir, overrides).expect("valid")
}

const BOTH: &str = "train.task_losses={click: softplus, buy: {softplus: {scale: 1}}}";
const ONE: &str = "train.task_losses={buy: softplus}";

/// The last checkpoint's tensors by name, and the losses of the log, of which the last is that of an epoch's last steps.
fn trained(dir: &Path, name: &str, overrides: &[&str]) -> (BTreeMap<String, Tensor>, Vec<f64>) {
    let (cfg, mut losses) = (config(dir, overrides), Vec::new());
    let (run, _) = run_in(&cfg, &load(&cfg), &dir.join(name), &mut |event| {
        if let Event::Progress { tasks, .. } = event {
            losses.extend(tasks.values().map(|task| task.loss));
        }
    });
    let path = run.checkpoint(2).join("weights.safetensors");
    (candle_core::safetensors::load(path, &Device::Cpu).expect("tensors").into_iter().collect(), losses)
}

fn assert_close(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>, within: f64, what: &str) {
    assert!(a.keys().eq(b.keys()), "{what}");
    for (name, a) in a {
        let apart = (a - &b[name]).and_then(|error| error.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>());
        let apart = f64::from(apart.expect("numbers"));
        assert!(apart < within, "{what}: {name} is {apart} apart");
    }
}

#[test]
fn cross_entropy_restated_trains_to_the_numbers_of_the_one_here() {
    // Of `buy` more than half of the labels are missing.
    let dir = folder(&rows(2000));
    let still = ["train.optimizer={kind: sgd, lr: 0.5}", "train.table_optimizer={kind: sgd}"];
    let weighted = "train.task_weights={buy: 0.25}";
    for (i, how) in [
        "train.seed=1",
        "train.shards=4",
        "train.balance.kind=pcgrad",
        "train.balance.kind=gradnorm",
        "train.balance.kind=dwa",
        "train.balance.kind=famo",
    ]
    .into_iter()
    .enumerate()
    {
        let sets = |losses| [&still[..], &[weighted, how, losses]].concat();
        let at = |name: &str| format!("{name}-{i}");
        let (built_in, same) = trained(dir.path(), &at("built-in"), &sets("train.task_losses={}"));
        for (name, losses) in [("both", BOTH), ("one", ONE)] {
            let (own, found) = trained(dir.path(), &at(name), &sets(losses));
            assert_close(&built_in, &own, 2e-4, &format!("{how}, {name}"));
            for (a, b) in same.iter().zip(&found) {
                approx::assert_relative_eq!(*a, *b, max_relative = 1e-3);
            }
        }
        let (other, _) =
            trained(dir.path(), &at("other"), &sets("train.task_losses={buy: {softplus: {scale: 3}}}"));
        let differ = |(name, a): (&String, &Tensor)| a.to_string() != other[name].to_string();
        assert!(built_in.iter().any(differ), "{how}");
    }
}

#[test]
fn bytes_do_not_depend_on_threads_and_a_stopped_run_ends_with_the_same() {
    let dir = folder(&rows(3000));
    let cfg =
        config(dir.path(), &[BOTH, "train.balance.kind=pcgrad", "train.batch_size=512", "train.log_every=1"]);
    let path = |name: &str| dir.path().join(name);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| run_in(&cfg, &load(&cfg), &path(&threads.to_string()), &mut |_| ()));
        assert_same_files(
            &path("1").join("checkpoints"),
            &path(&threads.to_string()).join("checkpoints"),
            "threads",
        );
    }
    let stop_at = |step: u64, run: &RunDir, cfg: &Config| {
        let stop = AtomicBool::new(false);
        train(cfg, &load(cfg), &Device::Cpu, run, &stop, &mut |event| {
            if let Event::Progress { step: now, .. } = event {
                stop.store(*now >= step, Ordering::Relaxed);
            }
        })
        .expect("trains")
    };
    assert!(stop_at(3, &RunDir::create(&path("stopped"), &cfg).expect("a folder"), &cfg).interrupted);
    let error = RunDir::resume(&path("stopped")).expect_err("there is no such loss").to_string();
    let missing =
        "train.task_losses.buy: unknown value \"softplus\" (expected one of: cross-entropy, paddlerec-log, ";
    assert!(error.contains(missing) && error.contains("config.yaml:"), "{error}");
    // To look at it, and to predict with it, no loss is needed.
    RunDir::open(&path("stopped")).expect("a run");
    let (run, again) = RunDir::resume_with(&path("stopped"), &registry()).expect("a run");
    stop_at(u64::MAX, &run, &again);
    assert_same_files(&path("1").join("checkpoints"), &path("stopped").join("checkpoints"), "stopped");
}

/// Losses of two own tasks and one that is fused, in the order `seconds, click, watch`.
fn objective(targets: &BTreeMap<String, Target>) -> Objective {
    let text = "version: 1\ndata: {synth: {}}\ntasks: [{name: seconds, label: 0, kind: regression}, {name: click, \
                label: 1}, {name: watch, label: 2, kind: regression}]\nmodel: {kind: mmoe}\ntrain: {task_losses: \
                {seconds: grouped, click: softplus}, task_weights: {seconds: 0.5, click: 2}}\n";
    let cfg = Config::parse_with(text, "test.yaml", &[], &registry()).expect("valid");
    let tasks =
        [("seconds", TaskKind::Regression), ("click", TaskKind::Binary), ("watch", TaskKind::Regression)];
    Objective::scaled(&cfg, &tasks.map(|(name, kind)| Task::new(name, kind)), targets).expect("losses")
}

/// Four rows, of which labels are missing of every task, with weights, groups and NaN where there is no label.
fn batch() -> (Labelled, Vec<f32>) {
    let gone = f32::NAN;
    let labels = vec![3.0, 1.0, 2.0, 0.0, gone, -1.0, gone, 0.0, 0.5, 1.5, 1.0, gone];
    let mask = vec![1.0, 1.0, 1.0, 2.0, 0.0, 2.0, 0.0, 0.5, 0.5, 1.0, 1.0, 0.0];
    let logits = vec![0.5, -1.0, 0.25, 1.5, gone, -0.75, gone, 2.0, 0.1, -0.3, 0.8, gone];
    (Labelled { rows: 4, labels, mask, groups: Some(vec![0, 1, 0, 2]) }, logits)
}

#[test]
fn a_mean_is_of_the_rows_with_a_label_in_their_unit_and_by_their_groups() -> Result<()> {
    let target = Target { mean: 10.0, sd: 4.0, ..Target::PLAIN };
    for targets in [BTreeMap::new(), [("seconds".to_owned(), target)].into()] {
        let (batch, logits) = batch();
        let logits = Var::from_vec(logits, (4, 3), &Device::Cpu)?;
        let loss = objective(&targets).loss(&logits, &batch).map_err(candle_core::Error::wrap)?;
        let unit = |z: f64| if targets.is_empty() { z } else { 4.0 * z + 10.0 };
        let square = |z: f64, y: f64| (unit(z) - y).powi(2);
        let softplus = |z: f64| z.exp().ln_1p();
        let seconds = (square(0.5, 3.0) + 2.0 * 2.0 * square(1.5, 0.0) + 3.0 * square(-0.3, 1.5)) / 4.0;
        let click = (softplus(1.0) + 0.5 * softplus(2.0) + softplus(-0.8)) / 2.5;
        let watch = (1.75f64.powi(2) + 2.0 * 0.25f64.powi(2) + 0.5 * 0.4f64.powi(2)) / 3.5;
        let expected = [seconds, click, watch].map(|mean| mean as f32);
        approx::assert_relative_eq!(loss.tasks.to_vec1::<f32>()?[..], expected, max_relative = 1e-6);
        let total = (0.5 * seconds + 2.0 * click + watch) as f32;
        approx::assert_relative_eq!(loss.total.to_scalar::<f32>()?, total, max_relative = 1e-6);
    }
    Ok(())
}

#[test]
fn slopes_are_those_of_finite_differences_and_0_without_a_label() -> Result<()> {
    let target = Target { mean: 1.0, sd: 2.0, ..Target::PLAIN };
    let (objective, (mut batch, start)) = (objective(&[("seconds".to_owned(), target)].into()), batch());
    let loss =
        |batch: &Labelled, logits: &Tensor| objective.loss(logits, batch).map_err(candle_core::Error::wrap);
    let slopes = |batch: &Labelled| -> Result<Vec<f32>> {
        let logits = Var::from_vec(start.clone(), (4, 3), &Device::Cpu)?;
        let found = loss(batch, &logits)?.total.backward()?;
        found.get(&logits).expect("slopes").flatten_all()?.to_vec1()
    };
    let found = slopes(&batch)?;
    for (i, slope) in found.iter().enumerate().filter(|(i, _)| start[*i].is_finite()) {
        let at = |change: f32| {
            let mut logits = start.clone();
            logits[i] += change;
            let logits = Tensor::from_vec(logits, (4, 3), &Device::Cpu)?;
            loss(&batch, &logits)?.total.to_scalar::<f32>().map(f64::from)
        };
        let expected = (at(0.01)? - at(-0.01)?) / 0.02;
        approx::assert_relative_eq!(f64::from(*slope), expected, epsilon = 1e-3, max_relative = 1e-3);
    }
    assert!(start.iter().zip(&found).all(|(z, slope)| z.is_finite() || *slope == 0.0), "{found:?}");
    batch.mask.fill(0.0);
    assert_eq!(slopes(&batch)?, [0.0; 12]);
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let dir = folder(&rows(200));
    let seconds = "tasks=[{name: seconds, label: seconds, kind: regression}, {name: click, label: click}]";
    let refused = |sets: &[&str]| try_config(dir.path(), sets).expect_err("must be refused").to_string();
    for (set, more, message) in [
        (
            "{click: softplu}",
            "train.seed=1",
            "train.task_losses.click: unknown value \"softplu\"; did you mean \"softplus\"? (expected one of: \
             cross-entropy, paddlerec-log, focal, multiclass, mse, mae, huber, quantile, log-mse, weighted-logistic, ziln, ordinal, \
             ranknet, jrc, softplus, grouped)",
        ),
        (
            "{click: {softplus: {scal: 1}}}",
            "train.seed=1",
            "train.task_losses.click.softplus.scal: softplus has no such key; did you mean \"scale\"? (it takes scale)",
        ),
        (
            "{click: {softplus: {scale: -1}}}",
            "train.seed=1",
            "train.task_losses.click.softplus.scale: expected a number above 0, found -1",
        ),
        (
            "{seconds: softplus}",
            "train.seed=1",
            "train.task_losses.seconds: expected the loss of a regression: mse, mae, huber, quantile, log-mse, \
             weighted-logistic, ziln, ordinal or another; softplus is for kind: binary, and this task is regression",
        ),
        (
            "{seconds: {grouped: {centred: true}}}",
            "train.shards=2",
            "train.shards: grouped, of seconds, looks at all rows of a step at once, and it has 2 shards; expected 1",
        ),
        (
            "{seconds: {grouped: {centred: true}}}",
            "train.balance.kind=dwa",
            "train.balance.kind: dwa needs losses above 0, and grouped, of seconds, may be below; expected fixed, \
             schedule, random or a method of gradients other than gradnorm",
        ),
        ("{click: {mae: {delta: 1}}}", "train.seed=1", "mae has no such key (it takes none)"),
        ("{seconds: huber}", "train.seed=1", "huber.delta: expected a number above 0, found nothing"),
        ("{click: [mae]}", "train.seed=1", "the name of a loss, or one name with its keys"),
    ] {
        let error = refused(&[seconds, more, &format!("train.task_losses={set}")]);
        assert!(error.contains(message) && error.starts_with("--set"), "{error}");
    }
    // Labels, where they are read and where they are not.
    let own = "train.task_losses={seconds: grouped}";
    let cfg = config(dir.path(), &[seconds, own]);
    let mut below = load(&cfg);
    std::fs::write(dir.path().join("rows.csv"), fields::HEADER.to_owned() + "7,,0.5,1,,-3,1\n")
        .expect("a file");
    let error = Dataset::load(&cfg.data, &cfg.tasks, &|_| ()).expect_err("a label below 0").to_string();
    let expected = "rows.csv:2:11: field \"seconds\": expected a number from 0, as the loss grouped of task \"seconds\" needs \
                    (train.task_losses), found \"-3\" (record 1)";
    assert!(error.ends_with(expected), "{error}");
    let Dataset { train: rows, .. } = &below;
    let labels = rows.labels().iter().enumerate().map(|(i, &y)| if i % 2 == 0 { -3.0 } else { y }).collect();
    let table = Table::new(rows.numeric().clone(), labels, rows.mask().to_vec(), 2).expect("rows");
    below.train = table.with_fields(rows.fields().to_vec()).expect("fields");
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    let error = train(&cfg, &below, &Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ());
    let error = error.expect_err("labels below 0").to_string();
    assert!(
        error.contains("is -3; its loss (train.task_losses, train.loss) takes a number from 0"),
        "{error}"
    );
}
