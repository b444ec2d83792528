//! Regressions on the scale of their training labels, and predictions in the label's unit.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use mt_bundle::{Predictor, Signature};
use mt_data::Dataset;
use mt_train::{Config, Error, Evaluation, Event, Metrics, RunDir, read_state, train};
use tempfile::TempDir;

use crate::fields::{assert_same_files, bits, load, predictions_of_the_best, run_in};

/// Rows `click,watch,spend,a,b`: a click by chance, milliseconds that follow `a` beside a click, an amount over several
/// orders of magnitude.
fn rows(count: u32) -> String {
    let draw = |salt| mt_features::permutation(count, 3, salt);
    let draws = [draw(1), draw(2), draw(3), draw(4)];
    let row = |i: usize| {
        let [a, b, c, d] = draws.each_ref().map(|draw| (f64::from(draw[i]) + 0.5) / f64::from(count) - 0.5);
        let click = u8::from(a + b + 0.5 * c > 0.0);
        let watch = 9000.0 + 6000.0 * a + 500.0 * d;
        // The quantile of a logistic distribution, whose exponential has a heavy tail.
        let spend = (1.0 + 2.0 * b + 0.45 * ((c + 0.5) / (0.5 - c)).ln()).exp();
        format!("{click},{watch},{spend},{a},{b}\n")
    };
    "click,watch,spend,a,b\n".to_owned() + &(0..count as usize).map(row).collect::<String>()
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("rows.csv"), rows(3000)).expect("a file");
    dir
}

fn config(dir: &Path, regression: &str, overrides: &[&str]) -> Config {
    let text = format!(
        "version: 1\nname: targets\ndata: {{csv: {{train: '{}', features: [a, b]}}, valid_fraction: 0.2}}\ntasks:\n- \
         {{name: click, label: click}}\n- {{name: {regression}, label: {regression}, kind: regression}}\nmodel: {{kind: \
         mmoe, experts: 2, expert: [8]}}\ntrain: {{epochs: 4, batch_size: 64, log_every: 5, optimizer: {{lr: 0.01}}}}\n",
        dir.join("rows.csv").display()
    );
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    Config::parse(&text, "test.yaml", &overrides).expect("valid")
}

/// What a run says of its validation rows, and the warnings on its way.
fn trained(cfg: &Config, dir: &Path) -> (Evaluation, Vec<String>) {
    let (data, mut warnings) = (load(cfg), Vec::new());
    let (run, outcome) = run_in(cfg, &data, dir, &mut |event| {
        if let Event::Warning { text, .. } = event {
            warnings.push(text.clone());
        }
    });
    let predictions = predictions_of_the_best(&run, &outcome, &data);
    let valid = data.valid.as_ref().expect("validation rows");
    (Evaluation::new(&predictions, valid, &data.schema.tasks), warnings)
}

#[test]
fn a_quantile_covers_its_share_and_a_focal_task_ranks() {
    let dir = folder();
    let losses = "train.task_losses={watch: {quantile: {level: 0.9}}, click: {focal: {gamma: 2}}}";
    let cfg = config(dir.path(), "watch", &[losses, "train.epochs=8"]);
    let data = load(&cfg);
    let (run, outcome) = run_in(&cfg, &data, &dir.path().join("run"), &mut |_| ());
    let predictions = predictions_of_the_best(&run, &outcome, &data);
    let valid = data.valid.as_ref().expect("validation rows");
    let pairs = predictions.chunks_exact(2).zip(valid.labels().chunks_exact(2));
    let below = pairs.filter(|(predicted, labels)| labels[1] < predicted[1]).count() as f64;
    let share = below / valid.len() as f64;
    assert!((share - 0.9).abs() < 0.05, "{share}");
    let evaluation = Evaluation::new(&predictions, valid, &data.schema.tasks);
    let Metrics::Binary(click) = &evaluation.tasks[0].1.metrics else { panic!("a binary task") };
    assert!(click.auc.is_some_and(|auc| auc > 0.9), "{click:?}");
    let refused = |set: &str| {
        let losses = format!("train.task_losses={set}");
        let text = "version: 1\ndata: {synth: {}}\ntasks: [{name: like, label: like}]\nmodel: {kind: mmoe}\n";
        Config::parse(text, "x.yaml", &[losses]).expect_err("refused").to_string()
    };
    assert!(
        refused("{like: mse}").contains("expected the loss of a probability"),
        "{}",
        refused("{like: mse}")
    );
    let gamma = refused("{like: {focal: {gamma: -1}}}");
    assert!(gamma.contains("gamma: expected a number from 0, found -1"), "{gamma}");
}

fn regression(evaluation: &Evaluation) -> mt_metrics::RegressionSummary {
    match evaluation.tasks[1].1.metrics {
        mt_train::Metrics::Regression(summary) => summary,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_regression_in_milliseconds_does_not_drown_the_other_task() {
    let dir = folder();
    // As little as the tasks can share: what follows the one alone leaves nothing for the other.
    let narrow = "model={kind: shared-bottom, bottom: [2]}";
    let (scaled, warnings) = trained(&config(dir.path(), "watch", &[narrow]), &dir.path().join("scaled"));
    assert!(!warnings.iter().any(|warning| warning.starts_with("watch")), "{warnings:?}");
    let off = [narrow, "train.standardize=false"];
    let (plain, warnings) = trained(&config(dir.path(), "watch", &off), &dir.path().join("plain"));
    let auc = |evaluation: &Evaluation| evaluation.tasks[0].1.metrics.ranking().expect("an AUC");
    assert!(auc(&scaled) > 0.93 && auc(&scaled) > auc(&plain) + 0.005, "{} {}", auc(&scaled), auc(&plain));
    let [scaled, plain] = [scaled, plain].map(|evaluation| regression(&evaluation));
    assert!(scaled.rmse < Some(600.0) && plain.rmse > Some(1200.0), "{scaled:?} {plain:?}");
    assert!(
        warnings[0].starts_with("watch is 100.0 % of the loss: train.standardize: true brings"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].starts_with("watch is ")
            && warnings[1].contains(" of the gradient of what the tasks share: ")
    );
    assert_eq!(warnings.len(), 2, "each once: {warnings:?}");
}

#[test]
fn every_loss_of_a_regression_predicts_in_the_labels_unit() {
    let dir = folder();
    for (i, loss) in ["mse", "mae", "{huber: {delta: 800}}", "log-mse", "weighted-logistic", "ziln"]
        .into_iter()
        .enumerate()
    {
        let losses = format!("train.task_losses={{watch: {loss}}}");
        let (evaluation, _) =
            trained(&config(dir.path(), "watch", &[&losses]), &dir.path().join(i.to_string()));
        let found = regression(&evaluation);
        let ratio = found.mean_prediction.zip(found.mean_target).map(|(p, y)| p / y).expect("rows");
        assert!((ratio - 1.0).abs() < 0.03, "{loss}: {found:?}");
        assert!(found.rmse < Some(700.0), "{loss}: {found:?}");
    }
}

#[test]
fn log_mse_predicts_the_mean_by_a_smearing_factor() {
    let dir = folder();
    let losses = "train.task_losses={spend: log-mse}";
    let of = |name: &str, more: &[&str]| {
        let cfg = config(dir.path(), "spend", &[&[losses], more].concat());
        let found = regression(&trained(&cfg, &dir.path().join(name)).0);
        found.mean_prediction.zip(found.mean_target).map(|(p, y)| p / y).expect("rows")
    };
    let (smeared, plain) = (of("smeared", &[]), of("plain", &["train.smearing=false"]));
    assert!((smeared - 1.0).abs() < 0.15 && plain < 0.87, "{smeared} of the total, without it {plain}");
}

#[test]
fn a_run_with_scaled_targets_goes_on_to_the_same_bytes() {
    let dir = folder();
    for (name, regression, more) in [
        ("mse", "watch", "train.average=0.9"),
        ("log", "spend", "train.task_losses={spend: log-mse}"),
        ("odds", "spend", "train.task_losses={spend: weighted-logistic}"),
        ("ziln", "spend", "train.task_losses={spend: ziln}"),
    ] {
        let cfg = config(dir.path(), regression, &[more]);
        let data = load(&cfg);
        let [straight, stopped] = ["straight", "stopped"].map(|how| dir.path().join(format!("{name}-{how}")));
        run_in(&cfg, &data, &straight, &mut |_| ());
        let run = RunDir::create(&stopped, &cfg).expect("a folder");
        let stop = AtomicBool::new(false);
        let outcome = train(&cfg, &data, &Device::Cpu, &run, &stop, &mut |event| {
            if let Event::Progress { step, .. } = event {
                stop.store(*step >= 50, Ordering::Relaxed);
            }
        });
        assert!(outcome.expect("stops").interrupted);
        // What is left within an epoch predicts as well.
        let steps = run.steps().expect("checkpoints");
        Predictor::load(&run.step(steps[0]), &Device::Cpu).expect("a model");
        drop(run);
        run_in(&cfg, &data, &stopped, &mut |_| ());
        assert_same_files(&straight.join("checkpoints"), &stopped.join("checkpoints"), name);
    }
}

#[test]
fn a_run_that_began_without_scales_goes_on_without() {
    let dir = folder();
    let off = ["train.standardize=false", "train.smearing=false", "train.task_losses={spend: log-mse}"];
    let (short, long) = (config(dir.path(), "spend", &[&off[..], &["train.epochs=2"]].concat()), {
        config(dir.path(), "spend", &off)
    });
    let data = load(&long);
    run_in(&long, &data, &dir.path().join("straight"), &mut |_| ());
    let (run, _) = run_in(&short, &data, &dir.path().join("old"), &mut |_| ());
    let text = std::fs::read_to_string(run.checkpoint(2).join(Signature::FILE)).expect("a signature");
    assert!(!text.contains("targets"), "as before there were any: {text}");
    drop(run);
    // As a version would read it that knows of scales: they are on.
    let on = config(dir.path(), "spend", &["train.task_losses={spend: log-mse}"]);
    run_in(&on, &data, &dir.path().join("old"), &mut |_| ());
    let last = |name: &str| dir.path().join(name).join("checkpoints/epoch-004");
    for file in [Signature::FILE, Signature::WEIGHTS] {
        let read = |name| std::fs::read(last(name).join(file)).expect("a file");
        assert!(read("old") == read("straight"), "{file}");
    }
    assert_eq!(read_state(&last("old")).expect("a state").epoch, 4);
    let valid = data.valid.as_ref().expect("rows");
    let predictions = |name: &str| {
        let predictor = Predictor::load(&last(name), &Device::Cpu).expect("a model");
        let batch = valid.slice(0..valid.len());
        bits(&predictor.predict(batch.numeric, batch.fields).expect("predictions"))
    };
    assert_eq!(predictions("old"), predictions("straight"));
}

#[test]
fn a_warm_start_keeps_the_scale_of_a_tower_that_it_takes() {
    let dir = folder();
    let cfg = config(dir.path(), "watch", &[]);
    let donor = run_in(&cfg, &load(&cfg), &dir.path().join("donor"), &mut |_| ()).0;
    // Other rows, of another mean.
    let text = std::fs::read_to_string(dir.path().join("rows.csv")).expect("rows");
    let kept = |line: &&str| {
        line.split(',')
            .nth(1)
            .is_none_or(|watch| watch.parse().is_ok_and(|ms: f64| ms > 8000.0) || watch == "watch")
    };
    let text: String = text.split_inclusive('\n').filter(kept).collect();
    std::fs::write(dir.path().join("rows.csv"), text).expect("rows");
    let from = format!("train.warm_start={{from: '{}'}}", dir.path().join("donor").display());
    let still = ["train.optimizer={kind: sgd, lr: 1e-30}", "train.epochs=1", "data.normalize=none"];
    let cfg = |more: &str| config(dir.path(), "watch", &[&still[..], &[more]].concat());
    let target = |run: &RunDir, epoch| {
        Signature::read(&run.checkpoint(epoch)).expect("a signature").targets["watch"].clone()
    };
    let run = |name: &str, cfg: &Config| run_in(cfg, &load(cfg), &dir.path().join(name), &mut |_| ()).0;
    let best = donor.best().expect("a file").expect("an epoch").epoch;
    assert_eq!(target(&run("all", &cfg(&from)), 1), target(&donor, best));
    let experts = from.replace("'}", "', take: ['experts.*']}");
    assert!(target(&run("experts", &cfg(&experts)), 1).mean > target(&donor, best).mean + 500.0);
}

#[test]
fn scales_are_those_of_the_labelled_training_rows() {
    let dir = tempfile::tempdir().expect("a folder");
    // Of the rows that count, 10 and 30; weights 3 and 1.
    let text = "y,a,within,w\n10,1,1,3\n30,2,1,1\n,3,1,1\n1000,4,0,1\n";
    std::fs::write(dir.path().join("rows.csv"), text).expect("a file");
    let text = format!(
        "version: 1\nname: c\ndata: {{csv: {{train: '{}', features: [a]}}, weight: w, valid_fraction: 0}}\ntasks: [{{name: \
         y, label: y, kind: regression, where: within}}]\nmodel: {{kind: mmoe, experts: 2}}\ntrain: {{epochs: 1}}\n",
        dir.path().join("rows.csv").display()
    );
    let cfg = Config::parse(&text, "test.yaml", &[]).expect("valid");
    let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |_| ());
    let target = Signature::read(&run.checkpoint(1)).expect("a signature").targets["y"].clone();
    assert_eq!((target.mean, target.sd, target.smearing), (15.0, 75f64.sqrt(), 1.0));
}

#[test]
fn a_label_that_its_loss_does_not_take_is_refused_with_its_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rows.csv");
    let read = |label: &str, loss: &str| {
        std::fs::write(&path, format!("click,watch,a\n1,3.5,0.1\n0,{label},0.2\n1,4,0.3\n")).expect("a file");
        let text = format!(
            "version: 1\nname: c\ndata: {{csv: {{train: '{}', features: [a]}}, valid_fraction: 0}}\ntasks: [{{name: \
             click, label: click}}, {{name: seconds, label: watch, kind: regression}}]\nmodel: {{kind: mmoe}}\ntrain: \
             {{task_losses: {{seconds: {loss}}}}}\n",
            path.display()
        );
        let cfg = Config::parse(&text, "test.yaml", &[]).expect("valid");
        Dataset::load(&cfg.data, &cfg.tasks, &|_| ())
            .map(|data| (cfg, data))
            .map_err(|error| error.to_string())
    };
    let place = format!("{}:3:3: field \"watch\": expected ", path.display());
    for (label, loss, expected) in [
        (
            "-1",
            "log-mse",
            "a finite number above -1, as the loss log-mse of task \"seconds\" needs (train.task_losses)",
        ),
        (
            "-0.5",
            "weighted-logistic",
            "a finite number from 0, as the loss weighted-logistic of task \"seconds\" needs (train.task_losses)",
        ),
        (
            "-0.5",
            "ziln",
            "a finite number from 0, as the loss ziln of task \"seconds\" needs (train.task_losses)",
        ),
    ] {
        assert_eq!(
            read(label, loss).unwrap_err(),
            format!("{place}{expected}, found \"{label}\" (record 2)")
        );
    }
    for (label, loss) in [("-0.5", "log-mse"), ("0", "weighted-logistic"), ("-7", "mse"), ("", "log-mse")] {
        read(label, loss).expect("a label of that loss");
    }
    // Rows that no file was read for.
    let (mut cfg, data) = read("-7", "mse").expect("labels of that loss");
    cfg.train.task_losses.insert("seconds".into(), mt_layers::LossKind::LogMse.into());
    let run = RunDir::create(&dir.path().join("run"), &cfg).expect("a folder");
    let error = train(&cfg, &data, &Device::Cpu, &run, &AtomicBool::new(false), &mut |_| ()).unwrap_err();
    assert!(matches!(error, Error::Label { row: 1, .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "task \"seconds\": the label of training row 1, counted from 0, is -7; its loss (train.task_losses, train.loss) \
         takes a finite number above -1"
    );
}
