//! Amounts that are often 0: their outputs, unit and mean, and what is refused.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_bundle::Signature;
use mt_features::{TaskKind, permutation};
use mt_train::{Config, Evaluation, Metrics, RunDir, train};

use crate::fields::{load, predictions_of_the_best, run_in};

/// Rows `click,spend,a,b`: an amount above 0 of about every third, by `a`, of a size by `b` that is heavier in its tail than a
/// log-normal; in units of `unit`.
fn rows(count: u32, unit: f64) -> String {
    let draw = |salt| permutation(count, 3, salt);
    let draws = [draw(1), draw(2), draw(3), draw(4)];
    let row = |i: usize| {
        let [a, b, c, d] = draws.each_ref().map(|draw| (f64::from(draw[i]) + 0.5) / f64::from(count) - 0.5);
        let logistic = |x: f64| ((x + 0.5) / (0.5 - x)).ln();
        let buys = 4.0 * a - 0.8 + logistic(d) > 0.0;
        let size = unit * (3.0 + 2.0 * b + 0.4 * logistic(c)).exp();
        format!("{},{},{a},{b}\n", u8::from(a + b > 0.0), if buys { size } else { 0.0 })
    };
    "click,spend,a,b\n".to_owned() + &(0..count as usize).map(row).collect::<String>()
}

fn config(dir: &Path, unit: f64, overrides: &[&str]) -> Result<Config, String> {
    let path = dir.join(format!("rows-{unit}.csv"));
    std::fs::write(&path, rows(4000, unit)).expect("a file");
    let text = format!(
        "version: 1\nname: ziln\ndata: {{csv: {{train: '{}', features: [a, b]}}, valid_fraction: 0.3}}\ntasks:\n- {{name: \
         click, label: click}}\n- {{name: spend, label: spend, kind: regression}}\nmodel: {{kind: mmoe, experts: 2, \
         expert: [8]}}\ntrain: {{epochs: 4, batch_size: 64, optimizer: {{lr: 0.01}}, task_losses: {{spend: ziln}}}}\n",
        path.display()
    );
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    Config::parse(&text, "test.yaml", &overrides).map_err(|error| error.to_string())
}

/// Predictions of the validation rows, what they come to, and the model.
fn trained(cfg: &Config, dir: &Path) -> (Vec<f32>, mt_metrics::RegressionSummary, Signature) {
    let data = load(cfg);
    let (run, outcome) = run_in(cfg, &data, dir, &mut |_| ());
    let predictions = predictions_of_the_best(&run, &outcome, &data);
    let evaluation = Evaluation::new(&predictions, data.valid.as_ref().expect("rows"), &data.schema.tasks);
    let Metrics::Regression(summary) = evaluation.tasks[1].1.metrics else { panic!("a regression") };
    let best = run.best().expect("a file").expect("an epoch").epoch;
    let signature = Signature::read(&run.checkpoint(best)).expect("a signature");
    (predictions.chunks_exact(2).map(|row| row[1]).collect(), summary, signature)
}

#[test]
fn amounts_are_ranked_and_their_sum_is_met_in_any_unit() {
    let dir = tempfile::tempdir().expect("a folder");
    let of = |name: &str, unit, more: &[&str]| {
        trained(&config(dir.path(), unit, more).expect("valid"), &dir.path().join(name))
    };
    let (plain, found, signature) = of("plain", 1.0, &[]);
    assert!(found.gini.is_some_and(|gini| gini > 0.5), "{found:?}");
    assert!(found.calibration.is_some_and(|ratio| (ratio - 1.0).abs() < 0.1), "{found:?}");
    assert_eq!(signature.format, 3);
    assert_eq!(signature.schema.tasks[1].kind, TaskKind::ZeroInflated);
    // In cents, and without the factor.
    let (cents, _, _) = of("cents", 100.0, &[]);
    for (plain, cents) in plain.iter().zip(&cents) {
        approx::assert_relative_eq!(100.0 * plain, *cents, max_relative = 0.02);
    }
    let (unsmeared, _, other) = of("unsmeared", 1.0, &["train.smearing=false"]);
    let factor = signature.targets["spend"].smearing as f32;
    assert!(factor != 1.0 && other.targets["spend"].smearing == 1.0, "{factor}");
    for (plain, unsmeared) in plain.iter().zip(&unsmeared) {
        approx::assert_relative_eq!(unsmeared * factor, *plain, max_relative = 1e-5);
    }
    let (_, found, _) = of("raw", 1.0, &["train.standardize=false"]);
    assert!(found.gini.is_some_and(|gini| gini > 0.5), "{found:?}");
}

#[test]
fn methods_that_need_losses_above_0_are_refused_and_others_balance() {
    let dir = tempfile::tempdir().expect("a folder");
    for kind in ["uncertainty", "dwa", "geometric", "famo", "gradnorm"] {
        let refused = config(dir.path(), 1.0, &[&format!("train.balance.kind={kind}")]).expect_err("refused");
        let expected = format!("{kind} needs losses above 0, and ziln, of spend, may be below");
        assert!(refused.contains("train.balance.kind") && refused.contains(&expected), "{refused}");
    }
    for kind in ["random", "pcgrad", "nash"] {
        let set = format!("train.balance.kind={kind}");
        let cfg = config(dir.path(), 1.0, &[&set]).expect("valid");
        let (_, found, _) = trained(&cfg, &dir.path().join(kind));
        assert!(found.gini.is_some_and(|gini| gini > 0.5), "{kind}: {found:?}");
    }
}

#[test]
fn rows_that_were_read_for_other_outputs_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let read =
        |losses: &str| config(dir.path(), 1.0, &[&format!("train.task_losses={losses}")]).expect("valid");
    let (ziln, mse) = (read("{spend: ziln}"), read("{}"));
    for (cfg, other, name) in [(&ziln, &mse, "a"), (&mse, &ziln, "b")] {
        let data = load(other);
        let run = RunDir::create(&dir.path().join(name), cfg).expect("a folder");
        let stop = AtomicBool::new(false);
        let error =
            train(cfg, &data, &Device::Cpu, &run, &stop, &mut |_| ()).expect_err("refused").to_string();
        assert!(
            error.starts_with("train.task_losses.spend: the rows were read for a loss with other outputs"),
            "{error}"
        );
    }
}
