//! `mt train`: repeatable, honest about what is undefined, readable by programs.

use crate::support::{Folder, TINY, rows};

const SYNTH: &str = "\
version: 1
data:
  synth: {rows: 3000, seed: 5}
tasks:
- {name: completion, label: completion}
- {name: like, label: like}
model: {kind: ple, expert: [8]}
train: {epochs: 2, batch_size: 256}
";

/// The files of both runs' checkpoints are the same, byte by byte.
fn same_checkpoints(folder: &Folder, one: &str, other: &str) {
    let list = |run: &str| folder.files(&format!("{run}/checkpoints"));
    assert_eq!(list(one), list(other));
    assert_eq!(list(one).len(), 12);
    for file in list(one) {
        let bytes = |run: &str| folder.bytes(&format!("{run}/checkpoints/{file}"));
        assert!(bytes(one) == bytes(other), "{file} differs");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_byte_of_the_checkpoints() {
    let folder = Folder::new();
    folder.write("synth.yaml", SYNTH);
    for threads in ["1", "2", "3"] {
        folder.mt(&["train", "synth.yaml", "--run-dir", threads, "--threads", threads]).done();
    }
    same_checkpoints(&folder, "1", "2");
    same_checkpoints(&folder, "1", "3");
}

#[test]
fn generated_rows_train_the_same_from_a_file() {
    let folder = Folder::new();
    folder.write("synth.yaml", SYNTH);
    let out =
        folder.mt(&["data", "synth", "--rows", "3000", "--seed", "5", "--out", "rows/synth.csv"]).done();
    assert_eq!(out, "3,000 rows in rows/synth.csv\n");
    let file =
        SYNTH.replace("synth: {rows: 3000, seed: 5}", "csv: {train: rows/synth.csv}\n  test_fraction: 0.1");
    folder.write("file.yaml", file);
    let built_in = folder.mt(&["train", "synth.yaml", "--run-dir", "synth"]).done();
    let from_file = folder.mt(&["train", "file.yaml", "--run-dir", "file"]).done();
    same_checkpoints(&folder, "synth", "file");
    // Only the generator knows the best possible AUC.
    assert!(built_in.contains("best possible test AUC of this generated data: completion 0."), "{built_in}");
    assert!(!from_file.contains("best possible"), "{from_file}");
    let eval = |run| folder.mt(&["eval", "--run", run, "--json"]).json();
    assert_eq!(eval("synth"), eval("file"));
}

#[test]
fn a_test_set_of_one_class_has_no_auc() {
    let folder = Folder::tiny();
    let text = rows(200, 2);
    let unliked = text.lines().filter(|line| line.get(2..3) != Some("1")).map(|line| line.to_owned() + "\n");
    folder.write("unliked.csv", unliked.collect::<String>());
    folder.write("tiny.yaml", TINY.replace("rows.csv}", "rows.csv, test: unliked.csv}"));
    let out = folder.mt(&["train", "tiny.yaml", "--run-dir", "run"]).done();
    // AUC and its error are undefined, so are normalised entropy and calibration without a positive.
    let row = out.lines().rfind(|line| line.contains("liked")).expect("a row of the test");
    let cells: Vec<&str> = row.split(['│', '┆']).map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[2..5], ["0", "-", "-"], "{row}");
    assert!(!row.contains("NaN") && !row.contains("0.50000"), "{row}");

    let eval = folder.mt(&["eval", "--run", "run", "--json"]).json();
    let liked = &eval[0]["tasks"]["liked"];
    assert!(liked["auc"].is_null() && liked["auc_se"].is_null() && liked["log_loss"].is_f64(), "{liked}");
    assert!(eval[0]["tasks"]["watched"]["auc"].is_f64());

    let other = TINY.replace("rows.csv}", "rows.csv, test: unliked.csv}").replace("experts: 2", "experts: 3");
    folder.write("other.yaml", other);
    let table =
        folder.mt(&["compare", "tiny.yaml", "other.yaml", "--out", "out", "--seeds", "2", "--json"]).json();
    for row in table[0].as_array().expect("rows") {
        let undefined = row["task"] == "liked";
        for key in ["auc", "auc_sd", "auc_interval"] {
            assert_eq!(row[key].is_null(), undefined, "{key} of {row}");
        }
        assert_eq!(row["p_value"].is_null(), undefined || row["model"] == "tiny", "{row}");
        assert!(row["log_loss"].is_f64() && row["train_auc"].is_f64());
    }
}

#[test]
fn the_json_form_is_one_object_a_line_and_nothing_else() {
    let folder = Folder::tiny();
    let said = folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--json", "--set", "train.log_every=1"]);
    assert_eq!(said.err, "");
    let events = said.json();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().expect("a kind")).collect();
    // 200 training rows are 7 steps an epoch.
    let epoch = [&["progress"; 7][..], &["health", "epoch"]].concat();
    assert_eq!(kinds, [&["started"][..], &epoch, &epoch, &["summary"]].concat());
    let summary = &events.last().expect("a summary")["summary"];
    let file: serde_json::Value = serde_json::from_str(&folder.read("run/summary.json")).expect("JSON");
    assert_eq!(*summary, file);
    assert_eq!(summary["interrupted"], false);
    // The log holds the same events.
    let log = folder.read("run/metrics.jsonl");
    let log: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(log, events[..events.len() - 1]);
}

#[test]
fn no_progress_bar_is_drawn_where_there_is_no_terminal() {
    let folder = Folder::tiny();
    let said = folder.mt(&["train", "tiny.yaml", "--run-dir", "run"]);
    let plain = |text: &str| !text.contains(['\r', '\u{1b}']);
    assert!(plain(&said.err) && plain(&said.out), "{:?}", said);
    let lines: Vec<&str> = said.err.lines().collect();
    assert_eq!(lines[0], "200 training rows x 3 columns, dense; 100 valid, 100 test");
    assert_eq!(lines[1], "tiny mmoe: 146 parameters, 7 steps an epoch");
    assert!(lines[2].starts_with("epoch   1 ") && lines[3].starts_with("epoch   2 "), "{lines:?}");
    assert_eq!(lines.len(), 4);
}

#[test]
fn overrides_are_kept_in_the_runs_configuration() {
    let folder = Folder::tiny();
    let sets = ["--set", "train.epochs=1", "--set", "model.expert=[5, 3]"];
    folder.mt(&[&["train", "tiny.yaml", "--run-dir", "run"], &sets[..]].concat()).done();
    folder.mt(&["train", "run/config.yaml", "--run-dir", "again"]).done();
    assert_eq!(folder.read("run/config.yaml"), folder.read("again/config.yaml"));
    let weights = "checkpoints/epoch-001/weights.safetensors";
    assert!(folder.bytes(&format!("run/{weights}")) == folder.bytes(&format!("again/{weights}")));
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_leaves_the_earlier_checkpoints() {
    let folder = Folder::tiny();
    let said = folder.mt(&[
        "train",
        "tiny.yaml",
        "--run-dir",
        "run",
        "--set",
        "train.optimizer={kind: sgd, lr: 1e30}",
    ]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("error: the loss is ") && said.err.contains("Lower train.optimizer.lr"),
        "{}",
        said.err
    );
    assert!(!folder.files("run").iter().any(|file| file.contains("partial")));
}
