//! The census files from raw to a trained model, where they are at hand.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{Folder, real_data};

#[test]
fn census_files_convert_train_and_evaluate() {
    let Some(raw) = real_data("census_files_convert_train_and_evaluate") else { return };
    let folder = Folder::new();
    let said = folder.mt(&["data", "census", "--raw", raw.to_str().expect("is UTF-8"), "--out", "census"]);
    assert_eq!(said.err, "");
    let table = said.done();
    let train = table.lines().find(|line| line.contains("census/train.csv")).expect("a row");
    let cells: Vec<&str> = train.split(['│', '┆']).map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let expected = ["census/train.csv", "199,523", "501", "86,485 (43.3459 %)", "12,382 (6.2058 %)", "34.10"];
    assert_eq!(cells, expected);
    assert_eq!(folder.files("census"), ["columns.txt", "test.csv", "train.csv", "valid.csv"]);

    // The study's own rows, byte for byte.
    let text = folder.read("census/train.csv");
    let lines: BTreeSet<&str> = text.lines().collect();
    let sample = std::fs::read_to_string(raw.join("video_sample_30rows.csv")).expect("the sample");
    assert_eq!(sample.lines().count(), 30);
    assert!(sample.lines().all(|line| lines.contains(line)));

    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/video/1-shared-bottom.yaml");
    let files = ["train", "valid", "test"].map(|part| format!("data.csv.{part}=census/{part}.csv"));
    let sets = files.iter().map(String::as_str).chain(["train.epochs=1"]);
    let mut args = vec!["train", config.to_str().expect("is UTF-8"), "--run-dir", "run", "--threads", "2"];
    args.extend(sets.flat_map(|set| ["--set", set]));
    folder.mt(&args).done();
    let eval = folder.mt(&["eval", "--run", "run", "--json"]).json();
    let auc = |task: &str| eval[0]["tasks"][task]["auc"].as_f64().expect("a number");
    assert_eq!(eval[0]["tasks"]["like"]["rows"], 49_881);
    assert!(auc("like") > 0.93 && auc("completion") > 0.98, "{}", eval[0]);
}

#[test]
fn census_files_that_are_not_there_are_named() {
    let folder = Folder::new();
    folder.refuses(
        &["data", "census", "--raw", "none", "--out", "out"],
        1,
        "none/census-income.data: cannot be read: No such file or directory (os error 2)",
    );
}
