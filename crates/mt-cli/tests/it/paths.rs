//! What leaves the fast path is said: by `mt inspect --paths`, and in the log of a run.

use serde_json::Value;

use crate::support::Folder;

const LEFT: [(&str, &str, &str); 4] = [
    (
        "model.norm=batch",
        "experts.0",
        "a layer at a time, normalised over the batch in plain operations (model.norm)",
    ),
    (
        "train.balance.kind=pcgrad",
        "experts.0",
        "experts, gates and mixture apart, as each task's gradient is taken between them (train.balance)",
    ),
    (
        "train.load_balance=0.1",
        "experts.0",
        "experts, gates and mixture apart, as they are looked at (train.load_balance)",
    ),
    (
        "model.gate_fields={watched: [a]}",
        "experts.0",
        "experts, gates and mixture apart, as a gate reads columns of its own (model.gate_fields)",
    ),
];

/// The layers and reasons of a list.
fn pairs(off: &Value) -> Vec<(&str, &str)> {
    let all = off.as_array().expect("a list");
    all.iter()
        .map(|off| (off["layer"].as_str().expect("a name"), off["why"].as_str().expect("why")))
        .collect()
}

#[test]
fn a_network_without_a_reason_to_leave_is_fused() {
    let folder = Folder::tiny();
    for set in [
        "name=plain",
        "model.norm=layer",
        "train.balance.kind=dwa",
        "train.shards=2",
        "train.task_losses.watched=ranknet",
    ] {
        // A loss may look at groups.
        let sets = ["--set", "data.group=c", "--set", set];
        let said = folder.mt(&[&["inspect", "tiny.yaml", "--paths"], &sets[..]].concat()).done();
        assert_eq!(said, "training: all layers are fused\nprediction: all layers are fused\n", "{set}");
    }
    folder.mt(&["train", "tiny.yaml", "--run-dir", "run"]).done();
    assert!(!folder.read("run/metrics.jsonl").contains("\"event\":\"paths\""));
}

#[test]
fn whatever_leaves_is_said_with_its_reason_before_and_in_training() {
    let folder = Folder::tiny();
    for (i, (set, layer, why)) in LEFT.into_iter().enumerate() {
        let json = folder.mt(&["inspect", "tiny.yaml", "--paths", "--json", "--set", set]).json().remove(0);
        let training = pairs(&json["training"]);
        assert!(training.contains(&(layer, why)), "{set}: {json}");
        let run = format!("run-{i}");
        folder.mt(&["train", "tiny.yaml", "--run-dir", &run, "--set", set]).done();
        let log = folder.read(&format!("{run}/metrics.jsonl"));
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let paths: Vec<Value> = events.filter(|event| event["event"] == "paths").collect();
        assert_eq!(paths.len(), 1, "{set}: {log}");
        assert_eq!(pairs(&paths[0]["off"]), training, "{set}");
    }
}
