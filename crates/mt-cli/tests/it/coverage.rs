//! Values that match nothing are counted and said: in training, evaluation and prediction.

use crate::support::Folder;

const CONFIG: &str = "
version: 1
data:
  csv: {train: train.csv, features: none, valid: VALID}
  join: [{file: users.csv, key: user}]
  fields:
  - {column: user}
  - {column: city}
  - {column: tags, separator: '|'}
tasks: [{name: click, label: click}]
model: {kind: shared-bottom, bottom: [4], tower: [2], embedding: {width: 2}}
train: {epochs: 1, batch_size: 32}
";

/// Rows whose users are written as `user` says.
fn rows(user: impl Fn(u64) -> String) -> String {
    let row = |i: u64| {
        let tags = if i.is_multiple_of(4) { "" } else { "a|b" };
        format!("{},{},{tags}\n", i * 7 % 3 % 2, user(i * 31 % 40))
    };
    format!("click,user,tags\n{}", (0..200).map(row).collect::<String>())
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("train.csv", rows(|i| i.to_string()));
    // As another writer has the same numbers.
    folder.write("float.csv", rows(|i| format!("{i}.0")));
    folder.write(
        "users.csv",
        format!("user,city\n{}", (0..40).map(|i| format!("{i},c{}\n", i % 3)).collect::<String>()),
    );
    folder.write("good.yaml", CONFIG.replace("VALID", "train.csv"));
    folder.write("bad.yaml", CONFIG.replace("VALID", "float.csv"));
    folder
}

const SAID: [&str; 3] = [
    "field \"user\": 100.0 % values unknown to the model, 0.0 % in training; are they written as in training?",
    "field \"city\": 100.0 % rows without a value, 0.0 % in training; is the column filled, and its partner found?",
    "data.join[0], key \"user\": 100.0 % of the rows without partner, 0.0 % in training; is the side table of the same \
     day, and are keys written alike?",
];

#[test]
fn identifiers_that_are_written_otherwise_are_named_by_every_command() {
    let folder = folder();
    let trained = folder.mt(&["train", "bad.yaml", "--run-dir", "bad"]);
    for warning in SAID {
        let expected = format!("warning: validation rows, {warning}");
        assert!(trained.err.contains(&expected), "{expected}\n{}", trained.err);
    }
    let trained = folder.mt(&["train", "good.yaml", "--run-dir", "run"]);
    assert_eq!(trained.code, Some(0), "{}", trained.err);
    assert!(!trained.err.contains("in training;"), "{}", trained.err);
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    for model in [["--run", "run"], ["--bundle", "bundle"]] {
        for (command, input, more) in [
            ("eval", "--data", &[][..]),
            ("predict", "--input", &["--output", "out.csv"][..]),
            ("predict", "--input", &[][..]),
        ] {
            let args = |file| [&[command][..], &model, &[input, file], more].concat();
            let said = folder.mt(&args("float.csv"));
            for warning in SAID {
                let expected = format!("warning: {warning}");
                assert!(said.err.contains(&expected), "{command}: {expected}\n{}", said.err);
            }
            let said = folder.mt(&args("train.csv"));
            assert!(!said.err.contains("in training"), "{command}: {}", said.err);
        }
    }
    let args = ["predict", "--bundle", "bundle", "--input", "float.csv", "--output", "out.csv", "--json"];
    let said: serde_json::Value = serde_json::from_str(&folder.mt(&args).out).expect("JSON");
    let field = |name: &str, missing: u64, values: u64, unknown: u64| serde_json::json!({"field": name, "rows": 200, "missing": missing, "values": values, "unknown": unknown});
    let fields = [field("user", 0, 200, 200), field("city", 200, 0, 0), field("tags", 50, 300, 0)];
    let joins = serde_json::json!([{"key": "user", "rows": 200, "without_partner": 200}]);
    assert_eq!(said["coverage"], serde_json::json!({"fields": fields, "joins": joins}));
}
