//! Configurations with embedding tables and regressions: what is trained, predicted, shown and refused.

use mt_features::permutation;

use crate::support::{Folder, numbers};

/// Four epochs of a small MMoE on users, tags and a number.
const FIELDS: &str = "\
version: 1
data:
  csv: {train: rows.csv, features: [play]}
  valid_fraction: 0.2
  test_fraction: 0.2
  group: day
  fields:
  - {column: user}
  - {column: tags, separator: '|'}
tasks:
- {name: click, label: click}
- {name: seconds, label: seconds, kind: regression}
model:
  kind: mmoe
  experts: 2
  expert: [8]
train:
  epochs: 4
  batch_size: 32
  optimizer: {lr: 0.03}
";

/// Rows with the columns `user,tags,play,day,click,seconds`: the labels follow the user, `click` also chance.
fn rows(count: usize) -> String {
    let draws = |salt| permutation(count as u32, 5, salt);
    let (users, tags, noise) = (draws(1), draws(2), draws(3));
    let row = |i: usize| {
        let (user, tag, noise) = (users[i] % 20, tags[i] % 4, noise[i] % 10);
        let tags = if tag == 3 { String::new() } else { format!("t{tag}|t{}", tags[i] % 3) };
        let click = u8::from((user % 2 == 0) != (noise == 0));
        format!("u{user},{tags},0.{noise},d{},{click},{}\n", noise % 3, 1 + user % 4)
    };
    "user,tags,play,day,click,seconds\n".to_owned() + &(0..count).map(row).collect::<String>()
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", rows(500));
    folder.write("fields.yaml", FIELDS);
    folder
}

fn trained() -> Folder {
    let folder = folder();
    folder.mt(&["train", "fields.yaml", "--run-dir", "run"]).done();
    folder
}

/// Both predictions of each row in `input`.
fn predict(folder: &Folder, input: &str) -> Vec<Vec<f32>> {
    let text = folder.mt(&["predict", "--run", "run", "--input", input]).done();
    assert_eq!(text.lines().next(), Some("click,seconds"));
    numbers(&text)
}

#[test]
fn rows_with_fields_are_predicted_in_order_and_unseen_values_too() {
    let folder = trained();
    let text = rows(700);
    let (header, rows) = text.split_once('\n').expect("a header");
    folder.write("new.csv", &text);
    let all = predict(&folder, "new.csv");
    assert_eq!(all.len(), 700);
    let turned: Vec<&str> = rows.lines().rev().collect();
    folder.write("turned.csv", format!("{header}\n{}\n", turned.join("\n")));
    let mut turned = predict(&folder, "turned.csv");
    turned.reverse();
    assert_eq!(turned, all);
    for row in [0, 511, 699] {
        let line = rows.lines().nth(row).expect("a row");
        folder.write("one.csv", format!("{header}\n{line}\n"));
        assert_eq!(predict(&folder, "one.csv"), [all[row].clone()]);
    }
    // Neither labels nor the group are needed, and nothing is known of u99, u98 and t9.
    folder.write("unseen.csv", "tags,play,user\nt1|t9,0.5,u99\nt1|t9,0.5,u98\nt1|t9,0.5,\n,0.5,u1\n");
    let unseen = predict(&folder, "unseen.csv");
    assert_eq!(unseen.len(), 4);
    assert!(unseen.iter().flatten().all(|p| p.is_finite()), "{unseen:?}");
    assert_eq!(unseen[0], unseen[1]);
    assert!(unseen.iter().all(|row| (0.0..=1.0).contains(&row[0])));
}

#[test]
fn evaluation_shows_groups_and_regressions_and_agrees_with_training() {
    let folder = trained();
    let text = folder.mt(&["eval", "--run", "run"]).done();
    for column in ["GAUC", "log loss", "RMSE", "MAE", "XAUC", "mean target", "mean prediction"] {
        assert!(text.contains(column), "{column}: {text}");
    }
    let summary: serde_json::Value = serde_json::from_str(&folder.read("run/summary.json")).expect("JSON");
    let eval = folder.mt(&["eval", "--run", "run", "--json"]).json().remove(0);
    assert_eq!(eval["tasks"], summary["test"]);
    let (click, seconds) = (&eval["tasks"]["click"], &eval["tasks"]["seconds"]);
    let shown = |value: &serde_json::Value, digits: usize| {
        let value = value.as_f64().unwrap_or_else(|| panic!("no number: {value}"));
        assert!(text.contains(&format!("{value:.digits$}")), "{value}: {text}");
        value
    };
    assert!(shown(&click["gauc"]["value"], 5) > 0.7, "{click}");
    shown(&seconds["rmse"], 4);
    assert!(shown(&seconds["xauc"], 5) > 0.7, "{seconds}");
    assert!(seconds["gauc"].is_null() && seconds["log_loss"].is_null(), "{seconds}");
    // Other files are scored the same way.
    let other = folder.mt(&["eval", "--run", "run", "--data", "rows.csv", "--json"]).json().remove(0);
    assert_eq!(
        (&other["tasks"]["click"]["rows"], &other["tasks"]["seconds"]["count"]),
        (&500.into(), &500.into())
    );
    assert!(other["tasks"]["click"]["gauc"]["value"].as_f64() > Some(0.7), "{other}");
}

#[test]
fn the_top_of_rankings_and_calibration_are_those_of_the_predictions() {
    let folder = trained();
    let text = rows(600);
    folder.write("new.csv", &text);
    let predictions: Vec<f32> = predict(&folder, "new.csv").iter().map(|row| row[0]).collect();
    let cell =
        |column: usize| text.lines().skip(1).map(move |line| line.split(',').nth(column).expect("a cell"));
    let labels: Vec<f32> = cell(4).map(|label| label.parse().expect("a number")).collect();
    let days: Vec<u32> = cell(3).map(|day| day[1..].parse().expect("a number")).collect();
    let args = ["eval", "--run", "run", "--data", "new.csv", "--ndcg", "5", "--calibration"];
    let found = folder.mt(&[&args[..], &["--json"]].concat()).json().remove(0);
    let expected = mt_metrics::ndcg(&predictions, &labels, &days, 5, None);
    assert_eq!(found["ndcg"]["click"], serde_json::to_value(expected).expect("JSON"));
    assert_eq!(expected.groups, 3);
    let expected = mt_metrics::calibration_table(&predictions, &labels, 10, None);
    assert_eq!(found["calibration"]["click"], serde_json::to_value(&expected).expect("JSON"));
    assert_eq!(found["calibration"]["seconds"]["bins"][0]["count"], 60);
    let shown = folder.mt(&args).done();
    for column in ["NDCG@5", "observed rate", "mean target"] {
        assert!(shown.contains(column), "{column}: {shown}");
    }
}

#[test]
fn without_a_group_there_is_no_group_auc() {
    let folder = folder();
    folder.write("fields.yaml", FIELDS.replace("  group: day\n", ""));
    folder.mt(&["train", "fields.yaml", "--run-dir", "run"]).done();
    let text = folder.mt(&["eval", "--run", "run"]).done();
    assert!(text.contains(" AUC ") && !text.contains("GAUC"), "{text}");
    folder.refuses(
        &["eval", "--run", "run", "--ndcg", "10"],
        1,
        "NDCG is taken within groups, and the rows have none: set data.group to a column such as user_id",
    );
}

#[test]
fn a_file_without_the_column_of_a_field_is_refused_by_the_columns_name() {
    let folder = trained();
    let args = ["predict", "--run", "run", "--input", "new.csv", "--output", "out.csv"];
    folder.write("new.csv", "user,play\nu1,0.5\n");
    folder.refuses(&args, 1, "new.csv: the feature column \"tags\" is missing");
    folder.write("new.csv", "usr,tags,play\nu1,t1,0.5\n");
    folder.refuses(&args, 1, "new.csv: the feature column \"user\" is missing; did you mean \"usr\"?");
}

/// The message for `fields.yaml` with `from` replaced by `to`, when it is trained, compared or looked at.
fn refused(from: &str, to: &str, message: &str) {
    let folder = folder();
    assert!(FIELDS.contains(from), "{from}");
    folder.write("fields.yaml", FIELDS.replace(from, to));
    folder.refuses(&["inspect", "fields.yaml"], 2, message);
    folder.refuses(&["train", "fields.yaml", "--run-dir", "run"], 2, message);
    folder.refuses(&["compare", "fields.yaml", "--out", "out"], 2, message);
}

#[test]
fn embeddings_that_do_not_fit_the_fields_are_refused_before_a_folder_is_made() {
    let fields = "  fields:\n  - {column: user}\n  - {column: tags, separator: '|'}\n";
    let folder = folder();
    folder
        .write("fields.yaml", FIELDS.replace(fields, "").replace("  experts: 2", "  embedding: {width: 8}"));
    let message = "fields.yaml:12:14: model.embedding: the data has no fields (data.fields)";
    for args in [&["train", "fields.yaml", "--run-dir", "run"][..], &["inspect", "fields.yaml"]] {
        folder.refuses(args, 2, message);
    }
    refused(
        "experts: 2",
        "embedding: {widths: {usr: 8}}",
        "model.embedding.widths.usr: there is no such table; the tables are user, tags",
    );
    refused(
        "experts: 2",
        "embedding: {width: 0}",
        "fields.yaml:15:22: model.embedding.width: expected 1 to 65536 units, found 0",
    );
}

#[test]
fn fields_of_gates_and_towers_are_trained_bundled_explained_and_searched() {
    let folder = folder();
    let own = "experts: 2\n  gate_fields: {seconds: [user]}\n  tower_fields: {click: [tags, play]}\n";
    folder.write("own.yaml", FIELDS.replace("experts: 2\n", own));
    folder.mt(&["train", "own.yaml", "--run-dir", "run"]).done();
    let shapes = folder.mt(&["inspect", "run", "--json"]).json().remove(0)["shapes"].clone();
    assert_eq!(shapes["gates.seconds.0.weight"], serde_json::json!([16, 1, 2]));
    assert_eq!(shapes["gates.click.0.weight"], serde_json::json!([33, 1, 2]));
    assert_eq!(shapes["towers.click.0.weight"], serde_json::json!([8, 8 + 17]));
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    folder.mt(&["export", "--run", "run", "--format", "onnx", "--out", "onnx"]).done();
    folder.write("new.csv", rows(50));
    let bundled = folder.mt(&["predict", "--bundle", "bundle", "--input", "new.csv"]).done();
    assert_eq!(numbers(&bundled), predict(&folder, "new.csv"));
    let explained = folder.mt(&["explain", "--run", "run", "--json"]).json().remove(0);
    assert_eq!(explained["features"].as_array().map(Vec::len), Some(3), "{explained}");
    // Beside the model without, as the tasks are the same.
    folder.mt(&["compare", "fields.yaml", "own.yaml", "--out", "out", "--set", "train.epochs=1"]).done();
    let over = "model.tower_fields.click=[[tags], [play, user]]";
    folder.mt(&["sweep", "own.yaml", "--over", over, "--method", "grid", "--out", "sweep"]).done();
    assert_eq!(folder.read("sweep/trials.jsonl").lines().count(), 3);
}

#[test]
fn fields_that_no_gate_or_tower_can_read_are_refused_before_a_folder_is_made() {
    refused(
        "experts: 2",
        "gate_fields: {click: [usr]}",
        "model.gate_fields.click: the data has no field or numeric column \"usr\"; did you mean \"user\"?",
    );
    refused(
        "experts: 2",
        "tower_fields: {seconds: [play, day]}",
        "model.tower_fields.seconds: the data has no field or numeric column \"day\"",
    );
    refused(
        "experts: 2",
        "tower_fields: {clik: [user]}",
        "fields.yaml:15:24: model.tower_fields.clik: there is no head \"clik\"; the heads are click, seconds",
    );
}

#[test]
fn a_budget_counts_the_embeddings_among_the_inputs() {
    let folder = folder();
    let refused = |budget: &str| folder.mt(&["inspect", "fields.yaml", "--set", budget]);
    let said = refused("model.budget=10");
    let least: usize = said.err.split(' ').find_map(|word| word.parse().ok()).expect("a number");
    for command in
        [&["train", "fields.yaml", "--run-dir", "run"][..], &["compare", "fields.yaml", "--out", "out"]]
    {
        let message =
            format!("model.budget: expected at least {least} parameters for this shape, found {}", least - 1);
        folder.refuses(&[command, &["--set", &format!("model.budget={}", least - 1)]].concat(), 2, &message);
    }
}

#[test]
fn training_settings_of_tables_and_losses_are_refused_with_their_place() {
    let train = |setting: &str, message: &str| {
        refused("batch_size: 32", setting, &format!("fields.yaml:19:{message}"));
    };
    train("table_lr: 0", "13: train.table_lr: expected a number above 0, found 0");
    train(
        "table_optimizer: {kind: adam, beta3: 0.9}",
        "20: train.table_optimizer: unknown key \"beta3\"; did you mean \"beta1\"? (expected one of: kind, beta1, \
         beta2, epsilon)",
    );
    train(
        "table_optimizer: {kind: ftrl, l1: -1}",
        "37: train.table_optimizer.l1: expected a number from 0, found -1",
    );
    train("dropout: 1", "12: train.dropout: expected 0 to below 1, found 1");
    train(
        "task_losses: {click: mae}",
        "24: train.task_losses.click: expected the loss of a probability: cross-entropy, paddlerec-log, focal or another; mae is \
         for kind: regression, and this task is binary",
    );
    train(
        "task_losses: {seconds: cross-entropy}",
        "26: train.task_losses.seconds: expected the loss of a regression: mse, mae, huber, quantile, log-mse, \
         weighted-logistic, ziln, ordinal or another; cross-entropy is for kind: binary, binary-softmax, and this task is regression",
    );
    train(
        "task_losses: {secs: mae}",
        "23: train.task_losses.secs: there is no task \"secs\"; the tasks are click, seconds",
    );
    train(
        "task_losses: {seconds: {huber: {delta: 0}}}",
        "42: train.task_losses.seconds.huber.delta: expected a number above 0, found 0",
    );
}

#[test]
fn fields_that_cannot_be_are_refused_with_their_place() {
    refused(
        "separator: '|'",
        "separator: 'a'",
        "fields.yaml:9:31: data.fields[1].separator: expected one ASCII character that is no letter, digit or \
         quote and ends no line, found 'a'",
    );
    refused(
        "  - {column: user}\n",
        "  - {column: user, table: t, encode: {hash: 9}}\n  - {column: day, table: t, encode: {hash: 8}}\n",
        "fields.yaml:9:37: data.fields[1].encode: table \"t\" has another encoding at its first field; give it once, \
         or the same",
    );
    refused(
        "{column: user}",
        "{column: usr}",
        "data.fields[0].column: no column \"usr\" in rows.csv; did you mean \"user\"?",
    );
}

#[test]
fn a_configuration_with_fields_shows_their_embeddings_among_the_inputs() {
    let folder = trained();
    let config = folder.mt(&["inspect", "fields.yaml"]).done();
    assert!(config.starts_with("fields: mmoe, 33 inputs, tasks click, seconds\n"), "{config}");
    let tables = "table user: 20 of 22 rows trained, 16 values each, 1,280 bytes\n\
                  table tags: 3 of 5 rows trained, 16 values each, 192 bytes\n";
    let run = folder.mt(&["inspect", "run"]).done();
    assert_eq!(run.replacen("run:", "fields:", 1), config + tables);
    let inputs = |set: &str| {
        folder.mt(&["inspect", "fields.yaml", "--json", "--set", set]).json().remove(0)["inputs"].clone()
    };
    assert_eq!(inputs("model.embedding.width=4"), 9);
    assert_eq!(inputs("model.embedding={width: 4, widths: {tags: 2}}"), 7);
    assert_eq!(inputs("data.fields[1].table=user"), 33);
}

#[test]
fn a_comparison_ranks_a_regression_by_xauc_and_tests_it() {
    let folder = folder();
    folder.write("other.yaml", FIELDS.replace("kind: mmoe\n  experts: 2\n", "kind: cgc\n"));
    folder.mt(&["compare", "fields.yaml", "other.yaml", "--out", "out"]).done();
    let json: serde_json::Value = serde_json::from_str(&folder.read("out/table.json")).expect("JSON");
    let rows = json.as_array().expect("rows");
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert!(row["auc"].as_f64() > Some(0.6), "{row}");
        assert_eq!(row["p_value"].is_null(), row["model"] != "other", "{row}");
        let interval = |i: usize| row["auc_interval"][i].as_f64().expect("a number");
        assert!(interval(0) <= interval(1), "{row}");
        assert_eq!(row["log_loss"].is_null(), row["task"] == "seconds", "{row}");
    }
    let run = folder.mt(&["eval", "--run", "out/other/seed-1", "--json"]).json().remove(0);
    assert_eq!(run["tasks"]["seconds"]["xauc"], rows[3]["auc"]);
    let csv = folder.read("out/table.csv");
    let last: Vec<&str> = csv.lines().last().expect("a row").split(',').collect();
    let number = |key: &str| rows[3][key].as_f64().expect("a number");
    let (xauc, difference) = (format!("{:.4}", number("auc")), format!("{:+.4}", number("difference")));
    assert_eq!((&last[..4], last[5]), (&["", "", "seconds", &xauc][..], difference.as_str()));
    let page = folder.read("out/report.html");
    assert!(
        page.contains("difference in XAUC, 95 % interval over the rows only")
            && page.contains("<figcaption>XAUC, validation rows")
    );
}

#[test]
fn a_warm_start_takes_the_same_from_a_run_and_from_its_bundle() {
    let folder = trained();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let start = |from: &str, dir: &str| {
        let set = format!("train.warm_start.from={from}");
        let args = ["train", "fields.yaml", "--run-dir", dir, "--set", "train.epochs=1", "--set", &set];
        let said = folder.mt(&args);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("warm start: took "), "{}", said.err);
        folder.bytes(&format!("{dir}/checkpoints/epoch-001/tables.safetensors"))
    };
    assert!(start("run", "from-run") == start("bundle", "from-bundle"));
}
