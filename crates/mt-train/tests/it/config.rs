//! What a configuration may not say, and that every shipped one is valid.

use std::path::Path;

use mt_train::Config;

const GOOD: &str = "\
version: 1
data:
  synth: {rows: 1000}
tasks:
- {name: completion, label: completion}
- {name: like, label: like}
model:
  kind: mmoe
  experts: 4
train:
  epochs: 2
";

fn message(text: &str, overrides: &[&str]) -> String {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    Config::parse(text, "run.yaml", &overrides).expect_err("must be refused").to_string()
}

#[test]
fn a_good_configuration_survives_writing_and_reading() {
    let cfg = Config::parse(GOOD, "run.yaml", &["train.batch_size=64".into()]).expect("valid");
    assert_eq!((cfg.train.batch_size, cfg.train.epochs), (64, 2));
    let again = Config::parse(&cfg.to_yaml().expect("yaml"), "again.yaml", &[]).expect("valid");
    assert_eq!(cfg, again);
}

#[test]
fn mistakes_name_line_column_key_and_the_nearest_valid_one() {
    let cases = [
        (
            "experts: 4",
            "expertz: 4",
            "run.yaml:9:12: model.expertz: mmoe has no such key; did you mean \"experts\"? (it takes",
        ),
        (
            "experts: 4",
            "experts: many",
            "run.yaml:9:12: model.experts: invalid type: string \"many\", expected usize",
        ),
        ("experts: 4", "experts: 0", "run.yaml:9:12: model.experts: expected 1 to 1024, found 0"),
        (
            "experts: 4",
            "levels: 2",
            "run.yaml:9:11: model.levels: mmoe has no such key (it takes experts, expert,",
        ),
        (
            "kind: mmoe",
            "kind: mmoo",
            "run.yaml:8:9: model.kind: unknown value \"mmoo\"; did you mean \"mmoe\"?",
        ),
        (
            "epochs: 2",
            "epochs: -1",
            "run.yaml:11:11: train.epochs: invalid type: integer `-1`, expected usize",
        ),
        ("epochs: 2", "epochs: 0", "run.yaml:11:11: train.epochs: expected at least 1, found 0"),
        ("version: 1", "version: 2", "run.yaml:1:10: version: expected 1, found 2"),
        (
            "epochs: 2",
            "optimizer: {lr: 0}",
            "run.yaml:11:19: train.optimizer.lr: expected a number above 0, found 0",
        ),
        (
            "epochs: 2",
            "optimizer: {momentum: 0.9}",
            "run.yaml:11:25: train.optimizer.momentum: adam has no momentum",
        ),
        (
            "experts: 4",
            "gate_fields: {lik: [x]}",
            "run.yaml:9:22: model.gate_fields.lik: there is no head \"lik\"; the heads are completion, like",
        ),
        (
            "experts: 4",
            "gate_fields: {like: []}",
            "run.yaml:9:23: model.gate_fields.like: expected at least one field, found an empty list",
        ),
        (
            "experts: 4",
            "tower_fields: {like: [x, x]}",
            "run.yaml:9:24: model.tower_fields.like: \"x\" is named twice",
        ),
        (
            "mmoe\n  experts: 4",
            "shared-bottom\n  gate_fields: {like: [x]}",
            "run.yaml:9:16: model.gate_fields: shared-bottom has no such key (it takes bottom, embedding,",
        ),
        (
            "mmoe\n  experts: 4",
            "dbmtl\n  relations: {like: [completio]}",
            "run.yaml:9:21: model.relations.like: there is no task \"completio\"; did you mean \"completion\"? (there are",
        ),
        (
            "mmoe\n  experts: 4",
            "dbmtl\n  relations: {like: [completion], completion: [like]}",
            "run.yaml:9:47: model.relations.completion: a task follows from itself: completion, from like, from completion",
        ),
        (
            "mmoe\n  experts: 4",
            "dbmtl\n  gate: [4]",
            "run.yaml:9:9: model.gate: there are no experts (model.experts)",
        ),
        (
            "mmoe\n  experts: 4",
            "dbmtl\n  experts: 4\n  bottom: [8]",
            "run.yaml:10:11: model.bottom: experts stand in its place; leave out one of both",
        ),
        (
            "mmoe\n  experts: 4",
            "dbmtl\n  gate_fields: {like: [x]}",
            "run.yaml:9:16: model.gate_fields: dbmtl has no such key (it takes experts, bottom,",
        ),
        (
            "epochs: 2",
            "task_weights: {lik: 2}",
            "run.yaml:11:23: train.task_weights.lik: there is no task \"lik\"",
        ),
        (
            "epochs: 2",
            "select: {task: share}",
            "run.yaml:11:18: train.select.task: there is no task \"share\"",
        ),
        ("epochs: 2", "keep: 0", "run.yaml:11:9: train.keep: expected at least 1, found 0"),
        ("epochs: 2", "log_every: 0", "run.yaml:11:14: train.log_every: expected at least 1, found 0"),
        ("epochs: 2", "batch_size: 0", "run.yaml:11:15: train.batch_size: expected 1 to 1048576, found 0"),
        (
            "epochs: 2",
            "batch_size: 5120000",
            "run.yaml:11:15: train.batch_size: expected 1 to 1048576, found 5120000",
        ),
        (
            "epochs: 2",
            "task_weights: {completion: 0, like: 0}",
            "run.yaml:11:17: train.task_weights: expected a weight above 0 for at least one task, found only 0",
        ),
        ("rows: 1000", "rows: 0", "run.yaml:3:17: data.synth.rows: expected 1 to 4294967295, found 0"),
        (
            "synth: {rows: 1000}",
            "valid_fraction: 0.1",
            "run.yaml:3:3: data: exactly one of `csv`, `parquet` and `synth` is needed, found none",
        ),
        (
            "synth: {rows: 1000}",
            "synth: {}\n  test_fraction: 0.9",
            "run.yaml:3:3: data.valid_fraction + data.test_fraction: expected a sum below 1",
        ),
        ("name: like,", "name: completion,", "run.yaml:6:10: tasks: two tasks are named \"completion\""),
        ("name: like,", "name: a.b,", "run.yaml:6:10: tasks: \"a.b\" cannot name a task: dots,"),
    ];
    for (from, to, expected) in cases {
        let found = message(&GOOD.replace(from, to), &[]);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn overrides_are_checked_like_the_file() {
    let cases = [
        ("train.epochs=two", "--set train.epochs=two: invalid type: string \"two\", expected usize"),
        ("train.epoch=2", "--set train.epoch=2: unknown key \"epoch\"; did you mean \"epochs\"?"),
        (
            "model.expert=[16, x]",
            "--set model.expert=[16, x]: model.expert: invalid type: string \"x\", expected usize",
        ),
        ("model.experts=0", "--set model.experts=0: model.experts: expected 1 to 1024, found 0"),
        (
            "data.csv.train=x",
            "--set data.csv.train=x: data: exactly one of `csv`, `parquet` and `synth` is needed, found several",
        ),
    ];
    for (text, expected) in cases {
        let found = message(GOOD, &[text]);
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn settings_of_loss_balancing_are_checked_one_by_one() {
    let cases = [
        ("{kind: pcgrat}", "unknown value \"pcgrat\"; did you mean \"pcgrad\"?"),
        ("{kind: dwa, temprature: 1}", "unknown key \"temprature\"; did you mean \"temperature\"?"),
        ("{kind: dwa, temperature: 0}", ": train.balance.temperature: expected a number above 0, found 0"),
        ("{kind: famo, lr: -1}", ": train.balance.lr: expected a number above 0, found -1"),
        ("{kind: famo, decay: -1}", ": train.balance.decay: expected a number from 0, found -1"),
        ("{kind: gradnorm, alpha: .nan}", ": train.balance.alpha: expected a number from 0, found NaN"),
        ("{kind: cagrad, c: -0.5}", ": train.balance.c: expected a number from 0, found -0.5"),
        ("{kind: nash, c: 0.5}", ": train.balance.c: nash has no c"),
        ("{kind: random, lr: 0.5}", ": train.balance.lr: random has no lr"),
        ("{kind: fixed, gamma: {like: 0.5}}", ": train.balance.gamma.like: fixed has no gamma.like"),
        ("{kind: schedule}", ": train.balance.gamma: schedule needs a factor for at least one task"),
        (
            "{kind: schedule, gamma: {like: 0}}",
            ": train.balance.gamma.like: expected a number above 0, found 0",
        ),
        (
            "{kind: schedule, gamma: {lik: 0.5}}",
            ": train.balance.gamma.lik: there is no task \"lik\"; the tasks are",
        ),
    ];
    for (balance, expected) in cases {
        let found = message(GOOD, &[&format!("train.balance={balance}")]);
        assert!(found.contains(expected), "{found}");
    }
    for (model, why) in [
        ("{kind: single-task}", "single-task has none"),
        ("{kind: ppnet}", "ppnet has none"),
        ("{kind: cgc, shared_experts: 0}", "cgc has no shared experts"),
        ("{kind: ple, levels: [{}, {shared_experts: 0}]}", "the highest level of ple has no shared experts"),
    ] {
        let found = message(GOOD, &[&format!("model={model}"), "train.balance.kind=nash"]);
        let expected =
            "--set train.balance.kind=nash: train.balance.kind: nash weighs the tasks' gradients of what";
        assert!(found.starts_with(expected) && found.ends_with(why), "{found}");
    }
}

#[test]
fn an_epoch_is_not_chosen_by_a_log_loss_that_a_regression_has_not() {
    let metric = "train.select.metric=log-loss";
    let regression = |more: &[&str]| {
        let all: Vec<String> =
            [&["tasks[1].kind=regression", metric], more].concat().into_iter().map(String::from).collect();
        Config::parse(GOOD, "run.yaml", &all)
    };
    let refused = regression(&[]).expect_err("must be refused").to_string();
    assert_eq!(
        refused,
        "--set train.select.metric=log-loss: train.select.metric: expected auc, or a train.select.task with a log loss: \
         like has none"
    );
    regression(&["train.select.task=completion"]).expect("that task has one");
    regression(&["train.select.weights={completion: 1}"]).expect("so has that one");
    regression(&["train.select.weights={like: 1, completion: 1}"]).expect_err("one of them has none");
}

#[test]
fn every_shipped_configuration_is_valid() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut found = 0;
    for folder in std::fs::read_dir(&configs).expect("the configs folder") {
        for file in std::fs::read_dir(folder.expect("a folder").path()).expect("a folder of configs") {
            let path = file.expect("a file").path();
            Config::read(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
            found += 1;
        }
    }
    assert!(found >= 8, "{found} configurations");
}

#[test]
fn a_configuration_made_in_rust_is_checked_before_training() {
    use std::sync::atomic::AtomicBool;

    use mt_data::Dataset;
    use mt_train::{RunDir, train};

    let good = Config::parse(GOOD, "run.yaml", &[]).expect("valid");
    assert!(good.check().is_ok());
    let data = Dataset::load(&good.data, &good.tasks, &|_| ()).expect("rows");
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |change: fn(&mut Config)| {
        let mut cfg = good.clone();
        change(&mut cfg);
        let run = RunDir::create(&folder.path().join("run"), &good).expect("a folder");
        let done = train(&cfg, &data, &candle_core::Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ());
        assert!(!run.path().join("checkpoints").join("epoch-001").exists());
        std::fs::remove_dir_all(run.path()).expect("removed");
        done.map(|_| ()).expect_err("must be refused").to_string()
    };
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 9] = [
        (|cfg| cfg.train.batch_size = 0, "configuration: train.batch_size: expected 1 to 1048576, found 0"),
        (|cfg| cfg.train.shards = 0, "configuration: train.shards: expected a power of two that divides"),
        (|cfg| cfg.train.log_every = 0, "configuration: train.log_every: expected at least 1, found 0"),
        (|cfg| cfg.train.epochs = 0, "configuration: train.epochs: expected at least 1, found 0"),
        (|cfg| cfg.train.dropout = 1.0, "configuration: train.dropout: expected 0 to below 1, found 1"),
        (
            |cfg| cfg.model = cfg.model.clone().with("experts", 0),
            "configuration: model.experts: expected 1 to 1024, found 0",
        ),
        (
            |cfg| cfg.model = cfg.model.clone().with("levels", 2),
            "configuration: model.levels: mmoe has no such key",
        ),
        (|cfg| cfg.model.tower = vec![0], "configuration: model.tower: expected 1 to 65536 units, found 0"),
        (
            |cfg| cfg.data.valid_fraction = 2.0,
            "configuration: data.valid_fraction: expected a share from 0 to below 1",
        ),
    ];
    for (change, message) in cases {
        let said = refused(change);
        assert!(said.starts_with(message), "{said}");
    }
    // Rows that are at hand need no source.
    let cfg = Config { data: mt_data::DataConfig::default(), ..good.clone() };
    let run = RunDir::create(&folder.path().join("run"), &good).expect("a folder");
    let done = train(&cfg, &data, &candle_core::Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ());
    assert_eq!(done.expect("trains").epochs, 2);
}
