//! Metrics of rows with weights, `data.weight`.

use serde_json::Value;

use crate::support::{Folder, TINY, rows};

const SAID: &str = "metrics are weighted by data.weight; rows and positives are counted";

/// Rows with one more column: the cell of the row with a number, counted from 1.
fn with(rows: &str, column: &str, value: impl Fn(usize) -> usize) -> String {
    let cell = |(i, line): (usize, &str)| match i {
        0 => format!("{line},{column}\n"),
        _ => format!("{line},{}\n", value(i)),
    };
    rows.lines().enumerate().map(cell).collect()
}

/// A folder with `weighted.yaml` and `plain.yaml`, the same but for `data.weight`.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", with(&with(&rows(400, 1), "user", |i| i % 7), "w", |i| i % 4));
    let config = TINY.replace("  valid_fraction", "  weight: w\n  group: user\n  valid_fraction");
    folder.write("plain.yaml", config.replace("weight: w", "numeric_missing: fail"));
    folder.write("weighted.yaml", config);
    folder
}

/// Every number that both have, but for counts of rows and for errors, which depend on these.
fn assert_close(name: &str, found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (key, value) in expected {
                if !["rows", "positives", "auc_se", "count"].contains(&key.as_str()) {
                    assert_close(key, &found[key], value);
                }
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{name}");
            found.iter().zip(expected).for_each(|(found, expected)| assert_close(name, found, expected));
        }
        _ => match (found.as_f64(), expected.as_f64()) {
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() < 1e-9, "{name}: {found} {expected}")
            }
            _ => assert_eq!(found, expected, "{name}"),
        },
    }
}

#[test]
fn a_row_of_weight_three_counts_as_three_rows() {
    let folder = folder();
    let out = folder.mt(&["train", "weighted.yaml", "--run-dir", "run"]).done();
    assert_eq!(out.matches(SAID).count(), 2, "of validation and test rows: {out}");
    assert!(folder.read("run/report.html").contains(&format!("test rows; {SAID}")));

    let new = with(&rows(300, 2), "user", |i| i % 7);
    folder.write("weighted.csv", with(&new, "w", |i| i % 4));
    let copies = |(i, line): (usize, &str)| format!("{line}\n").repeat(if i == 0 { 1 } else { i % 4 });
    let repeated: String = new.lines().enumerate().map(copies).collect();
    folder.write("repeated.csv", with(&repeated, "w", |_| 1));
    let eval = |file: &str| {
        let args = ["eval", "--run", "run", "--data", file, "--calibration", "--json"];
        folder.mt(&args).json().remove(0)
    };
    let (weighted, repeated) = (eval("weighted.csv"), eval("repeated.csv"));
    assert_eq!((&weighted["weighted"], repeated.get("weighted")), (&true.into(), None));
    for task in ["watched", "liked"] {
        let (weighted, repeated) = (&weighted["tasks"][task], &repeated["tasks"][task]);
        assert_eq!((&weighted["rows"], &weighted["weight"]), (&225.into(), &450.0.into()));
        assert_eq!((&repeated["rows"], repeated.get("weight")), (&450.into(), None));
        assert!(weighted["auc_se"].as_f64() > repeated["auc_se"].as_f64(), "450 rows would tell more");
    }
    assert!(weighted["tasks"]["liked"]["gauc"]["value"].is_f64(), "{weighted}");
    assert_close("tasks", &weighted["tasks"], &repeated["tasks"]);
    assert_close("calibration", &weighted["calibration"], &repeated["calibration"]);
    let text = |file| folder.mt(&["eval", "--run", "run", "--data", file]).done();
    assert!(text("weighted.csv").contains(SAID) && !text("repeated.csv").contains(SAID));
}

#[test]
fn a_run_chooses_its_epoch_and_a_comparison_tests_by_weight() {
    let folder = folder();
    let out =
        folder.mt(&["compare", "weighted.yaml", "--out", "out", "--vary", "model.experts=[2, 3]"]).done();
    assert!(out.contains(SAID) && folder.read("out/table.md").contains(SAID), "{out}");
    let rows: Value = serde_json::from_str(&folder.read("out/table.json")).expect("JSON");
    for row in rows.as_array().expect("rows") {
        assert_eq!(row["weighted"], true);
        let [low, high] = [0, 1].map(|end| row["auc_interval"][end].as_f64().expect("an interval"));
        let auc = row["auc"].as_f64().expect("defined");
        assert!(low < auc && auc < high, "{row}");
    }
    assert!(rows[2]["p_value"].is_f64(), "{rows}");

    let run = "out/weighted experts=2/seed-1";
    let epochs = folder.read(&format!("{run}/metrics.jsonl"));
    let epochs: Vec<Value> = epochs.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let valid = |epoch: &&Value| epoch["event"] == "epoch";
    let of = |task: &Value| task["auc"].as_f64().expect("defined");
    let mean = |epoch: &Value| (of(&epoch["valid"]["watched"]) + of(&epoch["valid"]["liked"])) / 2.0;
    let means: Vec<f64> = epochs.iter().filter(valid).map(mean).collect();
    let best: Value = serde_json::from_str(&folder.read(&format!("{run}/best.json"))).expect("JSON");
    let largest = means.iter().copied().fold(0.0, f64::max);
    assert_eq!((means.len(), best["value"].as_f64()), (2, Some(largest)));
}

#[test]
fn without_weights_nothing_is_said_of_them() {
    let folder = folder();
    let out = folder.mt(&["train", "plain.yaml", "--run-dir", "run"]).done();
    let json = folder.mt(&["eval", "--run", "run", "--json"]).done();
    assert!(!out.contains("weighted by") && !json.contains("weight"), "{out}{json}");
}
