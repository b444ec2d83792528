//! `mt predict` and `mt eval`: the same numbers, whatever way they are asked for.

use crate::support::{Folder, Said, numbers, rows};

/// Probabilities of the rows in `input`.
fn predict(folder: &Folder, input: &str) -> String {
    folder.mt(&["predict", "--run", "run", "--input", input]).done()
}

/// Each line without its fields of these numbers.
fn without(text: &str, columns: &[usize]) -> String {
    let cut = |line: &str| {
        let fields = line.split(',').enumerate().filter(|(i, _)| !columns.contains(i));
        fields.map(|(_, field)| field).collect::<Vec<_>>().join(",") + "\n"
    };
    text.lines().map(cut).collect()
}

#[test]
fn predictions_have_a_header_and_a_line_a_row_in_order() {
    let folder = Folder::trained();
    folder.write("new.csv", rows(1000, 2));
    let all = predict(&folder, "new.csv");
    assert_eq!(all.lines().next(), Some("watched,liked"));
    let all = numbers(&all);
    assert_eq!(all.len(), 1000);
    assert!(all.iter().flatten().all(|p| (0.0..=1.0).contains(p)));
    // One row alone gives the same as among others.
    let text = rows(1000, 2);
    let lines: Vec<&str> = text.lines().collect();
    for row in [0, 511, 512, 999] {
        folder.write("one.csv", format!("{}\n{}\n", lines[0], lines[row + 1]));
        assert_eq!(numbers(&predict(&folder, "one.csv")), [all[row].clone()]);
    }
}

#[test]
fn labels_and_the_order_of_named_columns_do_not_matter() {
    let folder = Folder::trained();
    let text = rows(300, 2);
    folder.write("new.csv", &text);
    let expected = predict(&folder, "new.csv");
    folder.write("unlabelled.csv", without(&text, &[0, 1]));
    assert_eq!(predict(&folder, "unlabelled.csv"), expected);
    folder.write("one label.csv", without(&text, &[0]));
    assert_eq!(predict(&folder, "one label.csv"), expected);
    let turn = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",") + "\n";
    folder.write("turned.csv", text.lines().map(turn).collect::<String>());
    assert_eq!(predict(&folder, "turned.csv"), expected);
}

#[test]
fn files_without_header_give_the_same_with_and_without_labels() {
    let folder = Folder::trained();
    let text = rows(400, 1);
    let (_, bare) = text.split_once('\n').expect("a header");
    folder.write("bare.csv", bare);
    let config = folder.read("tiny.yaml");
    let config = config.replace("{train: rows.csv}", "{train: bare.csv, header: false}");
    folder
        .write("bare.yaml", config.replace("label: watched", "label: 0").replace("label: liked", "label: 1"));
    folder.mt(&["train", "bare.yaml", "--run-dir", "bare"]).done();
    let weights = "checkpoints/epoch-002/weights.safetensors";
    assert!(folder.bytes(&format!("run/{weights}")) == folder.bytes(&format!("bare/{weights}")));

    let bare_run = |input: &str| folder.mt(&["predict", "--run", "bare", "--input", input]).done();
    folder.write("unlabelled.csv", without(bare, &[0, 1]));
    let expected = predict(&folder, "rows.csv");
    assert_eq!(bare_run("bare.csv"), expected);
    assert_eq!(bare_run("unlabelled.csv"), expected);

    folder.write("narrow.csv", without(bare, &[0]));
    folder.refuses(
        &["predict", "--run", "bare", "--input", "narrow.csv", "--output", "out.csv"],
        1,
        "narrow.csv: expected 5 columns, or 3 without labels, found 4",
    );
}

#[test]
fn input_that_does_not_fit_is_refused_and_leaves_no_output() {
    let folder = Folder::trained();
    let refuses = |content: String, message: &str| {
        folder.write("new.csv", content);
        let args = ["predict", "--run", "run", "--input", "new.csv", "--output", "out.csv"];
        folder.refuses(&args, 1, message);
    };
    let text = rows(30, 2);
    refuses(without(&text, &[4]), "new.csv: the feature column \"c\" is missing");
    refuses(text.replacen(",c\n", ",cc\n", 1), "new.csv: the feature column \"c\" is missing");
    // Found only after some rows have been predicted.
    let many = rows(60_000, 2);
    refuses(many.clone() + "1,0,0.5,0.5\n", "new.csv:60002:12: expected 5 fields, found 4 (record 60001)");
    refuses(
        many + "1,0,0.5,n/a,0.5\n",
        "new.csv:60002:9: field \"b\": expected a number, found \"n/a\" (record 60001)",
    );
    folder.refuses(
        &["predict", "--run", "run", "--input", "none.csv"],
        1,
        "none.csv: cannot be read: No such file or directory (os error 2)",
    );
}

#[test]
fn evaluation_agrees_with_metrics_of_the_predicted_file() {
    let folder = Folder::trained();
    folder.write("new.csv", rows(2000, 3));
    folder.mt(&["predict", "--run", "run", "--input", "new.csv", "--output", "out.csv"]).done();
    let (rows, predicted) = (numbers(&folder.read("new.csv")), numbers(&folder.read("out.csv")));
    let eval = folder.mt(&["eval", "--run", "run", "--data", "new.csv", "--json"]).json();
    assert_eq!(eval[0]["rows"], "new.csv");
    for (t, task) in ["watched", "liked"].iter().enumerate() {
        let column = |rows: &[Vec<f32>]| rows.iter().map(|row| row[t]).collect::<Vec<_>>();
        let (scores, labels) = (column(&predicted), column(&rows));
        let found = &eval[0]["tasks"][task];
        let close = |key: &str, value: Option<f64>| {
            let (a, b) = (found[key].as_f64().expect("a number"), value.expect("defined"));
            assert!((a - b).abs() < 1e-9, "{task} {key}: {a} {b}");
        };
        assert_eq!(found["rows"], 2000);
        close("auc", mt_metrics::auc(&scores, &labels, None));
        close("log_loss", mt_metrics::log_loss(&scores, &labels, None));
        assert!(found["auc"].as_f64() > Some(0.75), "{found}");
    }
}

#[test]
fn evaluation_gives_the_numbers_that_training_ended_with() {
    let folder = Folder::trained();
    let summary: serde_json::Value = serde_json::from_str(&folder.read("run/summary.json")).expect("JSON");
    let eval = folder.mt(&["eval", "--run", "run", "--json"]).json();
    assert_eq!(eval[0]["rows"], "test");
    assert_eq!(eval[0]["tasks"], summary["test"]);
    assert_eq!(eval[0]["epoch"], summary["best"]["epoch"]);
    let text = folder.mt(&["eval", "--run", "run"]).done();
    let auc = format!("{:.5}", summary["test"]["liked"]["auc"].as_f64().expect("a number"));
    assert!(text.contains(&auc), "{text}");
}

#[test]
fn rows_from_standard_input_are_predicted_as_those_of_a_file() {
    let folder = Folder::trained();
    let expected = folder.mt(&["predict", "--run", "run", "--input", "rows.csv"]).done();
    let rows = std::fs::File::open(folder.path("rows.csv")).expect("a file");
    let mut command = folder.command(&["predict", "--run", "run", "--input", "-"]);
    let said = Said::of(command.stdin(rows).output().expect("the program starts"));
    assert_eq!(said.done(), expected);
}
