//! Tasks that predict a product of heads, through every command that shows what a model is.

use crate::support::{Folder, TINY, numbers, rows};

/// Who watches, who likes over all rows as a product, and what `liking` is worth among those who watch.
const TASKS: &str = "tasks=[{name: watched, label: watched}, {name: liked, label: watched && liked, prediction: watched * \
                     liking}, {name: liking, label: liked, where: watched}]";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", rows(600, 3));
    folder.write("tiny.yaml", TINY);
    folder
}

#[test]
fn a_factor_is_trained_by_the_product_evaluated_in_its_space_and_scored() {
    let folder = folder();
    let set = ["--set", TASKS, "--set", "train.task_weights={liking: 0}"];
    let summary =
        folder.mt(&[&["train", "tiny.yaml", "--run-dir", "run", "--json"], &set[..]].concat()).json();
    let test = &summary.last().expect("a summary")["summary"]["test"];
    let rows = |metrics: &serde_json::Value| metrics["rows"].as_u64().expect("a number");
    let (all, within) = (rows(&test["liked"]), rows(&test["liking"]));
    assert!(within < all && rows(&test["liking"]["everywhere"]) == all, "{test}");
    let args = ["predict", "--run", "run", "--input", "rows.csv", "--score", "liking - liked / watched"];
    let predicted = folder.mt(&args).done();
    assert_eq!(predicted.lines().next(), Some("watched,liked,liking,score"));
    assert!(numbers(&predicted).iter().all(|row| row[3].abs() < 1e-6 && row[1] < row[2]));
    let explained = folder.mt(&["explain", "--run", "run", "--json"]).json();
    let metrics = explained[0]["metric"].as_object().expect("by task");
    assert_eq!(metrics.keys().collect::<Vec<_>>(), ["liked", "liking", "watched"]);
}

#[test]
fn a_head_without_a_label_is_shown_exported_and_predicted() {
    let folder = folder();
    let tasks = TASKS.replace(", {name: liking, label: liked, where: watched}", "");
    let shown = folder.mt(&["inspect", "tiny.yaml", "--set", &tasks]).done();
    assert!(shown.contains("tasks watched, liked = watched * liking"), "{shown}");
    assert!(shown.contains("towers.liking.0.weight") && !shown.contains("towers.liked"), "{shown}");
    folder.mt(&["train", "tiny.yaml", "--run-dir", "run", "--set", &tasks]).done();
    folder.mt(&["export", "--run", "run", "--out", "bundle"]).done();
    let card = folder.read("bundle/README.md");
    assert!(card.contains("Predicts watched, liked, liking with"), "{card}");
    assert!(card.contains("prediction of liked") && card.contains("`watched * liking`"), "{card}");
    let of = |model: &str| folder.mt(&["predict", model, "--input", "rows.csv"]).done();
    assert_eq!(of("--run=run"), of("--bundle=bundle"));
    // What was learned of a head goes on under its name, here as that of a task.
    let more = "train.warm_start={from: run, take: ['towers.liking.*']}";
    folder.mt(&["train", "tiny.yaml", "--run-dir", "next", "--set", TASKS, "--set", more]).done();
    let log = folder.read("next/metrics.jsonl");
    let taken = log.lines().find(|line| line.contains("warm-started")).expect("a warm start");
    let taken: serde_json::Value = serde_json::from_str(taken).expect("JSON");
    let expected = ["0.bias", "0.weight", "1.bias", "1.weight"].map(|layer| format!("towers.liking.{layer}"));
    assert_eq!(taken["loaded"], serde_json::json!(expected));
}

#[test]
fn a_chain_is_compared_with_a_head_of_its_own_for_the_same_labels() {
    let folder = folder();
    let chain = TASKS.replace(", {name: liking, label: liked, where: watched}", "");
    let tasks = |set: &str| format!("{TINY}{}\n", set.replacen('=', ": ", 1));
    let written = |set: &str| {
        let (before, after) =
            tasks(set).split_once("tasks:\n").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("tasks");
        let model = after.find("model:").expect("a model");
        before + &after[model..]
    };
    folder.write("chain.yaml", written(&chain));
    folder.write("own.yaml", written(&chain.replace(", prediction: watched * liking", "")));
    let said = folder.mt(&["compare", "own.yaml", "chain.yaml", "--out", "out"]).done();
    assert!(said.contains("liked") && said.contains("chain"), "{said}");
    folder.write("other.yaml", TINY);
    let refused = folder.mt(&["compare", "own.yaml", "other.yaml", "--out", "more"]);
    assert!(refused.err.contains("predict different tasks"), "{}", refused.err);
}
