//! What chooses among epochs and trials where a metric is undefined on the validation rows.

use serde_json::Value;

use crate::support::{Folder, TINY, rows};

/// `tiny.yaml` with validation rows of which none is liked, and `more` in its section `train`.
fn unliked(more: &str) -> Folder {
    let folder = Folder::tiny();
    let text = rows(100, 2);
    let unliked = text.lines().filter(|line| line.get(2..3) != Some("1")).map(|line| line.to_owned() + "\n");
    folder.write("unliked.csv", unliked.collect::<String>());
    folder.write("tiny.yaml", TINY.replace("rows.csv}", "rows.csv, valid: unliked.csv}") + more);
    folder
}

fn best(folder: &Folder) -> Value {
    let mut best: Value = serde_json::from_str(&folder.read("run/best.json")).expect("JSON");
    assert!(best.as_object_mut().and_then(|best| best.remove("sha256")).is_some(), "its checksum");
    best
}

#[test]
fn a_task_without_an_auc_is_named_and_the_others_choose_the_epoch() {
    // Frozen, every epoch is like the first, and none is better.
    let folder = unliked("  patience: 2\n  rates: {'*': 0}\n");
    let text = folder.read("tiny.yaml").replace("epochs: 2", "epochs: 6");
    folder.write("tiny.yaml", text);
    let events = folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--json"]).json();
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    let warning = of("warning")[0]["text"].as_str().expect("text").to_owned();
    assert!(
        warning.starts_with("train.select: AUC is undefined on the validation rows for liked (none of its ")
    );
    assert!(
        warning.ends_with(" rows is positive); epochs are chosen by what is defined: AUC, watched"),
        "{warning}"
    );
    let epochs = of("epoch");
    assert_eq!(epochs.len(), 3, "two without a better one end the run");
    let flags: Vec<bool> = epochs.iter().map(|epoch| epoch["best"] == true).collect();
    assert_eq!(flags, [true, false, false]);
    assert_eq!(epochs[0]["selected"], epochs[0]["valid"]["watched"]["auc"]);
    assert_eq!(best(&folder), serde_json::json!({ "epoch": 1, "value": epochs[0]["selected"] }));
    assert!(folder.read("run/metrics.jsonl").contains("AUC is undefined"));
    assert!(folder.read("run/report.html").contains("AUC is undefined"));

    let said = folder.mt(&["compare", "tiny.yaml", "--out", "out"]);
    assert!(said.err.contains(&format!("warning: {warning}\n")), "{}", said.err);
}

#[test]
fn nothing_to_choose_by_is_refused_before_training_unless_it_is_switched_off() {
    let folder = unliked("");
    let rows = folder.read("unliked.csv").lines().count() - 1;
    let message = format!(
        "train.select: AUC is undefined on the validation rows for liked (none of its {rows} rows is positive), so no \
         epoch would be better than another. Give validation rows that have it (data.valid_fraction, data.split, or \
         validation files), choose by what they have (train.select.metric: log-loss, train.select.task), or write \
         train.select.metric: none to keep the last epoch"
    );
    for first in [
        &["train", "tiny.yaml", "--run-dir", "run"][..],
        &["compare", "tiny.yaml", "--out", "out"],
        &["sweep", "tiny.yaml", "--over", "train.batch_size=[16, 32]", "--out", "out"],
    ] {
        let said = folder.mt(&[first, &["--set", "train.select.task=liked"][..]].concat());
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{first:?} {}", said.err);
        assert!(said.err.ends_with(&format!("{message}\n")), "{first:?} {}", said.err);
        assert!(!folder.path("run").exists());
    }
    folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--set", "train.select.metric=none"]).done();
    assert_eq!(best(&folder), serde_json::json!({ "epoch": 2, "value": null }));
    let off = ["--set", "train.select.metric=none"];
    folder.refuses(
        &[&["train", "tiny.yaml", "--run-dir", "other", "--set", "train.patience=2"], &off[..]].concat(),
        2,
        "--set train.patience=2: train.patience: compares epochs, and train.select.metric is none",
    );
    let sweep = ["sweep", "tiny.yaml", "--over", "train.batch_size=[16, 32]", "--out", "out"];
    folder.refuses(
        &[&sweep[..], &off].concat(),
        2,
        "tiny: a sweep compares epochs, and train.select.metric is none",
    );
}

#[test]
fn a_sweep_over_rows_with_an_undefined_auc_finds_the_best_trial() {
    let folder = unliked("");
    let over = "train.optimizer.lr=[1e-7, 0.03]";
    let said = folder.mt(&["sweep", "tiny.yaml", "--over", over, "--trials", "4", "--out", "out"]);
    assert!(said.err.contains("warning: train.select: AUC is undefined on the validation rows for liked"));
    let report: Value = serde_json::from_str(&folder.read("out/report.json")).expect("JSON");
    assert_eq!(report["metric"], "AUC, watched");
    let values: Vec<f64> =
        report["trials"].as_array().expect("a list").iter().filter_map(|t| t["value"].as_f64()).collect();
    // The configuration as it is, and both values of the list.
    assert_eq!(values.len(), 3);
    assert!(values.is_sorted_by(|a, b| a >= b) && values[0] > values[2], "{values:?}");
}

#[test]
fn each_metric_that_chooses_is_checked_on_the_labels_of_each_kind() {
    let folder = Folder::new();
    let lines = (0..40).map(|i| format!("{},{i},{},{}\n", i % 2, i % 3, i * 7 % 11));
    folder.write("train.csv", "a,seconds,tab,x\n".to_owned() + &lines.collect::<String>());
    let config = "version: 1\ndata: {csv: {train: train.csv, valid: valid.csv}}\ntasks:\n- {name: a, label: a}\n- \
                  {name: seconds, label: seconds, kind: regression}\n- {name: tab, label: tab, kind: multiclass, \
                  classes: 3}\nmodel: {kind: mmoe, experts: 2, expert: [4]}\ntrain: {epochs: 1}\n";
    folder.write("c.yaml", config);
    let check = |name: &str, valid: String, set: &str, expected: &str| {
        folder.write("valid.csv", valid);
        let said = folder.mt(&["train", "c.yaml", "--run-dir", name, "--set", set]);
        assert!(said.err.contains(expected), "{name}: {}", said.err);
        said.code
    };
    let constant = "a,seconds,tab,x\n0,5,1,3\n1,5,1,4\n1,5,1,5\n".to_owned();
    let code = check(
        "mixed",
        constant.clone(),
        "train.select.metric=auc",
        "undefined on the validation rows for seconds (all of its 3 rows have one value), tab (all of its 3 rows are \
         of one class); epochs are chosen by what is defined: AUC, a\n",
    );
    assert_eq!(code, Some(0));
    let code = check("one", constant, "train.select.task=seconds", "error: train.select: AUC is undefined");
    assert_eq!(code, Some(2));
    let unlabelled = "a,seconds,tab,x\n,5,,3\n,6,,4\n".to_owned();
    let code = check(
        "none",
        unlabelled,
        "train.select={metric: log-loss, weights: {a: 1, tab: 2}}",
        "error: train.select: log loss is undefined on the validation rows for a (no row has a label), tab (no row has \
         a label), so no epoch",
    );
    assert_eq!(code, Some(2));
}
