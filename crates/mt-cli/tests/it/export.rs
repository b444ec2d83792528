//! `mt export` and what is done with bundles.

use std::sync::Arc;

use mt_bundle::{Predictor, Value};

use crate::support::{Folder, numbers, rows};

/// Three epochs of a small MMoE on users, lists of tags and a number that may be missing.
const FIELDS: &str = "\
version: 1
data:
  csv: {train: rows.csv, features: [play], missing: ['?']}
  numeric_missing: mean
  valid_fraction: 0.2
  test_fraction: 0.2
  fields:
  - {column: user, encode: {vocabulary: {min_count: 2}}}
  - {column: item, encode: {hash: 50}}
  - {column: tags, separator: '|'}
  - {column: length, encode: {buckets: 4}}
  join: [{file: items.csv, key: item}]
tasks:
- {name: click, label: click}
- {name: seconds, label: seconds, kind: regression}
model: {kind: mmoe, experts: 2, expert: [8]}
train: {epochs: 3, batch_size: 32, optimizer: {lr: 0.03}}
";

fn fields() -> Folder {
    let folder = Folder::new();
    let mut text = "user,item,tags,play,click,seconds\n".to_owned();
    for i in 0..600u32 {
        let user = if i % 97 == 0 { u64::MAX.to_string() } else { format!("u{}", i * 7 % 23) };
        let tags = ["a|b", "b", "", "?|a"][i as usize % 4];
        let play = if i % 10 == 0 { "?".to_owned() } else { format!("0.{}", i % 7) };
        text += &format!("{user},{},{tags},{play},{},{}\n", i * 13 % 40, u8::from(i * 7 % 23 < 11), i % 5);
    }
    folder.write("rows.csv", text);
    let items: String = (0..35).map(|i| format!("{i},{}\n", i * i % 17)).collect();
    folder.write("items.csv", format!("item,length\n{items}"));
    folder.write("fields.yaml", FIELDS);
    folder.mt(&["train", "fields.yaml", "--run-dir", "run"]).done();
    folder
}

#[test]
fn a_bundle_predicts_and_evaluates_like_its_run() {
    for folder in [Folder::trained(), fields()] {
        folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
        let predict =
            |what: &str, dir: &str| folder.mt(&["predict", what, dir, "--input", "rows.csv"]).done();
        assert_eq!(predict("--bundle", "bundle"), predict("--run", "run"));
        let tasks = |what: &str, dir: &str| {
            folder.mt(&["eval", what, dir, "--json"]).json().remove(0)["tasks"].clone()
        };
        let summary: serde_json::Value =
            serde_json::from_str(&folder.read("run/summary.json")).expect("JSON");
        assert_eq!(tasks("--bundle", "bundle"), summary["test"]);
        assert_eq!(tasks("--run", "run"), summary["test"]);
        let shown = folder.mt(&["inspect", "run"]).done();
        assert_eq!(folder.mt(&["inspect", "bundle"]).done(), shown);
        // It needs nothing of the run.
        let expected = predict("--bundle", "bundle");
        std::fs::rename(folder.path("run"), folder.path("gone")).expect("moved");
        assert_eq!(predict("--bundle", "bundle"), expected);
    }
}

#[test]
fn raw_rows_through_the_library_are_the_rows_of_the_file() {
    let folder = fields();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let expected = numbers(&folder.mt(&["predict", "--bundle", "bundle", "--input", "rows.csv"]).done());
    let predictor = Predictor::load(&folder.path("bundle"), &candle_core::Device::Cpu).expect("a bundle");
    let lengths: std::collections::BTreeMap<String, String> = folder
        .read("items.csv")
        .lines()
        .filter_map(|line| line.split_once(','))
        .map(|(item, length)| (item.to_owned(), length.to_owned()))
        .collect();
    let predictor = Arc::new(predictor);
    let mut raw = predictor.rows();
    for (line, expected) in folder.read("rows.csv").lines().skip(1).zip(&expected) {
        let cells: Vec<&str> = line.split(',').collect();
        let tags: Vec<Value> = cells[2].split('|').filter(|tag| !tag.is_empty()).map(Value::from).collect();
        let whole = |text: &'_ str| text.parse::<u64>().map_or(Value::Missing, Value::from);
        raw.clear();
        let user = cells[0].parse::<u64>().map_or(Value::from(cells[0]), Value::from);
        let row = [
            ("user", user),
            ("item", whole(cells[1])),
            ("tags", Value::from(&tags[..])),
            ("play", cells[3].parse::<f64>().map_or(Value::Missing, Value::from)),
            ("length", lengths.get(cells[1]).map_or(Value::Missing, |length| whole(length))),
        ];
        raw.push(row).expect("a good row");
        let found = predictor.predict_rows(&raw).expect("predictions");
        assert_eq!(found.values(), &expected[..], "{line}");
    }
}

#[test]
fn smaller_tables_say_what_they_cost() {
    let folder = fields();
    let bytes = |name: &str| folder.bytes(&format!("{name}/tables.safetensors")).len();
    folder.mt(&["export", "--run", "run", "--out", "f32"]).done();
    for (format, least) in [("f16", 1.6), ("bf16", 1.6), ("int8", 2.0)] {
        let json = folder
            .mt(&["export", "--run", "run", "--out", format, "--tables", format, "--json"])
            .json()
            .remove(0);
        assert_eq!((&json["manifest"]["tables"], &json["quality"]["rows"]), (&format.into(), &"test".into()));
        let auc = |when: &str| json["quality"][when]["click"]["auc"].as_f64().expect("a number");
        assert!((auc("before") - auc("after")).abs() < 0.01, "{json}");
        assert!(
            bytes("f32") as f64 / bytes(format) as f64 > least,
            "{format}: {} of {}",
            bytes(format),
            bytes("f32")
        );
    }
    let text = folder.mt(&["export", "--run", "run", "--out", "again", "--tables", "f16"]).done();
    for part in ["bundle again", "tables.safetensors", "change", "on the test rows, checkpoint and bundle"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_model_card_says_what_the_model_is() {
    let folder = fields();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let card = folder.read("bundle/README.md");
    for part in [
        "# fields\n",
        "Predicts click, seconds with a network of kind mmoe.",
        "| rows of table item",
        "`rows.csv`",
        "`items.csv` by `item`",
        "## Metrics on the test rows",
        "mt predict --bundle",
    ] {
        assert!(card.contains(part), "{part}: {card}");
    }
    assert!(!folder.files("bundle").iter().any(|file| file.contains("optimizer") || file.contains("state")));
}

#[test]
fn a_run_whose_rows_are_gone_is_exported_unmeasured() {
    let folder = Folder::trained();
    folder.mt(&["export", "--run", "run", "--out", "measured"]).done();
    folder.write("rows.csv", rows(5, 9));
    let config = folder.read("run/config.yaml");
    // Without its checksum, it may be edited.
    let (config, _) = config.split_once("# sha256").expect("a checksum");
    let config = config.replace("valid_fraction: 0.25", "valid_fraction: 0.0");
    folder.write("run/config.yaml", config.replace("test_fraction: 0.25", "test_fraction: 0.0"));
    let said = folder.mt(&["export", "--run", "run", "--out", "bundle"]);
    let warning = "warning: the bundle is not measured: the run has neither test nor validation rows; name some with --data\n";
    assert_eq!((said.code, said.err.as_str()), (Some(0), warning));
    assert!(!folder.read("bundle/README.md").contains("Metrics"));
    folder.mt(&["predict", "--bundle", "bundle", "--input", "rows.csv"]).done();
}

#[test]
fn exports_that_cannot_be_are_refused_and_leave_nothing() {
    let folder = Folder::trained();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    folder.refuses(
        &["export", "--run", "run", "--out", "bundle"],
        2,
        "bundle already exists; choose another folder or remove it",
    );
    folder.refuses(
        &["export", "--run", "run", "--checkpoint", "1..2", "--out", "other"],
        2,
        "mt export takes one checkpoint",
    );
    folder.refuses(
        &["predict", "--bundle", "run", "--input", "rows.csv"],
        2,
        "run: holds no bundle (no bundle.json)",
    );
    let both = folder.mt(&["predict", "--bundle", "bundle", "--run", "run", "--input", "rows.csv"]);
    assert_eq!(both.code, Some(2));
    let weights = folder.bytes("bundle/weights.safetensors");
    folder.write("bundle/weights.safetensors", &weights[1..]);
    let (n, short) = (weights.len(), weights.len() - 1);
    let message = format!("bundle/weights.safetensors: has {short} bytes, bundle.json has {n} for it");
    for args in [&["predict", "--bundle", "bundle", "--input", "rows.csv"][..], &["inspect", "bundle"]] {
        folder.refuses(args, 1, &message);
    }
}

#[test]
fn an_onnx_file_has_its_encoders_beside_it() {
    let folder = fields();
    let export = |out: &str, more: &[&str]| {
        let args = ["export", "--run", "run", "--format", "onnx", "--out", out];
        folder.mt(&[&args[..], more].concat())
    };
    let text = export("onnx", &[]).done();
    assert!(text.contains("onnx onnx") && text.contains("model.onnx"), "{text}");
    assert_eq!(folder.files("onnx"), ["encoders.json", "model.onnx"]);
    let json = export("small", &["--tables", "none", "--json"]).json().remove(0);
    let bytes = |file: &str| folder.bytes(file).len();
    assert_eq!(json["files"]["model.onnx"], bytes("small/model.onnx"));
    assert!(bytes("small/model.onnx") < bytes("onnx/model.onnx"));
    folder.refuses(
        &["export", "--run", "run", "--format", "onnx", "--out", "half", "--tables", "f16"],
        2,
        "--tables: an ONNX file has them in f32, or none",
    );
    folder.refuses(
        &["export", "--run", "run", "--out", "half", "--tables", "none"],
        2,
        "--tables none: a bundle has its tables",
    );
    folder.refuses(
        &["export", "--run", "run", "--format", "onnx", "--out", "onnx"],
        2,
        "onnx already exists; choose another folder or remove it",
    );
}

#[test]
fn an_inference_report_has_all_its_sections() {
    let folder = fields();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let infer = |more: &[&str]| {
        let args = ["infer", "--bundle", "bundle", "--data", "rows.csv", "--seconds", "0.05"];
        folder.mt(&[&args[..], more].concat())
    };
    let text = infer(&["--batch-size", "7", "--rows", "100"]).done();
    for part in [
        "environment",
        "processor",
        "model",
        "mmoe",
        "click, seconds",
        "data",
        "100 of rows.csv",
        "performance",
        "p99",
        "rows/s",
        "AUC",
        "XAUC",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let report = infer(&["--json", "--threads", "2"]).json().remove(0);
    let eval = folder.mt(&["eval", "--bundle", "bundle", "--data", "rows.csv", "--json"]).json().remove(0);
    assert_eq!(report["quality"]["click"]["auc"], eval["tasks"]["click"]["auc"]);
    let performance = &report["performance"];
    let number = |key: &str| performance[key].as_f64().unwrap_or_else(|| panic!("{key}: {performance}"));
    assert!(number("p50") <= number("p90") && number("p90") <= number("p99"), "{performance}");
    assert!(number("rows_per_second") > 0.0 && number("load_milliseconds") > 0.0);
    assert_eq!((&report["data"]["rows"], &report["environment"]["threads"]), (&600.into(), &2.into()));
    folder.write("unlabelled.csv", "user,item,tags,play\nu1,3,a,0.5\n");
    let report = folder
        .mt(&["infer", "--run", "run", "--data", "unlabelled.csv", "--seconds", "0.05", "--json"])
        .json();
    assert!(report[0]["quality"].is_null());
    // Rows without other numbers than 0 count, too.
    let tiny = Folder::trained();
    tiny.write("zeros.csv", rows(3, 1) + "1,0,0,0,0\n");
    tiny.mt(&["infer", "--run", "run", "--data", "zeros.csv", "--seconds", "0.05"]).done();
}
