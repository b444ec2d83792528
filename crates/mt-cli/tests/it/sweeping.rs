//! `mt sweep`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Folder, TINY, rows};

const OVER: [&str; 4] =
    ["--over", "train.optimizer.lr=log(1e-4, 1e-1)", "--over", "model.gate=[[], [8], [8, 4]]"];

/// Four epochs, so that there is something to stop.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("rows.csv", rows(1500, 1));
    let tiny = TINY.replace("epochs: 2", "epochs: 4").replace("lr: 0.03", "lr: 0.0003");
    folder.write("tiny.yaml", tiny);
    folder
}

fn sweep<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "tiny.yaml"], &OVER[..], more].concat()
}

/// The records of finished trials, without what depends on the clock.
fn records(folder: &Folder, sweep: &str) -> Vec<Value> {
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).expect("JSON");
        let fields = record.as_object_mut().expect("an object");
        assert!(fields.remove("seconds").is_some() && fields.remove("rows_per_second").is_some());
        record
    };
    folder.read(&format!("{sweep}/trials.jsonl")).lines().map(record).collect()
}

#[test]
fn a_sweep_finds_a_better_configuration_and_says_so_in_all_forms() {
    let folder = folder();
    let out = folder.mt(&sweep(&["--trials", "14", "--out", "out"])).done();
    let report: Value = serde_json::from_str(&folder.read("out/report.json")).expect("JSON");
    let trials = report["trials"].as_array().expect("a list");
    assert_eq!(trials.len(), 15);
    let values: Vec<f64> = trials.iter().filter_map(|trial| trial["value"].as_f64()).collect();
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    assert!(trials.iter().any(|trial| trial["ended"] == "hopeless"), "{out}");
    // The rate as it is is far too small.
    assert_ne!(report["best"], 0);
    assert_eq!(report["best"], trials[0]["trial"]);
    for test in report["test"].as_array().expect("a list") {
        assert!(test["difference"].as_f64() > Some(0.0) && test["p_value"].as_f64() < Some(0.05), "{test}");
        assert_eq!((&test["p_over"], test.get("outcome")), (&"rows".into(), None), "{test}");
    }
    assert!(out.contains("│ trial ┆ ") && out.contains("┆ p (rows only) │"), "{out}");
    assert!(out.contains("15 trials in ") && out.contains("report.html, best.yaml and runs in out"), "{out}");
    let page = folder.read("out/report.html");
    for key in ["train.optimizer.lr", "log10 of lr", "model.gate", "0: [], 1: [8], 2: [8, 4]"] {
        assert!(page.contains(key), "{key}");
    }
    // One seed each, so no verdict, but the way to one, on seeds that nothing was chosen by.
    let body = page.split_once("<body").expect("a page").1;
    for text in [out.as_str(), body] {
        let said = ["wins", "loses", "stays", "gain", "beats"].into_iter().find(|word| text.contains(word));
        assert_eq!(said, None, "{text}");
        assert!(text.contains("chosen among 15 trials of one seed each; p is over rows only"), "{text}");
    }
    let compare = "mt compare out/config.yaml out/best.yaml --set train.seed=2 --seeds 3";
    assert!(out.contains(compare) && body.contains(compare) && report["compare"] == compare, "{out}");
    let args: Vec<&str> = compare.split(' ').skip(1).collect();
    let out = folder.mt(&args).done();
    assert!(out.contains("out-best: wins watched"), "{out}");
    let number = format!("{:03}", trials[0]["trial"].as_u64().expect("a number"));
    assert!(folder.path(&format!("out/trials/{number}/config.yaml")).exists());
    let best = folder.mt(&["train", "out/best.yaml", "--run-dir", "best", "--json"]).json();
    let summary = &best.last().expect("a line")["summary"];
    assert_eq!(summary["best"]["value"], trials[0]["value"]);
}

#[test]
fn a_killed_sweep_goes_on_to_the_same_records() {
    let folder = folder();
    folder.mt(&sweep(&["--trials", "12", "--out", "whole"])).done();
    let more = ["--trials", "12", "--out", "killed", "--json"];
    // Twice, once in the middle of a trial.
    for lines in [2, 5] {
        let mut command = folder.command(&sweep(&more));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let started = Instant::now();
        let count = || {
            let text = std::fs::read_to_string(folder.path("killed/trials.jsonl")).unwrap_or_default();
            text.lines().count()
        };
        while count() < lines {
            assert!(started.elapsed() < Duration::from_secs(120), "nothing happens");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    // As a kill in the middle of a line leaves it.
    let text = folder.read("killed/trials.jsonl");
    folder.write("killed/trials.jsonl", text + "{\"trial\":");
    folder.mt(&["sweep", "--resume", "killed"]).done();
    assert_eq!(records(&folder, "killed"), records(&folder, "whole"));
    assert_eq!(folder.read("killed/best.yaml"), folder.read("whole/best.yaml"));
    // And with more trials, which come behind the others.
    folder.mt(&["sweep", "--resume", "killed", "--trials", "13"]).done();
    assert_eq!(records(&folder, "killed")[..13], records(&folder, "whole"));
    assert_eq!(records(&folder, "killed").len(), 14);
}

#[test]
fn several_trials_at_the_same_time_come_to_the_same_values() {
    let folder = folder();
    let random = ["--trials", "5", "--method", "random", "--grace", "99", "--out"];
    folder.mt(&sweep(&[&random[..], &["one"]].concat())).done();
    folder.mt(&sweep(&[&random[..], &["two", "--parallel", "2", "--threads", "2"]].concat())).done();
    let mut parallel = records(&folder, "two");
    parallel.sort_by_key(|record| record["trial"].as_u64());
    assert_eq!(parallel, records(&folder, "one"));
}

#[test]
fn a_grid_within_a_budget_has_every_combination_and_no_larger_model() {
    let folder = folder();
    let args = ["sweep", "tiny.yaml", "--over", "model.experts=[2, 4]", "--over", "model.gate=[[], [4]]"];
    let more = ["--method", "grid", "--budget", "120", "--out", "out", "--set", "model.expert=[8]", "--json"];
    let report = folder.mt(&[&args[..], &more].concat()).json().remove(0);
    let trials = report["trials"].as_array().expect("a list");
    assert_eq!(trials.len(), 5);
    assert!(trials.iter().all(|trial| trial["parameters"].as_u64() <= Some(120)), "{report}");
    // Four experts fit, and deeper gates fit, but not together: that is one trial less, not the end.
    let refused: Vec<&Value> = trials.iter().filter(|trial| trial["ended"] == "refused").collect();
    assert_eq!(refused.len(), 1, "{report}");
    assert_eq!(refused[0]["set"], serde_json::json!(["model.experts=4", "model.gate=[4]"]));
    assert!(refused[0]["problem"].as_str().is_some_and(|problem| problem.contains("138")), "{report}");
}

#[test]
fn what_cannot_be_tried_is_refused_before_the_first_trial() {
    let folder = folder();
    let refuses = |more: &[&str], message: &str| {
        folder.refuses(&[&["sweep", "tiny.yaml", "--out", "out"], more].concat(), 2, message);
    };
    refuses(
        &["--over", "model.experts=[2, 0]"],
        "--over model.experts=[2, 0]: --set model.experts=0: model.experts: expected 1 to 1024, found 0",
    );
    refuses(
        &["--over", "train.dropout=uniform(0, 1)"],
        "--over train.dropout=uniform(0, 1): --set train.dropout=1: train.dropout: expected 0 to below 1, found 1",
    );
    refuses(
        &["--over", "model.experts=[2, 4]", "--over", "model.experts=[8]"],
        "--over model.experts is given twice",
    );
    refuses(
        &["--over", "train.dropout=uniform(0, 0.5)", "--method", "grid"],
        "--method grid: a range of fractions has no end; give a list",
    );
    refuses(
        &["--over", "model.experts=[2, 4]", "--method", "grid", "--trials", "2"],
        "--method grid tries all combinations, without --trials",
    );
    let said = folder.mt(&["sweep", "tiny.yaml", "--over", "data.csv.train=[a, b]"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("data.csv.train: expected a key of model or train"), "{}", said.err);
    let said = folder.mt(&["sweep", "tiny.yaml", "--over", "model.expertz=[2, 4]"]);
    assert!(said.err.contains("mmoe has no such key; did you mean \"experts\"?"), "{}", said.err);
    folder.refuses(&["sweep", "--resume", "out"], 2, "out: holds no sweep (no sweep.json)");
    let small = ["--budget", "9", "--over", "model.experts=[2, 4]"];
    let said = folder.mt(&[&["sweep", "tiny.yaml", "--out", "out"], &small[..]].concat());
    assert_eq!((said.code, folder.path("out").exists()), (Some(2), false), "{}", said.err);

    folder.mt(&sweep(&["--trials", "1", "--out", "out"])).done();
    let message = "out: holds another sweep; choose another --out";
    folder.refuses(&sweep(&["--trials", "2", "--out", "out"]), 2, message);
}

#[test]
fn a_trial_that_diverges_is_one_less_and_the_others_go_on() {
    let folder = folder();
    let args = ["sweep", "tiny.yaml", "--set", "train.optimizer.kind=sgd", "--out", "out", "--json"];
    let over = ["--over", "train.optimizer.lr=[0.1, 1e38]", "--method", "grid"];
    let report = folder.mt(&[&args[..], &over].concat()).json().remove(0);
    let trials = report["trials"].as_array().expect("a list");
    assert_eq!((trials.len(), &trials[2]["ended"]), (3, &"diverged".into()), "{report}");
    assert!(trials[2]["problem"].as_str().is_some_and(|problem| problem.contains("train.optimizer.lr")));
    assert_eq!(report["best"], 1, "{report}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_exits_with_130_and_says_how_to_go_on() {
    let folder = folder();
    let args = sweep(&["--trials", "9", "--out", "out", "--set", "train.epochs=1000000"]);
    let mut child =
        folder.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let started = Instant::now();
    while !folder.path("out/trials/000/checkpoints/epoch-001").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing happens");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let code = child.wait().expect("it ends").code();
    let said = std::io::read_to_string(child.stderr.take().expect("a pipe")).expect("text");
    assert_eq!((code, said.as_str()), (Some(130), "interrupted; go on with: mt sweep --resume out\n"));
    assert_eq!(folder.read("out/trials.jsonl"), "");
}

#[test]
fn a_sweep_is_not_continued_on_other_rows() {
    let folder = Folder::tiny();
    let args = ["sweep", "tiny.yaml", "--over", "train.dropout=[0, 0.1]", "--trials", "1", "--out", "out"];
    folder.mt(&args).done();
    folder.mt(&["sweep", "--resume", "out"]).done();
    folder.write("rows.csv", rows(396, 1));
    let message =
        "out: its trials were trained on other data: there are 198 training rows, there were 200: 2 less";
    let said = folder.mt(&["sweep", "--resume", "out"]);
    assert!(said.code == Some(2) && said.err.contains(message), "{}", said.err);
}
