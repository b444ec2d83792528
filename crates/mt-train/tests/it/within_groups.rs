//! Losses that compare the rows of a group: batches of whole groups, training, refusals.

use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};
use mt_features::{Task, TaskKind};
use mt_train::{Config, Evaluation, Event, Labelled, Objective, RunDir, train};

use crate::fields::{assert_same_files, config, folder, load, predictions_of_the_best, rows, run_in};

/// Groups of about 20 rows, which say nothing of the labels.
const GROUP: &str = "data.group=play";
const RANKNET: &str = "train.task_losses={click: ranknet}";
const JRC: [&str; 2] = [
    "tasks=[{name: click, label: click, kind: binary-softmax}, {name: buy, label: buy}]",
    "train.task_losses={click: {jrc: {alpha: 0.3}}}",
];

#[test]
fn what_users_like_is_learnt_from_pairs_and_from_lists() {
    let dir = folder(&rows(2000));
    for (name, sets) in [("ranknet", vec![GROUP, RANKNET]), ("jrc", [&[GROUP], &JRC[..]].concat())] {
        let cfg = config(dir.path(), &[&sets[..], &["train.epochs=4"]].concat());
        let data = load(&cfg);
        let (run, outcome) = run_in(&cfg, &data, &dir.path().join(name), &mut |_| ());
        let loaded = predictions_of_the_best(&run, &outcome, &data);
        let valid = data.valid.as_ref().expect("validation rows");
        let evaluation = Evaluation::new(&loaded, valid, &data.schema.tasks);
        let auc = |task: &str| evaluation.task(task).and_then(|task| task.metrics.ranking()).expect("an AUC");
        assert!(auc("click") > 0.82 && auc("buy") > 0.9, "{name}: {} {}", auc("click"), auc("buy"));
    }
}

#[test]
fn bytes_do_not_depend_on_threads_and_a_run_stopped_in_an_epoch_ends_with_the_same() {
    let dir = folder(&rows(2000));
    let path = |name: &str| dir.path().join(name);
    for (name, more) in [("plain", "train.seed=3"), ("shards", "train.shards=4")] {
        let sets = [GROUP, RANKNET, more, "train.log_every=1", "train.schedule={kind: cosine}"];
        let cfg = config(dir.path(), &sets);
        let data = load(&cfg);
        let at = |what: &str| path(&format!("{name}-{what}"));
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let run = at(&threads.to_string());
            pool.install(|| run_in(&cfg, &data, &run, &mut |_| ()));
            assert_same_files(&at("1").join("checkpoints"), &run.join("checkpoints"), "threads");
        }
        drop(RunDir::create(&at("stopped"), &cfg).expect("a folder"));
        for steps in [2, 5, u64::MAX] {
            let (run, stop) = (RunDir::open(&at("stopped")).expect("a run").0, AtomicBool::new(false));
            let observe = &mut |event: &Event| {
                if let Event::Progress { step, .. } = event {
                    stop.store(*step >= steps, Ordering::Relaxed);
                }
            };
            train(&cfg, &data, &Device::Cpu, &run, &stop, observe).expect("trains");
        }
        assert_same_files(&at("1").join("checkpoints"), &at("stopped").join("checkpoints"), "stopped");
    }
}

#[test]
fn without_groups_it_is_refused() {
    let dir = folder(&rows(200));
    let text = config(dir.path(), &[]).to_yaml().expect("yaml");
    let missing = "ranknet compares the rows of a group; write in data.group which column tells these apart, such as a user's";
    let error = Config::parse(&text, "test.yaml", &[RANKNET.to_owned()]).expect_err("must be refused");
    assert_eq!(error.to_string(), format!("--set {RANKNET}: train.task_losses.click: {missing}"));
    // Rows that were read without.
    let data = load(&config(dir.path(), &[]));
    let cfg = config(dir.path(), &[GROUP, RANKNET]);
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    let error = train(&cfg, &data, &Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ());
    assert_eq!(
        error.expect_err("no groups").to_string(),
        format!("configuration: train.task_losses.click: {missing}")
    );
    let other = "train.task_losses={click: {jrc: {alpha: 0.3}}}";
    let error = Config::parse(&text, "test.yaml", &[GROUP.to_owned(), other.to_owned()]);
    let expected = "jrc is for kind: binary-softmax, and this task is binary";
    assert!(error.expect_err("must be refused").to_string().ends_with(expected));
    let sets = [&[GROUP][..], &JRC[..1], &["train.task_losses={click: {jrc: {alpha: 2}}}"]].concat();
    let sets: Vec<String> = sets.into_iter().map(str::to_owned).collect();
    let error = Config::parse(&text, "test.yaml", &sets).expect_err("must be refused").to_string();
    assert!(
        error.ends_with("train.task_losses.click.jrc.alpha: expected a number from 0 to 1, found 2"),
        "{error}"
    );
}

#[test]
fn whole_groups_may_be_in_any_batches_of_a_step() -> candle_core::Result<()> {
    let dir = folder("");
    for (name, kind, sets) in
        [("ranknet", TaskKind::Binary, vec![RANKNET]), ("jrc", TaskKind::BinarySoftmax, JRC.to_vec())]
    {
        let cfg = config(dir.path(), &[&[GROUP, "tasks=[{name: click, label: click}]"], &sets[..]].concat());
        let objective = Objective::new(&cfg, &[Task::new("click", kind)]).expect("losses");
        let outputs = kind.outputs();
        let mean = |rows: std::ops::Range<usize>| {
            let z = rows.clone().flat_map(|row| (0..outputs).map(move |k| ((row * 2 + k) as f32).sin()));
            let logits = Tensor::from_vec(z.collect(), (rows.len(), outputs), &Device::Cpu)?;
            let batch = Labelled {
                rows: rows.len(),
                labels: rows.clone().map(|row| f32::from(u8::from(row % 3 == 0))).collect(),
                mask: rows.clone().map(|row| [1.0, 0.0, 2.5, 1.0][row % 4]).collect(),
                groups: Some(rows.map(|row| (row / 5) as u32).collect()),
            };
            let weight: f32 = batch.mask.iter().sum();
            let loss = objective.loss(&logits, &batch).map_err(candle_core::Error::wrap)?;
            Ok::<_, candle_core::Error>((loss.total.to_scalar::<f32>()?, weight))
        };
        let ((all, weight), (first, some), (second, others)) = (mean(0..25)?, mean(0..15)?, mean(15..25)?);
        approx::assert_relative_eq!(all, (first * some + second * others) / weight, max_relative = 1e-6);
        assert!(first != second, "{name}");
    }
    Ok(())
}
