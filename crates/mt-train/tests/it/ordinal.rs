//! A regression by thresholds: what is fitted, learned, restored and kept.

use std::path::Path;

use mt_bundle::{Signature, write_json};
use mt_features::{TaskKind, permutation};
use mt_models::Ordinal;
use mt_train::{Config, Evaluation, Metrics};

use crate::fields::{assert_goes_on, load, predictions_of_the_best, run_in};

/// Rows `click,watch,a,b`: a heavy-tailed time whose size follows from `a` and `b`.
fn rows(count: u32) -> String {
    let draw = |salt| permutation(count, 5, salt);
    let draws = [draw(1), draw(2), draw(3)];
    let row = |i: usize| {
        let [a, b, c] = draws.each_ref().map(|draw| (f64::from(draw[i]) + 0.5) / f64::from(count) - 0.5);
        let watch = (2.0 + 2.0 * a + b + 0.5 * ((c + 0.5) / (0.5 - c)).ln()).exp();
        format!("{},{watch},{a},{b}\n", u8::from(a + b > 0.0))
    };
    "click,watch,a,b\n".to_owned() + &(0..count as usize).map(row).collect::<String>()
}

fn config(dir: &Path, overrides: &[&str]) -> Config {
    let path = dir.join("rows.csv");
    std::fs::write(&path, rows(4000)).expect("a file");
    let text = format!(
        "version: 1\nname: ordinal\ndata: {{csv: {{train: '{}', features: [a, b]}}, valid_fraction: 0.3}}\ntasks:\n- {{name: \
         click, label: click}}\n- {{name: watch, label: watch, kind: regression}}\nmodel: {{kind: mmoe, experts: 2, expert: \
         [8]}}\ntrain: {{epochs: 4, batch_size: 64, optimizer: {{lr: 0.01}}, task_losses: {{watch: {{ordinal: {{thresholds: \
         20}}}}}}}}\n",
        path.display()
    );
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    Config::parse(&text, "test.yaml", &overrides).expect("valid")
}

#[test]
fn times_are_ranked_and_their_sum_is_met() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, more) in [("scaled", "train.standardize=true"), ("raw", "train.standardize=false")] {
        let cfg = config(dir.path(), &[more]);
        let data = load(&cfg);
        let (run, outcome) = run_in(&cfg, &data, &dir.path().join(name), &mut |_| ());
        let predictions = predictions_of_the_best(&run, &outcome, &data);
        let valid = data.valid.as_ref().expect("rows");
        let evaluation = Evaluation::new(&predictions, valid, &data.schema.tasks);
        let Metrics::Regression(found) = evaluation.tasks[1].1.metrics else { panic!("a regression") };
        assert!(found.xauc.is_some_and(|xauc| xauc > 0.7), "{found:?}");
        assert!(found.calibration.is_some_and(|ratio| (ratio - 1.0).abs() < 0.1), "{found:?}");
        let signature = Signature::read(&run.checkpoint(1)).expect("a signature");
        assert_eq!(
            (signature.format, signature.schema.tasks[1].kind),
            (3, TaskKind::Ordinal { thresholds: 20 })
        );
        let target = signature.targets["watch"].ordinal.as_ref().expect("thresholds");
        let labels = data.train.labels().iter().skip(1).step_by(2);
        let share = labels.filter(|y| **y > target.thresholds[4]).count() as f64 / data.train.len() as f64;
        approx::assert_relative_eq!(share, 1.0 - 5.0 / 21.0, epsilon = 1e-3);
        // No prediction is beyond what labels between thresholds are on average.
        let (least, most) = (target.means[0], target.means[20]);
        assert!(predictions.iter().skip(1).step_by(2).all(|y| (least..=most * 1.001).contains(y)));
    }
}

#[test]
fn a_stopped_run_goes_on_to_the_same_bytes_whatever_the_threads_and_the_method() {
    let dir = tempfile::tempdir().expect("a folder");
    for method in ["fixed", "famo", "pcgrad"] {
        let cfg = config(dir.path(), &[&format!("train.balance.kind={method}"), "train.epochs=2"]);
        assert_goes_on(&cfg, &load(&cfg), dir.path(), method);
    }
}

#[test]
fn a_warm_start_keeps_the_thresholds_that_its_tower_was_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let donor = config(dir.path(), &["train.epochs=1"]);
    run_in(&donor, &load(&donor), &dir.path().join("donor"), &mut |_| ());
    let from = format!("train.warm_start.from={}", dir.path().join("donor").display());
    // Other rows to fit on.
    let cfg = config(dir.path(), &["train.epochs=1", "data.split_seed=9", &from]);
    let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join("started"), &mut |_| ());
    let fresh = config(dir.path(), &["train.epochs=1", "data.split_seed=9"]);
    let (other, _) = run_in(&fresh, &load(&fresh), &dir.path().join("fresh"), &mut |_| ());
    let targets = |path: &Path| Signature::read(path).expect("a signature").targets;
    let there = targets(&dir.path().join("donor/checkpoints/epoch-001"));
    assert_eq!(targets(&run.checkpoint(1)), there);
    assert_ne!(targets(&other.checkpoint(1)), there);
}

#[test]
fn a_model_whose_thresholds_are_not_those_of_its_outputs_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let cfg = config(dir.path(), &["train.epochs=1"]);
    let (run, _) = run_in(&cfg, &load(&cfg), &dir.path().join("run"), &mut |_| ());
    let good = Signature::read(&run.checkpoint(1)).expect("a signature");
    let refused = |change: &dyn Fn(&mut Ordinal)| {
        let mut signature = good.clone();
        change(
            signature
                .targets
                .get_mut("watch")
                .and_then(|target| target.ordinal.as_mut())
                .expect("thresholds"),
        );
        write_json(&dir.path().join(Signature::FILE), &signature).expect("written");
        Signature::read(dir.path()).expect_err("refused").to_string()
    };
    let fewer = refused(&|ordinal| _ = (ordinal.thresholds.pop(), ordinal.means.pop()));
    assert!(fewer.ends_with("targets.watch: expected 20 thresholds, found 19"), "{fewer}");
    for unsound in
        [refused(&|ordinal| ordinal.thresholds.swap(0, 19)), refused(&|ordinal| _ = ordinal.means.pop())]
    {
        assert!(
            unsound.contains("targets.watch: expected a finite mean") && unsound.contains("in order"),
            "{unsound}"
        );
    }
}
