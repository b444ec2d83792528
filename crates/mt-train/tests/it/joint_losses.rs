//! Losses over what several tasks predict together.

use std::path::Path;

use candle_core::{Device, Result, Tensor, Var};
use mt_features::{Task, TaskKind};
use mt_models::{Coupling, JointLoss, JointRows, Registry};
use mt_train::{Config, Labelled, Objective};

use crate::fields::{self, assert_same_files, folder, load, predictions_of_the_best, rows, run_in};

/// Squared differences of two tasks' logits by the weights of both, and by a row's group.
#[derive(Debug)]
struct Agree {
    tasks: Vec<String>,
    grouped: bool,
}

impl JointLoss for Agree {
    fn tasks(&self) -> &[String] {
        &self.tasks
    }

    fn is_for(&self, kind: TaskKind) -> bool {
        matches!(kind, TaskKind::Binary | TaskKind::Regression)
    }

    fn forward(&self, rows: &JointRows<'_>) -> Result<Tensor> {
        let group = |row: usize| rows.groups.map_or(1.0, |groups| 1.0 + groups[row] as f32);
        let both = rows.weights[0].iter().zip(&rows.weights[1]).enumerate();
        let weights: Vec<f32> = both.map(|(row, (a, b))| a * b * group(row)).collect();
        rows.mean(&(&rows.logits[0] - &rows.logits[1])?.sqr()?, &weights)
    }

    fn coupling(&self) -> Coupling {
        if self.grouped { Coupling::Group } else { Coupling::None }
    }
}

fn registry() -> Registry {
    Registry::default().with_joint_loss("agree", |section| {
        let grouped = section.get("grouped")?.unwrap_or(false);
        Ok(Box::new(Agree { tasks: section.names("tasks", "two tasks")?, grouped }))
    })
}

fn try_config(dir: &Path, overrides: &[&str]) -> mt_train::Result<Config> {
    let text = fields::config(dir, &[]).to_yaml().expect("yaml");
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    Config::parse_with(&text, "test.yaml", &overrides, &registry())
}

#[test]
fn probabilities_come_into_the_order_that_is_asked_for_and_a_run_that_goes_on_ends_with_the_same_bytes() {
    // As they are, purchases of clicked rows are less probable than clicks about as often as not.
    let dir = folder(&rows(2000));
    let order = "train.joint_losses=[{order: {tasks: [click, buy], weight: 5}}]";
    let over = |name: &str, sets: &[&str]| {
        let cfg = try_config(dir.path(), &[&["train.epochs=3"], sets].concat()).expect("valid");
        let data = load(&cfg);
        let (run, outcome) = run_in(&cfg, &data, &dir.path().join(name), &mut |_| ());
        let found = predictions_of_the_best(&run, &outcome, &data);
        found.chunks_exact(2).map(|row| f64::from((row[1] - row[0]).max(0.0))).sum::<f64>() * 2.0
            / found.len() as f64
    };
    let (before, after) = (over("plain", &[]), over("ordered", &[order]));
    assert!(after < before / 4.0, "{after}, without it {before}");
    // On one thread, and with a balance that looks at losses.
    let sets = ["train.epochs=3", order];
    let cfg = try_config(dir.path(), &sets).expect("valid");
    let path = |name: &str| dir.path().join(name);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| run_in(&cfg, &load(&cfg), &path(&threads.to_string()), &mut |_| ()));
        assert_same_files(
            &path("ordered").join("checkpoints"),
            &path(&threads.to_string()).join("checkpoints"),
            "threads",
        );
    }
    over("weighed", &[order, "train.balance.kind=uncertainty"]);
}

/// Two of three tasks in another order than theirs, of which the regression is scaled.
fn objective(weight: f64) -> Objective {
    let text = format!(
        "version: 1\ndata: {{synth: {{}}}}\ntasks: [{{name: seconds, label: 0, kind: regression}}, {{name: like, label: \
         1}}, {{name: click, label: 2}}]\nmodel: {{kind: mmoe}}\ntrain: {{joint_losses: [{{agree: {{tasks: [click, \
         seconds], weight: {weight}}}}}]}}\n"
    );
    let cfg = Config::parse_with(&text, "test.yaml", &[], &registry()).expect("valid");
    let kinds = [("seconds", TaskKind::Regression), ("like", TaskKind::Binary), ("click", TaskKind::Binary)];
    let target = mt_models::Target { mean: 10.0, sd: 4.0, ..mt_models::Target::PLAIN };
    let tasks = kinds.map(|(name, kind)| Task::new(name, kind));
    Objective::scaled(&cfg, &tasks, &[("seconds".to_owned(), target)].into()).expect("losses")
}

#[test]
fn it_reads_its_own_tasks_in_their_unit_and_adds_its_weighted_mean() -> Result<()> {
    let logits: [f64; 9] = [0.5, 9.0, 1.0, -1.0, 9.0, 0.25, 2.0, 9.0, -0.75];
    let mask = vec![1.0, 1.0, 1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 0.0];
    let batch = Labelled { rows: 3, labels: vec![1.0; 9], mask, groups: Some(vec![1, 0, 2]) };
    let at = |weight: f64| -> Result<(f64, Vec<f32>)> {
        let logits = Var::from_vec(logits.map(|z| z as f32).to_vec(), (3, 3), &Device::Cpu)?;
        let loss = objective(weight).loss(&logits, &batch).map_err(candle_core::Error::wrap)?.total;
        let slopes = loss.backward()?.get(&logits).expect("slopes").flatten_all()?.to_vec1()?;
        Ok((loss.to_scalar::<f32>()?.into(), slopes))
    };
    let ((none, without), (some, with)) = (at(1e-30)?, at(2.0)?);
    // Rows 0 and 1, with weights 1 and 1, of which that of group 1 counts double.
    let apart = |row: usize| logits[3 * row + 2] - (4.0 * logits[3 * row] + 10.0);
    let expected = 2.0 * (2.0 * apart(0).powi(2) + apart(1).powi(2)) / 3.0;
    approx::assert_relative_eq!(some - none, expected, max_relative = 1e-6);
    let slope = |row: usize, share: f64| 2.0 * 2.0 * share * apart(row) / 3.0;
    let expected =
        [-4.0 * slope(0, 2.0), 0.0, slope(0, 2.0), -4.0 * slope(1, 1.0), 0.0, slope(1, 1.0), 0.0, 0.0, 0.0];
    let found: Vec<f64> = with.iter().zip(&without).map(|(a, b)| f64::from(a - b)).collect();
    approx::assert_relative_eq!(found[..], expected, epsilon = 1e-5, max_relative = 1e-5);
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let dir = folder(&rows(200));
    let refused = |sets: &[&str]| try_config(dir.path(), sets).expect_err("must be refused").to_string();
    let order = |tasks: &str| format!("train.joint_losses=[{{order: {{tasks: {tasks}}}}}]");
    let seed = "train.seed=1";
    let seconds = "tasks=[{name: seconds, label: seconds, kind: regression}, {name: click, label: click}]";
    let product = "tasks=[{name: click, label: click}, {name: buy, label: buy, prediction: click * cvr}]";
    for (sets, message) in [
        (
            [seed, &order("[click, by]")],
            "train.joint_losses[0]: there is no task \"by\"; the tasks are click, buy",
        ),
        ([seed, &order("[click]")], "train.joint_losses[0].order.tasks: expected two tasks or more, found 1"),
        (
            [seed, "train.joint_losses=[{ordre: {tasks: [click, buy]}}]"],
            "train.joint_losses[0]: unknown value \"ordre\"; did you mean \"order\"? (expected one of: order, agree)",
        ),
        (
            [seed, "train.joint_losses=[{order: {tasks: [click, buy], weigth: 2}}]"],
            "train.joint_losses[0].order.weigth: order has no such key; did you mean \"weight\"? (it takes tasks, weight)",
        ),
        (
            [seconds, &order("[click, seconds]")],
            "train.joint_losses[0]: order does not read tasks like seconds, by their kind or as a product of heads",
        ),
        (
            [product, &order("[click, buy]")],
            "train.joint_losses[0]: order does not read tasks like buy, by their kind or as a product of heads",
        ),
        (
            ["train.shards=2", &order("[click, buy]")],
            "train.shards: order is a mean over all of a step, and it has 2 shards; expected 1",
        ),
        (
            ["train.balance.kind=pcgrad", &order("[click, buy]")],
            "train.balance.kind: pcgrad weighs gradients of the tasks' losses alone, which order is not",
        ),
        (
            [seed, "train.joint_losses=[{agree: {tasks: [click, buy], grouped: true}}]"],
            "train.joint_losses[0]: agree compares the rows of a group; write in data.group which column tells these apart",
        ),
    ] {
        let error = refused(&sets);
        assert!(error.contains(message) && error.starts_with("--set"), "{error}");
    }
}
