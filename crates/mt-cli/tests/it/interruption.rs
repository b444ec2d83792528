//! A run that is asked to stop: it leaves a checkpoint that works, and says so.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::support::{Folder, Said, TINY};

/// Starts `mt train` with `more` arguments, sends `signal` at the first event of this kind, waits for the end.
fn stopped(folder: &Folder, signal: &str, event: &str, more: &[&str]) -> Said {
    let args = [&["train", "tiny.yaml", "--run-dir", "run", "--json"], more].concat();
    let mut child = folder
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let (mut out, wanted) = (String::new(), format!("{{\"event\":\"{event}\""));
    while !out.lines().any(|line| line.starts_with(&wanted)) {
        assert_ne!(lines.read_line(&mut out).expect("a line"), 0, "it ended too early: {out}");
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    // Reads on, or the program would wait for room in the pipe.
    lines.read_to_string(&mut out).expect("text");
    let said = Said::of(child.wait_with_output().expect("it ends"));
    Said { out, ..said }
}

fn summary(said: &Said) -> serde_json::Value {
    serde_json::from_str(said.out.lines().last().expect("a line")).expect("JSON")
}

const INTERRUPTED: &str = "interrupted; the last step is in run/checkpoints/interrupted\n";

#[test]
fn an_interrupted_run_exits_with_130_and_leaves_a_checkpoint_that_works() {
    let folder = Folder::tiny();
    let said = stopped(&folder, "-INT", "epoch", &["--set", "train.epochs=1000000"]);
    assert_eq!((said.code, said.err.as_str()), (Some(130), INTERRUPTED));
    assert!(
        said.out.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{}",
        said.out
    );
    assert_eq!(summary(&said)["summary"]["interrupted"], true);
    assert!(!folder.files("run").iter().any(|file| file.contains("partial")));

    // The whole epochs are there as ever, and the step at which it stopped.
    for checkpoint in ["best", "last", "interrupted"] {
        let eval = folder.mt(&["eval", "--run", "run", "--checkpoint", checkpoint, "--json"]).json();
        assert_eq!(eval[0]["epoch"].is_null(), checkpoint == "interrupted", "{}", eval[0]);
        let args = ["predict", "--run", "run", "--checkpoint", checkpoint, "--input", "rows.csv"];
        assert_eq!(folder.mt(&args).done().lines().count(), 401);
    }
    let text = folder.mt(&["eval", "--run", "run", "--checkpoint", "interrupted"]).done();
    assert!(text.starts_with("tiny interrupted on test\n"), "{text}");
}

#[test]
fn a_run_terminated_in_its_first_epoch_can_be_evaluated() {
    let folder = Folder::tiny();
    let text =
        TINY.replace("csv: {train: rows.csv}", "synth: {rows: 50000}").replace("label: watched", "label: 0");
    folder.write(
        "tiny.yaml",
        text.replace("label: liked", "label: 1").replace("batch_size: 32", "batch_size: 1"),
    );
    let said = stopped(&folder, "-TERM", "progress", &["--set", "train.log_every=1"]);
    assert_eq!((said.code, said.err.as_str()), (Some(130), INTERRUPTED));
    let summary = summary(&said);
    assert_eq!(
        (&summary["summary"]["epochs"], &summary["summary"]["best"]),
        (&0.into(), &serde_json::Value::Null)
    );
    // Nothing else is there, so it is meant.
    let eval = folder.mt(&["eval", "--run", "run", "--json"]).json();
    assert!(eval[0]["epoch"].is_null() && eval[0]["tasks"]["liked"]["auc"].is_f64(), "{}", eval[0]);
}
