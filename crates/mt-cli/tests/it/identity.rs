//! What a run knows of its data: resuming, extending, evaluating and starting from it on the same rows, and on others.

use mt_bundle::{Checksums, read_json};
use serde_json::Value;

use crate::support::{Folder, numbers, rows};

/// The rows of a text with some cells changed; `change` gets the cells of a row.
fn changed(text: &str, change: impl Fn(&mut Vec<String>)) -> String {
    let mut lines = text.lines();
    let header = lines.next().expect("a header").to_owned() + "\n";
    let row = |line: &str| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        change(&mut cells);
        cells.join(",") + "\n"
    };
    header + &lines.map(row).collect::<String>()
}

/// The same columns in the order `order`, header and all.
fn reordered(text: &str, order: [usize; 5]) -> String {
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        order.map(|i| cells[i]).join(",") + "\n"
    };
    text.lines().map(row).collect()
}

fn auc(folder: &Folder, args: &[&str]) -> f64 {
    let eval = folder.mt(&[&["eval", "--json"], args].concat()).json();
    eval[0]["tasks"]["watched"]["auc"].as_f64().expect("an AUC")
}

#[test]
fn a_run_that_goes_on_refuses_other_data_before_a_step_and_says_what_differs() {
    let folder = Folder::trained();
    let text = rows(400, 1);
    let without =
        |n: usize| text.lines().take(401 - n).map(|line| line.to_owned() + "\n").collect::<String>();
    let shorter = text
        .lines()
        .map(|line| line.rsplit_once(',').map_or("", |(rest, _)| rest).to_owned() + "\n")
        .collect();
    let flip = |cells: &mut Vec<String>| cells[1] = if cells[1] == "1" { "0" } else { "1" }.to_owned();
    let scale = |cells: &mut Vec<String>| {
        cells[3] = format!("{}", 1000.0 * cells[3].parse::<f64>().expect("a number"))
    };
    let cases = [
        (changed(&text, flip), "labels or weights of task \"liked\" differ in the training rows; "),
        (changed(&text, scale), "column \"b\" of the training rows has other values: their mean is "),
        (
            text.replace("a,b,c", "a,x,c"),
            "column \"x\" was \"b\" at place 1 of the inputs, counted from 0. Go on with",
        ),
        (
            text.replace("a,b,c", "b,a,c"),
            "column \"a\" was at place 0 of the inputs, counted from 0, and is at 1: ",
        ),
        (
            changed(&text, |cells| cells.swap(2, 3)),
            "column \"a\" of the training rows has the values that \"b\" had; ",
        ),
        (
            reordered(&text, [0, 1, 4, 3, 2]),
            "column \"a\" was at place 0 of the inputs, counted from 0, and is at 2: ",
        ),
        (
            changed(&text, |cells| cells.swap(0, 1)),
            "task \"watched\" has the labels that \"liked\" had, in the training",
        ),
        (shorter, "there is no column \"c\". Go on with"),
        (without(40), "there are 180 training rows, there were 200: 20 less; there are 90 validation rows, "),
        (rows(400, 2), "column \"a\" of the training rows has other values: "),
    ];
    let before = (folder.files("run"), folder.bytes("run/metrics.jsonl"));
    for (text, expected) in cases {
        folder.write("rows.csv", text);
        let said = folder.mt(&["train", "--resume", "run"]);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{expected}: {}", said.err);
        assert!(
            said.err.contains(" was trained on other data: ") || said.err.contains("no column"),
            "{}",
            said.err
        );
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
        assert_eq!((folder.files("run"), folder.bytes("run/metrics.jsonl")), before);
    }
    folder.write("rows.csv", text);
    folder.mt(&["train", "--resume", "run"]).done();
}

#[test]
fn a_run_extended_by_epochs_ends_with_the_bytes_of_one_that_was_longer_from_the_start() {
    let folder = Folder::trained();
    folder.mt(&["train", "tiny.yaml", "--run-dir", "long", "--set", "train.epochs=4"]).done();
    folder.mt(&["train", "--resume", "run", "--extend", "--set", "train.epochs=4"]).done();
    for file in folder.files("long/checkpoints") {
        let of = |run| folder.bytes(&format!("{run}/checkpoints/{file}"));
        assert!(of("run") == of("long"), "{file}");
    }
    assert_eq!(folder.read("run/best.json"), folder.read("long/best.json"));
    assert_eq!(folder.read("run/config.yaml"), folder.read("long/config.yaml"));
}

#[test]
fn a_run_extended_by_other_rows_keeps_its_scaling_and_seeks_the_best_epoch_anew() {
    let folder = Folder::trained();
    let model = folder.bytes("run/checkpoints/epoch-001/model.json");
    // Fewer rows, columns elsewhere, one that is new, and another scale of one, which is not fitted again.
    let text = reordered(&rows(300, 5), [4, 0, 3, 1, 2]);
    let text: String = text
        .lines()
        .map(|line| line.to_owned() + if line.starts_with('c') { ",new\n" } else { ",7\n" })
        .collect();
    folder.write("day-2.csv", &text);
    let args = [
        "train",
        "--resume",
        "run",
        "--extend",
        "--set",
        "data.csv.train=day-2.csv",
        "--set",
        "train.epochs=4",
    ];
    let said = folder.mt(&args);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for expected in [
        "extended: there are 150 training rows, there were 200: 50 less\n",
        "extended: epochs up to 2 were judged on other validation rows: the best is sought from here on\n",
        "goes on from epoch-002, after 14 steps\n",
    ] {
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
    }
    assert!(
        folder.bytes("run/checkpoints/epoch-004/model.json") == model,
        "columns, scaling and encoders stay"
    );
    let best: Value = read_json(&folder.path("run/best.json")).expect("JSON");
    assert!(best["epoch"].as_u64() > Some(2), "{best}");
    let state: Value = read_json(&folder.path("run/checkpoints/epoch-004/state.json")).expect("JSON");
    assert_eq!(state["retired"], 2);
    // From now on these are its rows.
    folder.mt(&["train", "--resume", "run"]).done();
    folder.write("day-2.csv", rows(300, 6));
    assert_eq!(folder.mt(&["train", "--resume", "run"]).code, Some(2));
}

#[test]
fn an_extended_run_keeps_all_that_makes_it_the_same_run() {
    let folder = Folder::trained();
    let cases = [
        ("train.seed=2", "train.seed: was 1 when the run began and is 2: "),
        ("train.optimizer.lr=0.1", "train.optimizer.lr: was 0.03 when the run began and is 0.1: "),
        ("data.normalize=none", "data.normalize: was \"standard\" when the run began and is \"none\": "),
        ("data.csv.features=[a]", "data.csv.features"),
        ("model.expert=[5]", "model.expert[0]: was 4 when the run began and is 5: "),
        ("train.select.metric=log-loss", "train.select.metric: was \"auc\""),
    ];
    for (set, expected) in cases {
        let said = folder.mt(&["train", "--resume", "run", "--extend", "--set", set]);
        assert!(
            said.code == Some(2) && said.err.starts_with(&format!("error: {expected}")),
            "{set}: {}",
            said.err
        );
    }
    let message =
        "--set does not change a run that goes on; with --extend it may set train.epochs or other rows";
    folder.refuses(&["train", "--resume", "run", "--set", "train.epochs=4"], 2, message);
}

#[test]
fn a_checkpoint_that_does_not_say_what_its_rows_were_is_compared_as_far_as_can_be() {
    let folder = Folder::trained();
    for epoch in [1, 2] {
        let dir = folder.path(&format!("run/checkpoints/epoch-00{epoch}"));
        std::fs::remove_file(dir.join("data.json")).expect("removed");
        let names = ["model.json", "optimizer.safetensors", "state.json", "weights.safetensors"];
        Checksums::write(&dir, &names).expect("written");
    }
    let said = folder.mt(&["train", "--resume", "run"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("warning: the checkpoint is of an earlier version and does not say"),
        "{}",
        said.err
    );
    folder.write("rows.csv", rows(400, 2));
    let said = folder.mt(&["train", "--resume", "run"]);
    assert!(said.code == Some(2) && said.err.contains("column \"a\" was scaled as (x - "), "{}", said.err);
}

#[test]
fn rows_set_aside_are_read_as_the_run_read_them_and_others_are_named() {
    let folder = Folder::trained();
    let before = auc(&folder, &["--run", "run"]);
    let scale = |cells: &mut Vec<String>| {
        cells[2] = format!("{}", 1000.0 * cells[2].parse::<f64>().expect("a number"))
    };
    folder.write("rows.csv", changed(&rows(400, 1), scale));
    let said = folder.mt(&["eval", "--run", "run", "--json"]);
    let warning = "warning: the data is not the one that the model was trained on";
    assert!(
        said.err.starts_with(warning) && said.err.contains("column \"a\" of the training rows"),
        "{}",
        said.err
    );
    // A scaling fitted on this file would hide that the unit is another: the network must see it.
    let loss =
        |said: crate::support::Said| said.json()[0]["tasks"]["watched"]["log_loss"].as_f64().expect("a loss");
    let scaled = loss(said);
    folder.write("rows.csv", rows(400, 1));
    let plain = loss(folder.mt(&["eval", "--run", "run", "--json"]));
    assert!(
        (before - auc(&folder, &["--run", "run"])).abs() < 1e-12 && scaled > 2.0 * plain,
        "{scaled} {plain}"
    );
}

/// Begins from `run`, changes nothing, and predicts `rows`.
fn warm(folder: &Folder, train: &str, sets: &[&str], input: &str) -> (Vec<Vec<f32>>, String) {
    let csv = format!("data.csv.train={train}");
    let frozen = ["--set", "train.warm_start={from: run, strict: true}", "--set", "train.rates={'*': 0}"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> =
        ["train", "tiny.yaml", "--run-dir", "warm", "--set", "train.epochs=1", "--set", &csv]
            .into_iter()
            .chain(frozen)
            .chain(sets)
            .collect();
    let said = folder.mt(&args);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let out = folder.mt(&["predict", "--run", "warm", "--input", input]).done();
    std::fs::remove_dir_all(folder.path("warm")).expect("removed");
    (numbers(&out), said.err)
}

fn assert_close(a: &[Vec<f32>], b: &[Vec<f32>], what: &str) {
    let differ = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && differ < 1e-5, "{what}: {differ}");
}

#[test]
fn a_warm_start_finds_the_rows_of_first_layers_by_the_names_of_their_inputs() {
    let folder = Folder::trained();
    let predict = |input| numbers(&folder.mt(&["predict", "--run", "run", "--input", input]).done());
    let expected = predict("rows.csv");
    folder.write("moved.csv", reordered(&rows(400, 1), [0, 1, 4, 2, 3]));
    let (found, said) = warm(&folder, "moved.csv", &[], "rows.csv");
    assert_close(&found, &expected, "columns in another order");
    assert!(said.contains("  first layers: 3 inputs go on by name, 3 of them from another place; 3 columns are scaled as there\n"), "{said}");

    // Rows of another day have another scale, which the weights are not for.
    let scale = |cells: &mut Vec<String>| {
        cells[3] = format!("{}", 5.0 + 3.0 * cells[3].parse::<f64>().expect("a number"))
    };
    folder.write("day-2.csv", changed(&rows(400, 1), scale));
    let (found, _) = warm(&folder, "day-2.csv", &[], "rows.csv");
    assert_close(&found, &expected, "the scaling of there is kept");
    let (found, said) = warm(&folder, "day-2.csv", &["train.warm_start.scaling=fit"], "rows.csv");
    assert!(said.contains("2 columns are scaled as there\n") && found != expected, "{said}");
}

#[test]
fn a_flag_that_is_constant_today_keeps_its_effect() {
    let folder = Folder::tiny();
    let flag = |cells: &mut Vec<String>| cells[4] = cells[0].clone();
    folder.write("rows.csv", changed(&rows(400, 1), flag));
    folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--set", "train.epochs=8"]).done();
    let on = |cells: &mut Vec<String>| cells[4] = "1".to_owned();
    folder.write("today.csv", changed(&rows(400, 1), on));
    let expected = numbers(&folder.mt(&["predict", "--run", "run", "--input", "today.csv"]).done());
    let (found, _) = warm(&folder, "today.csv", &[], "today.csv");
    assert_close(&found, &expected, "the flag");
}

#[test]
fn inputs_that_a_warm_start_cannot_map_are_named_and_refused_under_strict() {
    let folder = Folder::trained();
    let text = rows(400, 1).replace("a,b,c", "a,b,d");
    folder.write("other.csv", text);
    let start = |strict: &str, dir: &str| {
        let start = format!("train.warm_start={{from: run, strict: {strict}}}");
        folder.mt(&[
            "train",
            "tiny.yaml",
            "--run-dir",
            dir,
            "--set",
            "data.csv.train=other.csv",
            "--set",
            &start,
        ])
    };
    let said = start("true", "strict");
    let message = "strict: cannot take the input \"d\": it is not there, or a field of another width\n";
    assert!(said.code == Some(2) && said.err.ends_with(message), "{}", said.err);
    let said = start("false", "loose");
    assert_eq!(said.code, Some(0), "{}", said.err);
    for expected in ["  inputs not there, start fresh: d\n", "  inputs there and not here: c\n"] {
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
    }
    let log = folder.read("loose/metrics.jsonl");
    let inputs = "\"inputs\":{\"known\":2,\"moved\":0,\"scaled\":2,\"fresh\":[\"d\"],\"unexpected\":[\"c\"]}";
    assert!(log.contains(inputs), "{log}");
}
