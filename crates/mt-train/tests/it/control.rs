//! What steers a run: schedule, rates of parts, clipping, averaging, label smoothing, patience.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_data::Dataset;
use mt_train::{Config, Error, Event, Outcome, RunDir, read_state, train};

use crate::training::files;

fn config(train: &str) -> Config {
    let text = format!(
        "version: 1\nname: test\ndata:\n  synth: {{rows: 2000}}\ntasks:\n- {{name: completion, label: completion}}\n\
         - {{name: like, label: like}}\nmodel: {{kind: mmoe, experts: 2, expert: [4]}}\ntrain:\n  epochs: 4\n  \
         batch_size: 64\n  log_every: 5\n{train}"
    );
    Config::parse(&text, "test.yaml", &[]).expect("valid")
}

fn run(cfg: &Config, dir: &Path, stop_at: u64) -> Result<Outcome, Error> {
    let data = Dataset::load(&cfg.data, &cfg.tasks, &|_| ())?;
    let run = match dir.exists() {
        true => RunDir::open(dir)?.0,
        false => RunDir::create(dir, cfg)?,
    };
    let stop = AtomicBool::new(false);
    train(cfg, &data, &Device::Cpu, &run, &stop, &mut |event| {
        if let Event::Progress { step, .. } = event {
            stop.store(*step >= stop_at, Ordering::Relaxed);
        }
    })
}

fn tensors(path: &Path) -> Vec<(String, Vec<f32>)> {
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).expect("weights");
    let mut tensors: Vec<_> = tensors
        .into_iter()
        .map(|(name, tensor)| (name, tensor.flatten_all().and_then(|t| t.to_vec1()).expect("float32")))
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

#[test]
fn each_control_changes_the_weights_and_a_stopped_run_ends_with_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let weights = |name: &str| {
        std::fs::read(dir.path().join(name).join("checkpoints/epoch-004/weights.safetensors"))
            .expect("weights")
    };
    run(&config(""), &dir.path().join("plain"), u64::MAX).expect("trains");
    let controls = [
        "schedule: {kind: cosine, warmup: 7}",
        "schedule: {kind: one-cycle}",
        "schedule: {kind: plateau, factor: 0.1}\n  optimizer: {lr: 0.3}",
        "schedule: {kind: step, floor: 0.3}",
        "clip_norm: 0.05",
        "average: 0.9",
        "label_smoothing: 0.1",
        "rates: {'gates.*': 0.1}",
        "dropout: 0.2",
        "shards: 4\n  dropout: 0.2\n  schedule: {kind: cosine, warmup: 7}",
        "select: {weights: {completion: 0.2, like: 1}}\n  schedule: {kind: plateau, factor: 0.1}\n  optimizer: {lr: 0.3}",
    ];
    for (i, control) in controls.into_iter().enumerate() {
        let cfg = config(&format!("  {control}\n"));
        let (straight, stopped) = (format!("straight-{i}"), format!("stopped-{i}"));
        run(&cfg, &dir.path().join(&straight), u64::MAX).expect("trains");
        assert!(weights(&straight) != weights("plain"), "{control}");
        for stop_at in [20, 70, u64::MAX] {
            run(&cfg, &dir.path().join(&stopped), stop_at).expect("trains");
        }
        let checkpoints = |name: &str| files(&dir.path().join(name).join("checkpoints"));
        assert!(checkpoints(&straight) == checkpoints(&stopped), "{control}");
    }
}

#[test]
fn a_rate_of_zero_freezes_and_the_longest_pattern_counts() {
    let dir = tempfile::tempdir().expect("a folder");
    let cfg = config("  rates: {'experts.*': 0, 'experts.0.bias': 1}\n");
    let at = |epoch| dir.path().join(format!("run/checkpoints/epoch-00{epoch}/weights.safetensors"));
    run(&cfg, &dir.path().join("run"), u64::MAX).expect("trains");
    for ((name, first), (_, last)) in tensors(&at(1)).into_iter().zip(tensors(&at(4))) {
        assert_eq!(first == last, name == "experts.0.weight", "{name}");
    }
    let cfg = config("  rates: {'gate.*': 0}\n");
    let error = run(&cfg, &dir.path().join("none"), u64::MAX).expect_err("must be refused");
    let message = "train.rates: no parameter or table fits \"gate.*\"; the nearest is \"gates.like.0.";
    assert!(error.to_string().starts_with(message) && error.is_usage(), "{error}");
}

#[test]
fn predictions_use_the_averaged_weights() {
    let dir = tempfile::tempdir().expect("a folder");
    run(&config("  average: 0.99\n"), &dir.path().join("run"), u64::MAX).expect("trains");
    let at = |file: &str| dir.path().join("run/checkpoints/epoch-004").join(file);
    let trained = tensors(&at("optimizer.safetensors"));
    for (name, average) in tensors(&at("weights.safetensors")) {
        let (_, trained) = trained.iter().find(|(n, _)| *n == format!("trained.{name}")).expect("it is kept");
        assert!(average != *trained, "{name}");
    }
}

#[test]
fn training_ends_when_patience_does_and_stays_ended() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut cfg = config("  patience: 2\n  optimizer: {lr: 1.0}\n");
    cfg.train.epochs = 50;
    let first = run(&cfg, &dir.path().join("run"), u64::MAX).expect("trains");
    let best = first.best.expect("a best epoch").epoch;
    assert_eq!((first.epochs, first.interrupted), (best + 2, false));
    assert!(first.epochs < 50);
    let again = run(&cfg, &dir.path().join("run"), u64::MAX).expect("has ended");
    assert_eq!((again.epochs, again.rows), (first.epochs, 0));
    let state = read_state(&dir.path().join(format!("run/checkpoints/epoch-{:03}", first.epochs)));
    assert_eq!(state.expect("a state").selected.len(), first.epochs);
}

#[test]
fn bad_values_are_refused_with_their_key() {
    let cases = [
        ("schedule={kind: cosin}", "unknown value \"cosin\"; did you mean \"cosine\"?"),
        ("schedule={floor: 0.1}", "train.schedule.floor: constant has no such key"),
        ("schedule={kind: cosine, floor: 1}", "train.schedule.floor: expected 0 to below 1, found 1"),
        ("schedule={kind: step, every: 0}", "train.schedule.every: expected at least 1, found 0"),
        (
            "schedule={kind: step, factor: 1}",
            "train.schedule.factor: expected a number between 0 and 1, found 1",
        ),
        ("schedule={kind: plateau, patience: 0}", "train.schedule.patience: expected at least 1, found 0"),
        (
            "schedule={kind: one-cycle, rise: 0}",
            "train.schedule.rise: expected a number between 0 and 1, found 0",
        ),
        ("schedule={kind: one-cycle, warmup: 5}", "train.schedule.warmup: one-cycle has no such key"),
        ("rates={a: -1}", "train.rates.a: expected a number from 0, found -1"),
        ("rates={'[': 1}", "train.rates.[: is no pattern: "),
        ("clip_norm=0", "train.clip_norm: expected a number above 0, found 0"),
        ("average=1", "train.average: expected a number between 0 and 1, found 1"),
        ("label_smoothing=1", "train.label_smoothing: expected 0 to below 1, found 1"),
        (
            "shards=0",
            "train.shards: expected a power of two that divides the 64 rows of train.batch_size, found 0",
        ),
        (
            "shards=12",
            "train.shards: expected a power of two that divides the 64 rows of train.batch_size, found 12",
        ),
        (
            "shards=128",
            "train.shards: expected a power of two that divides the 64 rows of train.batch_size, found 128",
        ),
        (
            "accumulate=2",
            "unknown key \"accumulate\"; a step of N batches is now one of train.shards: N, with N times the train.batch_size",
        ),
        ("select={weights: {lik: 1}}", "train.select.weights.lik: there is no task \"lik\"; the tasks are"),
        ("select={weights: {like: -1}}", "train.select.weights.like: expected a number from 0, found -1"),
        (
            "select={weights: {like: 0}}",
            "train.select.weights: expected a weight above 0 for at least one task, found only 0",
        ),
        (
            "select={task: like, weights: {like: 1}}",
            "train.select.weights: train.select.task names a single one already",
        ),
        ("patience=0", "train.patience: expected at least 1, found 0"),
        ("checkpoint={steps: 0}", "train.checkpoint.steps: expected at least 1, found 0"),
        ("checkpoint={minutes: 0}", "train.checkpoint.minutes: expected a number above 0, found 0"),
    ];
    let text = config("").to_yaml().expect("yaml");
    let both = ["train.shards=2".to_owned(), "train.balance.kind=dwa".to_owned()];
    let error = Config::parse(&text, "test.yaml", &both).expect_err("must be refused").to_string();
    let expected = "--set train.balance.kind=dwa: train.balance.kind: dwa looks at all of a step at once";
    assert!(error.starts_with(expected), "{error}");
    for (set, message) in cases {
        let error =
            Config::parse(&text, "test.yaml", &[format!("train.{set}")]).expect_err("must be refused");
        assert!(error.to_string().contains(message), "{set}: {error}");
    }
}
